//! When what was acknowledged is on the disk.

use std::{fs::File, io, num::NonZeroU64, path::Path};

use rustix::fs::{Advice, fadvise};

/// When an acknowledged change is on the disk: the policy, in this one place.
///
/// Whatever it is, changes are ordered as they were made, a file's content is never seen in
/// part, and a server that is killed, or that crashes, loses nothing it acknowledged: what it
/// has handed to the operating system does not die with it.
///
/// | | process killed | power cut, system crash |
/// |---|---|---|
/// | [`Full`](Self::Full) | nothing is lost | nothing is lost |
/// | [`Relaxed`](Self::Relaxed) | nothing is lost | the last seconds may be lost |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// An answer waits until the disk says that it has the change: the content, its name,
    /// and the transaction that refers to it (SQLite's `synchronous = FULL`). Changes that
    /// come at the same time wait together.
    #[default]
    Full,
    /// An answer waits for the operating system only, which writes to the disk when it likes:
    /// after half a minute or so. The metadata stay a sound database even if the power fails
    /// (SQLite's `synchronous = NORMAL`), but the last changes may be missing from it, and
    /// contents of the last half minute may be missing or cut short, with their nodes there:
    /// `acd serve fsck` names those. A file that was overwritten in that time may have lost
    /// both its contents.
    Relaxed,
}

/// The disk under a data directory, waited for or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disk {
    durability: Durability,
    /// Waits until a file's or folder's data are on the disk. Another one in tests.
    wait: fn(&File) -> io::Result<()>,
}

impl Disk {
    pub(crate) fn new(durability: Durability) -> Self {
        Self {
            durability,
            wait: File::sync_all,
        }
    }

    /// Sets the disk to work on part of a file that will be waited for, and does not wait. The
    /// system would begin by itself only when a tenth of all memory is waiting for the disk.
    pub(crate) fn begin(self, file: &File, offset: u64, length: u64) {
        if self.durability == Durability::Full {
            // Linux begins to write what it is told will not be read soon. If it does not,
            // the end takes longer.
            let _ = fadvise(file, offset, NonZeroU64::new(length), Advice::DontNeed);
        }
    }

    /// Returns when the file is as durable as was promised.
    pub(crate) fn settle(self, file: &File) -> io::Result<()> {
        match self.durability {
            Durability::Full => (self.wait)(file),
            Durability::Relaxed => Ok(()),
        }
    }

    /// The same for the names in a folder.
    pub(crate) fn settle_folder(self, folder: &Path) -> io::Result<()> {
        match self.durability {
            Durability::Full => (self.wait)(&File::open(folder)?),
            Durability::Relaxed => Ok(()),
        }
    }

    /// One that fails as soon as it is waited for.
    #[cfg(test)]
    pub(crate) fn broken(durability: Durability) -> Self {
        Self {
            durability,
            wait: |_| Err(io::Error::other("the disk is gone")),
        }
    }
}
