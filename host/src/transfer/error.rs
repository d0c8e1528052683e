//! What can go wrong in a run, for the whole of it and for single items.

use crate::{
    component,
    files::{self, Digest, Kind},
};

/// A run, or one item of it, failed. `Display` is one clause that names the item; where
/// more is known it is the `source`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such source.
    #[error("no such file or folder: {path}")]
    NotFound {
        /// What was asked for.
        path: String,
    },
    /// The source is a device, a pipe or a socket.
    #[error("not an ordinary file or folder: {path}")]
    NotAFile {
        /// What was asked for.
        path: String,
    },
    /// The destination, or something on the way to it, is a file.
    #[error("not a folder: {path}")]
    NotAFolder {
        /// What was asked for.
        path: String,
    },
    /// Source and destination are the same, or one is inside the other.
    #[error("source and destination overlap: {source_path} and {destination_path}")]
    Overlap {
        /// The source as it was asked for.
        source_path: String,
        /// The destination as it was asked for.
        destination_path: String,
    },
    /// Two things of one name that cannot replace each other. Both were left as they are.
    #[error(
        "{path} is {} in the source and {} in the destination",
        words(*.source_kind),
        words(*.destination_kind)
    )]
    KindConflict {
        /// The name.
        path: String,
        /// What the source has.
        source_kind: Kind,
        /// What the destination has.
        destination_kind: Kind,
    },
    /// The destination cannot tell two names of the source apart. This one was left out.
    #[error("{path} is the same name as {other} to the destination")]
    NameClash {
        /// The name left out.
        path: String,
        /// The one that goes first.
        other: String,
    },
    /// The source's content is not there yet: an upload to it has not ended.
    #[error("content is not there yet: {path}")]
    NotReady {
        /// The file.
        path: String,
    },
    /// What is at the destination is not what was sent, twice.
    #[error("content of {path} is {found}, sent were {sent}")]
    ContentMismatch {
        /// The file at the destination.
        path: String,
        /// What was sent.
        sent: Digest,
        /// What the destination says it has.
        found: String,
    },
    /// All of it was sent, no clear answer came, and it did not appear at the destination
    /// for as long as it may take.
    #[error(
        "{path} was sent {} and did not appear",
        if *.tries == 1 { "once".to_owned() } else { format!("{tries} times") }
    )]
    NeverAppeared {
        /// The file.
        path: String,
        /// How often all of it was sent.
        tries: u32,
        /// What came instead of an answer.
        source: Box<Self>,
    },
    /// A local operation failed.
    #[error(transparent)]
    Local(#[from] files::Error),
    /// An operation on a remote failed.
    #[error("could not {action} {path}")]
    Remote {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: String,
        /// Why.
        source: Box<component::Error>,
    },
    /// The component did not decide what to do in a folder.
    #[error("no plan for {path}")]
    Undecided {
        /// The folder.
        path: String,
        /// Why.
        source: Box<component::Error>,
    },
    /// The component's decisions about a folder contradict what they are about. Nothing
    /// of them was carried out.
    #[error("the component's plan for {path} makes no sense")]
    BadPlan {
        /// The folder.
        path: String,
    },
}

/// How far an error reaches. Ordered: the greatest of a run's errors is the run's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// One item was not done, and another run may do it.
    Temporary,
    /// One item was not done, and another run would not do it either.
    Lasting,
    /// Nothing more can be done before somebody does something about it.
    Fatal,
}

impl Error {
    /// How far it reaches.
    pub fn severity(&self) -> Severity {
        match self {
            Self::NotReady { .. }
            | Self::ContentMismatch { .. }
            | Self::NeverAppeared { .. }
            | Self::Local(
                files::Error::ChangedWhileReading { .. } | files::Error::Mismatch { .. },
            ) => Severity::Temporary,
            Self::Local(files::Error::NoSpace { .. }) => Severity::Fatal,
            Self::Remote { source, .. } | Self::Undecided { source, .. } => match **source {
                component::Error::Throttled(_)
                | component::Error::Unavailable(_)
                | component::Error::Interrupted(_)
                | component::Error::OutcomeUnknown(_)
                | component::Error::Changed(_)
                | component::Error::Cancelled
                | component::Error::Lost(_) => Severity::Temporary,
                component::Error::Unauthenticated(_)
                | component::Error::QuotaExceeded(_)
                | component::Error::EgressDenied(_)
                | component::Error::BadComponent(_) => Severity::Fatal,
                _ => Severity::Lasting,
            },
            _ => Severity::Lasting,
        }
    }

