//! A file's content on its way down.

use crate::{
    error::{Detail, Error},
    lookup::Target,
    platform::{Platform, Response},
    service::{Answer, Call, Service, Wanted, absolute},
    wire::Kind,
};

/// A range of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteRange {
    pub(crate) start: u64,
    pub(crate) length: Option<u64>,
}

impl ByteRange {
    /// The header that asks for it; an empty range cannot be asked for.
    fn header(self) -> Result<String, Error> {
        let Some(length) = self.length else {
            return Ok(format!("bytes={}-", self.start));
        };
        let last = length
            .checked_sub(1)
            .and_then(|more| self.start.checked_add(more));
        match last {
            Some(last) => Ok(format!("bytes={}-{last}", self.start)),
            None => Err(Error::InvalidArgument(Detail::new(
                "an empty range of bytes",
            ))),
        }
    }
}

impl<P: Platform> Service<P> {
    /// The reply with a file's content, its body still on the way.
    pub(crate) async fn read(
        &self,
        target: &Target,
        range: Option<ByteRange>,
    ) -> Result<Response<P::Body>, Error> {
        let id = match target {
            Target::Id(id) => id.clone(),
            Target::Path(_) => {
                let node = self.stat(target).await?;
                if node.kind == Kind::Folder {
                    return Err(Error::NotAFile(Detail::new("it is a folder")));
                }
                node.id
            }
        };
        let what = "read a file";
        let mut url = self.content_url(&id);
        let header = range.map(ByteRange::header).transpose()?;
        for _ in 0..=REDIRECTS {
            let call = Call {
                range: header.clone(),
                ..Call::get(what, url.clone())
            };
            let Answer::Open(response) = self.call(&call, Wanted::Open).await? else {
                return Err(Error::protocol(what, "it has no body"));
            };
            match response.status {
                301..=303 | 307 | 308 => {
                    let location = response.header("location").unwrap_or_default();
                    // The next call asks for credentials again, for this URL.
                    url = follow(&url, location)
                        .ok_or_else(|| Error::protocol(what, "it leads nowhere"))?;
                }
                206 => return Ok(response),
                200 if range.is_none_or(|range| range.start == 0 && range.length.is_none()) => {
                    return Ok(response);
                }
                200 => {
                    return Err(Error::protocol(
                        what,
                        "a part was asked for, all of it came",
                    ));
                }
                status => return Err(Error::protocol(what, format!("HTTP {status}"))),
            }
        }
        Err(Error::protocol(what, "it leads in circles"))
    }
}

/// Where a `Location` leads that came from `url`. The service's are absolute; of the
/// other forms only the one that starts with `/` was ever seen anywhere.
fn follow(url: &str, location: &str) -> Option<String> {
    if absolute(location).is_some() {
        return Some(location.to_owned());
    }
    let here = absolute(url)?;
    let path = location
        .starts_with('/')
        .then_some(location)
        .filter(|it| !it.starts_with("//"))?;
    let target = format!("{}://{}{path}", here.scheme_str()?, here.authority()?);
    absolute(&target).map(|_| target)
}

/// Redirects followed: the service needed one.
const REDIRECTS: usize = 4;

#[cfg(test)]
mod tests {
    use super::follow;

    #[test]
    fn redirects_are_followed_to_absolute_urls_and_paths_only() {
        let from = "https://content.example/cdproxy/nodes/a/content?b";
        for (location, target) in [
            ("https://s3.example/x?y=z", Some("https://s3.example/x?y=z")),
            ("http://s3.example/x", Some("http://s3.example/x")),
            ("/other?x", Some("https://content.example/other?x")),
            ("//evil.example/x", None),
            ("other", None),
            ("", None),
            ("ftp://s3.example/x", None),
        ] {
            assert_eq!(follow(from, location).as_deref(), target, "{location}");
        }
    }
}
