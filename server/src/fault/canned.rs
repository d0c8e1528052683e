//! Replies that rules give in place of the server.

use http::StatusCode;

/// A reply, word for word as the service gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Canned {
    pub(crate) status: StatusCode,
    pub(crate) body: CannedBody,
    /// Seconds.
    pub(crate) retry_after: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CannedBody {
    /// `{"logref","message","code"}`
    Full {
        message: &'static str,
        code: &'static str,
    },
    /// `{"message"}`
    Short(&'static str),
    /// `{"error","error_description"}`
    OAuth {
        error: &'static str,
        description: &'static str,
    },
    /// Not from the application.
    Raw {
        content_type: &'static str,
        text: &'static str,
    },
    Empty,
}

impl Canned {
    pub(crate) const fn new(status: StatusCode, body: CannedBody) -> Self {
        Self {
            status,
            body,
            retry_after: None,
        }
    }

    pub(crate) const fn expired() -> Self {
        let body = CannedBody::Full {
            message: "Token has expired",
            code: "",
        };
        Self::new(StatusCode::UNAUTHORIZED, body)
    }

    /// 429 with one of [`THROTTLED`].
    pub(crate) fn throttled(shape: &str, retry_after: Option<u64>) -> Self {
        let full = |message| CannedBody::Full { message, code: "" };
        let body = match shape {
            "message" => CannedBody::Short("Rate exceeded"),
            "back-off" => {
                full("System unavailable. Please back off for a while and try again later")
            }
            "object" => CannedBody::Raw {
                content_type: "application/json;charset=UTF-8",
                text: "{}",
            },
            "empty" => CannedBody::Empty,
            _ => full("Rate exceeded"),
        };
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            body,
            retry_after,
        }
    }

    /// A failure of the server, with one of [`FAILED`].
    pub(crate) fn failed(status: StatusCode, shape: &str) -> Self {
        let message = match status {
            StatusCode::INTERNAL_SERVER_ERROR => "Internal failure",
            StatusCode::BAD_REQUEST => "Cannot complete upload",
            status => status.canonical_reason().unwrap_or_default(),
        };
        let body = match shape {
            "message" => CannedBody::Short(message),
            "logref" => CannedBody::Full { message, code: "" },
            _ => CannedBody::Empty,
        };
        Self::new(status, body)
    }

    /// The page of a gateway or load balancer, with one of [`PAGES`].
    pub(crate) const fn page(status: StatusCode, html: bool) -> Self {
        let body = if html {
            CannedBody::Raw {
                content_type: "text/html",
                text: "<html>\r\n<head><title>Service Unavailable</title></head>\r\n<body bgcolor=\"white\">\r\n\
                       <center><h1>Service Unavailable</h1></center>\r\n</body>\r\n</html>\r\n",
            }
        } else {
            CannedBody::Raw {
                content_type: "application/xml",
                text: "<ServiceUnavailableException>\n  <Message>Service is not available</Message>\n\
                       </ServiceUnavailableException>\n",
            }
        };
        Self::new(status, body)
    }
}

/// Bodies of a 429.
pub(crate) const THROTTLED: &[&str] = &["logref", "message", "back-off", "object", "empty"];

/// Bodies of a 500 and its like.
pub(crate) const FAILED: &[&str] = &["message", "logref", "empty"];

/// Bodies of what is not the application.
pub(crate) const PAGES: &[&str] = &["html", "xml"];
