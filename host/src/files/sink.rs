//! Content written so that its final name never shows less than all of it.

use std::{io, io::Write, mem, path::Path, time::SystemTime};

use bytes::Bytes;
use tokio::{sync::mpsc, task::JoinHandle};

use super::{Digest, Error, Expected, blocking, digest::Hasher, part::Part};

/// A file being written beside its final path. Only [`commit`](Self::commit) gives it its
/// name; dropping it instead removes it, a moment later if a thread is still writing.
/// What a `kill` leaves behind is for [`sweep_parts`](super::sweep_parts).
///
/// Bytes are gathered to blocks, which a blocking thread hashes and writes. A file that
/// fits one block never gets such a thread: all is done in `commit`.
#[derive(Debug)]
pub struct Sink {
    path: std::path::PathBuf,
    gathered: Vec<Bytes>,
    gathered_size: usize,
    writer: Writer,
}

enum Writer {
    Idle(Box<Work>),
    Running {
        blocks: mpsc::Sender<Message>,
        thread: JoinHandle<Result<Option<Digest>, Error>>,
    },
    /// Failed before, or a call to it was dropped.
    Broken,
}

enum Message {
    Write(Vec<Bytes>),
    Commit(Vec<Bytes>),
}

/// What it takes to write; moves to the blocking threads.
struct Work {
    part: Part,
    expected: Expected,
    modified: Option<SystemTime>,
    hasher: Hasher,
}

impl Sink {
    /// Opens a part file beside `path`. Its folder must exist.
    ///
    /// A file that has the name already keeps its permissions, and its owner if this user
    /// may give files away. A link there is replaced, and not written through.
    ///
    /// # Errors
    /// `NotFound` or `NotADirectory` for the folder; `IsADirectory`, `NotAFile` for what
    /// has the name now; `NameTooLong`, `NameReserved`.
    pub async fn create(path: &Path, expected: Expected) -> Result<Self, Error> {
        let owned = path.to_owned();
        let part = blocking(ACTION, path, move || Part::create(&owned)).await?;
        Ok(Self::new(part, expected))
    }

    fn new(part: Part, expected: Expected) -> Self {
        Self {
            path: part.path().to_owned(),
            gathered: Vec::new(),
            gathered_size: 0,
            writer: Writer::Idle(Box::new(Work {
                part,
                expected,
                modified: None,
                hasher: Hasher::default(),
            })),
        }
    }

    /// The file is to say it was last changed then, and not now. Only before the first
    /// `write`.
    pub fn set_modified(&mut self, time: SystemTime) {
        if let Writer::Idle(work) = &mut self.writer {
            work.modified = Some(time);
        }
    }

    /// Takes the next bytes; waits while the disk is slower than the caller. An error may
    /// be about bytes of an earlier call, and all calls after it fail.
    ///
    /// # Errors
    /// `NoSpace`; `Mismatch` once more bytes came than expected.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.gathered_size += bytes.len();
        self.gathered.push(bytes);
        if self.gathered_size <= BLOCK {
            return Ok(());
        }
        self.gathered_size = 0;
        let block = Message::Write(mem::take(&mut self.gathered));
        let (blocks, thread) = match mem::replace(&mut self.writer, Writer::Broken) {
            Writer::Idle(work) => start(work),
            Writer::Running { blocks, thread } => (blocks, thread),
            Writer::Broken => return Err(broken(&self.path)),
        };
        if blocks.send(block).await.is_err() {
            return Err(self
                .outcome(thread)
                .await
                .err()
                .unwrap_or_else(|| broken(&self.path)));
        }
        self.writer = Writer::Running { blocks, thread };
        Ok(())
    }

    /// Checks what came against what was expected, and gives the file its final name, in
    /// place of what had it. On success it is on the disk, name and content.
    ///
    /// # Errors
    /// `Mismatch`, or as `write`. The final path is then as it was before, and the part
    /// file is gone; but for an `Io` about the folder after the renaming, which can only
    /// come from failing hardware.
    pub async fn commit(mut self) -> Result<Digest, Error> {
        let rest = mem::take(&mut self.gathered);
        match mem::replace(&mut self.writer, Writer::Broken) {
            Writer::Idle(work) => blocking(ACTION, &self.path, move || work.commit(rest)).await,
            Writer::Running { blocks, thread } => {
                // If the thread is gone, it has left its reason.
                let _ = blocks.send(Message::Commit(rest)).await;
                let digest = self.outcome(thread).await?;
                digest.ok_or_else(|| broken(&self.path))
            }
            Writer::Broken => Err(broken(&self.path)),
        }
    }

    async fn outcome(
        &self,
        thread: JoinHandle<Result<Option<Digest>, Error>>,
    ) -> Result<Option<Digest>, Error> {
        thread
            .await
            .unwrap_or_else(|lost| Err(Error::new(ACTION, &self.path, io::Error::other(lost))))
    }
}

