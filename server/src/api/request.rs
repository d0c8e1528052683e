//! Parts of requests: queries, JSON bodies, fields.

use std::{collections::BTreeMap, time::Duration};

use axum::{body::Body, extract::FromRequestParts, http::request::Parts};
use http::StatusCode;
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;
use url::form_urlencoded;

use super::reply::{ApiError, Result};
use crate::names;

/// The parameters of a query. Of one that comes twice, the first counts: a client of the
/// service's days appended a second `?startToken=`.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn parse(query: &[u8]) -> Self {
        Self(form_urlencoded::parse(query).into_owned().collect())
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        _: &S,
    ) -> std::result::Result<Self, Self::Rejection> {
        Ok(Self::parse(
            parts.uri.query().unwrap_or_default().as_bytes(),
        ))
    }
}

/// Reads a small body whole.
pub(super) async fn bytes(body: Body) -> Result<bytes::Bytes> {
    let read = timeout(SLOWEST_JSON, Limited::new(body, LARGEST_JSON).collect()).await;
    match read {
        Ok(Ok(read)) => Ok(read.to_bytes()),
        _ => Err(ApiError::short(
            StatusCode::BAD_REQUEST,
            "Cannot read from request.",
        )),
    }
}

/// What a node is created with or changed to. Clients name no content type, or a wrong one,
/// so none is looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct NodeFields {
    pub(super) name: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) parents: Option<Vec<String>>,
    pub(super) labels: Option<Vec<String>>,
    /// The outer `None`: not given; the inner: null.
    #[serde(deserialize_with = "given")]
    pub(super) description: Option<Option<String>>,
    pub(super) content_properties: Option<Value>,
    /// By owner and key.
    pub(super) properties: Option<BTreeMap<String, BTreeMap<String, String>>>,
    pub(super) local_id: Option<String>,
    pub(super) e_tag_request: Option<String>,
}

impl NodeFields {
    pub(super) fn parse(text: &[u8]) -> Result<Self> {
        parse(text)
    }

    /// Checks what was given against the service's limits.
    pub(super) fn check(&self) -> Result<()> {
        if let Some(name) = &self.name {
            // Without log reference, as observed.
            names::check(name)
                .map_err(|message| ApiError::short(StatusCode::BAD_REQUEST, message))?;
        }
        let labels = self.labels.as_deref().unwrap_or_default();
        if labels.len() > MOST_LABELS {
            return Err(ApiError::bad_request(format!(
                "A node can have {MOST_LABELS} labels at most"
            )));
        }
        for label in labels {
            longest("labels", label, LONGEST_LABEL)?;
        }
        if let Some(local_id) = &self.local_id {
            longest("localId", local_id, LONGEST_LOCAL_ID)?;
        }
        match &self.description {
            Some(Some(description)) => longest("description", description, LONGEST_DESCRIPTION),
            _ => Ok(()),
        }
    }

    /// The name of a node to be created.
    pub(super) fn required_name(&self) -> Result<String> {
        let missing =
            || ApiError::bad_request(names::constraint("name", "null", "Member must not be null"));
        self.name.clone().ok_or_else(missing)
    }
}

pub(super) fn parse<T: for<'a> Deserialize<'a>>(text: &[u8]) -> Result<T> {
    // A list of a struct's values in order would do for serde as well.
    if !text.trim_ascii_start().starts_with(b"{") {
        return Err(ApiError::bad_request(
            "Cannot parse request: no JSON object",
        ));
    }
    serde_json::from_slice(text)
        .map_err(|error| ApiError::bad_request(format!("Cannot parse request: {error}")))
}

fn given<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

fn longest(field: &str, value: &str, limit: usize) -> Result<()> {
    if value.chars().count() <= limit {
        return Ok(());
    }
    let rule = format!("Member must have length less than or equal to {limit}");
    Err(ApiError::bad_request(names::constraint(
        field, value, &rule,
    )))
}

/// Bytes of a JSON body, or of the metadata in front of an upload: many times what the
/// fields below can need.
pub(super) const LARGEST_JSON: usize = 256 * 1024;

/// For so long a small body is waited for: what takes longer never comes.
const SLOWEST_JSON: Duration = Duration::from_secs(60);

const MOST_LABELS: usize = 10;
/// Characters.
const LONGEST_LABEL: usize = 256;
/// Characters.
const LONGEST_DESCRIPTION: usize = 500;
/// Characters.
const LONGEST_LOCAL_ID: usize = 100;
