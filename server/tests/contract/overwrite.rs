//! Section 10 of the reference: new content for files that are there.

use reqwest::Method;
use serde_json::json;

use crate::{
    drive::{Drive, chunked, id, send, unique_content},
    multipart::{self, CLIENTS, METADATA, MULTIPART},
    shape::assert_node,
};

contract![
    only_content_and_versions_change,
    each_clients_body_is_taken,
    metadata_beside_the_content_is_ignored,
    same_content_is_never_refused,
    empty_content_is_taken,
    unknown_and_wrong_nodes_are_refused,
    broken_body_leaves_the_old_content,
    overwrite_of_a_trashed_file_is_clean,
];

async fn only_content_and_versions_change(drive: &Drive, home: &str) {
    let made = drive
        .upload("a.txt", home, b"first")
        .await
        .expect(201)
        .json();
    let file = id(&made);
    for (round, content) in [(2, &b"second"[..]), (3, b"the third")] {
        let changed = drive.overwrite(&file, content).await.expect(200).json();
        assert_node(&changed);
        for same in [
            "id",
            "name",
            "parents",
            "createdDate",
            "kind",
            "status",
            "labels",
        ] {
            assert_eq!(changed[same], made[same], "{same}");
        }
        assert_eq!(changed["version"], round);
        assert_eq!(changed["contentProperties"]["version"], round);
        assert_eq!(changed["contentProperties"]["size"], content.len());
        assert_ne!(
            changed["contentProperties"]["md5"],
            made["contentProperties"]["md5"]
        );
        assert_ne!(changed["eTagResponse"], made["eTagResponse"]);
        assert_eq!(drive.node(&file).await, changed);
        assert_eq!(drive.bytes(&file).await, content);
    }
}

async fn each_clients_body_is_taken(drive: &Drive, home: &str) {
    let file = drive.file("a.txt", home, b"first").await;
    for (client, _, headers) in CLIENTS {
        let content = unique_content();
        let headers = headers.replace("LENGTH", &content.len().to_string());
        let body = multipart::parts(&[(&headers, &content)]);
        for query in ["", "?suppress=deduplication"] {
            let reply = drive.overwrite_body(&file, query, body.clone()).await;
            assert_eq!(reply.status, 200, "{client}: {}", reply.text());
        }
        let request = drive.content(Method::PUT, &format!("nodes/{file}/content"));
        let reply = send(
            request
                .header("Content-Type", MULTIPART)
                .body(chunked(body)),
        )
        .await;
        assert_eq!(reply.status, 200, "{client}: {}", reply.text());
        assert_eq!(drive.bytes(&file).await, content, "{client}");
    }
    assert_eq!(drive.node(&file).await["name"], "a.txt");
}

/// Duplicati sends it.
async fn metadata_beside_the_content_is_ignored(drive: &Drive, home: &str) {
    let file = drive.file("a.txt", home, b"first").await;
    let content = "Content-Disposition: form-data; name=\"content\"; filename=\"b.txt\"\r\n";
    for metadata in [
        &br#"{"name":"b.txt","kind":"FILE","parents":[]}"#[..],
        b"no json",
    ] {
        let body = multipart::parts(&[(METADATA, metadata), (content, b"second")]);
        let changed = drive
            .overwrite_body(&file, "", body)
            .await
            .expect(200)
            .json();
        assert_eq!(
            (changed["name"].as_str(), &changed["parents"]),
            (Some("a.txt"), &json!([home]))
        );
        assert_eq!(drive.bytes(&file).await, b"second");
    }
}

async fn same_content_is_never_refused(drive: &Drive, home: &str) {
    let content = unique_content();
    drive.file("a", home, &content).await;
    let other = drive.file("b", home, b"other").await;
    for _ in 0..2 {
        drive.overwrite(&other, &content).await.expect(200);
    }
    assert_eq!(drive.node(&other).await["version"], 3);
}

async fn empty_content_is_taken(drive: &Drive, home: &str) {
    let file = drive.file("a", home, b"first").await;
    // acd_cli clears files so.
    let headers = "Content-Disposition: form-data; name=\"content\"; filename=\" \"\r\n";
    let body = multipart::parts(&[(headers, b"")]);
    let changed = drive
        .overwrite_body(&file, "", body)
        .await
        .expect(200)
        .json();
    assert_eq!(changed["contentProperties"]["size"], 0);
    assert_eq!(
        changed["contentProperties"]["md5"],
        "d41d8cd98f00b204e9800998ecf8427e"
    );
    assert_eq!(changed["contentProperties"]["version"], 2);
    assert!(drive.bytes(&file).await.is_empty());
}

async fn unknown_and_wrong_nodes_are_refused(drive: &Drive, home: &str) {
    drive
        .overwrite("AAAAAAAAAAAAAAAAAAAAAA", b"a")
        .await
        .refused(404);
    for node in [home, &id(&drive.root().await)] {
        assert!(!drive.overwrite(node, b"a").await.allowed());
        assert!(drive.node(node).await.get("contentProperties").is_none());
    }
}

async fn broken_body_leaves_the_old_content(drive: &Drive, home: &str) {
    let file = drive.file("a", home, b"first").await;
    let good = multipart::content_only(b"second");
    for body in [
        Vec::new(),
        good[..good.len() - 14].to_vec(),
        b"--7f3c--\r\n".to_vec(),
        b"{}".to_vec(),
    ] {
        drive.overwrite_body(&file, "", body).await.refused(400);
        assert_eq!(drive.node(&file).await["version"], 1);
        assert_eq!(drive.bytes(&file).await, b"first");
    }
}

async fn overwrite_of_a_trashed_file_is_clean(drive: &Drive, home: &str) {
    let file = drive.file("a", home, b"first").await;
    drive.trash(&file).await.expect(200);
    let changed = drive.overwrite(&file, b"second").await.allowed();
    let expected: &[u8] = if changed { b"second" } else { b"first" };
    drive.restore(&file).await.expect(200);
    assert_eq!(drive.bytes(&file).await, expected);
}
