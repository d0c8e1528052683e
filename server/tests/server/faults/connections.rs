//! Connections that end, stop or are slow.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{Faulty, body, broken, info};
use crate::common::{id, multipart, until};

const CONTENT: &[u8] = &[3; 1 << 20];

async fn large(server: &Faulty) -> String {
    let root = server.root().await;
    server.file("large", &root, CONTENT).await
}

#[tokio::test]
async fn reply_is_cut_after_so_many_bytes() {
    let server = Faulty::start(&[]).await;
    let file = large(&server).await;
    for bytes in [0, 1, 500_000] {
        server.faults.clear();
        server.fault(&format!("cut-reply={bytes},count=1"));
        let path = format!("GET /cdproxy/nodes/{file}/content");
        let (reply, outcome) = server.raw(&path, b"").await;
        outcome.unwrap();
        assert!(reply.starts_with(b"HTTP/1.1 200"));
        assert!(
            String::from_utf8_lossy(&reply[..400.min(reply.len())])
                .to_lowercase()
                .contains("content-length: 1048576")
        );
        assert_eq!(body(&reply).len(), bytes);
        assert_eq!(server.download(&file, None).await.expect(200).body, CONTENT);
    }
    // What is smaller is left alone.
    server.fault("cut-reply=2MiB,count=1");
    assert_eq!(server.download(&file, None).await.body, CONTENT);
}

#[tokio::test]
async fn cut_reply_to_an_upload_leaves_the_file() {
    let server = Faulty::start(&["cut-reply=10,method=POST"]).await;
    let root = server.root().await;
    let metadata = serde_json::json!({"name": "a", "parents": [root]}).to_string();
    let whole = multipart(Some(&metadata), Some(b"content"));
    let (reply, outcome) = server.raw("POST /cdproxy/nodes", &whole).await;
    outcome.unwrap();
    assert!(reply.starts_with(b"HTTP/1.1 201"));
    assert_eq!(body(&reply).len(), 10);
    assert_eq!(server.children(&root).await, ["a"]);
}

#[tokio::test]
async fn reply_can_be_cut_by_a_reset() {
    let server = Faulty::start(&["cut-reply=1000,how=reset"]).await;
    let file = large(&server).await;
    server.faults.clear();
    server.fault("cut-reply=1000,how=reset");
    let path = format!("GET /cdproxy/nodes/{file}/content");
    let (_, outcome) = server.raw(&path, b"").await;
    assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn request_is_cut_and_nothing_is_kept() {
    for how in ["close", "reset"] {
        let server = Faulty::start(&[&format!("cut-request=100KiB,count=1,how={how}")]).await;
        let root = server.root().await;
        let metadata = serde_json::json!({"name": "a", "parents": [root]}).to_string();
        let whole = multipart(Some(&metadata), Some(CONTENT));
        broken(server.upload_request(whole.clone())).await;
        assert!(server.children(&root).await.is_empty());
        crate::common::send(server.upload_request(whole))
            .await
            .expect(201);
        assert_eq!(server.faults.hits("cut-request"), 1);
        assert_eq!(server.objects(), 1);
        let staged = server.dir.path().join("staging");
        until("nothing is staged but the lock", || {
            crate::common::files(&staged).len() == 1
        })
        .await;
    }
}

#[tokio::test]
async fn connection_is_reset_before_or_after_the_call() {
    let server = Faulty::start(&[]).await;
    let root = server.root().await;
    let metadata = |name: &str| serde_json::json!({"name": name, "parents": [root]}).to_string();
    for (name, rule, done, kind) in [
        (
            "a",
            "connection-reset",
            false,
            Some(io::ErrorKind::ConnectionReset),
        ),
        (
            "b",
            "connection-reset=after",
            true,
            Some(io::ErrorKind::ConnectionReset),
        ),
        ("c", "connection-reset=after,how=close", true, None),
    ] {
        server.faults.clear();
        server.fault(&format!("{rule},method=POST,count=1"));
        let whole = multipart(Some(&metadata(name)), Some(name.as_bytes()));
        let (reply, outcome) = server
            .raw("POST /cdproxy/nodes?suppress=deduplication", &whole)
            .await;
        assert_eq!(outcome.err().map(|error| error.kind()), kind, "{rule}");
        assert!(reply.is_empty(), "{rule}");
        let listed = server.children(&root).await.contains(&name.to_owned());
        assert_eq!(listed, done, "{rule}");
    }
}

#[tokio::test]
async fn reply_stalls_for_ever_and_the_server_still_stops() {
    let server = Faulty::start(&[]).await;
    let file = large(&server).await;
    server.fault("stall-reply=100,path=*/content");
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "GET /cdproxy/nodes/{file}/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        server.token
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    while !reply.windows(4).any(|four| four == b"\r\n\r\n") || body(&reply).len() < 100 {
        assert!(stream.read_buf(&mut reply).await.unwrap() > 0);
    }
    assert_eq!(body(&reply).len(), 100);
    let silence = timeout(Duration::from_millis(100), stream.read_buf(&mut reply)).await;
    assert!(silence.is_err(), "not a byte more");
    info(&server).await.expect(200);
    server.server.stop().await;
    let _ = stream.read_to_end(&mut reply).await;
    assert_eq!(body(&reply).len(), 100);
}

#[tokio::test]
async fn stalled_bodies_go_on_after_their_time() {
    let server = Faulty::start(&["stall-request=100KiB,for=50ms"]).await;
    let file = large(&server).await;
    assert_eq!(server.faults.hits("stall-request"), 1);
    server.fault("stall-reply=500000,for=50ms");
    assert_eq!(server.download(&file, None).await.expect(200).body, CONTENT);
    assert_eq!(server.faults.hits("stall-reply"), 1);
}

#[tokio::test]
async fn stalled_request_is_read_no_further() {
    let server = Faulty::start(&["stall-request=100KiB"]).await;
    let root = server.root().await;
    let metadata = serde_json::json!({"name": "a", "parents": [root]}).to_string();
    // More than the buffers between the two ends take.
    let whole = multipart(Some(&metadata), Some(&vec![1; 64 << 20]));
    let sending = server.upload_request(whole).send();
    let silence = timeout(Duration::from_millis(300), sending).await;
    assert!(silence.is_err(), "no reply");
    assert!(server.children(&root).await.is_empty());
}

#[tokio::test]
async fn replies_wait() {
    let server = Faulty::start(&["latency=20ms"]).await;
    let start = std::time::Instant::now();
    for _ in 0..5 {
        info(&server).await.expect(200);
    }
    // A lower bound holds however busy the machine is.
    assert!(start.elapsed() >= Duration::from_millis(100));
    assert_eq!(server.faults.hits("latency"), 5);
}

#[tokio::test]
async fn other_requests_of_a_connection_are_not_harmed() {
    let server = Faulty::start(&[]).await;
    let root = server.root().await;
    let node = server.upload("a", &root, b"x").await.expect(201).json();
    server.fault("cut-reply=0,count=1,path=*/content");
    let url = format!("{}nodes/{}/content", server.content, id(&node));
    broken(server.request(reqwest::Method::GET, &url)).await;
    assert_eq!(
        server.download(&id(&node), None).await.expect(200).body,
        b"x"
    );
}