type Running = (
    mpsc::Sender<Message>,
    JoinHandle<Result<Option<Digest>, Error>>,
);

/// A thread that writes blocks until told to commit. Without that word, the end of the
/// channel means the sink was dropped.
fn start(mut work: Box<Work>) -> Running {
    let (blocks, mut queue) = mpsc::channel(BLOCKS_QUEUED);
    let thread = tokio::task::spawn_blocking(move || {
        while let Some(message) = queue.blocking_recv() {
            match message {
                Message::Write(block) => work.write(block)?,
                Message::Commit(rest) => return work.commit(rest).map(Some),
            }
        }
        Ok(None)
    });
    (blocks, thread)
}

impl Work {
    fn write(&mut self, block: Vec<Bytes>) -> Result<(), Error> {
        for bytes in block {
            self.hasher.update(&bytes);
            if let Err(source) = self.part.file().write_all(&bytes) {
                return Err(Error::new(ACTION, self.part.path(), source));
            }
        }
        match self.expected.size {
            Some(size) if self.hasher.size() > size => {
                let actual = mem::take(&mut self.hasher).finish();
                Err(self.mismatch(actual))
            }
            _ => Ok(()),
        }
    }

    fn commit(mut self: Box<Self>, rest: Vec<Bytes>) -> Result<Digest, Error> {
        self.write(rest)?;
        let actual = mem::take(&mut self.hasher).finish();
        if !self.expected.agrees(&actual) {
            return Err(self.mismatch(actual));
        }
        if let Some(time) = self.modified {
            // The content is what matters, and a file system that keeps no such time is no
            // reason to refuse it.
            let _ = self.part.file().set_modified(time);
        }
        self.part.persist()?;
        Ok(actual)
    }

    fn mismatch(&self, actual: Digest) -> Error {
        Error::Mismatch {
            path: self.part.path().to_owned(),
            expected: self.expected.clone(),
            actual,
        }
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Idle(_) => "Idle",
            Self::Running { .. } => "Running",
            Self::Broken => "Broken",
        })
    }
}

fn broken(path: &Path) -> Error {
    Error::new(ACTION, path, io::Error::other("writing was broken off"))
}

const ACTION: &str = "write";

/// Bytes gathered before a block goes to the writer: as much as hashing takes about
/// 0.4 ms for. Network chunks are a few KiB, and waking a thread for each is dear.
const BLOCK: usize = 256 * 1024;

