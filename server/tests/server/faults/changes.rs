//! The changes feed: doubled, cut, begun anew.

use reqwest::Method;
use serde_json::{Value, json};

use super::Faulty;

/// The lines of a reply, whole or not.
fn lines(text: &[u8]) -> Vec<Value> {
    let lines = text.split(|byte| *byte == b'\n');
    lines
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// A drive with three files; each line of its changes has one node.
async fn drive() -> (Faulty, String) {
    let server = Faulty::start(&[]).await;
    let root = server.root().await;
    for name in ["a", "b", "c"] {
        server.file(name, &root, name.as_bytes()).await;
    }
    (server, root)
}

async fn changes(server: &Faulty, asked: Value) -> Vec<Value> {
    let reply = server.call(Method::POST, "changes", Some(asked)).await;
    lines(&reply.expect(200).body)
}

fn checkpoint(line: &Value) -> &str {
    line["checkpoint"].as_str().unwrap()
}

#[tokio::test]
async fn change_sets_come_twice_and_the_end_once() {
    let (server, _) = drive().await;
    let asked = json!({"chunkSize": 1});
    let once = changes(&server, asked.clone()).await;
    server.fault("changes-duplicate,count=1");
    let twice = changes(&server, asked.clone()).await;
    let (end, sets) = once.split_last().unwrap();
    let mut expected: Vec<_> = sets
        .iter()
        .flat_map(|set| [set.clone(), set.clone()])
        .collect();
    expected.push(end.clone());
    assert_eq!(twice, expected);
    assert_eq!(changes(&server, asked).await, once);
}

#[tokio::test]
async fn end_is_missing() {
    let (server, _) = drive().await;
    let mut whole = changes(&server, json!({})).await;
    assert_eq!(whole.pop(), Some(json!({"end": true})));
    server.fault("changes-no-end,count=1");
    assert_eq!(changes(&server, json!({})).await, whole);
}

#[tokio::test]
async fn stream_breaks_off_anywhere_and_goes_on_from_its_last_line() {
    let (server, _) = drive().await;
    let asked = json!({"chunkSize": 1});
    let whole = changes(&server, asked.clone()).await;
    let url = format!("{}changes", server.endpoint);
    let request = || server.request(Method::POST, &url).body(asked.to_string());
    let text = crate::common::send(request()).await.body;
    let first = text.iter().position(|byte| *byte == b'\n').unwrap();
    for bytes in [0, 10, first, first + 20] {
        server.faults.clear();
        server.fault(&format!("changes-cut={bytes},count=1"));
        let mut response = request().send().await.unwrap();
        let mut read = Vec::new();
        while let Ok(Some(part)) = response.chunk().await {
            read.extend_from_slice(&part);
        }
        assert_eq!(read, text[..bytes], "and then an error");
        if bytes > first {
            let next = json!({"chunkSize": 1, "checkpoint": checkpoint(&lines(&read[..first])[0])});
            assert_eq!(changes(&server, next).await, whole[1..]);
        }
    }
    assert_eq!(
        crate::common::send(request()).await.body,
        text,
        "whole again"
    );
}

#[tokio::test]
async fn checkpoint_is_forgotten() {
    let (server, _) = drive().await;
    let all = changes(&server, json!({})).await;
    let asked = json!({"checkpoint": checkpoint(&all[0]), "includePurged": "true"});
    server.fault("changes-reset,count=1");
    let again = changes(&server, asked.clone()).await;
    assert_eq!(again[0]["reset"], true);
    assert_eq!(again[0]["nodes"], all[0]["nodes"]);
    let up_to_date = changes(&server, asked).await;
    assert_eq!(up_to_date[0]["reset"], false);
    assert_eq!(up_to_date[0]["nodes"], json!([]));
}

#[tokio::test]
async fn odd_nodes_are_in_the_changes_as_well() {
    let (server, root) = drive().await;
    let whole = changes(&server, json!({"chunkSize": 2})).await;
    server.fault("nameless-node");
    let odd = changes(&server, json!({"chunkSize": 2})).await;
    assert_eq!(odd.len(), whole.len());
    assert_eq!(odd[1..], whole[1..], "in the first line only");
    let nodes = odd[0]["nodes"].as_array().unwrap();
    let (node, others) = nodes.split_last().unwrap();
    assert_eq!(json!(others), whole[0]["nodes"]);
    assert!(node.get("name").is_none());
    assert_eq!(node["parents"], json!([root]));
    let id = node["id"].as_str().unwrap();
    server.get(&format!("nodes/{id}")).await.expect(200);
    let children = server.get(&format!("nodes/{root}/children")).await.json();
    assert_eq!(children["data"][3]["id"], id, "the same as in the folder");
}
