//! What programs note of nodes: a few values, each program under its own name.

use std::collections::{BTreeMap, HashMap};

use sqlx::SqliteConnection;

use super::{
    Failure, Mutation, Refusal, Store,
    node::{get, touch},
};

/// Sets properties of one owner, or takes one away.
pub(crate) struct ChangeProperties {
    pub(crate) node: String,
    pub(crate) owner: String,
    pub(crate) change: PropertyChange,
    pub(crate) now: i64,
}

pub(crate) enum PropertyChange {
    Set(BTreeMap<String, String>),
    Remove(String),
}

impl Mutation for ChangeProperties {
    type Output = ();

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(), Failure> {
        get(connection, &self.node).await?;
        match &self.change {
            PropertyChange::Set(properties) => {
                set(connection, &self.node, &self.owner, properties).await?;
            }
            PropertyChange::Remove(key) => {
                let removed = sqlx::query(
                    "DELETE FROM properties WHERE node = ?1 AND owner = ?2 AND key = ?3",
                )
                .bind(&self.node)
                .bind(&self.owner)
                .bind(key)
                .execute(&mut *connection)
                .await?;
                if removed.rows_affected() == 0 {
                    return Err(Refusal::NoSuchProperty { key: key.clone() }.into());
                }
            }
        }
        touch(connection, &self.node, self.now).await?;
        Ok(())
    }
}

/// Sets these properties of a node in a transaction, and leaves its others.
pub(super) async fn set(
    connection: &mut SqliteConnection,
    node: &str,
    owner: &str,
    properties: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    for (key, value) in properties {
        sqlx::query(
            "INSERT INTO properties (node, owner, key, value) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (node, owner, key) DO UPDATE SET value = excluded.value",
        )
        .bind(node)
        .bind(owner)
        .bind(key)
        .bind(value)
        .execute(&mut *connection)
        .await?;
    }
    let count: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM properties WHERE node = ?1 AND owner = ?2")
            .bind(node)
            .bind(owner)
            .fetch_one(connection)
            .await?;
    match count > MOST {
        true => Err(Refusal::TooManyProperties.into()),
        false => Ok(()),
    }
}

impl Store {
    /// The properties that this owner has set, by node; nodes without any are missing.
    pub(crate) async fn properties(
        &self,
        owner: &str,
        nodes: &[&str],
    ) -> Result<HashMap<String, BTreeMap<String, String>>, Failure> {
        let rows: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT node, key, value FROM properties
             WHERE node IN (SELECT value FROM json_each(?1)) AND owner = ?2",
        )
        .bind(serde_json::json!(nodes).to_string())
        .bind(owner)
        .fetch_all(&self.readers)
        .await?;
        let mut properties: HashMap<_, BTreeMap<_, _>> = HashMap::new();
        for (node, key, value) in rows {
            properties.entry(node).or_default().insert(key, value);
        }
        Ok(properties)
    }
}

/// Properties that one owner can set of one node: the service's own limit.
pub(crate) const MOST: i64 = 10;
