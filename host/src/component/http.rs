//! Requests of the component on their way out: checked, given their token, and sent by
//! one pooled client.

use std::{
    fs,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Uri, header::AUTHORIZATION};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use wasmtime_wasi_http::{Error as HttpError, RequestOptions, WasiBody, WasiHttpHooks};

use super::{
    Access, Error, HttpOptions, Proxy, TokenSource, credentials::Placeholders, origin::AllowList,
};

/// What guards the way out. Shared by all instances a sandbox has one after another.
pub(super) struct Egress {
    client: reqwest::Client,
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
        .read_timeout(options.idle_timeout)
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
            if !body.is_end_stream() {
                request = request.body(reqwest::Body::wrap(Outgoing(Mutex::new(body))));
            }
            let response = request.send().await.map_err(|error| condition(&error))?;
            let response = Response::from(response)
                .map(|body| body.map_err(|error| condition(&error)).boxed_unsync());
            Ok((response, Box::new(async { Ok(()) }) as Completion))
        })
    }
}

/// A request's body. The lock is never contended: it only makes the body `Sync`, which
/// the client asks for.
struct Outgoing(Mutex<WasiBody>);

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = self
            .get_mut()
            .0
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        Pin::new(body).poll_frame(context).map_err(BodyError)
    }

    fn is_end_stream(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0
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
                _ => HttpError::TlsProtocolError,
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
