//! Requests of the component on their way out: checked, given their token, and sent by
//! one pooled client.

use std::{
    fs,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Uri, header::AUTHORIZATION};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::{Error as HttpError, RequestOptions, WasiBody, WasiHttpHooks};

use super::{
    Access, Error, HttpOptions, Proxy, TokenSource, credentials::Placeholders, origin::AllowList,
};

/// What guards the way out. Shared by all instances a sandbox has one after another.
pub(super) struct Egress {
    client: reqwest::Client,
    idle_timeout: Duration,
    allowed: AllowList,
    pub(super) credentials: Option<Arc<dyn TokenSource>>,
    placeholders: Mutex<Placeholders>,
}

impl Egress {
    pub(super) fn new(
        allowed: AllowList,
        credentials: Option<Arc<dyn TokenSource>>,
        options: &HttpOptions,
    ) -> Result<Self, Error> {
        Ok(Self {
            client: http_client(options)?,
            idle_timeout: options.idle_timeout,
            allowed,
            credentials,
            placeholders: Mutex::new(Placeholders::new()),
        })
    }

    pub(super) fn placeholders(&self) -> MutexGuard<'_, Placeholders> {
        // Its calls leave nothing half done, so a panic elsewhere does no harm.
        self.placeholders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request to `url` may carry the remote's token.
    pub(super) fn may_carry_credentials(&self, url: &Uri) -> bool {
        self.allowed.access(url) == Some(Access::Credentials)
    }

    /// Lets a request pass, with the token in the place of its placeholder.
    fn check(&self, url: &Uri, headers: &mut HeaderMap) -> Result<(), HttpError> {
        let Some(access) = self.allowed.access(url) else {
            tracing::warn!(
                origin = AllowList::shown(url),
                "the backend may not reach this origin"
            );
            return Err(HttpError::HttpRequestDenied);
        };
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Ok(());
        };
        let token = value
            .to_str()
            .ok()
            .and_then(|value| self.placeholders().token(value).cloned());
        match (access, token) {
            (Access::Credentials, Some(token)) if values.next().is_none() => {
                let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
                    .map_err(|_| HttpError::ConfigurationError)?;
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
                Ok(())
            }
            // A placeholder for a server that may not have the token; or something that
            // is none, and then this program does not know what it would send.
            _ => {
                tracing::warn!(
                    origin = AllowList::shown(url),
                    "the backend may not authenticate itself to this origin"
                );
                Err(HttpError::HttpRequestDenied)
            }
        }
    }
}

/// The client that requests are sent with: pooled, without redirects, and with the one
/// crypto provider of this program.
///
/// # Errors
/// `BadCertificate`; `Other` where TLS cannot be set up at all.
pub fn http_client(options: &HttpOptions) -> Result<reqwest::Client, Error> {
    // The one crypto provider of this program. Fails when it is set already, by us.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(&options.user_agent)
        // Followed by the component, so that every hop is checked.
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(options.connect_timeout)
        .tcp_nodelay(true)
        // As many as there can be calls: a connection closed here is one to open again.
        .pool_max_idle_per_host(usize::MAX);
    if options.proxy == Proxy::None {
        builder = builder.no_proxy();
    }
    let mut authorities = Vec::new();
    for path in &options.ca_certificates {
        let name = crate::files::shown(path).to_string();
        let pem = fs::read(path)
            .map_err(|error| Error::BadCertificate(format!("cannot read {name}: {error}")))?;
        let found = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| {
            Error::BadCertificate(format!("{name} holds no certificate: {error}"))
        })?;
        if found.is_empty() {
            return Err(Error::BadCertificate(format!(
                "{name} holds no certificate"
            )));
        }
        authorities.extend(found);
    }
    builder
        .tls_certs_merge(authorities)
        .build()
        .map_err(|error| Error::Other(format!("no HTTP client: {error}")))
}

/// Hands requests of one instance to the way out.
pub(super) struct Hooks {
    egress: Arc<Egress>,
}

impl Hooks {
    pub(super) fn new(egress: Arc<Egress>) -> Self {
        Self { egress }
    }
}

type Completion = Box<dyn Future<Output = Result<(), HttpError>> + Send>;
type Sent = Result<(Response<WasiBody>, Completion), HttpError>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        _options: Option<RequestOptions>,
        // What the component thinks of the reply's body is of no interest here.
        _processed: Completion,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let egress = Arc::clone(&self.egress);
        Box::new(async move {
            let (mut parts, body) = request.into_parts();
            egress.check(&parts.uri, &mut parts.headers)?;
            let url = parts.uri.to_string();
            let mut request = egress
                .client
                .request(parts.method, url)
                .headers(parts.headers);
            let idle = Arc::new(Idle::new(egress.idle_timeout));
            if !body.is_end_stream() {
                let body = Outgoing {
                    body: Mutex::new(body),
                    idle: Arc::clone(&idle),
                };
                request = request.body(reqwest::Body::wrap(body));
            }
            let response = tokio::select! {
                response = request.send() => response.map_err(|error| condition(&error))?,
                () = idle.over() => return Err(HttpError::ConnectionReadTimeout),
            };
            let timeout = egress.idle_timeout;
            let response = Response::from(response).map(|body| {
                let body = body.map_err(|error| condition(&error));
                Incoming {
                    body,
                    timeout,
                    waiting: None,
                }
                .boxed_unsync()
            });
            Ok((response, Box::new(async { Ok(()) }) as Completion))
        })
    }
}

