//! When temporary links were given out.

use std::collections::HashMap;

use sqlx::SqliteConnection;

use super::{Failure, Mutation, Store};

/// Notes that links of these files were given out now, which voids older ones; says when
/// each was. Those given out after `voided` stay.
pub(crate) struct IssueLinks {
    pub(crate) nodes: Vec<String>,
    pub(crate) now: i64,
    /// Milliseconds since 1970.
    pub(crate) voided: i64,
}

/// Voids all links of the drive.
pub(crate) struct VoidLinks;

impl Mutation for VoidLinks {
    type Output = ();

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(), Failure> {
        let query = sqlx::query("DELETE FROM temp_links");
        query.execute(connection).await?;
        Ok(())
    }
}

impl Mutation for IssueLinks {
    type Output = Vec<(String, i64)>;

    async fn apply(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<Vec<(String, i64)>, Failure> {
        let nodes = serde_json::json!(self.nodes).to_string();
        // Of a file that was purged meanwhile there is nothing to note.
        sqlx::query(
            "INSERT INTO temp_links (node, issued)
             SELECT n.id, ?2 FROM json_each(?1) j JOIN nodes n ON n.id = j.value WHERE TRUE
             ON CONFLICT (node) DO UPDATE SET issued = excluded.issued
                 WHERE temp_links.issued <= ?3",
        )
        .bind(&nodes)
        .bind(self.now)
        .bind(self.voided)
        .execute(&mut *connection)
        .await?;
        Ok(issued(connection, &nodes).await?)
    }
}

impl Store {
    /// When the latest links of these files were given out, by id, in milliseconds since
    /// 1970.
    pub(crate) async fn temp_links(&self, ids: &[String]) -> Result<HashMap<String, i64>, Failure> {
        let mut connection = self.readers.acquire().await?;
        let rows = issued(&mut connection, &serde_json::json!(ids).to_string()).await?;
        Ok(rows.into_iter().collect())
    }

    /// What this drive's temporary links are signed with.
    pub(crate) async fn temp_link_key(&self) -> Result<Vec<u8>, Failure> {
        let query = sqlx::query_scalar("SELECT temp_link_key FROM drive");
        Ok(query.fetch_one(&self.readers).await?)
    }
}

/// The nodes of this JSON array that have links, and when those were given out.
async fn issued(
    connection: &mut SqliteConnection,
    nodes: &str,
) -> Result<Vec<(String, i64)>, sqlx::Error> {
    let query = sqlx::query_as(
        "SELECT node, issued FROM temp_links WHERE node IN (SELECT value FROM json_each(?1))",
    );
    query.bind(nodes).fetch_all(connection).await
}
