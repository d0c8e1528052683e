//! The bytes of files.
//!
//! An object holds the content of one file and never changes: an overwrite makes a new one.
//! Objects are read and deleted through [`object_store`], so that they may one day lie
//! elsewhere. They are made here by hand, since the store's own writing to a local
//! directory leaves files as readable as the process's umask says, leaves debris that
//! tells nothing of its maker, and waits for the disk twice as often.
//!
//! An upload in flight is a file in its server's own folder below `staging`. When it is
//! whole, it gets a second name, a hard link, below `content`; then file and folder are
//! made durable, and only then may the metadata refer to it. The name in `staging` goes
//! when the metadata's transaction is decided. So every object no node refers to still has
//! a name below `staging`, and whoever sweeps finds all debris there: see [`Staging`].

mod direct;
mod hold;
mod staging;
mod upload;

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use object_store::{
    GetOptions, GetRange, GetResultPayload, ObjectStore, ObjectStoreExt, local::LocalFileSystem,
};
use tokio::{sync::mpsc, task, time::sleep};

use self::hold::Leave;
pub(crate) use self::{
    hold::Hold,
    staging::Staging,
    upload::{Stored, Upload},
};
use crate::store::{ForgetGarbage, Store};

/// The objects of one data directory. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    staging: Arc<Staging>,
}

impl Objects {
    /// Makes the folders that are missing. Blocking.
    pub(crate) fn open(content: &Path, staging: Staging) -> io::Result<Self> {
        create_folders(content)?;
        let store = LocalFileSystem::new_with_prefix(content).map_err(io::Error::other)?;
        Ok(Self {
            store: Arc::new(store),
            staging: Arc::new(staging),
        })
    }

    /// A new upload. What it has written is gone when it is dropped.
    pub(crate) fn upload(&self) -> Upload {
        Upload::new(self.staging.clone())
    }

