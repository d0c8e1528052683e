//! Uploads: from the first byte to an object the metadata can refer to.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, IoSlice, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    sync::Arc,
};

use bytes::Bytes;
use fast_md5::Md5;
use tokio::{
    sync::{Semaphore, mpsc},
    task::{self, JoinHandle},
};

use super::{BLOCK, Staging, direct::Direct, remove};
use crate::{ids, store::Fate};

/// Content on its way in. What was received goes in blocks to two lanes, each on a thread of
/// its own: to the disk, and into the checksum, which takes longest.
pub(crate) struct Upload {
    /// Not yet handed to the lanes.
    received: Vec<Bytes>,
    received_bytes: u64,
    writer: Lane<Writer>,
    md5: Lane<Md5>,
}

/// Something that blocks are put into one after the other, on another thread.
enum Lane<T> {
    Idle(T),
    Busy {
        blocks: mpsc::Sender<Vec<Bytes>>,
        work: JoinHandle<io::Result<T>>,
    },
    /// It failed, or is being handed over.
    Gone,
}

trait Work: Send + Sized + 'static {
    fn put(&mut self, block: &[Bytes]) -> io::Result<()>;
}

impl<T: Work> Lane<T> {
    /// Waits until it is idle.
    async fn take(&mut self) -> io::Result<T> {
        match std::mem::replace(self, Self::Gone) {
            Self::Idle(value) => Ok(value),
            Self::Busy { blocks, work } => {
                drop(blocks);
                work.await?
            }
            Self::Gone => Err(io::Error::other("an upload went on after it had failed")),
        }
    }

    /// Sets it to work; waits when it is behind. It has a thread only while it has blocks, so
    /// that slow clients take none.
    async fn put(&mut self, block: Vec<Bytes>) -> io::Result<()> {
        let mut block = block;
        if let Self::Busy { blocks, .. } = self {
            match blocks.send(block).await {
                Ok(()) => return Ok(()),
                // It ran dry, or it failed.
                Err(mpsc::error::SendError(unsent)) => block = unsent,
            }
        }
        let mut value = self.take().await?;
        let far = FAR.try_acquire().ok();
        let (blocks, mut more) = mpsc::channel(if far.is_some() { FAR_AHEAD } else { 1 });
        let work = task::spawn_blocking(move || {
            let _far = far;
            let mut next = Some(block);
            while let Some(block) = next {
                value.put(&block)?;
                drop(block);
                next = more.try_recv().ok().or_else(|| {
                    // What is sent up to here still comes.
                    more.close();
                    more.blocking_recv()
                });
            }
            Ok(value)
        });
        *self = Self::Busy { blocks, work };
        Ok(())
    }
}

impl Upload {
    pub(super) fn new(staging: Arc<Staging>) -> Self {
        Self {
            received: Vec::new(),
            received_bytes: 0,
            writer: Lane::Idle(Writer {
                staging,
                staged: None,
            }),
            md5: Lane::Idle(Md5::new()),
        }
    }

    /// Takes the next bytes; waits when the disk is behind.
    pub(crate) async fn write(&mut self, mut bytes: Bytes) -> io::Result<()> {
        while !bytes.is_empty() {
            // Blocks of exactly this size lie in whole pages of the file.
            let left = (BLOCK - self.received_bytes) as usize;
            let piece = bytes.split_to(left.min(bytes.len()));
            self.received_bytes += piece.len() as u64;
            self.received.push(piece);
            if self.received_bytes == BLOCK || self.received.len() == MOST_PIECES {
                self.received_bytes = 0;
                let block = std::mem::take(&mut self.received);
                self.writer.put(block.clone()).await?;
                self.md5.put(block).await?;
            }
        }
        Ok(())
    }

    /// Makes an object of what came. When this returns, it is as durable as was promised.
    pub(crate) async fn finish(mut self) -> io::Result<Stored> {
        let mut writer = self.writer.take().await?;
        let mut md5 = self.md5.take().await?;
        let rest = self.received;
        let publish = move || {
            writer.put(&rest)?;
            md5.put(&rest)?;
            writer.staged()?.publish(md5)
        };
        task::spawn_blocking(publish).await?
    }
}

impl Work for Md5 {
    fn put(&mut self, block: &[Bytes]) -> io::Result<()> {
        for piece in block {
            self.update(piece);
        }
        Ok(())
    }
}

/// The file, once there is something to write.
struct Writer {
    staging: Arc<Staging>,
    staged: Option<Staged>,
}

