//! The platform: requests, time, credentials and the log, through the world's imports.

use std::{panic, pin::pin, sync::Once, time::Duration};

use futures::{
    channel::oneshot,
    future::{Either, select},
};
use wit_bindgen::{
    rt::async_support::{FutureReader, FutureWriter, StreamReader, StreamResult, StreamWriter},
    spawn_local,
};

use super::bindings::{
    amazon_drive::backend::{credentials, log},
    wasi::{
        clocks::monotonic_clock,
        http::{client, types as http},
        random::random,
    },
    wit_future, wit_stream,
};
use crate::{
    platform::{
        BodySource, Clock, Content, Credentials, CredentialsError, Level, Method, Payload,
        Platform, Request, Response, Transport, TransportError, TransportErrorKind,
    },
    policy::Progress,
    service::absolute,
};

/// What the host gives.
pub(super) struct Wasi;

/// A reply's body on the way.
pub(super) struct Body {
    pub(super) stream: StreamReader<u8>,
    /// Tells whether the stream ended or was cut off.
    pub(super) trailers: FutureReader<Result<Option<http::Trailers>, http::ErrorCode>>,
    /// What the reply's head promised.
    length: Option<usize>,
    /// The request may be fed until the reply has been read: to stop before would end the
    /// connection that it comes by.
    feeding: oneshot::Sender<()>,
}

type Trailers = FutureWriter<Result<Option<http::Trailers>, http::ErrorCode>>;

impl Transport for Wasi {
    type Body = Body;

    async fn send<S: BodySource + 'static>(
        &self,
        request: Request,
        payload: Payload<S>,
    ) -> Result<Response<Body>, TransportError> {
        let headers = http::Fields::new();
        for (name, value) in &request.headers {
            headers
                .append(name, value.as_bytes())
                .map_err(|_| unsendable("a header cannot be sent"))?;
        }
        let (trailers, trailers_end) = wit_future::new(|| Ok(None));
        let mut feeder = None;
        let content = match payload {
            Payload::None => None,
            Payload::Bytes(bytes) => {
                let (mut writer, reader) = wit_stream::new();
                spawn_local(async move {
                    // What is not taken is told by the reply.
                    writer.write_all(bytes).await;
                });
                Some(reader)
            }
            Payload::Stream(source) => {
                let (writer, reader) = wit_stream::new();
                feeder = Some((source, writer));
                Some(reader)
            }
        };
        let (outgoing, _) = http::Request::new(headers, content, trailers_end, None);
        address(&outgoing, &request).ok_or_else(|| unsendable("the URL is none"))?;

        // Feeds the request until it has its reply, or is dropped.
        let (feeding, stop) = oneshot::channel::<()>();
        match feeder {
            Some((source, writer)) => spawn_local(feed(source, writer, trailers, stop)),
            None => drop(trailers),
        }
        let response = client::send(outgoing).await.map_err(|code| told(&code))?;

        let status = response.get_status_code();
        let headers: Vec<_> = response
            .get_headers()
            .copy_all()
            .into_iter()
            .filter_map(|(name, value)| {
                Some((name.to_ascii_lowercase(), String::from_utf8(value).ok()?))
            })
            .collect();
        let length = headers
            .iter()
            .find(|(name, _)| name == "content-length")
            .and_then(|(_, value)| value.parse().ok());
        let (processed, outcome) = wit_future::new(|| Ok(()));
        drop(processed);
        let (stream, trailers) = http::Response::consume_body(response, outcome);
        Ok(Response {
            status,
            headers,
            body: Body {
                stream,
                trailers,
                length,
                feeding,
            },
        })
    }

    async fn read_to_end(&self, body: Body, limit: usize) -> Result<Vec<u8>, TransportError> {
        let Body {
            mut stream,
            trailers,
            length,
            feeding,
        } = body;
        // One more than needed: the end then comes without another growth.
        let mut bytes = Vec::with_capacity(length.unwrap_or(FIRST_GUESS).min(limit) + 1);
        loop {
            if bytes.len() > limit {
                return Err(TransportError {
                    kind: TransportErrorKind::TooLong,
                    progress: Progress::Sent,
                    message: format!("the reply has more than {limit} bytes"),
                });
            }
            if bytes.len() == bytes.capacity() {
                bytes.reserve(FIRST_GUESS);
            }
            let (result, filled) = stream.read(bytes).await;
            bytes = filled;
            if result == StreamResult::Dropped {
                break;
            }
        }
        ended(trailers.await)?;
        drop(feeding);
        Ok(bytes)
    }

    async fn read_some(
        &self,
        body: Body,
        buffer: Vec<u8>,
    ) -> Result<(Vec<u8>, Option<Body>), TransportError> {
        some(body, buffer).await
    }
}

