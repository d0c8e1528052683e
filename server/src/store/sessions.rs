//! Browsers that are signed in.

use sqlx::SqliteConnection;

use super::{Account, Digest, Failure, Mutation, Store};

/// Signs a browser in, and forgets sessions that have expired. `false`: the password that was
/// verified is no longer the user's.
pub(crate) struct NewSession {
    pub(crate) session: Digest,
    pub(crate) account: String,
    /// As it was when it was verified.
    pub(crate) password: Option<String>,
    pub(crate) expires: i64,
    pub(crate) now: i64,
}

/// Signs a browser out.
pub(crate) struct EndSession {
    pub(crate) session: Digest,
}

impl Store {
    /// Whose session this is, if it has not ended.
    pub(crate) async fn session(
        &self,
        session: Digest,
        now: i64,
    ) -> Result<Option<Account>, Failure> {
        let query = sqlx::query_as(
            "SELECT a.* FROM sessions s JOIN accounts a ON a.id = s.account
             WHERE s.digest = ?1 AND s.expires > ?2 AND a.password IS NOT NULL",
        );
        let query = query.bind(&session[..]).bind(now);
        Ok(query.fetch_optional(&self.readers).await?)
    }
}

impl Mutation for NewSession {
    type Output = bool;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<bool, Failure> {
        sqlx::query("DELETE FROM sessions WHERE expires <= ?1")
            .bind(self.now)
            .execute(&mut *connection)
            .await?;
        let made = sqlx::query(
            "INSERT INTO sessions (digest, account, expires)
             SELECT ?1, id, ?3 FROM accounts WHERE id = ?2 AND password = ?4",
        )
        .bind(&self.session[..])
        .bind(&self.account)
        .bind(self.expires)
        .bind(&self.password)
        .execute(connection)
        .await?;
        Ok(made.rows_affected() > 0)
    }
}

impl Mutation for EndSession {
    type Output = ();

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(), Failure> {
        sqlx::query("DELETE FROM sessions WHERE digest = ?1")
            .bind(&self.session[..])
            .execute(connection)
            .await?;
        Ok(())
    }
}
