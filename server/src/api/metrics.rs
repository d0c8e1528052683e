//! `GET /metrics`: what the server did and has, for Prometheus.

use std::net::SocketAddr;

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, uri::Authority};
use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TEXT_FORMAT, TextEncoder, core::Collector,
};

use super::{
    Listening, LocalAddress, Peer, Watched, auth::bearer, exchange::Exchange, reply::ApiError,
};
use crate::{ids, store::Failure};

/// Everything that is counted while the server runs, and who may read it.
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    received: IntCounter,
    sent: IntCounter,
    uploads: IntGauge,
    connections: IntGauge,
    /// Digest of the token that may read from anywhere.
    token: Option<[u8; 32]>,
}

/// A connection that is open, until it is dropped.
pub(crate) struct OpenConnection(IntGauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// All zero. `token`: the digest of what a reader from elsewhere must send.
    pub(crate) fn new(token: Option<[u8; 32]>) -> Self {
        let registry = Registry::new();
        let build = IntGaugeVec::new(
            Opts::new(
                "acd_build_info",
                "Always 1; its labels say which build this is.",
            ),
            &["version"],
        );
        let build = registered(&registry, build);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let requests = IntCounterVec::new(
            Opts::new(
                "acd_http_requests_total",
                "Requests that ended; status `none`: the client did not wait for the reply.",
            ),
            &["method", "route", "status"],
        );
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "acd_http_request_duration_seconds",
                "From a request's arrival to the end of its reply's body.",
            )
            .buckets(BUCKETS.to_vec()),
            &["method", "route"],
        );
        let counter = |name, help| registered(&registry, IntCounter::new(name, help));
        let gauge = |name, help| registered(&registry, IntGauge::new(name, help));
        Self {
            requests: registered(&registry, requests),
            durations: registered(&registry, durations),
            received: counter(
                "acd_http_received_bytes_total",
                "Bytes of the bodies of requests.",
            ),
            sent: counter(
                "acd_http_sent_bytes_total",
                "Bytes of the bodies of replies.",
            ),
            uploads: gauge("acd_uploads_in_flight", "Uploads that have not ended."),
            connections: gauge("acd_connections_open", "Connections that are open."),
            registry,
            token,
        }
    }

    /// Counts a connection for as long as the value lives.
    pub(crate) fn connection(&self) -> OpenConnection {
        self.connections.inc();
        OpenConnection(self.connections.clone())
    }

    pub(super) fn begin(&self, exchange: &Exchange) {
        if is_upload(exchange) {
            self.uploads.inc();
        }
    }

    pub(super) fn received(&self, bytes: u64) {
        self.received.inc_by(bytes);
    }

    pub(super) fn sent(&self, bytes: u64) {
        self.sent.inc_by(bytes);
    }

    pub(super) fn end(&self, exchange: &Exchange) {
        if is_upload(exchange) {
            self.uploads.dec();
        }
        let method = method(exchange.method());
        // Never the path, of which there is no end.
        let route = exchange.route().unwrap_or("none");
        let status = class(exchange.status());
        self.requests
            .with_label_values(&[method, route, status])
            .inc();
        self.durations
            .with_label_values(&[method, route])
            .observe(exchange.age().as_secs_f64());
    }

    /// Whether the one who asks may know. Those on this machine may, unless they ask for
    /// another, or with a name that only a browser lured elsewhere would use for it.
    fn allows(&self, peer: SocketAddr, local: &Listening, headers: &HeaderMap) -> bool {
        let has_token = self.token.is_some_and(|expected| {
            bearer(headers).is_some_and(|token| ids::digest(token) == expected)
        });
        let relayed = ["forwarded", "x-forwarded-for", "x-real-ip", "via"]
            .iter()
            .any(|name| headers.contains_key(*name));
        // A public address is a proxy's, which may hide whom it asks for.
        let direct = local.public.is_none() && !relayed;
        has_token || (direct && peer.ip().to_canonical().is_loopback() && names_here(headers))
    }
}

/// `GET /metrics`, in the text format 0.0.4.
pub(super) async fn show(
    State(watched): State<Watched>,
    Extension(Peer(peer)): Extension<Peer>,
    Extension(LocalAddress(local)): Extension<LocalAddress>,
    headers: HeaderMap,
) -> Response {
    if !watched.metrics.allows(peer, &local, &headers) {
        let challenge = (header::WWW_AUTHENTICATE, "Bearer realm=\"metrics\"");
        return match watched.metrics.token {
            Some(_) => (StatusCode::UNAUTHORIZED, [challenge]).into_response(),
            None => StatusCode::FORBIDDEN.into_response(),
        };
    }
    let stored = match stored(&watched).await {
        Ok(stored) => stored,
        Err(failure) => return ApiError::from(failure).into_response(),
    };
    let mut families = watched.metrics.registry.gather();
    families.extend(stored.gather());
    let mut text = Vec::new();
    match TextEncoder::new().encode(&families, &mut text) {
        Ok(()) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => ApiError::internal(&error).into_response(),
    }
}

