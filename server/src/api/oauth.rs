//! The token endpoint: tokens for codes and for refresh tokens, and tokens taken back.

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use url::form_urlencoded;

use super::{
    Site, authorize,
    reply::{self, ApiError, Result},
    request::{self, Parameters},
};
use crate::{
    ids,
    store::{IssueAccess, RedeemCode, Redeemed, Revoke},
};

/// `POST /auth/o2/token`.
pub(super) async fn token(State(site): State<Site>, headers: HeaderMap, body: Body) -> Response {
    answer(exchange(&site, &headers, body).await)
}

/// `POST /auth/o2/revoke`, RFC 7009. Says nothing of whether there was such a token.
pub(super) async fn revoke(State(site): State<Site>, headers: HeaderMap, body: Body) -> Response {
    answer(take_back(&site, &headers, body).await)
}

/// Keeps a reply out of caches.
pub(super) fn private(mut reply: Response) -> Response {
    let no_store = HeaderValue::from_static("no-store");
    reply.headers_mut().insert(header::CACHE_CONTROL, no_store);
    reply
}

pub(super) fn invalid_request() -> ApiError {
    let description = "The request is missing a required parameter or is otherwise malformed";
    ApiError::oauth(StatusCode::BAD_REQUEST, "invalid_request", description)
}

fn answer(outcome: Result<Response>) -> Response {
    let reply = match outcome {
        Ok(reply) => reply,
        // The log has it already; here it has a form of its own.
        Err(error) if error.is_internal() => ApiError::oauth(
            StatusCode::INTERNAL_SERVER_ERROR,
            "ServerError",
            "The server encountered an unexpected condition",
        )
        .into_response(),
        Err(error) => error.into_response(),
    };
    private(reply)
}

async fn exchange(site: &Site, headers: &HeaderMap, body: Body) -> Result<Response> {
    let form = form(body).await?;
    match form.value("grant_type") {
        Some("authorization_code") => {
            let client = client(site, headers, &form).await?;
            redeem(site, client, &form).await
        }
        Some("refresh_token") => {
            let client = client(site, headers, &form).await?;
            refresh(site, &client, &form).await
        }
        Some(_) => Err(ApiError::oauth(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "The grant type is not supported",
        )),
        None => Err(invalid_request()),
    }
}

async fn redeem(site: &Site, client: String, form: &Parameters) -> Result<Response> {
    let code = form.value("code").ok_or_else(invalid_request)?;
    let redirect_uri = form.value("redirect_uri").ok_or_else(invalid_request)?;
    let verifier = form.value("code_verifier");
    if verifier.is_some_and(|verifier| !authorize::is_verifier(verifier)) {
        return Err(invalid_grant(Parameter::Verifier));
    }
    let (access_token, refresh_token) = (ids::access_token(), ids::refresh_token());
    let now = site.clock.now();
    let redeem = RedeemCode {
        code: ids::digest(code),
        client,
        redirect_uri: redirect_uri.to_owned(),
        verifier: verifier.map(ids::digest),
        refresh_token: ids::digest(&refresh_token),
        access_token: ids::digest(&access_token),
        expires: now + ACCESS_SECONDS * 1000,
        now,
    };
    match site.accounts().write(redeem).await? {
        Redeemed::Done => Ok(tokens(&access_token, &refresh_token)),
        Redeemed::OtherClient => Err(unauthorized_client()),
        Redeemed::BadCode => Err(invalid_grant(Parameter::Code)),
        Redeemed::OtherRedirect => Err(invalid_grant(Parameter::RedirectUri)),
        Redeemed::BadVerifier => Err(invalid_grant(Parameter::Verifier)),
    }
}

async fn refresh(site: &Site, client: &str, form: &Parameters) -> Result<Response> {
    let refresh_token = form.value("refresh_token").ok_or_else(invalid_request)?;
    let unknown = || invalid_grant(Parameter::RefreshToken);
    let refresh = site.accounts().refresh(ids::digest(refresh_token)).await?;
    let refresh = refresh.ok_or_else(unknown)?;
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
    match site.accounts().write(issue).await? {
        true => Ok(tokens(&access_token, refresh_token)),
        false => Err(unknown()),
    }
}

/// With the refresh token also where that is old: clients write down the reply in place of
/// what they had.
fn tokens(access_token: &str, refresh_token: &str) -> Response {
    let reply = json!({
        "access_token": access_token,
        "refresh_token": refresh_token,
        "token_type": "bearer",
        "expires_in": ACCESS_SECONDS,
    });
    reply::json(StatusCode::OK, &reply)
}

async fn take_back(site: &Site, headers: &HeaderMap, body: Body) -> Result<Response> {
    let form = form(body).await?;
    let client = client(site, headers, &form).await?;
    let token = form.value("token").ok_or_else(invalid_request)?;
    let token = ids::digest(token);
    site.accounts().write(Revoke { client, token }).await?;
    Ok(StatusCode::OK.into_response())
}

async fn form(body: Body) -> Result<Parameters> {
    let form = request::bytes(body).await.map_err(|_| invalid_request())?;
    Ok(Parameters::parse(&form))
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

/// What of a request is wrong.
enum Parameter {
    Code,
    RedirectUri,
    RefreshToken,
    Verifier,
}

fn invalid_grant(parameter: Parameter) -> ApiError {
    let description = match parameter {
        Parameter::Code => "The request has an invalid grant parameter : code",
        Parameter::RedirectUri => "The request has an invalid grant parameter : redirect_uri",
        Parameter::RefreshToken => "The request has an invalid grant parameter : refresh_token",
        Parameter::Verifier => "The request has an invalid grant parameter : code_verifier",
    };
    ApiError::oauth(StatusCode::BAD_REQUEST, "invalid_grant", description)
}

fn unauthorized_client() -> ApiError {
    let description = "Not authorized for requested operation";
    ApiError::oauth(StatusCode::BAD_REQUEST, "unauthorized_client", description)
}

/// The life of an access token: one hour, the service's own.
pub(crate) const ACCESS_SECONDS: i64 = 3600;
