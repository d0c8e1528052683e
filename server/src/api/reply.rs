//! Replies: nodes and errors in the shapes the service gave them.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::json;

use crate::{
    ids,
    store::{Failure, Refusal},
};

/// An error reply.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    body: ErrorBody,
    /// Seconds.
    retry_after: Option<u64>,
}

#[derive(Debug)]
enum ErrorBody {
    /// As the application says it, with what it is logged under.
    Full {
        message: String,
        code: &'static str,
        node: Option<String>,
    },
    /// As the service's front end says it.
    Short(String),
    /// `{"error","error_description"}` of RFC 6749.
    OAuth {
        error: &'static str,
        description: &'static str,
    },
    /// From what stands before the application.
    Raw {
        content_type: &'static str,
        text: &'static str,
    },
    Empty,
}

pub(super) type Result<T> = std::result::Result<T, ApiError>;

impl ApiError {
    /// A message with a log reference and an empty code.
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self::coded(status, "", message)
    }

    pub(super) fn coded(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        let message = message.into();
        let body = ErrorBody::Full {
            message,
            code,
            node: None,
        };
        Self::of(status, body)
    }

    /// Nothing but a message.
    pub(super) fn short(status: StatusCode, message: impl Into<String>) -> Self {
        Self::of(status, ErrorBody::Short(message.into()))
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn empty(status: StatusCode) -> Self {
        Self::of(status, ErrorBody::Empty)
    }

    pub(super) fn oauth(
        status: StatusCode,
        error: &'static str,
        description: &'static str,
    ) -> Self {
        Self::of(status, ErrorBody::OAuth { error, description })
    }

    /// Not from the application, and without its headers.
    pub(super) fn raw(status: StatusCode, content_type: &'static str, text: &'static str) -> Self {
        Self::of(status, ErrorBody::Raw { content_type, text })
    }

    /// With a `Retry-After` of so many seconds.
    pub(super) fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds),
            ..self
        }
    }

    fn of(status: StatusCode, body: ErrorBody) -> Self {
        Self {
            status,
            body,
            retry_after: None,
        }
    }

    pub(super) fn is_internal(&self) -> bool {
        self.status.is_server_error()
    }

    fn conflict(code: &'static str, existing: String, message: String) -> Self {
        let body = ErrorBody::Full {
            message,
            code,
            node: Some(existing),
        };
        Self::of(StatusCode::CONFLICT, body)
    }

    /// Something is wrong with the server: the log has it, the client need not.
    pub(super) fn internal(error: &dyn std::error::Error) -> Self {
        let cause = error.source().map(tracing::field::display);
        tracing::error!(target: "amazon_drive_server", %error, cause, "request failed");
        Self::short(StatusCode::INTERNAL_SERVER_ERROR, "Internal failure")
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => refusal.into(),
            failure => Self::internal(&failure),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NameTaken {
                folded,
                parent,
                existing,
            } => {
                let message = format!(
                    "Node with the name {folded} already exists under parentId {parent} conflicting NodeId: {existing}"
                );
                Self::conflict("NAME_ALREADY_EXISTS", existing, message)
            }
            Refusal::Duplicate { existing } => {
                let message =
                    format!("Duplicate File: the content is already stored in node {existing}");
                Self::conflict("MD5_DUPLICATE", existing, message)
            }
            Refusal::NoSuchNode { id } => {
                Self::new(StatusCode::NOT_FOUND, format!("Node does not exist: {id}"))
            }
            Refusal::NotInFolder { child, parent } => {
                let message = format!("Node {child} does not exist under parentId {parent}");
                Self::new(StatusCode::NOT_FOUND, message)
            }
            Refusal::TrashedParent => Self::bad_request("A node cannot be added to trashed parent"),
            Refusal::NotAFolder { id } => Self::bad_request(format!("Node is not a folder: {id}")),
            Refusal::NotAFile { id } => Self::bad_request(format!("Node is not a file: {id}")),
            Refusal::Root => Self::new(
                StatusCode::FORBIDDEN,
                "Operation not permitted on the root node",
            ),
            Refusal::Cycle => {
                Self::bad_request("A folder cannot be added to itself or to a folder within it")
            }
            Refusal::Trashed => Self::bad_request("A trashed node cannot be moved"),
            Refusal::NoSuchProperty { key } => Self::new(
                StatusCode::NOT_FOUND,
                format!("Property does not exist: {key}"),
            ),
            refusal @ Refusal::TooManyProperties => {
                Self::bad_request(format!("Properties limit exceeded: {refusal}"))
            }
            Refusal::LocalIdTaken { existing } => {
                let message = format!("localId already exists conflicting NodeId: {existing}");
                Self::conflict("LOCAL_ID_ALREADY_EXISTS", existing, message)
            }
            Refusal::Changed => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "The node's eTag is not the one expected",
            ),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = match self.body {
            ErrorBody::Full {
                message,
                code,
                node,
            } => {
                let mut body = json!({
                    "logref": ids::log_reference(),
                    "message": message,
                    "code": code,
                });
                if let Some(node) = node {
                    body["info"] = json!({ "nodeId": node });
                }
                Some(body)
            }
            ErrorBody::Short(message) => Some(json!({ "message": message })),
            ErrorBody::OAuth { error, description } => {
                Some(json!({ "error": error, "error_description": description }))
            }
            ErrorBody::Raw { content_type, text } => {
                let content_type = [(header::CONTENT_TYPE, content_type)];
                return (self.status, content_type, text).into_response();
            }
            ErrorBody::Empty => None,
        };
        let mut response = match body {
            Some(body) => json(self.status, &body),
            None => self.status.into_response(),
        };
        let kind = HeaderValue::from_static(error_type(self.status));
        response.headers_mut().insert("x-amzn-ErrorType", kind);
        if let Some(seconds) = self.retry_after {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The header's values are not known of the service; these are of its sisters.
fn error_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "UnauthorizedException",
        403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        409 => "ResourceConflictException",
        412 => "PreconditionFailedException",
        429 => "ThrottlingException",
        400..500 => "ValidationException",
        _ => "InternalServerException",
    }
}

/// A reply with this JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("maps with text keys always serialize");
    let content_type = (header::CONTENT_TYPE, "application/json;charset=UTF-8");
    (status, [content_type], Body::from(body)).into_response()
}

pub(super) async fn unknown_operation() -> Response {
    let mut response = (StatusCode::NOT_FOUND, "<UnknownOperationException/>").into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/xml"),
    );
    headers.insert(
        "x-amzn-ErrorType",
        HeaderValue::from_static("UnknownOperationException"),
    );
    response
}

pub(super) async fn method_not_allowed() -> Response {
    ApiError::short(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed").into_response()
}
