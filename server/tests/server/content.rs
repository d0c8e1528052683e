//! Content: uploads in every shape clients send, overwrites, downloads.

use crate::common::{MULTIPART, Running, files, id, multipart, send, start, until};
use futures::{StreamExt, stream};
use reqwest::{Body, Method};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Bytes that look like nothing.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next)
        .flatten()
        .take(length)
        .collect()
}

fn objects(dir: &tempfile::TempDir) -> usize {
    files(&dir.path().join("content")).len()
}

/// Files below `staging`, without the server's lock.
fn staged(dir: &tempfile::TempDir) -> usize {
    files(&dir.path().join("staging")).len() - 1
}

#[tokio::test]
async fn upload_comes_back_with_size_and_md5() {
    let (dir, server) = start().await;
    let root = server.root().await;
    let node = server
        .upload("notes.TXT", &root, b"hello world")
        .await
        .expect(201)
        .json();
    assert_eq!(node["kind"], "FILE");
    assert_eq!(node["version"], 1);
    assert_eq!(node["parents"], json!([root]));
    assert_eq!(node["createdBy"], "acd");
    assert_eq!(
        node["contentProperties"],
        json!({
            "version": 1,
            "size": 11,
            "md5": "5eb63bbbe01eeed093cb22bb8f5acdc3",
            "contentType": "text/plain",
            "extension": "txt",
        })
    );
    assert_eq!(
        server
            .get(&format!("nodes/{}", id(&node)))
            .await
            .expect(200)
            .json(),
        node
    );
    let down = server.download(&id(&node), None).await.expect(200);
    assert_eq!(down.body, b"hello world");
    assert_eq!(down.header("content-length"), "11");
    assert_eq!(down.header("content-type"), "text/plain");
    assert_eq!(down.header("etag"), "\"5eb63bbbe01eeed093cb22bb8f5acdc3\"");
    assert_eq!(down.header("accept-ranges"), "bytes");
    until("the staged name is removed", || staged(&dir) == 0).await;
    assert_eq!(objects(&dir), 1);
}

#[tokio::test]
async fn content_of_many_blocks_survives() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    for length in [256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 5_000_000] {
        let content = noise(length);
        let file = server.file(&format!("f{length}"), &root, &content).await;
        assert!(
            server.download(&file, None).await.expect(200).body == content,
            "{length}"
        );
    }
}

#[tokio::test]
async fn ranges_are_partial_and_clamped() {
    let (_dir, server) = start().await;
    let content = noise(700_000);
    let file = server.file("f", &server.root().await, &content).await;
    for (range, from, to) in [
        ("bytes=0-1023", 0, 1024),
        ("bytes=0-699999", 0, 700_000),
        ("bytes=500-", 500, 700_000),
        ("bytes=300000-900000", 300_000, 700_000),
        ("bytes=-10", 699_990, 700_000),
    ] {
        let part = server.download(&file, Some(range)).await.expect(206);
        assert!(part.body == content[from..to], "{range}");
        assert_eq!(part.header("content-length"), (to - from).to_string());
        assert_eq!(
            part.header("content-range"),
            format!("bytes {from}-{}/700000", to - 1)
        );
    }
    for range in ["bytes=700000-", "bytes=800000-900000"] {
        let refused = server.download(&file, Some(range)).await.expect(416);
        assert_eq!(refused.header("content-range"), "bytes */700000");
    }
    for ignored in ["bytes=5-2", "bytes=0-1,5-6", "rows=1-2"] {
        assert!(
            server.download(&file, Some(ignored)).await.expect(200).body == content,
            "{ignored}"
        );
    }
}

#[tokio::test]
async fn head_tells_the_length_and_sends_nothing() {
    let (_dir, server) = start().await;
    let file = server.file("f", &server.root().await, b"12345").await;
    let head = send(server.request(
        Method::HEAD,
        &format!("{}nodes/{file}/content", server.content),
    ))
    .await
    .expect(200);
    assert_eq!((head.header("content-length"), head.body.len()), ("5", 0));
}

