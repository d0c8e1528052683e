//! What users let clients do, and the codes and tokens that show it, as digests.

use sqlx::{FromRow, Row as _, SqliteConnection, sqlite::SqliteRow};
use subtle::ConstantTimeEq as _;

use super::{Failure, Mutation, Store};
use crate::ids;

/// A secret's or token's SHA-256.
pub(crate) type Digest = [u8; 32];

/// An access token that is known.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) client: String,
    /// What its client's nodes have as `createdBy`.
    pub(crate) client_name: String,
    pub(crate) account: String,
    /// The account's drive is the data directory itself.
    pub(crate) is_first: bool,
    /// Separated by spaces.
    pub(crate) scopes: String,
    /// Milliseconds since 1970.
    pub(crate) issued: i64,
    /// Milliseconds since 1970.
    pub(crate) expires: i64,
}

/// A refresh token that is known.
#[derive(Clone, Debug)]
pub(crate) struct Refresh {
    pub(crate) grant_id: String,
    pub(crate) client: String,
}

/// Gives a client leave without asking, with a refresh token; says which grant that is.
pub(crate) struct IssueRefresh {
    pub(crate) client: String,
    pub(crate) account: String,
    pub(crate) scopes: String,
    pub(crate) token: Digest,
    pub(crate) now: i64,
}

/// Makes an access token of a grant known, and drops those that expired a day ago or earlier.
/// `false`: the grant is gone.
pub(crate) struct IssueAccess {
    pub(crate) grant_id: String,
    pub(crate) token: Digest,
    pub(crate) expires: i64,
    pub(crate) now: i64,
}

/// Notes what a user has just allowed, and the code that goes to the client. `false`: the user
/// has been removed meanwhile.
pub(crate) struct IssueCode {
    pub(crate) client: String,
    pub(crate) account: String,
    pub(crate) scopes: String,
    pub(crate) code: Digest,
    pub(crate) redirect_uri: String,
    /// SHA-256 of the verifier that is to come with the code.
    pub(crate) challenge: Option<Digest>,
    pub(crate) expires: i64,
    pub(crate) now: i64,
}

/// Takes a code and makes the first tokens of its grant known. A code that comes once more
/// takes the grant away, and all its tokens with it: one of the two who had it is a thief.
pub(crate) struct RedeemCode {
    pub(crate) code: Digest,
    pub(crate) client: String,
    pub(crate) redirect_uri: String,
    /// SHA-256 of the verifier that came.
    pub(crate) verifier: Option<Digest>,
    pub(crate) refresh_token: Digest,
    pub(crate) access_token: Digest,
    pub(crate) expires: i64,
    pub(crate) now: i64,
}

/// What came of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Redeemed {
    Done,
    /// There is no such code, or it has been used, or is too old.
    BadCode,
    /// It was made for another client.
    OtherClient,
    OtherRedirect,
    BadVerifier,
}

/// Takes back a client's token: a refresh token with its whole grant, an access token alone.
/// One that is not known, or is another client's, is left as it is.
pub(crate) struct Revoke {
    pub(crate) client: String,
    pub(crate) token: Digest,
}

struct Code {
    grant_id: String,
    client: String,
    redirect_uri: String,
    challenge: Option<Vec<u8>>,
    expires: i64,
    used: bool,
}

impl FromRow<'_, SqliteRow> for Access {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            client: row.try_get("client")?,
            client_name: row.try_get("client_name")?,
            account: row.try_get("account")?,
            is_first: row.try_get("is_first")?,
            scopes: row.try_get("scopes")?,
            issued: row.try_get("issued")?,
            expires: row.try_get("expires")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for Refresh {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            grant_id: row.try_get("grant_id")?,
            client: row.try_get("client")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for Code {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            grant_id: row.try_get("grant_id")?,
            client: row.try_get("client")?,
            redirect_uri: row.try_get("redirect_uri")?,
            challenge: row.try_get("challenge")?,
            expires: row.try_get("expires")?,
            used: row.try_get("used")?,
        })
    }
}

impl Store {
    pub(crate) async fn access(&self, token: Digest) -> Result<Option<Access>, Failure> {
        let query = sqlx::query_as(
            "SELECT g.client, c.name AS client_name, g.account, a.is_first, g.scopes,
                    t.issued, t.expires
             FROM access_tokens t
             JOIN grants g ON g.id = t.grant_id
             JOIN clients c ON c.id = g.client
             JOIN accounts a ON a.id = g.account
             WHERE t.digest = ?1",
        );
        let query = query.bind(&token[..]);
        Ok(query.fetch_optional(&self.readers).await?)
    }

    pub(crate) async fn refresh(&self, token: Digest) -> Result<Option<Refresh>, Failure> {
        let query = sqlx::query_as(
            "SELECT t.grant_id, g.client FROM refresh_tokens t
             JOIN grants g ON g.id = t.grant_id WHERE t.digest = ?1",
        );
        let query = query.bind(&token[..]);
        Ok(query.fetch_optional(&self.readers).await?)
    }
}

impl Mutation for IssueRefresh {
    type Output = String;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<String, Failure> {
        let Self {
            client,
            account,
            scopes,
            ..
        } = &*self;
        let grant_id = add_grant(connection, client, account, scopes, self.now).await?;
        add_refresh(connection, &grant_id, self.token).await?;
        Ok(grant_id)
    }
}

