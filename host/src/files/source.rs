//! Content read as a stream, with its MD5 on the way.

use std::{
    fs,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll, ready},
    time::SystemTime,
};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use rustix::fs::OFlags;
use tokio::sync::{mpsc, oneshot};

use super::{Digest, Error, digest::Hasher};

/// An open file as a stream of blocks of at most 256 KiB, none of them empty, in order.
///
/// It reads exactly as many bytes as the file had when it was opened. A file that is not
/// the same any more at its end is an error instead of the stream's end, so an upload
/// that waits for that end is never completed with a mixture of two states. A blocking
/// thread reads and hashes a few blocks ahead of the reader; a file of one block or less
/// is read at once when opened and holds no thread.
///
/// Dropping it stops the reading.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    size: u64,
    modified: SystemTime,
    whole: Option<Bytes>,
    parts: Option<mpsc::Receiver<Result<Part, Error>>>,
    digest: Option<Digest>,
}

#[derive(Debug)]
enum Part {
    Block(Bytes),
    End(Digest),
}

impl Source {
    /// Opens a file, following links.
    ///
    /// # Errors
    /// `IsADirectory`, or `NotAFile` for a device, pipe or socket, which is not waited for.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        let (opened, ready) = oneshot::channel();
        let owned = path.to_owned();
        tokio::task::spawn_blocking(move || run(&owned, opened));
        ready.await.unwrap_or_else(|_| Err(lost(path)))
    }

    /// Size in bytes when it was opened: exactly what a stream without error holds.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// When the content had last changed when it was opened.
    pub fn modified(&self) -> SystemTime {
        self.modified
    }

    /// MD5 and size of the whole file. Reads to the end what the stream has not handed
    /// out yet.
    ///
    /// # Errors
    /// As the stream. After an error of the stream it is an `Io`.
    pub async fn finish(mut self) -> Result<Digest, Error> {
        while let Some(block) = self.next().await {
            block?;
        }
        self.digest.ok_or_else(|| lost(&self.path))
    }
}

impl Stream for Source {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(whole) = self.whole.take() {
            return Poll::Ready(Some(Ok(whole)));
        }
        let Some(parts) = &mut self.parts else {
            return Poll::Ready(None);
        };
        let failed = match ready!(parts.poll_recv(cx)) {
            Some(Ok(Part::Block(block))) => return Poll::Ready(Some(Ok(block))),
            Some(Ok(Part::End(digest))) => {
                self.digest = Some(digest);
                None
            }
            Some(Err(error)) => Some(Err(error)),
            None => Some(Err(lost(&self.path))),
        };
        self.parts = None;
        Poll::Ready(failed)
    }
}

/// MD5 and size of a file, for comparing. Dropping the future stops the reading.
///
/// # Errors
/// As [`Source`].
pub async fn md5_of(path: &Path) -> Result<Digest, Error> {
    Source::open(path).await?.finish().await
}

/// The blocking side: answers `opened`, and for a file of more than one block goes on to
/// feed the channel it handed out there.
fn run(path: &Path, opened: oneshot::Sender<Result<Source, Error>>) {
    let mut reader = match Reader::open(path) {
        Ok(reader) => reader,
        Err(error) => {
            // The caller may be gone; then nobody wants the error.
            let _ = opened.send(Err(error));
            return;
        }
    };
    let mut source = Source {
        path: path.to_owned(),
        size: reader.size,
        modified: reader.modified,
        whole: None,
        parts: None,
        digest: None,
    };
    if reader.size <= BLOCK {
        let _ = opened.send(reader.whole().map(|(whole, digest)| {
            source.whole = whole;
            source.digest = Some(digest);
            source
        }));
        return;
    }
    let (sender, parts) = mpsc::channel(BLOCKS_AHEAD);
    source.parts = Some(parts);
    if opened.send(Ok(source)).is_err() {
        return;
    }
    reader.expect_sequential();
    let end = loop {
        match reader.block() {
            Ok(Some(block)) => {
                if sender.blocking_send(Ok(Part::Block(block))).is_err() {
                    return;
                }
            }
            Ok(None) => break reader.end().map(Part::End),
            Err(error) => break Err(error),
        }
    };
    let _ = sender.blocking_send(end);
}