impl Writer {
    fn staged(self) -> io::Result<Staged> {
        self.staged.map_or_else(|| Staged::create(self.staging), Ok)
    }
}

impl Work for Writer {
    fn put(&mut self, block: &[Bytes]) -> io::Result<()> {
        let staged = match &mut self.staged {
            Some(staged) => staged,
            none => none.insert(Staged::create(self.staging.clone())?),
        };
        staged.append(block)
    }
}

/// A file in the staging folder. Dropping it removes it.
///
/// Its beginning goes through the system's cache, which is best for small files. When it turns
/// out to be large, the rest goes straight to the disk.
struct Staged {
    file: File,
    size: u64,
    /// Bytes that were sent on their way to the disk.
    begun: u64,
    /// Its last bytes, not written yet, while they go straight to the disk.
    direct: Option<Direct>,
    name: Name,
}

impl Staged {
    fn create(staging: Arc<Staging>) -> io::Result<Self> {
        let object = ids::object();
        let path = staging.folder().join(&object);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        Ok(Self {
            file,
            size: 0,
            begun: 0,
            direct: None,
            name: Name {
                staging,
                object,
                path,
                published: None,
            },
        })
    }

    fn append(&mut self, block: &[Bytes]) -> io::Result<()> {
        let mut pieces: Vec<_> = block.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut pieces = pieces.as_mut_slice();
        while !pieces.is_empty() {
            let taken = match &mut self.direct {
                Some(direct) => direct.gather(pieces),
                None => self.file.write_vectored(pieces),
            };
            match taken {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => {
                    self.size += taken as u64;
                    IoSlice::advance_slices(&mut pieces, taken);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.direct.as_ref().is_some_and(Direct::is_full) {
                self.write_directly()?;
            }
        }
        let behind = self.size - self.begun;
        if behind >= WRITE_BEHIND && self.direct.is_none() {
            let disk = self.name.staging.disk();
            disk.begin(&self.file, self.begun, behind);
            // Where that was refused once, it would be again.
            if self.begun == 0 && Direct::can_begin_at(self.size) {
                self.direct = Direct::new().filter(|_| disk.bypass_cache(&self.file));
            }
            self.begun = self.size;
        }
        Ok(())
    }

    /// Writes what was gathered to the disk.
    fn write_directly(&mut self) -> io::Result<()> {
        let Some(mut direct) = self.direct.take() else {
            return Ok(());
        };
        let mut rest = direct.gathered();
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The disk wants it to lie otherwise, or the file system only now says no.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    self.name.staging.disk().use_cache(&self.file)?;
                    return self.file.write_all(rest);
                }
                Err(error) => return Err(error),
            }
        }
        direct.clear();
        self.direct = Some(direct);
        Ok(())
    }

    /// Writes what was gathered last, which need not fill whole blocks of the disk.
    fn write_rest(&mut self) -> io::Result<()> {
        let Some(direct) = self.direct.take() else {
            return Ok(());
        };
        self.name.staging.disk().use_cache(&self.file)?;
        self.file.write_all(direct.gathered())
    }

    /// Gives the file its second name. First the names, then the waiting: a file system
    /// with a journal has both in the same entry, and then waits once.
    fn publish(mut self, md5: Md5) -> io::Result<Stored> {
        self.write_rest()?;
        let path = self.name.staging.object_path(&self.name.object);
        fs::hard_link(&self.name.path, &path)?;
        let path = self.name.published.insert(path);
        let disk = self.name.staging.disk();
        disk.settle(&self.file)?;
        if let Some(folder) = path.parent() {
            disk.settle_folder(folder)?;
        }
        let size = i64::try_from(self.size).map_err(io::Error::other)?;
        Ok(Stored {
            name: self.name,
            size,
            md5: hex::encode(md5.finalize()),
        })
    }
}

/// A whole, durable object. Dropping it removes it, unless [`settle`](Self::settle) was told
/// that a node refers to it.
pub(crate) struct Stored {
    name: Name,
    size: i64,
    md5: String,
}

impl Stored {
    pub(crate) fn object(&self) -> &str {
        &self.name.object
    }

    /// Bytes.
    pub(crate) fn size(&self) -> i64 {
        self.size
    }

    /// Lower-case hex.
    pub(crate) fn md5(&self) -> &str {
        &self.md5
    }

    /// The object as a file open for reading. Blocking.
    pub(crate) fn open(&self) -> io::Result<File> {
        File::open(&self.name.path)
    }

