//! The data directory: it persists, is shared, is swept, and is left alone if it is newer.

use std::{
    error::Error as _,
    fs::{self, File},
    io::ErrorKind,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::common::{Running, files, options, start, until};
use amazon_drive_server::{Error, Server};
use futures::future::join_all;
use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};

#[tokio::test]
async fn everything_is_still_there_at_the_next_start() {
    let (dir, server) = start().await;
    let root = server.root().await;
    let folder = server.folder("folder", &root).await;
    let file = server.file("file", &folder, b"content").await;
    let before = server
        .get(&format!("nodes/{file}"))
        .await
        .expect(200)
        .json();
    server.stop().await;
    let server = Running::start(options(dir.path())).await;
    assert_eq!(server.root().await, root);
    assert_eq!(server.children(&folder).await, ["file"]);
    assert_eq!(
        server
            .get(&format!("nodes/{file}"))
            .await
            .expect(200)
            .json(),
        before
    );
    assert_eq!(
        server.download(&file, None).await.expect(200).body,
        b"content"
    );
}

#[tokio::test]
async fn only_the_owner_may_look_in() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("a/data");
    let server = Running::start(options(&inner)).await;
    server.file("f", &server.root().await, b"x").await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for folder in [
        &inner,
        &inner.join("content"),
        &inner.join("content/0/f"),
        &inner.join("staging"),
    ] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    for file in files(&inner) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn stopped_server_leaves_no_debris() {
    let (dir, server) = start().await;
    server.file("f", &server.root().await, b"x").await;
    server.stop().await;
    assert!(
        fs::read_dir(dir.path().join("staging"))
            .unwrap()
            .next()
            .is_none()
    );
    assert_eq!(files(&dir.path().join("content")).len(), 1);
}

#[tokio::test]
async fn two_servers_share_a_directory() {
    let (dir, one) = start().await;
    let two = Running::start(options(dir.path())).await;
    let root = one.root().await;
    assert_eq!(two.root().await, root);
    let file = one.file("f", &root, b"one").await;
    assert_eq!(two.download(&file, None).await.expect(200).body, b"one");
    two.overwrite(&file, b"two").await.expect(200);
    assert_eq!(one.download(&file, None).await.expect(200).body, b"two");
    let servers = [&one, &two];
    let uploads = (0..200).map(|index| {
        let (server, name) = (servers[index % 2], format!("n{}", index / 2));
        let root = &root;
        async move {
            server
                .upload(&name, root, name.as_bytes())
                .await
                .status
                .as_u16()
        }
    });
    let statuses = join_all(uploads).await;
    assert_eq!(
        statuses.iter().filter(|status| **status == 201).count(),
        100
    );
    assert_eq!(
        statuses.iter().filter(|status| **status == 409).count(),
        100
    );
    let path = format!("nodes/{root}/children");
    let page = one
        .list(&path, &[("limit", "100")])
        .await
        .expect(200)
        .json();
    assert_eq!(page["count"], 101);
    let token = page["nextToken"].as_str().unwrap();
    let rest = two
        .list(&path, &[("startToken", token)])
        .await
        .expect(200)
        .json();
    assert_eq!(
        rest["data"].as_array().unwrap().len(),
        1,
        "either can go on with the other's listing"
    );
    one.stop().await;
    two.download(&file, None).await.expect(200);
}

#[tokio::test]
async fn servers_started_at_once_make_one_drive() {
    let dir = tempfile::tempdir().unwrap();
    let servers = join_all((0..6).map(|_| Running::start(options(dir.path())))).await;
    let roots = join_all(servers.iter().map(Running::root)).await;
    assert!(roots.iter().all(|root| *root == roots[0]), "{roots:?}");
}

/// A folder of a server that was killed: with an upload cut off, one whole but without
/// metadata, and one complete but for the removal of its staged name.
fn leave_debris(dir: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let dead = dir.join("staging/00000000000000000000000000000000");
    fs::create_dir(&dead).unwrap();
    fs::write(
        dir.join("staging/00000000000000000000000000000000.lock"),
        "",
    )
    .unwrap();
    fs::write(dead.join("aa000000000000000000000000000000"), "half").unwrap();
    let whole = dead.join("ab000000000000000000000000000000");
    let orphan = dir.join("content/a/b/ab000000000000000000000000000000");
    fs::write(&whole, "whole").unwrap();
    fs::hard_link(&whole, &orphan).unwrap();
    let kept = files(&dir.join("content"))
        .into_iter()
        .find(|path| *path != orphan)
        .unwrap();
    fs::hard_link(&kept, dead.join(kept.file_name().unwrap())).unwrap();
    (dead, orphan, kept)
}

#[tokio::test]
async fn debris_of_a_killed_server_is_swept_and_nothing_else() {
    let (dir, server) = start().await;
    let file = server.file("f", &server.root().await, b"content").await;
    server.stop().await;
    let (dead, orphan, kept) = leave_debris(dir.path());
    let without_lock = dir.path().join("staging/11111111111111111111111111111111");
    fs::create_dir(&without_lock).unwrap();
    let foreign = dir.path().join("staging/README.txt");
    fs::write(&foreign, "not ours").unwrap();
    let server = Running::start(options(dir.path())).await;
    assert!(!dead.exists() && !dead.with_extension("lock").exists() && !without_lock.exists());
    assert!(!orphan.exists() && kept.exists() && foreign.exists());
    assert_eq!(
        server.download(&file, None).await.expect(200).body,
        b"content"
    );
}

