//! What a watcher wants to know of the metadata: how much there is, and whether it answers.

use std::{fs, io, os::unix::fs::MetadataExt, path::PathBuf};

use tokio::task;

use super::{Failure, Store, node, writer::Writing};

/// How much a drive holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Figures {
    /// The root and the trash included.
    pub(crate) nodes: i64,
    /// Those that were put there themselves.
    pub(crate) trashed: i64,
    /// Objects that wait for their deletion.
    pub(crate) garbage: i64,
}

/// The database's file, as it was when it was opened.
#[derive(Debug)]
pub(super) struct OpenedFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl OpenedFile {
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        let identity = identity(&path)?;
        Ok(Self { path, identity })
    }

    /// Blocking.
    fn is_there(&self) -> bool {
        identity(&self.path).is_ok_and(|identity| identity == self.identity)
    }
}

fn identity(path: &PathBuf) -> io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

impl Store {
    pub(crate) async fn figures(&self) -> Result<Figures, Failure> {
        // Each is counted in an index, and of those the last two are small.
        let query = sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM nodes),
                    (SELECT COUNT(*) FROM nodes WHERE exclusively_trashed = 1),
                    (SELECT COUNT(*) FROM garbage)",
        );
        let (nodes, trashed, garbage) = query.fetch_one(&self.readers).await?;
        Ok(Figures {
            nodes,
            trashed,
            garbage,
        })
    }

    /// What the writer has done since the start, and has before it.
    pub(crate) fn writing(&self) -> Writing {
        self.writer.writing()
    }

    /// Whether the database can be read, takes changes, and is still where the next start
    /// will look for it. Cheap: one row and one look at a file's inode.
    ///
    /// # Errors
    /// What is wrong, in words without paths.
    pub(crate) async fn check(&self) -> Result<(), String> {
        let file = self.file.clone();
        // First, as a new connection would open the other file. What is written to a file
        // without a name is lost with the process.
        match task::spawn_blocking(move || file.is_there()).await {
            Ok(true) => {}
            Ok(false) => return Err("its file was removed or replaced while in use".into()),
            Err(error) => return Err(error.to_string()),
        }
        node::root_id(&self.readers)
            .await
            .map_err(|error| error.to_string())?;
        match self.writer.is_closed() {
            true => Err("takes no changes any more".into()),
            false => Ok(()),
        }
    }
}
