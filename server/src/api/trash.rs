//! Into the trash and back. Bodies that come along are ignored, as they were.

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;

use super::{Service, reply::Result, wire};
use crate::store::{Restore, Trash};

pub(super) async fn trash(
    State(service): State<Service>,
    Path(id): Path<String>,
) -> Result<Response> {
    let now = service.clock.now();
    let node = service.store.write(Trash { id, now }).await?;
    Ok(wire::node(StatusCode::OK, &node))
}

pub(super) async fn restore(
    State(service): State<Service>,
    Path(id): Path<String>,
) -> Result<Response> {
    let now = service.clock.now();
    let node = service.store.write(Restore { id, now }).await?;
    Ok(wire::node(StatusCode::OK, &node))
}