    /// A stable word for scripts to match, in kebab-case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not-found",
            Self::NotAFile { .. } => "not-a-file",
            Self::NotAFolder { .. } => "not-a-folder",
            Self::Overlap { .. } => "overlap",
            Self::KindConflict { .. } => "kind-conflict",
            Self::NameClash { .. } => "name-clash",
            Self::NotReady { .. } => "not-ready",
            Self::ContentMismatch { .. } => "content-mismatch",
            Self::NeverAppeared { .. } => "never-appeared",
            Self::BadPlan { .. } => "bad-plan",
            Self::Local(error) => error.code(),
            Self::Remote { source, .. } | Self::Undecided { source, .. } => source.code(),
        }
    }

    /// What a call to a remote failed with.
    pub(super) fn of_remote(&self) -> Option<&component::Error> {
        match self {
            Self::Remote { source, .. } => Some(&**source),
            _ => None,
        }
    }

    /// Whether it says that nothing is there.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Local(files::Error::NotFound { .. }))
            || matches!(self.of_remote(), Some(component::Error::NotFound(_)))
    }

    /// Whether it says that something on the way is a file.
    pub(super) fn is_not_a_folder(&self) -> bool {
        matches!(self, Self::Local(files::Error::NotADirectory { .. }))
            || matches!(self.of_remote(), Some(component::Error::NotAFolder(_)))
    }

    /// Whether the same call, made again, may end otherwise: the component died in it, or
    /// content broke off, which only this side has. What the component has given up, after
    /// all of its own tries, is not tried again. An upload without a clear answer has its
    /// own way.
    pub(super) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Remote { source, .. } | Self::Undecided { source, .. }
                if matches!(
                    **source,
                    component::Error::Interrupted(_) | component::Error::Lost(_)
                )
        )
    }
}

fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "a file",
        Kind::Folder => "a folder",
        Kind::Symlink => "a symbolic link",
        Kind::Other => "a special file",
    }
}

#[cfg(test)]
mod tests {
    use std::{error::Error as _, io};

    use super::*;

    fn chain(error: &Error) -> Vec<String> {
        let mut said = vec![error.to_string()];
        let mut next = error.source();
        while let Some(error) = next {
            said.push(error.to_string());
            next = error.source();
        }
        said
    }

    #[test]
    fn chain_says_each_cause_once() {
        let local = files::Error::Io {
            action: "read",
            path: "a".into(),
            source: io::Error::other("the disk is on fire"),
        };
        let remote = Error::Remote {
            action: "list",
            path: "drive:a".to_owned(),
            source: Box::new(component::Error::Other("no idea".to_owned())),
        };
        assert_eq!(
            chain(&Error::from(local)),
            ["could not read a", "the disk is on fire"]
        );
        assert_eq!(chain(&remote), ["could not list drive:a", "no idea"]);
    }

    #[test]
    fn severities_are_ordered_from_try_again_to_stop() {
        let remote = |source| Error::Remote {
            action: "write",
            path: String::new(),
            source: Box::new(source),
        };
        let detail = component::Detail::default;
        let full = files::Error::NoSpace { path: "a".into() };
        let gone = files::Error::NotFound { path: "a".into() };
        let mut seen: Vec<_> = [
            Error::from(full),
            Error::from(gone),
            remote(component::Error::Unavailable(detail())),
            remote(component::Error::Unauthenticated(detail())),
            remote(component::Error::Forbidden(detail())),
        ]
        .iter()
        .map(|error| (error.severity(), error.code()))
        .collect();
        seen.sort();
        assert_eq!(
            seen,
            [
                (Severity::Temporary, "unavailable"),
                (Severity::Lasting, "forbidden"),
                (Severity::Lasting, "not-found"),
                (Severity::Fatal, "no-space"),
                (Severity::Fatal, "unauthenticated"),
            ]
        );
    }
}
