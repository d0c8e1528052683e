//! What can go wrong with local files.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{Digest, Expected, shown};

/// A local operation failed. `Display` is one clause with the path in it; where the
/// system's own words say more, they are the `source`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing has this path, or a folder on the way to it is missing.
    #[error("no such file or folder: {}", shown(.path))]
    NotFound {
        /// Where.
        path: PathBuf,
    },
    /// The system does not let this user do that here.
    #[error("permission denied: {}", shown(.path))]
    PermissionDenied {
        /// Where.
        path: PathBuf,
    },
    /// A folder was needed, here or on the way here, and there is something else.
    #[error("not a folder: {}", shown(.path))]
    NotADirectory {
        /// Where.
        path: PathBuf,
    },
    /// A file was needed, and this is a folder.
    #[error("is a folder: {}", shown(.path))]
    IsADirectory {
        /// Where.
        path: PathBuf,
    },
    /// A file was needed, and this is a device, a pipe or a socket.
    #[error("not an ordinary file: {}", shown(.path))]
    NotAFile {
        /// Where.
        path: PathBuf,
    },
    /// The disk, or this user's share of it, is full.
    #[error("no space left for {}", shown(.path))]
    NoSpace {
        /// The file that did not fit.
        path: PathBuf,
    },
    /// The file system cannot hold a name this long.
    #[error("name too long: {}", shown(.path))]
    NameTooLong {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// The name is one of our own part files', which are swept away.
    #[error("name is reserved for unfinished files: {}", shown(.path))]
    NameReserved {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// Size or modification time moved between the first byte and the last.
    #[error("file changed while it was read: {}", shown(.path))]
    ChangedWhileReading {
        /// Where.
        path: PathBuf,
    },
    /// What was written is not what was expected. Nothing is left of it.
    #[error("content of {} is {actual}, expected {expected}", shown(.path))]
    Mismatch {
        /// The final path, which is as it was before.
        path: PathBuf,
        /// What the caller had announced.
        expected: Expected,
        /// What came; cut short at the first byte too many.
        actual: Digest,
    },
    /// Anything else the system reports.
    #[error("could not {action} {}", shown(.path))]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl Error {
    /// The condition behind the system's answer to `action`.
    pub(super) fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { path },
            io::ErrorKind::PermissionDenied => Self::PermissionDenied { path },
            io::ErrorKind::NotADirectory => Self::NotADirectory { path },
            io::ErrorKind::IsADirectory => Self::IsADirectory { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { path },
            io::ErrorKind::InvalidFilename => Self::NameTooLong { path },
            _ => Self::Io {
                action,
                path,
                source,
            },
        }
    }

    /// A stable word for scripts to match, in kebab-case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not-found",
            Self::PermissionDenied { .. } => "permission-denied",
            Self::NotADirectory { .. } => "not-a-folder",
            Self::IsADirectory { .. } | Self::NotAFile { .. } => "not-a-file",
            Self::NoSpace { .. } => "no-space",
            Self::NameTooLong { .. } => "name-too-long",
            Self::NameReserved { .. } => "name-reserved",
            Self::ChangedWhileReading { .. } => "changed-while-reading",
            Self::Mismatch { .. } => "content-mismatch",
            Self::Io { .. } => "io",
        }
    }

    /// The file or folder it is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::NotFound { path }
            | Self::PermissionDenied { path }
            | Self::NotADirectory { path }
            | Self::IsADirectory { path }
            | Self::NotAFile { path }
            | Self::NoSpace { path }
            | Self::NameTooLong { path }
            | Self::NameReserved { path }
            | Self::ChangedWhileReading { path }
            | Self::Mismatch { path, .. }
            | Self::Io { path, .. } => path,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    /// Numbers are Linux's; the ones here are the same on macOS but for the last two.
    #[test]
    fn system_errors_become_conditions() {
        for (errno, text) in [
            (2, "no such file or folder: a/b"),
            (1, "permission denied: a/b"),
            (13, "permission denied: a/b"),
            (20, "not a folder: a/b"),
            (21, "is a folder: a/b"),
            (28, "no space left for a/b"),
            (5, "could not write a/b"),
            #[cfg(target_os = "linux")]
            (36, "name too long: a/b"),
            #[cfg(target_os = "linux")]
            (122, "no space left for a/b"),
        ] {
            let source = io::Error::from_raw_os_error(errno);
            let error = Error::new("write", Path::new("a/b"), source);
            assert_eq!(error.to_string(), text, "{errno}");
            assert_eq!(error.path(), Path::new("a/b"));
        }
    }

    #[test]
    fn chain_says_each_cause_once() {
        let source = io::Error::from_raw_os_error(5);
        let said = source.to_string();
        let error = Error::new("write", Path::new("a"), source);
        assert!(!error.to_string().contains(&said));
        assert_eq!(error.source().map(ToString::to_string), Some(said));
    }
}
