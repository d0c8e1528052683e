//! Section 9 of the reference: new files.

use md5::{Digest, Md5};
use reqwest::Method;
use serde_json::json;

use crate::{
    drive::{Drive, chunked, id, send, unique, unique_content},
    multipart::{self, CLIENTS, METADATA, MULTIPART},
    raw::{self, Side},
    shape::assert_node,
};

contract![
    the_example_of_the_reference_is_taken,
    each_clients_body_is_taken,
    each_clients_body_is_taken_in_pieces,
    text_after_the_end_is_ignored,
    boundaries_may_be_quoted_and_odd,
    bytes_arrive_as_they_were_sent,
    large_content_arrives_whole,
    empty_file_is_taken_with_a_length,
    name_of_the_part_is_not_the_nodes,
    file_without_parents_comes_below_the_root,
    labels_come_with_the_upload,
    taken_name_is_refused_with_the_services_words,
    same_content_is_refused_unless_suppressed,
    same_content_is_looked_for_in_the_whole_drive,
    taken_name_comes_before_same_content,
    empty_files_are_no_duplicates,
    trashed_parent_is_refused,
    unknown_parent_is_not_found,
    broken_bodies_store_nothing,
    content_type_is_one_of_some_sort,
];

fn metadata(name: &str, parent: &str) -> String {
    json!({"name": name, "kind": "FILE", "parents": [parent]}).to_string()
}

async fn the_example_of_the_reference_is_taken(drive: &Drive, home: &str) {
    let body = format!(
        "--7f3c\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n\
         {{\"name\":\"notes.txt\",\"kind\":\"FILE\",\"parents\":[\"{home}\"]}}\r\n\
         --7f3c\r\nContent-Disposition: form-data; name=\"content\"; filename=\"notes.txt\"\r\n\
         Content-Type: text/plain\r\n\r\nhello world\r\n--7f3c--"
    );
    // And no CRLF after the last boundary, which the grammar leaves open.
    for body in [body.clone(), format!("{body}\r\n")] {
        let made = drive
            .upload_body("?suppress=deduplication", body.into_bytes())
            .await;
        let made = made.expect(201).json();
        assert_node(&made);
        assert_eq!(
            (made["name"].as_str(), made["version"].as_u64()),
            (Some("notes.txt"), Some(1))
        );
        assert_eq!(made["contentProperties"]["size"], 11);
        assert_eq!(made["contentProperties"]["version"], 1);
        assert_eq!(
            made["contentProperties"]["md5"],
            "5eb63bbbe01eeed093cb22bb8f5acdc3"
        );
        assert_eq!(drive.bytes(&id(&made)).await, b"hello world");
        drive.trash(&id(&made)).await.expect(200);
    }
}

fn clients_body(client: &(&str, &str, &str), home: &str, content: &[u8]) -> Vec<u8> {
    let (name, first, second) = client;
    let second = second.replace("LENGTH", &content.len().to_string());
    multipart::parts(&[(first, metadata(name, home).as_bytes()), (&second, content)])
}

async fn each_clients_body_is_taken(drive: &Drive, home: &str) {
    for client in CLIENTS {
        let content = unique_content();
        let reply = drive
            .upload_body(
                "?suppress=deduplication",
                clients_body(client, home, &content),
            )
            .await;
        assert_eq!(reply.status, 201, "{}: {}", client.0, reply.text());
        let made = reply.json();
        assert_eq!(made["name"], client.0);
        assert_eq!(drive.bytes(&id(&made)).await, content, "{}", client.0);
    }
}

async fn each_clients_body_is_taken_in_pieces(drive: &Drive, home: &str) {
    for client in CLIENTS {
        let content = unique_content();
        let reply = drive
            .upload_chunked(clients_body(client, home, &content))
            .await;
        assert_eq!(reply.status, 201, "{}: {}", client.0, reply.text());
        let made = reply.json();
        assert_eq!(made["contentProperties"]["size"], content.len());
        assert_eq!(drive.bytes(&id(&made)).await, content, "{}", client.0);
    }
}

