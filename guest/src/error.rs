//! Why a call failed: the contract's conditions (`wit/drive.wit`).

use crate::{
    platform::{CredentialsError, TransportError, TransportErrorKind},
    policy::Progress,
    wire::Refusal,
};

/// What is known of a failure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Detail {
    /// One lower-case clause.
    pub(crate) message: String,
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<String>,
    pub(crate) request_id: Option<String>,
}

impl Detail {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }
}

/// A write that may or may not have worked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unconfirmed {
    pub(crate) place: UnconfirmedPlace,
    /// Bytes of content that were sent.
    pub(crate) size: u64,
    pub(crate) detail: Detail,
}

/// Where it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UnconfirmedPlace {
    New {
        parent: String,
        /// As the service has it.
        name: String,
    },
    Over {
        id: String,
        /// Before the write.
        version: u64,
    },
}

/// The cases of `drive.error`, case for case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Error {
    NotFound(Detail),
    NameConflict {
        existing: Option<String>,
        detail: Detail,
    },
    NotAFolder(Detail),
    NotAFile(Detail),
    InvalidArgument(Detail),
    Unauthenticated(Detail),
    Forbidden(Detail),
    QuotaExceeded(Detail),
    EgressDenied(Detail),
    Throttled(Detail),
    Unavailable(Detail),
    Interrupted(Detail),
    OutcomeUnknown(Box<Unconfirmed>),
    FileTooLarge(Detail),
    Changed(Detail),
    Protocol(Detail),
    Cancelled,
    Other(String),
}

impl Error {
    /// The condition behind a reply that is no success.
    pub(crate) fn of_reply(what: &str, status: u16, refusal: Refusal) -> Self {
        let Refusal {
            message,
            code,
            node_id,
            request_id,
        } = refusal;
        let says = |text| message.contains(text);
        let no_room = code == NO_PLAN || says("exceeds account allowance");
        // An upload that has the id for its own is that upload's first try.
        let taken = code == NAME_TAKEN || code == ID_TAKEN || says("already exists under parentId");
        let not_a_file = says("Node is not a file");
        let detail = Detail {
            message: if message.is_empty() {
                format!("the service refused to {what}")
            } else {
                format!("the service refused to {what}: {}", message.trim())
            },
            status: Some(status),
            code: Some(code).filter(|code| !code.is_empty()),
            request_id,
        };
        match status {
            400 if not_a_file => Self::NotAFile(detail),
            400 | 411..=413 | 416 => Self::InvalidArgument(detail),
            401 => Self::Unauthenticated(detail),
            403 if no_room => Self::QuotaExceeded(detail),
            403 | 405 => Self::Forbidden(detail),
            404 | 410 => Self::NotFound(detail),
            409 if taken => Self::NameConflict {
                existing: node_id,
                detail,
            },
            409 => Self::Forbidden(detail),
            429 => Self::Throttled(detail),
            408 | 500..=599 => Self::Unavailable(detail),
            _ => Self::Protocol(detail),
        }
    }

    /// The condition behind a request that got no whole reply.
    pub(crate) fn of_transport(what: &str, error: TransportError) -> Self {
        let detail = Detail::new(format!("could not {what}: {}", error.message));
        match error.kind {
            TransportErrorKind::Denied => Self::EgressDenied(detail),
            TransportErrorKind::BodyCutOff => Self::Interrupted(detail),
            TransportErrorKind::TooLong => Self::Protocol(detail),
            TransportErrorKind::Hopeless | TransportErrorKind::Network => Self::Unavailable(detail),
        }
    }

    /// Adds to what is told.
    pub(crate) fn also(mut self, more: &str) -> Self {
        match &mut self {
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
            | Self::Protocol(detail) => detail.message.push_str(more),
            Self::OutcomeUnknown(write) => write.detail.message.push_str(more),
            Self::Other(text) => text.push_str(more),
            Self::Cancelled => {}
        }
        self
    }

    pub(crate) fn protocol(what: &str, why: impl std::fmt::Display) -> Self {
        Self::Protocol(Detail::new(format!(
            "the service's reply to a request to {what} makes no sense: {why}"
        )))
    }
}

impl From<CredentialsError> for Error {
    fn from(error: CredentialsError) -> Self {
        match error {
            CredentialsError::LoginNeeded(text) => Self::Unauthenticated(Detail::new(text)),
            CredentialsError::Unavailable(text) => Self::Unavailable(Detail::new(text)),
            CredentialsError::Other(text) => Self::Other(text),
        }
    }
}

impl TransportError {
    pub(crate) fn network(progress: Progress, message: impl Into<String>) -> Self {
        Self {
            kind: TransportErrorKind::Network,
            progress,
            message: message.into(),
        }
    }
}

/// The service's code for a name that is taken.
const NAME_TAKEN: &str = "NAME_ALREADY_EXISTS";

/// The code for a `localId` that is. The service's own is not known; this is our server's.
const ID_TAKEN: &str = "LOCAL_ID_ALREADY_EXISTS";

/// Its code for an account without a plan for this.
const NO_PLAN: &str = "NO_ACTIVE_SUBSCRIPTION_FOUND";
