//! A file, to be saved. What users keep must never run or show as a page of this server: it
//! would be signed in as they are.

use axum::{
    extract::Path,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{Part, missing, show};
use crate::{
    api::{
        download,
        request::Parameters,
        session::{SignedIn, failed},
    },
    store::{Failure, Refusal},
};

/// `GET /files/{id}`.
pub(super) async fn download(
    signed_in: SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let name = match signed_in.drive.store.node(&id).await {
        Ok(node) if node.content.is_some() => node.name.unwrap_or_default(),
        Ok(_) | Err(Failure::Refused(Refusal::NoSuchNode { .. })) => {
            return missing(&signed_in, Part::Files, "There is no such file.");
        }
        Err(error) => return failed(&error),
    };
    let nothing_asked = Parameters::parse(b"");
    let content = download::content(&signed_in.drive, None, &id, &nothing_asked, &headers).await;
    let mut response = match content {
        Ok(response) => response,
        Err(error) => return error.into_response(),
    };
    let is_content = matches!(
        response.status(),
        StatusCode::OK | StatusCode::PARTIAL_CONTENT
    );
    let headers = response.headers_mut();
    for (name, value) in SAFE {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_content {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        );
        let disposition = download::disposition(&show::storable(&name));
        if let Ok(disposition) = HeaderValue::try_from(disposition) {
            headers.insert(header::CONTENT_DISPOSITION, disposition);
        }
    }
    response
}

/// A browser that shows it all the same gives it no scripts, no forms, and no origin.
const SAFE: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'; sandbox",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "private, no-store"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];
