//! What a folder holds, and what a path is.

use std::{
    ffi::OsString,
    fs, io, mem,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{Error, blocking};

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An ordinary file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, wherever it leads.
    Symlink,
    /// A device, pipe or socket.
    Other,
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name, in the file system's bytes.
    pub name: OsString,
    /// What it is.
    pub kind: Kind,
    /// Size in bytes; 0 for anything but a file.
    pub size: u64,
    /// When the content last changed.
    pub modified: SystemTime,
}

/// The entries of one folder, read batch by batch. Holds no thread between batches.
#[derive(Debug)]
pub struct Listing {
    dir: PathBuf,
    state: State,
}

#[derive(Debug)]
enum State {
    New,
    Open(fs::ReadDir),
    Complete,
    /// Failed, or dropped while reading: whoever asks again must not be told that the
    /// listing is complete.
    CutOff,
}

/// The entries of a folder, in no order, without `.` and `..`. Links are not followed,
/// but `dir` itself may be one. Nothing is read before the first batch is asked for.
pub fn list(dir: &Path) -> Listing {
    Listing {
        dir: dir.to_owned(),
        state: State::New,
    }
}

impl Listing {
    /// The next entries, at most a thousand, never an empty batch. `Ok(None)` is the only
    /// sign of a complete listing, and only after it may anything be concluded from a
    /// name's absence. Names that vanish while the folder is read are left out.
    ///
    /// Not cancel safe: after a dropped call the listing only ever fails.
    ///
    /// # Errors
    /// The folder cannot be opened or read, or an entry of it cannot be looked at.
    pub async fn next_batch(&mut self) -> Result<Option<Vec<Entry>>, Error> {
        let state = mem::replace(&mut self.state, State::CutOff);
        let dir = self.dir.clone();
        let (batch, state) = blocking(ACTION, &self.dir, move || read_batch(&dir, state)).await?;
        self.state = state;
        Ok(Some(batch).filter(|batch| !batch.is_empty()))
    }
}

fn read_batch(dir: &Path, state: State) -> Result<(Vec<Entry>, State), Error> {
    let mut entries = match state {
        State::New => fs::read_dir(dir).map_err(|source| Error::new(ACTION, dir, source))?,
        State::Open(entries) => entries,
        State::Complete => return Ok((Vec::new(), State::Complete)),
        State::CutOff => {
            let source = io::Error::other("an earlier read was cut off");
            return Err(Error::new(ACTION, dir, source));
        }
    };
    let mut batch = Vec::new();
    while batch.len() < BATCH {
        let Some(next) = entries.next() else {
            return Ok((batch, State::Complete));
        };
        let next = next.map_err(|source| Error::new(ACTION, dir, source))?;
        match next.metadata() {
            Ok(metadata) => batch.push(entry(next.file_name(), &metadata)),
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::new("look at", &next.path(), source)),
        }
    }
    Ok((batch, State::Open(entries)))
}

/// What a path is, following links, for paths a person named. The name is the path's
/// last component, or empty where it has none, as in `/` and `..`.
///
/// # Errors
/// `NotFound` also where a link leads nowhere.
pub async fn stat(path: &Path) -> Result<Entry, Error> {
    let owned = path.to_owned();
    blocking("look at", path, move || {
        let metadata =
            fs::metadata(&owned).map_err(|source| Error::new("look at", &owned, source))?;
        let name = owned.file_name().unwrap_or_default().to_owned();
        Ok(entry(name, &metadata))
    })
    .await
}

fn entry(name: OsString, metadata: &fs::Metadata) -> Entry {
    let kind = match metadata.file_type() {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_dir() => Kind::Folder,
        kind if kind.is_symlink() => Kind::Symlink,
        _ => Kind::Other,
    };
    Entry {
        name,
        kind,
        size: if kind == Kind::File {
            metadata.len()
        } else {
            0
        },
        // Only platforms without modification times fail here, and no Unix is one.
        modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
    }
}

const ACTION: &str = "list";

