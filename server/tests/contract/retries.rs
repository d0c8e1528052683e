//! What lets clients repeat themselves and each other safely: ids of their own (section 8),
//! changes under a condition (section 12); and replies in gzip (section 1).

use std::io::Read;

use flate2::read::GzDecoder;
use reqwest::Method;
use serde_json::{Value, json};

use crate::drive::{Drive, Reply, id, send, unique};

contract![
    local_id_makes_one_node_only,
    local_id_has_100_characters,
    local_ids_are_of_files_and_folders_together,
    change_of_an_older_state_is_refused,
    condition_may_stand_in_the_body,
    lists_come_in_gzip_when_asked_for,
    changes_come_in_gzip_when_asked_for,
    content_is_the_same_whatever_encodings_are_taken,
];

async fn folder(drive: &Drive, home: &str, name: &str, local_id: &str) -> Reply {
    let body = json!({"name": name, "kind": "FOLDER", "parents": [home], "localId": local_id});
    drive.call(Method::POST, "nodes", Some(body)).await
}

/// A conflict that, if it names a node, names this one.
#[track_caller]
fn assert_conflict(reply: Reply, existing: &str) {
    let refused = reply.refused(409);
    if let Some(named) = refused.pointer("/info/nodeId") {
        assert_eq!(named, existing);
    }
}

async fn local_id_makes_one_node_only(drive: &Drive, home: &str) {
    let local = unique("local%2Fpath");
    let made = folder(drive, home, "a", &local).await.expect(201).json();
    assert_conflict(folder(drive, home, "a", &local).await, &id(&made));
    // The name plays no part.
    assert_conflict(folder(drive, home, "b", &local).await, &id(&made));
    assert_eq!(drive.children(home).await, ["a"]);
    folder(drive, home, "b", &unique("other")).await.expect(201);
}

async fn local_id_has_100_characters(drive: &Drive, home: &str) {
    let longest = format!("{:x<100}", unique("l"));
    folder(drive, home, "a", &longest).await.expect(201);
    folder(drive, home, "b", &format!("{longest}x"))
        .await
        .refused(400);
    assert_eq!(drive.children(home).await, ["a"]);
}

async fn local_ids_are_of_files_and_folders_together(drive: &Drive, home: &str) {
    let local = unique("local");
    let upload = async |name: &str, local: &str| {
        let metadata = json!({"name": name, "kind": "FILE", "parents": [home], "localId": local});
        drive.upload_as(&metadata, b"a").await
    };
    let made = upload("a", &local).await.expect(201).json();
    assert_conflict(upload("b", &local).await, &id(&made));
    assert_conflict(folder(drive, home, "c", &local).await, &id(&made));
    upload("b", &unique("other")).await.expect(201);
    assert_eq!(drive.children(home).await, ["a", "b"]);
}

/// How the condition travels is not told; HTTP's own way is taken for it.
async fn change_of_an_older_state_is_refused(drive: &Drive, home: &str) {
    let made = drive.create_folder("a", home).await.expect(201).json();
    let patch = async |tag: &Value, name: &str| {
        let request = drive.metadata(Method::PATCH, &format!("nodes/{}", id(&made)));
        let request = request.header("If-Match", format!("\"{}\"", tag.as_str().unwrap()));
        send(request.body(json!({"name": name}).to_string())).await
    };
    let first = &made["eTagResponse"];
    let changed = patch(first, "b").await.expect(200).json();
    assert_ne!(&changed["eTagResponse"], first);
    patch(first, "c").await.refused(412);
    assert_eq!(drive.node(&id(&made)).await, changed);
    patch(&changed["eTagResponse"], "c").await.expect(200);
}

async fn condition_may_stand_in_the_body(drive: &Drive, home: &str) {
    let made = drive.create_folder("a", home).await.expect(201).json();
    let change = |tag: &Value| json!({"labels": ["x"], "eTagRequest": tag});
    let changed = drive
        .patch(&id(&made), change(&made["eTagResponse"]))
        .await
        .expect(200)
        .json();
    drive
        .patch(&id(&made), change(&made["eTagResponse"]))
        .await
        .refused(412);
    assert_eq!(drive.node(&id(&made)).await, changed);
}

fn unpack(reply: &Reply) -> Vec<u8> {
    assert_eq!(reply.header("Content-Encoding"), "gzip", "{reply:?}");
    let mut plain = Vec::new();
    GzDecoder::new(reply.body.as_slice())
        .read_to_end(&mut plain)
        .unwrap();
    plain
}

async fn lists_come_in_gzip_when_asked_for(drive: &Drive, home: &str) {
    for number in 0..30 {
        drive.folder(&format!("n{number:02}"), home).await;
    }
    let path = format!("nodes/{home}/children?sort=%5B%22name%20ASC%22%5D");
    let plain = drive.get(&path).await.expect(200);
    assert_eq!(plain.header("Content-Encoding"), "");
    let request = drive
        .metadata(Method::GET, &path)
        .header("Accept-Encoding", "gzip");
    let packed = send(request).await.expect(200);
    assert!(packed.body.len() < plain.body.len());
    let unpacked: Value = serde_json::from_slice(&unpack(&packed)).unwrap();
    assert_eq!(unpacked, plain.json());
}

async fn changes_come_in_gzip_when_asked_for(drive: &Drive, home: &str) {
    for number in 0..10 {
        drive.folder(&number.to_string(), home).await;
    }
    let request = drive.metadata(Method::POST, "changes").body("{}");
    let packed = send(request.header("Accept-Encoding", "gzip"))
        .await
        .expect(200);
    let text = match packed.header("Content-Encoding") {
        "" => packed.body,
        _ => unpack(&packed),
    };
    let feed = crate::feed::parse(std::str::from_utf8(&text).unwrap());
    assert!(feed.nodes().any(|node| node["id"] == home));
}

async fn content_is_the_same_whatever_encodings_are_taken(drive: &Drive, home: &str) {
    let content = b"0123456789".repeat(1000);
    let file = drive.file("a.txt", home, &content).await;
    let path = format!("nodes/{file}/content");
    let ask = |range: Option<&str>| {
        let mut request = drive
            .content(Method::GET, &path)
            .header("Accept-Encoding", "gzip");
        if let Some(range) = range {
            request = request.header("Range", range);
        }
        request
    };
    let whole = send(ask(None)).await.expect(200);
    let plain = match whole.header("Content-Encoding") {
        "" => whole.body,
        _ => unpack(&whole),
    };
    assert!(plain == content);
    // A part of a file is counted in the file's own bytes.
    let part = send(ask(Some("bytes=10-99"))).await.expect(206);
    assert_eq!(
        (
            part.header("Content-Encoding"),
            part.header("Content-Length")
        ),
        ("", "90")
    );
    assert_eq!(part.body, content[10..100]);
}
