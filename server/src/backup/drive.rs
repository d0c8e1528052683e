//! One drive copied: its metadata, and every content they refer to.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

use futures::{StreamExt, TryStreamExt, stream};

use super::{BackupSummary, target::create_private, unopened};
use crate::{
    Error,
    content::{self, Hold},
    data_dir::{Paths, blocking, storage},
    store::{Mending, Reading, Use, UsedObject},
};

/// From where to where.
struct Ends {
    source: Paths,
    partial: Paths,
    /// An earlier backup.
    previous: Option<Paths>,
}

/// How a content came into the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    Copied,
    Linked,
    Kept,
    /// The source has it no longer, or not as long as it should be.
    Not,
}

/// Which contents a pass can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// Deletions go on: a content that has gone was overwritten.
    Ahead,
    /// All have to be there.
    Final,
}

/// Copies one drive into the folder `partial`. What that has already is used.
pub(super) async fn copy(
    source: &Path,
    partial: &Path,
    previous: Option<&Path>,
    summary: &mut BackupSummary,
    progress: &mut impl FnMut(&BackupSummary),
) -> Result<(), Error> {
    let ends = Arc::new(Ends {
        source: Paths::new(source),
        partial: Paths::new(partial),
        previous: previous.map(Paths::new),
    });
    {
        let ends = ends.clone();
        blocking(partial, move || {
            create_private(&ends.partial.root)?;
            create_private(&ends.partial.content)?;
            content::create_folders(&ends.partial.content)
        })
        .await?;
    }
    let opened = Reading::open(&ends.source.database, Use::Shared).await;
    let (mut reading, version) = opened.map_err(|error| unopened(source, error))?;
    if version == 0 {
        // A server is about to make it.
        return Ok(());
    }
    // Most of the work, with nobody held up.
    pass(&mut reading, &ends, Pass::Ahead, summary, progress).await?;
    let held = ends.source.content.clone();
    let hold = blocking(source, move || Hold::take(&held)).await?;
    let fresh = ends.partial.database.clone();
    blocking(partial, move || empty(&fresh)).await?;
    let copied = reading.copy_to(&ends.partial.database).await;
    copied.map_err(|error| storage(source, error))?;
    reading
        .close()
        .await
        .map_err(|error| storage(source, error))?;
    if version >= WITH_HISTORY {
        let renewed = async {
            let mut copy = Mending::open(&ends.partial.database).await?;
            copy.renew_history().await?;
            copy.close().await
        };
        renewed.await.map_err(|error| storage(partial, error))?;
    }
    let opened = Reading::open(&ends.partial.database, Use::Alone).await;
    let (mut copy, _) = opened.map_err(|error| unopened(partial, error))?;
    pass(&mut copy, &ends, Pass::Final, summary, progress).await?;
    drop(hold);
    sweep(&mut copy, &ends).await?;
    let nodes = copy
        .nodes()
        .await
        .map_err(|error| storage(partial, error))?;
    summary.nodes += u64::try_from(nodes).unwrap_or_default();
    summary.drives += 1;
    progress(summary);
    copy.close()
        .await
        .map_err(|error| storage(partial, error))?;
    blocking(partial, move || settle(&ends.partial)).await
}

/// Brings every content into the copy that the metadata refer to.
async fn pass(
    metadata: &mut Reading,
    ends: &Arc<Ends>,
    pass: Pass,
    summary: &mut BackupSummary,
    progress: &mut impl FnMut(&BackupSummary),
) -> Result<(), Error> {
    let mut last = String::new();
    loop {
        let piece = metadata.objects_after(&last).await;
        let piece = piece.map_err(|error| storage(&ends.source.root, error))?;
        let Some(end) = piece.last() else {
            return Ok(());
        };
        last.clone_from(&end.object);
        let mut batches = stream::iter(batches(piece))
            .map(|batch| {
                let ends = ends.clone();
                async move {
                    let root = ends.partial.root.clone();
                    blocking(&root, move || {
                        batch
                            .into_iter()
                            .map(|used| Ok((fetch(&ends, &used)?, used)))
                            .collect::<io::Result<Vec<_>>>()
                    })
                    .await
                }
            })
            .buffer_unordered(AT_ONCE);
        while let Some(batch) = batches.try_next().await? {
            for (came, used) in batch {
                match came {
                    Came::Copied => {
                        summary.copied += 1;
                        summary.copied_bytes += u64::try_from(used.size).unwrap_or_default();
                    }
                    Came::Linked => summary.linked += 1,
                    // Those of the first pass are met again in the second.
                    Came::Kept if pass == Pass::Ahead => summary.kept += 1,
                    Came::Kept => {}
                    Came::Not if pass == Pass::Ahead => {}
                    Came::Not => {
                        return Err(Error::LostContent {
                            path: ends.source.root.clone(),
                            object: used.object,
                        });
                    }
                }
            }
            progress(summary);
        }
    }
}

