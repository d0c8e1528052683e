//! What listings cost: how SQLite goes about them, and in how many steps.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tempfile::TempDir;

use super::*;
use crate::durability::Durability;

async fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    std::fs::write(&file, "").unwrap();
    let store = Store::open(&file, 0, Durability::Relaxed).await.unwrap();
    (dir, store)
}

fn query(scope: Scope, filter: &str, sort: &[(SortField, Order)]) -> Query {
    let sort = sort.iter().map(|(field, order)| SortKey {
        field: *field,
        order: *order,
    });
    Query {
        scope,
        filter: Filter::parse(filter).unwrap(),
        sort: sort.collect(),
        limit: 200,
        after: None,
    }
}

fn children() -> Scope {
    Scope::Children("x".into())
}

/// How SQLite goes about a page that is not the first.
async fn plan(store: &Store, mut query: Query) -> String {
    let keys = query
        .sort
        .iter()
        .map(|key| match key.field.is_number() {
            true => Key::Number(1),
            false => Key::Text("a".into()),
        })
        .collect();
    query.after = Some(Cursor {
        keys,
        seq: 1,
        count: 1,
    });
    explain(store, page_sql(&query)).await
}

async fn explain(store: &Store, select: QueryBuilder<Sqlite>) -> String {
    let sql = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", select.into_string()));
    let rows = sqlx::raw_sql(sql).fetch_all(&store.readers).await.unwrap();
    let steps: Vec<String> = rows
        .iter()
        .map(|row| row.try_get("detail").unwrap())
        .collect();
    steps.join("\n")
}

#[tokio::test]
async fn pages_of_a_folder_are_read_off_an_index_in_order() {
    let (_dir, store) = store().await;
    let listing = "SEARCH e USING INDEX edges_listing (parent=? AND live=? AND seq>?)";
    let names = [(SortField::Name, Order::Ascending)];
    let backwards = [(SortField::Name, Order::Descending)];
    for (scope, filter, sort, index) in [
        (children(), "", &[][..], listing),
        (children(), "kind:FILE", &[], listing),
        (children(), "status:AVAILABLE", &[], listing),
        (children(), "status:TRASH", &[], listing),
        (children(), "status:TRASH AND kind:FOLDER", &[], listing),
        (Scope::Everything, "parents:x", &[], listing),
        (Scope::Everything, "parents:x AND kind:FILE", &[], listing),
        (
            children(),
            "",
            &names,
            "SEARCH e USING INDEX edges_name (parent=? AND folded>?)",
        ),
        (
            children(),
            "",
            &backwards,
            "SEARCH e USING INDEX edges_name (parent=? AND folded<?)",
        ),
        (
            children(),
            "kind:FOLDER",
            &names,
            "SEARCH e USING INDEX edges_name (parent=? AND folded>?)",
        ),
        (
            Scope::Everything,
            "parents:x AND status:AVAILABLE",
            &names,
            "SEARCH e USING INDEX edges_name (parent=? AND folded>?)",
        ),
    ] {
        let plan = plan(&store, query(scope, filter, sort)).await;
        assert!(plan.starts_with(index), "{filter} {sort:?}:\n{plan}");
        assert!(
            !plan.contains("TEMP B-TREE") && !plan.contains("SCAN"),
            "{filter} {sort:?}:\n{plan}"
        );
    }
    store.close().await;
}

#[tokio::test]
async fn names_roots_digests_and_trash_are_looked_up() {
    let (_dir, store) = store().await;
    for (scope, filter, index) in [
        (
            Scope::Everything,
            "parents:x AND name:y",
            "edges_name (parent=? AND folded=?",
        ),
        (children(), "name:y", "edges_name (parent=? AND folded=?"),
        (
            Scope::Everything,
            "kind:FOLDER AND isRoot:true",
            "nodes_root (is_root=?",
        ),
        (Scope::Everything, "name:y", "nodes_name (name=?"),
        (
            Scope::Everything,
            "name:y AND kind:FILE",
            "nodes_name (name=?",
        ),
        (
            Scope::Everything,
            "contentProperties.md5:y",
            "nodes_md5 (md5=?",
        ),
        (Scope::Trash, "", "nodes_trash"),
        (Scope::Trash, "kind:FILE", "nodes_trash"),
    ] {
        let query = query(scope, filter, &[]);
        let mut counting = QueryBuilder::new("SELECT COUNT(*)");
        push_source(&mut counting, &query);
        for plan in [plan(&store, query).await, explain(&store, counting).await] {
            let first = plan.lines().next().unwrap();
            assert!(first.contains(index), "{filter}:\n{plan}");
        }
    }
    store.close().await;
}

/// A folder `x` of this many files, made as the server makes them.
async fn fill(store: &Store, files: i64) {
    let file = store.readers.connect_options().as_ref().clone();
    let options = file.pragma("query_only", "OFF");
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let sql = sqlx::AssertSqlSafe(format!(
        "INSERT INTO nodes (id, kind, name, created, modified, created_by)
             VALUES ('x', 'FOLDER', 'x', 0, 0, 'test');
         INSERT INTO edges (parent, child, folded, live)
             SELECT id, 'x', 'x', 1 FROM nodes WHERE is_root = 1;
         WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {files})
         INSERT INTO nodes (id, kind, name, created, modified, created_by,
                            object, content_version, size, md5, content_type)
             SELECT 'n' || n, 'FILE', printf('%08x', n * 2654435761 % 4294967296), 0, 0, 'test',
                    'o' || n, 1, 1, 'm', 'text/plain' FROM number;
         INSERT INTO edges (parent, child, folded, live)
             SELECT 'x', id, name, 1 FROM nodes WHERE kind = 'FILE'"
    ));
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
}

/// The steps of SQLite's machine that each page takes, the first with its count.
async fn steps(store: &Store, mut query: Query) -> Vec<u64> {
    let steps = Arc::new(AtomicU64::new(0));
    let mut connection = store.readers.acquire().await.unwrap();
    let counter = steps.clone();
    let mut handle = connection.lock_handle().await.unwrap();
    handle.set_progress_handler(1, move || {
        counter.fetch_add(1, Ordering::Relaxed);
        true
    });
    drop(handle);
    let mut taken = Vec::new();
    let mut nodes = 0;
    let count = count(&mut connection, &query).await.unwrap();
    loop {
        let found = page(&mut connection, &query, count).await.unwrap();
        taken.push(steps.swap(0, Ordering::Relaxed));
        nodes += found.nodes.len() as i64;
        match found.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    assert_eq!(nodes, count);
    taken
}

#[tokio::test]
async fn pages_in_the_middle_take_no_more_steps_than_the_first() {
    let (_dir, store) = store().await;
    fill(&store, 5_000).await;
    let names = [(SortField::Name, Order::Ascending)];
    let backwards = [(SortField::Name, Order::Descending)];
    for (filter, sort) in [
        ("", &[][..]),
        ("kind:FILE", &[]),
        ("status:AVAILABLE", &[]),
        ("", &names),
        ("kind:FILE", &backwards),
    ] {
        let taken = steps(&store, query(children(), filter, sort)).await;
        assert_eq!(taken.len(), 25, "{filter} {sort:?}");
        // Each node is compared with the place the page goes on from: some steps a node, and
        // the same on all pages.
        let most = taken[0] * 5 / 4;
        for (page, steps) in taken.iter().enumerate() {
            assert!(*steps <= most, "{filter} {sort:?}, page {page}: {taken:?}");
        }
    }
    store.close().await;
}