    /// Keeps or removes the object, now that the metadata's transaction is decided.
    /// Blocking.
    pub(crate) fn settle(mut self, fate: Fate) {
        match fate {
            Fate::Done => self.name.published = None,
            Fate::Undone => {}
            // Both names stay for the sweep after this server's end, which will know.
            Fate::Unknown => self
                .name
                .staging
                .abandon(std::mem::take(&mut self.name.object)),
        }
    }
}

/// The names of a file that nothing refers to yet.
struct Name {
    staging: Arc<Staging>,
    /// Empty: the file is left to a later sweep.
    object: String,
    path: PathBuf,
    published: Option<PathBuf>,
}

impl Drop for Name {
    fn drop(&mut self) {
        if self.object.is_empty() {
            return;
        }
        // The staged name last: it is what a sweep goes by.
        let published = self.published.as_deref().map_or(Ok(()), remove);
        if let Err(error) = published.and_then(|()| remove(&self.path)) {
            tracing::warn!(target: "amazon_drive_server", %error, "staged content was not removed");
        }
    }
}

/// Bytes after which the disk is set to work on an upload that goes on, so that little is left
/// to wait for at its end: enough for a disk to write in one go.
const WRITE_BEHIND: u64 = 8 * 1024 * 1024;

/// Blocks that a lane may have waiting: enough that the checksum, which one thread has to make
/// from start to end, goes on while others have the processor.
const FAR_AHEAD: usize = 16;

/// How many lanes may be that far ahead; others have one block waiting. Bounds the memory that
/// many uploads take.
static FAR: Semaphore = Semaphore::const_new(8);

/// A client may send its file byte by byte, and each piece takes more memory than that. No
/// more go into one write either.
const MOST_PIECES: usize = 256;

#[cfg(test)]
mod tests {
    use std::{io::Read, path::Path};

    use super::*;
    use crate::{
        content::Objects,
        durability::{Disk, Durability},
    };

