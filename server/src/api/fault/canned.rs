//! Canned replies in the shapes of the service.

use crate::{
    api::reply::ApiError,
    fault::{Canned, CannedBody},
};

impl From<&Canned> for ApiError {
    fn from(canned: &Canned) -> Self {
        let status = canned.status;
        let error = match canned.body {
            CannedBody::Full { message, code } => Self::coded(status, code, message),
            CannedBody::Short(message) => Self::short(status, message),
            CannedBody::OAuth { error, description } => Self::oauth(status, error, description),
            CannedBody::Raw { content_type, text } => Self::raw(status, content_type, text),
            CannedBody::Empty => Self::empty(status),
        };
        match canned.retry_after {
            Some(seconds) => error.retry_after(seconds),
            None => error,
        }
    }
}
