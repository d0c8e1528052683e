//! Uploads: from the first byte to an object the metadata can refer to.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    sync::Arc,
};

use bytes::Bytes;
use md5::{Digest, Md5};
use tokio::task::{self, JoinHandle};

use super::{BLOCK, Staging, remove};
use crate::{ids, store::Fate};

/// Content on its way in. Holds at most two blocks in memory: one being written while the
/// next is received.
pub(crate) struct Upload {
    staging: Arc<Staging>,
    /// Not yet handed to the writing thread.
    received: Vec<Bytes>,
    received_bytes: u64,
    staged: State,
}

enum State {
    /// Nothing was written so far, or the writing failed.
    None,
    Idle(Staged),
    Writing(JoinHandle<io::Result<Staged>>),
}

impl Upload {
    pub(super) fn new(staging: Arc<Staging>) -> Self {
        Self {
            staging,
            received: Vec::new(),
            received_bytes: 0,
            staged: State::None,
        }
    }

    /// Takes the next bytes; waits when the disk is behind.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        self.received_bytes += bytes.len() as u64;
        self.received.push(bytes);
        if self.received_bytes < BLOCK {
            return Ok(());
        }
        let staged = self.take_staged().await?;
        let bytes = std::mem::take(&mut self.received);
        self.received_bytes = 0;
        let staging = self.staging.clone();
        self.staged = State::Writing(task::spawn_blocking(move || {
            append(staged, staging, &bytes)
        }));
        Ok(())
    }

    /// Makes an object of what came. When this returns, it is as durable as was promised.
    pub(crate) async fn finish(mut self) -> io::Result<Stored> {
        let staged = self.take_staged().await?;
        let Self {
            staging, received, ..
        } = self;
        task::spawn_blocking(move || append(staged, staging, &received)?.publish()).await?
    }

    async fn take_staged(&mut self) -> io::Result<Option<Staged>> {
        if let State::Writing(writing) = &mut self.staged {
            let written = writing.await;
            self.staged = State::None;
            self.staged = State::Idle(written??);
        }
        match std::mem::replace(&mut self.staged, State::None) {
            State::Idle(staged) => Ok(Some(staged)),
            _ => Ok(None),
        }
    }
}

fn append(staged: Option<Staged>, staging: Arc<Staging>, blocks: &[Bytes]) -> io::Result<Staged> {
    let mut staged = staged.map_or_else(|| Staged::create(staging), Ok)?;
    for block in blocks {
        staged.file.write_all(block)?;
        staged.md5.update(block);
        staged.size += block.len() as u64;
    }
    Ok(staged)
}

/// A file in the staging folder. Dropping it removes it.
struct Staged {
    file: File,
    md5: Md5,
    size: u64,
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
            md5: Md5::new(),
            size: 0,
            name: Name {
                staging,
                object,
                path,
                published: None,
            },
        })
    }

    /// Gives the file its second name. First the names, then the waiting: a file system
    /// with a journal has both in the same entry, and then waits once.
    fn publish(mut self) -> io::Result<Stored> {
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
            md5: hex::encode(self.md5.finalize()),
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

#[cfg(test)]
mod tests {
    use std::path::Path;

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
        drop(upload.take_staged().await.unwrap());
        drop(upload);
        assert_eq!(names(dir.path()), (0, 0));
    }
}
