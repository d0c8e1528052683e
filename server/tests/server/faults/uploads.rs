//! Uploads: late, refused at the wrong moment, or told wrongly.

use serde_json::json;

use super::Faulty;
use crate::common::{Running, id, multipart, options, send};

const MD5_OF_NEW: &str = "22af645d1859cb5ca6da0c484f1f37ea";

#[tokio::test]
async fn late_upload_appears_at_its_time_and_not_before() {
    let server = Faulty::start(&["late-upload=20,count=1"]).await;
    let root = server.root().await;
    let failed = server.upload("a", &root, b"new").await.expect(504);
    assert!(failed.body.is_empty());
    server.time.advance(19);
    assert!(server.children(&root).await.is_empty());
    assert!(server.find("name:a").await.is_empty());
    server.time.advance(1);
    assert_eq!(server.children(&root).await, ["a"]);
    let node = server.list("nodes", &[("filters", "name:a")]).await.json()["data"][0].clone();
    assert_eq!(node["contentProperties"]["md5"], MD5_OF_NEW);
    assert_eq!(
        server.download(&id(&node), None).await.expect(200).body,
        b"new"
    );
    // Sent again it meets itself.
    let conflict = server.upload("a", &root, b"new").await.expect(409).json();
    assert_eq!(conflict["info"]["nodeId"], node["id"]);
    assert_eq!(server.objects(), 1);
}

#[tokio::test]
async fn late_upload_can_appear_at_once_or_never() {
    let server = Faulty::start(&[
        "late-upload=now,status=408,count=1",
        "late-upload=never,status=500,body=message,count=1",
        "late-upload=never,status=400,body=message,count=1",
    ])
    .await;
    let root = server.root().await;
    server.upload("now", &root, b"1").await.expect(408);
    assert_eq!(server.children(&root).await, ["now"]);
    let refused = server.upload("never", &root, b"2").await;
    assert_eq!(refused.error(500), "Internal failure");
    let refused = server.upload("never", &root, b"2").await;
    assert_eq!(refused.error(400), "Cannot complete upload");
    server.time.advance(100_000);
    assert_eq!(server.children(&root).await, ["now"]);
    crate::common::until("content of the refused is gone", || server.objects() == 1).await;
    server.file("never", &root, b"2").await;
}

#[tokio::test]
async fn late_upload_is_about_the_size_of_the_content_even_in_chunks() {
    let server = Faulty::start(&["late-upload=never,size=5"]).await;
    let root = server.root().await;
    let metadata = |name: &str| json!({"name": name, "parents": [root]}).to_string();
    for (name, content, status) in [("a", "12345", 504), ("b", "123456", 201)] {
        let whole = multipart(Some(&metadata(name)), Some(content.as_bytes()));
        let pieces: Vec<_> = whole
            .chunks(10)
            .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
            .collect();
        let body = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
        send(server.upload_request(body)).await.expect(status);
    }
    assert_eq!(server.children(&root).await, ["b"]);
}

#[tokio::test]
async fn late_upload_appears_though_nobody_asks() {
    let dir = super::in_memory();
    // By the system's clock.
    let options = options(dir.path())
        .with_faults(["late-upload=300ms"])
        .unwrap();
    let server = Running::start(options).await;
    let root = server.root().await;
    server.upload("a", &root, b"late").await.expect(504);
    let staged = dir.path().join("staging");
    // A staged name goes when its upload is committed.
    let committed = || crate::common::files(&staged).len() == 1;
    crate::common::until("only the lock is left", committed).await;
    assert_eq!(server.children(&root).await, ["a"]);
}

#[tokio::test]
async fn server_that_stops_commits_what_is_late() {
    let server = Faulty::start(&["late-upload=1h"]).await;
    let root = server.root().await;
    server.upload("a", &root, b"late").await.expect(504);
    assert!(server.children(&root).await.is_empty());
    let Faulty { server, dir, .. } = server;
    server.stop().await;
    let server = Running::start(options(dir.path())).await;
    assert_eq!(server.children(&root).await, ["a"]);
}

