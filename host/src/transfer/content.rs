//! Content on its way from one side to the other, counted and hashed once.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::SystemTime,
};

use bytes::Bytes;
use futures::{Stream, StreamExt, channel::oneshot, future::BoxFuture};
use md5::Digest as _;

use super::{Error, Event, Observer, side::Md5};
use crate::files::{self, Digest};

/// A file's content. Its plain end is the whole content; a cut is an error.
pub(super) trait Readable:
    Stream<Item = Result<Bytes, Error>> + Send + Unpin + 'static
{
    /// Size in bytes, where known.
    fn size(&self) -> Option<u64>;

    /// MD5 the content is supposed to have, where known beforehand.
    fn expected(&self) -> Option<Md5>;

    /// The file's own time, where known.
    fn time(&self) -> Option<SystemTime>;

    /// What the content was. Reads to the end what was not read yet.
    fn digest(self: Box<Self>) -> BoxFuture<'static, Result<Digest, Error>>;
}

/// A local file hashes itself.
impl Readable for FileContent {
    fn size(&self) -> Option<u64> {
        Some(self.0.size())
    }

    fn expected(&self) -> Option<Md5> {
        None
    }

    fn time(&self) -> Option<SystemTime> {
        Some(self.0.modified())
    }

    fn digest(self: Box<Self>) -> BoxFuture<'static, Result<Digest, Error>> {
        Box::pin(async move { Ok(self.0.finish().await?) })
    }
}

/// A local file's content.
pub(super) struct FileContent(pub(super) files::Source);

impl Stream for FileContent {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx).map_err(Error::from)
    }
}

/// Content of a place that only announces what it sends: hashed while it passes.
pub(super) struct Hashed<S> {
    inner: S,
    size: Option<u64>,
    expected: Option<Md5>,
    time: Option<SystemTime>,
    md5: md5::Md5,
    passed: u64,
}

impl<S> Hashed<S> {
    pub(super) fn new(inner: S, size: Option<u64>, expected: Option<Md5>) -> Self {
        Self {
            inner,
            size,
            expected,
            time: None,
            md5: md5::Md5::new(),
            passed: 0,
        }
    }

    /// With the file's own time, where known.
    pub(super) fn of_time(self, time: Option<SystemTime>) -> Self {
        Self { time, ..self }
    }
}

impl<S> Stream for Hashed<S>
where
    S: Stream<Item = Result<Bytes, Error>> + Unpin,
{
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.inner.poll_next_unpin(cx));
        if let Some(Ok(bytes)) = &next {
            self.md5.update(bytes);
            self.passed += bytes.len() as u64;
        }
        Poll::Ready(next)
    }
}

impl<S> Readable for Hashed<S>
where
    S: Stream<Item = Result<Bytes, Error>> + Send + Unpin + 'static,
{
    fn size(&self) -> Option<u64> {
        self.size
    }

    fn expected(&self) -> Option<Md5> {
        self.expected
    }

    fn time(&self) -> Option<SystemTime> {
        self.time
    }

    fn digest(mut self: Box<Self>) -> BoxFuture<'static, Result<Digest, Error>> {
        Box::pin(async move {
            while let Some(bytes) = self.next().await {
                bytes?;
            }
            Ok(Digest {
                md5: hex::encode(self.md5.finalize()),
                size: self.passed,
            })
        })
    }
}

/// Counts the bytes of one transfer and tells the observer.
pub(super) struct Meter {
    observer: Arc<dyn Observer>,
    transfer: u64,
    passed: AtomicU64,
}

impl Meter {
    pub(super) fn new(observer: Arc<dyn Observer>, transfer: u64) -> Self {
        Self {
            observer,
            transfer,
            passed: AtomicU64::new(0),
        }
    }

    pub(super) fn transfer(&self) -> u64 {
        self.transfer
    }

    fn advance(&self, bytes: u64) {
        self.passed.fetch_add(bytes, Ordering::Relaxed);
        self.observer.event(Event::Advanced {
            transfer: self.transfer,
            bytes,
        });
    }

    /// Bytes counted since the last call: for saying that they were in vain.
    pub(super) fn take(&self) -> u64 {
        self.passed.swap(0, Ordering::Relaxed)
    }
}

