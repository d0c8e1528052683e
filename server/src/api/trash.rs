//! Into the trash and back. Bodies that come along are ignored, as they were.

use axum::{extract::Path, response::Response};
use http::StatusCode;

use super::{auth::Drive, reply::Result, wire};
use crate::store::{Restore, Trash};

pub(super) async fn trash(Drive(service): Drive, Path(id): Path<String>) -> Result<Response> {
    let now = service.clock.now();
    let node = service.store.write(Trash { id, now }).await?;
    Ok(wire::node(StatusCode::OK, &node))
}

pub(super) async fn restore(Drive(service): Drive, Path(id): Path<String>) -> Result<Response> {
    let now = service.clock.now();
    let node = service.store.write(Restore { id, now }).await?;
    Ok(wire::node(StatusCode::OK, &node))
}
