//! What a program may learn of a token, and of the user behind it.

use axum::{Extension, extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, json};

use super::{
    Site, auth, base,
    base::LocalAddress,
    oauth,
    reply::{self, ApiError, Result},
    request::Parameters,
};
use crate::{ids, scopes::Scope, scopes::Scopes, store::Access};

/// `GET /auth/o2/tokeninfo?access_token=…`.
pub(super) async fn token_info(
    State(site): State<Site>,
    Extension(LocalAddress(local)): Extension<LocalAddress>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response> {
    let token = parameters.value("access_token");
    let token = token.ok_or_else(oauth::invalid_request)?;
    let access = access(&site, token).await?;
    let access = access.ok_or_else(|| invalid_token(StatusCode::BAD_REQUEST))?;
    let reply = json!({
        "iss": base::url(&headers, &local),
        "user_id": access.account,
        "aud": access.client,
        "app_id": app_id(&access.client),
        "exp": (access.expires - site.clock.now()) / 1000,
        "iat": access.issued / 1000,
    });
    Ok(oauth::private(reply::json(StatusCode::OK, &reply)))
}

/// `GET /user/profile`, with the token in any of three places. Errors as RFC 6750 has them.
pub(super) async fn profile(
    State(site): State<Site>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response> {
    let in_header = || headers.get("x-amz-access-token")?.to_str().ok();
    let token = auth::bearer(&headers)
        .or_else(in_header)
        .or_else(|| parameters.value("access_token"))
        .ok_or_else(oauth::invalid_request)?;
    let access = access(&site, token).await?;
    let access = access.ok_or_else(|| invalid_token(StatusCode::UNAUTHORIZED))?;
    let scopes = Scopes::parse(&access.scopes).unwrap_or_default();
    if !scopes.has(Scope::Profile) && !scopes.has(Scope::UserId) {
        return Err(ApiError::oauth(
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            "The access token does not have the required scope : profile",
        ));
    }
    let mut reply = Map::new();
    if scopes.has(Scope::Profile) {
        let account = site.accounts().account(&access.account).await?;
        // A drive that nobody has been given yet can be used by programs already.
        if let Some(name) = account.and_then(|account| account.name) {
            if name.contains('@') {
                reply.insert("email".into(), name.clone().into());
            }
            reply.insert("name".into(), name.into());
        }
    }
    reply.insert("user_id".into(), access.account.into());
    Ok(oauth::private(reply::json(StatusCode::OK, &reply)))
}

async fn access(site: &Site, token: &str) -> Result<Option<Access>> {
    let access = site.accounts().access(ids::digest(token)).await?;
    Ok(access.filter(|access| access.expires > site.clock.now()))
}

/// `amzn1.application.…`: the program's other id, which the service gave beside the client's.
fn app_id(client: &str) -> String {
    format!(
        "amzn1.application.{}",
        &hex::encode(ids::digest(client))[..32]
    )
}

fn invalid_token(status: StatusCode) -> ApiError {
    let description = "The access token provided is invalid or has expired";
    ApiError::oauth(status, "invalid_token", description)
}
