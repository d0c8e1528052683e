//! Out of the trash for good.

use sqlx::SqliteConnection;
use tokio::sync::mpsc;

use super::{
    Failure, Fate, Mutation, Refusal, Status, edges,
    node::{root_id, touch},
    trash,
};
use crate::names;

/// Purges the node that has been in the trash for longest, if it was put there before a
/// time, with all that lies in the trash below it
/// and in no other folder. Says whether there was one.
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
        keep_others(connection, self.now).await?;
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

/// Fills the table `gone`, which only this connection sees, with what is to go: the node, and
/// what lies in the trash below it and nowhere else.
async fn mark(connection: &mut SqliteConnection, top: &str) -> Result<(), sqlx::Error> {
    for sql in [
        "CREATE TEMP TABLE IF NOT EXISTS gone (id TEXT PRIMARY KEY, depth BIGINT NOT NULL) WITHOUT ROWID",
        "CREATE INDEX IF NOT EXISTS temp.gone_depth ON gone (depth)",
        "DELETE FROM gone",
    ] {
        sqlx::query(sql).execute(&mut *connection).await?;
    }
    sqlx::query("INSERT INTO gone VALUES (?1, 0)")
        .bind(top)
        .execute(&mut *connection)
        .await?;
    for depth in 0_i64.. {
        // A node goes with the last of its folders. With one that stays it stays as well: it
        // may have been put into the trash yesterday, or come back with the other folder.
        let added = sqlx::query(
            "INSERT OR IGNORE INTO gone
             SELECT DISTINCT e.child, ?1 + 1 FROM gone g JOIN edges e ON e.parent = g.id
             WHERE g.depth = ?1 AND e.live = 0 AND NOT EXISTS (
                 SELECT 1 FROM edges o WHERE o.child = e.child AND o.parent NOT IN (SELECT id FROM gone)
             )",
        )
        .bind(depth)
        .execute(&mut *connection)
        .await?;
        if added.rows_affected() == 0 {
            break;
        }
    }
    Ok(())
}

/// What stays loses the folders that go, and has changed by that. What is available must not
/// lose its last one: it comes to the root. What was in the trash only with a folder that
/// goes lies there by itself from now on.
async fn keep_others(connection: &mut SqliteConnection, now: i64) -> Result<(), Failure> {
    let others: Vec<(String, String, bool, bool)> = sqlx::query_as(
        "SELECT DISTINCT n.id, n.name, e.live, EXISTS (
             SELECT 1 FROM edges o WHERE o.child = n.id AND o.parent NOT IN (SELECT id FROM gone)
         )
         FROM gone g JOIN edges e ON e.parent = g.id JOIN nodes n ON n.id = e.child
         WHERE n.id NOT IN (SELECT id FROM gone)",
    )
    .fetch_all(&mut *connection)
    .await?;
    for sql in [
        "DELETE FROM edges WHERE parent IN (SELECT id FROM gone)",
        "DELETE FROM edges WHERE child IN (SELECT id FROM gone)",
    ] {
        sqlx::query(sql).execute(&mut *connection).await?;
    }
    let root = root_id(&mut *connection).await?;
    for (id, name, live, placed) in others {
        if live && !placed {
            come_to(connection, &root, &id, &name).await?;
        }
        touch(connection, &id, now).await?;
        trash::stand_alone(connection, &id, now).await?;
    }
    Ok(())
}

/// Puts a node into the folder, under its name if that is free there, else with its id in it.
async fn come_to(
    connection: &mut SqliteConnection,
    folder: &str,
    id: &str,
    name: &str,
) -> Result<(), Failure> {
    let folded = names::fold(name);
    match edges::insert(connection, folder, id, &folded, Status::Available).await {
        Err(Failure::Refused(Refusal::NameTaken { .. })) => {}
        outcome => return outcome,
    }
    let name = names::with_id(name, id);
    sqlx::query("UPDATE nodes SET name = ?2 WHERE id = ?1")
        .bind(id)
        .bind(&name)
        .execute(&mut *connection)
        .await?;
    edges::insert(
        connection,
        folder,
        id,
        &names::fold(&name),
        Status::Available,
    )
    .await
}