#[tokio::test]
async fn folders_have_no_content() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    server.download(&root, None).await.error(400);
    server.overwrite(&root, b"x").await.error(400);
    server
        .upload_with("", &json!({"name": "n", "kind": "FOLDER"}), b"x")
        .await
        .error(400);
}

#[tokio::test]
async fn empty_files_are_files() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    for name in ["a", "b"] {
        // Never a duplicate, though both are the same.
        let node = server
            .upload_with("", &json!({"name": name, "kind": "FILE"}), b"")
            .await
            .expect(201)
            .json();
        assert_eq!(node["contentProperties"]["size"], 0);
        assert_eq!(
            node["contentProperties"]["md5"],
            "d41d8cd98f00b204e9800998ecf8427e"
        );
        assert_eq!(node["parents"], json!([root]));
        let down = server.download(&id(&node), None).await.expect(200);
        assert_eq!((down.body.len(), down.header("content-length")), (0, "0"));
        server
            .download(&id(&node), Some("bytes=0-"))
            .await
            .expect(416);
        server.overwrite(&id(&node), b"").await.expect(200);
    }
}

#[tokio::test]
async fn same_content_is_refused_unless_the_check_is_suppressed() {
    let (dir, server) = start().await;
    let root = server.root().await;
    let first = server.file("first", &root, b"same").await;
    let metadata = json!({"name": "second", "kind": "FILE", "parents": [root]});
    let refused = server
        .upload_with("", &metadata, b"same")
        .await
        .expect(409)
        .json();
    assert_eq!(refused["code"], "MD5_DUPLICATE");
    assert_eq!(refused["info"]["nodeId"], first);
    let both = json!({"name": "FIRST", "kind": "FILE", "parents": [root]});
    let refused = server
        .upload_with("", &both, b"same")
        .await
        .expect(409)
        .json();
    assert_eq!(
        refused["code"], "NAME_ALREADY_EXISTS",
        "the name is what counts when both clash"
    );
    until("refused content is removed", || objects(&dir) == 1).await;
    server
        .upload_with("?suppress=deduplication", &metadata, b"same")
        .await
        .expect(201);
    server
        .call(Method::PUT, &format!("trash/{first}"), None)
        .await
        .expect(200);
}

#[tokio::test]
async fn overwrite_replaces_content_and_removes_the_old() {
    let (dir, server) = start().await;
    let root = server.root().await;
    let file = server.file("f.jpg", &root, b"old").await;
    let node = server.overwrite(&file, b"newer").await.expect(200).json();
    assert_eq!(id(&node), file);
    assert_eq!(node["name"], "f.jpg");
    assert_eq!(node["version"], 2);
    assert_eq!(node["contentProperties"]["version"], 2);
    assert_eq!(node["contentProperties"]["size"], 5);
    assert_eq!(node["contentProperties"]["contentType"], "image/jpeg");
    assert_eq!(
        server.download(&file, None).await.expect(200).body,
        b"newer"
    );
    until("the old object is deleted", || objects(&dir) == 1).await;
    assert_eq!(staged(&dir), 0);
    // With a metadata part, as one client sends, and the duplicate check not suppressed.
    server.file("other", &root, b"same").await;
    let body = multipart(Some("{\"name\":\"ignored\"}"), Some(b"same"));
    let request = server.request(
        Method::PUT,
        &format!("{}nodes/{file}/content", server.content),
    );
    let node = send(request.header("Content-Type", MULTIPART).body(body))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&node["name"], &node["contentProperties"]["size"]),
        (&json!("f.jpg"), &json!(4))
    );
}

#[tokio::test]
async fn overwrites_at_once_leave_one_whole_content() {
    let (dir, server) = start().await;
    let file = server.file("f", &server.root().await, b"old").await;
    let contents: Vec<_> = (0..8_u8).map(|index| vec![index; 300_000]).collect();
    let all = contents
        .iter()
        .map(|content| server.overwrite(&file, content));
    for reply in futures::future::join_all(all).await {
        reply.expect(200);
    }
    let left = server.download(&file, None).await.expect(200).body;
    assert!(contents.contains(&left));
    until("all old objects are deleted", || objects(&dir) == 1).await;
}

