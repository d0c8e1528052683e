//! Section 14 of the reference: values that a program keeps with a node.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    drive::{Drive, Reply, id, send},
    multipart,
};

contract![
    property_is_put_read_listed_and_deleted,
    value_is_replaced,
    ten_keys_are_the_most,
    long_values_and_odd_keys_are_refused,
    owner_is_never_empty,
    other_owners_properties_are_out_of_reach,
    unknown_nodes_and_keys_are_not_found,
    properties_are_shown_when_asked_for,
    properties_come_with_new_nodes,
    half_a_property_is_refused,
    properties_stay_with_the_node,
];

/// A folder and the owner its properties have.
async fn owned(drive: &Drive, home: &str) -> (String, String) {
    let made = drive.create_folder("a", home).await.expect(201).json();
    let owner = made["createdBy"].as_str().unwrap().to_owned();
    (id(&made), owner)
}

async fn put(drive: &Drive, path: &str, value: &str) -> Reply {
    drive
        .call(Method::PUT, path, Some(json!({"value": value})))
        .await
}

async fn property_is_put_read_listed_and_deleted(drive: &Drive, home: &str) {
    let (folder, owner) = owned(drive, home).await;
    let file = drive.file("b", home, b"b").await;
    for node in [folder, file] {
        let base = format!("nodes/{node}/properties/{owner}");
        let made = put(drive, &format!("{base}/k"), "text")
            .await
            .expect(201)
            .json();
        assert_eq!(
            (&made["key"], &made["value"]),
            (&json!("k"), &json!("text"))
        );
        let location = made["location"].as_str().unwrap();
        assert!(
            location.ends_with(&format!("nodes/{node}/properties/{owner}/k")),
            "{location}"
        );
        put(drive, &format!("{base}/k2"), "x \"ü\" 世")
            .await
            .expect(201);
        let read = drive.get(&format!("{base}/k2")).await.expect(200).json();
        assert_eq!(read, json!({"key": "k2", "value": "x \"ü\" 世"}));
        let all = drive.get(&base).await.expect(200).json();
        assert_eq!(
            all,
            json!({"count": 2, "data": {"k": "text", "k2": "x \"ü\" 世"}})
        );
        let gone = drive
            .call(Method::DELETE, &format!("{base}/k"), None)
            .await
            .expect(204);
        assert!(gone.body.is_empty());
        drive.get(&format!("{base}/k")).await.refused(404);
        let all = drive.get(&base).await.expect(200).json();
        assert_eq!(
            (&all["count"], all["data"].as_object().unwrap().len()),
            (&json!(1), 1)
        );
    }
}

async fn value_is_replaced(drive: &Drive, home: &str) {
    let (node, owner) = owned(drive, home).await;
    let path = format!("nodes/{node}/properties/{owner}/k");
    for value in ["one", "two", ""] {
        assert_eq!(
            put(drive, &path, value).await.expect(201).json()["value"],
            value
        );
        assert_eq!(drive.get(&path).await.expect(200).json()["value"], value);
    }
    let all = drive
        .get(&format!("nodes/{node}/properties/{owner}"))
        .await
        .expect(200)
        .json();
    assert_eq!(all["count"], 1);
}

async fn ten_keys_are_the_most(drive: &Drive, home: &str) {
    let (node, owner) = owned(drive, home).await;
    let base = format!("nodes/{node}/properties/{owner}");
    for number in 0..10 {
        put(drive, &format!("{base}/k{number}"), "x")
            .await
            .expect(201);
    }
    put(drive, &format!("{base}/k10"), "x").await.refused(400);
    assert_eq!(drive.get(&base).await.expect(200).json()["count"], 10);
    // One of the ten may change, and one that goes makes room.
    put(drive, &format!("{base}/k3"), "y").await.expect(201);
    drive
        .call(Method::DELETE, &format!("{base}/k4"), None)
        .await
        .expect(204);
    put(drive, &format!("{base}/k10"), "x").await.expect(201);
    // The limit is one node's.
    let other = drive.folder("other", home).await;
    put(drive, &format!("nodes/{other}/properties/{owner}/k"), "x")
        .await
        .expect(201);
}

async fn long_values_and_odd_keys_are_refused(drive: &Drive, home: &str) {
    let (node, owner) = owned(drive, home).await;
    let base = format!("nodes/{node}/properties/{owner}");
    put(drive, &format!("{base}/k"), &"ü".repeat(500))
        .await
        .expect(201);
    put(drive, &format!("{base}/k"), &"ü".repeat(501))
        .await
        .refused(400);
    put(drive, &format!("{base}/{}", "K_9".repeat(16)), "x")
        .await
        .expect(201);
    put(drive, &format!("{base}/{}", "k".repeat(50)), "x")
        .await
        .expect(201);
    for key in [
        "k".repeat(51),
        "a-b".into(),
        "a.b".into(),
        "a%20b".into(),
        "%C3%BC".into(),
        "a%2Fb".into(),
        "%00".into(),
        "user.x".into(),
    ] {
        put(drive, &format!("{base}/{key}"), "x").await.refused(400);
    }
    let all = drive.get(&base).await.expect(200).json();
    assert_eq!(
        (&all["count"], &all["data"]["k"]),
        (&json!(3), &json!("ü".repeat(500)))
    );
}

async fn owner_is_never_empty(drive: &Drive, home: &str) {
    for path in [
        format!("nodes/{home}/properties/"),
        format!("nodes/{home}/properties"),
    ] {
        let reply = drive.get(&path).await.expect(404);
        assert_eq!(
            reply.text().trim(),
            "<UnknownOperationException/>",
            "{path}"
        );
    }
}

