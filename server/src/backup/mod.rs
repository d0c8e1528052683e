//! Copies of a data directory, made while servers work on it.
//!
//! A backup is a data directory that a server can serve. It is built beside its final name,
//! under `.NAME.partial`, and takes that name when it is whole and on the disk; until then
//! the backup before it stays. What was done of one that was interrupted is used by the next.
//!
//! Contents never change, so one that lies in the backup before this one, or in the
//! directory itself on the same file system, gets one more name there (a hard link) in place
//! of a copy. A backup on another disk is the one that survives the loss of this one.
//!
//! What a backup holds: metadata as of one moment, every content these refer to, the same of
//! each further account. `client.conf` is not in it, so no token or secret that could be
//! used; clients that have tokens keep them, since their digests are.

mod drive;
mod target;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use self::target::Target;
use crate::{
    Error,
    data_dir::{Paths, blocking, storage},
    store::{OpenError, SCHEMA},
};

/// What a backup has done so far, and in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupSummary {
    /// Accounts: 1 where there are no further ones.
    pub drives: u64,
    /// Nodes in the copy, roots and trash included.
    pub nodes: u64,
    /// Contents that were copied byte by byte.
    pub copied: u64,
    /// Contents of the directory that got one more name.
    pub linked: u64,
    /// Contents that the backup had already.
    pub kept: u64,
    /// Bytes of the contents copied.
    pub copied_bytes: u64,
}

/// Copies the data directory to a folder: one that is missing, empty, or an earlier backup,
/// of which it takes over what has not changed. Servers may be running on the directory;
/// what is uploaded meanwhile is in the copy or is not. `progress` is told now and then.
///
/// A directory made by an older version is copied as it is. A backup that was served counts
/// as a backup no longer.
///
/// # Errors
/// - [`Error::NoDrive`], [`Error::NewerSchema`], [`Error::Storage`],
///   [`Error::DataDirectory`], [`Error::LostContent`]: the directory cannot be read, or is
///   damaged.
/// - [`Error::BackupTarget`]: the copy must not, or cannot, go there. Of other failures there
///   the path in [`Error::DataDirectory`] tells.
///
/// In all cases an earlier backup is as it was.
pub async fn backup(
    data_dir: &Path,
    to: &Path,
    mut progress: impl FnMut(&BackupSummary),
) -> Result<BackupSummary, Error> {
    if !Paths::new(data_dir).database.is_file() {
        return Err(Error::NoDrive {
            path: data_dir.to_owned(),
        });
    }
    let source = resolve(data_dir)?;
    let target = {
        let (source, place) = (source.clone(), to.to_owned());
        tokio::task::spawn_blocking(move || Target::prepare(&source, &place))
            .await
            .unwrap_or_else(|panic| Err(failed(to.to_owned(), panic.into())))?
    };
    let mut summary = BackupSummary::default();
    drive::copy(
        &source,
        target.partial(),
        target.previous(),
        &mut summary,
        &mut progress,
    )
    .await?;
    for account in accounts(&source)? {
        let below = Path::new(ACCOUNTS).join(&account);
        drive::copy(
            &source.join(&below),
            &target.partial().join(&below),
            target.previous().map(|path| path.join(&below)).as_deref(),
            &mut summary,
            &mut progress,
        )
        .await?;
    }
    let root = target.partial().to_owned();
    blocking(&root, move || target.finish(&summary)).await?;
    Ok(summary)
}

/// The further accounts of a data directory: the names of their folders below
/// [`ACCOUNTS`], in order.
pub(crate) fn accounts(data_dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let folder = data_dir.join(ACCOUNTS);
    let list = || {
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if Paths::new(&entry.path()).database.is_file() {
                found.push(PathBuf::from(entry.file_name()));
            }
        }
        found.sort();
        Ok::<_, io::Error>(found)
    };
    match list() {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        outcome => outcome.map_err(|source| failed(folder, source)),
    }
}

/// What opening a database failed with, in words for the user.
pub(crate) fn unopened(data_dir: &Path, error: OpenError) -> Error {
    match error {
        OpenError::Newer(newer) => Error::NewerSchema {
            path: data_dir.to_owned(),
            found: newer.found,
            supported: SCHEMA,
        },
        OpenError::Database(source) => storage(data_dir, source),
    }
}

fn resolve(path: &Path) -> Result<PathBuf, Error> {
    fs::canonicalize(path).map_err(|source| failed(path.to_owned(), source))
}

fn failed(path: PathBuf, source: io::Error) -> Error {
    Error::DataDirectory { path, source }
}

/// Where the drives of further accounts lie.
pub(crate) const ACCOUNTS: &str = "accounts";
