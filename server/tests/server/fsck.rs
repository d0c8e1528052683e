//! Checks of a data directory that was damaged by hand, one way after the other.

use std::{fs, path::Path};

use amazon_drive_server::{Error, Finding, FsckOptions, Problem, fsck};
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use crate::{
    backup::findings,
    common::{Running, files, options, start, until},
};

fn repair() -> FsckOptions {
    let mut options = FsckOptions::default();
    options.repair = true;
    options
}

fn quick() -> FsckOptions {
    let mut options = FsckOptions::default();
    options.quick = true;
    options
}

/// A drive of some folders and files, and of nodes in the trash. No server runs on it.
async fn drive() -> TempDir {
    let (dir, server) = start().await;
    let root = server.root().await;
    let a = server.folder("A", &root).await;
    let b = server.folder("B", &a).await;
    let file = server.file("File", &b, b"content").await;
    server.file("other", &a, b"other content").await;
    let both = format!("nodes/{root}/children/{file}");
    server
        .call(reqwest::Method::PUT, &both, None)
        .await
        .expect(200);
    for (name, parent) in [("gone", &root), ("lost", &b)] {
        let id = server.folder(name, parent).await;
        server.file("inner", &id, b"inner").await;
        server
            .call(reqwest::Method::PUT, &format!("trash/{id}"), None)
            .await
            .expect(200);
    }
    server.stop().await;
    assert_eq!(findings(dir.path(), FsckOptions::default()).await, []);
    dir
}

