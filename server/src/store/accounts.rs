//! Accounts: drives, and the users they belong to.

use sqlx::{FromRow, Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{Failure, Mutation, Store};
use crate::ids;

/// A drive and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// `amzn1.account.…`: what clients know as `user_id`.
    pub(crate) id: String,
    /// Its drive is the data directory itself.
    pub(crate) is_first: bool,
    /// In lower case. `None`: nobody has been given it yet.
    pub(crate) name: Option<String>,
    /// As a PHC string. `None`: nobody can sign in.
    pub(crate) password: Option<String>,
}

/// Makes a user and says which account is theirs: the one that was theirs before; else the
/// first, if it was never anybody's; else a new one. `None`: there is a user of this name.
pub(crate) struct AddUser {
    /// In lower case.
    pub(crate) name: String,
    pub(crate) password: String,
    pub(crate) now: i64,
}

/// Gives a user another password and ends their sessions. `None`: there is no such user.
pub(crate) struct SetPassword {
    pub(crate) name: String,
    pub(crate) password: String,
}

/// Takes a user's password, sessions and all tokens away. The account stays. `None`: there is
/// no such user.
pub(crate) struct RemoveUser {
    pub(crate) name: String,
}

impl FromRow<'_, SqliteRow> for Account {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            is_first: row.try_get("is_first")?,
            name: row.try_get("name")?,
            password: row.try_get("password")?,
        })
    }
}

impl Store {
    pub(crate) async fn account(&self, id: &str) -> Result<Option<Account>, Failure> {
        let query = sqlx::query_as("SELECT * FROM accounts WHERE id = ?1");
        Ok(query.bind(id).fetch_optional(&self.readers).await?)
    }

    /// The account whose drive is the data directory itself.
    pub(crate) async fn first_account(&self) -> Result<Account, Failure> {
        let query = sqlx::query_as("SELECT * FROM accounts WHERE is_first = 1");
        Ok(query.fetch_one(&self.readers).await?)
    }

    /// The account of a user who can sign in.
    pub(crate) async fn user(&self, name: &str) -> Result<Option<Account>, Failure> {
        let sql = "SELECT * FROM accounts WHERE name = ?1 AND password IS NOT NULL";
        let query = sqlx::query_as(sql).bind(name);
        Ok(query.fetch_optional(&self.readers).await?)
    }

    /// The accounts of all users, by name.
    pub(crate) async fn users(&self) -> Result<Vec<Account>, Failure> {
        let sql = "SELECT * FROM accounts WHERE password IS NOT NULL ORDER BY name";
        Ok(sqlx::query_as(sql).fetch_all(&self.readers).await?)
    }
}

impl Mutation for AddUser {
    type Output = Option<Account>;

    async fn apply(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<Option<Account>, Failure> {
        let former: Option<Account> = sqlx::query_as("SELECT * FROM accounts WHERE name = ?1")
            .bind(&self.name)
            .fetch_optional(&mut *connection)
            .await?;
        if former
            .as_ref()
            .is_some_and(|account| account.password.is_some())
        {
            return Ok(None);
        }
        let free: Option<Account> = match former {
            Some(former) => Some(former),
            None => {
                sqlx::query_as("SELECT * FROM accounts WHERE is_first = 1 AND name IS NULL")
                    .fetch_optional(&mut *connection)
                    .await?
            }
        };
        let id = match free {
            Some(free) => free.id,
            None => {
                let id = ids::account_id();
                sqlx::query("INSERT INTO accounts (id, created) VALUES (?1, ?2)")
                    .bind(&id)
                    .bind(self.now)
                    .execute(&mut *connection)
                    .await?;
                id
            }
        };
        let sql = "UPDATE accounts SET name = ?2, password = ?3 WHERE id = ?1 RETURNING *";
        let query = sqlx::query_as(sql)
            .bind(&id)
            .bind(&self.name)
            .bind(&self.password);
        Ok(Some(query.fetch_one(connection).await?))
    }
}

impl Mutation for SetPassword {
    type Output = Option<Account>;

    async fn apply(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<Option<Account>, Failure> {
        let account: Option<Account> = sqlx::query_as(
            "UPDATE accounts SET password = ?2
             WHERE name = ?1 AND password IS NOT NULL RETURNING *",
        )
        .bind(&self.name)
        .bind(&self.password)
        .fetch_optional(&mut *connection)
        .await?;
        if let Some(account) = &account {
            end_sessions(connection, &account.id).await?;
        }
        Ok(account)
    }
}

impl Mutation for RemoveUser {
    type Output = Option<Account>;

    async fn apply(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<Option<Account>, Failure> {
        let account: Option<Account> = sqlx::query_as(
            "UPDATE accounts SET password = NULL
             WHERE name = ?1 AND password IS NOT NULL RETURNING *",
        )
        .bind(&self.name)
        .fetch_optional(&mut *connection)
        .await?;
        if let Some(account) = &account {
            end_sessions(connection, &account.id).await?;
            sqlx::query("DELETE FROM grants WHERE account = ?1")
                .bind(&account.id)
                .execute(connection)
                .await?;
        }
        Ok(account)
    }
}

async fn end_sessions(connection: &mut SqliteConnection, account: &str) -> Result<(), Failure> {
    sqlx::query("DELETE FROM sessions WHERE account = ?1")
        .bind(account)
        .execute(connection)
        .await?;
    Ok(())
}
