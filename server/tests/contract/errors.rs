//! Section 18 of the reference, and requests that no client should send: each is refused with
//! a body, none is left without an answer, and the drive stays as it was.

use reqwest::Method;
use serde_json::json;

use crate::{
    drive::{Drive, send},
    multipart::{self, MULTIPART},
    raw::{self, RawReply, Side},
};

contract![
    unknown_operation_is_xml_and_404,
    wrong_verb_is_405,
    errors_have_reference_message_and_code,
    paths_with_tricks_are_refused,
    broken_framing_is_refused,
    headers_without_end_are_refused,
    upload_without_any_length_is_refused,
    upload_cut_off_stores_nothing,
    malformed_json_is_refused_everywhere,
    enormous_json_is_refused,
    refusal_before_the_body_is_sent_still_arrives,
    failed_calls_leave_the_connection_usable,
];

async fn unknown_operation_is_xml_and_404(drive: &Drive, home: &str) {
    for (method, path) in [
        (Method::GET, "no/such/thing".to_owned()),
        (Method::GET, String::new()),
        (Method::POST, "node".to_owned()),
        (Method::GET, format!("nodes/{home}/nothing")),
        (Method::PUT, "account".to_owned()),
    ] {
        let reply = drive.call(method, &path, None).await.expect(404);
        assert_eq!(
            reply.text().trim(),
            "<UnknownOperationException/>",
            "{path}"
        );
        assert_ne!(reply.header("x-amzn-RequestId"), "", "{path}");
        assert_ne!(reply.header("x-amzn-ErrorType"), "", "{path}");
    }
    let reply = send(drive.content(Method::GET, "nothing"))
        .await
        .expect(404);
    assert_eq!(reply.text().trim(), "<UnknownOperationException/>");
}

async fn wrong_verb_is_405(drive: &Drive, home: &str) {
    for (method, path) in [
        (Method::DELETE, "nodes".to_owned()),
        (Method::POST, "account/quota".to_owned()),
        (Method::PUT, format!("nodes/{home}")),
        (Method::GET, format!("trash/{home}/restore")),
        (Method::PATCH, "trash".to_owned()),
    ] {
        drive.call(method, &path, None).await.refused(405);
    }
    send(drive.content(Method::DELETE, &format!("nodes/{home}/content")))
        .await
        .refused(405);
    assert_eq!(drive.node(home).await["status"], "AVAILABLE");
}

async fn errors_have_reference_message_and_code(drive: &Drive, home: &str) {
    drive.folder("a", home).await;
    for (reply, status) in [
        (drive.create_folder("a", home).await, 409),
        (drive.get("nodes/AAAAAAAAAAAAAAAAAAAAAA").await, 404),
        (drive.list("nodes", &[("filters", "nothing:1")]).await, 400),
        (
            drive.patch(home, json!({"contentProperties": {}})).await,
            403,
        ),
    ] {
        let body = reply.refused(status);
        assert!(!body["message"].as_str().unwrap().is_empty(), "{body}");
        assert_eq!(body.get("info").is_some(), status == 409, "{body}");
    }
}

/// The listing of a folder and the whole trash, to be compared.
async fn state(drive: &Drive, home: &str) -> Vec<serde_json::Value> {
    drive.all(&format!("nodes/{home}/children"), &[]).await
}

#[track_caller]
fn assert_refused(reply: &RawReply, what: &str) {
    assert!((400..500).contains(&reply.status), "{what}: {reply:?}");
}

