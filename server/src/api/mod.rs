//! The service's HTTP interface: requests in, calls of the store and of the content out.

mod account;
mod auth;
mod base;
mod changes;
mod children;
mod download;
mod linger;
mod listing;
mod nodes;
mod oauth;
mod page_token;
mod properties;
mod reply;
mod request;
mod temp_link;
mod thumbnail;
mod trash;
mod upload;
mod view;
mod wire;

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::HeaderValue,
    middleware::{self, Next},
    response::Response,
    routing::{get, post, put},
};
use http::{StatusCode, header};
use tokio::sync::mpsc;
use tower_http::compression::{CompressionLayer, Predicate, predicate::SizeAbove};

use self::linger::Lingering;
#[cfg(fuzzing)]
pub(crate) use self::upload::read_pieces;
pub(crate) use self::{auth::Local, base::reachable, oauth::ACCESS_SECONDS};
use crate::{clock::Clock, content::Objects, ids, store::Store};

/// What every request needs.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) store: Store,
    pub(crate) objects: Objects,
    pub(crate) garbage: mpsc::UnboundedSender<String>,
    pub(crate) clock: Clock,
    pub(crate) local: Arc<Local>,
}

/// Where a connection came in, of which discovery makes the addresses it gives out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalAddress(pub(crate) std::net::SocketAddr);

/// Path of the metadata calls, `metadataUrl`.
pub(crate) const METADATA: &str = "/drive/v1/";

/// Path of the content calls, `contentUrl`.
const CONTENT: &str = "/cdproxy/";

/// Path of the token endpoint.
pub(crate) const TOKEN: &str = "/auth/o2/token";

/// Path of the page where a user lets a program in.
pub(crate) const AUTHORIZE: &str = "/ap/oa";

pub(crate) fn router(service: Service) -> Router {
    let metadata = Router::new()
        .route("/account/endpoint", get(account::endpoint))
        .route("/account/info", get(account::info))
        .route("/account/quota", get(account::quota))
        .route("/account/usage", get(account::usage))
        .route("/nodes", get(listing::nodes).post(nodes::create_folder))
        .route(
            "/nodes/{id}",
            get(nodes::read).patch(nodes::patch).delete(nodes::purge),
        )
        .route("/nodes/{id}/properties/{owner}", get(properties::list))
        .route(
            "/nodes/{id}/properties/{owner}/{key}",
            get(properties::read)
                .put(properties::set)
                .delete(properties::remove),
        )
        .route(
            "/nodes/{id}/children",
            get(listing::children).post(children::move_here),
        )
        .route(
            "/nodes/{id}/children/{child}",
            put(children::add).delete(children::remove),
        )
        .route("/changes", post(changes::changes))
        .route("/trash", get(listing::trash))
        .route("/trash/{id}", put(trash::trash))
        .route("/trash/{id}/restore", post(trash::restore));
    let content = Router::new().route("/nodes", post(upload::create)).route(
        "/nodes/{id}/content",
        get(download::read).put(upload::overwrite),
    );
    let authorized = middleware::from_fn_with_state(service.clone(), auth::require);
    Router::new()
        .nest(METADATA.trim_end_matches('/'), metadata)
        .nest(CONTENT.trim_end_matches('/'), content)
        .route_layer(authorized)
        .route(TOKEN, post(oauth::token))
        .route(
            &format!("{CONTENT}templink/{{token}}"),
            get(temp_link::read),
        )
        .fallback(reply::unknown_operation)
        .method_not_allowed_fallback(reply::method_not_allowed)
        .layer(CompressionLayer::new().compress_when(SizeAbove::new(SHORT).and(is_json)))
        .layer(middleware::from_fn(observe))
        .with_state(service)
}

/// Content is sent as it is: it has a length, ranges, and mostly no air in it.
fn is_json(
    _: StatusCode,
    _: http::Version,
    headers: &http::HeaderMap,
    _: &http::Extensions,
) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

/// Bytes of a reply that fits into one packet as it is.
const SHORT: u16 = 1024;

/// Gives each request its id, sees to the body that a reply leaves unread, and writes the
/// log. Of a request's address only the path is logged: a query may hold what is nobody's
/// business.
async fn observe(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let id = ids::request_id();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let waits = request.headers().contains_key(header::EXPECT);
    let request = request.map(|body| Body::new(Lingering::new(body, waits)));
    let mut response = next.run(request).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-amzn-RequestId", id);
    }
    tracing::info!(
        target: "amazon_drive_server",
        %method,
        path,
        status = response.status().as_u16(),
        milliseconds = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        request = id,
    );
    response
}
