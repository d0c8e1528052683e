//! Nodes as the store has them.

use sqlx::{FromRow, Row, SqliteConnection, SqliteExecutor, sqlite::SqliteRow};

use super::{Failure, Refusal, Store};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    Asset,
}

impl Kind {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::File, Self::Folder, Self::Asset]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::File => "FILE",
            Self::Folder => "FOLDER",
            Self::Asset => "ASSET",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Available,
    Trash,
    Purged,
    Pending,
}

impl Status {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Available, Self::Trash, Self::Purged, Self::Pending]
            .into_iter()
            .find(|status| status.as_str() == text)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Available => "AVAILABLE",
            Self::Trash => "TRASH",
            Self::Purged => "PURGED",
            Self::Pending => "PENDING",
        }
    }
}

/// A node with the ids of its parents. Times are milliseconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    /// `None`: the root, or a purged node.
    pub(crate) name: Option<String>,
    pub(crate) status: Status,
    pub(crate) exclusively_trashed: bool,
    pub(crate) recursively_trashed: bool,
    pub(crate) version: i64,
    pub(crate) created: i64,
    pub(crate) modified: i64,
    pub(crate) created_by: String,
    pub(crate) description: Option<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) parents: Vec<String>,
    /// `None`: a folder, or a purged node.
    pub(crate) content: Option<Content>,
}

/// The content of a file.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    /// Where the bytes are.
    pub(crate) object: String,
    /// 1 at first, one more with each overwrite.
    pub(crate) version: i64,
    /// Bytes.
    pub(crate) size: i64,
    /// Lower-case hex.
    pub(crate) md5: String,
    pub(crate) content_type: String,
    pub(crate) extension: Option<String>,
    /// What a picture's file says of it: a JSON object in the service's shape.
    pub(crate) image: Option<String>,
    /// When the picture was taken, in milliseconds since 1970.
    pub(crate) date: Option<i64>,
}

impl Node {
    pub(crate) fn is_root(&self) -> bool {
        self.name.is_none() && self.status != Status::Purged
    }
}

/// What a query selects so that a [`Node`] can be made of its rows: of a table `n`.
pub(super) const COLUMNS: &str = "n.id, n.kind, n.name, n.status, n.exclusively_trashed, n.recursively_trashed, \
     n.version, n.created, n.modified, n.created_by, n.description, n.labels, \
     n.object, n.content_version, n.size, n.md5, n.content_type, n.extension, n.image, n.content_date, \
     (SELECT group_concat(p.parent, ' ') FROM edges p WHERE p.child = n.id) AS parents";

/// What the service's own first node says of its maker.
pub(super) const ROOT_CREATOR: &str = "CloudDriveFiles";

impl FromRow<'_, SqliteRow> for Node {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let object: Option<String> = row.try_get("object")?;
        let content = match object {
            None => None,
            Some(object) => Some(Content {
                object,
                version: row.try_get("content_version")?,
                size: row.try_get("size")?,
                md5: row.try_get("md5")?,
                content_type: row.try_get("content_type")?,
                extension: row.try_get("extension")?,
                image: row.try_get("image")?,
                date: row.try_get("content_date")?,
            }),
        };
        let parents: Option<String> = row.try_get("parents")?;
        Ok(Self {
            id: row.try_get("id")?,
            kind: known(row, "kind", Kind::parse)?,
            name: row.try_get("name")?,
            status: known(row, "status", Status::parse)?,
            exclusively_trashed: row.try_get("exclusively_trashed")?,
            recursively_trashed: row.try_get("recursively_trashed")?,
            version: row.try_get("version")?,
            created: row.try_get("created")?,
            modified: row.try_get("modified")?,
            created_by: row.try_get("created_by")?,
            description: row.try_get("description")?,
            labels: known(row, "labels", |text| serde_json::from_str(text).ok())?,
            parents: parents
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            content,
        })
    }
}

pub(super) fn known<T>(
    row: &SqliteRow,
    column: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, sqlx::Error> {
    let text: String = row.try_get(column)?;
    parse(&text).ok_or_else(|| sqlx::Error::ColumnDecode {
        index: column.into(),
        source: format!("unknown value '{text}'").into(),
    })
}

impl Store {
    /// The node with this id, whatever its status.
    pub(crate) async fn node(&self, id: &str) -> Result<Node, Failure> {
        find(&self.readers, id).await?.ok_or_else(|| missing(id))
    }

    /// Whether a file's content is in this object.
    pub(crate) async fn refers_to(&self, object: &str) -> Result<bool, Failure> {
        let found: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM nodes WHERE object = ?1")
            .bind(object)
            .fetch_one(&self.readers)
            .await?;
        Ok(found > 0)
    }

    /// The objects that wait for their deletion.
    pub(crate) async fn garbage(&self) -> Result<Vec<String>, Failure> {
        let query = sqlx::query_scalar("SELECT object FROM garbage");
        Ok(query.fetch_all(&self.readers).await?)
    }
}

/// The node in a transaction.
pub(super) async fn get(connection: &mut SqliteConnection, id: &str) -> Result<Node, Failure> {
    find(connection, id).await?.ok_or_else(|| missing(id))
}

/// The node in a transaction, if it may be changed: all but the root.
pub(super) async fn get_changeable(
    connection: &mut SqliteConnection,
    id: &str,
) -> Result<Node, Failure> {
    let node = get(connection, id).await?;
    match node.is_root() {
        true => Err(Refusal::Root.into()),
        false => Ok(node),
    }
}

pub(super) async fn root_id(executor: impl SqliteExecutor<'_>) -> Result<String, sqlx::Error> {
    sqlx::query_scalar("SELECT id FROM nodes WHERE is_root = 1")
        .fetch_one(executor)
        .await
}

/// Counts a change of the node and dates it.
pub(super) async fn touch(
    connection: &mut SqliteConnection,
    id: &str,
    now: i64,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query("UPDATE nodes SET version = version + 1, modified = ?2 WHERE id = ?1");
    query.bind(id).bind(now).execute(connection).await.map(drop)
}

async fn find(executor: impl SqliteExecutor<'_>, id: &str) -> Result<Option<Node>, sqlx::Error> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM nodes n WHERE n.id = ?1"));
    sqlx::query_as(sql).bind(id).fetch_optional(executor).await
}

fn missing(id: &str) -> Failure {
    Refusal::NoSuchNode { id: id.to_owned() }.into()
}
