//! A node's folders: moving, adding, removing.

use axum::{body::Body, extract::Path, response::Response};
use http::StatusCode;
use serde::Deserialize;

use super::{auth::Drive, reply::Result, request, wire};
use crate::store::{Move, Place, PlaceChange};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MoveRequest {
    from_parent: String,
    child_id: String,
}

pub(super) async fn move_here(
    Drive(service): Drive,
    Path(to): Path<String>,
    body: Body,
) -> Result<Response> {
    let asked: MoveRequest = request::parse(&request::bytes(body).await?)?;
    let change = Move {
        child: asked.child_id,
        from: asked.from_parent,
        to,
        now: service.clock.now(),
    };
    let node = service.store.write(change).await?;
    Ok(wire::node(StatusCode::OK, &node))
}

pub(super) async fn add(drive: Drive, path: Path<(String, String)>) -> Result<Response> {
    place(drive, path, PlaceChange::Add).await
}

pub(super) async fn remove(drive: Drive, path: Path<(String, String)>) -> Result<Response> {
    place(drive, path, PlaceChange::Remove).await
}

async fn place(
    Drive(service): Drive,
    Path((parent, child)): Path<(String, String)>,
    change: PlaceChange,
) -> Result<Response> {
    let change = Place {
        change,
        parent,
        child,
        now: service.clock.now(),
    };
    let node = service.store.write(change).await?;
    Ok(wire::node(StatusCode::OK, &node))
}
