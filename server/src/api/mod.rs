//! The service's HTTP interface: requests in, calls of the store and of the content out.

mod account;
mod auth;
mod authorize;
mod base;
mod changes;
mod children;
mod download;
mod exchange;
mod fault;
mod health;
mod limit;
mod linger;
mod listing;
mod metrics;
mod multipart;
mod nodes;
mod oauth;
mod page;
mod page_token;
mod profile;
mod properties;
mod reply;
mod request;
mod session;
mod temp_link;
mod thumbnail;
mod trash;
mod upload;
mod view;
mod web;
mod wire;

use std::sync::Arc;

use axum::{
    Router, middleware,
    routing::{get, post, put},
};
use http::{StatusCode, header};
use tokio::sync::mpsc;
use tower_http::compression::{CompressionLayer, Predicate, predicate::SizeAbove};

#[cfg(fuzzing)]
pub(crate) use self::upload::read_pieces;
pub(crate) use self::{
    auth::Local,
    base::{Listening, LocalAddress, Peer},
    fault::{Admin, Origin, OtherAccount},
    metrics::Metrics,
    oauth::ACCESS_SECONDS,
};
use crate::{
    Limits,
    accounts::{Drives, Passwords, Throttle},
    clock::Clock,
    content::Objects,
    fault::Faults,
    store::Store,
};

/// What requests about one drive need.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) store: Store,
    pub(crate) objects: Objects,
    pub(crate) garbage: mpsc::UnboundedSender<String>,
    pub(crate) clock: Clock,
}

/// What requests need before it is known which drive they are about.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) drives: Arc<Drives>,
    pub(crate) local: Arc<Local>,
    pub(crate) passwords: Passwords,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) clock: Clock,
}

impl Site {
    pub(crate) fn new(drives: Drives, clock: Clock) -> Self {
        Self {
            drives: Arc::new(drives),
            local: Arc::new(Local::new()),
            passwords: Passwords::new(),
            throttle: Arc::new(Throttle::new()),
            clock,
        }
    }

    /// The database that knows all accounts, programs, tokens and sessions.
    pub(crate) fn accounts(&self) -> &Store {
        &self.drives.first().store
    }
}

/// What is looked at from outside, and what counts it.
#[derive(Clone)]
struct Watched {
    site: Site,
    metrics: Arc<Metrics>,
}

/// What a request has in the log and in its reply's header.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// Path of the metadata calls, `metadataUrl`.
pub(crate) const METADATA: &str = "/drive/v1/";

/// Path of the content calls, `contentUrl`.
const CONTENT: &str = "/cdproxy/";

/// Path of the token endpoint.
pub(crate) const TOKEN: &str = "/auth/o2/token";

/// Path of the page where a user lets a program in.
pub(crate) const AUTHORIZE: &str = "/ap/oa";

/// `admin`: opens the calls that change fault rules; without it there are none.
pub(crate) fn router(
    site: Site,
    limits: Arc<Limits>,
    metrics: Arc<Metrics>,
    faults: Faults,
    admin: Option<Admin>,
) -> Router {
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
    let watched = Watched {
        site: site.clone(),
        metrics: metrics.clone(),
    };
    let watched = Router::new()
        .route("/healthz", get(health::show))
        .route("/metrics", get(metrics::show))
        .with_state(watched);
    let authorized = middleware::from_fn_with_state(site.clone(), auth::require);
    Router::new()
        .nest(METADATA.trim_end_matches('/'), metadata)
        .nest(CONTENT.trim_end_matches('/'), content)
        .route_layer(middleware::from_fn(fault::inside))
        .route_layer(authorized)
        .merge(watched)
        .merge(web::routes())
        .route(TOKEN, post(oauth::token))
        .route("/auth/o2/revoke", post(oauth::revoke))
        .route("/auth/o2/tokeninfo", get(profile::token_info))
        .route("/user/profile", get(profile::profile))
        .route(AUTHORIZE, get(authorize::ask).post(authorize::decide))
        .route(
            session::SIGN_IN,
            get(session::sign_in_page).post(session::sign_in),
        )
        .route(session::SIGN_OUT, post(session::sign_out))
        .route(page::STYLE, get(page::style))
        .route(
            &format!("{CONTENT}templink/{{token}}"),
            get(temp_link::read),
        )
        .route(
            &format!("{CONTENT}templink/{{account}}/{{token}}"),
            get(temp_link::read_of),
        )
        .fallback(reply::unknown_operation)
        .method_not_allowed_fallback(reply::method_not_allowed)
        .layer(CompressionLayer::new().compress_when(SizeAbove::new(SHORT).and(is_json)))
        .layer(middleware::from_fn_with_state(limits, limit::check))
        .with_state(site)
        .merge(fault::admin_routes(faults.clone(), admin))
        .layer(middleware::from_fn_with_state(faults, fault::outside))
        .layer(middleware::from_fn_with_state(metrics, exchange::observe))
}

/// Content is sent as it is: it has a length, ranges, and mostly no air in it.
fn is_json(
    _: StatusCode,
    _: http::Version,
    headers: &http::HeaderMap,
    _: &http::Extensions,
) -> bool {
    // A file of that type has ranges, a reply has none.
    !headers.contains_key(header::ACCEPT_RANGES)
        && headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

/// Bytes of a reply that fits into one packet as it is.
const SHORT: u16 = 1024;
