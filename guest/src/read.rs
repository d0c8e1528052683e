//! A file's content on its way down.

use crate::{
    error::{Detail, Error},
    lookup::Target,
    platform::{Platform, Response},
    service::{Answer, Call, Service, Wanted},
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
        let last = length.checked_sub(1).and_then(|more| self.start.checked_add(more));
        match last {
            Some(last) => Ok(format!("bytes={}-{last}", self.start)),
            None => Err(Error::InvalidArgument(Detail::new("an empty range of bytes"))),
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
                    url = url::Url::parse(&url)
                        .and_then(|url| url.join(location))
                        .map_err(|error| Error::protocol(what, error))?
                        .into();
                }
                206 => return Ok(response),
                200 if range.is_none_or(|range| range.start == 0 && range.length.is_none()) => {
                    return Ok(response);
                }
                200 => return Err(Error::protocol(what, "a part was asked for, all of it came")),
                status => return Err(Error::protocol(what, format!("HTTP {status}"))),
            }
        }
        Err(Error::protocol(what, "it leads in circles"))
    }
}

/// Redirects followed: the service needed one.
const REDIRECTS: usize = 4;
