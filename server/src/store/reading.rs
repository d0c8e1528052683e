//! A database looked at beside the servers that use it, by what copies or checks it.

use std::path::Path;

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{BUSY, OpenError, schema};

/// A connection that only reads.
pub(crate) struct Reading {
    pub(super) connection: SqliteConnection,
}

/// An object that a node refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsedObject {
    pub(crate) object: String,
    /// The node's id.
    pub(crate) node: String,
    /// Bytes.
    pub(crate) size: i64,
    pub(crate) md5: String,
}

/// Whether others may be using a database while it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Servers may.
    Shared,
    /// Nobody: it is read without locks and leaves no files beside it.
    Alone,
}

impl Reading {
    /// Opens the database in this file; tells its schema version, which is known.
    ///
    /// # Errors
    /// [`OpenError::Newer`]: this program does not know its schema.
    pub(crate) async fn open(file: &Path, usage: Use) -> Result<(Self, i64), OpenError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .read_only(true)
            .immutable(usage == Use::Alone)
            .busy_timeout(BUSY)
            .disable_statement_logging();
        let mut connection = options.connect().await?;
        let version = schema::version(&mut connection).await?;
        schema::known(version)?;
        Ok((Self { connection }, version))
    }

    /// Writes what is committed now into a file, which exists and is empty. Others may read
    /// and write meanwhile.
    pub(crate) async fn copy_to(&mut self, file: &Path) -> Result<(), sqlx::Error> {
        sqlx::query("VACUUM INTO ?1")
            .bind(file.to_string_lossy().into_owned())
            .execute(&mut self.connection)
            .await
            .map(drop)
    }

    /// Some of the objects that nodes refer to: those that come after this one in the order
    /// of their names, at most [`PIECE`].
    pub(crate) async fn objects_after(
        &mut self,
        object: &str,
    ) -> Result<Vec<UsedObject>, sqlx::Error> {
        let query = sqlx::query_as(
            "SELECT object, id, COALESCE(size, -1), COALESCE(md5, '') FROM nodes
             WHERE object > ?1 ORDER BY object LIMIT ?2",
        );
        let rows: Vec<(String, String, i64, String)> = query
            .bind(object)
            .bind(PIECE)
            .fetch_all(&mut self.connection)
            .await?;
        let used = rows
            .into_iter()
            .map(|(object, node, size, md5)| UsedObject {
                object,
                node,
                size,
                md5,
            });
        Ok(used.collect())
    }

    /// Those of the names that are no object any node refers to.
    pub(crate) async fn unused(&mut self, names: &[String]) -> Result<Vec<String>, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT value FROM json_each(?1)
             WHERE value NOT IN (SELECT object FROM nodes WHERE object IS NOT NULL AND object = value)",
        )
        .bind(serde_json::json!(names).to_string())
        .fetch_all(&mut self.connection)
        .await
    }

    /// The number of nodes.
    pub(crate) async fn nodes(&mut self) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar("SELECT COUNT(*) FROM nodes")
            .fetch_one(&mut self.connection)
            .await
    }

    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        self.connection.close().await
    }
}

/// Rows read at once: few enough to hold, many enough that asking for them does not count.
pub(super) const PIECE: i64 = 1000;