struct Reader<'a> {
    path: &'a Path,
    file: fs::File,
    size: u64,
    modified: SystemTime,
    hasher: Hasher,
}

impl<'a> Reader<'a> {
    fn open(path: &'a Path) -> Result<Self, Error> {
        let file = fs::OpenOptions::new()
            .read(true)
            // Opening a pipe without a writer would wait for one. No effect on files.
            .custom_flags(OFlags::NONBLOCK.bits() as _)
            .open(path)
            .map_err(|source| failed(path, source))?;
        let metadata = file.metadata().map_err(|source| failed(path, source))?;
        if metadata.is_dir() {
            return Err(Error::IsADirectory {
                path: path.to_owned(),
            });
        }
        if !metadata.is_file() {
            return Err(Error::NotAFile {
                path: path.to_owned(),
            });
        }
        Ok(Self {
            path,
            size: metadata.len(),
            modified: modified(&metadata),
            file,
            hasher: Hasher::default(),
        })
    }

    fn whole(mut self) -> Result<(Option<Bytes>, Digest), Error> {
        let block = self.block()?;
        Ok((block, self.end()?))
    }

    /// The next block, full unless it is the last; `None` after all `size` bytes.
    fn block(&mut self) -> Result<Option<Bytes>, Error> {
        let wanted = BLOCK.min(self.size - self.hasher.size());
        if wanted == 0 {
            return Ok(None);
        }
        let mut block = Vec::with_capacity(wanted as usize);
        (&self.file)
            .take(wanted)
            .read_to_end(&mut block)
            .map_err(|source| failed(self.path, source))?;
        if block.len() as u64 != wanted {
            return Err(self.changed());
        }
        self.hasher.update(&block);
        Ok(Some(Bytes::from(block)))
    }

    fn end(self) -> Result<Digest, Error> {
        let now = self
            .file
            .metadata()
            .map_err(|source| failed(self.path, source))?;
        if now.len() != self.size || modified(&now) != self.modified {
            return Err(self.changed());
        }
        Ok(self.hasher.finish())
    }

    fn changed(&self) -> Error {
        Error::ChangedWhileReading {
            path: self.path.to_owned(),
        }
    }

    /// Doubles the kernel's read-ahead. Only advice, so its failure means nothing.
    fn expect_sequential(&self) {
        #[cfg(target_os = "linux")]
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::Sequential);
    }
}

fn modified(metadata: &fs::Metadata) -> SystemTime {
    // Only platforms without modification times fail here, and no Unix is one.
    metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::new("read", path, source)
}

fn lost(path: &Path) -> Error {
    failed(path, io::Error::other("reading was broken off"))
}

/// Bytes per block: long enough that handing a block over costs nothing next to hashing
/// it (about 0.4 ms), short enough to keep many transfers in little memory.
const BLOCK: u64 = 256 * 1024;

/// Blocks read ahead: evens out a reader that comes in bursts. A transfer holds at most
/// this many plus the one being read, 1.25 MiB.
const BLOCKS_AHEAD: usize = 4;

#[cfg(test)]
mod tests {
    use std::{io::Write, time::Duration};

    use super::*;

    /// More than the reader thread can read ahead, so it is still inside the file when
    /// the first block arrives.
    const LARGE: u64 = (BLOCKS_AHEAD as u64 + 4) * BLOCK + 1;

    fn content(size: u64) -> Vec<u8> {
        (0..size).map(|i| (i % 251) as u8).collect()
    }