    /// The bytes of an object from `range.start` to `range.end`, or of its whole; `None` if
    /// there is no such object. Once this has returned, the bytes are there to the end,
    /// even if the object is deleted.
    pub(crate) async fn read(
        &self,
        object: &str,
        range: Range<u64>,
    ) -> io::Result<Option<impl Stream<Item = io::Result<Bytes>> + Send + use<>>> {
        if range.is_empty() {
            return Ok(Some(stream::empty().left_stream()));
        }
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            ..GetOptions::default()
        };
        let found = match self.store.get_opts(&location(object), options).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(io::Error::other(error)),
        };
        if found.range != range {
            let reason = format!("object {object} has {} bytes only", found.meta.size);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason));
        }
        Ok(Some(match found.payload {
            // The store's own stream would read 8 KiB a time, each on another thread.
            GetResultPayload::File(file, _) => blocks(file, range).left_stream().right_stream(),
            GetResultPayload::Stream(stream) => stream
                .map_err(io::Error::other)
                .right_stream()
                .right_stream(),
        }))
    }

    /// An object as a file open for reading.
    pub(crate) async fn file(&self, object: &str) -> io::Result<File> {
        let found = self.store.get(&location(object)).await;
        match found.map_err(io::Error::other)?.payload {
            GetResultPayload::File(file, _) => Ok(file),
            GetResultPayload::Stream(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Whether uploads can be written: a block goes into the folder they go to, and is gone
    /// again.
    ///
    /// # Errors
    /// What is wrong, in words without paths.
    pub(crate) async fn check(&self) -> Result<(), String> {
        let staging = self.staging.clone();
        let probed = task::spawn_blocking(move || staging.probe()).await;
        match probed.unwrap_or_else(|panic| Err(panic.into())) {
            Ok(()) => Ok(()),
            Err(error) => Err(error.kind().to_string()),
        }
    }

    /// `None`: the server stops, or there is no telling.
    async fn leave_to_delete(&self, garbage: &mpsc::UnboundedReceiver<String>) -> Option<Leave> {
        loop {
            match Leave::take(self.staging.content()) {
                Ok(Some(leave)) => return Some(leave),
                Ok(None) if garbage.is_closed() => return None,
                Ok(None) => sleep(HELD_UP).await,
                Err(error) if garbage.is_closed() => {
                    tracing::warn!(target: "amazon_drive_server", %error, "objects wait for the next start to be deleted");
                    return None;
                }
                // Out of descriptors, most likely, and for the moment.
                Err(error) => {
                    tracing::debug!(target: "amazon_drive_server", %error, "objects wait to be deleted");
                    sleep(HELD_UP).await;
                }
            }
        }
    }

    /// Deletes objects and strikes them off the metadata's list of garbage, until all
    /// senders are gone. Waits while a backup holds deletions up.
    pub(crate) async fn collect_garbage(
        self,
        store: Store,
        mut garbage: mpsc::UnboundedReceiver<String>,
    ) {
        let mut objects = Vec::new();
        while garbage.recv_many(&mut objects, 64).await > 0 {
            let Some(leave) = self.leave_to_delete(&garbage).await else {
                // The next start deletes them.
                return;
            };
            let mut deleted = Vec::new();
            for object in objects.drain(..) {
                match self.store.delete(&location(&object)).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => deleted.push(object),
                    Err(error) => {
                        tracing::warn!(target: "amazon_drive_server", %error, "object was not deleted");
                    }
                }
            }
            drop(leave);
            // If this fails, the next start deletes once more what is gone.
            let _ = store.write(ForgetGarbage { objects: deleted }).await;
        }
    }
}

/// Where an object is, seen from the folder `content`: 256 folders in two levels keep each
/// small without making most uploads create one.
fn location(object: &str) -> object_store::path::Path {
    let mut levels = object.chars().take(2).map(String::from);
    let (first, second) = (
        levels.next().unwrap_or_default(),
        levels.next().unwrap_or_default(),
    );
    object_store::path::Path::from_iter([first.as_str(), second.as_str(), object])
}

/// The same on this machine.
pub(crate) fn path(content: &Path, object: &str) -> PathBuf {
    content.join(location(object).as_ref())
}

/// All folders that hold objects.
pub(crate) fn folders(content: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let content = content.to_owned();
    let names = (0..16_u8).flat_map(|first| (0..16_u8).map(move |second| (first, second)));
    names.map(move |(first, second)| content.join(format!("{first:x}/{second:x}")))
}

/// Creates the folders of `content`. The last of them appears, and says that all are there,
/// when the others are durable.
pub(crate) fn create_folders(content: &Path) -> io::Result<()> {
    let create = |path: PathBuf| DirBuilder::new().recursive(true).mode(0o700).create(path);
    let last = content.join("f/f");
    if last.is_dir() {
        return Ok(());
    }
    folders(content)
        .filter(|path| *path != last)
        .try_for_each(create)?;
    // All created first: a file system with a journal then waits once and not each time.
    for first in 0..16 {
        sync_folder(&content.join(format!("{first:x}")))?;
    }
    sync_folder(content)?;
    create(last)?;
    sync_folder(&content.join("f"))
}

pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes a file that may be gone already.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

fn blocks(file: File, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold((file, range), |(mut file, range)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let block = task::spawn_blocking(move || {
            let length = BLOCK.min(range.end - range.start);
            let mut block = BytesMut::zeroed(length as usize);
            file.seek(SeekFrom::Start(range.start))?;
            file.read_exact(&mut block)?;
            Ok::<_, io::Error>((block.freeze(), (file, range.start + length..range.end)))
        });
        block.await?.map(Some)
    })
}

/// Bytes read or written at once: large enough that the hop to another thread does not
/// count, small enough for hundreds of transfers at once.
const BLOCK: u64 = 256 * 1024;

/// Between two looks whether objects may be deleted again: nobody waits for it.
const HELD_UP: Duration = Duration::from_millis(200);
