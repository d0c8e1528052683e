//! Which folders hold which nodes: adding, removing, moving.

use sqlx::SqliteConnection;

use super::{
    Failure, Kind, Mutation, Node, Refusal, Status, Store, changes,
    node::{get, get_changeable, root_id, touch},
    trash,
};
use crate::names;

/// Takes a node out of one folder and puts it into another. Trashed nodes stay where they
/// are.
pub(crate) struct Move {
    pub(crate) child: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) now: i64,
}

/// Puts a node into one more folder, or takes it out of one. Trashed nodes as well.
pub(crate) struct Place {
    pub(crate) change: PlaceChange,
    pub(crate) parent: String,
    pub(crate) child: String,
    pub(crate) now: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlaceChange {
    Add,
    /// A node's last folder cannot be taken from it without it getting another: that is the
    /// root, as clients of the service observed.
    Remove,
}

impl Mutation for Move {
    type Output = Node;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<Node, Failure> {
        let node = get_changeable(connection, &self.child).await?;
        if node.status == Status::Trash {
            return Err(Refusal::Trashed.into());
        }
        check_holds(&self.from, &node)?;
        if self.from != self.to {
            let parents = node
                .parents
                .iter()
                .map(|parent| match *parent == self.from {
                    true => self.to.clone(),
                    false => parent.clone(),
                });
            set_parents(connection, &node, parents.collect()).await?;
            touch(connection, &node.id, self.now).await?;
        }
        get(connection, &node.id).await
    }
}

impl Mutation for Place {
    type Output = Node;

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<Node, Failure> {
        let node = get_changeable(connection, &self.child).await?;
        let mut parents = node.parents.clone();
        match self.change {
            PlaceChange::Add => parents.push(self.parent.clone()),
            PlaceChange::Remove => {
                check_holds(&self.parent, &node)?;
                parents.retain(|parent| *parent != self.parent);
                if parents.is_empty() {
                    parents.push(root_id(&mut *connection).await?);
                }
            }
        }
        if set_parents(connection, &node, parents).await? {
            touch(connection, &node.id, self.now).await?;
            trash::stand_alone(connection, &node.id, self.now).await?;
        }
        get(connection, &node.id).await
    }
}

impl Store {
    /// Says before anything is done whether a node of this name could be put into these
    /// folders; none means the root.
    pub(crate) async fn check_place(&self, parents: &[String], name: &str) -> Result<(), Failure> {
        let mut connection = self.readers.acquire().await?;
        let folded = names::fold(name);
        for parent in &parents_or_root(&mut connection, parents).await? {
            check_folder(&mut connection, parent).await?;
            if let Some(existing) = named(&mut connection, parent, &folded).await? {
                return Err(name_taken(&folded, parent, existing));
            }
        }
        Ok(())
    }
}

/// The parents of a new node, each once.
pub(super) async fn parents_or_root(
    connection: &mut SqliteConnection,
    parents: &[String],
) -> Result<Vec<String>, Failure> {
    let mut distinct: Vec<String> = Vec::new();
    for parent in parents {
        if !distinct.contains(parent) {
            distinct.push(parent.clone());
        }
    }
    if distinct.is_empty() {
        distinct.push(root_id(connection).await?);
    }
    Ok(distinct)
}

/// Whether nodes can be put into this: it is a folder and not in the trash.
pub(super) async fn check_folder(
    connection: &mut SqliteConnection,
    id: &str,
) -> Result<(), Failure> {
    let found: Option<(String, String)> =
        sqlx::query_as("SELECT kind, status FROM nodes WHERE id = ?1")
            .bind(id)
            .fetch_optional(connection)
            .await?;
    let id = id.to_owned();
    match found {
        None => Err(Refusal::NoSuchNode { id }.into()),
        Some((kind, _)) if kind != Kind::Folder.as_str() => Err(Refusal::NotAFolder { id }.into()),
        Some((_, status)) if status != Status::Available.as_str() => {
            Err(Refusal::TrashedParent.into())
        }
        Some(_) => Ok(()),
    }
}

/// Puts a node into a folder that [`check_folder`] has passed.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    parent: &str,
    child: &str,
    folded: &str,
    status: Status,
) -> Result<(), Failure> {
    let inserted =
        sqlx::query("INSERT INTO edges (parent, child, folded, live) VALUES (?1, ?2, ?3, ?4)")
            .bind(parent)
            .bind(child)
            .bind(folded)
            .bind(status == Status::Available)
            .execute(&mut *connection)
            .await;
    match inserted {
        Ok(_) => Ok(()),
        Err(error) if is_unique_violation(&error) => match named(connection, parent, folded).await?
        {
            Some(existing) => Err(name_taken(folded, parent, existing)),
            None => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// Makes these the node's only parents; says whether that changed anything.
pub(super) async fn set_parents(
    connection: &mut SqliteConnection,
    node: &Node,
    parents: Vec<String>,
) -> Result<bool, Failure> {
    let wanted = parents_or_root(connection, &parents).await?;
    let added: Vec<_> = wanted
        .iter()
        .filter(|id| !node.parents.contains(id))
        .collect();
    let removed: Vec<_> = node
        .parents
        .iter()
        .filter(|id| !wanted.contains(id))
        .collect();
    let folded = names::fold(node.name.as_deref().unwrap_or_default());
    for parent in &added {
        check_folder(connection, parent).await?;
        if node.kind == Kind::Folder && is_within(connection, parent, &node.id).await? {
            return Err(Refusal::Cycle.into());
        }
        insert(connection, parent, &node.id, &folded, node.status).await?;
    }
    for parent in &removed {
        sqlx::query("DELETE FROM edges WHERE parent = ?1 AND child = ?2")
            .bind(parent)
            .bind(&node.id)
            .execute(&mut *connection)
            .await?;
    }
    // Of what moved, both folders are told of among the changes.
    for parent in added.iter().chain(&removed) {
        changes::mark(connection, parent).await?;
    }
    Ok(!added.is_empty() || !removed.is_empty())
}

pub(super) fn is_unique_violation(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.is_unique_violation())
}

pub(super) fn name_taken(folded: &str, parent: &str, existing: String) -> Failure {
    Refusal::NameTaken {
        folded: folded.to_owned(),
        parent: parent.to_owned(),
        existing,
    }
    .into()
}

/// The available node of this folded name in the folder.
async fn named(
    connection: &mut SqliteConnection,
    parent: &str,
    folded: &str,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT child FROM edges WHERE parent = ?1 AND folded = ?2 AND live = 1")
        .bind(parent)
        .bind(folded)
        .fetch_optional(connection)
        .await
}

/// Whether a folder is the other or lies anywhere below it.
async fn is_within(
    connection: &mut SqliteConnection,
    folder: &str,
    other: &str,
) -> Result<bool, sqlx::Error> {
    let found: i64 = sqlx::query_scalar(
        "WITH RECURSIVE above (id) AS (
             SELECT ?1
             UNION
             SELECT e.parent FROM above a JOIN edges e ON e.child = a.id
         )
         SELECT COUNT(*) FROM above WHERE id = ?2",
    )
    .bind(folder)
    .bind(other)
    .fetch_one(connection)
    .await?;
    Ok(found > 0)
}

fn check_holds(parent: &str, node: &Node) -> Result<(), Refusal> {
    match node.parents.iter().any(|id| id == parent) {
        true => Ok(()),
        false => Err(Refusal::NotInFolder {
            child: node.id.clone(),
            parent: parent.to_owned(),
        }),
    }
}