/// How long nothing has moved. Content on its way up counts as movement: an upload takes
/// as long as it takes.
struct Idle {
    timeout: Duration,
    moved: Mutex<Instant>,
    /// The next bytes of the request are asked for, and are not there yet: whoever makes
    /// them may take any time.
    awaits_content: AtomicBool,
}

impl Idle {
    fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            moved: Mutex::new(Instant::now()),
            awaits_content: AtomicBool::new(false),
        }
    }

    fn moved(&self) -> MutexGuard<'_, Instant> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once nothing has moved for too long.
    async fn over(&self) {
        loop {
            if self.awaits_content.load(Ordering::Relaxed) {
                *self.moved() = Instant::now();
            }
            let until = *self.moved() + self.timeout;
            if Instant::now() >= until {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

/// A reply's body, given up when nothing of it comes for too long. Time that its reader
/// takes does not count.
struct Incoming<B> {
    body: B,
    timeout: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<B: Body<Data = Bytes, Error = HttpError> + Unpin> Body for Incoming<B> {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            this.waiting = None;
            return Poll::Ready(frame);
        }
        let timeout = this.timeout;
        let waiting = this
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Some(Err(HttpError::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request's body. The lock is never contended: it only makes the body `Sync`, which
/// the client asks for.
struct Outgoing {
    body: Mutex<WasiBody>,
    idle: Arc<Idle>,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let body = this.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        let frame = Pin::new(body).poll_frame(context);
        this.idle
            .awaits_content
            .store(frame.is_pending(), Ordering::Relaxed);
        let frame = ready!(frame);
        *this.idle.moved() = Instant::now();
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError)))
    }

    fn is_end_stream(&self) -> bool {
        self.body
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .size_hint()
    }
}

/// The component broke its own body off.
#[derive(Debug)]
struct BodyError(HttpError);

impl std::fmt::Display for BodyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for BodyError {}

/// The condition behind a client's error. Never its text, which may hold the URL.
fn condition(error: &reqwest::Error) -> HttpError {
    let mut source = std::error::Error::source(error);
    let mut refused = false;
    while let Some(cause) = source {
        if let Some(BodyError(own)) = cause.downcast_ref() {
            return match own {
                HttpError::HttpRequestBodySize(size) => HttpError::HttpRequestBodySize(*size),
                other => HttpError::InternalError(Some(format!("request body: {other}"))),
            };
        }
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return match tls {
                rustls::Error::InvalidCertificate(_) => HttpError::TlsCertificateError,
                _ if error.is_connect() => HttpError::TlsProtocolError,
                // In the middle: what was sent before may have arrived.
                _ => HttpError::ConnectionTerminated,
            };
        }
        let inner = cause.downcast_ref::<std::io::Error>();
        refused |= inner.is_some_and(|it| it.kind() == std::io::ErrorKind::ConnectionRefused);
        // An I/O error can hold another error and then passes for it, but its `source`
        // is that one's.
        source = match inner.and_then(std::io::Error::get_ref) {
            Some(held) => Some(held),
            None => cause.source(),
        };
    }
    if error.is_timeout() {
        return if error.is_connect() {
            HttpError::ConnectionTimeout
        } else {
            HttpError::ConnectionReadTimeout
        };
    }
    if error.is_connect() {
        return if refused {
            HttpError::ConnectionRefused
        } else {
            HttpError::DestinationUnavailable
        };
    }
    if error.is_body() || error.is_decode() {
        return HttpError::HttpResponseIncomplete;
    }
    HttpError::ConnectionTerminated
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(300);

    #[tokio::test(start_paused = true)]
    async fn request_that_moves_is_never_idle_however_long_it_takes() {
        let idle = Idle::new(TIMEOUT);
        let started = Instant::now();
        let moving = async {
            for _ in 0..20 {
                tokio::time::sleep(TIMEOUT - Duration::from_secs(1)).await;
                *idle.moved() = Instant::now();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = moving => {}
            () = idle.over() => {}
        }
        let moved = 20 * (TIMEOUT - Duration::from_secs(1));
        assert_eq!(started.elapsed().as_secs(), (moved + TIMEOUT).as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn who_makes_the_content_may_take_any_time() {
        let idle = Idle::new(TIMEOUT);
        let started = Instant::now();
        let slow = async {
            idle.awaits_content.store(true, Ordering::Relaxed);
            tokio::time::sleep(10 * TIMEOUT).await;
            idle.awaits_content.store(false, Ordering::Relaxed);
            *idle.moved() = Instant::now();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = slow => {}
            () = idle.over() => {}
        }
        assert_eq!(started.elapsed().as_secs(), (11 * TIMEOUT).as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn reply_that_stops_coming_is_given_up() {
        let (mut send, receive) = futures::channel::mpsc::channel(1);
        let frames = futures::StreamExt::map(receive, |bytes| Ok(Frame::data(bytes)));
        let mut body = Incoming {
            body: http_body_util::StreamBody::new(frames),
            timeout: TIMEOUT,
            waiting: None,
        };
        send.try_send(Bytes::from_static(b"x")).unwrap();
        let first = body.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "x");
        // A reader may take its time.
        tokio::time::sleep(2 * TIMEOUT).await;
        send.try_send(Bytes::from_static(b"y")).unwrap();
        assert!(body.frame().await.unwrap().is_ok());
        let started = Instant::now();
        let end = body.frame().await.unwrap();
        assert!(matches!(end, Err(HttpError::ConnectionReadTimeout)));
        assert_eq!(started.elapsed().as_secs(), TIMEOUT.as_secs());
    }
}
