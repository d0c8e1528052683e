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
