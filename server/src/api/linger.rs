//! Replies that come before the request's body was read.
//!
//! A refusal need not wait for gigabytes. But closing a connection on which bytes are still
//! arriving resets it, and the reset can overtake the reply. So what is left of a body is
//! read and thrown away for a while: a client that notices the reply ends its sending, and
//! one that sends little can use the connection again.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::timeout;

/// A request's body, read to its end even when it is dropped before.
pub(super) struct Lingering {
    body: Body,
    /// The client waits for a `100 Continue`, which nothing but reading causes.
    waits: bool,
}

impl Lingering {
    pub(super) fn new(body: Body, waits: bool) -> Self {
        Self { body, waits }
    }
}

impl http_body::Body for Lingering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.waits = false;
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let mut body = std::mem::take(&mut self.body);
        // A client that waits has sent nothing, and will not.
        if self.waits || body.is_end_stream() {
            return;
        }
        // Outside of a runtime there is no connection either.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(timeout(LONGEST, async move {
            while let Ok(Some(Ok(_))) = timeout(SILENCE, body.frame()).await {}
        }));
    }
}

/// How long to go on reading: time enough for any client to see the reply. The same as
/// nginx's `lingering_time`.
const LONGEST: Duration = Duration::from_secs(30);

/// Without a byte for so long there is nothing on its way. nginx's `lingering_timeout`.
const SILENCE: Duration = Duration::from_secs(5);