#[tokio::test]
async fn late_upload_whose_name_was_taken_does_not_appear() {
    let server = Faulty::start(&["late-upload=20,count=1"]).await;
    let root = server.root().await;
    server.upload("a", &root, b"first").await.expect(504);
    let second = server.file("a", &root, b"second").await;
    server.time.advance(20);
    assert_eq!(server.children(&root).await, ["a"]);
    assert_eq!(server.download(&second, None).await.body, b"second");
    crate::common::until("content of the first is gone", || server.objects() == 1).await;
}

#[tokio::test]
async fn late_overwrite_shows_the_old_file_until_its_time() {
    let server = Faulty::start(&[]).await;
    let root = server.root().await;
    let file = server.file("a", &root, b"old").await;
    server.fault("late-overwrite=30,count=1");
    server.fault("late-overwrite=never,count=1");
    server.overwrite(&file, b"new").await.expect(504);
    server.overwrite(&file, b"lost").await.expect(504);
    assert_eq!(server.download(&file, None).await.body, b"old");
    server.time.advance(30);
    let node = server.get(&format!("nodes/{file}")).await.json();
    assert_eq!(node["contentProperties"]["md5"], MD5_OF_NEW);
    assert_eq!(node["contentProperties"]["version"], 2);
    assert_eq!(server.download(&file, None).await.body, b"new");
}

#[tokio::test]
async fn overwritten_file_is_shown_as_it_was_for_a_time() {
    let server = Faulty::start(&[]).await;
    let root = server.root().await;
    let file = server.file("a", &root, b"old").await;
    let path = format!("nodes/{file}");
    let before = server.get(&path).await.json();
    server.fault("stale-overwrite=30");
    let reply = server.overwrite(&file, b"new").await.expect(200).json();
    assert_eq!(reply["contentProperties"]["md5"], MD5_OF_NEW);
    server.time.advance(29);
    assert_eq!(server.get(&path).await.json(), before);
    let page = server.get(&format!("nodes/{root}/children")).await.json();
    assert_eq!(page["data"], json!([before]));
    assert_eq!(server.download(&file, None).await.body, b"new");
    server.time.advance(1);
    let after = server.get(&path).await.json();
    assert_eq!(after["contentProperties"]["version"], 2);
    assert_eq!(after["contentProperties"]["md5"], MD5_OF_NEW);
}

#[tokio::test]
async fn stale_overwrite_goes_with_a_reply_that_failed() {
    let server = Faulty::start(&[]).await;
    let root = server.root().await;
    let file = server.file("a", &root, b"old").await;
    server.fault("late-overwrite=now");
    server.fault("stale-overwrite=30");
    server.overwrite(&file, b"new").await.expect(504);
    let node = server.get(&format!("nodes/{file}")).await.json();
    assert_eq!(node["contentProperties"]["version"], 1);
    server.time.advance(30);
    let node = server.get(&format!("nodes/{file}")).await.json();
    assert_eq!(node["contentProperties"]["version"], 2);
}

#[tokio::test]
async fn token_ends_in_the_middle_of_a_body() {
    let server = Faulty::start(&["401-mid-upload=100KiB,count=1"]).await;
    let root = server.root().await;
    server.file("small", &root, b"not touched").await;
    let content = vec![1; 1 << 20];
    let refused = server.upload("a", &root, &content).await;
    assert_eq!(refused.error(401), "Token has expired");
    assert_eq!(server.children(&root).await, ["small"]);
    server.file("a", &root, &content).await;
    crate::common::until("nothing but two objects", || server.objects() == 2).await;
}

#[tokio::test]
async fn token_ends_after_the_whole_body() {
    let server = Faulty::start(&["401-after-upload,count=2"]).await;
    let root = server.root().await;
    let refused = server.upload("a", &root, b"new").await;
    assert_eq!(refused.error(401), "Token has expired");
    assert!(server.children(&root).await.is_empty());
    server.upload("a", &root, b"new").await.expect(401);
    let file = server.file("a", &root, b"new").await;
    server.fault("401-after-upload,method=PUT");
    server.overwrite(&file, b"newer").await.expect(401);
    assert_eq!(server.download(&file, None).await.body, b"new");
    crate::common::until("nothing but one object", || server.objects() == 1).await;
}

