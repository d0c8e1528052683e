//! New nodes.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;

use super::{Content, Failure, Fate, Kind, Mutation, Node, Refusal, Status, edges, properties};
use crate::{content::Stored, ids, names, picture::Details};

/// Makes a folder, or a file of stored content.
pub(crate) struct Create {
    pub(crate) name: String,
    /// None means the root.
    pub(crate) parents: Vec<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) description: Option<String>,
    pub(crate) created_by: String,
    /// What the creator notes of it.
    pub(crate) properties: BTreeMap<String, String>,
    /// The client's own id for it: no two nodes are made with the same.
    pub(crate) local_id: Option<String>,
    pub(crate) now: i64,
    /// `None` makes a folder.
    pub(crate) file: Option<NewFile>,
}

pub(crate) struct NewFile {
    pub(crate) stored: Stored,
    pub(crate) content_type: String,
    /// What it says of itself, if it is a picture.
    pub(crate) details: Option<Details>,
    /// Refuse content that another available file has. Empty content is never refused.
    pub(crate) refuse_duplicate: bool,
}

impl Mutation for Create {
    type Output = Node;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<Node, Failure> {
        // Before anything else: who asks again is to hear of the node that is there.
        if let Some(local_id) = &self.local_id {
            check_local_id(connection, local_id).await?;
        }
        let parents = edges::parents_or_root(connection, &self.parents).await?;
        for parent in &parents {
            edges::check_folder(connection, parent).await?;
        }
        let node = self.node(parents);
        insert(connection, &node).await?;
        let folded = names::fold(&self.name);
        for parent in &node.parents {
            edges::insert(connection, parent, &node.id, &folded, Status::Available).await?;
        }
        // After the name, so that a name taken is what is said when both are: clients
        // replace a file on that.
        if let (Some(content), Some(file)) = (&node.content, &self.file)
            && file.refuse_duplicate
            && content.size > 0
        {
            check_duplicate(connection, &node.id, content).await?;
        }
        if !self.properties.is_empty() {
            properties::set(connection, &node.id, &self.created_by, &self.properties).await?;
        }
        if let Some(local_id) = &self.local_id {
            sqlx::query("INSERT INTO local_ids (local_id, node) VALUES (?1, ?2)")
                .bind(local_id)
                .bind(&node.id)
                .execute(connection)
                .await?;
        }
        Ok(node)
    }

    fn settled(self, fate: Fate) {
        if let Some(file) = self.file {
            file.stored.settle(fate);
        }
    }
}

impl Create {
    fn node(&self, parents: Vec<String>) -> Node {
        Node {
            id: ids::node_id(),
            kind: if self.file.is_some() {
                Kind::File
            } else {
                Kind::Folder
            },
            name: Some(self.name.clone()),
            status: Status::Available,
            exclusively_trashed: false,
            recursively_trashed: false,
            version: 1,
            created: self.now,
            modified: self.now,
            created_by: self.created_by.clone(),
            description: self.description.clone(),
            labels: self.labels.clone(),
            parents,
            content: self.file.as_ref().map(|file| Content {
                object: file.stored.object().to_owned(),
                version: 1,
                size: file.stored.size(),
                md5: file.stored.md5().to_owned(),
                content_type: file.content_type.clone(),
                extension: names::extension(&self.name),
                image: file.details.as_ref().map(|details| details.image.clone()),
                date: file.details.as_ref().and_then(|details| details.taken),
            }),
        }
    }
}

async fn insert(connection: &mut SqliteConnection, node: &Node) -> Result<(), sqlx::Error> {
    let content = node.content.as_ref();
    sqlx::query(
        "INSERT INTO nodes (id, kind, name, created, modified, created_by, description, labels,
                            object, content_version, size, md5, content_type, extension, image,
                            content_date)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )
    .bind(&node.id)
    .bind(node.kind.as_str())
    .bind(&node.name)
    .bind(node.created)
    .bind(node.modified)
    .bind(&node.created_by)
    .bind(&node.description)
    .bind(serde_json::json!(node.labels).to_string())
    .bind(content.map(|content| &content.object))
    .bind(content.map(|content| content.version))
    .bind(content.map(|content| content.size))
    .bind(content.map(|content| &content.md5))
    .bind(content.map(|content| &content.content_type))
    .bind(content.and_then(|content| content.extension.as_ref()))
    .bind(content.and_then(|content| content.image.as_ref()))
    .bind(content.and_then(|content| content.date))
    .execute(connection)
    .await
    .map(drop)
}

async fn check_local_id(connection: &mut SqliteConnection, local_id: &str) -> Result<(), Failure> {
    let existing: Option<String> =
        sqlx::query_scalar("SELECT node FROM local_ids WHERE local_id = ?1")
            .bind(local_id)
            .fetch_optional(connection)
            .await?;
    match existing {
        Some(existing) => Err(Refusal::LocalIdTaken { existing }.into()),
        None => Ok(()),
    }
}

async fn check_duplicate(
    connection: &mut SqliteConnection,
    id: &str,
    content: &Content,
) -> Result<(), Failure> {
    let existing: Option<String> = sqlx::query_scalar(
        "SELECT id FROM nodes WHERE md5 = ?1 AND size = ?2 AND status = 'AVAILABLE' AND id <> ?3 LIMIT 1",
    )
    .bind(&content.md5)
    .bind(content.size)
    .bind(id)
    .fetch_optional(connection)
    .await?;
    match existing {
        Some(existing) => Err(Refusal::Duplicate { existing }.into()),
        None => Ok(()),
    }
}
