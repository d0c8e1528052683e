//! The folder of uploads in flight, and the sweep of what dead servers left in theirs.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::{path, remove};
use crate::{durability::Disk, ids};

/// One server's folder below `staging`. Beside it lies a file `NAME.lock` on which the
/// server holds an exclusive `flock` for life; the system gives that up with the process,
/// however it dies. The lock is there before the folder and goes after it. So a folder
/// whose lock can be had, or is missing, is debris, and nothing else is.
///
/// Dropping it removes both.
pub(crate) struct Staging {
    content: PathBuf,
    disk: Disk,
    folder: PathBuf,
    lock_path: PathBuf,
    _lock: File,
}

/// A folder of a dead server, which is locked meanwhile.
pub(crate) struct Debris {
    folder: PathBuf,
    lock: Option<(PathBuf, File)>,
}

impl Staging {
    /// A new folder for a new server. Blocking.
    pub(crate) fn create(staging: &Path, content: &Path, disk: Disk) -> io::Result<Self> {
        loop {
            let name = ids::object();
            let lock_path = staging.join(format!("{name}.lock"));
            let lock = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&lock_path)?;
            match lock.try_lock() {
                Ok(()) => {}
                // A sweep came between creation and lock, and takes the file away.
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => return Err(error),
            }
            if lock.metadata()?.nlink() == 0 {
                continue;
            }
            let folder = staging.join(&name);
            DirBuilder::new().mode(0o700).create(&folder)?;
            return Ok(Self {
                content: content.to_owned(),
                disk,
                folder,
                lock_path,
                _lock: lock,
            });
        }
    }

    pub(super) fn content(&self) -> &Path {
        &self.content
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What an upload's end waits for.
    pub(super) fn disk(&self) -> Disk {
        self.disk
    }

    /// Where the object is once it is whole.
    pub(super) fn object_path(&self, object: &str) -> PathBuf {
        path(&self.content, object)
    }

    /// Writes a block and removes it. If that is cut off, the block is debris like that of an
    /// upload. Blocking.
    pub(super) fn probe(&self) -> io::Result<()> {
        let path = self.folder.join(ids::object());
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let written = file.write_all(&[0; 4096]);
        fs::remove_file(&path)?;
        written
    }

    /// Leaves an object to a later sweep.
    pub(super) fn abandon(&self, object: String) {
        tracing::warn!(target: "amazon_drive_server", object, "object may or may not be in use, left to the next start");
    }

    /// What dead servers left below `staging`. Blocking.
    pub(crate) fn debris(staging: &Path) -> io::Result<Vec<Debris>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(staging)? {
            let path = entry?.path();
            let (folder, lock_path) = match path.extension() {
                Some(extension) if extension == "lock" => (path.with_extension(""), path),
                Some(_) => continue,
                None => (path.clone(), path.with_extension("lock")),
            };
            match File::open(&lock_path) {
                Ok(lock) if lock.try_lock().is_ok() => found.push(Debris {
                    folder,
                    lock: Some((lock_path, lock)),
                }),
                Ok(_) => {}
                Err(missing) if missing.kind() == io::ErrorKind::NotFound && folder.is_dir() => {
                    found.push(Debris { folder, lock: None });
                }
                Err(missing) if missing.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

impl Debris {
    /// The objects that were on their way. Blocking.
    pub(crate) fn objects(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    /// Removes the staged names of these objects and what they name, except of those in
    /// `kept`, which lose the staged name only; then the folder. Blocking.
    pub(crate) fn remove(
        self,
        content: &Path,
        objects: &[String],
        kept: &[String],
    ) -> io::Result<()> {
        for object in objects {
            if !kept.contains(object) {
                remove(&path(content, object))?;
            }
            remove(&self.folder.join(object))?;
        }
        match fs::remove_dir(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Still locked: a server that made the file a moment ago sees that and starts anew.
        self.lock.map_or(Ok(()), |(path, _lock)| remove(&path))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Not empty if something was left to a sweep: then the lock file stays as well.
        if fs::remove_dir(&self.folder).is_ok() {
            let _ = remove(&self.lock_path);
        }
    }
}
