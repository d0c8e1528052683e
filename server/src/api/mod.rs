//! The service's HTTP interface: requests in, calls of the store and of the content out.

mod account;
mod auth;
mod base;
mod children;
mod download;
mod exchange;
mod health;
mod linger;
mod listing;
mod metrics;
mod nodes;
mod oauth;
mod page_token;
mod reply;
mod request;
mod trash;
mod upload;
mod wire;

use std::sync::Arc;

use axum::{
    Router, middleware,
    routing::{get, post, put},
};
use tokio::sync::mpsc;

pub(crate) use self::{
    auth::Local,
    base::{Peer, reachable},
    metrics::Metrics,
    oauth::ACCESS_SECONDS,
};
use crate::{clock::Clock, content::Objects, store::Store};

/// What every request needs.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) store: Store,
    pub(crate) objects: Objects,
    pub(crate) garbage: mpsc::UnboundedSender<String>,
    pub(crate) clock: Clock,
    pub(crate) local: Arc<Local>,
}

/// What is looked at from outside, and what counts it.
#[derive(Clone)]
struct Watched {
    service: Service,
    metrics: Arc<Metrics>,
}

impl Watched {
    /// The drives that are open, each under its label.
    fn drives(&self) -> Vec<(String, Store)> {
        vec![("main".into(), self.service.store.clone())]
    }
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

pub(crate) fn router(service: Service, metrics: Arc<Metrics>) -> Router {
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
        .route(
            "/nodes/{id}/children",
            get(listing::children).post(children::move_here),
        )
        .route(
            "/nodes/{id}/children/{child}",
            put(children::add).delete(children::remove),
        )
        .route("/trash", get(listing::trash))
        .route("/trash/{id}", put(trash::trash))
        .route("/trash/{id}/restore", post(trash::restore));
    let content = Router::new().route("/nodes", post(upload::create)).route(
        "/nodes/{id}/content",
        get(download::read).put(upload::overwrite),
    );
    let authorized = middleware::from_fn_with_state(service.clone(), auth::require);
    let watched = Watched {
        service: service.clone(),
        metrics: metrics.clone(),
    };
    let watched = Router::new()
        .route("/healthz", get(health::show))
        .route("/metrics", get(metrics::show))
        .with_state(watched);
    Router::new()
        .nest(METADATA.trim_end_matches('/'), metadata)
        .nest(CONTENT.trim_end_matches('/'), content)
        .route_layer(authorized)
        .route(TOKEN, post(oauth::token))
        .merge(watched)
        .fallback(reply::unknown_operation)
        .method_not_allowed_fallback(reply::method_not_allowed)
        .layer(middleware::from_fn_with_state(metrics, exchange::observe))
        .with_state(service)
}
