//! What a person looks through: folders by name, and the trash. Each page is read off an
//! index from where the one beside it ended, so in a folder of a million nodes it costs what
//! it costs in one of a hundred.

use sqlx::{FromRow, QueryBuilder, Row, Sqlite};

use super::{
    Failure, Node, Store,
    node::{self, COLUMNS},
};

/// Where in a folder a page is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FolderPlace {
    First,
    /// Behind the name that folds to this.
    After(String),
    /// Before it.
    Before(String),
}

/// Some of a folder's nodes, by name.
#[derive(Clone, Debug)]
pub(crate) struct FolderPage {
    pub(crate) nodes: Vec<Node>,
    pub(crate) has_earlier: bool,
    pub(crate) has_later: bool,
}

/// A folder on the way from the root to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) id: String,
    /// `None`: the root.
    pub(crate) name: Option<String>,
}

/// Some of what was put into the trash, the last first.
#[derive(Clone, Debug)]
pub(crate) struct TrashPage {
    pub(crate) items: Vec<TrashItem>,
    /// `None`: there are no more.
    pub(crate) next: Option<TrashCursor>,
}

#[derive(Clone, Debug)]
pub(crate) struct TrashItem {
    pub(crate) node: Node,
    /// Milliseconds since 1970.
    pub(crate) trashed: i64,
    /// The folder it was in; of several the first.
    pub(crate) folder: Option<Step>,
}

/// The last of a page of the trash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrashCursor {
    pub(crate) trashed: i64,
    pub(crate) seq: i64,
}

impl Store {
    pub(crate) async fn root_id(&self) -> Result<String, Failure> {
        Ok(node::root_id(&self.readers).await?)
    }

    /// The available nodes of a folder that are in this place.
    pub(crate) async fn folder_page(
        &self,
        folder: &str,
        place: &FolderPlace,
        limit: usize,
    ) -> Result<FolderPage, Failure> {
        let mut rows = folder_sql(folder, place, limit)
            .build()
            .fetch_all(&self.readers)
            .await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let mut nodes = rows
            .iter()
            .map(Node::from_row)
            .collect::<Result<Vec<_>, _>>()?;
        let (has_earlier, has_later) = match place {
            FolderPlace::First => (false, more),
            FolderPlace::After(_) => (true, more),
            FolderPlace::Before(_) => {
                nodes.reverse();
                (more, true)
            }
        };
        Ok(FolderPage {
            nodes,
            has_earlier,
            has_later,
        })
    }

    /// The folders from the root to this node, itself included. Where a folder is in several,
    /// it is the one it came into first.
    pub(crate) async fn path(&self, id: &str) -> Result<Vec<Step>, Failure> {
        let query = sqlx::query_as(
            "WITH RECURSIVE up (id, name, depth) AS (
                 SELECT id, name, 0 FROM nodes WHERE id = ?1
                 UNION ALL
                 SELECT n.id, n.name, up.depth + 1 FROM up JOIN nodes n ON n.id =
                     (SELECT e.parent FROM edges e WHERE e.child = up.id ORDER BY e.seq LIMIT 1)
                 WHERE up.depth < ?2
             )
             SELECT id, name FROM up ORDER BY depth DESC",
        );
        let query = query.bind(id).bind(DEEPEST);
        let steps: Vec<(String, Option<String>)> = query.fetch_all(&self.readers).await?;
        let steps = steps.into_iter().map(|(id, name)| Step { id, name });
        Ok(steps.collect())
    }

    pub(crate) async fn trash_page(
        &self,
        after: Option<TrashCursor>,
        limit: usize,
    ) -> Result<TrashPage, Failure> {
        let mut rows = trash_sql(after, limit)
            .build()
            .fetch_all(&self.readers)
            .await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let mut next = None;
        if let Some(last) = rows.last().filter(|_| more) {
            next = Some(TrashCursor {
                trashed: last.try_get("trashed_at")?,
                seq: last.try_get("seq")?,
            });
        }
        let items = rows.iter().map(|row| {
            let folder: Option<String> = row.try_get("folder")?;
            let folder_name = row.try_get("folder_name")?;
            Ok(TrashItem {
                node: Node::from_row(row)?,
                trashed: row.try_get("trashed_at")?,
                folder: folder.map(|id| Step {
                    id,
                    name: folder_name,
                }),
            })
        });
        let items = items.collect::<Result<_, sqlx::Error>>()?;
        Ok(TrashPage { items, next })
    }
}

