//! When temporary links were given out.

use std::collections::HashMap;

use sqlx::SqliteConnection;

use super::{Failure, Mutation, Store};

/// Notes that links of these files were given out now, which voids older ones.
pub(crate) struct IssueLinks {
    pub(crate) nodes: Vec<String>,
    pub(crate) now: i64,
}

impl Mutation for IssueLinks {
    type Output = ();

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(), Failure> {
        // Of a file that was purged meanwhile there is nothing to note.
        sqlx::query(
            "INSERT INTO temp_links (node, issued)
             SELECT n.id, ?2 FROM json_each(?1) j JOIN nodes n ON n.id = j.value WHERE TRUE
             ON CONFLICT (node) DO UPDATE SET issued = excluded.issued",
        )
        .bind(serde_json::json!(self.nodes).to_string())
        .bind(self.now)
        .execute(connection)
        .await?;
        Ok(())
    }
}

impl Store {
    /// When the latest links of these files were given out, by id, in milliseconds since
    /// 1970.
    pub(crate) async fn temp_links(&self, ids: &[String]) -> Result<HashMap<String, i64>, Failure> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT node, issued FROM temp_links WHERE node IN (SELECT value FROM json_each(?1))",
        )
        .bind(serde_json::json!(ids).to_string())
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.into_iter().collect())
    }

    /// What this drive's temporary links are signed with.
    pub(crate) async fn temp_link_key(&self) -> Result<Vec<u8>, Failure> {
        let query = sqlx::query_scalar("SELECT temp_link_key FROM drive");
        Ok(query.fetch_one(&self.readers).await?)
    }
}
