//! Why a server cannot start or go on, or its directory not be copied or checked.

use std::{io, net::SocketAddr, path::PathBuf};

use thiserror::Error;

/// Why a server cannot start or go on, or its directory not be copied or checked. What goes wrong in one request is told to its client
/// and is not in here.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The data directory was last used by a newer version of this program. Nothing in it
    /// was changed.
    #[error(
        "data directory '{}' has schema {found}, and this version knows schemas up to {supported}",
        .path.display()
    )]
    NewerSchema {
        /// The data directory.
        path: PathBuf,
        /// The schema version found in it.
        found: i64,
        /// The newest schema version this program knows.
        supported: i64,
    },

    /// The data directory was last used by an older version of this program, and has to be
    /// brought up to date by a start of the server first. Nothing in it was changed.
    #[error("data directory '{}' has schema {found}, and has to have {supported}", .path.display())]
    OlderSchema {
        /// The data directory.
        path: PathBuf,
        /// The schema version found in it.
        found: i64,
        /// The one needed.
        supported: i64,
    },

    /// No server has ever used this directory, or it is not there.
    #[error("there is no drive in '{}'", .path.display())]
    NoDrive {
        /// The path given as the data directory.
        path: PathBuf,
    },

    /// A backup cannot go to this folder. Nothing was changed.
    #[error("cannot back up to '{}': {reason}", .path.display())]
    BackupTarget {
        /// The folder.
        path: PathBuf,
        /// Why not.
        reason: &'static str,
    },

    /// A content that the metadata refer to is missing, or is not as long as they say: the
    /// backup was not made, and the one before it is kept.
    #[error("content {object} is missing or damaged in '{}'", .path.display())]
    LostContent {
        /// The data directory.
        path: PathBuf,
        /// The object that should hold it.
        object: String,
    },

    /// There is something else where the data directory should be.
    #[error("'{}' is not a directory", .path.display())]
    NotADirectory {
        /// The path given as the data directory.
        path: PathBuf,
    },

    /// The data directory cannot be created, read or written.
    #[error("cannot use data directory '{}'", .path.display())]
    DataDirectory {
        /// The file or directory that made trouble.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// The address to listen on cannot be had: another program uses it, or it is not one
    /// of this machine's.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },

    /// The metadata database cannot be read or written: it is damaged, the disk is full, or
    /// another process has kept it locked for too long.
    #[error("cannot use the metadata of data directory '{}'", .path.display())]
    Storage {
        /// The data directory.
        path: PathBuf,
        /// The database's own words.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A user of this name is there already.
    #[error("there is a user {name} already")]
    UserExists {
        /// The name, in lower case.
        name: String,
    },

    /// There is no user of this name.
    #[error("there is no user {name}")]
    NoSuchUser {
        /// The name, in lower case.
        name: String,
    },

    /// A user cannot be called that.
    #[error("{name:?} is no user name: it takes up to 64 letters, digits and any of . _ - + @")]
    UserName {
        /// The name as given.
        name: String,
    },

    /// The password cannot be used.
    #[error("a password has {at_least} to {at_most} bytes")]
    Password {
        /// Fewest bytes.
        at_least: usize,
        /// Most bytes.
        at_most: usize,
    },

    /// Nobody can be sent to this address safely.
    #[error("{uri:?} is no redirect URI: {reason}")]
    RedirectUri {
        /// The address as given.
        uri: String,
        /// What is wrong with it.
        reason: &'static str,
    },

    /// The certificate or its key cannot be used: the file is missing, is not PEM, or the two
    /// do not belong together.
    #[error("cannot use '{}' for TLS", .path.display())]
    Tls {
        /// The file that made trouble.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The public address is none that clients could put paths behind.
    #[error("{url:?} is no public address: it is http:// or https:// and a name, without a path")]
    PublicUrl {
        /// The address as given.
        url: String,
    },
}