fn folder_sql(folder: &str, place: &FolderPlace, limit: usize) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new(format!(
        "SELECT {COLUMNS} FROM edges e JOIN nodes n ON n.id = e.child
         WHERE e.live = 1 AND e.parent = "
    ));
    sql.push_bind(folder.to_owned());
    match place {
        FolderPlace::First => {}
        FolderPlace::After(name) => {
            sql.push(" AND e.folded > ").push_bind(name.clone());
        }
        FolderPlace::Before(name) => {
            sql.push(" AND e.folded < ").push_bind(name.clone());
        }
    }
    sql.push(match place {
        FolderPlace::Before(_) => " ORDER BY e.folded DESC LIMIT ",
        _ => " ORDER BY e.folded LIMIT ",
    });
    sql.push_bind(one_more(limit));
    sql
}

fn trash_sql(after: Option<TrashCursor>, limit: usize) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new(format!(
        "SELECT {COLUMNS}, n.seq, n.trashed AS trashed_at, f.id AS folder, f.name AS folder_name
         FROM nodes n LEFT JOIN nodes f ON f.id =
             (SELECT e.parent FROM edges e WHERE e.child = n.id ORDER BY e.seq LIMIT 1)
         WHERE n.exclusively_trashed = 1"
    ));
    if let Some(TrashCursor { trashed, seq }) = after {
        sql.push(" AND (n.trashed, n.seq) < (").push_bind(trashed);
        sql.push(", ").push_bind(seq).push(")");
    }
    sql.push(" ORDER BY n.trashed DESC, n.seq DESC LIMIT ");
    sql.push_bind(one_more(limit));
    sql
}

/// To know whether there is one.
fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).map_or(i64::MAX, |limit| limit.saturating_add(1))
}

/// Folders on the way to the root: more fit into no path of any system, and a page must end.
const DEEPEST: i64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    /// How SQLite goes about a page.
    async fn plan(sql: QueryBuilder<Sqlite>) -> String {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("db");
        std::fs::write(&file, "").unwrap();
        let store = Store::open(&file, 0, crate::durability::Durability::Full)
            .await
            .unwrap();
        let sql = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", sql.into_string()));
        let rows = sqlx::raw_sql(sql).fetch_all(&store.readers).await.unwrap();
        // Not those of subqueries, which look at one node.
        let steps: Vec<String> = rows
            .iter()
            .filter(|row| row.try_get::<i64, _>("parent").unwrap() == 0)
            .map(|row| row.try_get("detail").unwrap())
            .collect();
        store.close().await;
        steps.join("\n")
    }

    #[tokio::test]
    async fn pages_of_a_folder_are_read_off_an_index() {
        for (place, range) in [
            (FolderPlace::First, "(parent=?)"),
            (FolderPlace::After("m".into()), "(parent=? AND folded>?)"),
            (FolderPlace::Before("m".into()), "(parent=? AND folded<?)"),
        ] {
            let plan = plan(folder_sql("x", &place, 100)).await;
            let index = format!("SEARCH e USING INDEX edges_name {range}");
            assert!(plan.starts_with(&index), "{place:?}:\n{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{place:?}:\n{plan}");
        }
    }

    #[tokio::test]
    async fn pages_of_the_trash_are_read_off_an_index() {
        let cursor = TrashCursor { trashed: 1, seq: 1 };
        for after in [None, Some(cursor)] {
            let plan = plan(trash_sql(after, 100)).await;
            let first = plan.lines().next().unwrap();
            assert!(first.contains("n USING INDEX nodes_trashed"), "{plan}");
            assert_eq!(first.contains("trashed<?"), after.is_some(), "{plan}");
            assert!(!plan.contains("TEMP B-TREE FOR ORDER BY"), "{plan}");
        }
    }
}