async fn execute(dir: &Path, sql: &'static str) {
    // No defences: this is damage.
    let file = SqliteConnectOptions::new()
        .filename(dir.join("metadata.sqlite3"))
        .foreign_keys(false)
        .pragma("ignore_check_constraints", "ON");
    let mut connection = file.connect().await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn problems(found: &[Finding]) -> Vec<Problem> {
    let mut problems: Vec<_> = found.iter().map(|finding| finding.problem).collect();
    problems.dedup();
    problems
}

#[tokio::test]
async fn damaged_metadata_are_found() {
    let mut wrong = Vec::new();
    for (sql, expected, path) in [
        (
            "DELETE FROM edges WHERE folded = 'a'",
            &[Problem::NoParent, Problem::Unreachable][..],
            Some("?/A"),
        ),
        (
            "DROP TRIGGER edges_uncounted; DELETE FROM edges WHERE folded = 'other'",
            &[Problem::NoParent, Problem::WrongCount],
            Some("?/other"),
        ),
        (
            "INSERT INTO edges (parent, child, folded, live)
                 SELECT b.id, a.id, 'a', 1 FROM nodes a, nodes b WHERE a.name = 'A' AND b.name = 'B'",
            &[Problem::Cycle],
            Some("/A"),
        ),
        (
            "UPDATE edges SET parent = (SELECT id FROM nodes WHERE name = 'B') WHERE folded = 'a'",
            &[Problem::Unreachable, Problem::WrongCount, Problem::Cycle],
            Some("?/B/A"),
        ),
        (
            "UPDATE edges SET parent = (SELECT id FROM nodes WHERE name = 'other') WHERE folded = 'b'",
            &[Problem::ParentNotAFolder, Problem::WrongCount],
            Some("/A/other/B"),
        ),
        (
            "UPDATE edges SET live = 0 WHERE folded = 'other'",
            &[Problem::WrongLiveFlag],
            Some("/A/other"),
        ),
        (
            "UPDATE edges SET folded = 'else' WHERE folded = 'other'",
            &[Problem::WrongLowerCase],
            Some("/A/other"),
        ),
        (
            "UPDATE nodes SET exclusively_trashed = 1 WHERE name = 'other'",
            &[Problem::WrongTrashFlags],
            Some("/A/other"),
        ),
        (
            "UPDATE nodes SET exclusively_trashed = 0 WHERE name = 'gone'",
            &[Problem::WrongTrashFlags],
            Some("/gone"),
        ),
        (
            "UPDATE nodes SET md5 = NULL WHERE name = 'other'",
            &[Problem::IncompleteFile, Problem::WrongDigest],
            Some("/A/other"),
        ),
        (
            "INSERT INTO garbage SELECT object FROM nodes WHERE name = 'other'",
            &[Problem::UsedGarbage],
            Some("/A/other"),
        ),
        (
            "UPDATE counts SET nodes = nodes + 1 WHERE folder <> '' AND kind = 'FILE'",
            &[Problem::WrongCount],
            Some("/A"),
        ),
        (
            "UPDATE usage SET bytes = bytes + 1",
            &[Problem::WrongUsage],
            None,
        ),
        (
            "DELETE FROM changes WHERE node = (SELECT id FROM nodes WHERE name = 'other')",
            &[Problem::MissingChange],
            Some("/A/other"),
        ),
        (
            "DELETE FROM counts WHERE folder = '' AND kind = 'FILE'",
            &[Problem::WrongCount],
            None,
        ),
        (
            "UPDATE nodes SET status = 'TRASH', exclusively_trashed = 1 WHERE is_root = 1",
            &[Problem::BadRoot],
            Some("/"),
        ),
        (
            "DROP INDEX nodes_root;
             UPDATE nodes SET is_root = 1, name = NULL WHERE name = 'gone';
             DELETE FROM edges WHERE folded = 'gone'",
            &[Problem::NotOneRoot, Problem::BadRoot],
            Some("/"),
        ),
        (
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = replace(sql, '(md5)', '(id)') WHERE name = 'nodes_md5'",
            &[Problem::DamagedDatabase],
            None,
        ),
        (
            "INSERT INTO edges (parent, child, folded, live)
                 SELECT 'nowhere', id, 'other', 1 FROM nodes WHERE name = 'other'",
            &[Problem::DanglingReference],
            Some("/A/other"),
        ),
    ] {
        let dir = drive().await;
        execute(dir.path(), sql).await;
        let found = findings(dir.path(), FsckOptions::default()).await;
        for problem in expected {
            if !problems(&found).contains(problem) {
                wrong.push(format!("{sql}: no {problem:?} in {found:#?}"));
            }
        }
        // And nothing but what follows from it.
        let related = |problem: &Problem| expected.contains(problem);
        if !problems(&found).iter().all(related) {
            wrong.push(format!("{sql}: not only {expected:?} in {found:#?}"));
        }
        let named = |finding: &Finding| finding.path.as_deref() == path;
        if !found.iter().any(named) {
            wrong.push(format!("{sql}: no {path:?} in {found:#?}"));
        }
        // Looking has changed nothing.
        let again = findings(dir.path(), FsckOptions::default()).await;
        assert_eq!(again, found, "{sql}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn object_of(dir: &Path, content: &[u8]) -> std::path::PathBuf {
    files(&dir.join("content"))
        .into_iter()
        .find(|path| fs::read(path).unwrap() == content)
        .unwrap()
}

#[tokio::test]
async fn damaged_contents_are_found() {
    let dir = drive().await;
    let object = object_of(dir.path(), b"other content");
    for (bytes, problem, seen_quickly) in [
        (None, Problem::MissingContent, true),
        (Some(&b"other contents"[..]), Problem::WrongSize, true),
        (Some(b"Other content"), Problem::WrongDigest, false),
    ] {
        match bytes {
            Some(bytes) => fs::write(&object, bytes).unwrap(),
            None => fs::remove_file(&object).unwrap(),
        }
        let found = findings(dir.path(), FsckOptions::default()).await;
        assert_eq!(problems(&found), [problem]);
        assert_eq!(found[0].path.as_deref(), Some("/A/other"));
        assert!(found[0].node.is_some());
        assert_eq!(
            findings(dir.path(), quick()).await.is_empty(),
            !seen_quickly
        );
        // There is nothing to put it right with.
        assert!(!findings(dir.path(), repair()).await[0].repaired);
    }
    fs::write(&object, b"other content").unwrap();
    assert_eq!(findings(dir.path(), FsckOptions::default()).await, []);
}

#[tokio::test]
async fn unused_contents_are_found_and_deleted_only_on_request() {
    let dir = drive().await;
    let unused = dir
        .path()
        .join("content/a/b/ab000000000000000000000000000000");
    let used = object_of(dir.path(), b"other content");
    let name = used.file_name().unwrap();
    // In another folder than its own.
    let elsewhere = match name.to_str().unwrap().starts_with("00") {
        true => "content/1/1",
        false => "content/0/0",
    };
    let misplaced = dir.path().join(elsewhere).join(name);
    fs::write(&unused, "x").unwrap();
    fs::hard_link(&used, &misplaced).unwrap();
    let found = findings(dir.path(), FsckOptions::default()).await;
    assert_eq!(problems(&found), [Problem::UnusedContent]);
    assert_eq!(found.len(), 2);
    assert!(found.iter().any(|finding| {
        finding.path.as_deref() == Some("content/a/b/ab000000000000000000000000000000")
    }));
    assert!(unused.exists() && misplaced.exists());
    let mended = findings(dir.path(), repair()).await;
    assert!(mended.len() == 2 && mended.iter().all(|finding| finding.repaired));
    assert!(!unused.exists() && !misplaced.exists() && used.exists());
    assert_eq!(findings(dir.path(), FsckOptions::default()).await, []);
}

#[tokio::test]
async fn contents_on_their_way_in_or_out_are_not_unused() {
    let dir = drive().await;
    let upload = dir
        .path()
        .join("content/a/b/ab000000000000000000000000000000");
    let staged = dir
        .path()
        .join("staging/server/ab000000000000000000000000000000");
    fs::create_dir(staged.parent().unwrap()).unwrap();
    fs::write(&staged, "x").unwrap();
    fs::hard_link(&staged, &upload).unwrap();
    let replaced = dir
        .path()
        .join("content/c/d/cd000000000000000000000000000000");
    fs::write(&replaced, "y").unwrap();
    execute(
        dir.path(),
        "INSERT INTO garbage VALUES ('cd000000000000000000000000000000')",
    )
    .await;
    assert_eq!(findings(dir.path(), repair()).await, []);
    assert!(upload.exists() && replaced.exists());
}

#[tokio::test]
async fn repair_mends_flags_and_numbers_and_drops_nothing() {
    let dir = drive().await;
    execute(
        dir.path(),
        "UPDATE edges SET live = 0 WHERE folded = 'other';
         UPDATE usage SET count = 7;
         DELETE FROM changes;
         UPDATE counts SET nodes = 77 WHERE kind = 'FOLDER';
         INSERT INTO garbage SELECT object FROM nodes WHERE name = 'other'",
    )
    .await;
    let found = findings(dir.path(), repair()).await;
    assert!(found.iter().all(|finding| finding.repaired), "{found:#?}");
    assert!(found.iter().all(|finding| finding.problem.is_repairable()));
    assert_eq!(findings(dir.path(), FsckOptions::default()).await, []);
    let server = Running::start(options(dir.path())).await;
    let found = server.find("name:A").await;
    assert_eq!(found, ["A"]);
    let a = server.list("nodes", &[("filters", "name:A")]).await.json()["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(server.children(&a).await, ["B", "other"]);
    server.stop().await;
    assert_eq!(findings(dir.path(), FsckOptions::default()).await, []);
}

#[tokio::test]
async fn flag_whose_mending_would_make_two_nodes_of_one_name_is_left() {
    let dir = drive().await;
    execute(
        dir.path(),
        "UPDATE edges SET live = 0 WHERE folded = 'other';
         INSERT INTO nodes (id, kind, name, created, modified, created_by)
             VALUES ('second', 'FOLDER', 'OTHER', 0, 0, 'x');
         INSERT INTO edges (parent, child, folded, live)
             SELECT id, 'second', 'other', 1 FROM nodes WHERE name = 'A'",
    )
    .await;
    let found = findings(dir.path(), repair()).await;
    assert_eq!(problems(&found), [Problem::WrongLiveFlag]);
    assert!(!found[0].repaired);
}

#[tokio::test]
async fn check_beside_a_working_server_finds_nothing() {
    let (dir, server) = start().await;
    let root = server.root().await;
    let id = server.file("f", &root, b"first").await;
    let work = async {
        for round in 0..40 {
            let content = format!("content {round}");
            server.overwrite(&id, content.as_bytes()).await.expect(200);
            server
                .file(&format!("n{round}"), &root, content.as_bytes())
                .await;
            let folder = server.folder(&format!("d{round}"), &root).await;
            server
                .call(reqwest::Method::PUT, &format!("trash/{folder}"), None)
                .await
                .expect(200);
        }
    };
    let checks = async {
        for _ in 0..6 {
            assert_eq!(findings(dir.path(), FsckOptions::default()).await, []);
        }
    };
    futures::join!(work, checks);
    let content = dir.path().join("content");
    until("replaced contents are deleted", || {
        files(&content).len() == 41
    })
    .await;
    let mut summary = None;
    let checked = fsck(dir.path(), FsckOptions::default(), |_| {})
        .await
        .unwrap();
    summary.replace(checked);
    let summary = summary.unwrap();
    assert_eq!(
        (summary.drives, summary.nodes, summary.contents),
        (1, 82, 41)
    );
    assert!(summary.is_clean() && summary.bytes > 0);
}

#[tokio::test]
async fn what_is_no_drive_or_not_up_to_date_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = async || {
        fsck(dir.path(), FsckOptions::default(), |_| {})
            .await
            .unwrap_err()
    };
    assert!(matches!(refused().await, Error::NoDrive { .. }));
    Running::start(options(dir.path())).await.stop().await;
    execute(dir.path(), "PRAGMA user_version = 1").await;
    assert!(matches!(
        refused().await,
        Error::OlderSchema { found: 1, .. }
    ));
    execute(dir.path(), "PRAGMA user_version = 1000").await;
    assert!(matches!(
        refused().await,
        Error::NewerSchema { found: 1000, .. }
    ));
}