#[tokio::test]
async fn conflict_comes_before_the_content_was_read() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = Faulty::start(&["409-before-body"]).await;
    let root = server.root().await;
    // The content is announced and never sent.
    let metadata = json!({"name": "Film", "parents": [root]}).to_string();
    let whole = multipart(Some(&metadata), Some(&[7; 1000]));
    let begun = &whole[..whole.len() - 1010];
    let mut stream = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let head = format!(
        "POST /cdproxy/nodes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: {}\r\n\
         Content-Length: {}\r\n\r\n",
        server.token,
        crate::common::MULTIPART,
        whole.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(begun).await.unwrap();
    let mut reply = Vec::new();
    let body = loop {
        assert!(stream.read_buf(&mut reply).await.unwrap() > 0);
        let head = reply.windows(4).any(|four| four == b"\r\n\r\n");
        if let Some(Ok(body)) = head.then(|| serde_json::from_slice(super::body(&reply))) {
            let body: serde_json::Value = body;
            break body;
        }
    };
    assert!(reply.starts_with(b"HTTP/1.1 409"));
    assert_eq!(body["code"], "NAME_ALREADY_EXISTS");
    let existing = body["info"]["nodeId"].as_str().unwrap();
    assert_eq!(
        body["message"],
        format!(
            "Node with the name film already exists under parentId {root} conflicting NodeId: {existing}"
        )
    );
    server.get(&format!("nodes/{existing}")).await.expect(404);
    assert!(server.children(&root).await.is_empty());
    // Without parents it is the root's.
    let refused = server.upload_with("", &json!({"name": "x"}), b"x").await;
    assert!(
        refused
            .error(409)
            .contains(&format!("under parentId {root} "))
    );
}

#[tokio::test]
async fn conflict_comes_only_after_the_content_was_read() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = Faulty::start(&["409-after-body"]).await;
    let root = server.root().await;
    let file = server.file("a", &root, b"first").await;
    let metadata = json!({"name": "a", "parents": [root]}).to_string();
    let whole = multipart(Some(&metadata), Some(&[7; 1000]));
    let mut stream = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let head = format!(
        "POST /cdproxy/nodes?suppress=deduplication HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        server.token,
        crate::common::MULTIPART,
        whole.len()
    );
    let (begun, rest) = whole.split_at(whole.len() - 500);
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(begun).await.unwrap();
    let mut reply = Vec::new();
    let early = std::time::Duration::from_millis(100);
    let nothing = tokio::time::timeout(early, stream.read_buf(&mut reply)).await;
    assert!(nothing.is_err(), "it waits for the rest");
    stream.write_all(rest).await.unwrap();
    stream.read_to_end(&mut reply).await.unwrap();
    assert!(reply.starts_with(b"HTTP/1.1 409"));
    assert!(String::from_utf8_lossy(&reply).contains(&file));
    assert_eq!(server.download(&file, None).await.body, b"first");
    crate::common::until("content of the refused is gone", || server.objects() == 1).await;
}

#[tokio::test]
async fn wrong_md5_is_where_the_rule_says() {
    let server = Faulty::start(&[]).await;
    let root = server.root().await;
    for (place, reply_wrong, node_wrong, etag_wrong) in [
        ("reply", true, false, false),
        ("node", false, true, false),
        ("etag", false, false, true),
        ("all", true, true, true),
    ] {
        server.fault(&format!("wrong-md5={place}"));
        let folder = server.folder(place, &root).await;
        let node = server.upload("a", &folder, b"new").await.expect(201).json();
        let wrong = format!("0{}", &MD5_OF_NEW[1..]);
        let expected = |is_wrong| if is_wrong { wrong.as_str() } else { MD5_OF_NEW };
        let md5 = |node: &serde_json::Value| {
            node["contentProperties"]["md5"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(md5(&node), expected(reply_wrong), "{place}");
        let file = id(&node);
        let read = server.get(&format!("nodes/{file}")).await.json();
        assert_eq!(md5(&read), expected(node_wrong), "{place}");
        let page = server.get(&format!("nodes/{folder}/children")).await.json();
        assert_eq!(md5(&page["data"][0]), expected(node_wrong), "{place}");
        let content = server.download(&file, None).await.expect(200);
        assert_eq!(
            content.header("etag"),
            format!("\"{}\"", expected(etag_wrong)),
            "{place}"
        );
        assert_eq!(content.body, b"new");
        server.faults.clear();
        let read = server.get(&format!("nodes/{file}")).await.json();
        assert_eq!(md5(&read), MD5_OF_NEW, "the drive has the right one");
    }
}
