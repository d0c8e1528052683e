//! Clients and their tokens, as digests.

use sqlx::SqliteConnection;

use super::{Failure, Mutation, Store};

/// A secret's or token's SHA-256.
type Digest = [u8; 32];

/// An access token that is known.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// What its client's nodes have as `createdBy`.
    pub(crate) client_name: String,
    /// Milliseconds since 1970.
    pub(crate) expires: i64,
}

/// Registers a client with its first refresh token.
pub(crate) struct NewClient {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) secret: Digest,
    pub(crate) refresh_token: Digest,
    pub(crate) now: i64,
}

/// Makes an access token known, and drops those that expired a day ago or earlier.
pub(crate) struct IssueAccess {
    pub(crate) client: String,
    pub(crate) token: Digest,
    pub(crate) expires: i64,
    pub(crate) now: i64,
}

impl Store {
    pub(crate) async fn access(&self, token: Digest) -> Result<Option<Access>, Failure> {
        let found: Option<(String, i64)> = sqlx::query_as(
            "SELECT c.name, t.expires FROM access_tokens t JOIN clients c ON c.id = t.client WHERE t.digest = ?1",
        )
        .bind(&token[..])
        .fetch_optional(&self.readers)
        .await?;
        Ok(found.map(|(client_name, expires)| Access {
            client_name,
            expires,
        }))
    }

    /// Whether there is this client, and this is its secret.
    pub(crate) async fn verify_client(&self, id: &str, secret: Digest) -> Result<bool, Failure> {
        let found: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM clients WHERE id = ?1 AND secret = ?2")
                .bind(id)
                .bind(&secret[..])
                .fetch_one(&self.readers)
                .await?;
        Ok(found > 0)
    }

    /// Whether this is a refresh token of the client.
    pub(crate) async fn verify_refresh(
        &self,
        client: &str,
        token: Digest,
    ) -> Result<bool, Failure> {
        let found: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM refresh_tokens WHERE digest = ?1 AND client = ?2",
        )
        .bind(&token[..])
        .bind(client)
        .fetch_one(&self.readers)
        .await?;
        Ok(found > 0)
    }
}

impl Mutation for NewClient {
    type Output = ();

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(), Failure> {
        sqlx::query("INSERT INTO clients (id, secret, name, created) VALUES (?1, ?2, ?3, ?4)")
            .bind(&self.id)
            .bind(&self.secret[..])
            .bind(&self.name)
            .bind(self.now)
            .execute(&mut *connection)
            .await?;
        sqlx::query("INSERT INTO refresh_tokens (digest, client, created) VALUES (?1, ?2, ?3)")
            .bind(&self.refresh_token[..])
            .bind(&self.id)
            .bind(self.now)
            .execute(connection)
            .await?;
        Ok(())
    }
}

impl Mutation for IssueAccess {
    type Output = ();

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(), Failure> {
        sqlx::query("DELETE FROM access_tokens WHERE expires < ?1")
            .bind(self.now - KEPT)
            .execute(&mut *connection)
            .await?;
        sqlx::query("INSERT INTO access_tokens (digest, client, expires) VALUES (?1, ?2, ?3)")
            .bind(&self.token[..])
            .bind(&self.client)
            .bind(self.expires)
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// Milliseconds that an expired token is kept: a client whose clock is off gets the right
/// answer, and the table stays small.
const KEPT: i64 = 24 * 60 * 60 * 1000;
