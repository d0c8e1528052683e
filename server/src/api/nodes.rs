//! Single nodes: reading, creating folders, changing, and the refusal to purge.

use axum::{Extension, body::Body, extract::Path, response::Response};
use http::StatusCode;

use super::{
    auth::{Caller, Drive},
    reply::{ApiError, Result},
    request::{self, NodeFields},
    wire,
};
use crate::store::{Create, Kind, Patch};

pub(super) async fn read(Drive(service): Drive, Path(id): Path<String>) -> Result<Response> {
    let node = service.store.node(&id).await?;
    Ok(wire::node(StatusCode::OK, &node))
}

pub(super) async fn create_folder(
    Drive(service): Drive,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response> {
    let fields = NodeFields::parse(&request::bytes(body).await?)?;
    fields.check()?;
    let name = fields.required_name()?;
    if fields.kind.as_deref() != Some(Kind::Folder.as_str()) {
        return Err(ApiError::bad_request(
            "Only nodes of kind FOLDER can be created without content",
        ));
    }
    let create = Create {
        name,
        parents: fields.parents.unwrap_or_default(),
        labels: fields.labels.unwrap_or_default(),
        description: fields.description.flatten(),
        created_by: caller.name,
        now: service.clock.now(),
        file: None,
    };
    let node = service.store.write(create).await?;
    Ok(wire::node(StatusCode::CREATED, &node))
}

/// Fields that cannot be changed are ignored, except for the content's, which are refused.
pub(super) async fn patch(
    Drive(service): Drive,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response> {
    let fields = NodeFields::parse(&request::bytes(body).await?)?;
    if fields.content_properties.is_some() {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "contentProperties cannot be updated",
        ));
    }
    fields.check()?;
    let patch = Patch {
        id,
        name: fields.name,
        labels: fields.labels,
        description: fields.description,
        parents: fields.parents,
        now: service.clock.now(),
    };
    let node = service.store.write(patch).await?;
    Ok(wire::node(StatusCode::OK, &node))
}

/// What the service said to every program that was not its own.
pub(super) async fn purge(Drive(service): Drive, Path(id): Path<String>) -> Result<Response> {
    service.store.node(&id).await?;
    let message = "Insufficient permissions granted for operation: purgeNode";
    Err(ApiError::short(StatusCode::FORBIDDEN, message))
}
