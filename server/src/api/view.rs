//! How a request wants its nodes shown: with what besides their own fields.

use axum::{Extension, extract::FromRequestParts, http::request::Parts};
use http::HeaderMap;

use super::{
    Service,
    auth::Caller,
    base,
    base::{Listening, LocalAddress},
    reply::{ApiError, Result},
    request::Parameters,
    temp_link,
    wire::WireNode,
};
use crate::store::{Kind, Node};

/// What a reply is to show of its nodes.
#[derive(Clone)]
pub(super) struct View {
    caller: Caller,
    properties: bool,
    /// Of which server temporary links are to be.
    links: Option<String>,
    assets: bool,
}

impl View {
    /// Nodes with the properties that the caller has set.
    pub(super) fn with_properties(caller: Caller) -> Self {
        Self {
            caller,
            properties: true,
            links: None,
            assets: false,
        }
    }

    fn asked(
        caller: Caller,
        parameters: &Parameters,
        headers: &HeaderMap,
        local: &Listening,
    ) -> Self {
        let value = |name| parameters.value(name).unwrap_or_default();
        Self {
            caller,
            properties: value("fields").contains("properties"),
            links: value("tempLink")
                .eq_ignore_ascii_case("true")
                .then(|| base::url(headers, local)),
            assets: !matches!(value("asset"), "" | "NONE"),
        }
    }

    /// The nodes in the shape of a reply.
    pub(super) async fn show<'a>(
        &self,
        service: &Service,
        nodes: &'a [Node],
    ) -> Result<Vec<WireNode<'a>>> {
        let mut shown: Vec<_> = nodes.iter().map(WireNode::from).collect();
        if self.properties {
            let ids: Vec<_> = nodes.iter().map(|node| node.id.as_str()).collect();
            let mut properties = service.store.properties(&self.caller.name, &ids).await?;
            for node in &mut shown {
                if let Some(properties) = properties.remove(node.id) {
                    node.properties = Some([(self.caller.name.clone(), properties)].into());
                }
            }
        }
        if let Some(base) = &self.links {
            let readable = |node: &&Node| {
                let content = node.content.as_ref();
                content.is_some_and(|content| self.caller.may_read(content))
            };
            let files: Vec<_> = nodes.iter().filter(readable).collect();
            let account = self.caller.account.as_deref();
            let mut links = temp_link::issue(service, base, account, &files).await?;
            for node in &mut shown {
                node.temp_link = links.remove(node.id);
            }
        }
        if self.assets {
            for (wire, node) in shown.iter_mut().zip(nodes) {
                // No asset is ever made here: previews are made when they are asked for.
                wire.assets = (node.kind == Kind::File).then(Vec::new);
            }
        }
        Ok(shown)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for View {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let missing = |_| ApiError::empty(http::StatusCode::UNAUTHORIZED);
        let Extension(caller) = Extension::from_request_parts(parts, state)
            .await
            .map_err(missing)?;
        let Extension(LocalAddress(local)) = Extension::from_request_parts(parts, state)
            .await
            .map_err(missing)?;
        let parameters = Parameters::parse(parts.uri.query().unwrap_or_default().as_bytes());
        Ok(Self::asked(caller, &parameters, &parts.headers, &local))
    }
}