/// acd_cli writes its content type there when it streams, with no line break before it.
async fn text_after_the_end_is_ignored(drive: &Drive, home: &str) {
    for (number, tail) in [
        "multipart/form-data; boundary=7f3c",
        "\r\nepilogue\r\n",
        "\r\n\r\n\r\n",
    ]
    .iter()
    .enumerate()
    {
        let name = format!("file {number}");
        let mut body = multipart::body(&metadata(&name, home), b"hello");
        body.truncate(body.len() - 2);
        body.extend_from_slice(tail.as_bytes());
        let made = match number {
            0 => drive.upload_chunked(body).await,
            _ => drive.upload_body("?suppress=deduplication", body).await,
        };
        assert_eq!(
            drive.bytes(&id(&made.expect(201).json())).await,
            b"hello",
            "{tail}"
        );
    }
}

async fn boundaries_may_be_quoted_and_odd(drive: &Drive, home: &str) {
    let longest = "b".repeat(70);
    for (number, boundary) in [
        "----WebKitFormBoundary7MA4YWxk",
        "a b",
        "'()+_,-./:=?",
        "0",
        longest.as_str(),
    ]
    .iter()
    .enumerate()
    {
        let body = multipart::body(&metadata(&number.to_string(), home), b"hello");
        let body = String::from_utf8(body).unwrap().replace("7f3c", boundary);
        let request = drive.content(Method::POST, "nodes?suppress=deduplication");
        let kind = format!("multipart/form-data; boundary=\"{boundary}\"");
        let reply = send(request.header("Content-Type", kind).body(body)).await;
        assert_eq!(reply.status, 201, "{boundary}: {}", reply.text());
        assert_eq!(drive.bytes(&id(&reply.json())).await, b"hello");
    }
}

async fn bytes_arrive_as_they_were_sent(drive: &Drive, home: &str) {
    let all: Vec<u8> = (0..=255).collect();
    for (number, content) in [
        b"\r\n".as_slice(),
        b"\r\n--7f3",
        b"\r\n--7f3d\r\n\r\n",
        b"--7f3c--",
        b"-\r-\n--\r\n--",
        b"\0",
        &all,
        b"\r\n\r\n\r\n",
        b"{\"name\":\"x\"}",
    ]
    .iter()
    .enumerate()
    {
        let name = number.to_string();
        for piecewise in [false, true] {
            let body = multipart::body(&metadata(&format!("{name}{piecewise}"), home), content);
            let made = match piecewise {
                true => drive.upload_chunked(body).await,
                false => drive.upload_body("?suppress=deduplication", body).await,
            };
            let made = made.expect(201).json();
            assert_eq!(drive.bytes(&id(&made)).await, *content);
            assert_eq!(
                made["contentProperties"]["md5"],
                hex::encode(Md5::digest(content))
            );
        }
    }
}

async fn large_content_arrives_whole(drive: &Drive, home: &str) {
    let content: Vec<u8> = (0..3_000_000_u32)
        .flat_map(|n| (n % 251).to_le_bytes())
        .take(5 << 20)
        .collect();
    let made = drive
        .upload("large", home, &content)
        .await
        .expect(201)
        .json();
    assert_eq!(made["contentProperties"]["size"], content.len());
    assert!(drive.bytes(&id(&made)).await == content);
}

async fn empty_file_is_taken_with_a_length(drive: &Drive, home: &str) {
    let made = drive.upload("empty", home, b"").await.expect(201).json();
    assert_node(&made);
    assert_eq!(made["contentProperties"]["size"], 0);
    assert_eq!(
        made["contentProperties"]["md5"],
        "d41d8cd98f00b204e9800998ecf8427e"
    );
    let reply = drive.download(&id(&made), None).await.expect(200);
    assert_eq!((reply.header("Content-Length"), reply.body.len()), ("0", 0));
    // Sent in pieces it failed in a way that is not told.
    drive
        .upload_chunked(multipart::body(&metadata("pieces", home), b""))
        .await
        .allowed();
}

