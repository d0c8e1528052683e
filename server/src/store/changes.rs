//! What changed since when: nodes in the order of their last change.

use sqlx::{FromRow, Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    Failure, Kind, Node, Status, Store,
    node::{COLUMNS, known},
};

/// Some of the nodes that changed.
#[derive(Clone, Debug)]
pub(crate) struct ChangesPage {
    /// In the order of their last change; those that are gone have status PURGED and little
    /// else.
    pub(crate) nodes: Vec<Node>,
    /// All changes up to this number are in this page or in one before it, or were followed
    /// by a change with a higher number.
    pub(crate) until: i64,
}

impl Store {
    /// The number of the newest change, and what tells this drive's history of changes from
    /// others.
    pub(crate) async fn history(&self) -> Result<(i64, Vec<u8>), Failure> {
        let query = sqlx::query_as(
            "SELECT (SELECT COALESCE(MAX(seq), 0) FROM changes), history FROM drive",
        );
        Ok(query.fetch_one(&self.readers).await?)
    }

    /// The nodes whose last change has a number above `after` and up to `until`; of more
    /// than `limit`, the first. `None`: there are none.
    pub(crate) async fn changes(
        &self,
        after: i64,
        until: i64,
        limit: u32,
        purged: bool,
    ) -> Result<Option<ChangesPage>, Failure> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT c.seq AS change, p.id AS purged_id, p.kind AS purged_kind,
                    p.version AS purged_version, p.created AS purged_created,
                    p.modified AS purged_modified, p.created_by AS purged_created_by, {COLUMNS}
             FROM changes c LEFT JOIN nodes n ON n.id = c.node LEFT JOIN purged p ON p.id = c.node
             WHERE c.seq > ?1 AND c.seq <= ?2 ORDER BY c.seq LIMIT ?3"
        ));
        let rows = sqlx::query(sql)
            .bind(after)
            .bind(until)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        let Some(last) = rows.last() else {
            return Ok(None);
        };
        let until = last.try_get("change")?;
        let mut nodes = Vec::with_capacity(rows.len());
        for row in &rows {
            match tombstone(row)? {
                None => nodes.push(Node::from_row(row)?),
                Some(gone) if purged => nodes.push(gone),
                Some(_) => {}
            }
        }
        Ok(Some(ChangesPage { nodes, until }))
    }
}

/// Puts a node among the changes that has not changed itself.
pub(super) async fn mark(connection: &mut SqliteConnection, node: &str) -> Result<(), sqlx::Error> {
    for sql in [
        "DELETE FROM changes WHERE node = ?1",
        "INSERT INTO changes (node) VALUES (?1)",
    ] {
        sqlx::query(sql)
            .bind(node)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// What is left of a purged node, if the row is of one.
fn tombstone(row: &SqliteRow) -> Result<Option<Node>, sqlx::Error> {
    let Some(id) = row.try_get("purged_id")? else {
        return Ok(None);
    };
    Ok(Some(Node {
        id,
        kind: known(row, "purged_kind", Kind::parse)?,
        name: None,
        status: Status::Purged,
        exclusively_trashed: false,
        recursively_trashed: false,
        version: row.try_get("purged_version")?,
        created: row.try_get("purged_created")?,
        modified: row.try_get("purged_modified")?,
        created_by: row.try_get("purged_created_by")?,
        description: None,
        labels: Vec::new(),
        parents: Vec::new(),
        content: None,
    }))
}
