//! A remote file's content, gone on with where it was cut.

use std::pin::Pin;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};

use crate::component::{ByteRange, Content, Error, ReadOptions, Remote, Target};

/// A file's content as one stream, whatever it takes to get it.
pub(crate) type Whole = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// A file on a remote, as it was when it was looked at.
pub(crate) struct Source {
    pub(crate) remote: Remote,
    pub(crate) target: Target,
    pub(crate) size: Option<u64>,
    /// Hexadecimal. Without it nothing tells whether what is gone on with is the same file.
    pub(crate) md5: Option<String>,
}

/// Reads a file to its end. Where the connection breaks off, the rest is asked for, if the
/// file is still the same one; otherwise the stream ends in [`Error::Changed`].
///
/// # Errors
/// As [`Remote::read`].
pub(crate) async fn read(source: Source) -> Result<Whole, Error> {
    let options = ReadOptions {
        range: None,
        size: source.size,
        md5: None,
    };
    let content = source.remote.read(source.target.clone(), options).await?;
    let reading = Reading {
        source,
        content,
        at: 0,
        fruitless: 0,
    };
    Ok(Box::pin(stream::unfold(Some(reading), next).fuse()))
}

struct Reading {
    source: Source,
    content: Content,
    /// Bytes that came so far.
    at: u64,
    /// Times it broke off since the last byte came.
    fruitless: u32,
}

async fn next(reading: Option<Reading>) -> Option<(Result<Bytes, Error>, Option<Reading>)> {
    let mut reading = reading?;
    loop {
        let error = match reading.content.next().await? {
            Ok(bytes) => {
                reading.at += bytes.len() as u64;
                reading.fruitless = 0;
                return Some((Ok(bytes), Some(reading)));
            }
            Err(error) => error,
        };
        match reading.go_on(error).await {
            Ok(content) => reading.content = content,
            Err(error) => return Some((Err(error), None)),
        }
    }
}

impl Reading {
    /// The rest, after the content broke off with this error.
    async fn go_on(&mut self, error: Error) -> Result<Content, Error> {
        let broke_off = matches!(
            error,
            Error::Interrupted(_) | Error::Unavailable(_) | Error::Lost(_)
        );
        let Some(md5) = self.source.md5.clone().filter(|_| broke_off && self.at > 0) else {
            return Err(error);
        };
        if self.source.size.is_some_and(|size| self.at >= size) || self.fruitless == FRUITLESS_MOST
        {
            return Err(error);
        }
        self.fruitless += 1;
        tracing::info!(
            "the content broke off after {} bytes, going on there",
            self.at
        );
        let options = ReadOptions {
            range: Some(ByteRange {
                start: self.at,
                length: None,
            }),
            size: self.source.size,
            md5: Some(md5),
        };
        let target = self.source.target.clone();
        self.source.remote.read(target, options).await
    }
}

/// Times in a row that content may break off without a single byte.
const FRUITLESS_MOST: u32 = 3;
