//! Nodes as JSON.

use std::collections::BTreeMap;

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use super::reply::json;
use crate::{clock::iso8601, ids, store::Node};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireNode<'a> {
    e_tag_response: String,
    pub(super) id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    kind: &'static str,
    version: i64,
    created_date: String,
    modified_date: String,
    labels: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    created_by: &'a str,
    parents: &'a [String],
    status: &'static str,
    restricted: bool,
    is_shared: bool,
    #[serde(skip_serializing_if = "is_false")]
    is_root: bool,
    #[serde(skip_serializing_if = "is_false")]
    exclusively_trashed: bool,
    #[serde(skip_serializing_if = "is_false")]
    recursively_trashed: bool,
    /// By owner and key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) properties: Option<BTreeMap<String, BTreeMap<String, String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) temp_link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) assets: Option<Vec<Self>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_properties: Option<WireContent<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireContent<'a> {
    version: i64,
    size: i64,
    md5: &'a str,
    content_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    extension: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Value>,
}

impl<'a> From<&'a Node> for WireNode<'a> {
    fn from(node: &'a Node) -> Self {
        Self {
            e_tag_response: ids::etag(&node.id, node.version),
            id: &node.id,
            name: node.name.as_deref(),
            kind: node.kind.as_str(),
            version: node.version,
            created_date: iso8601(node.created),
            modified_date: iso8601(node.modified),
            labels: &node.labels,
            description: node.description.as_deref(),
            created_by: &node.created_by,
            parents: &node.parents,
            status: node.status.as_str(),
            restricted: false,
            is_shared: false,
            is_root: node.is_root(),
            exclusively_trashed: node.exclusively_trashed,
            recursively_trashed: node.recursively_trashed,
            properties: None,
            temp_link: None,
            assets: None,
            content_properties: node.content.as_ref().map(|content| WireContent {
                version: content.version,
                size: content.size,
                md5: &content.md5,
                content_type: &content.content_type,
                extension: content.extension.as_deref(),
                content_date: content.date.map(iso8601),
                image: content
                    .image
                    .as_deref()
                    .and_then(|image| serde_json::from_str(image).ok()),
            }),
        }
    }
}

pub(super) fn node(status: StatusCode, node: &Node) -> Response {
    json(status, &WireNode::from(node))
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}
