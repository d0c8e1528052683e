//! `nodes/ID/properties/OWNER`: what a program notes of nodes. Each has its own name for
//! owner, and touches nobody else's.

use std::collections::BTreeMap;

use axum::{
    Extension,
    body::Body,
    extract::Path,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::{
    METADATA, Service,
    auth::{Caller, Drive},
    base,
    base::LocalAddress,
    reply,
    reply::{ApiError, Result},
    request,
};
use crate::{
    names,
    store::{ChangeProperties, PropertyChange, Refusal},
};

#[derive(Deserialize)]
struct ValueBody {
    value: String,
}

/// All of an owner's; of an owner that is not the caller, none, whatever there is.
pub(super) async fn list(
    Drive(service): Drive,
    Extension(caller): Extension<Caller>,
    Path((id, owner)): Path<(String, String)>,
) -> Result<Response> {
    service.store.node(&id).await?;
    let properties = match owner == caller.name {
        true => own(&service, &id, &owner).await?,
        false => BTreeMap::new(),
    };
    let reply = json!({ "count": properties.len(), "data": properties });
    Ok(reply::json(StatusCode::OK, &reply))
}

pub(super) async fn read(
    Drive(service): Drive,
    Extension(caller): Extension<Caller>,
    Path((id, owner, key)): Path<(String, String, String)>,
) -> Result<Response> {
    check_owner(&caller, &owner)?;
    service.store.node(&id).await?;
    let properties = own(&service, &id, &owner).await?;
    let Some(value) = properties.get(&key) else {
        return Err(Refusal::NoSuchProperty { key }.into());
    };
    Ok(reply::json(
        StatusCode::OK,
        &json!({ "key": key, "value": value }),
    ))
}

pub(super) async fn set(
    Drive(service): Drive,
    Extension(caller): Extension<Caller>,
    Extension(LocalAddress(local)): Extension<LocalAddress>,
    Path((id, owner, key)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    check_owner(&caller, &owner)?;
    let ValueBody { value } = request::parse(&request::bytes(body).await?)?;
    check(&key, &value)?;
    let base = base::url(&headers, &local);
    let reply = json!({
        "key": key,
        "location": format!("{base}{METADATA}nodes/{id}/properties/{owner}/{key}"),
        "value": value,
    });
    let change = PropertyChange::Set([(key, value)].into());
    service
        .store
        .write(changed(&service, id, owner, change))
        .await?;
    Ok(reply::json(StatusCode::CREATED, &reply))
}

pub(super) async fn remove(
    Drive(service): Drive,
    Extension(caller): Extension<Caller>,
    Path((id, owner, key)): Path<(String, String, String)>,
) -> Result<Response> {
    check_owner(&caller, &owner)?;
    let change = PropertyChange::Remove(key);
    service
        .store
        .write(changed(&service, id, owner, change))
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The caller's part of the `properties` that a node is created or changed with.
pub(super) fn of_caller(
    properties: Option<BTreeMap<String, BTreeMap<String, String>>>,
    caller: &Caller,
) -> Result<BTreeMap<String, String>> {
    let mut own = BTreeMap::new();
    for (owner, properties) in properties.unwrap_or_default() {
        check_owner(caller, &owner)?;
        for (key, value) in &properties {
            check(key, value)?;
        }
        own = properties;
    }
    Ok(own)
}

async fn own(service: &Service, id: &str, owner: &str) -> Result<BTreeMap<String, String>> {
    let mut properties = service.store.properties(owner, &[id]).await?;
    Ok(properties.remove(id).unwrap_or_default())
}

fn changed(
    service: &Service,
    node: String,
    owner: String,
    change: PropertyChange,
) -> ChangeProperties {
    ChangeProperties {
        node,
        owner,
        change,
        now: service.clock.now(),
    }
}

fn check_owner(caller: &Caller, owner: &str) -> Result<()> {
    match owner == caller.name {
        true => Ok(()),
        false => Err(ApiError::new(
            StatusCode::FORBIDDEN,
            format!(
                "Properties of {owner} cannot be accessed by {}",
                caller.name
            ),
        )),
    }
}

fn check(key: &str, value: &str) -> Result<()> {
    let pattern = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let broken = if key.is_empty() || !key.bytes().all(pattern) {
        names::constraint(
            "key",
            key,
            "Member must satisfy regular expression pattern: [A-Za-z0-9_]+",
        )
    } else if key.len() > LONGEST_KEY {
        let rule = format!("Member must have length less than or equal to {LONGEST_KEY}");
        names::constraint("key", key, &rule)
    } else if value.chars().count() > LONGEST_VALUE {
        let rule = format!("Member must have length less than or equal to {LONGEST_VALUE}");
        names::constraint("value", value, &rule)
    } else {
        return Ok(());
    };
    Err(ApiError::bad_request(broken))
}

/// Characters: the service's own limits.
const LONGEST_KEY: usize = 50;
const LONGEST_VALUE: usize = 500;
