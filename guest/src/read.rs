//! A file's content on its way down.

use serde_json::Error as JsonError;

use crate::{
    error::{Detail, Error},
    lenient::{self, Fields, Value},
    lookup::Target,
    names,
    platform::{Level, Platform, Response},
    policy::{self, Route},
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

/// How to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ReadOptions {
    pub(crate) range: Option<ByteRange>,
    /// Of the whole file, where the caller knows it.
    pub(crate) size: Option<u64>,
    /// That the whole file must have.
    pub(crate) md5: Option<String>,
}

impl<P: Platform> Service<P> {
    /// The reply with a file's content, its body still on the way.
    pub(crate) async fn read(
        &self,
        target: &Target,
        options: ReadOptions,
    ) -> Result<Response<P::Body>, Error> {
        let range = options.range;
        let header = range.map(ByteRange::header).transpose()?;
        let (id, size) = self.find_file(target, &options).await?;
        let route = policy::download_route(size.unwrap_or(0), self.templink_threshold);
        if route == Route::TemporaryLink {
            return self.read_by_link(&id, range, header).await;
        }
        let url = self.content_url(&id);
        match self.fetch(url, true, range, header.clone()).await {
            // It does not give large files in one piece, and where that begins it never
            // said.
            Err(Error::InvalidArgument(detail)) if detail.status == Some(400) => {
                let line = "the service refuses this content, trying a temporary link";
                self.platform.log(Level::Info, line);
                let linked = self.read_by_link(&id, range, header).await;
                // What the service said of it at first says more.
                linked.map_err(|_| Error::InvalidArgument(detail))
            }
            outcome => outcome,
        }
    }

    /// The file's id, and its size if there is need to know it. Looks only if there is
    /// something to be found out.
    async fn find_file(
        &self,
        target: &Target,
        options: &ReadOptions,
    ) -> Result<(String, Option<u64>), Error> {
        let unknown = options.size.is_none() && self.templink_threshold.is_some();
        match target {
            Target::Id(id) if options.md5.is_none() && !unknown => {
                return Ok((id.clone(), options.size));
            }
            Target::Id(_) | Target::Path(_) => {}
        }
        let node = self.stat(target).await?;
        if node.kind == Kind::Folder {
            return Err(Error::NotAFile(Detail::new("it is a folder")));
        }
        if let Some(expected) = &options.md5 {
            let same = |md5: &String| md5.eq_ignore_ascii_case(expected);
            if !node.md5.as_ref().is_some_and(same) {
                let name = names::display(&node.name);
                return Err(Error::Changed(Detail::new(format!(
                    "has another content by now: {name}"
                ))));
            }
        }
        Ok((node.id, node.size))
    }

    /// Reads by a new temporary link, which may have ended before it could be used.
    async fn read_by_link(
        &self,
        id: &str,
        range: Option<ByteRange>,
        header: Option<String>,
    ) -> Result<Response<P::Body>, Error> {
        let link = self.temporary_link(id).await?;
        match self.fetch(link, false, range, header.clone()).await {
            Err(Error::NotFound(_)) => {
                let link = self.temporary_link(id).await?;
                self.fetch(link, false, range, header).await
            }
            outcome => outcome,
        }
    }

    /// A temporary link to a file, by either of its names.
    pub(crate) async fn temporary_link_to(&self, target: &Target) -> Result<String, Error> {
        match target {
            Target::Id(id) => self.temporary_link(id).await,
            Target::Path(_) => {
                let (id, _) = self.find_file(target, &ReadOptions::default()).await?;
                self.temporary_link(&id).await
            }
        }
    }

    /// A URL that gives a file to whoever has it. A secret, for a while.
    pub(crate) async fn temporary_link(&self, id: &str) -> Result<String, Error> {
        let what = "get a temporary link";
        let url = format!("{}?tempLink=true", self.node_url(id));
        let body = self.whole(&Call::get(what, url)).await?;
        let mut linked = Linked::default();
        lenient::object(&body, &mut linked).map_err(|error| Error::protocol(what, error))?;
        if linked.is_folder {
            return Err(Error::NotAFile(Detail::new("it is a folder")));
        }
        let link = linked.temp_link.filter(|link| absolute(link).is_some());
        link.ok_or_else(|| Error::protocol(what, "there is none"))
    }

    /// Content from a URL and wherever that leads.
    async fn fetch(
        &self,
        mut url: String,
        authorized: bool,
        range: Option<ByteRange>,
        header: Option<String>,
    ) -> Result<Response<P::Body>, Error> {
        let what = "read a file";
        for _ in 0..=REDIRECTS {
            let call = Call {
                range: header.clone(),
                authorized,
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

/// A node that was asked for with its link.
#[derive(Default)]
struct Linked {
    temp_link: Option<String>,
    is_folder: bool,
}

impl<'de> Fields<'de> for Linked {
    fn field(&mut self, key: &str, value: &mut dyn Value<'de>) -> Result<(), JsonError> {
        match key {
            "tempLink" => self.temp_link = value.text()?.map(Into::into),
            "kind" => self.is_folder = value.text()?.as_deref() == Some("FOLDER"),
            _ => {}
        }
        Ok(())
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
