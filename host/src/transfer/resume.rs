//! A remote file's content, gone on with where it was cut.

use std::{ops::Range, pin::Pin};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use tokio::time::Instant;

use super::ranges;
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
    /// Most connections for one file; a large file that comes slowly gets as many.
    pub(crate) streams: usize,
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
    let began = Instant::now();
    let content = source.remote.read(source.target.clone(), options).await?;
    let reading = Reading {
        source,
        content,
        at: 0,
        fruitless: 0,
        began,
    };
    let state = State::One(Box::new(reading));
    Ok(Box::pin(stream::unfold(state, next).fuse()))
}

enum State {
    One(Box<Reading>),
    Several(Whole),
    End,
}

struct Reading {
    source: Source,
    content: Content,
    /// Bytes that came so far.
    at: u64,
    /// Times it broke off since the last byte came.
    fruitless: u32,
    began: Instant,
}

async fn next(state: State) -> Option<(Result<Bytes, Error>, State)> {
    let mut reading = match state {
        State::One(reading) => reading,
        State::Several(mut parts) => {
            let bytes = parts.next().await?;
            return Some((bytes, State::Several(parts)));
        }
        State::End => return None,
    };
    loop {
        let error = match reading.content.next().await? {
            Ok(bytes) => {
                reading.at += bytes.len() as u64;
                reading.fruitless = 0;
                let next = match reading.rest_by_parts() {
                    Some(rest) => State::Several(rest),
                    None => State::One(reading),
                };
                return Some((Ok(bytes), next));
            }
            Err(error) => error,
        };
        match reading.go_on(error).await {
            Ok(content) => reading.content = content,
            Err(error) => return Some((Err(error), State::End)),
        }
    }
}

impl Reading {
    /// The rest over several connections, if that is worth it. That all parts are of the
    /// same file is proven by the MD5 of the whole, which nobody goes without.
    fn rest_by_parts(&mut self) -> Option<Whole> {
        let size = self.source.size?;
        let decides = (ranges::FIRST..2 * ranges::FIRST).contains(&self.at);
        let large = size > 4 * ranges::FIRST && self.source.md5.is_some();
        if !decides || !large || self.source.streams < 2 {
            return None;
        }
        if !ranges::may_help(self.at, self.began.elapsed()) {
            self.source.streams = 1;
            return None;
        }
        tracing::debug!(streams = self.source.streams, "the rest comes in parts");
        let (remote, target) = (self.source.remote.clone(), self.source.target.clone());
        let fetch = move |range| part(remote.clone(), target.clone(), size, range);
        let parts = ranges::fetch_all(self.at..size, self.source.streams, fetch);
        Some(Box::pin(parts))
    }

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

/// One part, whole.
async fn part(
    remote: Remote,
    target: Target,
    size: u64,
    range: Range<u64>,
) -> Result<Vec<Bytes>, Error> {
    let length = range.end - range.start;
    let mut left = FRUITLESS_MOST;
    loop {
        let options = ReadOptions {
            range: Some(ByteRange {
                start: range.start,
                length: Some(length),
            }),
            size: Some(size),
            md5: None,
        };
        let read = async {
            let content = remote.read(target.clone(), options).await?;
            content.try_collect::<Vec<_>>().await
        };
        match read.await {
            Err(Error::Interrupted(_) | Error::Lost(_)) if left > 0 => left -= 1,
            Ok(blocks) if blocks.iter().map(Bytes::len).sum::<usize>() as u64 != length => {
                return Err(Error::Other("a part came with another length".to_owned()));
            }
            outcome => return outcome,
        }
    }
}

/// Times in a row that content may break off without a single byte.
const FRUITLESS_MOST: u32 = 3;
