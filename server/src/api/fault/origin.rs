//! A second origin, as S3 was the service's: addresses signed by their query, and no other
//! way to sign in.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderValue, StatusCode, header};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::OnceCell, task::JoinSet};
use tower_service::Service as _;

use super::super::{
    auth::{Caller, Drive},
    download,
    reply::ApiError,
};
use crate::{
    clock::iso8601,
    fault::{Faults, Remembered, parameter},
    ids,
};

/// A file, and by whose right it was asked for.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) drive: Drive,
    pub(super) caller: Option<Caller>,
    pub(super) id: String,
}

/// An origin of its own for each rule. It listens from the first redirect on.
#[derive(Clone, Default)]
pub(crate) struct Origin(Arc<Inner>);

#[derive(Default)]
struct Inner {
    signed: Signed,
    listening: OnceCell<Listening>,
}

type Signed = Arc<Remembered<HashMap<String, Grant>>>;

/// What an address gives access to, by its signature.
struct Grant {
    source: Source,
    /// Milliseconds since 1970.
    expires: i64,
}

struct Listening {
    address: SocketAddr,
    /// Aborted when dropped.
    _answering: JoinSet<()>,
}

#[derive(Clone)]
struct Answering {
    signed: Signed,
    faults: Faults,
}

impl Origin {
    /// Sends a client here for a file. `ip`: where it reached the server.
    pub(super) async fn redirect(
        &self,
        source: Source,
        ip: Option<IpAddr>,
        faults: &Faults,
    ) -> Response {
        let ip = ip.unwrap_or(Ipv4Addr::LOCALHOST.into());
        let listening = self.0.listening.get_or_try_init(|| self.listen(ip, faults));
        let address = match listening.await {
            Ok(listening) => listening.address,
            Err(error) => return ApiError::internal(&error).into_response(),
        };
        let now = faults.now();
        let signature = ids::client_secret();
        // `20150317T160405Z`
        let date = iso8601(now);
        let date: String = date
            .split('.')
            .next()
            .unwrap_or_default()
            .chars()
            .filter(|letter| !matches!(letter, '-' | ':'))
            .collect();
        let location = format!(
            "http://{address}/{}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={date}Z&X-Amz-SignedHeaders=host\
             &X-Amz-Expires={}&X-Amz-Signature={signature}",
            source.id,
            LIFE / 1000,
        );
        {
            let mut signed = self.0.signed.lock();
            signed.retain(|_, grant| now < grant.expires);
            let expires = now.saturating_add(LIFE);
            signed.insert(signature, Grant { source, expires });
        }
        match HeaderValue::from_str(&location) {
            Ok(location) => (StatusCode::FOUND, [(header::LOCATION, location)]).into_response(),
            Err(error) => ApiError::internal(&error).into_response(),
        }
    }

    async fn listen(&self, ip: IpAddr, faults: &Faults) -> std::io::Result<Listening> {
        let listener = TcpListener::bind(SocketAddr::new(ip, 0)).await?;
        let address = listener.local_addr()?;
        let answering = Answering {
            signed: self.0.signed.clone(),
            faults: faults.clone(),
        };
        let router = Router::new()
            .route("/{id}", get(answer))
            .with_state(answering);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, router, faults.stopping()));
        Ok(Listening {
            address,
            _answering: tasks,
        })
    }
}

async fn accept(listener: TcpListener, router: Router, stopping: impl Future<Output = ()>) {
    let mut connections = JoinSet::new();
    let mut stopping = std::pin::pin!(stopping);
    loop {
        tokio::select! {
            () = &mut stopping => return,
            accepted = listener.accept() => {
                // A broken one is the client's trouble.
                if let Ok((stream, _)) = accepted {
                    let router = router.clone();
                    connections.spawn(async move {
                        let requests = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                            let mut router = router.clone();
                            async move { Ok::<_, Infallible>(router.call(request.map(Body::new)).await.unwrap_or_else(|never| match never {})) }
                        });
                        let mut builder = http1::Builder::new();
                        builder.timer(TokioTimer::new());
                        let _ = builder.serve_connection(TokioIo::new(stream), requests).await;
                    });
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(State(answering): State<Answering>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    if request.headers().contains_key(header::AUTHORIZATION) {
        let extra = "<ArgumentName>Authorization</ArgumentName>";
        return error(StatusCode::BAD_REQUEST, "InvalidArgument", TWO_WAYS, extra);
    }
    let id = request.uri().path().trim_start_matches('/').to_owned();
    let signature = parameter(query, "X-Amz-Signature").unwrap_or_default();
    let source = {
        let signed = answering.signed.lock();
        let Some(grant) = signed.get(&signature).filter(|grant| grant.source.id == id) else {
            return error(StatusCode::FORBIDDEN, "SignatureDoesNotMatch", NO_MATCH, "");
        };
        if answering.faults.now() >= grant.expires {
            return error(
                StatusCode::FORBIDDEN,
                "AccessDenied",
                "Request has expired",
                "",
            );
        }
        grant.source.clone()
    };
    let mut inner = Request::new(Body::empty());
    *inner.headers_mut() = request.headers().clone();
    if let Ok(uri) = format!("/{id}").parse() {
        *inner.uri_mut() = uri;
    }
    inner.extensions_mut().insert(source.drive);
    if let Some(caller) = source.caller {
        inner.extensions_mut().insert(caller);
    }
    let mut content: Router = Router::new().route("/{id}", get(download::read));
    content
        .call(inner)
        .await
        .unwrap_or_else(|never| match never {})
}

fn error(status: StatusCode, code: &str, message: &str, extra: &str) -> Response {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>{extra}\
         <RequestId>{}</RequestId></Error>",
        ids::request_id(),
    );
    (status, [(header::CONTENT_TYPE, "application/xml")], text).into_response()
}

/// How long an address works, in milliseconds: an hour, as is common for such.
const LIFE: i64 = 60 * 60 * 1000;

const TWO_WAYS: &str = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query \
     string parameter or the Authorization header should be specified";

const NO_MATCH: &str = "The request signature we calculated does not match the signature you provided. Check your key and \
     signing method.";
