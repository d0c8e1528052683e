//! The metadata store: all SQL of the server is in here.
//!
//! Reads go to a small pool of connections and see what is committed. Writes are values of
//! types that implement [`Mutation`]; one task runs them, many in one transaction, so that
//! one wait for the disk serves all that were waiting ([`writer`]). Nothing is remembered in
//! memory, since other processes may change the same database at any moment.

mod accounts;
mod browse;
mod changes;
mod clients;
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
    clients::{AddClient, Client},
    create::{Create, NewFile},
    edges::{Move, Place, PlaceChange},
    error::{Failure, Refusal},
    grants::{Access, Digest, IssueAccess, IssueCode, IssueRefresh, RedeemCode, Redeemed, Revoke},
    links::IssueLinks,
    node::{Content, Kind, Node, Status},
    programs::{LetIn, TakeBack},
    properties::{ChangeProperties, PropertyChange},
    purge::PurgeTrash,
    query::{Category, Cursor, Order, Query, Scope, SortField, SortKey},
    schema::{NewerSchema, SUPPORTED as SCHEMA},
    sessions::{EndSession, NewSession},
    trash::{Restore, Trash},
    update::{ForgetGarbage, Overwrite, Patch},
    writer::{Fate, Mutation},
};
use self::{figures::OpenedFile, writer::Writer};

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
    pub(crate) async fn open(file: &Path, now: i64) -> Result<Self, OpenError> {
        schema::check(file).await?;
        let options = SqliteConnectOptions::new()
            .filename(file)
            .journal_mode(SqliteJournalMode::Wal)
            // An answer is a promise: what it says must be on the disk.
            .synchronous(SqliteSynchronous::Full)
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

    /// Runs a mutation; when this returns `Ok`, it is on the disk. A mutation once handed
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