async fn paths_with_tricks_are_refused(drive: &Drive, home: &str) {
    let file = drive.file("a", home, b"secret").await;
    let before = state(drive, home).await;
    let paths = [
        "..%2f",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "../../../etc/passwd",
        "..",
        "%00",
        "a%00b",
        "%",
        "%zz",
        "%ff%fe",
        "%c0%ae%c0%ae%2f",
        "..\\..\\",
        ";",
        "*",
        "~",
        "%2f",
        "%252e%252e%252f",
    ];
    for path in paths {
        for (side, line) in [
            (Side::Metadata, ("GET", format!("nodes/{path}"))),
            (Side::Metadata, ("PUT", format!("trash/{path}"))),
            (
                Side::Metadata,
                ("PUT", format!("nodes/{path}/children/{file}")),
            ),
            (
                Side::Metadata,
                ("PUT", format!("nodes/{home}/children/{path}")),
            ),
            (Side::Content, ("GET", format!("nodes/{path}/content"))),
        ] {
            let (method, path) = (line.0, line.1.as_str());
            let Some(reply) = raw::request(drive, side, (method, path), "", b"").await else {
                return;
            };
            assert_refused(&reply, path);
            assert!(!reply.body.is_empty(), "{path}: {reply:?}");
            assert!(
                reply.header("x-amzn-RequestId").is_some(),
                "{path}: {reply:?}"
            );
        }
    }
    let long = "a".repeat(20_000);
    let reply = raw::request(
        drive,
        Side::Metadata,
        ("GET", &format!("nodes/{long}")),
        "",
        b"",
    )
    .await
    .unwrap();
    assert_refused(&reply, "a long path");
    assert_eq!(state(drive, home).await, before);
}

async fn broken_framing_is_refused(drive: &Drive, home: &str) {
    let before = state(drive, home).await;
    let body = json!({"name": "a", "kind": "FOLDER", "parents": [home]}).to_string();
    let length = body.len();
    for (what, headers, sent) in [
        (
            "no number",
            "Content-Length: many\r\n".to_owned(),
            body.clone(),
        ),
        (
            "below nothing",
            "Content-Length: -1\r\n".to_owned(),
            body.clone(),
        ),
        (
            "two lengths",
            format!("Content-Length: {length}\r\nContent-Length: 1\r\n"),
            body.clone(),
        ),
        (
            "odd coding",
            "Transfer-Encoding: wonderful\r\n".to_owned(),
            body.clone(),
        ),
        (
            "no chunk",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            body.clone(),
        ),
        (
            "a chunk of minus one",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            format!("-1\r\n{body}\r\n0\r\n\r\n"),
        ),
        (
            "a chunk too long",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            format!("FFFFFFFFFFFFFFFFF\r\n{body}\r\n0\r\n\r\n"),
        ),
        (
            "space in a name",
            "Content Length: 3\r\n".to_owned(),
            body.clone(),
        ),
    ] {
        let line = ("POST", "nodes");
        let Some(reply) =
            raw::request(drive, Side::Metadata, line, &headers, sent.as_bytes()).await
        else {
            return;
        };
        assert_refused(&reply, what);
        assert_eq!(state(drive, home).await, before, "{what}");
    }
    for sent in [
        &b"GARBAGE\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET nodes HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ] {
        let reply = raw::bytes(drive, Side::Metadata, sent).await.unwrap();
        assert!((400..=505).contains(&reply.status), "{reply:?}");
    }
}

async fn headers_without_end_are_refused(drive: &Drive, home: &str) {
    let before = state(drive, home).await;
    for headers in [
        format!("X-Long: {}\r\n", "a".repeat(1 << 20)),
        "X-Many: a\r\n".repeat(1000),
    ] {
        let line = ("GET", "nodes");
        let Some(reply) = raw::request(drive, Side::Metadata, line, &headers, b"").await else {
            return;
        };
        assert_refused(&reply, "headers");
    }
    assert_eq!(state(drive, home).await, before);
}