/// What the drives hold now, those that were used since the start. Asked for anew each time:
/// others write as well.
async fn stored(watched: &Watched) -> Result<Registry, Failure> {
    let registry = Registry::new();
    let gauge =
        |name, help, labels| registered(&registry, IntGaugeVec::new(Opts::new(name, help), labels));
    let counter =
        |name, help| registered(&registry, IntCounterVec::new(Opts::new(name, help), DRIVE));
    let nodes = gauge("acd_nodes", "Nodes, the trash included.", DRIVE);
    let files = gauge(
        "acd_files",
        "Files, the trash included.",
        DRIVE_AND_CATEGORY,
    );
    let bytes = gauge(
        "acd_content_bytes",
        "Bytes of the files, the trash included.",
        DRIVE_AND_CATEGORY,
    );
    let trashed = gauge(
        "acd_trash_items",
        "Nodes that were put into the trash themselves.",
        DRIVE,
    );
    let garbage = gauge(
        "acd_garbage_objects",
        "Objects no node refers to that wait for their deletion.",
        DRIVE,
    );
    let queue = gauge(
        "acd_writer_queue",
        "Changes of the metadata that wait for the writer.",
        DRIVE,
    );
    let batches = counter(
        "acd_writer_batches_total",
        "Transactions of the metadata, each with one wait for the disk.",
    );
    let mutations = counter(
        "acd_writer_mutations_total",
        "Changes of the metadata made in those transactions.",
    );
    let lost = counter(
        "acd_writer_lost_batches_total",
        "Transactions of the metadata that failed as a whole.",
    );
    for (drive, service) in watched.site.drives.in_use() {
        let store = &service.store;
        let drive = drive.as_str();
        let figures = store.figures().await?;
        nodes.with_label_values(&[drive]).set(figures.nodes);
        trashed.with_label_values(&[drive]).set(figures.trashed);
        garbage.with_label_values(&[drive]).set(figures.garbage);
        for category in store.usage().await? {
            let labels = [drive, category.name.as_str()];
            files.with_label_values(&labels).set(category.count);
            bytes.with_label_values(&labels).set(category.bytes);
        }
        let writer = store.writing();
        let waiting = i64::try_from(writer.queue).unwrap_or(i64::MAX);
        queue.with_label_values(&[drive]).set(waiting);
        batches.with_label_values(&[drive]).inc_by(writer.batches);
        mutations
            .with_label_values(&[drive])
            .inc_by(writer.mutations);
        lost.with_label_values(&[drive]).inc_by(writer.lost);
    }
    Ok(registry)
}

/// Definitions are constants of this file, and the registry is new: neither fails.
fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: prometheus::Result<C>,
) -> C {
    let collector = collector.expect("names and labels are well formed");
    registry
        .register(Box::new(collector.clone()))
        .expect("each name is used once");
    collector
}

fn is_upload(exchange: &Exchange) -> bool {
    matches!(*exchange.method(), Method::POST | Method::PUT)
        && exchange
            .route()
            .is_some_and(|route| route.starts_with(super::CONTENT))
}

fn method(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS => method.as_str(),
        _ => "other",
    }
}

fn class(status: Option<u16>) -> &'static str {
    match status.map(|status| status / 100) {
        None => "none",
        Some(1) => "1xx",
        Some(2) => "2xx",
        Some(3) => "3xx",
        Some(4) => "4xx",
        Some(_) => "5xx",
    }
}

/// Whether the `Host` is this machine's own name for itself.
fn names_here(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    let Some(host) = host.and_then(|host| Authority::try_from(host).ok()) else {
        return false;
    };
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    let ip = name.parse::<std::net::IpAddr>();
    name.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
}

/// The label of what is counted by drive: `first`, or the account's id.
const DRIVE: &[&str] = &["drive"];

/// And that of the service's four categories of files.
const DRIVE_AND_CATEGORY: &[&str] = &["drive", "category"];

/// Seconds: a read from memory takes one millisecond, an upload of gigabytes minutes.
const BUCKETS: &[f64] = &[
    0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0, 300.0, 1800.0,
];
