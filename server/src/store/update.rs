//! Changes of a node itself: its metadata, its content.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;
use tokio::sync::mpsc;

use super::{
    Failure, Fate, Mutation, Node, Refusal, edges,
    node::{get, get_changeable, touch},
    properties, trash,
};
use crate::{content::Stored, ids, media, names, picture::Details};

/// Changes the given fields and leaves the others.
#[derive(Default)]
pub(crate) struct Patch {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    /// All labels, in place of those there are.
    pub(crate) labels: Option<Vec<String>>,
    /// `Some(None)` takes the description away.
    pub(crate) description: Option<Option<String>>,
    /// All parents, in place of those there are.
    pub(crate) parents: Option<Vec<String>>,
    /// Properties to set, and whose they are.
    pub(crate) properties: Option<(String, BTreeMap<String, String>)>,
    /// The ETag that the node must have.
    pub(crate) expected: Option<String>,
    pub(crate) now: i64,
}

/// Gives a file new content.
pub(crate) struct Overwrite {
    pub(crate) id: String,
    pub(crate) stored: Stored,
    /// What the client says of the content.
    pub(crate) declared_type: Option<String>,
    /// What the content says of itself, if it is a picture.
    pub(crate) details: Option<Details>,
    pub(crate) now: i64,
    /// Where objects go that are needed no more.
    pub(crate) garbage: mpsc::UnboundedSender<String>,
    /// The object replaced, once known.
    pub(crate) replaced: Option<String>,
}

/// Strikes objects that have been deleted off the list of those that wait for it.
pub(crate) struct ForgetGarbage {
    pub(crate) objects: Vec<String>,
}

impl Mutation for Patch {
    type Output = Node;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<Node, Failure> {
        let node = get_changeable(connection, &self.id).await?;
        let etag = ids::etag(&node.id, node.version);
        if self
            .expected
            .as_ref()
            .is_some_and(|expected| *expected != etag)
        {
            return Err(Refusal::Changed.into());
        }
        if let Some(name) = &self.name {
            rename(connection, &node, name).await?;
        }
        if let Some(labels) = &self.labels {
            sqlx::query("UPDATE nodes SET labels = ?2 WHERE id = ?1")
                .bind(&self.id)
                .bind(serde_json::json!(labels).to_string())
                .execute(&mut *connection)
                .await?;
        }
        if let Some(description) = &self.description {
            sqlx::query("UPDATE nodes SET description = ?2 WHERE id = ?1")
                .bind(&self.id)
                .bind(description)
                .execute(&mut *connection)
                .await?;
        }
        if let Some(parents) = &self.parents {
            let renamed = get(connection, &self.id).await?;
            edges::set_parents(connection, &renamed, parents.clone()).await?;
            trash::stand_alone(connection, &self.id, self.now).await?;
        }
        if let Some((owner, changed)) = &self.properties {
            properties::set(connection, &self.id, owner, changed).await?;
        }
        touch(connection, &self.id, self.now).await?;
        get(connection, &self.id).await
    }
}

impl Mutation for Overwrite {
    type Output = Node;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<Node, Failure> {
        let node = get(connection, &self.id).await?;
        let Some(old) = node.content else {
            return Err(Refusal::NotAFile { id: node.id }.into());
        };
        let content_type =
            media::content_type(self.declared_type.as_deref(), old.extension.as_deref());
        sqlx::query(
            "UPDATE nodes SET object = ?2, content_version = content_version + 1, size = ?3, md5 = ?4,
                              content_type = ?5, image = ?6, content_date = ?7
             WHERE id = ?1",
        )
        .bind(&self.id)
        .bind(self.stored.object())
        .bind(self.stored.size())
        .bind(self.stored.md5())
        .bind(content_type)
        .bind(self.details.as_ref().map(|details| &details.image))
        .bind(self.details.as_ref().and_then(|details| details.taken))
        .execute(&mut *connection)
        .await?;
        sqlx::query("INSERT INTO garbage (object) VALUES (?1)")
            .bind(&old.object)
            .execute(&mut *connection)
            .await?;
        self.replaced = Some(old.object);
        touch(connection, &self.id, self.now).await?;
        get(connection, &self.id).await
    }

    fn settled(self, fate: Fate) {
        self.stored.settle(fate);
        if let (Fate::Done, Some(replaced)) = (fate, self.replaced) {
            // Nobody takes it while the server stops: the next start does.
            let _ = self.garbage.send(replaced);
        }
    }
}

impl Mutation for ForgetGarbage {
    type Output = ();

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(), Failure> {
        for object in &self.objects {
            sqlx::query("DELETE FROM garbage WHERE object = ?1")
                .bind(object)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
}

async fn rename(connection: &mut SqliteConnection, node: &Node, name: &str) -> Result<(), Failure> {
    let extension = node.content.as_ref().and_then(|_| names::extension(name));
    sqlx::query("UPDATE nodes SET name = ?2, extension = ?3 WHERE id = ?1")
        .bind(&node.id)
        .bind(name)
        .bind(extension)
        .execute(&mut *connection)
        .await?;
    let folded = names::fold(name);
    let renamed = sqlx::query("UPDATE edges SET folded = ?2 WHERE child = ?1")
        .bind(&node.id)
        .bind(&folded)
        .execute(&mut *connection)
        .await;
    let Err(error) = renamed else {
        return Ok(());
    };
    if !edges::is_unique_violation(&error) {
        return Err(error.into());
    }
    let (parent, existing): (String, String) = sqlx::query_as(
        "SELECT other.parent, other.child FROM edges own
         JOIN edges other ON other.parent = own.parent AND other.folded = ?2 AND other.live = 1
         WHERE own.child = ?1 AND other.child <> ?1",
    )
    .bind(&node.id)
    .bind(&folded)
    .fetch_one(connection)
    .await?;
    Err(edges::name_taken(&folded, &parent, existing))
}
