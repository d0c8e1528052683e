//! The programs a user has let in, as the user sees them.

use sqlx::SqliteConnection;

use super::{Failure, Mutation, Store};

/// A user's leave for a program.
#[derive(Clone, Debug)]
pub(crate) struct LetIn {
    pub(crate) id: String,
    pub(crate) program: String,
    /// Separated by spaces.
    pub(crate) scopes: String,
    /// Milliseconds since 1970.
    pub(crate) created: i64,
}

/// Takes a user's leave back, with all tokens that came of it. `false`: the user has given no
/// such leave.
pub(crate) struct TakeBack {
    pub(crate) id: String,
    pub(crate) account: String,
}

impl Store {
    /// What a user has let in, the last first.
    pub(crate) async fn let_in(&self, account: &str, limit: u32) -> Result<Vec<LetIn>, Failure> {
        let query = sqlx::query_as(
            "SELECT g.id, c.name, g.scopes, g.created FROM grants g JOIN clients c ON c.id = g.client
             WHERE g.account = ?1 ORDER BY g.created DESC, g.id LIMIT ?2",
        );
        let query = query.bind(account).bind(limit);
        let found: Vec<(String, String, String, i64)> = query.fetch_all(&self.readers).await?;
        let found = found
            .into_iter()
            .map(|(id, program, scopes, created)| LetIn {
                id,
                program,
                scopes,
                created,
            });
        Ok(found.collect())
    }
}

impl Mutation for TakeBack {
    type Output = bool;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<bool, Failure> {
        let done = sqlx::query("DELETE FROM grants WHERE id = ?1 AND account = ?2")
            .bind(&self.id)
            .bind(&self.account)
            .execute(connection)
            .await?;
        Ok(done.rows_affected() > 0)
    }
}
