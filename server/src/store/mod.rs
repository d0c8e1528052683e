//! The metadata store: all SQL of the server is in here.
//!
//! Reads go to a small pool of connections and see what is committed. Writes are values of
//! types that implement [`Mutation`]; one task runs them, many in one transaction, so that
//! one wait for the disk serves all that were waiting ([`writer`]). Nothing is remembered in
//! memory, since other processes may change the same database at any moment.

mod accounts;
mod browse;
mod changes;
mod check;
mod clients;
mod count;
mod create;
mod edges;
mod error;
mod figures;
mod grants;
mod links;
mod node;
mod programs;
mod properties;
mod purge;
mod query;
mod reading;
mod schema;
mod sessions;
mod trash;
mod update;
mod writer;

use std::{path::Path, sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

pub(crate) use self::{
    accounts::{Account, AddUser, RemoveUser, SetPassword},
    browse::{FolderPage, FolderPlace, Step, TrashCursor, TrashItem, TrashPage},
    check::{Mending, Suspect},
    clients::{AddClient, Client},
    create::{Create, NewFile},
    edges::{Move, Place, PlaceChange},
    error::{Failure, Refusal},
    grants::{Access, Digest, IssueAccess, IssueCode, IssueRefresh, RedeemCode, Redeemed, Revoke},
    links::{IssueLinks, VoidLinks},
    node::{Content, Kind, Node, Status},
    programs::{LetIn, TakeBack},
    properties::{ChangeProperties, PropertyChange},
    purge::PurgeTrash,
    query::{Category, Cursor, Order, Query, Scope, SortField, SortKey},
    reading::{Reading, Use, UsedObject},
    schema::{NewerSchema, SUPPORTED as SCHEMA},
    sessions::{EndSession, NewSession},
    trash::{Restore, Trash},
    update::{ForgetGarbage, Overwrite, Patch},
    writer::{Fate, Mutation},
};
use self::{figures::OpenedFile, writer::Writer};
use crate::durability::Durability;

/// The metadata of one data directory, open. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    readers: SqlitePool,
    writer: Writer,
    file: Arc<OpenedFile>,
}

impl Store {
    /// Opens the database in this file, which exists and may be empty, and brings it to the
    /// newest schema. No two may do this at the same moment.
    ///
    /// # Errors
    /// [`OpenError::Newer`]: nothing was changed.
    pub(crate) async fn open(
        file: &Path,
        now: i64,
        durability: Durability,
    ) -> Result<Self, OpenError> {
        schema::check(file).await?;
        let options = SqliteConnectOptions::new()
            .filename(file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(match durability {
                Durability::Full => SqliteSynchronous::Full,
                // Waits before the log goes into the database, and so keeps that sound.
                Durability::Relaxed => SqliteSynchronous::Normal,
            })
            .busy_timeout(BUSY)
            .foreign_keys(true)
            .disable_statement_logging();
        let mut connection = options.connect().await?;
        schema::migrate(&mut connection, now).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_lazy_with(options.pragma("query_only", "ON"));
        let opened = OpenedFile::new(file.to_owned()).map_err(sqlx::Error::Io)?;
        Ok(Self {
            readers,
            writer: Writer::start(connection),
            file: Arc::new(opened),
        })
    }

    /// Runs a mutation; when this returns `Ok`, it is as durable as was promised. A mutation once handed
    /// over runs to its end even if this future is dropped.
    pub(crate) async fn write<M: Mutation>(&self, mutation: M) -> Result<M::Output, Failure> {
        self.writer.run(mutation).await
    }

    /// Ends the writer when its work is done, then closes everything.
    pub(crate) async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }
}

/// Why the database could not be opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    Newer(NewerSchema),
    Database(sqlx::Error),
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// How long to wait for another process's transaction. Those take milliseconds; trashing a
/// folder of a million nodes takes seconds.
const BUSY: Duration = Duration::from_secs(30);

/// Reads at once. They are short and the disk's cache answers most: more connections than
/// this would only cost their threads.
const READERS: u32 = 4;

#[cfg(test)]
mod tests {
    use sqlx::SqliteConnection;

    use super::*;

    /// Reads how far a commit waits for the disk.
    struct Synchronous;

    impl Mutation for Synchronous {
        type Output = i64;

        async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<i64, Failure> {
            let query = sqlx::query_scalar("PRAGMA synchronous");
            Ok(query.fetch_one(connection).await?)
        }
    }

    #[tokio::test]
    async fn commits_wait_for_the_disk_unless_durability_is_relaxed() {
        for (durability, expected) in [(Durability::Full, 2), (Durability::Relaxed, 1)] {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("db");
            std::fs::write(&file, "").unwrap();
            let store = Store::open(&file, 0, durability).await.unwrap();
            assert_eq!(store.write(Synchronous).await.unwrap(), expected);
            store.close().await;
        }
    }
}
