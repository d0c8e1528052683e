//! Who is calling: bearer tokens.

use axum::{
    extract::{FromRequestParts, Request, State},
    http::request::Parts,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};

use super::{
    Service, exchange,
    reply::{ApiError, Result},
};
use crate::ids;

/// The program that calls.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// What nodes it makes have as `createdBy`.
    pub(super) name: String,
}

/// The drive that the call is about: that of the account its token belongs to.
#[derive(Clone)]
pub(super) struct Drive(pub(super) Service);

impl<S: Sync> FromRequestParts<S> for Drive {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        // Missing only on a route that `require` does not guard.
        let drive = parts.extensions.get::<Self>().cloned();
        drive.ok_or_else(|| ApiError::empty(StatusCode::UNAUTHORIZED))
    }
}

/// The token of the process this server runs in. It is nowhere but in its memory.
pub(crate) struct Local {
    token: String,
    digest: [u8; 32],
}

impl Local {
    pub(crate) fn new() -> Self {
        let token = ids::access_token();
        let digest = ids::digest(&token);
        Self { token, digest }
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }
}

/// Lets a request with a valid token through and tells it its [`Caller`] and [`Drive`].
pub(super) async fn require(
    State(service): State<Service>,
    mut request: Request,
    next: Next,
) -> Response {
    match caller(&service, request.headers()).await {
        Ok(caller) => {
            exchange::set_client(request.extensions(), &caller.name);
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(Drive(service));
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

async fn caller(service: &Service, headers: &HeaderMap) -> Result<Caller> {
    let Some(token) = bearer(headers) else {
        return Err(ApiError::empty(StatusCode::UNAUTHORIZED));
    };
    let digest = ids::digest(token);
    if digest == service.local.digest {
        return Ok(Caller {
            name: LOCAL_NAME.to_owned(),
        });
    }
    match service.store.access(digest).await? {
        Some(access) if access.expires > service.clock.now() => Ok(Caller {
            name: access.client_name,
        }),
        // A token that is not known may be one that expired long ago.
        _ => Err(ApiError::new(StatusCode::UNAUTHORIZED, "Token has expired")),
    }
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// `createdBy` of nodes made by the process this server runs in.
const LOCAL_NAME: &str = "acd";
