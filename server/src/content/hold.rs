//! Deletions held up, so that a backup finds every content its metadata refer to.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

/// While one lives, no server of the data directory deletes an object: an exclusive `flock`
/// on the folder `content`, which they share while they delete. The system gives it up with
/// the process.
pub(crate) struct Hold {
    _content: File,
}

/// Leave to delete objects, for as long as it lives.
pub(super) struct Leave {
    _content: File,
}

impl Hold {
    /// Waits for deletions that are under way, which take milliseconds. `None`: there is no
    /// such folder, and so nothing in it. Blocking.
    pub(crate) fn take(content: &Path) -> io::Result<Option<Self>> {
        let folder = match File::open(content) {
            Ok(folder) => folder,
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        folder.lock()?;
        Ok(Some(Self { _content: folder }))
    }
}

impl Leave {
    /// `None`: somebody holds deletions up.
    pub(super) fn take(content: &Path) -> io::Result<Option<Self>> {
        let folder = File::open(content)?;
        match folder.try_lock_shared() {
            Ok(()) => Ok(Some(Self { _content: folder })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}
