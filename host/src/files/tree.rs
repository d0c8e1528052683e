//! Folders made, and things removed.

use std::{fs, io, os::unix::fs::OpenOptionsExt, path::Path, time::SystemTime};

use rustix::fs::OFlags;

use super::{Error, blocking};

/// Makes a folder and the parents it needs. Fine if it is there already.
///
/// # Errors
/// `NotADirectory` where a file has the name, or one on the way.
pub async fn make_dir_all(path: &Path) -> Result<(), Error> {
    let owned = path.to_owned();
    blocking("make folder", path, move || {
        fs::create_dir_all(&owned).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => Error::NotADirectory {
                path: owned.clone(),
            },
            _ => Error::new("make folder", &owned, source),
        })
    })
    .await
}

/// Removes a file, or a link itself and not what it leads to.
///
/// # Errors
/// A folder is refused, as `IsADirectory` or `PermissionDenied` by system.
pub async fn remove_file(path: &Path) -> Result<(), Error> {
    run("remove", path, |path| fs::remove_file(path)).await
}

/// Removes an empty folder.
///
/// # Errors
/// One that is not empty is an `Io`, whose source says so.
pub async fn remove_dir(path: &Path) -> Result<(), Error> {
    run("remove", path, |path| fs::remove_dir(path)).await
}

/// Removes a folder with all it holds. Links are removed, never followed, even when
/// somebody swaps a folder for a link meanwhile. Stops at the first error.
///
/// # Errors
/// `NotADirectory` for a file, which stays.
pub async fn remove_dir_all(path: &Path) -> Result<(), Error> {
    run("remove", path, |path| fs::remove_dir_all(path)).await
}

/// Has a file say that it was last changed at `time`, if it is still the one that was last
/// changed at `known`. A link is not followed.
///
/// # Errors
/// `ChangedWhileReading` for one that changed since.
pub async fn set_modified(
    path: &Path,
    known: Option<SystemTime>,
    time: SystemTime,
) -> Result<(), Error> {
    let owned = path.to_owned();
    blocking("set the time of", path, move || {
        let failed = |source| Error::new("set the time of", &owned, source);
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = fs::OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits() as _)
            .open(&owned)
            .map_err(failed)?;
        let now = file.metadata().and_then(|found| found.modified());
        if known.is_some_and(|known| now.is_ok_and(|now| now != known)) {
            return Err(Error::ChangedWhileReading { path: owned });
        }
        file.set_modified(time).map_err(failed)
    })
    .await
}

/// Gives a file or folder another path on the same file system, where nothing is yet.
/// Returns whether that can be: `false` is another file system, and nothing was done.
///
/// # Errors
/// An `Io` whose source says that something is there.
pub async fn rename_new(from: &Path, to: &Path) -> Result<bool, Error> {
    let (owned, target) = (from.to_owned(), to.to_owned());
    blocking("move", from, move || {
        use rustix::{
            fs::{CWD, RenameFlags, renameat_with},
            io::Errno,
        };
        match renameat_with(CWD, &owned, CWD, &target, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(true),
            // Other disks, and file systems that cannot promise to replace nothing.
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS) => Ok(false),
            Err(errno) => Err(Error::new("move", &owned, errno.into())),
        }
    })
    .await
}

/// What shows that a file is the same and was not changed meanwhile. Nobody can set the
/// time of the last change of a file's data or metadata, so it is better than the time a
/// file says it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// The identity of an ordinary file; `None` for anything else, a link among it.
///
/// # Errors
/// `NotFound`.
pub async fn identity(path: &Path) -> Result<Option<Identity>, Error> {
    use std::os::unix::fs::MetadataExt as _;
    let owned = path.to_owned();
    blocking("look at", path, move || {
        let metadata =
            fs::symlink_metadata(&owned).map_err(|source| Error::new("look at", &owned, source))?;
        Ok(metadata.is_file().then(|| Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }))
    })
    .await
}