/// Entries per batch: about 100 KB, and one hop to another thread per several
/// milliseconds of system calls.
const BATCH: usize = 1000;

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, os::unix::fs::symlink};

    use super::*;

    async fn all(dir: &Path) -> Result<BTreeMap<OsString, Entry>, Error> {
        let mut listing = list(dir);
        let mut all = BTreeMap::new();
        while let Some(batch) = listing.next_batch().await? {
            assert!(!batch.is_empty() && batch.len() <= BATCH);
            all.extend(batch.into_iter().map(|entry| (entry.name.clone(), entry)));
        }
        Ok(all)
    }

    #[tokio::test]
    async fn entries_tell_kind_and_size_and_do_not_follow_links() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "12345").unwrap();
        fs::create_dir(dir.path().join("folder")).unwrap();
        symlink("file", dir.path().join("link")).unwrap();
        symlink("nowhere", dir.path().join("dangling")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        let all = all(dir.path()).await.unwrap();
        let seen: Vec<_> = all
            .values()
            .map(|entry| (entry.name.to_str().unwrap(), entry.kind, entry.size))
            .collect();
        assert_eq!(
            seen,
            [
                ("dangling", Kind::Symlink, 0),
                ("file", Kind::File, 5),
                ("folder", Kind::Folder, 0),
                ("link", Kind::Symlink, 0),
                ("socket", Kind::Other, 0),
            ]
        );
        let modified = fs::metadata(dir.path().join("file")).unwrap().modified();
        assert_eq!(all[&OsString::from("file")].modified, modified.unwrap());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn names_come_back_byte_for_byte() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        let dir = tempfile::tempdir().unwrap();
        let names = [
            &b"\xff\xfe"[..],
            b"a\nb",
            b"it's \"quoted\"",
            b" trailing ",
            b"-rf",
            "e\u{301}".as_bytes(),
            "é".as_bytes(),
            &[b'x'; 255],
        ];
        for name in names {
            fs::write(dir.path().join(OsStr::from_bytes(name)), name).unwrap();
        }
        let all = all(dir.path()).await.unwrap();
        assert_eq!(all.len(), names.len());
        for name in names {
            assert!(
                all.contains_key(OsStr::from_bytes(name)),
                "{}",
                name.escape_ascii()
            );
        }
    }

    #[tokio::test]
    async fn large_folder_comes_in_batches_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..2 * BATCH + 1 {
            fs::write(dir.path().join(i.to_string()), "").unwrap();
        }
        assert_eq!(all(dir.path()).await.unwrap().len(), 2 * BATCH + 1);
    }

    #[tokio::test]
    async fn failed_listing_never_turns_complete() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let mut listing = list(&dir.path().join("missing"));
        assert!(matches!(
            listing.next_batch().await,
            Err(Error::NotFound { .. })
        ));
        assert!(matches!(listing.next_batch().await, Err(Error::Io { .. })));
        let error = all(&file).await.unwrap_err();
        assert!(matches!(error, Error::NotADirectory { path } if path == file));
    }

    #[tokio::test]
    async fn cancelled_listing_never_turns_complete() {
        let dir = tempfile::tempdir().unwrap();
        let mut listing = list(dir.path());
        {
            let mut call = std::pin::pin!(listing.next_batch());
            assert!(futures::poll!(&mut call).is_pending());
        }
        assert!(matches!(listing.next_batch().await, Err(Error::Io { .. })));
    }

    #[tokio::test]
    async fn complete_listing_stays_complete() {
        let dir = tempfile::tempdir().unwrap();
        let mut listing = list(dir.path());
        assert!(listing.next_batch().await.unwrap().is_none());
        assert!(listing.next_batch().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn stat_follows_links_and_names_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "12345").unwrap();
        symlink("file", dir.path().join("link")).unwrap();
        symlink("nowhere", dir.path().join("dangling")).unwrap();
        let link = stat(&dir.path().join("link")).await.unwrap();
        assert_eq!(
            (link.name, link.kind, link.size),
            ("link".into(), Kind::File, 5)
        );
        assert_eq!(stat(Path::new("/")).await.unwrap().kind, Kind::Folder);
        let error = stat(&dir.path().join("dangling")).await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }));
        let error = stat(&dir.path().join("file/x")).await.unwrap_err();
        assert!(matches!(error, Error::NotADirectory { .. }));
    }
}