/// As [`Transport::read_some`].
async fn some(
    mut body: Body,
    mut buffer: Vec<u8>,
) -> Result<(Vec<u8>, Option<Body>), TransportError> {
    buffer.clear();
    if buffer.capacity() == 0 {
        buffer.reserve(FIRST_GUESS);
    }
    let (result, filled) = body.stream.read(buffer).await;
    // Bytes can come together with the news that they were the last.
    if !filled.is_empty() || result != StreamResult::Dropped {
        return Ok((filled, Some(body)));
    }
    let Body {
        trailers, feeding, ..
    } = body;
    ended(trailers.await)?;
    drop(feeding);
    Ok((filled, None))
}

/// Whether a reply's body came to its end.
fn ended(trailers: Result<Option<http::Trailers>, http::ErrorCode>) -> Result<(), TransportError> {
    trailers.map(drop).map_err(|code| TransportError {
        // The head of the reply came, so the request had gone.
        progress: Progress::Sent,
        ..told(&code)
    })
}

/// Hands a body over piece by piece.
async fn feed<S: BodySource>(
    mut source: S,
    mut writer: StreamWriter<u8>,
    trailers: Trailers,
    stop: oneshot::Receiver<()>,
) {
    let all = async {
        let mut buffer = Vec::new();
        loop {
            match source.next(buffer).await {
                Ok(Some(chunk)) => {
                    buffer = writer.write_all(chunk).await;
                    if !buffer.is_empty() {
                        // Nobody takes any more.
                        return false;
                    }
                }
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    };
    let whole = match select(pin!(all), stop).await {
        Either::Left((whole, _)) => whole,
        Either::Right(_) => false,
    };
    drop(source);
    drop(writer);
    if whole {
        drop(trailers);
    } else {
        // An end here would make a body in chunks look whole.
        let code = http::ErrorCode::InternalError(Some("the content broke off".to_owned()));
        let _ = trailers.write(Err(code)).await;
    }
}

/// Points a request at its URL.
fn address(outgoing: &http::Request, request: &Request) -> Option<()> {
    let url = absolute(&request.url)?;
    let scheme = match url.scheme_str() {
        Some("https") => http::Scheme::Https,
        _ => http::Scheme::Http,
    };
    let method = match request.method {
        Method::Get => http::Method::Get,
        Method::Patch => http::Method::Patch,
        Method::Post => http::Method::Post,
        Method::Put => http::Method::Put,
    };
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    outgoing.set_method(&method).ok()?;
    outgoing.set_scheme(Some(&scheme)).ok()?;
    outgoing
        .set_authority(url.authority().map(|it| it.as_str()))
        .ok()?;
    outgoing.set_path_with_query(Some(path)).ok()
}

fn unsendable(message: &str) -> TransportError {
    TransportError {
        kind: TransportErrorKind::Hopeless,
        progress: Progress::Unsent,
        message: message.to_owned(),
    }
}

/// What the host says of a request, in words.
pub(super) fn told(code: &http::ErrorCode) -> TransportError {
    use TransportErrorKind::{BodyCutOff, Denied, Hopeless, Network};
    use http::ErrorCode as E;
    let (kind, progress, message) = match code {
        E::HttpRequestDenied | E::DestinationIpProhibited => {
            (Denied, Progress::Unsent, "this server may not be reached")
        }
        E::DnsTimeout | E::DnsError(_) | E::DestinationNotFound => {
            (Network, Progress::Unsent, "the server's name is not known")
        }
        E::DestinationUnavailable | E::DestinationIpUnroutable => {
            (Network, Progress::Unsent, "the server cannot be reached")
        }
        E::ConnectionRefused => (Network, Progress::Unsent, "the server refuses connections"),
        E::ConnectionTimeout | E::ConnectionLimitReached => (
            Network,
            Progress::Unsent,
            "no connection came about in time",
        ),
        E::TlsProtocolError | E::TlsAlertReceived(_) => (
            Network,
            Progress::Unsent,
            "no encrypted connection came about",
        ),
        E::TlsCertificateError => (
            Hopeless,
            Progress::Unsent,
            "the server's certificate is not trusted",
        ),
        E::ConnectionTerminated | E::ConnectionWriteTimeout => {
            (Network, Progress::Sent, "the connection broke off")
        }
        E::ConnectionReadTimeout | E::HttpResponseTimeout => {
            (Network, Progress::Sent, "the server stopped answering")
        }
        E::HttpResponseIncomplete => (Network, Progress::Sent, "the reply broke off"),
        E::HttpRequestBodySize(_) => (BodyCutOff, Progress::Partial, "the content broke off"),
        E::HttpRequestLengthRequired
        | E::HttpRequestMethodInvalid
        | E::HttpRequestUriInvalid
        | E::HttpRequestUriTooLong
        | E::HttpRequestHeaderSectionSize(_)
        | E::HttpRequestHeaderSize(_)
        | E::HttpRequestTrailerSectionSize(_)
        | E::HttpRequestTrailerSize(_)
        | E::ConfigurationError => (Hopeless, Progress::Unsent, "the request cannot be sent"),
        E::HttpResponseHeaderSectionSize(_)
        | E::HttpResponseHeaderSize(_)
        | E::HttpResponseBodySize(_)
        | E::HttpResponseTrailerSectionSize(_)
        | E::HttpResponseTrailerSize(_)
        | E::HttpResponseTransferCoding(_)
        | E::HttpResponseContentCoding(_)
        | E::HttpUpgradeFailed
        | E::HttpProtocolError
        | E::LoopDetected => (Network, Progress::Sent, "the reply cannot be understood"),
        E::InternalError(text) => {
            let text = text.as_deref().unwrap_or("the request failed");
            return TransportError::network(Progress::Sent, text);
        }
    };
    TransportError {
        kind,
        progress,
        message: message.to_owned(),
    }
}

impl Clock for Wasi {
    fn now(&self) -> Duration {
        Duration::from_nanos(monotonic_clock::now())
    }

    async fn sleep(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        monotonic_clock::wait_for(nanos).await;
    }

    fn random(&self) -> u64 {
        random::get_random_u64()
    }
}

impl Credentials for Wasi {
    async fn authorization(&self, url: &str) -> Result<Option<String>, CredentialsError> {
        credentials::authorization(url.to_owned())
            .await
            .map_err(|error| match error {
                credentials::Error::LoginNeeded(text) => CredentialsError::LoginNeeded(text),
                credentials::Error::Unavailable(text) => CredentialsError::Unavailable(text),
                credentials::Error::Other(text) => CredentialsError::Other(text),
            })
    }

    fn forget(&self, authorization: &str) {
        credentials::forget(authorization);
    }
}

impl Platform for Wasi {
    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Warn => log::Level::Warn,
            Level::Info => log::Level::Info,
            Level::Debug => log::Level::Debug,
        };
        log::log(level, message);
    }
}