#[tokio::test]
async fn chunked_upload_is_taken() {
    let (_dir, server) = start().await;
    let metadata = json!({"name": "f", "kind": "FILE"}).to_string();
    let body = multipart(Some(&metadata), Some(&noise(1000)));
    let chunks: Vec<_> = body
        .chunks(7)
        .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
        .collect();
    let request = server.request(
        Method::POST,
        &format!("{}nodes?suppress=deduplication", server.content),
    );
    let request = request
        .header("Content-Type", MULTIPART)
        .body(Body::wrap_stream(stream::iter(chunks)));
    let node = send(request).await.expect(201).json();
    assert_eq!(
        server.download(&id(&node), None).await.expect(200).body,
        noise(1000)
    );
}

#[tokio::test]
async fn part_headers_of_old_clients_are_understood() {
    let (_dir, server) = start().await;
    for (index, (metadata, content)) in [
        (
            "Content-Disposition: form-data; name=\"metadata\"; filename=\"\"\r\nContent-Type: application/json",
            "Content-Disposition: form-data; name=content; filename=my file (1).txt\r\nContent-Length: 3\r\n\
             Content-Type: application/octet-stream",
        ),
        (
            "Content-Disposition: form-data; name=\"metadata\"",
            "Content-Disposition: form-data; name=\"contents\"; filename=\"a \\\"b\\\".txt\"",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let fields = json!({"name": format!("n{index}"), "kind": "FILE"});
        // Behind the closing boundary comes what one client writes there.
        let body = format!(
            "--7f3c\r\n{metadata}\r\n\r\n{fields}\r\n--7f3c\r\n{content}\r\n\r\nabc\r\n--7f3c--\r\n{MULTIPART}"
        );
        let request = server.request(Method::POST, &format!("{}nodes?suppress=deduplication", server.content));
        let node = send(request.header("Content-Type", MULTIPART).body(body)).await.expect(201).json();
        assert_eq!(node["name"], format!("n{index}"), "the file name in the part does not count");
        assert_eq!(node["contentProperties"]["size"], 3);
    }
}

#[tokio::test]
async fn broken_uploads_are_refused_and_leave_nothing() {
    let (dir, server) = start().await;
    let url = format!("{}nodes?suppress=deduplication", server.content);
    let fields = json!({"name": "n", "kind": "FILE"}).to_string();
    let whole = multipart(Some(&fields), Some(&noise(600_000)));
    let cut = whole[..whole.len() - 100].to_vec();
    let twice = [&whole[..whole.len() - 10], &multipart(None, Some(b"more"))].concat();
    let headers = [b"--7f3c\r\nX: ".as_slice(), &[b'x'; 600_000]].concat();
    for (what, content_type, body) in [
        ("cut", MULTIPART, cut),
        ("no content", MULTIPART, multipart(Some(&fields), None)),
        ("no metadata", MULTIPART, multipart(None, Some(b"x"))),
        (
            "metadata no JSON",
            MULTIPART,
            multipart(Some("{"), Some(b"x")),
        ),
        ("two contents", MULTIPART, twice),
        ("no boundary", "multipart/form-data", whole.clone()),
        ("not multipart", "application/json", whole),
        ("endless headers", MULTIPART, headers),
        ("nothing", MULTIPART, Vec::new()),
    ] {
        let request = server
            .request(Method::POST, &url)
            .header("Content-Type", content_type)
            .body(body);
        let reply = send(request).await;
        assert_eq!(reply.status, 400, "{what}");
    }
    assert!(server.children(&server.root().await).await.is_empty());
    until("what was staged is removed", || staged(&dir) == 0).await;
    assert_eq!(objects(&dir), 0);
}

/// A request's head, for a body that is sent by hand.
fn head(server: &Running, path: &str, length: usize) -> String {
    format!(
        "POST /cdproxy/{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: {MULTIPART}\r\n\
         Content-Length: {length}\r\n\r\n",
        server.address, server.token
    )
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn aborted_upload_leaves_nothing() {
    let (dir, server) = start().await;
    let fields = json!({"name": "n", "kind": "FILE"}).to_string();
    let body = multipart(Some(&fields), Some(&noise(2_000_000)));
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(head(&server, "nodes?suppress=deduplication", body.len()).as_bytes())
        .await
        .unwrap();
    stream.write_all(&body[..1_000_000]).await.unwrap();
    until("the upload is staged", || staged(&dir) == 1).await;
    drop(stream);
    until("its content is removed", || staged(&dir) == 0).await;
    assert_eq!(objects(&dir), 0);
    assert!(server.children(&server.root().await).await.is_empty());
}

#[tokio::test]
async fn refusal_does_not_wait_for_the_content_and_the_connection_lives_on() {
    let (dir, server) = start().await;
    let root = server.root().await;
    let taken = server.file("taken", &root, b"x").await;
    for (metadata, status) in [
        (json!({"name": "TAKEN", "kind": "FILE"}), "409"),
        (
            json!({"name": "n", "kind": "FILE", "parents": ["AAAAAAAAAAAAAAAAAAAAAA"]}),
            "404",
        ),
        (
            json!({"name": "n", "kind": "FILE", "parents": [taken]}),
            "400",
        ),
    ] {
        let content = noise(3_000_000);
        let body = multipart(Some(&metadata.to_string()), Some(&content));
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream
            .write_all(head(&server, "nodes", body.len()).as_bytes())
            .await
            .unwrap();
        stream.write_all(&body[..1000]).await.unwrap();
        let reply = read_head(&mut stream).await;
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
        // A client that sends everything all the same gets its next answer too.
        stream.write_all(&body[1000..]).await.unwrap();
        stream
            .write_all(b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        let rest = String::from_utf8(rest).unwrap();
        assert!(
            rest.contains("HTTP/1.1 404 ") && rest.ends_with("<UnknownOperationException/>"),
            "{rest}"
        );
    }
    assert_eq!(objects(&dir), 1);
}

#[tokio::test]
async fn client_that_waits_to_be_asked_is_not_asked_for_what_is_refused() {
    let (_dir, server) = start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = head(&server, "nodes", 1000).replace(&server.token, "wrong");
    let head = head.replace("Content-Length", "Expect: 100-continue\r\nContent-Length");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.unwrap();
    assert!(
        reply.starts_with(b"HTTP/1.1 401 "),
        "{}",
        String::from_utf8_lossy(&reply)
    );
}

#[tokio::test]
async fn of_many_creates_of_one_name_one_wins() {
    let (dir, server) = start().await;
    let root = server.root().await;
    let uploads = stream::iter(0..64).map(|index| {
        let name = if index % 2 == 0 { "Name" } else { "nAME" };
        server.upload(name, &root, format!("content {index}").leak().as_bytes())
    });
    let replies: Vec<_> = uploads.buffer_unordered(64).collect().await;
    let (created, refused): (Vec<_>, Vec<_>) =
        replies.iter().partition(|reply| reply.status == 201);
    assert_eq!((created.len(), refused.len()), (1, 63));
    let winner = id(&created[0].json());
    for reply in refused {
        assert_eq!(reply.status, 409);
        assert_eq!(reply.json()["info"]["nodeId"], winner);
    }
    until("the losers' content is removed", || {
        objects(&dir) == 1 && staged(&dir) == 0
    })
    .await;
}

#[tokio::test]
async fn download_goes_on_while_the_file_is_overwritten() {
    let (dir, server) = start().await;
    let content = noise(20_000_000);
    let file = server.file("f", &server.root().await, &content).await;
    let request = server.request(
        Method::GET,
        &format!("{}nodes/{file}/content", server.content),
    );
    let mut response = request.send().await.unwrap();
    let mut read = response.chunk().await.unwrap().unwrap().to_vec();
    server.overwrite(&file, b"new").await.expect(200);
    until("the old object is deleted", || objects(&dir) == 1).await;
    while let Some(chunk) = response.chunk().await.unwrap() {
        read.extend_from_slice(&chunk);
    }
    assert!(read == content);
}