/// Content on loan to a writer, counted. At its end, or when the writer drops it, the
/// content goes back to who lent it, with the error that broke it off if one did: a
/// writer only learns that it broke off.
pub(super) struct Passing {
    size: Option<u64>,
    expected: Option<Md5>,
    time: Option<SystemTime>,
    content: Option<Box<dyn Readable>>,
    meter: Arc<Meter>,
    back: Option<oneshot::Sender<Returned>>,
}

/// Content that came back from a writer.
pub(super) struct Returned {
    pub(super) content: Box<dyn Readable>,
    /// What broke it off.
    pub(super) error: Option<Error>,
}

/// Content broke off; its lender knows why.
#[derive(Debug, thiserror::Error)]
#[error("content broke off")]
pub(super) struct BrokeOff;

impl Passing {
    pub(super) fn lend(
        content: Box<dyn Readable>,
        meter: Arc<Meter>,
    ) -> (Self, oneshot::Receiver<Returned>) {
        let (back, returned) = oneshot::channel();
        let passing = Self {
            size: content.size(),
            expected: content.expected(),
            time: content.time(),
            content: Some(content),
            meter,
            back: Some(back),
        };
        (passing, returned)
    }

    /// Size in bytes, where known.
    pub(super) fn size(&self) -> Option<u64> {
        self.size
    }

    /// MD5 the content is supposed to have, where known beforehand.
    pub(super) fn expected(&self) -> Option<Md5> {
        self.expected
    }

    /// The file's own time, where known.
    pub(super) fn time(&self) -> Option<SystemTime> {
        self.time
    }

    fn give_back(&mut self, error: Option<Error>) {
        if let (Some(content), Some(back)) = (self.content.take(), self.back.take()) {
            // Whoever lent it may have lost interest.
            let _ = back.send(Returned { content, error });
        }
    }
}

impl Stream for Passing {
    type Item = Result<Bytes, BrokeOff>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(content) = &mut self.content else {
            return Poll::Ready(None);
        };
        match ready!(content.poll_next_unpin(cx)) {
            Some(Ok(bytes)) => {
                self.meter.advance(bytes.len() as u64);
                Poll::Ready(Some(Ok(bytes)))
            }
            Some(Err(error)) => {
                self.give_back(Some(error));
                Poll::Ready(Some(Err(BrokeOff)))
            }
            None => {
                self.give_back(None);
                Poll::Ready(None)
            }
        }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.give_back(None);
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    type Blocks = Vec<Result<Bytes, Error>>;

    fn lend(blocks: Blocks) -> (Passing, oneshot::Receiver<Returned>, Arc<Meter>) {
        let meter = Arc::new(Meter::new(Arc::new(()), 0));
        let content = Hashed::new(stream::iter(blocks), None, None);
        let (passing, back) = Passing::lend(Box::new(content), Arc::clone(&meter));
        (passing, back, meter)
    }

    fn block(text: &'static str) -> Result<Bytes, Error> {
        Ok(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn content_comes_back_at_its_end_with_its_digest() {
        let (mut passing, mut back, meter) = lend(vec![block("a"), block("bc")]);
        while let Some(bytes) = passing.next().await {
            bytes.unwrap();
        }
        let returned = back.try_recv().unwrap().unwrap();
        assert!(returned.error.is_none());
        let digest = returned.content.digest().await.unwrap();
        assert_eq!(digest.md5, "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!((digest.size, meter.take(), meter.take()), (3, 3, 0));
    }

    #[tokio::test]
    async fn content_dropped_half_way_can_still_be_read_to_its_end() {
        let (mut passing, mut back, meter) = lend(vec![block("a"), block("bc")]);
        passing.next().await.unwrap().unwrap();
        drop(passing);
        let returned = back.try_recv().unwrap().unwrap();
        assert_eq!(returned.content.digest().await.unwrap().size, 3);
        assert_eq!(meter.take(), 1);
    }

    #[tokio::test]
    async fn lender_learns_why_content_broke_off() {
        let gone = Error::NotFound {
            path: "a".to_owned(),
        };
        let (mut passing, mut back, _) = lend(vec![block("a"), Err(gone), block("never")]);
        passing.next().await.unwrap().unwrap();
        assert!(passing.next().await.unwrap().is_err());
        assert!(passing.next().await.is_none());
        let returned = back.try_recv().unwrap().unwrap();
        assert!(matches!(returned.error, Some(Error::NotFound { .. })));
    }
}
