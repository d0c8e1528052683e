//! Why the store did not do what was asked.

use thiserror::Error;

/// Why a read or a mutation did not happen.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the metadata database failed")]
    Database(#[from] sqlx::Error),
    /// The transaction failed as a whole, or the server is stopping.
    #[error("the metadata database did not take the change: {0}")]
    NotWritten(String),
}

/// Rules of the service that a request breaks. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    #[error("there is no node {id}")]
    NoSuchNode { id: String },
    #[error("the folder {parent} has a node of that name: {existing}")]
    NameTaken {
        /// The name in lower case.
        folded: String,
        parent: String,
        existing: String,
    },
    #[error("the same content is stored in {existing}")]
    Duplicate { existing: String },
    #[error("a node cannot be added to a trashed folder")]
    TrashedParent,
    #[error("{id} is not a folder")]
    NotAFolder { id: String },
    #[error("{id} is not a file")]
    NotAFile { id: String },
    #[error("the root cannot be changed")]
    Root,
    #[error("a folder cannot be put into itself")]
    Cycle,
    #[error("{child} is not in the folder {parent}")]
    NotInFolder { child: String, parent: String },
    #[error("a trashed node cannot be moved")]
    Trashed,
    #[error("there is no property {key}")]
    NoSuchProperty { key: String },
    #[error(
        "a node can have {} properties of one owner at most",
        super::properties::MOST
    )]
    TooManyProperties,
    #[error("the local id belongs to {existing}")]
    LocalIdTaken { existing: String },
    #[error("the node is not in the state that the change was made for")]
    Changed,
}
