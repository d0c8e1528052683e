//! Slow clients: how long one is waited for that sends, or takes, next to nothing.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use crate::limits::Limits;

/// Measures how long a client was waited for, and what moved meanwhile. Time in which the
/// server had other things to do does not count against the client.
struct Pace {
    longest: Duration,
    least: u64,
    waited: Duration,
    moved: u64,
    waiting: Option<Waiting>,
}

struct Waiting {
    since: Instant,
    end: Pin<Box<Sleep>>,
}

impl Pace {
    fn new(limits: &Limits) -> Self {
        Self {
            longest: limits.slow_time,
            least: limits.slow_bytes,
            waited: Duration::ZERO,
            moved: 0,
            waiting: None,
        }
    }

    fn moved(&mut self, bytes: usize) {
        if let Some(waiting) = self.waiting.take() {
            self.waited += waiting.since.elapsed();
        }
        self.moved = self.moved.saturating_add(bytes as u64);
        if self.moved >= self.least {
            self.waited = Duration::ZERO;
            self.moved = 0;
        }
    }

    /// Nothing moves: ready when that has been so for too long.
    fn poll_slow(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let left = self.longest.saturating_sub(self.waited);
        let waiting = self.waiting.get_or_insert_with(|| {
            let since = Instant::now();
            Waiting {
                since,
                end: Box::pin(sleep_until(since + left)),
            }
        });
        waiting.end.as_mut().poll(cx)
    }
}

/// A request's body that fails if it comes too slowly.
pub(crate) struct Paced<B> {
    body: B,
    pace: Pace,
}

impl<B> Paced<B> {
    pub(crate) fn new(body: B, limits: &Limits) -> Self {
        Self {
            body,
            pace: Pace::new(limits),
        }
    }
}

impl<B> Body for Paced<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                if let Some(Ok(frame)) = &frame {
                    this.pace.moved(frame.data_ref().map_or(0, Buf::remaining));
                }
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => {
                ready!(this.pace.poll_slow(cx));
                Poll::Ready(Some(Err(too_slow().into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection that breaks if what is written to it is taken too slowly.
pub(crate) struct Drained<S> {
    stream: S,
    pace: Pace,
}

impl<S> Drained<S> {
    pub(crate) fn new(stream: S, limits: &Limits) -> Self {
        Self {
            stream,
            pace: Pace::new(limits),
        }
    }

    fn judge(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(written) => {
                if let Ok(bytes) = written {
                    self.pace.moved(bytes);
                }
                Poll::Ready(written)
            }
            Poll::Pending => {
                ready!(self.pace.poll_slow(cx));
                Poll::Ready(Err(too_slow()))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Drained<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Drained<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buffer);
        self.judge(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.judge(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client is too slow")
}
