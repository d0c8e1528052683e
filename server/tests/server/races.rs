//! Many clients that want the same thing at the same moment.

use std::sync::Arc;

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::Barrier;

use crate::common::{Reply, Running, files, http_client, id, start, until};

/// Clients at once, each with a connection of its own.
const CLIENTS: usize = 64;

/// Lets all clients do this at once; the number of each goes along.
async fn at_once(server: &Running, work: impl AsyncFn(Running, usize) -> Reply) -> Vec<Reply> {
    let together = Arc::new(Barrier::new(CLIENTS));
    let clients = (0..CLIENTS).map(|number| {
        let (together, mut client) = (together.clone(), server.another());
        client.client = http_client();
        let work = &work;
        async move {
            // A connection is there before the race.
            client.get("account/endpoint").await.expect(200);
            together.wait().await;
            work(client, number).await
        }
    });
    join_all(clients).await
}

/// One reply has this status; all others are conflicts with the node of that one.
#[track_caller]
fn one_won(replies: &[Reply], status: u16) -> String {
    let won: Vec<_> = replies
        .iter()
        .filter(|reply| reply.status.as_u16() == status)
        .map(|reply| id(&reply.json()))
        .collect();
    assert_eq!(won.len(), 1, "{won:?}");
    let lost = replies.iter().filter(|reply| reply.status == 409);
    let lost: Vec<_> = lost.map(Reply::json).collect();
    assert_eq!(lost.len(), CLIENTS - 1);
    for reply in lost {
        assert_eq!(reply["info"]["nodeId"], won[0].as_str(), "{reply}");
    }
    won[0].clone()
}

/// The uploads in flight, and the objects.
fn contents(dir: &TempDir) -> (usize, usize) {
    let locks = 1;
    let staged = files(&dir.path().join("staging")).len() - locks;
    (staged, files(&dir.path().join("content")).len())
}

#[tokio::test]
async fn of_64_folders_of_one_name_one_is_made() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let replies = at_once(&server, async |client, number| {
        // Names that differ in case only are one name.
        let name = if number % 2 == 0 { "Name" } else { "nAME" };
        let body = json!({"name": name, "kind": "FOLDER", "parents": [root]});
        client.call(Method::POST, "nodes", Some(body)).await
    })
    .await;
    let winner = one_won(&replies, 201);
    let listed = server
        .get(&format!("nodes/{root}/children"))
        .await
        .expect(200);
    let listed = listed.json();
    assert_eq!(
        (&listed["count"], &listed["data"][0]["id"]),
        (&json!(1), &json!(winner))
    );
}

#[tokio::test]
async fn of_64_files_of_one_name_one_is_made_and_the_others_leave_nothing() {
    let (dir, server) = start().await;
    let root = server.root().await;
    let content = |number: usize| vec![number as u8; 1000 + number];
    let replies = at_once(&server, async |client, number| {
        client.upload("name", &root, &content(number)).await
    })
    .await;
    let winner = one_won(&replies, 201);
    let number = replies
        .iter()
        .position(|reply| reply.status == 201)
        .unwrap();
    let read = server.download(&winner, None).await.expect(200);
    assert_eq!(read.body, content(number));
    until("the contents of the others are gone", || {
        contents(&dir) == (0, 1)
    })
    .await;
}

#[tokio::test]
async fn of_64_moves_to_one_name_one_is_done() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let to = server.folder("to", &root).await;
    let mut sources = Vec::new();
    for number in 0..CLIENTS {
        let from = server.folder(&format!("from{number}"), &root).await;
        sources.push((server.folder("name", &from).await, from));
    }
    let replies = at_once(&server, async |client, number| {
        let (child, from) = &sources[number];
        let body = json!({"fromParent": from, "childId": child});
        client
            .call(Method::POST, &format!("nodes/{to}/children"), Some(body))
            .await
    })
    .await;
    let winner = one_won(&replies, 200);
    let inside = server
        .get(&format!("nodes/{to}/children"))
        .await
        .expect(200)
        .json();
    assert_eq!(inside["count"], 1);
    for (child, from) in &sources {
        let node = server
            .get(&format!("nodes/{child}"))
            .await
            .expect(200)
            .json();
        let expected = if *child == winner { &to } else { from };
        assert_eq!(node["parents"], json!([expected]));
    }
}

#[tokio::test]
async fn of_64_renames_to_one_name_one_is_done() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let mut folders = Vec::new();
    for number in 0..CLIENTS {
        folders.push(server.folder(&format!("n{number}"), &root).await);
    }
    let replies = at_once(&server, async |client, number| {
        let path = format!("nodes/{}", folders[number]);
        client
            .call(Method::PATCH, &path, Some(json!({"name": "name"})))
            .await
    })
    .await;
    let winner = one_won(&replies, 200);
    let named = server
        .children(&root)
        .await
        .iter()
        .filter(|name| *name == "name")
        .count();
    assert_eq!(named, 1);
    let node = server
        .get(&format!("nodes/{winner}"))
        .await
        .expect(200)
        .json();
    assert_eq!(node["name"], "name");
}

#[tokio::test]
async fn of_64_overwrites_all_are_done_one_after_the_other() {
    let (dir, server) = start().await;
    let file = server.file("name", &server.root().await, b"first").await;
    let content = |number: usize| vec![number as u8; 1000 + number];
    let replies = at_once(&server, async |client, number| {
        client.overwrite(&file, &content(number)).await
    })
    .await;
    let mut versions: Vec<_> = replies
        .into_iter()
        .map(|reply| {
            let node = reply.expect(200).json();
            node["contentProperties"]["version"].as_u64().unwrap()
        })
        .collect();
    let last = versions
        .iter()
        .position(|version| *version == 1 + CLIENTS as u64)
        .unwrap();
    versions.sort_unstable();
    assert!(
        versions.into_iter().eq(2..=1 + CLIENTS as u64),
        "each is a version of its own"
    );
    let read = server.download(&file, None).await.expect(200);
    assert_eq!(read.body, content(last));
    until("replaced contents are gone", || contents(&dir) == (0, 1)).await;
}