#[tokio::test]
async fn uploads_of_a_living_server_are_not_swept() {
    let (dir, server) = start().await;
    server.file("f", &server.root().await, b"content").await;
    server.stop().await;
    let (dead, orphan, kept) = leave_debris(dir.path());
    let lock = File::open(dead.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let server = Running::start(options(dir.path())).await;
    assert_eq!(fs::read_dir(&dead).unwrap().count(), 3);
    assert!(orphan.exists() && kept.exists());
    server.stop().await;
    drop(lock);
    let _server = Running::start(options(dir.path())).await;
    assert!(!dead.exists() && !orphan.exists() && kept.exists());
}

async fn execute(dir: &Path, sql: &'static str) {
    let file = SqliteConnectOptions::new().filename(dir.join("metadata.sqlite3"));
    let mut connection = file.connect().await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
}

#[tokio::test]
async fn replaced_content_is_deleted_at_the_next_start_if_it_was_not() {
    let (dir, server) = start().await;
    server.stop().await;
    let orphan = dir
        .path()
        .join("content/a/b/ab000000000000000000000000000000");
    fs::write(&orphan, "old").unwrap();
    execute(
        dir.path(),
        "INSERT INTO garbage (object) VALUES ('ab000000000000000000000000000000'), ('gone')",
    )
    .await;
    let server = Running::start(options(dir.path())).await;
    until("the object is deleted", || !orphan.exists()).await;
    server.stop().await;
}

#[tokio::test]
async fn newer_schema_is_refused_and_not_touched() {
    let (dir, server) = start().await;
    server.file("f", &server.root().await, b"x").await;
    server.stop().await;
    execute(dir.path(), "PRAGMA user_version = 1000").await;
    leave_debris(dir.path());
    let state = || {
        let mut state: Vec<_> = files(dir.path())
            .into_iter()
            .map(|path| (fs::read(&path).unwrap(), path))
            .collect();
        state.retain(|(_, path)| !path.to_string_lossy().ends_with("-shm"));
        state.sort();
        state
    };
    let before = state();
    let error = Server::bind(options(dir.path())).await.unwrap_err();
    let Error::NewerSchema {
        found: 1000,
        supported,
        ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert!(error.to_string().contains("schema 1000"), "{error}");
    assert!(
        error.to_string().contains(&format!("up to {supported}")),
        "{error}"
    );
    assert!(before == state());
}

#[tokio::test]
async fn what_cannot_be_a_data_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Server::bind(options(&file)).await.unwrap_err();
    assert!(
        matches!(&error, Error::NotADirectory { path } if *path == file),
        "{error:?}"
    );
    let error = Server::bind(options(&file.join("below")))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::DataDirectory { .. }), "{error:?}");
    let damaged = dir.path().join("damaged");
    fs::create_dir(&damaged).unwrap();
    fs::write(
        damaged.join("metadata.sqlite3"),
        "this is no database, and long enough to be taken for one",
    )
    .unwrap();
    let error = Server::bind(options(&damaged)).await.unwrap_err();
    assert!(matches!(error, Error::Storage { .. }), "{error:?}");
    let chain = format!("{error}: {}", error.source().unwrap());
    assert!(
        chain.contains("damaged") && chain.contains("not a database"),
        "{chain}"
    );
}

#[tokio::test]
async fn address_in_use_is_named() {
    let (dir, server) = start().await;
    let taken = amazon_drive_server::Options::new(dir.path(), server.address);
    let error = Server::bind(taken).await.unwrap_err();
    let Error::Bind { address, source } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(
        (*address, source.kind()),
        (server.address, ErrorKind::AddrInUse)
    );
}

#[tokio::test]
async fn requests_under_way_end_before_the_server() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let content = vec![7; 4_000_000];
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let metadata = serde_json::json!({"name": "f", "kind": "FILE", "parents": [root]}).to_string();
    let body = crate::common::multipart(Some(&metadata), Some(&content));
    let (first, rest) = (body[..1_000_000].to_vec(), body[1_000_000..].to_vec());
    let parts = futures::stream::unfold(
        (0, Some((receiver, first, rest))),
        |(step, state)| async move {
            let (receiver, first, rest) = state?;
            match step {
                0 => Some((
                    Ok::<_, std::io::Error>(first),
                    (1, Some((receiver, Vec::new(), rest))),
                )),
                _ => {
                    let _ = receiver.await;
                    Some((Ok(rest), (2, None)))
                }
            }
        },
    );
    let request = server.request(reqwest::Method::POST, &format!("{}nodes", server.content));
    let request = request
        .header("Content-Type", crate::common::MULTIPART)
        .body(reqwest::Body::wrap_stream(parts));
    let upload = tokio::spawn(crate::common::send(request));
    let staging = _dir.path().join("staging");
    until("the upload is staged", || files(&staging).len() == 2).await;
    let stopping = tokio::spawn(server.stop());
    sender.send(()).unwrap();
    assert_eq!(upload.await.unwrap().expect(201).json()["name"], "f");
    stopping.await.unwrap();
}