    fn file_of(size: u64) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, content(size)).unwrap();
        (dir, path)
    }

    #[tokio::test]
    async fn stream_is_the_file_and_digest_belongs_to_it() {
        for size in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, LARGE] {
            let (_dir, path) = file_of(size);
            let mut source = Source::open(&path).await.unwrap();
            assert_eq!(source.size(), size);
            assert_eq!(
                source.modified(),
                fs::metadata(&path).unwrap().modified().unwrap()
            );
            let mut read = Vec::new();
            while let Some(block) = source.next().await {
                let block = block.unwrap();
                assert!(!block.is_empty() && block.len() as u64 <= BLOCK);
                read.extend_from_slice(&block);
            }
            assert_eq!(read, content(size), "{size}");
            let mut hasher = Hasher::default();
            hasher.update(&read);
            assert_eq!(source.finish().await.unwrap(), hasher.finish(), "{size}");
        }
    }

    #[tokio::test]
    async fn finish_reads_what_the_stream_has_not() {
        let (_dir, path) = file_of(LARGE);
        let mut source = Source::open(&path).await.unwrap();
        source.next().await.unwrap().unwrap();
        assert_eq!(source.finish().await.unwrap(), md5_of(&path).await.unwrap());
    }

    #[tokio::test]
    async fn large_file_that_changes_ends_in_an_error() {
        type Change = fn(&fs::File);
        let changes: [(&str, Change); 3] = [
            ("longer", |mut file| file.write_all(b"x").unwrap()),
            ("shorter", |file| file.set_len(LARGE - 1).unwrap()),
            ("rewritten", |file| {
                let later = SystemTime::now() + Duration::from_secs(1);
                file.set_modified(later).unwrap();
            }),
        ];
        for (name, change) in changes {
            let (_dir, path) = file_of(LARGE);
            let mut source = Source::open(&path).await.unwrap();
            let mut read = source.next().await.unwrap().unwrap().len() as u64;
            change(&fs::OpenOptions::new().append(true).open(&path).unwrap());
            let error = loop {
                match source.next().await.unwrap() {
                    Ok(block) => read += block.len() as u64,
                    Err(error) => break error,
                }
            };
            assert!(matches!(error, Error::ChangedWhileReading { .. }), "{name}");
            assert!(read <= LARGE, "{name}: {read}");
            assert!(source.next().await.is_none(), "{name}");
            assert!(
                matches!(source.finish().await, Err(Error::Io { .. })),
                "{name}"
            );
        }
    }

    #[test]
    fn small_file_that_changes_is_an_error() {
        for (name, now) in [("longer", "12345"), ("shorter", "123"), ("empty", "")] {
            let (_dir, path) = file_of(4);
            let reader = Reader::open(&path).unwrap();
            fs::write(&path, now).unwrap();
            let error = reader.whole().unwrap_err();
            assert!(matches!(error, Error::ChangedWhileReading { .. }), "{name}");
        }
    }

    #[tokio::test]
    async fn only_ordinary_files_are_opened() {
        let (dir, path) = file_of(1);
        let error = Source::open(dir.path()).await.unwrap_err();
        assert!(matches!(error, Error::IsADirectory { .. }));
        let error = Source::open(&path.join("under")).await.unwrap_err();
        assert!(matches!(error, Error::NotADirectory { .. }));
        let error = Source::open(&dir.path().join("none")).await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }));
        let error = Source::open(Path::new("/dev/zero")).await.unwrap_err();
        assert!(matches!(error, Error::NotAFile { .. }));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn pipe_without_a_writer_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        let error = Source::open(&path).await.unwrap_err();
        assert!(matches!(error, Error::NotAFile { .. }));
    }

    #[tokio::test]
    async fn dropped_source_lets_go_of_the_file() {
        let (_dir, path) = file_of(LARGE);
        let (opened, ready) = oneshot::channel();
        let thread = {
            let path = path.clone();
            tokio::task::spawn_blocking(move || run(&path, opened))
        };
        let mut source = ready.await.unwrap().unwrap();
        source.next().await.unwrap().unwrap();
        drop(source);
        thread.await.unwrap();
    }
}
