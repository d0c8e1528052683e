//! How many nodes a listing has in all its pages.

use sqlx::{QueryBuilder, SqliteConnection};

use super::{
    Kind, Query, Scope, Status,
    query::{folder, push_source},
};
use crate::filter::Term;

/// Of whole folders, and of their files or folders, the numbers are kept (see the migration
/// `0004_counts.sql`): in a folder of a million nodes counting takes seconds. All else is
/// counted, and costs as much as looking for it does.
pub(super) async fn count(
    connection: &mut SqliteConnection,
    query: &Query,
) -> Result<i64, sqlx::Error> {
    let mut sql = match kept(query) {
        Some((folder, kind)) => {
            let mut sql =
                QueryBuilder::new("SELECT COALESCE(SUM(nodes), 0) FROM counts WHERE folder = ");
            sql.push_bind(folder.to_owned());
            if let Some(kind) = kind {
                sql.push(" AND kind = ").push_bind(kind.as_str());
            }
            sql
        }
        None => {
            let mut sql = QueryBuilder::new("SELECT COUNT(*)");
            push_source(&mut sql, query);
            sql
        }
    };
    sql.build_query_scalar().fetch_one(connection).await
}

/// The folder, or `""` for the whole drive, and the kind whose number is kept, if the listing
/// is of just these.
fn kept(query: &Query) -> Option<(&str, Option<Kind>)> {
    if query.scope == Scope::Trash {
        return None;
    }
    let folder = match folder(query) {
        // No folder has this id, under which the drive's own number is kept.
        Some("") => return None,
        folder => folder.unwrap_or_default(),
    };
    let Some(filter) = &query.filter else {
        return Some((folder, None));
    };
    if !filter.is_conjunction() {
        return None;
    }
    let mut kind = None;
    for term in filter.required() {
        match term {
            Term::Parent(parent) if parent == folder => {}
            Term::Kind(wanted) if kind.is_none_or(|kind| kind == *wanted) => kind = Some(*wanted),
            Term::Status(Status::Available) => {}
            _ => return None,
        }
    }
    Some((folder, kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        durability::Durability,
        filter::Filter,
        store::{Create, Move, Patch, Place, PlaceChange, Restore, Store, Trash},
    };

    fn query(scope: Scope, filter: &str) -> Query {
        Query {
            scope,
            filter: Filter::parse(filter).unwrap(),
            sort: Vec::new(),
            limit: 200,
            after: None,
        }
    }

    #[test]
    fn numbers_are_kept_of_folders_and_their_kinds_only() {
        let children = |filter: &str| query(Scope::Children("x".into()), filter);
        let everything = |filter: &str| query(Scope::Everything, filter);
        let (file, folder) = (Some(Kind::File), Some(Kind::Folder));
        for (query, expected) in [
            (children(""), Some(("x", None))),
            (children("kind:FILE"), Some(("x", file))),
            (
                children("status:AVAILABLE AND kind:FOLDER"),
                Some(("x", folder)),
            ),
            (everything(""), Some(("", None))),
            (everything("kind:FILE"), Some(("", file))),
            (everything("parents:x"), Some(("x", None))),
            (everything("kind:FOLDER AND parents:x"), Some(("x", folder))),
            (children("status:TRASH"), None),
            (children("kind:FILE OR kind:FOLDER"), None),
            (children("kind:FILE AND name:a"), None),
            (children("kind:FILE AND kind:FOLDER"), None),
            (children("kind:FILE AND name:a OR kind:FOLDER"), None),
            (children("parents:y"), None),
            (everything("parents:x AND parents:y"), None),
            (everything("status:AVAILABLE OR status:TRASH"), None),
            (query(Scope::Trash, ""), None),
        ] {
            assert_eq!(kept(&query), expected, "{query:?}");
        }
    }

    /// The numbers kept, and the same counted anew.
    async fn both(store: &Store) -> [Vec<(String, String, i64)>; 2] {
        let kept = "SELECT folder, kind, nodes FROM counts WHERE nodes <> 0 ORDER BY folder, kind";
        let counted = "SELECT e.parent AS folder, n.kind AS kind, COUNT(*) FROM edges e
                           JOIN nodes n ON n.id = e.child WHERE n.status = 'AVAILABLE'
                           GROUP BY e.parent, n.kind
                       UNION ALL
                       SELECT '', kind, COUNT(*) FROM nodes WHERE status = 'AVAILABLE' GROUP BY kind
                       ORDER BY folder, kind";
        let mut found = [Vec::new(), Vec::new()];
        for (sql, found) in [kept, counted].into_iter().zip(&mut found) {
            *found = sqlx::query_as(sql).fetch_all(&store.readers).await.unwrap();
        }
        found
    }

    #[tokio::test]
    async fn numbers_kept_are_those_that_counting_finds() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("db");
        std::fs::write(&file, "").unwrap();
        let store = Store::open(&file, 0, Durability::Relaxed).await.unwrap();
        let make = async |name: &str, parents: &[&String]| {
            let create = Create {
                name: name.into(),
                parents: parents.iter().map(|id| (*id).clone()).collect(),
                labels: Vec::new(),
                description: None,
                properties: std::collections::BTreeMap::new(),
                local_id: None,
                created_by: "test".into(),
                now: 0,
                file: None,
            };
            store.write(create).await.unwrap().id
        };
        let a = make("a", &[]).await;
        let b = make("b", &[]).await;
        let inner = make("inner", &[&a]).await;
        let deep = make("deep", &[&inner]).await;
        let both_parents = make("both", &[&a, &b]).await;
        let trash = |id: &String| Trash {
            id: id.clone(),
            now: 0,
        };
        let restore = |id: &String| Restore {
            id: id.clone(),
            now: 0,
        };
        let place = |change, parent: &String, child: &String| Place {
            change,
            parent: parent.clone(),
            child: child.clone(),
            now: 0,
        };
        let steps: [(&str, i64); 8] = [
            ("made", 6),
            ("trashed below", 5),
            ("trashed with what is in it", 2),
            ("restored", 5),
            ("restored below", 6),
            ("moved", 6),
            ("added and removed", 6),
            ("given other parents", 6),
        ];
        for (step, available) in steps {
            match step {
                "trashed below" => drop(store.write(trash(&deep)).await.unwrap()),
                "trashed with what is in it" => drop(store.write(trash(&a)).await.unwrap()),
                "restored" => drop(store.write(restore(&a)).await.unwrap()),
                "restored below" => drop(store.write(restore(&deep)).await.unwrap()),
                "moved" => {
                    let change = Move {
                        child: inner.clone(),
                        from: a.clone(),
                        to: b.clone(),
                        now: 0,
                    };
                    store.write(change).await.unwrap();
                }
                "added and removed" => {
                    let add = place(PlaceChange::Add, &a, &deep);
                    store.write(add).await.unwrap();
                    let remove = place(PlaceChange::Remove, &b, &both_parents);
                    store.write(remove).await.unwrap();
                }
                "given other parents" => {
                    let patch = Patch {
                        id: deep.clone(),
                        parents: Some(vec![b.clone()]),
                        ..Patch::default()
                    };
                    store.write(patch).await.unwrap();
                }
                _ => {}
            }
            let [kept, counted] = both(&store).await;
            assert_eq!(kept, counted, "{step}");
            let all = store.list(&query(Scope::Everything, "")).await.unwrap();
            assert_eq!(all.count, available, "{step}");
            assert_eq!(all.nodes.len() as i64, available, "{step}");
        }
        store.close().await;
    }
}
