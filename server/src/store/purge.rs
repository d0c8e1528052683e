//! Out of the trash for good.

use sqlx::SqliteConnection;
use tokio::sync::mpsc;

use super::{
    Failure, Fate, Mutation, Refusal, Status, edges,
    node::{root_id, touch},
};
use crate::names;

/// Purges the node that has been in the trash for longest, if it was put there before a
/// time, with all that lies in the trash below it. Says whether there was one.
pub(crate) struct PurgeTrash {
    /// Milliseconds since 1970.
    pub(crate) before: i64,
    pub(crate) now: i64,
    /// Where objects go that are needed no more.
    pub(crate) garbage: mpsc::UnboundedSender<String>,
    /// The objects of the files purged, once known.
    pub(crate) objects: Vec<String>,
}

impl Mutation for PurgeTrash {
    type Output = bool;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<bool, Failure> {
        self.objects.clear();
        let oldest: Option<String> =
            sqlx::query_scalar("SELECT id FROM nodes WHERE exclusively_trashed = 1 AND trashed < ?1 ORDER BY trashed LIMIT 1")
                .bind(self.before)
                .fetch_optional(&mut *connection)
                .await?;
        let Some(oldest) = oldest else {
            return Ok(false);
        };
        mark(connection, &oldest).await?;
        keep_available(connection, self.now).await?;
        self.objects = sqlx::query_scalar(
            "SELECT n.object FROM gone g JOIN nodes n ON n.id = g.id WHERE n.object IS NOT NULL",
        )
        .fetch_all(&mut *connection)
        .await?;
        sqlx::query(
            "INSERT INTO purged (id, kind, version, created, modified, created_by)
             SELECT n.id, n.kind, n.version + 1, n.created, ?1, n.created_by
             FROM gone g JOIN nodes n ON n.id = g.id",
        )
        .bind(self.now)
        .execute(&mut *connection)
        .await?;
        for sql in [
            "INSERT INTO garbage (object)
             SELECT n.object FROM gone g JOIN nodes n ON n.id = g.id WHERE n.object IS NOT NULL",
            "DELETE FROM edges WHERE parent IN (SELECT id FROM gone)",
            "DELETE FROM edges WHERE child IN (SELECT id FROM gone)",
            "DELETE FROM properties WHERE node IN (SELECT id FROM gone)",
            "DELETE FROM local_ids WHERE node IN (SELECT id FROM gone)",
            "DELETE FROM temp_links WHERE node IN (SELECT id FROM gone)",
            "DELETE FROM nodes WHERE id IN (SELECT id FROM gone)",
            "DELETE FROM changes WHERE node IN (SELECT id FROM gone)",
            "INSERT INTO changes (node) SELECT id FROM gone",
            "DELETE FROM gone",
        ] {
            sqlx::query(sql).execute(&mut *connection).await?;
        }
        Ok(true)
    }

    fn settled(self, fate: Fate) {
        if fate == Fate::Done {
            for object in self.objects {
                // Nobody takes it while the server stops: the next start does.
                let _ = self.garbage.send(object);
            }
        }
    }
}

/// Fills the table `gone`, which only this connection sees, with what is to go.
async fn mark(connection: &mut SqliteConnection, top: &str) -> Result<(), sqlx::Error> {
    for sql in [
        "CREATE TEMP TABLE IF NOT EXISTS gone (id TEXT PRIMARY KEY) WITHOUT ROWID",
        "DELETE FROM gone",
    ] {
        sqlx::query(sql).execute(&mut *connection).await?;
    }
    sqlx::query(
        "WITH RECURSIVE below (id) AS (
             SELECT ?1
             UNION
             SELECT e.child FROM below b JOIN edges e ON e.parent = b.id AND e.live = 0
         )
         INSERT INTO gone SELECT id FROM below",
    )
    .bind(top)
    .execute(connection)
    .await
    .map(drop)
}

/// What is not in the trash must not lose its last folder to it: it comes to the root, under
/// its name if that is free there, else with its id behind it.
async fn keep_available(connection: &mut SqliteConnection, now: i64) -> Result<(), Failure> {
    let orphans: Vec<(String, String)> = sqlx::query_as(
        "SELECT DISTINCT n.id, n.name FROM gone g JOIN edges e ON e.parent = g.id JOIN nodes n ON n.id = e.child
         WHERE e.live = 1 AND NOT EXISTS (
             SELECT 1 FROM edges o WHERE o.child = n.id AND o.parent NOT IN (SELECT id FROM gone)
         )",
    )
    .fetch_all(&mut *connection)
    .await?;
    let root = root_id(&mut *connection).await?;
    for (id, name) in orphans {
        let folded = names::fold(&name);
        let placed = edges::insert(connection, &root, &id, &folded, Status::Available).await;
        match placed {
            Ok(()) => {}
            Err(Failure::Refused(Refusal::NameTaken { .. })) => {
                let name = format!("{name} ({id})");
                let folded = names::fold(&name);
                sqlx::query("UPDATE nodes SET name = ?2 WHERE id = ?1")
                    .bind(&id)
                    .bind(&name)
                    .execute(&mut *connection)
                    .await?;
                edges::insert(connection, &root, &id, &folded, Status::Available).await?;
            }
            Err(error) => return Err(error),
        }
        touch(connection, &id, now).await?;
    }
    Ok(())
}