async fn name_of_the_part_is_not_the_nodes(drive: &Drive, home: &str) {
    let content = "Content-Disposition: form-data; name=\"content\"; filename=\"other.txt\"\r\n";
    let body = multipart::parts(&[
        (METADATA, metadata("mine.txt", home).as_bytes()),
        (content, b"a"),
    ]);
    let made = drive.upload_body("", body).await;
    // The content is known elsewhere, perhaps.
    let made = match made.status.as_u16() {
        409 => drive.upload("mine.txt", home, b"a").await,
        _ => made,
    };
    assert_eq!(made.expect(201).json()["name"], "mine.txt");
}

async fn file_without_parents_comes_below_the_root(drive: &Drive, _home: &str) {
    let root = id(&drive.root().await);
    let made = drive
        .upload_as(&json!({"name": unique("contract"), "kind": "FILE"}), b"a")
        .await;
    let made = made.expect(201).json();
    assert_eq!(made["parents"], json!([root]));
    drive.trash(&id(&made)).await.expect(200);
}

async fn labels_come_with_the_upload(drive: &Drive, home: &str) {
    let metadata = json!({"name": "a", "kind": "FILE", "parents": [home], "labels": ["s3ql", "x"]});
    let made = drive.upload_as(&metadata, b"a").await.expect(201).json();
    assert_eq!(made["labels"], json!(["s3ql", "x"]));
    assert_eq!(drive.node(&id(&made)).await["labels"], json!(["s3ql", "x"]));
}

async fn taken_name_is_refused_with_the_services_words(drive: &Drive, home: &str) {
    let existing = drive.file("Notes.TXT", home, b"first").await;
    for name in ["Notes.TXT", "notes.txt", "NOTES.txt"] {
        for content in [&b"first"[..], b"second", b""] {
            let refused = drive.upload(name, home, content).await.refused(409);
            assert_eq!(refused["code"], "NAME_ALREADY_EXISTS");
            assert_eq!(refused["info"], json!({"nodeId": existing}));
            let expected = format!(
                "Node with the name notes.txt already exists under parentId {home} conflicting NodeId: {existing}"
            );
            assert_eq!(refused["message"], expected);
            assert!(refused["logref"].is_string(), "{refused}");
        }
    }
    assert_eq!(drive.bytes(&existing).await, b"first");
    assert_eq!(drive.node(&existing).await["version"], 1);
    // A trashed node's name is free.
    drive.trash(&existing).await.expect(200);
    drive.upload("Notes.TXT", home, b"second").await.expect(201);
}

async fn same_content_is_refused_unless_suppressed(drive: &Drive, home: &str) {
    let content = unique_content();
    let existing = drive.file("a", home, &content).await;
    for query in ["", "?suppress=true", "?suppress="] {
        let body = multipart::body(&metadata("b", home), &content);
        let refused = drive.upload_body(query, body).await.refused(409);
        assert_eq!(refused["code"], "MD5_DUPLICATE", "{query}");
        assert_eq!(refused["info"]["nodeId"], existing, "{query}");
    }
    assert_eq!(drive.children(home).await, ["a"]);
    drive.upload("b", home, &content).await.expect(201);
    let body = multipart::body(&metadata("c", home), &unique_content());
    drive.upload_body("", body).await.expect(201);
    assert_eq!(drive.children(home).await, ["a", "b", "c"]);
}

async fn same_content_is_looked_for_in_the_whole_drive(drive: &Drive, home: &str) {
    let content = unique_content();
    let (one, two) = (
        drive.folder("one", home).await,
        drive.folder("two", home).await,
    );
    let existing = drive.file("a", &one, &content).await;
    let body = multipart::body(&metadata("b", &two), &content);
    let refused = drive.upload_body("", body).await.refused(409);
    assert_eq!(refused["info"]["nodeId"], existing);
    assert!(drive.children(&two).await.is_empty());
}

async fn taken_name_comes_before_same_content(drive: &Drive, home: &str) {
    let content = unique_content();
    drive.file("a", home, &content).await;
    let body = multipart::body(&metadata("a", home), &content);
    // Recommended, not known.
    let refused = drive.upload_body("", body).await.refused(409);
    assert_eq!(refused["code"], "NAME_ALREADY_EXISTS");
}

async fn empty_files_are_no_duplicates(drive: &Drive, home: &str) {
    for name in ["a", "b", "c"] {
        let body = multipart::body(&metadata(name, home), b"");
        drive.upload_body("", body).await.expect(201);
    }
}

