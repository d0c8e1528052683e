//! Into the trash and back. A folder takes along all that lies below it.

use sqlx::SqliteConnection;

use super::{
    Failure, Mutation, Node, Refusal, Status, edges,
    node::{get, get_changeable, touch},
};

/// Puts a node into the trash, and all available nodes below it.
pub(crate) struct Trash {
    pub(crate) id: String,
    pub(crate) now: i64,
}

/// Takes a node out of the trash, and what went there with it: not what lay there before.
pub(crate) struct Restore {
    pub(crate) id: String,
    pub(crate) now: i64,
}

impl Mutation for Trash {
    type Output = Node;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<Node, Failure> {
        let node = get_changeable(connection, &self.id).await?;
        if !node.exclusively_trashed {
            sqlx::query("UPDATE nodes SET status = 'TRASH', exclusively_trashed = 1, trashed = ?2 WHERE id = ?1")
                .bind(&self.id)
                .bind(self.now)
                .execute(&mut *connection)
                .await?;
            touch(connection, &self.id, self.now).await?;
            sqlx::query(
                "WITH RECURSIVE below (id) AS (
                     SELECT child FROM edges WHERE parent = ?1
                     UNION
                     SELECT e.child FROM below b JOIN edges e ON e.parent = b.id
                 )
                 UPDATE nodes SET status = 'TRASH', recursively_trashed = 1, version = version + 1
                 WHERE status = 'AVAILABLE' AND id IN (SELECT id FROM below)",
            )
            .bind(&self.id)
            .execute(&mut *connection)
            .await?;
        }
        get(connection, &self.id).await
    }
}

impl Mutation for Restore {
    type Output = Node;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<Node, Failure> {
        let node = get_changeable(connection, &self.id).await?;
        if node.status != Status::Trash {
            return Ok(node);
        }
        check_parents(connection, &node).await?;
        match restore(connection, &self.id).await {
            Ok(()) => {}
            Err(error) if edges::is_unique_violation(&error) => {
                return Err(clash(connection, &self.id)
                    .await?
                    .unwrap_or_else(|| error.into()));
            }
            Err(error) => return Err(error.into()),
        }
        touch(connection, &self.id, self.now).await?;
        get(connection, &self.id).await
    }
}

/// A node that went into the trash with a folder, and is in no trashed folder any more, lies
/// there by itself from now on: nothing else would ever list, restore or purge it.
pub(super) async fn stand_alone(
    connection: &mut SqliteConnection,
    id: &str,
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE nodes SET exclusively_trashed = 1, recursively_trashed = 0, trashed = ?2
         WHERE id = ?1 AND status = 'TRASH' AND exclusively_trashed = 0 AND NOT EXISTS (
             SELECT 1 FROM edges e JOIN nodes p ON p.id = e.parent WHERE e.child = ?1 AND p.status = 'TRASH'
         )",
    )
    .bind(id)
    .bind(now)
    .execute(connection)
    .await
    .map(drop)
}

/// A node comes back to where it can be seen: one of its folders is not in the trash.
async fn check_parents(connection: &mut SqliteConnection, node: &Node) -> Result<(), Failure> {
    for parent in &node.parents {
        match edges::check_folder(connection, parent).await {
            Err(Failure::Refused(Refusal::TrashedParent)) => {}
            outcome => return outcome,
        }
    }
    Err(Refusal::TrashedParent.into())
}

async fn restore(connection: &mut SqliteConnection, id: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE nodes
         SET status = 'AVAILABLE', exclusively_trashed = 0, recursively_trashed = 0, trashed = NULL
         WHERE id = ?1",
    )
    .bind(id)
    .execute(&mut *connection)
    .await?;
    let sql = sqlx::AssertSqlSafe(format!(
        "{WENT_ALONG}
         UPDATE nodes
         SET status = CASE exclusively_trashed WHEN 1 THEN 'TRASH' ELSE 'AVAILABLE' END,
             recursively_trashed = 0, version = version + 1
         WHERE id IN (SELECT id FROM along)"
    ));
    sqlx::query(sql)
        .bind(id)
        .execute(connection)
        .await
        .map(drop)
}

/// The nodes that a folder took into the trash. What was trashed itself, before that or
/// after, stays there and keeps what is below it.
const WENT_ALONG: &str = "WITH RECURSIVE along (id, exclusively) AS (
         SELECT n.id, n.exclusively_trashed FROM edges e JOIN nodes n ON n.id = e.child
         WHERE e.parent = ?1 AND n.recursively_trashed = 1
         UNION
         SELECT n.id, n.exclusively_trashed FROM along a
         JOIN edges e ON e.parent = a.id JOIN nodes n ON n.id = e.child
         WHERE a.exclusively = 0 AND n.recursively_trashed = 1
     )";

/// Which name is in the way of a restore that the database refused.
async fn clash(
    connection: &mut SqliteConnection,
    id: &str,
) -> Result<Option<Failure>, sqlx::Error> {
    // The node itself may have been restored by the statement before the one that failed.
    let sql = sqlx::AssertSqlSafe(format!(
        "{WENT_ALONG}
         SELECT back.folded, back.parent, other.child
         FROM edges back JOIN edges other
             ON other.parent = back.parent AND other.folded = back.folded AND other.child <> back.child
         WHERE (back.child = ?1 OR back.child IN (SELECT id FROM along WHERE exclusively = 0))
             AND (other.live = 1 OR other.child IN (SELECT id FROM along WHERE exclusively = 0))
         LIMIT 1"
    ));
    let found: Option<(String, String, String)> = sqlx::query_as(sql)
        .bind(id)
        .fetch_optional(connection)
        .await?;
    Ok(found.map(|(folded, parent, existing)| edges::name_taken(&folded, &parent, existing)))
}
