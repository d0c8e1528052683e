//! Temporary links: addresses of content that need no token, and take none.

use std::collections::HashMap;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::Sha256;

use super::{
    CONTENT, Service, Site, download,
    reply::{ApiError, Result},
    request::Parameters,
};
use crate::store::{IssueLinks, Node};

/// The address of each of these files, by id: the one there is, or a new one if that was
/// given out more than a day ago. `account`: whose drive they are in, if it is not the first.
pub(super) async fn issue(
    service: &Service,
    base: &str,
    account: Option<&str>,
    files: &[&Node],
) -> Result<HashMap<String, String>> {
    if files.is_empty() {
        return Ok(HashMap::new());
    }
    let now = service.clock.now();
    let key = service.store.temp_link_key().await?;
    let ids: Vec<_> = files.iter().map(|file| file.id.clone()).collect();
    let mut issued = service.store.temp_links(&ids).await?;
    issued.retain(|_, issued| now - *issued < RENEWED);
    let missing: Vec<_> = ids
        .into_iter()
        .filter(|id| !issued.contains_key(id))
        .collect();
    if !missing.is_empty() {
        let issue = IssueLinks {
            nodes: missing,
            now,
            voided: now - RENEWED,
        };
        // Another may have asked at the same moment: both get the same.
        issued.extend(service.store.write(issue).await?);
    }
    let links = issued.into_iter().filter_map(|(id, issued)| {
        let token = Token::sign(&key, &id, issued)?.encode();
        let link = match account {
            None => format!("{base}{CONTENT}templink/{token}"),
            Some(account) => format!("{base}{CONTENT}templink/{account}/{token}"),
        };
        Some((id, link))
    });
    Ok(links.collect())
}

/// Content of the first drive by its temporary link.
pub(super) async fn read(
    State(site): State<Site>,
    Path(token): Path<String>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response> {
    follow(site.drives.first(), &token, &parameters, &headers).await
}

/// Content of another account's drive by its temporary link, as long as there is a user.
pub(super) async fn read_of(
    State(site): State<Site>,
    Path((account, token)): Path<(String, String)>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response> {
    let account = site.accounts().account(&account).await?;
    let account = account.filter(|account| account.password.is_some());
    let account = account.ok_or_else(unknown)?;
    let drive = site.drives.of(&account).await;
    let drive = drive.map_err(|error| ApiError::internal(&error))?;
    follow(&drive, &token, &parameters, &headers).await
}

async fn follow(
    service: &Service,
    token: &str,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<Response> {
    // As the store behind the service did: a client that sends its token to where a link
    // leads is to hear of it.
    if headers.contains_key(header::AUTHORIZATION) {
        return Ok(two_mechanisms());
    }
    let token = Token::decode(token).ok_or_else(unknown)?;
    let id = token.id();
    let issued = service.store.temp_links(std::slice::from_ref(&id)).await?;
    let issued = *issued.get(&id).ok_or_else(unknown)?;
    let key = service.store.temp_link_key().await?;
    if !token.is_signed(&key, issued) {
        return Err(unknown());
    }
    if service.clock.now() - issued >= LIFE {
        return Err(ApiError::new(
            StatusCode::GONE,
            "Temporary link has expired",
        ));
    }
    let mut response = download::content(service, None, &id, parameters, headers).await?;
    // A browser may follow it, where it is signed in: what others have put into files must
    // not run there.
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; sandbox",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

fn unknown() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "Temporary link does not exist")
}

/// 43 letters: a node's id and the first half of a signature of it and of when it was
/// given out.
struct Token([u8; 32]);

impl Token {
    /// `None` for what is no node's id.
    fn sign(key: &[u8], id: &str, issued: i64) -> Option<Self> {
        let id: [u8; 16] = URL_SAFE_NO_PAD.decode(id).ok()?.try_into().ok()?;
        let signature = mac(key, &id, issued).finalize().into_bytes();
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&id);
        bytes[16..].copy_from_slice(&signature[..16]);
        Some(Self(bytes))
    }

    /// Compares in constant time.
    fn is_signed(&self, key: &[u8], issued: i64) -> bool {
        mac(key, &self.0[..16], issued)
            .verify_truncated_left(&self.0[16..])
            .is_ok()
    }

    fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.0[..16])
    }

    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    fn decode(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

fn mac(key: &[u8], id: &[u8], issued: i64) -> Hmac<Sha256> {
    Hmac::new_from_slice(key)
        .expect("a key may have any length")
        .chain_update(id)
        .chain_update(issued.to_be_bytes())
}

fn two_mechanisms() -> Response {
    const BODY: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>InvalidArgument</Code>\
        <Message>Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query \
        string parameter or the Authorization header should be specified</Message>\
        <ArgumentName>Authorization</ArgumentName></Error>";
    let content_type = (header::CONTENT_TYPE, "application/xml");
    (StatusCode::BAD_REQUEST, [content_type], BODY).into_response()
}

/// Milliseconds that a link is good for: the service's own 48 hours.
const LIFE: i64 = 48 * 60 * 60 * 1000;

/// Milliseconds after which asking gives a new link and voids the old one: the service's
/// own 24 hours.
const RENEWED: i64 = 24 * 60 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids;

    #[test]
    fn token_is_good_for_its_node_time_and_key_only() {
        let id = ids::node_id();
        let text = Token::sign(b"key", &id, 5).unwrap().encode();
        assert_eq!(text.len(), 43);
        let token = Token::decode(&text).unwrap();
        assert_eq!(token.id(), id);
        assert!(token.is_signed(b"key", 5));
        assert!(!token.is_signed(b"key", 6));
        assert!(!token.is_signed(b"kez", 5));
        let mut other = token.0;
        other[3] ^= 1;
        assert!(!Token(other).is_signed(b"key", 5));
        for bad in ["", "x", "../../../etc/passwd", &text[1..]] {
            assert!(Token::decode(bad).is_none(), "{bad}");
        }
    }
}