async fn trashed_parent_is_refused(drive: &Drive, home: &str) {
    let folder = drive.folder("a", home).await;
    drive.trash(&folder).await.expect(200);
    let refused = drive.upload("b", &folder, b"b").await.refused(400);
    assert_eq!(
        refused["message"],
        "A node cannot be added to trashed parent"
    );
}

async fn unknown_parent_is_not_found(drive: &Drive, _home: &str) {
    let unknown = "AAAAAAAAAAAAAAAAAAAAAA";
    drive.upload("b", unknown, b"b").await.refused(404);
}

async fn broken_bodies_store_nothing(drive: &Drive, home: &str) {
    let good = multipart::body(&metadata("a", home), b"hello");
    let content = "Content-Disposition: form-data; name=\"content\"; filename=\"a\"\r\n";
    let half = multipart::parts(&[
        (METADATA, br#"{"name":"a","kind":"FILE","parents":["#),
        (content, b"a"),
    ]);
    let nameless = json!({"kind": "FILE", "parents": [home]}).to_string();
    let nameless = multipart::parts(&[(METADATA, nameless.as_bytes()), (content, b"a")]);
    let alone = multipart::parts(&[(METADATA, metadata("a", home).as_bytes())]);
    for (why, kind, body) in [
        ("no body", MULTIPART, Vec::new()),
        (
            "other boundary",
            "multipart/form-data; boundary=other",
            good.clone(),
        ),
        ("no boundary", "multipart/form-data", good.clone()),
        (
            "no multipart",
            "application/json",
            metadata("a", home).into_bytes(),
        ),
        (
            "cut in the content",
            MULTIPART,
            good[..good.len() - 14].to_vec(),
        ),
        (
            "cut before the end",
            MULTIPART,
            good[..good.len() - 4].to_vec(),
        ),
        ("half the metadata", MULTIPART, half),
        ("no name", MULTIPART, nameless),
        ("metadata alone", MULTIPART, alone),
        (
            "content alone",
            MULTIPART,
            multipart::content_only(b"hello"),
        ),
        ("no parts", MULTIPART, b"--7f3c--\r\n".to_vec()),
        (
            "no headers",
            MULTIPART,
            b"--7f3c\r\n\r\nhello\r\n--7f3c--\r\n".to_vec(),
        ),
    ] {
        for piecewise in [false, true] {
            let request = drive
                .content(Method::POST, "nodes?suppress=deduplication")
                .header("Content-Type", kind);
            let request = match piecewise {
                true => request.body(chunked(body.clone())),
                false => request.body(body.clone()),
            };
            let reply = send(request).await;
            // 411 where there is no length and 415 for other types would do as well.
            assert!(
                matches!(reply.status.as_u16(), 400 | 411 | 415),
                "{why}: {} {}",
                reply.status,
                reply.text()
            );
            let status = reply.status.as_u16();
            reply.refused(status);
            assert!(drive.children(home).await.is_empty(), "{why}");
        }
    }
    // Less than the length said.
    let headers = format!(
        "Content-Type: {MULTIPART}\r\nContent-Length: {}\r\n",
        good.len()
    );
    let line = ("POST", "nodes?suppress=deduplication");
    let Some(whole) = raw::request(drive, Side::Content, line, &headers, &good).await else {
        return;
    };
    assert_eq!(whole.status, 201, "{}", whole.body);
}

/// Whether it is that of the part or one guessed from the name is not known.
async fn content_type_is_one_of_some_sort(drive: &Drive, home: &str) {
    for (name, declared) in [
        ("a.jpg", "image/jpeg"),
        ("b.txt", "text/plain"),
        ("c", "application/x-thing"),
    ] {
        let content = format!(
            "Content-Disposition: form-data; name=\"content\"; filename=\"x\"\r\nContent-Type: {declared}\r\n"
        );
        let body = multipart::parts(&[
            (METADATA, metadata(name, home).as_bytes()),
            (&content, b"a"),
        ]);
        let made = drive
            .upload_body("?suppress=deduplication", body)
            .await
            .expect(201)
            .json();
        assert_eq!(made["contentProperties"]["contentType"], declared);
    }
}
