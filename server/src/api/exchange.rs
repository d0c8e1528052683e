//! A request and its reply, watched from the first to the last byte: what the log and the
//! metrics say of it.

use std::{
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use bytes::Bytes;
use http::{Extensions, HeaderValue, Method, header};
use http_body::{Body as _, Frame, SizeHint};

use super::{Peer, RequestId, linger::Lingering, metrics::Metrics};
use crate::ids;

/// What is known of a request and its reply so far.
pub(super) struct Exchange {
    id: String,
    method: Method,
    /// Without the query, and without what is a secret in itself.
    path: String,
    /// The template of the route that answers; `None`: no route does.
    route: Option<MatchedPath>,
    peer: Option<Peer>,
    start: Instant,
    client: OnceLock<String>,
    status: OnceLock<u16>,
    received: AtomicU64,
    sent: AtomicU64,
    /// The request's body could not be read to its end.
    cut_off: AtomicBool,
    metrics: Arc<Metrics>,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Complete,
    /// The client went away before it had the whole reply.
    ClientGone,
    /// The reply's body could not be read to its end.
    Failed,
}

impl End {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientGone => "client-gone",
            Self::Failed => "failed",
        }
    }
}

/// Gives each request its id, sees to the body that a reply leaves unread, and counts and
/// logs the exchange when the last byte of the reply is out, or the client gone.
pub(super) async fn observe(
    State(metrics): State<Arc<Metrics>>,
    mut request: Request,
    next: Next,
) -> Response {
    let waits = request.headers().contains_key(header::EXPECT);
    let exchange = Arc::new(Exchange::begin(&request, metrics));
    let ending = Ending {
        exchange: exchange.clone(),
        end: None,
    };
    request
        .extensions_mut()
        .insert(RequestId(exchange.id.clone()));
    request.extensions_mut().insert(exchange.clone());
    let request = request.map(|body| {
        let exchange = exchange.clone();
        let counted = Body::new(Incoming { body, exchange });
        Body::new(Lingering::new(counted, waits))
    });
    let mut response = next.run(request).await;
    let _ = exchange.status.set(response.status().as_u16());
    if let Ok(id) = HeaderValue::from_str(&exchange.id) {
        response.headers_mut().insert("x-amzn-RequestId", id);
    }
    let length = match exchange.method {
        Method::HEAD => Some(0),
        _ => content_length(&response).or(response.body().size_hint().exact()),
    };
    response.map(|body| {
        Body::new(Outgoing {
            body,
            length,
            ending,
        })
    })
}

/// Tells the log which client it was that sent the request with these extensions.
pub(super) fn set_client(extensions: &Extensions, name: &str) {
    if let Some(exchange) = extensions.get::<Arc<Exchange>>() {
        let _ = exchange.client.set(name.to_owned());
    }
}

fn content_length(response: &Response) -> Option<u64> {
    let value = response.headers().get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

impl Exchange {
    fn begin(request: &Request, metrics: Arc<Metrics>) -> Self {
        let exchange = Self {
            id: ids::request_id(),
            method: request.method().clone(),
            path: loggable(request.uri().path()).to_owned(),
            route: request.extensions().get::<MatchedPath>().cloned(),
            peer: request.extensions().get::<Peer>().copied(),
            start: Instant::now(),
            client: OnceLock::new(),
            status: OnceLock::new(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            cut_off: AtomicBool::new(false),
            metrics,
        };
        exchange.metrics.begin(&exchange);
        exchange
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    pub(super) fn route(&self) -> Option<&str> {
        self.route.as_ref().map(MatchedPath::as_str)
    }

    /// `None`: the client went away before there was a reply.
    pub(super) fn status(&self) -> Option<u16> {
        self.status.get().copied()
    }

    pub(super) fn age(&self) -> Duration {
        self.start.elapsed()
    }

    fn end(&self, end: End) {
        let end = match self.cut_off.load(Ordering::Relaxed) {
            true => End::ClientGone,
            false => end,
        };
        self.metrics.end(self);
        tracing::info!(
            target: "amazon_drive_server::request",
            id = self.id,
            method = self.method.as_str(),
            path = self.path,
            status = self.status(),
            received = self.received.load(Ordering::Relaxed),
            sent = self.sent.load(Ordering::Relaxed),
            milliseconds = u64::try_from(self.age().as_millis()).unwrap_or(u64::MAX),
            client = self.client.get().map(String::as_str),
            peer = self.peer.map(|Peer(address)| tracing::field::display(address)),
            end = end.as_str(),
        );
    }
}

/// The path as it may be logged: whoever has a temporary link's path has the file.
fn loggable(path: &str) -> &str {
    match path.starts_with(TEMPORARY_LINKS) {
        true => "/cdproxy/templink/REDACTED",
        false => path,
    }
}

/// Ends the exchange when the reply's body is dropped, or when the request is given up
/// before there is one.
struct Ending {
    exchange: Arc<Exchange>,
    end: Option<End>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.exchange.end(self.end.unwrap_or(End::ClientGone));
    }
}

/// A request's body, counted.
struct Incoming {
    body: Body,
    exchange: Arc<Exchange>,
}

impl http_body::Body for Incoming {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = length(frame);
                self.exchange.received.fetch_add(bytes, Ordering::Relaxed);
                self.exchange.metrics.received(bytes);
            }
            Poll::Ready(Some(Err(_))) => self.exchange.cut_off.store(true, Ordering::Relaxed),
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A reply's body, counted.
struct Outgoing {
    body: Body,
    /// Bytes after which it is whole, whether or not it was asked for its end: a body whose
    /// length is known is not asked again, and that of a `HEAD` never.
    length: Option<u64>,
    ending: Ending,
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = length(frame);
                let exchange = &self.ending.exchange;
                exchange.sent.fetch_add(bytes, Ordering::Relaxed);
                exchange.metrics.sent(bytes);
            }
            Poll::Ready(Some(Err(_))) => self.ending.end = Some(End::Failed),
            Poll::Ready(None) => {
                self.ending.end.get_or_insert(End::Complete);
            }
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let sent = self.ending.exchange.sent.load(Ordering::Relaxed);
        if self.length.is_some_and(|length| length <= sent) || self.body.is_end_stream() {
            self.ending.end.get_or_insert(End::Complete);
        }
    }
}

fn length(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |data| data.len() as u64)
}

/// What lies below this are secrets.
const TEMPORARY_LINKS: &str = "/cdproxy/templink/";
