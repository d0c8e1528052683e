//! The data directory: what lies where, and what has to happen before it can be used.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use tokio::task;

use crate::{
    Error,
    content::{self, Objects, Staging},
    durability::{Disk, Durability},
    store::{self, OpenError, Store},
};

/// An open data directory.
pub(crate) struct DataDir {
    pub(crate) store: Store,
    pub(crate) objects: Objects,
    /// Objects that wait for their deletion.
    pub(crate) garbage: Vec<String>,
}

impl DataDir {
    /// Opens the directory or makes a new one, and sweeps out what dead servers left.
    pub(crate) async fn open(root: &Path, now: i64, durability: Durability) -> Result<Self, Error> {
        let paths = Paths::new(root);
        let store = open_store(root, now, durability).await?;
        let objects = {
            let paths = paths.clone();
            blocking(root, move || {
                create_folder(&paths.staging)?;
                create_folder(&paths.content)?;
                Objects::open(
                    &paths.content,
                    Staging::create(&paths.staging, &paths.content, Disk::new(durability))?,
                )
            })
            .await?
        };
        sweep(root, &paths, &store).await?;
        let garbage = store
            .garbage()
            .await
            .map_err(|source| storage(root, source))?;
        Ok(Self {
            store,
            objects,
            garbage,
        })
    }
}

/// Opens the metadata alone, creating the directory if it is missing.
pub(crate) async fn open_store(
    root: &Path,
    now: i64,
    durability: Durability,
) -> Result<Store, Error> {
    let paths = Paths::new(root);
    let database = paths.database.clone();
    let _lock = blocking(root, move || paths.create_root()).await?;
    {
        let database = database.clone();
        blocking(root, move || create_file(&database)).await?;
    }
    let opened = Store::open(&database, now, durability).await;
    opened.map_err(|error| match error {
        OpenError::Newer(newer) => Error::NewerSchema {
            path: root.to_owned(),
            found: newer.found,
            supported: store::SCHEMA,
        },
        OpenError::Database(source) => storage(root, source),
    })
}

/// Where things are in a data directory.
#[derive(Clone)]
pub(crate) struct Paths {
    pub(crate) root: PathBuf,
    pub(crate) database: PathBuf,
    pub(crate) content: PathBuf,
    pub(crate) staging: PathBuf,
}

impl Paths {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            database: root.join("metadata.sqlite3"),
            content: root.join("content"),
            staging: root.join("staging"),
        }
    }

    /// Creates the directory, and waits until no other process is opening it: two that
    /// bring one database to a new schema, or to its journal mode, would meet.
    fn create_root(&self) -> io::Result<File> {
        create_folder(&self.root)?;
        let lock = File::open(&self.root)?;
        lock.lock()?;
        // What servers change is no copy of anything any more.
        content::remove(&self.root.join(BACKUP_MARK))?;
        Ok(lock)
    }
}

/// Removes the uploads that were in flight in dead servers. A content that a node refers to
/// had only not lost its staged name yet.
async fn sweep(root: &Path, paths: &Paths, store: &Store) -> Result<(), Error> {
    let staging = paths.staging.clone();
    for debris in blocking(root, move || Staging::debris(&staging)).await? {
        let (debris, objects) = blocking(root, move || {
            let objects = debris.objects()?;
            Ok((debris, objects))
        })
        .await?;
        let mut kept = Vec::new();
        for object in &objects {
            if store
                .refers_to(object)
                .await
                .map_err(|source| storage(root, source))?
            {
                kept.push(object.clone());
            }
        }
        tracing::info!(
            target: "amazon_drive_server",
            removed = objects.len() - kept.len(),
            kept = kept.len(),
            "swept up after a server that was killed"
        );
        let content = paths.content.clone();
        blocking(root, move || debris.remove(&content, &objects, &kept)).await?;
    }
    Ok(())
}

fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// SQLite gives its other files the mode of this one. A file that is there must not even be
/// opened: closing it again would drop the locks that another server of this process has.
fn create_file(path: &Path) -> io::Result<()> {
    if path.try_exists()? {
        return Ok(());
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map(drop)
}

pub(crate) async fn blocking<T: Send + 'static>(
    root: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let outcome = task::spawn_blocking(work)
        .await
        .unwrap_or_else(|panic| Err(panic.into()));
    let not_a_directory = |root: &Path| fs::metadata(root).is_ok_and(|found| !found.is_dir());
    outcome.map_err(|source| match source.kind() {
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists if not_a_directory(root) => {
            Error::NotADirectory {
                path: root.to_owned(),
            }
        }
        _ => Error::DataDirectory {
            path: root.to_owned(),
            source,
        },
    })
}

/// A file that only a backup has, from when it is whole until a server uses it.
pub(crate) const BACKUP_MARK: &str = "backup.json";

/// The public error of a failed database.
pub(crate) fn storage(
    root: &Path,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::Storage {
        path: root.to_owned(),
        source: source.into(),
    }
}
