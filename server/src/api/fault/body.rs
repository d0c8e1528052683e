//! Bodies that break off, wait or are wrong.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use http_body::{Frame, SizeHint};

use crate::fault::{Control, Faults, How};

/// A body to which something happens after so many bytes.
pub(super) struct AfterBytes {
    body: Body,
    /// Bytes until then.
    left: u64,
    /// What came with the last of them, but is behind them.
    held: Option<Bytes>,
    then: Option<Then>,
}

/// What happens.
pub(super) enum Then {
    /// The connection ends.
    End {
        control: Control,
        how: How,
        /// The bytes are to be the system's first.
        flush: bool,
    },
    /// Nothing comes until this is ready. True: then it goes on.
    Stall(BoxFuture<'static, bool>),
    /// Reading fails, and the flag says so.
    Fail(Arc<AtomicBool>),
}

impl Then {
    /// `None`: for as long as the server runs.
    pub(super) fn stall(pause: Option<Duration>, faults: &Faults) -> Self {
        let stopping = faults.stopping();
        Self::Stall(Box::pin(async move {
            let pause = async {
                match pause {
                    Some(time) => tokio::time::sleep(time).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = pause => true,
                () = stopping => false,
            }
        }))
    }

    /// Ready when the body goes on.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        match self {
            Self::End {
                control,
                how,
                flush,
            } => {
                if *flush {
                    ready!(control.poll_flushed(cx));
                }
                control.ask_end(*how);
                // Whoever waits for this is dropped with the connection.
                Poll::Pending
            }
            Self::Stall(pause) => match ready!(pause.as_mut().poll(cx)) {
                true => Poll::Ready(Ok(())),
                false => Poll::Ready(Err(broken("the server stops"))),
            },
            Self::Fail(reached) => {
                reached.store(true, Ordering::Release);
                Poll::Ready(Err(broken("a fault rule ends it")))
            }
        }
    }
}

impl AfterBytes {
    pub(super) fn new(body: Body, after: u64, then: Then) -> Self {
        Self {
            body,
            left: after,
            held: None,
            then: Some(then),
        }
    }
}

impl http_body::Body for AfterBytes {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.left == 0
            && let Some(then) = &mut this.then
        {
            ready!(then.poll(cx))?;
            this.then = None;
        }
        if let Some(held) = this.held.take() {
            return Poll::Ready(Some(Ok(Frame::data(held))));
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        if this.then.is_none() {
            return Poll::Ready(frame);
        }
        let mut data = match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => data,
                Err(other) => return Poll::Ready(Some(Ok(other))),
            },
            end => return Poll::Ready(end),
        };
        if data.len() as u64 > this.left {
            // It fits: it is less than the length of what is in memory.
            this.held = Some(data.split_off(this.left as usize));
        }
        this.left -= data.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        // Until it has happened there is something to come.
        self.then.is_none() && self.held.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.as_ref().map_or(0, |held| held.len() as u64);
        let rest = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + held);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + held);
        }
        hint
    }
}

/// A body with one wrong byte.
pub(super) struct Corrupt {
    body: Body,
    /// Bytes before it; `None`: it is past.
    left: Option<u64>,
}

impl Corrupt {
    pub(super) fn new(body: Body, at: u64) -> Self {
        Self {
            body,
            left: Some(at),
        }
    }
}

impl http_body::Body for Corrupt {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let Some(left) = self.left else {
            return Poll::Ready(frame);
        };
        let frame = match frame {
            Some(Ok(frame)) => frame,
            end => return Poll::Ready(end),
        };
        Poll::Ready(Some(Ok(frame.map_data(|data| {
            let length = data.len() as u64;
            if left >= length {
                self.left = Some(left - length);
                return data;
            }
            self.left = None;
            let mut wrong = BytesMut::from(&data[..]);
            // Less than its length, so it is an index.
            wrong[left as usize] ^= 0xff;
            wrong.freeze()
        }))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn broken(why: &'static str) -> axum::Error {
    axum::Error::new(io::Error::other(why))
}