impl Mutation for IssueAccess {
    type Output = bool;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<bool, Failure> {
        sqlx::query("DELETE FROM access_tokens WHERE expires < ?1")
            .bind(self.now - KEPT)
            .execute(&mut *connection)
            .await?;
        let there: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM grants WHERE id = ?1")
            .bind(&self.grant_id)
            .fetch_one(&mut *connection)
            .await?;
        if there == 0 {
            return Ok(false);
        }
        add_access(
            connection,
            &self.grant_id,
            self.token,
            self.now,
            self.expires,
        )
        .await?;
        Ok(true)
    }
}

impl Mutation for IssueCode {
    type Output = bool;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<bool, Failure> {
        let there: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM accounts WHERE id = ?1 AND password IS NOT NULL",
        )
        .bind(&self.account)
        .fetch_one(&mut *connection)
        .await?;
        if there == 0 {
            return Ok(false);
        }
        let old = self.now - KEPT;
        sqlx::query(
            "DELETE FROM grants WHERE id IN
                 (SELECT grant_id FROM codes WHERE expires < ?1 AND used = 0)",
        )
        .bind(old)
        .execute(&mut *connection)
        .await?;
        sqlx::query("DELETE FROM codes WHERE expires < ?1")
            .bind(old)
            .execute(&mut *connection)
            .await?;
        let Self {
            client,
            account,
            scopes,
            ..
        } = &*self;
        let grant_id = add_grant(connection, client, account, scopes, self.now).await?;
        sqlx::query(
            "INSERT INTO codes (digest, grant_id, redirect_uri, challenge, expires)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .bind(&self.code[..])
        .bind(grant_id)
        .bind(&self.redirect_uri)
        .bind(self.challenge.as_ref().map(|challenge| &challenge[..]))
        .bind(self.expires)
        .execute(connection)
        .await?;
        Ok(true)
    }
}

impl Mutation for RedeemCode {
    type Output = Redeemed;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<Redeemed, Failure> {
        let code: Option<Code> = sqlx::query_as(
            "SELECT d.grant_id, g.client, d.redirect_uri, d.challenge, d.expires, d.used
             FROM codes d JOIN grants g ON g.id = d.grant_id WHERE d.digest = ?1",
        )
        .bind(&self.code[..])
        .fetch_optional(&mut *connection)
        .await?;
        let Some(code) = code else {
            return Ok(Redeemed::BadCode);
        };
        if code.client != self.client {
            return Ok(Redeemed::OtherClient);
        }
        if code.used {
            delete_grant(connection, &code.grant_id).await?;
            return Ok(Redeemed::BadCode);
        }
        if code.expires <= self.now {
            return Ok(Redeemed::BadCode);
        }
        if code.redirect_uri != self.redirect_uri {
            return Ok(Redeemed::OtherRedirect);
        }
        let verified = match (&code.challenge, &self.verifier) {
            (None, None) => true,
            (Some(challenge), Some(verifier)) => challenge.ct_eq(verifier).into(),
            // A verifier without a challenge: somebody has taken the challenge out on the way.
            _ => false,
        };
        if !verified {
            return Ok(Redeemed::BadVerifier);
        }
        sqlx::query("UPDATE codes SET used = 1 WHERE digest = ?1")
            .bind(&self.code[..])
            .execute(&mut *connection)
            .await?;
        add_refresh(connection, &code.grant_id, self.refresh_token).await?;
        let token = self.access_token;
        add_access(connection, &code.grant_id, token, self.now, self.expires).await?;
        Ok(Redeemed::Done)
    }
}

impl Mutation for Revoke {
    type Output = ();

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(), Failure> {
        sqlx::query(
            "DELETE FROM grants WHERE client = ?2 AND id =
                 (SELECT grant_id FROM refresh_tokens WHERE digest = ?1)",
        )
        .bind(&self.token[..])
        .bind(&self.client)
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "DELETE FROM access_tokens WHERE digest = ?1
                 AND grant_id IN (SELECT id FROM grants WHERE client = ?2)",
        )
        .bind(&self.token[..])
        .bind(&self.client)
        .execute(connection)
        .await?;
        Ok(())
    }
}

async fn add_grant(
    connection: &mut SqliteConnection,
    client: &str,
    account: &str,
    scopes: &str,
    now: i64,
) -> Result<String, Failure> {
    let id = ids::object();
    sqlx::query(
        "INSERT INTO grants (id, client, account, scopes, created) VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .bind(&id)
    .bind(client)
    .bind(account)
    .bind(scopes)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(id)
}

async fn add_refresh(
    connection: &mut SqliteConnection,
    grant_id: &str,
    token: Digest,
) -> Result<(), Failure> {
    sqlx::query("INSERT INTO refresh_tokens (digest, grant_id) VALUES (?1, ?2)")
        .bind(&token[..])
        .bind(grant_id)
        .execute(connection)
        .await?;
    Ok(())
}

async fn add_access(
    connection: &mut SqliteConnection,
    grant_id: &str,
    token: Digest,
    issued: i64,
    expires: i64,
) -> Result<(), Failure> {
    sqlx::query(
        "INSERT INTO access_tokens (digest, grant_id, issued, expires) VALUES (?1, ?2, ?3, ?4)",
    )
    .bind(&token[..])
    .bind(grant_id)
    .bind(issued)
    .bind(expires)
    .execute(connection)
    .await?;
    Ok(())
}

async fn delete_grant(connection: &mut SqliteConnection, id: &str) -> Result<(), Failure> {
    sqlx::query("DELETE FROM grants WHERE id = ?1")
        .bind(id)
        .execute(connection)
        .await?;
    Ok(())
}

/// Milliseconds that an expired token or code is kept: a client whose clock is off gets the
/// right answer, and the tables stay small.
const KEPT: i64 = 24 * 60 * 60 * 1000;
