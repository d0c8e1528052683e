//! The folder a backup goes to: made ready, and put in its place.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{BackupSummary, failed};
use crate::{
    Error,
    clock::{Clock, iso8601},
    content::{remove, sync_folder},
    data_dir::BACKUP_MARK,
};

/// A backup in the making. Locked: no other goes to the same place meanwhile.
pub(super) struct Target {
    /// The final name.
    place: PathBuf,
    partial: PathBuf,
    /// Whether an earlier backup is in the place.
    replaces: bool,
    _lock: File,
}

impl Target {
    /// Looks whether the backup may go there, and makes the folder it is built in. Blocking.
    pub(super) fn prepare(source: &Path, to: &Path) -> Result<Self, Error> {
        let refused = |reason| Error::BackupTarget {
            path: to.to_owned(),
            reason,
        };
        let (place, parent) = locate(to).map_err(|error| failed(to.to_owned(), error))?;
        if place.starts_with(source) {
            return Err(refused("it lies in the data directory"));
        }
        if source.starts_with(&place) {
            return Err(refused("the data directory lies in it"));
        }
        let name = place
            .file_name()
            .ok_or_else(|| refused("it has no name of its own"))?;
        let partial = parent.join(beside(name, "partial"));
        let work = || -> Result<Self, io::Error> {
            restore(&place, &parent.join(beside(name, "previous")))?;
            let replaces = place.join(BACKUP_MARK).is_file();
            Ok(Self {
                _lock: lock(&partial)?,
                place: place.clone(),
                partial: partial.clone(),
                replaces,
            })
        };
        let target = match work() {
            Ok(target) => target,
            Err(busy) if busy.kind() == io::ErrorKind::WouldBlock => {
                return Err(refused("another backup is on its way there"));
            }
            Err(error) => return Err(failed(partial, error)),
        };
        let look = || -> Result<Option<&'static str>, io::Error> {
            let found = match fs::metadata(&target.place) {
                Ok(found) => found,
                Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            Ok(if !found.is_dir() {
                Some("it is not a folder")
            } else if found.dev() != fs::metadata(&parent)?.dev() {
                Some("it is where a file system is mounted: choose a folder below it")
            } else if !target.replaces && fs::read_dir(&target.place)?.next().is_some() {
                Some("it is not empty and not a backup, or a server has used it since it was")
            } else {
                None
            })
        };
        match look() {
            Ok(None) => {}
            outcome => {
                // Nothing was made in it; one with something in it stays.
                let _ = fs::remove_dir(&target.partial);
                return Err(match outcome {
                    Ok(reason) => refused(reason.unwrap_or_default()),
                    Err(error) => failed(target.place, error),
                });
            }
        }
        // It may be a whole backup, exchanged for a newer one by a run that ended there.
        remove(&target.partial.join(BACKUP_MARK))
            .map_err(|error| failed(target.partial.clone(), error))?;
        Ok(target)
    }

    pub(super) fn partial(&self) -> &Path {
        &self.partial
    }

    /// The backup that is in the place so far.
    pub(super) fn previous(&self) -> Option<&Path> {
        self.replaces.then_some(self.place.as_path())
    }

    /// Gives what was built its final name, now that it is whole and on the disk. Blocking.
    pub(super) fn finish(self, summary: &BackupSummary) -> io::Result<()> {
        let mark = serde_json::json!({
            "made": iso8601(Clock::default().now()),
            "drives": summary.drives,
            "nodes": summary.nodes,
        });
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.partial.join(BACKUP_MARK))?;
        file.write_all(format!("{mark:#}\n").as_bytes())?;
        file.sync_all()?;
        sync_folder(&self.partial)?;
        let parent = self.place.parent().unwrap_or(Path::new("/"));
        if !self.replaces {
            // Takes the place of an empty folder as well.
            fs::rename(&self.partial, &self.place)?;
            return sync_folder(parent);
        }
        // Opening it as a server's data waits for this lock, and takes the mark away.
        let held = File::open(&self.place)?;
        held.lock()?;
        if !self.place.join(BACKUP_MARK).is_file() {
            let reason = "a server has used the earlier backup meanwhile; it is left as it is";
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, reason));
        }
        match renameat_with(CWD, &self.partial, CWD, &self.place, RenameFlags::EXCHANGE) {
            Ok(()) => {
                sync_folder(parent)?;
                fs::remove_dir_all(&self.partial)
            }
            // Not every file system can exchange two names.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                let name = self.place.file_name().unwrap_or_default();
                let previous = parent.join(beside(name, "previous"));
                fs::rename(&self.place, &previous)?;
                if let Err(error) = fs::rename(&self.partial, &self.place) {
                    fs::rename(&previous, &self.place)?;
                    return Err(error);
                }
                sync_folder(parent)?;
                fs::remove_dir_all(&previous)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Where the folder really is, and the folder it is in, which is made if it is missing.
fn locate(to: &Path) -> io::Result<(PathBuf, PathBuf)> {
    let place = match fs::canonicalize(to) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
            let absolute = std::path::absolute(to)?;
            let parent = absolute.parent().unwrap_or(Path::new("/"));
            create_private(parent)?;
            let name = absolute.file_name().unwrap_or_default();
            fs::canonicalize(parent)?.join(name)
        }
        outcome => outcome?,
    };
    let parent = place.parent().unwrap_or(Path::new("/")).to_owned();
    Ok((place, parent))
}

/// A run that could not exchange names ended between its two steps.
fn restore(place: &Path, previous: &Path) -> io::Result<()> {
    match !place.exists() && previous.join(BACKUP_MARK).is_file() {
        true => fs::rename(previous, place),
        false => Ok(()),
    }
}

/// Makes the folder and locks it, or says that another has.
fn lock(partial: &Path) -> io::Result<File> {
    loop {
        create_private(partial)?;
        let lock = File::open(partial)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Another run may have given it its final name a moment ago.
        let (locked, found) = (lock.metadata()?, fs::metadata(partial));
        if found.is_ok_and(|found| (found.dev(), found.ino()) == (locked.dev(), locked.ino())) {
            return Ok(lock);
        }
    }
}

pub(super) fn create_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn beside(name: &std::ffi::OsStr, what: &str) -> OsString {
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".");
    hidden.push(what);
    hidden
}