async fn run(
    action: &'static str,
    path: &Path,
    call: fn(&Path) -> io::Result<()>,
) -> Result<(), Error> {
    let owned = path.to_owned();
    blocking(action, path, move || {
        call(&owned).map_err(|source| Error::new(action, &owned, source))
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[tokio::test]
    async fn rename_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&a, "a").unwrap();
        fs::write(&b, "b").unwrap();
        assert!(rename_new(&a, &b).await.is_err());
        assert_eq!(fs::read(&b).unwrap(), b"b");
        fs::remove_file(&b).unwrap();
        assert!(rename_new(&a, &b).await.unwrap());
        assert_eq!(fs::read(&b).unwrap(), b"a");
    }

    #[tokio::test]
    async fn identity_is_lost_by_any_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "a").unwrap();
        let first = identity(&path).await.unwrap().unwrap();
        assert_eq!(identity(&path).await.unwrap(), Some(first));
        // The clock of file systems has coarse ticks.
        let changed = |write: &dyn Fn()| loop {
            write();
            let now = fs::symlink_metadata(&path).unwrap();
            if std::os::unix::fs::MetadataExt::ctime_nsec(&now) != first.changed.1 {
                break;
            }
        };
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        changed(&|| {
            fs::write(&path, "b").unwrap();
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(time).unwrap();
        });
        assert_ne!(identity(&path).await.unwrap(), Some(first));
        symlink("a", dir.path().join("link")).unwrap();
        assert_eq!(identity(&dir.path().join("link")).await.unwrap(), None);
    }

    #[tokio::test]
    async fn folders_are_made_with_their_parents_and_twice() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        make_dir_all(&deep).await.unwrap();
        make_dir_all(&deep).await.unwrap();
        assert!(deep.is_dir());
    }

    #[tokio::test]
    async fn folder_is_not_made_over_or_under_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        for path in [file.clone(), file.join("under"), file.join("far/under")] {
            let error = make_dir_all(&path).await.unwrap_err();
            assert!(matches!(error, Error::NotADirectory { .. }), "{error:?}");
        }
        assert_eq!(fs::read(&file).unwrap(), b"x");
    }

    #[tokio::test]
    async fn recursive_removal_does_not_follow_links() {
        let dir = tempfile::tempdir().unwrap();
        let keep = dir.path().join("keep");
        let gone = dir.path().join("gone");
        fs::create_dir_all(gone.join("sub")).unwrap();
        fs::create_dir(&keep).unwrap();
        fs::write(keep.join("file"), "x").unwrap();
        symlink(&keep, gone.join("sub/link")).unwrap();
        remove_dir_all(&gone).await.unwrap();
        assert!(!gone.exists());
        assert!(keep.join("file").exists());
    }

    #[tokio::test]
    async fn removal_takes_a_link_and_leaves_its_target() {
        let dir = tempfile::tempdir().unwrap();
        let keep = dir.path().join("keep");
        fs::write(&keep, "x").unwrap();
        symlink(&keep, dir.path().join("link")).unwrap();
        remove_file(&dir.path().join("link")).await.unwrap();
        assert!(!dir.path().join("link").is_symlink());
        assert!(keep.exists());
    }

    #[tokio::test]
    async fn removal_of_the_wrong_kind_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let full = dir.path().join("full");
        let file = full.join("file");
        fs::create_dir(&full).unwrap();
        fs::write(&file, "x").unwrap();
        assert!(matches!(remove_dir(&full).await, Err(Error::Io { .. })));
        let error = remove_file(&full).await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::IsADirectory { .. } | Error::PermissionDenied { .. }
            ),
            "{error:?}"
        );
        let error = remove_dir_all(&file).await.unwrap_err();
        assert!(matches!(error, Error::NotADirectory { .. }), "{error:?}");
        let error = remove_file(&dir.path().join("none")).await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }));
        assert!(file.exists());
    }
}