/// Has a panic say where it was before it becomes a trap. The host is told nothing else.
pub(super) fn report_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        panic::set_hook(Box::new(|info| {
            log::log(log::Level::Error, &format!("the backend failed: {info}"));
        }));
    });
}

/// Content as the caller streams it in.
pub(super) struct Incoming {
    /// `None` once it has ended: to read on then is a trap.
    stream: Option<StreamReader<u8>>,
    complete: Option<FutureReader<bool>>,
}

impl Incoming {
    pub(super) fn new(stream: StreamReader<u8>, complete: FutureReader<bool>) -> Self {
        Self {
            stream: Some(stream),
            complete: Some(complete),
        }
    }
}

impl Content for Incoming {
    async fn read(&mut self, mut buffer: Vec<u8>) -> Vec<u8> {
        while let Some(stream) = &mut self.stream {
            let (result, filled) = stream.read(buffer).await;
            if result == StreamResult::Dropped {
                self.stream = None;
            }
            if !filled.is_empty() {
                return filled;
            }
            buffer = filled;
        }
        Vec::new()
    }

    async fn is_complete(&mut self) -> bool {
        match self.complete.take() {
            Some(complete) => complete.await,
            None => false,
        }
    }
}

/// Room for a reply that does not say how long it is: a page of a listing.
const FIRST_GUESS: usize = 128 << 10;