async fn upload_without_any_length_is_refused(drive: &Drive, home: &str) {
    let headers = format!("Content-Type: {MULTIPART}\r\n");
    let metadata = json!({"name": "a", "kind": "FILE", "parents": [home]}).to_string();
    let body = multipart::body(&metadata, b"hello");
    // Without a length and not in pieces there is no body: the bytes are no part of this.
    let line = ("POST", "nodes?suppress=deduplication");
    let Some(reply) = raw::request(drive, Side::Content, line, &headers, &body).await else {
        return;
    };
    assert!(matches!(reply.status, 400 | 411), "{reply:?}");
    assert!(!reply.body.is_empty(), "{reply:?}");
    assert!(drive.children(home).await.is_empty());
}

async fn upload_cut_off_stores_nothing(drive: &Drive, home: &str) {
    let metadata = json!({"name": "a", "kind": "FILE", "parents": [home]}).to_string();
    let body = multipart::body(&metadata, &[7; 5000]);
    for (what, headers, sent) in [
        (
            "a chunk that is none",
            "Transfer-Encoding: chunked\r\n",
            [b"64\r\n", &body[..100], b"\r\nzz\r\n", &body[100..]].concat(),
        ),
        (
            "chunks that end in the middle",
            "Transfer-Encoding: chunked\r\n",
            [b"64\r\n", &body[..100], b"\r\n0\r\n\r\n"].concat(),
        ),
        (
            "less than there is",
            "Content-Length: 300\r\n",
            body.clone(),
        ),
    ] {
        let headers = format!("Content-Type: {MULTIPART}\r\n{headers}");
        let line = ("POST", "nodes?suppress=deduplication");
        let Some(reply) = raw::request(drive, Side::Content, line, &headers, &sent).await else {
            return;
        };
        assert_refused(&reply, what);
        assert!(drive.children(home).await.is_empty(), "{what}");
    }
}

async fn malformed_json_is_refused_everywhere(drive: &Drive, home: &str) {
    let before = state(drive, home).await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in [
        "{",
        "[]",
        "\"text\"",
        "{\"name\":\"a\"",
        "\u{feff}{}x",
        "name=a&kind=FOLDER",
        "{'name':'a'}",
        &deep,
    ] {
        for (method, path) in [
            (Method::POST, "nodes".to_owned()),
            (Method::PATCH, format!("nodes/{home}")),
            (Method::POST, format!("nodes/{home}/children")),
        ] {
            let request = drive.metadata(method, &path);
            send(request.body(body.to_owned())).await.refused(400);
        }
    }
    let invalid = drive
        .metadata(Method::POST, "nodes")
        .body(b"{\"name\":\"\xff\xfe\"}".to_vec());
    send(invalid).await.refused(400);
    assert_eq!(state(drive, home).await, before);
}

async fn enormous_json_is_refused(drive: &Drive, home: &str) {
    let name = "a".repeat(16 << 20);
    let body = json!({"name": name, "kind": "FOLDER", "parents": [home]});
    let reply = drive.call(Method::POST, "nodes", Some(body)).await;
    assert!(
        matches!(reply.status.as_u16(), 400 | 413),
        "{}",
        reply.status
    );
    assert!(drive.children(home).await.is_empty());
}

/// A 409 may come while the client is still sending; it must not be lost.
async fn refusal_before_the_body_is_sent_still_arrives(drive: &Drive, home: &str) {
    let existing = drive.file("a", home, b"a").await;
    let content = vec![7; 20 << 20];
    let refused = drive.upload("a", home, &content).await.refused(409);
    assert_eq!(refused["info"]["nodeId"], existing);
    assert_eq!(drive.bytes(&existing).await, b"a");
}

async fn failed_calls_leave_the_connection_usable(drive: &Drive, home: &str) {
    for _ in 0..20 {
        drive.get("nodes/AAAAAAAAAAAAAAAAAAAAAA").await.refused(404);
        drive
            .call(Method::POST, "nodes", Some(json!([])))
            .await
            .refused(400);
        drive
            .upload("a", "AAAAAAAAAAAAAAAAAAAAAA", b"a")
            .await
            .refused(404);
        drive.node(home).await;
    }
}
