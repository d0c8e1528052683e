//! Requests that are too large before their body begins.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;

use super::reply::ApiError;
use crate::Limits;

/// Refuses long addresses and many headers.
pub(super) async fn check(
    State(limits): State<Arc<Limits>>,
    request: Request,
    next: Next,
) -> Response {
    let address = request
        .uri()
        .path_and_query()
        .map_or(0, |address| address.as_str().len());
    if address > limits.uri_bytes {
        let message = "The address of the request is too long";
        return ApiError::short(StatusCode::URI_TOO_LONG, message).into_response();
    }
    let headers: usize = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if headers > limits.header_bytes {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return ApiError::short(status, "The headers of the request are too large").into_response();
    }
    next.run(request).await
}