/// The list of them is empty, or refused: two sources disagree.
async fn other_owners_properties_are_out_of_reach(drive: &Drive, home: &str) {
    let (node, owner) = owned(drive, home).await;
    put(drive, &format!("nodes/{node}/properties/{owner}/k"), "x")
        .await
        .expect(201);
    let base = format!("nodes/{node}/properties/other{owner}");
    let listed = drive.get(&base).await;
    match listed.status.as_u16() {
        200 => assert_eq!(listed.json(), json!({"count": 0, "data": {}})),
        _ => drop(listed.refused(403)),
    }
    let read = drive.get(&format!("{base}/k")).await;
    let status = read.status.as_u16();
    assert!(matches!(status, 403 | 404), "{status}");
    read.refused(status);
    put(drive, &format!("{base}/k"), "x").await.refused(403);
    drive
        .call(Method::DELETE, &format!("{base}/k"), None)
        .await
        .refused(403);
    let all = drive
        .get(&format!("nodes/{node}/properties/{owner}"))
        .await
        .expect(200)
        .json();
    assert_eq!(all, json!({"count": 1, "data": {"k": "x"}}));
}

async fn unknown_nodes_and_keys_are_not_found(drive: &Drive, home: &str) {
    let (node, owner) = owned(drive, home).await;
    let unknown = format!("nodes/AAAAAAAAAAAAAAAAAAAAAA/properties/{owner}");
    drive.get(&unknown).await.refused(404);
    drive.get(&format!("{unknown}/k")).await.refused(404);
    put(drive, &format!("{unknown}/k"), "x").await.refused(404);
    drive
        .call(Method::DELETE, &format!("{unknown}/k"), None)
        .await
        .refused(404);
    drive
        .get(&format!("nodes/{node}/properties/{owner}/k"))
        .await
        .refused(404);
    let none = drive
        .get(&format!("nodes/{node}/properties/{owner}"))
        .await
        .expect(200)
        .json();
    assert_eq!(none, json!({"count": 0, "data": {}}));
}

const FIELDS: &str = "fields=%5B%22properties%22%5D";

async fn properties_are_shown_when_asked_for(drive: &Drive, home: &str) {
    let (node, owner) = owned(drive, home).await;
    put(drive, &format!("nodes/{node}/properties/{owner}/k"), "x")
        .await
        .expect(201);
    assert!(drive.node(&node).await.get("properties").is_none());
    let asked = drive
        .get(&format!("nodes/{node}?{FIELDS}"))
        .await
        .expect(200)
        .json();
    assert_eq!(asked["properties"], json!({owner.as_str(): {"k": "x"}}));
    let listed = drive
        .get(&format!("nodes/{home}/children?{FIELDS}"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        listed["data"][0]["properties"],
        json!({owner.as_str(): {"k": "x"}})
    );
    let listed = drive
        .get(&format!("nodes/{home}/children"))
        .await
        .expect(200)
        .json();
    assert!(listed["data"][0].get("properties").is_none(), "{listed}");
}

async fn properties_come_with_new_nodes(drive: &Drive, home: &str) {
    let (_, owner) = owned(drive, home).await;
    let properties = json!({owner.as_str(): {"mtime": "1441555667"}});
    let folder =
        json!({"name": "b", "kind": "FOLDER", "parents": [home], "properties": properties});
    let folder = drive
        .call(Method::POST, "nodes", Some(folder))
        .await
        .expect(201)
        .json();
    let file = json!({"name": "c", "kind": "FILE", "parents": [home], "properties": properties});
    let file = drive.upload_as(&file, b"c").await.expect(201).json();
    for node in [folder, file] {
        let asked = drive
            .get(&format!("nodes/{}?{FIELDS}", id(&node)))
            .await
            .expect(200)
            .json();
        assert_eq!(asked["properties"], properties);
    }
    for properties in [
        json!({owner.as_str(): {"k": "x".repeat(501)}}),
        json!({owner.as_str(): {"a b": "x"}}),
        json!({owner.as_str(): "x"}),
        json!("x"),
    ] {
        let body =
            json!({"name": "d", "kind": "FOLDER", "parents": [home], "properties": properties});
        drive
            .call(Method::POST, "nodes", Some(body))
            .await
            .refused(400);
        let body =
            json!({"name": "d", "kind": "FILE", "parents": [home], "properties": properties});
        let body = multipart::body(&body.to_string(), b"d");
        drive
            .upload_body("?suppress=deduplication", body)
            .await
            .refused(400);
    }
    assert_eq!(drive.children(home).await, ["a", "b", "c"]);
}

async fn half_a_property_is_refused(drive: &Drive, home: &str) {
    let (node, owner) = owned(drive, home).await;
    let path = format!("nodes/{node}/properties/{owner}/k");
    for body in [
        "",
        "{",
        "{}",
        "{\"value\":7}",
        "{\"value\":null}",
        "[\"x\"]",
        "text",
    ] {
        send(drive.metadata(Method::PUT, &path).body(body))
            .await
            .refused(400);
    }
    drive.get(&path).await.refused(404);
}

async fn properties_stay_with_the_node(drive: &Drive, home: &str) {
    let (_, owner) = owned(drive, home).await;
    let file = drive.file("b", home, b"b").await;
    let base = format!("nodes/{file}/properties/{owner}");
    put(drive, &format!("{base}/k"), "x").await.expect(201);
    drive.patch(&file, json!({"name": "c"})).await.expect(200);
    drive.overwrite(&file, b"c").await.expect(200);
    drive.trash(&file).await.expect(200);
    drive.restore(&file).await.expect(200);
    let read: Value = drive.get(&format!("{base}/k")).await.expect(200).json();
    assert_eq!(read["value"], "x");
}