fn batches(mut objects: Vec<UsedObject>) -> Vec<Vec<UsedObject>> {
    let mut batches = Vec::new();
    while objects.len() > BATCH {
        let rest = objects.split_off(BATCH);
        batches.push(std::mem::replace(&mut objects, rest));
    }
    batches.push(objects);
    batches
}

/// Brings one content into the copy. Blocking.
fn fetch(ends: &Ends, used: &UsedObject) -> io::Result<Came> {
    let size = u64::try_from(used.size).ok();
    let is_whole = |path: &Path| match fs::symlink_metadata(path) {
        Ok(found) => Ok(found.is_file() && Some(found.len()) == size),
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    };
    let to = content::path(&ends.partial.content, &used.object);
    if is_whole(&to)? {
        return Ok(Came::Kept);
    }
    content::remove(&to)?;
    if let Some(previous) = &ends.previous {
        let from = content::path(&previous.content, &used.object);
        if is_whole(&from)? && fs::hard_link(&from, &to).is_ok() {
            return Ok(Came::Kept);
        }
    }
    let from = content::path(&ends.source.content, &used.object);
    let came = match fs::hard_link(&from, &to) {
        Ok(()) => Came::Linked,
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(Came::Not),
        // Another file system, or one that cannot, or too many names.
        Err(_) => match duplicate(&from, &to) {
            Ok(()) => Came::Copied,
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(Came::Not),
            Err(error) => return Err(error),
        },
    };
    if is_whole(&to)? {
        return Ok(came);
    }
    content::remove(&to)?;
    Ok(Came::Not)
}

/// Copies the bytes. The name appears when they are on the disk.
fn duplicate(from: &Path, to: &Path) -> io::Result<()> {
    let mut from = File::open(from)?;
    let unfinished = to.with_extension("tmp");
    content::remove(&unfinished)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    io::copy(&mut from, &mut file)?;
    file.sync_all()?;
    fs::rename(&unfinished, to)
}

/// An empty database file in place of what an interrupted run left.
fn empty(database: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut path = database.as_os_str().to_owned();
        path.push(suffix);
        content::remove(Path::new(&path))?;
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(database)
        .map(drop)
}

/// Removes from the copy what its metadata do not refer to: contents overwritten while it
/// was made, and what an interrupted run left.
async fn sweep(copy: &mut Reading, ends: &Arc<Ends>) -> Result<(), Error> {
    let root = &ends.partial.root;
    for folder in content::folders(&ends.partial.content) {
        let listed = {
            let folder = folder.clone();
            blocking(root, move || list(&folder)).await?
        };
        for names in listed.chunks(BATCH) {
            let unused = copy.unused(names).await;
            let unused = unused.map_err(|error| storage(root, error))?;
            let folder = folder.clone();
            blocking(root, move || {
                unused
                    .iter()
                    .try_for_each(|name| content::remove(&folder.join(name)))
            })
            .await?;
        }
    }
    Ok(())
}

fn list(folder: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}

/// Waits until all names, and the metadata, are on the disk; contents are already.
fn settle(partial: &Paths) -> io::Result<()> {
    File::open(&partial.database)?.sync_all()?;
    for folder in content::folders(&partial.content) {
        content::sync_folder(&folder)?;
    }
    let above = [&partial.content, &partial.root];
    above
        .into_iter()
        .try_for_each(|folder| content::sync_folder(folder))?;
    // An account's drive: its folder is new in the one of all accounts.
    match partial.root.parent() {
        Some(parent) => content::sync_folder(parent),
        None => Ok(()),
    }
}

/// The schema version from which on a drive has a history of changes.
const WITH_HISTORY: i64 = 2;

/// Contents of one hop to another thread.
const BATCH: usize = 50;

/// Batches at once: most of the time they wait for the disk.
const AT_ONCE: usize = 8;