    /// The files with staged names, and the objects.
    fn names(dir: &Path) -> (usize, usize) {
        fn files(folder: &Path) -> usize {
            let entries = fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().path());
            entries
                .map(|path| if path.is_dir() { files(&path) } else { 1 })
                .sum()
        }
        let locks = 1;
        (
            files(&dir.join("staging")) - locks,
            files(&dir.join("content")),
        )
    }

    fn objects(dir: &Path, disk: Disk) -> Objects {
        let (staging, content) = (dir.join("staging"), dir.join("content"));
        fs::create_dir(&staging).unwrap();
        fs::create_dir(&content).unwrap();
        Objects::open(&content, Staging::create(&staging, &content, disk).unwrap()).unwrap()
    }

    async fn stored(objects: &Objects) -> Stored {
        let mut upload = objects.upload();
        upload.write(Bytes::from_static(b"hello ")).await.unwrap();
        upload.write(Bytes::from_static(b"world")).await.unwrap();
        upload.finish().await.unwrap()
    }

    #[tokio::test]
    async fn object_lives_or_dies_with_its_transaction() {
        let dir = tempfile::tempdir().unwrap();
        let objects = objects(dir.path(), Disk::new(Durability::Full));
        let done = stored(&objects).await;
        assert_eq!(
            (done.size(), done.md5()),
            (11, "5eb63bbbe01eeed093cb22bb8f5acdc3")
        );
        assert_eq!(names(dir.path()), (1, 1), "both names until it is decided");
        done.settle(Fate::Done);
        assert_eq!(names(dir.path()), (0, 1));
        stored(&objects).await.settle(Fate::Undone);
        assert_eq!(names(dir.path()), (0, 1));
        drop(stored(&objects).await);
        assert_eq!(names(dir.path()), (0, 1));
    }

    #[tokio::test]
    async fn only_full_durability_waits_for_the_disk() {
        for (durability, waits) in [(Durability::Full, true), (Durability::Relaxed, false)] {
            let dir = tempfile::tempdir().unwrap();
            let objects = objects(dir.path(), Disk::broken(durability));
            let mut upload = objects.upload();
            upload.write(Bytes::from_static(b"hello")).await.unwrap();
            let stored = upload.finish().await;
            assert_eq!(stored.is_err(), waits, "{durability:?}");
            drop(stored);
            assert_eq!(names(dir.path()), (0, 0), "{durability:?}");
        }
    }

    #[tokio::test]
    async fn object_of_unknown_fate_is_left_to_the_sweep() {
        let dir = tempfile::tempdir().unwrap();
        let objects = objects(dir.path(), Disk::new(Durability::Full));
        let stored = stored(&objects).await;
        let object = stored.object().to_owned();
        stored.settle(Fate::Unknown);
        drop(objects);
        assert_eq!(names(dir.path()), (1, 1));
        let debris = Staging::debris(&dir.path().join("staging")).unwrap();
        assert_eq!(debris.len(), 1);
        assert_eq!(debris[0].objects().unwrap(), [object]);
    }

    #[tokio::test]
    async fn dropped_upload_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let objects = objects(dir.path(), Disk::new(Durability::Full));
        let mut upload = objects.upload();
        for _ in 0..3 {
            upload.write(Bytes::from(vec![1; 300_000])).await.unwrap();
        }
        // Whatever is still being written is waited for here.
        drop(upload.writer.take().await.unwrap());
        drop(upload);
        assert_eq!(names(dir.path()), (0, 0));
    }

    /// On the disk that the programs are built on, and where other tests have their files: one
    /// of the two may be a file system without a disk.
    fn folders() -> [tempfile::TempDir; 2] {
        let built = std::env::current_exe().unwrap();
        [
            tempfile::tempdir().unwrap(),
            tempfile::tempdir_in(built.parent().unwrap()).unwrap(),
        ]
    }

    fn content(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|at| (at ^ (at >> 11)) as u8).collect()
    }

    fn assert_holds(stored: &Stored, content: &[u8]) {
        assert_eq!(stored.size(), content.len() as i64);
        assert_eq!(stored.md5(), hex::encode(fast_md5::digest(content)));
        let mut found = Vec::new();
        stored.open().unwrap().read_to_end(&mut found).unwrap();
        assert!(found == content, "other bytes");
    }

    #[tokio::test]
    async fn large_upload_is_whole() {
        const MIB: usize = 1024 * 1024;
        let long = content(20 * MIB + 4097);
        for dir in folders() {
            let disks = [Disk::new(Durability::Full), Disk::cached()];
            for (nr, disk) in disks.into_iter().enumerate() {
                let dir = dir.path().join(nr.to_string());
                fs::create_dir(&dir).unwrap();
                let objects = objects(&dir, disk);
                for (size, piece) in [
                    (long.len(), 7_001),
                    (20 * MIB, 65_536),
                    (9 * MIB, 300_000),
                    (8 * MIB + 1, MIB),
                    (8 * MIB, 16_384),
                    // The beginning does not end with a whole block.
                    (9 * MIB, 999),
                ] {
                    let content = &long[..size];
                    let mut upload = objects.upload();
                    for piece in content.chunks(piece) {
                        upload.write(Bytes::copy_from_slice(piece)).await.unwrap();
                    }
                    assert_holds(&upload.finish().await.unwrap(), content);
                }
                assert_eq!(names(&dir), (0, 0));
            }
        }
    }

    #[tokio::test]
    async fn only_the_rest_of_a_large_upload_goes_past_the_cache() {
        for dir in folders() {
            let disk = Disk::new(Durability::Full);
            let probe = File::create(dir.path().join("probe")).unwrap();
            let possible = disk.bypass_cache(&probe);
            let objects = objects(dir.path(), disk);
            let mut staged = Staged::create(objects.staging.clone()).unwrap();
            let block = [Bytes::from(content(BLOCK as usize))];
            while staged.size < WRITE_BEHIND {
                assert!(staged.direct.is_none());
                staged.append(&block).unwrap();
            }
            assert_eq!(staged.direct.is_some(), possible);
            staged.append(&block).unwrap();
            assert_eq!(staged.size, WRITE_BEHIND + BLOCK);
            drop(staged);
            assert_eq!(names(dir.path()), (0, 0));
        }
    }

    #[tokio::test]
    async fn what_the_disk_refuses_goes_through_the_cache() {
        for dir in folders() {
            let disk = Disk::new(Durability::Full);
            let objects = objects(dir.path(), disk);
            let mut staged = Staged::create(objects.staging.clone()).unwrap();
            let content = content(3 * 1024 * 1024);
            // No disk takes blocks that begin there.
            let (odd, rest) = content.split_at(1);
            staged.append(&[Bytes::copy_from_slice(odd)]).unwrap();
            staged.direct = Direct::new().filter(|_| disk.bypass_cache(&staged.file));
            for block in rest.chunks(BLOCK as usize) {
                staged.append(&[Bytes::copy_from_slice(block)]).unwrap();
            }
            let mut md5 = Md5::new();
            md5.update(&content);
            assert_holds(&staged.publish(md5).unwrap(), &content);
            assert_eq!(names(dir.path()), (0, 0));
        }
    }
}
