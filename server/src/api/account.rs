//! `account/…`: where things are, and how much there is.

use axum::{Extension, response::Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::{CONTENT, METADATA, auth::Drive, base, base::LocalAddress, reply, reply::Result};
use crate::clock::iso8601;

pub(super) async fn endpoint(
    Extension(LocalAddress(local)): Extension<LocalAddress>,
    headers: HeaderMap,
) -> Response {
    let base = base::url(&headers, &local);
    let reply = json!({
        "customerExists": true,
        "contentUrl": format!("{base}{CONTENT}"),
        "metadataUrl": format!("{base}{METADATA}"),
    });
    reply::json(StatusCode::OK, &reply)
}

pub(super) async fn info() -> Response {
    let reply = json!({ "termsOfUse": "1.0.0", "status": "ACTIVE" });
    reply::json(StatusCode::OK, &reply)
}

pub(super) async fn quota(Drive(service): Drive) -> Result<Response> {
    let used: i64 = service
        .store
        .usage()
        .await?
        .iter()
        .map(|category| category.bytes)
        .sum();
    let reply = json!({
        "quota": QUOTA,
        "available": (QUOTA - used).max(0),
        "lastCalculated": iso8601(service.clock.now()),
    });
    Ok(reply::json(StatusCode::OK, &reply))
}

pub(super) async fn usage(Drive(service): Drive) -> Result<Response> {
    let used = service.store.usage().await?;
    let mut reply = Map::new();
    reply.insert("lastCalculated".into(), iso8601(service.clock.now()).into());
    for name in ["other", "doc", "photo", "video"] {
        let category = used.iter().find(|category| category.name == name);
        let total = json!({
            "bytes": category.map_or(0, |category| category.bytes),
            "count": category.map_or(0, |category| category.count),
        });
        // Nothing is billed, as under the service's unlimited plan.
        let billable: Value = json!({ "bytes": 0, "count": 0 });
        reply.insert(name.into(), json!({ "total": total, "billable": billable }));
    }
    Ok(reply::json(StatusCode::OK, &reply))
}

/// Bytes: the 100 TiB that the service told customers of its unlimited plan. What there is
/// in truth, the disk says when it is full.
const QUOTA: i64 = 100 << 40;