/// Blocks on their way to the writer: evens out a disk that stalls. A transfer holds this
/// many, the one being written and the one being gathered, about 1.5 MiB.
const BLOCKS_QUEUED: usize = 4;

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
        path::PathBuf,
    };

    use super::*;
    use crate::files::{Source, md5_of};

    /// Small stays with the caller until `commit`; large goes through the thread.
    const SIZES: [usize; 5] = [0, 1, BLOCK, BLOCK + 1, 12 * BLOCK + 7];

    fn content(size: usize) -> Vec<u8> {
        (0..size).map(|i| (i % 251) as u8).collect()
    }

    async fn filled(path: &Path, content: &[u8], expected: Expected) -> Result<Sink, Error> {
        let mut sink = Sink::create(path, expected).await?;
        for chunk in content.chunks(9_999) {
            sink.write(Bytes::copy_from_slice(chunk)).await?;
        }
        Ok(sink)
    }

    fn names(dir: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(dir).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// Waits for the thread of a dropped sink.
    async fn until_only(dir: &Path, left: &[PathBuf]) {
        while names(dir) != left {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn committed_file_holds_the_bytes_and_nothing_lies_beside_it() {
        for size in SIZES {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("file");
            let sink = filled(&path, &content(size), Expected::default())
                .await
                .unwrap();
            assert!(!path.exists());
            let digest = sink.commit().await.unwrap();
            assert_eq!(fs::read(&path).unwrap(), content(size), "{size}");
            assert_eq!(digest, md5_of(&path).await.unwrap());
            assert_eq!(names(dir.path()), [path]);
        }
    }

    #[tokio::test]
    async fn dropped_sink_leaves_the_old_file_and_no_part() {
        for size in SIZES {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("file");
            fs::write(&path, "old").unwrap();
            let sink = filled(&path, &content(size), Expected::default())
                .await
                .unwrap();
            assert_eq!(names(dir.path()).len(), 2);
            drop(sink);
            until_only(dir.path(), std::slice::from_ref(&path)).await;
            assert_eq!(fs::read(&path).unwrap(), b"old");
        }
    }

    #[tokio::test]
    async fn content_that_is_not_as_expected_never_gets_the_name() {
        for size in SIZES {
            let other = Expected {
                md5: Some("0".repeat(32)),
                size: Some(size as u64),
            };
            let longer = Expected {
                size: Some(size as u64 + 1),
                ..Expected::default()
            };
            for expected in [other, longer] {
                let dir = tempfile::tempdir().unwrap();
                let path = dir.path().join("file");
                let sink = filled(&path, &content(size), expected.clone())
                    .await
                    .unwrap();
                match sink.commit().await.unwrap_err() {
                    Error::Mismatch {
                        path: named,
                        expected: said,
                        actual,
                    } => {
                        assert_eq!((named, said), (path, expected));
                        assert_eq!(actual.size, size as u64);
                    }
                    error => panic!("{error:?}"),
                }
                assert!(names(dir.path()).is_empty());
            }
        }
    }

    #[tokio::test]
    async fn too_many_bytes_are_refused_before_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let expected = Expected {
            size: Some(10),
            ..Expected::default()
        };
        let path = dir.path().join("file");
        let mut sink = Sink::create(&path, expected).await.unwrap();
        let error = loop {
            if let Err(error) = sink.write(Bytes::from(content(BLOCK))).await {
                break error;
            }
        };
        assert!(matches!(error, Error::Mismatch { .. }), "{error:?}");
        assert!(matches!(sink.commit().await, Err(Error::Io { .. })));
        until_only(dir.path(), &[]).await;
    }

    /// `/dev/full` is the kernel's own way to say ENOSPC to every write.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn full_disk_is_named_and_leaves_no_part() {
        for size in [1, BLOCK + 1, 12 * BLOCK + 7] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("file");
            fs::write(&path, "old").unwrap();
            let mut part = Part::create(&path).unwrap();
            part.divert(fs::File::options().write(true).open("/dev/full").unwrap());
            let mut sink = Sink::new(part, Expected::default());
            let error = async {
                for chunk in content(size).chunks(9_999) {
                    sink.write(Bytes::copy_from_slice(chunk)).await?;
                }
                sink.commit().await
            };
            let error = error.await.unwrap_err();
            assert!(
                matches!(&error, Error::NoSpace { path: named } if *named == path),
                "{error:?}"
            );
            until_only(dir.path(), std::slice::from_ref(&path)).await;
            assert_eq!(fs::read(&path).unwrap(), b"old");
        }
    }

    #[tokio::test]
    async fn committed_file_has_the_time_it_was_given_and_else_that_of_now() {
        let before = SystemTime::now() - std::time::Duration::from_secs(60);
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::new(1_459_534_805, 123_456_789);
        for size in SIZES {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("file");
            let modified = || fs::metadata(&path).unwrap().modified().unwrap();
            let mut sink = Sink::create(&path, Expected::default()).await.unwrap();
            sink.set_modified(time);
            sink.write(Bytes::from(content(size))).await.unwrap();
            sink.commit().await.unwrap();
            assert_eq!(modified(), time);
            let sink = filled(&path, &content(size), Expected::default()).await;
            sink.unwrap().commit().await.unwrap();
            assert!(modified() > before);
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[tokio::test]
    async fn new_file_has_an_ordinary_mode_and_an_old_one_keeps_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let ordinary = dir.path().join("ordinary");
        fs::write(&ordinary, "").unwrap();
        let path = dir.path().join("file");
        let commit = async || {
            let sink = filled(&path, b"new", Expected::default()).await.unwrap();
            sink.commit().await.unwrap();
            mode(&path)
        };
        assert_eq!(commit().await, mode(&ordinary));
        for (old, kept) in [
            (0o600, 0o600),
            (0o444, 0o444),
            (0o777, 0o777),
            (0o4755, 0o755),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(old)).unwrap();
            assert_eq!(commit().await, kept, "{old:o}");
        }
    }

    #[tokio::test]
    async fn part_over_a_private_file_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "secret").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let _sink = Sink::create(&path, Expected::default()).await.unwrap();
        let part = names(dir.path()).into_iter().find(|name| *name != path);
        assert_eq!(mode(&part.unwrap()), 0o600);
    }

    #[tokio::test]
    async fn paths_that_cannot_take_a_file_are_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        fs::write(at("file"), "").unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        for (path, kind) in [
            (at("folder"), "is a folder"),
            (at(".."), "is a folder"),
            (at("socket"), "not an ordinary file"),
            (at("file/under"), "not a folder"),
            (at("none/under"), "no such file or folder"),
            (at(&"x".repeat(256)), "name too long"),
            (at(".a.0123456789Ab.acd-part"), "name is reserved"),
        ] {
            let error = Sink::create(&path, Expected::default()).await.unwrap_err();
            assert!(error.to_string().starts_with(kind), "{error}");
            assert_eq!(error.path(), path);
        }
        assert_eq!(names(dir.path()).len(), 3);
        let longest = at(&"x".repeat(255));
        let sink = filled(&longest, b"x", Expected::default()).await.unwrap();
        sink.commit().await.unwrap();
        assert!(longest.exists());
    }

    #[tokio::test]
    async fn folder_that_took_the_name_meanwhile_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("name");
        let sink = filled(&path, b"x", Expected::default()).await.unwrap();
        fs::create_dir(&path).unwrap();
        let error = sink.commit().await.unwrap_err();
        assert!(matches!(error, Error::IsADirectory { .. }), "{error:?}");
        assert_eq!(names(dir.path()), [path]);
    }

    #[tokio::test]
    async fn link_is_replaced_and_its_target_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        fs::write(&target, "old").unwrap();
        symlink(&target, &link).unwrap();
        let sink = filled(&link, b"new", Expected::default()).await.unwrap();
        sink.commit().await.unwrap();
        assert!(!link.is_symlink());
        assert_eq!(fs::read(&link).unwrap(), b"new");
        assert_eq!(fs::read(&target).unwrap(), b"old");
    }

    #[tokio::test]
    async fn a_file_can_be_copied_from_source_to_sink() {
        use futures::StreamExt;
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::write(&from, content(12 * BLOCK + 7)).unwrap();
        let mut source = Source::open(&from).await.unwrap();
        let mut sink = Sink::create(&to, Expected::default()).await.unwrap();
        while let Some(block) = source.next().await {
            sink.write(block.unwrap()).await.unwrap();
        }
        let written = sink.commit().await.unwrap();
        assert_eq!(written, source.finish().await.unwrap());
        assert_eq!(fs::read(&from).unwrap(), fs::read(&to).unwrap());
    }
}
