//! What can go wrong in a call to the backend.

use std::fmt;

use super::Unconfirmed;

/// A call failed: conditions a caller can act on. Unless a case says otherwise, what
/// could be retried has been, and the drive is as it was before the call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such node, or it is in the trash.
    #[error("{0}")]
    NotFound(Detail),
    /// Another node has this name in this folder, in this or another case.
    #[error("{detail}")]
    NameConflict {
        /// The node that has it, where the service said so.
        existing: Option<String>,
        /// The rest.
        detail: Detail,
    },
    /// A folder was needed, and this is a file.
    #[error("{0}")]
    NotAFolder(Detail),
    /// A file was needed, and this is a folder.
    #[error("{0}")]
    NotAFile(Detail),
    /// The service does not take this name, range or other argument.
    #[error("{0}")]
    InvalidArgument(Detail),
    /// The token is refused, and a fresh one too: log in again.
    #[error("{0}")]
    Unauthenticated(Detail),
    /// The service understood and refuses.
    #[error("{0}")]
    Forbidden(Detail),
    /// The account has no room or no plan for this.
    #[error("{0}")]
    QuotaExceeded(Detail),
    /// The component asked for an origin it may not reach; no packet left.
    #[error("{0}")]
    EgressDenied(Detail),
    /// The service refused for too many requests until the budget ran out.
    #[error("{0}")]
    Throttled(Detail),
    /// The service could not be reached, or failed, until the budget ran out.
    #[error("{0}")]
    Unavailable(Detail),
    /// Content stopped on its way. Nothing was stored under the name by this call.
    #[error("{0}")]
    Interrupted(Detail),
    /// All content was sent and no clear answer came: it may or may not be stored.
    #[error("{}", .0.detail())]
    OutcomeUnknown(Box<Unconfirmed>),
    /// The file is larger than the service takes.
    #[error("{0}")]
    FileTooLarge(Detail),
    /// The node is not what it was said to be.
    #[error("{0}")]
    Changed(Detail),
    /// The service's reply makes no sense.
    #[error("{0}")]
    Protocol(Detail),
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The component's instance died with the call in flight, so its outcome is not
    /// known. The next call gets a fresh instance.
    #[error("the backend component stopped: {0}")]
    Lost(String),
    /// This is no component this program can run.
    #[error("{0}")]
    BadComponent(String),
    /// A file of certificate authorities cannot be used.
    #[error("{0}")]
    BadCertificate(String),
    /// Anything else, for display and not for matching.
    #[error("{0}")]
    Other(String),
}

/// What is known of a failure, for display.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Detail {
    /// One lower-case clause.
    pub message: String,
    /// HTTP status, where a reply came.
    pub status: Option<u16>,
    /// The service's error code, such as `NAME_ALREADY_EXISTS`.
    pub code: Option<String>,
    /// The service's request id.
    pub request_id: Option<String>,
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut open = false;
        let mut field = |f: &mut fmt::Formatter<'_>, text: fmt::Arguments<'_>| {
            f.write_str(if std::mem::replace(&mut open, true) {
                ", "
            } else {
                " ("
            })?;
            f.write_fmt(text)
        };
        if let Some(status) = self.status {
            field(f, format_args!("HTTP {status}"))?;
        }
        if let Some(code) = self.code.as_deref().filter(|it| !it.is_empty()) {
            field(f, format_args!("{code}"))?;
        }
        if let Some(id) = self.request_id.as_deref().filter(|it| !it.is_empty()) {
            field(f, format_args!("request {id}"))?;
        }
        f.write_str(if open { ")" } else { "" })
    }
}

impl Error {
    /// A stable word for scripts to match, in kebab-case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "not-found",
            Self::NameConflict { .. } => "name-conflict",
            Self::NotAFolder(_) => "not-a-folder",
            Self::NotAFile(_) => "not-a-file",
            Self::InvalidArgument(_) => "invalid-argument",
            Self::Unauthenticated(_) => "unauthenticated",
            Self::Forbidden(_) => "forbidden",
            Self::QuotaExceeded(_) => "quota-exceeded",
            Self::EgressDenied(_) => "egress-denied",
            Self::Throttled(_) => "throttled",
            Self::Unavailable(_) => "unavailable",
            Self::Interrupted(_) => "interrupted",
            Self::OutcomeUnknown(_) => "outcome-unknown",
            Self::FileTooLarge(_) => "file-too-large",
            Self::Changed(_) => "changed",
            Self::Protocol(_) => "protocol",
            Self::Cancelled => "cancelled",
            Self::Lost(_) => "component-lost",
            Self::BadComponent(_) => "bad-component",
            Self::BadCertificate(_) => "bad-certificate",
            Self::Other(_) => "other",
        }
    }

    /// What is known of the failure, where the service or the network caused it.
    pub fn detail(&self) -> Option<&Detail> {
        match self {
            Self::NotFound(detail)
            | Self::NameConflict { detail, .. }
            | Self::NotAFolder(detail)
            | Self::NotAFile(detail)
            | Self::InvalidArgument(detail)
            | Self::Unauthenticated(detail)
            | Self::Forbidden(detail)
            | Self::QuotaExceeded(detail)
            | Self::EgressDenied(detail)
            | Self::Throttled(detail)
            | Self::Unavailable(detail)
            | Self::Interrupted(detail)
            | Self::FileTooLarge(detail)
            | Self::Changed(detail)
            | Self::Protocol(detail) => Some(detail),
            Self::OutcomeUnknown(write) => Some(write.detail()),
            Self::Cancelled
            | Self::Lost(_)
            | Self::BadComponent(_)
            | Self::BadCertificate(_)
            | Self::Other(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detail_shows_what_is_known_and_no_more() {
        let mut detail = Detail {
            message: "no such folder: a".to_owned(),
            ..Detail::default()
        };
        assert_eq!(detail.to_string(), "no such folder: a");
        detail.status = Some(404);
        assert_eq!(detail.to_string(), "no such folder: a (HTTP 404)");
        detail.code = Some(String::new());
        detail.request_id = Some("r1".to_owned());
        assert_eq!(
            detail.to_string(),
            "no such folder: a (HTTP 404, request r1)"
        );
    }
}
