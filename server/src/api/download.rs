//! Content going out, whole or a range of it.

use std::ops::Range;

use axum::{
    Extension,
    body::Body,
    extract::Path,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use url::form_urlencoded;

use super::{
    Service,
    auth::{Caller, Drive},
    reply::{ApiError, Result},
    request::Parameters,
    thumbnail,
};
use crate::store::{Content, Refusal};

pub(super) async fn read(
    Drive(service): Drive,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response> {
    content(&service, Some(&caller), &id, &parameters, &headers).await
}

/// The content of a file, of trashed ones as well; or a small picture of it. Without a caller
/// it has been checked elsewhere that it may be read.
pub(super) async fn content(
    service: &Service,
    caller: Option<&Caller>,
    id: &str,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<Response> {
    if let Some(text) = parameters.value("viewBox") {
        return thumbnail::read(service, caller, id, text).await;
    }
    let attachment = parameters
        .value("download")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let mut object = None;
    loop {
        let node = service.store.node(id).await?;
        let disposition = attachment.then(|| disposition(node.name.as_deref().unwrap_or_default()));
        let content = node.content.ok_or(Refusal::NotAFile { id: node.id })?;
        if let Some(caller) = caller {
            caller.check_read(&content)?;
        }
        let size = u64::try_from(content.size).unwrap_or_default();
        let etag = format!("\"{}\"", content.md5);
        let (status, range) = match asked(headers, &etag, size) {
            Asked::Whole => (StatusCode::OK, 0..size),
            Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
            Asked::Nothing => return Ok(not_satisfiable(size)),
        };
        let read = service.objects.read(&content.object, range.clone()).await;
        match read.map_err(|error| ApiError::internal(&error))? {
            Some(bytes) => {
                let mut response = reply(status, &content, etag, range, Body::from_stream(bytes));
                if let Some(Ok(disposition)) = disposition.map(HeaderValue::try_from) {
                    let headers = response.headers_mut();
                    headers.insert(header::CONTENT_DISPOSITION, disposition);
                }
                return Ok(response);
            }
            // Overwritten between the two looks; if not, it is lost.
            None if object.as_ref() != Some(&content.object) => object = Some(content.object),
            None => {
                tracing::error!(target: "amazon_drive_server", id, object = content.object, "object is missing");
                return Err(ApiError::short(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "Internal failure",
                ));
            }
        }
    }
}

fn reply(
    status: StatusCode,
    content: &Content,
    etag: String,
    range: Range<u64>,
    body: Body,
) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    let mut set = |name, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, content.content_type.clone());
    set(
        header::CONTENT_LENGTH,
        (range.end - range.start).to_string(),
    );
    set(header::ETAG, etag);
    set(header::ACCEPT_RANGES, "bytes".into());
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {}-{}/{}", range.start, range.end - 1, content.size);
        set(header::CONTENT_RANGE, range);
    }
    response
}

/// Has a browser save the content and not show it, under this name (RFC 6266).
pub(super) fn disposition(name: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    format!(
        "attachment; filename*=UTF-8''{}",
        encoded.replace('+', "%20")
    )
}

fn not_satisfiable(size: u64) -> Response {
    let message = "The requested range is not satisfiable";
    let mut response = ApiError::short(StatusCode::RANGE_NOT_SATISFIABLE, message).into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{size}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    /// Not empty, and within the content.
    Part(Range<u64>),
    /// A range that begins behind the content's end.
    Nothing,
}

fn asked(headers: &HeaderMap, etag: &str, size: u64) -> Asked {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    match text(header::RANGE) {
        // A range of other content than the client has the rest of is of no use to it.
        Some(_) if text(header::IF_RANGE).is_some_and(|wanted| wanted != etag) => Asked::Whole,
        Some(range) => parse(range, size),
        None => Asked::Whole,
    }
}

/// One range of bytes. Several, or what is no range of bytes, may be ignored, and are.
fn parse(range: &str, size: u64) -> Asked {
    let spec = range
        .split_once('=')
        .filter(|(unit, _)| unit.trim().eq_ignore_ascii_case("bytes"));
    let Some((first, last)) = spec.and_then(|(_, spec)| spec.trim().split_once('-')) else {
        return Asked::Whole;
    };
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.trim().is_empty() => first..size,
        (None, Some(length)) if first.trim().is_empty() => size.saturating_sub(length)..size,
        _ => return Asked::Whole,
    };
    match range.is_empty() {
        true => Asked::Nothing,
        false => Asked::Part(range),
    }
}

/// Digits only: `parse` would take a sign. More than fit are as good as the most.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_clamped_to_the_content() {
        for (range, size, expected) in [
            ("bytes=0-0", 10, Asked::Part(0..1)),
            ("bytes=2-5", 10, Asked::Part(2..6)),
            ("bytes=2-", 10, Asked::Part(2..10)),
            ("bytes=0-1000", 10, Asked::Part(0..10)),
            ("bytes=0-99999999999999999999999", 10, Asked::Part(0..10)),
            ("bytes=-3", 10, Asked::Part(7..10)),
            ("bytes=-30", 10, Asked::Part(0..10)),
            ("Bytes = 1 - 2", 10, Asked::Part(1..3)),
            ("bytes=10-", 10, Asked::Nothing),
            ("bytes=10-20", 10, Asked::Nothing),
            ("bytes=-0", 10, Asked::Nothing),
            ("bytes=0-", 0, Asked::Nothing),
            ("bytes=5-2", 10, Asked::Whole),
            ("bytes=0-1,4-5", 10, Asked::Whole),
            ("bytes=-", 10, Asked::Whole),
            ("bytes=+1-2", 10, Asked::Whole),
            ("lines=1-2", 10, Asked::Whole),
            ("", 10, Asked::Whole),
        ] {
            assert_eq!(parse(range, size), expected, "{range} of {size}");
        }
    }

    #[test]
    fn range_of_other_content_is_not_given() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, "bytes=1-2".parse().unwrap());
        headers.insert(header::IF_RANGE, "\"a\"".parse().unwrap());
        assert_eq!(asked(&headers, "\"a\"", 10), Asked::Part(1..3));
        assert_eq!(asked(&headers, "\"b\"", 10), Asked::Whole);
    }
}
