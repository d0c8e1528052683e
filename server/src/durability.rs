//! When what was acknowledged is on the disk.

use std::{fs::File, io, num::NonZeroU64, path::Path};

use rustix::fs::{Advice, OFlags, fadvise, fcntl_getfl, fcntl_setfl};

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
    /// come at the same time wait together. Large contents are written straight to the disk,
    /// past the system's cache, where the file system allows it.
    #[default]
    Full,
    /// An answer waits for the operating system only, which writes to the disk when it likes:
    /// after half a minute or so. The metadata stay a sound database even if the power fails
    /// (SQLite's `synchronous = NORMAL`), but the last changes may be missing from it, and
    /// contents of the last half minute may be missing or cut short, with their nodes there:
    /// `acd serve fsck` names those. A file that was overwritten in that time may have lost
    /// both its contents. Contents of any size go through the system's cache: a slow disk slows
    /// no upload while there is memory.
    Relaxed,
}

/// The disk under a data directory, waited for or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disk {
    durability: Durability,
    /// Waits until a file's or folder's data are on the disk. Another one in tests.
    wait: fn(&File) -> io::Result<()>,
    /// Sets a file's flags. Another one in tests.
    set_flags: fn(&File, OFlags) -> io::Result<()>,
}

impl Disk {
    pub(crate) fn new(durability: Durability) -> Self {
        Self {
            durability,
            wait: File::sync_all,
            set_flags,
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

    /// Lets writes to a file that will be waited for go straight to the disk from now on: the
    /// copy into the system's cache takes more of the processor than anything but the checksum.
    /// `false`: the file system cannot do that, or the file is not waited for. It may still
    /// refuse the writes.
    pub(crate) fn bypass_cache(self, file: &File) -> bool {
        self.durability == Durability::Full
            && fcntl_getfl(file)
                .map_err(io::Error::from)
                .and_then(|flags| (self.set_flags)(file, flags | OFlags::DIRECT))
                .is_ok()
    }

    /// Takes that back. What is written then need not lie in whole blocks of the disk.
    pub(crate) fn use_cache(self, file: &File) -> io::Result<()> {
        (self.set_flags)(file, fcntl_getfl(file)? - OFlags::DIRECT)
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
            ..Self::new(durability)
        }
    }

    /// One with a file system that has all writes go through the cache.
    #[cfg(test)]
    pub(crate) fn cached() -> Self {
        Self {
            set_flags: |_, _| Err(io::ErrorKind::InvalidInput.into()),
            ..Self::new(Durability::Full)
        }
    }
}

fn set_flags(file: &File, flags: OFlags) -> io::Result<()> {
    Ok(fcntl_setfl(file, flags)?)
}
