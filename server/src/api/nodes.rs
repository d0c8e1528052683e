//! Single nodes: reading, creating folders, changing, and the refusal to purge.

use axum::{Extension, body::Body, extract::Path, response::Response};
use http::{HeaderMap, StatusCode, header};

use super::{
    auth::{Caller, Drive},
    properties,
    reply::{self, ApiError, Result},
    request::{self, NodeFields},
    view::View,
    wire,
};
use crate::store::{Create, Kind, Patch};

pub(super) async fn read(
    Drive(service): Drive,
    Path(id): Path<String>,
    view: View,
) -> Result<Response> {
    let node = [service.store.node(&id).await?];
    let shown = view.show(&service, &node).await?;
    Ok(reply::json(StatusCode::OK, &shown[0]))
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
        properties: properties::of_caller(fields.properties, &caller)?,
        local_id: fields.local_id,
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
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
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
    let properties = properties::of_caller(fields.properties, &caller)?;
    let patch = Patch {
        id,
        name: fields.name,
        labels: fields.labels,
        description: fields.description,
        parents: fields.parents,
        properties: Some((caller.name, properties)),
        expected: if_match(&headers).or(fields.e_tag_request),
        now: service.clock.now(),
    };
    let node = service.store.write(patch).await?;
    Ok(wire::node(StatusCode::OK, &node))
}

/// The ETag that the node must have for the change to happen, in quotes or without.
fn if_match(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::IF_MATCH)?.to_str().ok()?.trim();
    (value != "*").then(|| value.trim_matches('"').to_owned())
}

/// What the service said to every program that was not its own.
pub(super) async fn purge(Drive(service): Drive, Path(id): Path<String>) -> Result<Response> {
    service.store.node(&id).await?;
    let message = "Insufficient permissions granted for operation: purgeNode";
    Err(ApiError::short(StatusCode::FORBIDDEN, message))
}
