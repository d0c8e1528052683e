//! The schema and its versions.

use std::{fs, path::Path};

use sqlx::{Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{OpenError, node};
use crate::ids;

/// One step each, in order; the number of steps taken is the schema's version. Steps that
/// were ever released do not change.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_nodes.sql"),
    include_str!("../../migrations/0002_changes.sql"),
    include_str!("../../migrations/0003_accounts.sql"),
    include_str!("../../migrations/0004_counts.sql"),
];

/// The newest version this program knows.
pub(crate) const SUPPORTED: i64 = MIGRATIONS.len() as i64;

/// The database has a version this program does not know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewerSchema {
    pub(crate) found: i64,
}

/// Looks at the version and leaves no trace: one that only reads would still create the
/// files of a log, if it may assume that others write. That is so where there is a log.
pub(super) async fn check(file: &Path) -> Result<(), OpenError> {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let logged = fs::metadata(log).is_ok_and(|log| log.len() > 0);
    let options = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .immutable(!logged);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let found = version(&mut connection).await?;
    connection.close().await?;
    known(found)
}

/// Takes the steps that are missing, all in one transaction, and makes the root.
pub(super) async fn migrate(connection: &mut SqliteConnection, now: i64) -> Result<(), OpenError> {
    if version(connection).await? == SUPPORTED {
        return Ok(());
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let found = version(&mut transaction).await?;
    known(found)?;
    for (step, sql) in (1_i64..).zip(MIGRATIONS) {
        if step > found {
            transaction.execute(sqlx::raw_sql(*sql)).await?;
            let mark = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {step}"));
            transaction.execute(sqlx::raw_sql(mark)).await?;
        }
    }
    if found == 0 {
        sqlx::query(
            "INSERT INTO nodes (id, kind, is_root, created, modified, created_by)
             VALUES (?1, 'FOLDER', 1, ?2, ?2, ?3)",
        )
        .bind(ids::node_id())
        .bind(now)
        .bind(node::ROOT_CREATOR)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(())
}

pub(super) async fn version(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(connection)
        .await
}

pub(super) fn known(found: i64) -> Result<(), OpenError> {
    match found > SUPPORTED {
        true => Err(OpenError::Newer(NewerSchema { found })),
        false => Ok(()),
    }
}
