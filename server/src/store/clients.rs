//! Programs that may ask users for leave.

use sqlx::SqliteConnection;
use subtle::ConstantTimeEq as _;

use super::{Digest, Failure, Mutation, Store};

/// A program that is known.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Where it may have users sent back to. `:*` in place of a port is any port.
    pub(crate) redirects: Vec<String>,
}

/// Makes a client known, or registers more redirects of one that is.
pub(crate) struct AddClient {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) secret: Digest,
    pub(crate) redirects: Vec<String>,
    pub(crate) now: i64,
}

impl Store {
    pub(crate) async fn client(&self, id: &str) -> Result<Option<Client>, Failure> {
        let found: Option<(String,)> = sqlx::query_as("SELECT name FROM clients WHERE id = ?1")
            .bind(id)
            .fetch_optional(&self.readers)
            .await?;
        let Some((name,)) = found else {
            return Ok(None);
        };
        Ok(Some(Client {
            id: id.to_owned(),
            name,
            redirects: self.redirects(id).await?,
        }))
    }

    /// All clients, by name.
    pub(crate) async fn clients(&self) -> Result<Vec<Client>, Failure> {
        let sql = "SELECT id, name FROM clients ORDER BY name, created, id";
        let found: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(&self.readers).await?;
        let mut clients = Vec::new();
        for (id, name) in found {
            let redirects = self.redirects(&id).await?;
            clients.push(Client {
                id,
                name,
                redirects,
            });
        }
        Ok(clients)
    }

    /// Whether there is this client, and this is its secret.
    pub(crate) async fn verify_client(&self, id: &str, secret: Digest) -> Result<bool, Failure> {
        let known: Option<Vec<u8>> = sqlx::query_scalar("SELECT secret FROM clients WHERE id = ?1")
            .bind(id)
            .fetch_optional(&self.readers)
            .await?;
        Ok(known.is_some_and(|known| known.ct_eq(&secret).into()))
    }

    async fn redirects(&self, client: &str) -> Result<Vec<String>, Failure> {
        let sql = "SELECT uri FROM redirects WHERE client = ?1 ORDER BY uri";
        let query = sqlx::query_scalar(sql).bind(client);
        Ok(query.fetch_all(&self.readers).await?)
    }
}

impl Mutation for AddClient {
    type Output = ();

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(), Failure> {
        sqlx::query(
            "INSERT INTO clients (id, secret, name, created) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
        )
        .bind(&self.id)
        .bind(&self.secret[..])
        .bind(&self.name)
        .bind(self.now)
        .execute(&mut *connection)
        .await?;
        for uri in &self.redirects {
            sqlx::query(
                "INSERT INTO redirects (client, uri) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            )
            .bind(&self.id)
            .bind(uri)
            .execute(&mut *connection)
            .await?;
        }
        Ok(())
    }
}
