//! The token endpoint: new access tokens for refresh tokens.

use axum::{body::Body, extract::State, response::Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use url::form_urlencoded;

use super::{
    Site,
    reply::{self, ApiError, Result},
    request::{self, Parameters},
};
use crate::{ids, store::IssueAccess};

pub(super) async fn token(
    State(site): State<Site>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let form = Parameters::parse(&request::bytes(body).await.map_err(|_| invalid_request())?);
    match form.value("grant_type") {
        Some("refresh_token") => {}
        Some(_) => {
            let description = "The grant type is not supported";
            return Err(ApiError::oauth(
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                description,
            ));
        }
        None => return Err(invalid_request()),
    }
    let client = client(&site, &headers, &form).await?;
    let refresh_token = form.value("refresh_token").ok_or_else(invalid_request)?;
    let refresh = site.accounts().refresh(ids::digest(refresh_token)).await?;
    let refresh = refresh.ok_or_else(|| invalid_grant("refresh_token"))?;
    if refresh.client != client {
        return Err(unauthorized_client());
    }
    let access_token = ids::access_token();
    let now = site.clock.now();
    let issue = IssueAccess {
        grant_id: refresh.grant_id,
        token: ids::digest(&access_token),
        expires: now + ACCESS_SECONDS * 1000,
        now,
    };
    if !site.accounts().write(issue).await? {
        return Err(invalid_grant("refresh_token"));
    }
    // The refresh token as well: clients write down the reply in place of what they had.
    let reply = json!({
        "access_token": access_token,
        "refresh_token": refresh_token,
        "token_type": "bearer",
        "expires_in": ACCESS_SECONDS,
    });
    let mut response = reply::json(StatusCode::OK, &reply);
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    Ok(response)
}

/// The id of the client, once it has shown its secret: in the header or in the form.
async fn client(site: &Site, headers: &HeaderMap, form: &Parameters) -> Result<String> {
    let in_form = || {
        Some((
            form.value("client_id")?.to_owned(),
            form.value("client_secret")?.to_owned(),
        ))
    };
    let (id, secret) = basic(headers)
        .or_else(in_form)
        .ok_or_else(invalid_request)?;
    match site
        .accounts()
        .verify_client(&id, ids::digest(&secret))
        .await?
    {
        true => Ok(id),
        false => {
            let description = "Client authentication failed";
            Err(ApiError::oauth(
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                description,
            ))
        }
    }
}

/// `Authorization: Basic`; both halves are form-encoded within (RFC 6749, 2.3.1).
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, encoded) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decoded(id), form_decoded(secret)))
}

fn form_decoded(text: &str) -> String {
    // A key without a value: the whole text up to a `&` or `=`, which would be encoded.
    let mut pairs = form_urlencoded::parse(text.as_bytes());
    pairs
        .next()
        .map(|(key, _)| key.into_owned())
        .unwrap_or_default()
}

fn invalid_grant(parameter: &'static str) -> ApiError {
    let description = match parameter {
        "refresh_token" => "The request has an invalid grant parameter : refresh_token",
        _ => "The request has an invalid grant parameter : code",
    };
    ApiError::oauth(StatusCode::BAD_REQUEST, "invalid_grant", description)
}

fn unauthorized_client() -> ApiError {
    let description = "Not authorized for requested operation";
    ApiError::oauth(StatusCode::BAD_REQUEST, "unauthorized_client", description)
}

fn invalid_request() -> ApiError {
    let description = "The request is missing a required parameter or is otherwise malformed";
    ApiError::oauth(StatusCode::BAD_REQUEST, "invalid_request", description)
}

/// The life of an access token: one hour, the service's own.
pub(crate) const ACCESS_SECONDS: i64 = 3600;
