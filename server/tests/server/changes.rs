//! The feed of changes.

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Reply, Running, Time, options, send, start};

/// The lines of a reply, the last of which must be the end.
fn lines(reply: &Reply) -> Vec<Value> {
    let text = std::str::from_utf8(&reply.body).unwrap();
    assert!(!text.ends_with('\n'), "some clients parse what follows");
    let mut lines: Vec<Value> = text
        .split('\n')
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    assert_eq!(lines.pop().unwrap(), json!({"end": true}));
    for line in &lines {
        assert!(line["reset"].is_boolean(), "{line}");
        assert_eq!(line["statusCode"], 200, "{line}");
        assert!(!line["checkpoint"].as_str().unwrap().is_empty(), "{line}");
    }
    lines
}

async fn changes(server: &Running, body: Value) -> Vec<Value> {
    lines(
        &server
            .call(Method::POST, "changes", Some(body))
            .await
            .expect(200),
    )
}

/// What happened since the checkpoint, and the checkpoint after it.
async fn since(server: &Running, checkpoint: &str) -> (Vec<Value>, String) {
    let body = json!({"checkpoint": checkpoint, "includePurged": "true"});
    let lines = changes(server, body).await;
    let nodes = lines
        .iter()
        .flat_map(|line| line["nodes"].as_array().unwrap().clone())
        .collect();
    let last = lines.last().unwrap();
    assert_eq!(last["reset"], false);
    (nodes, last["checkpoint"].as_str().unwrap().to_owned())
}

async fn newest(server: &Running) -> String {
    let lines = changes(server, json!({})).await;
    lines.last().unwrap()["checkpoint"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn ids(nodes: &[Value]) -> Vec<&str> {
    nodes
        .iter()
        .map(|node| node["id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn first_answer_is_everything_and_a_reset() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let folder = server.folder("folder", &root).await;
    let file = server.file("file", &folder, b"x").await;
    let trashed = server.file("trashed", &root, b"y").await;
    server
        .call(Method::PUT, &format!("trash/{trashed}"), None)
        .await
        .expect(200);
    // Nothing, white space and an empty object all ask for the same.
    for body in ["", " \n", "{}", "{}\n"] {
        let request = server.request(Method::POST, &format!("{}changes", server.endpoint));
        let lines = lines(&send(request.body(body)).await.expect(200));
        assert_eq!(lines.len(), 1, "{body:?}");
        assert_eq!(lines[0]["reset"], true);
        let nodes = lines[0]["nodes"].as_array().unwrap();
        assert_eq!(ids(nodes), [&root, &folder, &file, &trashed]);
        assert_eq!(nodes[0]["isRoot"], true);
        assert_eq!(nodes[3]["status"], "TRASH");
        assert_eq!(nodes[2]["contentProperties"]["size"], 1);
        for node in nodes {
            for field in ["kind", "status", "createdDate", "modifiedDate", "parents"] {
                assert!(!node[field].is_null(), "{field} of {node}");
            }
        }
    }
}

#[tokio::test]
async fn checkpoint_gives_what_came_after_it_again_and_again() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let start = newest(&server).await;
    let (nodes, same) = since(&server, &start).await;
    assert!(nodes.is_empty(), "{nodes:?}");
    assert_eq!(same, start);
    let folder = server.folder("folder", &root).await;
    let file = server.file("file", &root, b"x").await;
    for _ in 0..2 {
        let (nodes, _) = since(&server, &start).await;
        assert_eq!(ids(&nodes), [&folder, &file]);
    }
    let (_, middle) = since(&server, &start).await;
    server
        .call(
            Method::PATCH,
            &format!("nodes/{folder}"),
            Some(json!({"name": "renamed"})),
        )
        .await
        .expect(200);
    let (nodes, _) = since(&server, &middle).await;
    assert_eq!(ids(&nodes), [&folder]);
    assert_eq!(nodes[0]["name"], "renamed");
    // From the first checkpoint, each node once and as it is now.
    let (nodes, _) = since(&server, &start).await;
    assert_eq!(ids(&nodes), [&file, &folder]);
}

#[tokio::test]
async fn every_kind_of_change_is_told() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let a = server.folder("a", &root).await;
    let b = server.folder("b", &root).await;
    let file = server.file("file", &a, b"x").await;
    let mut checkpoint = newest(&server).await;
    let mut expect = async |what: &str, expected: &[&String]| {
        let (nodes, next) = since(&server, &checkpoint).await;
        let mut found = ids(&nodes);
        found.sort_unstable();
        let mut expected: Vec<&str> = expected.iter().map(|id| id.as_str()).collect();
        expected.sort_unstable();
        assert_eq!(found, expected, "{what}");
        checkpoint = next;
    };
    server.overwrite(&file, b"y").await.expect(200);
    expect("overwrite", &[&file]).await;
    let to_b = json!({"fromParent": a, "childId": file});
    server
        .call(Method::POST, &format!("nodes/{b}/children"), Some(to_b))
        .await
        .expect(200);
    expect("move", &[&a, &b, &file]).await;
    server
        .call(Method::PUT, &format!("nodes/{a}/children/{file}"), None)
        .await
        .expect(200);
    expect("one more parent", &[&a, &file]).await;
    server
        .call(Method::DELETE, &format!("nodes/{a}/children/{file}"), None)
        .await
        .expect(200);
    expect("one parent less", &[&a, &file]).await;
    server
        .call(
            Method::PATCH,
            &format!("nodes/{file}"),
            Some(json!({"labels": ["x"]})),
        )
        .await
        .expect(200);
    expect("labels", &[&file]).await;
    server
        .call(
            Method::PUT,
            &format!("nodes/{file}/properties/acd/key"),
            Some(json!({"value": "v"})),
        )
        .await
        .expect(201);
    expect("property", &[&file]).await;
    server
        .call(Method::PUT, &format!("trash/{b}"), None)
        .await
        .expect(200);
    expect("trash with what is below", &[&b, &file]).await;
    server
        .call(Method::POST, &format!("trash/{b}/restore"), None)
        .await
        .expect(200);
    expect("restore", &[&b, &file]).await;
    server.get(&format!("nodes/{file}")).await.expect(200);
    expect("reading", &[]).await;
}

#[tokio::test]
async fn properties_come_unasked() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let start = newest(&server).await;
    let body = json!({"name": "f", "kind": "FOLDER", "parents": [root], "properties": {"acd": {"k": "v"}}});
    server
        .call(Method::POST, "nodes", Some(body))
        .await
        .expect(201);
    let (nodes, _) = since(&server, &start).await;
    assert_eq!(nodes[0]["properties"], json!({"acd": {"k": "v"}}));
}

#[tokio::test]
async fn lines_and_answers_are_as_long_as_asked_for() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    for number in 0..7 {
        server.folder(&format!("f{number}"), &root).await;
    }
    let all = changes(&server, json!({"chunkSize": 3})).await;
    let lengths: Vec<_> = all
        .iter()
        .map(|line| line["nodes"].as_array().unwrap().len())
        .collect();
    assert_eq!(lengths, [3, 3, 2]);
    let resets: Vec<_> = all.iter().map(|line| line["reset"] == true).collect();
    assert_eq!(resets, [true, false, false]);
    // A part, and then the rest, until there is a line with nothing in it: as clients do.
    let mut seen = Vec::new();
    let mut body = json!({"maxNodes": "3", "chunkSize": 2});
    loop {
        let lines = changes(&server, body).await;
        let nodes: Vec<_> = lines
            .iter()
            .flat_map(|line| line["nodes"].as_array().unwrap())
            .cloned()
            .collect();
        assert!(nodes.len() <= 3);
        if lines.iter().any(|line| line["nodes"] == json!([])) {
            break;
        }
        seen.extend(nodes);
        let checkpoint = &lines.last().unwrap()["checkpoint"];
        body = json!({"checkpoint": checkpoint, "maxNodes": 3, "chunkSize": 2});
    }
    assert_eq!(seen.len(), 8);
    for body in [
        json!({"chunkSize": 0}),
        json!({"maxNodes": "many"}),
        json!({"includePurged": "maybe"}),
        json!({"checkpoint": "no such thing"}),
        json!({"checkpoint": 5}),
        json!([]),
    ] {
        server
            .call(Method::POST, "changes", Some(body))
            .await
            .error(400);
    }
}

#[tokio::test]
async fn checkpoint_outlives_the_server_and_is_of_its_drive_only() {
    let (dir, server) = start().await;
    let root = server.root().await;
    let checkpoint = newest(&server).await;
    let folder = server.folder("folder", &root).await;
    server.stop().await;
    let server = Running::start(options(dir.path())).await;
    let (nodes, _) = since(&server, &checkpoint).await;
    assert_eq!(ids(&nodes), [&folder]);
    let (_other_dir, other) = start().await;
    let lines = changes(&other, json!({"checkpoint": checkpoint})).await;
    assert_eq!(lines[0]["reset"], true, "start over: this is another drive");
    assert_eq!(
        ids(lines[0]["nodes"].as_array().unwrap()),
        [&other.root().await]
    );
}

#[tokio::test]
async fn purged_nodes_are_told_of_if_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let time = Time::new();
    let server = Running::start(time.options(dir.path())).await;
    let root = server.root().await;
    let folder = server.folder("folder", &root).await;
    let file = server.file("file", &folder, b"x").await;
    let checkpoint = newest(&server).await;
    server
        .call(Method::PUT, &format!("trash/{folder}"), None)
        .await
        .expect(200);
    server.stop().await;
    time.advance(31 * 24 * 60 * 60);
    let server = Running::start(time.options(dir.path())).await;
    let gone = async {
        while server.get(&format!("nodes/{folder}")).await.status != 404 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), gone)
        .await
        .unwrap();
    let (nodes, _) = since(&server, &checkpoint).await;
    let mut found = ids(&nodes);
    found.sort_unstable();
    let mut expected = [folder.as_str(), file.as_str()];
    expected.sort_unstable();
    assert_eq!(found, expected);
    for node in &nodes {
        assert_eq!(node["status"], "PURGED");
        assert!(node["name"].is_null() && node["isRoot"].is_null());
    }
    // Who does not ask for them hears nothing, and is up to date.
    let lines = changes(&server, json!({"checkpoint": checkpoint})).await;
    assert_eq!(lines[0]["nodes"], json!([]));
    let lines = changes(&server, json!({"includePurged": true})).await;
    assert_eq!(ids(lines[0]["nodes"].as_array().unwrap()), [&root]);
}
