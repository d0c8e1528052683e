//! Section 1 of the reference: addresses, tokens, bodies, text; and the headers of 18.5.

use reqwest::Method;
use serde_json::json;

use crate::{
    drive::{Drive, id, names, send, unique},
    raw::{self, Side},
    shape::{assert_date, assert_node},
};

contract![
    both_addresses_end_in_a_slash,
    each_call_needs_a_token,
    a_token_nobody_gave_out_is_refused,
    slashes_in_paths_collapse,
    json_is_read_whatever_its_content_type,
    json_may_end_in_a_newline,
    calls_without_body_need_no_length,
    bodies_nobody_asked_for_are_ignored,
    replies_are_json_by_their_content_type,
    each_reply_has_a_request_id_of_its_own,
    dates_are_utc_with_milliseconds,
    plus_and_percent_20_are_both_a_space,
    text_is_utf_8,
];

async fn both_addresses_end_in_a_slash(drive: &Drive, _home: &str) {
    assert!(drive.metadata_url.ends_with('/'), "{}", drive.metadata_url);
    assert!(drive.content_url.ends_with('/'), "{}", drive.content_url);
}

async fn each_call_needs_a_token(drive: &Drive, home: &str) {
    let file = drive.file("a", home, b"a").await;
    for (method, url) in [
        (
            Method::GET,
            format!("{}account/endpoint", drive.metadata_url),
        ),
        (Method::GET, format!("{}account/quota", drive.metadata_url)),
        (Method::GET, format!("{}nodes", drive.metadata_url)),
        (Method::GET, format!("{}nodes/{home}", drive.metadata_url)),
        (Method::PUT, format!("{}trash/{home}", drive.metadata_url)),
        (
            Method::GET,
            format!("{}nodes/{file}/content", drive.content_url),
        ),
        (Method::POST, format!("{}nodes", drive.content_url)),
    ] {
        let reply = send(drive.http.request(method.clone(), &url)).await;
        assert_eq!(reply.status, 401, "{method} {url}");
        assert_ne!(reply.header("x-amzn-RequestId"), "", "{method} {url}");
    }
    assert_eq!(drive.node(home).await["status"], "AVAILABLE");
}

async fn a_token_nobody_gave_out_is_refused(drive: &Drive, home: &str) {
    for value in ["Bearer Atza|unknown", "Bearer ", "Basic YTpi", &drive.token] {
        let url = format!("{}nodes/{home}", drive.metadata_url);
        let reply = send(drive.http.get(url).header("Authorization", value)).await;
        assert!(
            matches!(reply.status.as_u16(), 401 | 403),
            "{}",
            reply.status
        );
        if !reply.body.is_empty() {
            let status = reply.status.as_u16();
            reply.refused(status);
        }
    }
}

async fn slashes_in_paths_collapse(drive: &Drive, home: &str) {
    let other = drive.folder("other", home).await;
    let file = drive.file("a.txt", home, b"a").await;
    // Rambalac's two calls, and drivesink's.
    let added = drive
        .call(
            Method::PUT,
            &format!("/nodes/{other}/children/{file}"),
            None,
        )
        .await;
    assert_eq!(
        added.expect(200).json()["parents"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let removed = drive
        .call(
            Method::DELETE,
            &format!("/nodes/{home}/children/{file}"),
            None,
        )
        .await;
    assert_eq!(removed.expect(200).json()["parents"], json!([other]));
    let trashed = drive
        .call(Method::PUT, &format!("/trash/{file}"), None)
        .await;
    assert_eq!(trashed.expect(200).json()["status"], "TRASH");
    let read = drive.get(&format!("//nodes///{file}")).await.expect(200);
    assert_eq!(id(&read.json()), file);
    let content = drive.content(Method::GET, &format!("/nodes//{file}//content"));
    assert_eq!(send(content).await.expect(200).body, b"a");
}

async fn json_is_read_whatever_its_content_type(drive: &Drive, home: &str) {
    for (number, kind) in [
        None,
        Some("application/json"),
        Some("application/json; charset=utf-8"),
        // Rambalac's.
        Some("text/plain; charset=utf-8"),
        Some("application/x-www-form-urlencoded"),
        Some("no type at all"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("folder {number}");
        let body = json!({"name": name, "kind": "FOLDER", "parents": [home]}).to_string();
        let mut request = drive.metadata(Method::POST, "nodes").body(body);
        if let Some(kind) = kind {
            request = request.header("Content-Type", kind);
        }
        let made = send(request).await.expect(201).json();
        assert_eq!(made["name"], name, "{kind:?}");
    }
    assert_eq!(drive.children(home).await.len(), 6);
}

/// go-acd's encoder ends each document so.
async fn json_may_end_in_a_newline(drive: &Drive, home: &str) {
    let body = format!("{{\"name\":\"a\",\"kind\":\"FOLDER\",\"parents\":[\"{home}\"]}}\n");
    let made = send(drive.metadata(Method::POST, "nodes").body(body)).await;
    let made = id(&made.expect(201).json());
    let request = drive.metadata(Method::PATCH, &format!("nodes/{made}"));
    let renamed = send(request.body("{\"name\":\"b\"}\n")).await.expect(200);
    assert_eq!(renamed.json()["name"], "b");
}

async fn calls_without_body_need_no_length(drive: &Drive, home: &str) {
    let other = drive.folder("other", home).await;
    let file = drive.file("a", home, b"a").await;
    for (method, path) in [
        ("PUT", format!("nodes/{other}/children/{file}")),
        ("DELETE", format!("nodes/{other}/children/{file}")),
        ("PUT", format!("trash/{file}")),
        ("POST", format!("trash/{file}/restore")),
    ] {
        for headers in [
            "",
            "Content-Length: 0\r\n",
            "Content-Type: application/json\r\nContent-Length: 0\r\n",
        ] {
            let line = (method, path.as_str());
            let Some(reply) = raw::request(drive, Side::Metadata, line, headers, b"").await else {
                return;
            };
            // Taking out of a folder twice is no success.
            if method == "DELETE" && !headers.is_empty() {
                assert!((400..500).contains(&reply.status), "{reply:?}");
            } else {
                assert_eq!(reply.status, 200, "{method} {path}: {}", reply.body);
            }
        }
    }
}

async fn bodies_nobody_asked_for_are_ignored(drive: &Drive, home: &str) {
    let file = drive.file("a.txt", home, b"a").await;
    for body in ["{}", r#"{"kind":"FILE","name":"b.txt"}"#, "{}\n", "no json"] {
        let request = drive.metadata(Method::PUT, &format!("trash/{file}"));
        let trashed = send(request.body(body)).await.expect(200).json();
        assert_eq!(
            (trashed["status"].as_str(), trashed["name"].as_str()),
            (Some("TRASH"), Some("a.txt"))
        );
        let request = drive.metadata(Method::POST, &format!("trash/{file}/restore"));
        let restored = send(request.body(body)).await.expect(200).json();
        assert_eq!(restored["status"], "AVAILABLE");
    }
    let other = drive.folder("other", home).await;
    let request = drive.metadata(Method::PUT, &format!("nodes/{other}/children/{file}"));
    send(request.body("{}")).await.expect(200);
    let request = drive.metadata(Method::DELETE, &format!("nodes/{other}/children/{file}"));
    send(request.body("{}")).await.expect(200);
    assert_eq!(drive.children(home).await, ["a.txt", "other"]);
}

async fn replies_are_json_by_their_content_type(drive: &Drive, home: &str) {
    let file = drive.file("a", home, b"a").await;
    for reply in [
        drive.get("account/quota").await,
        drive.get(&format!("nodes/{home}")).await,
        drive.get(&format!("nodes/{home}/children")).await,
        drive.create_folder("b", home).await,
        drive.create_folder("a", home).await,
        drive.overwrite(&file, b"b").await,
        drive.get("nodes/AAAAAAAAAAAAAAAAAAAAAA").await,
    ] {
        let kind = reply.header("Content-Type").to_ascii_lowercase();
        assert!(kind.starts_with("application/json"), "{kind}: {reply:?}");
        reply.json();
    }
}

async fn each_reply_has_a_request_id_of_its_own(drive: &Drive, home: &str) {
    let file = drive.file("a", home, b"a").await;
    let mut seen = Vec::new();
    for reply in [
        drive.get(&format!("nodes/{home}")).await.expect(200),
        drive.get(&format!("nodes/{home}")).await.expect(200),
        drive.download(&file, None).await.expect(200),
        drive.download(&file, Some("bytes=9-")).await.expect(416),
        drive.get("nodes/AAAAAAAAAAAAAAAAAAAAAA").await.expect(404),
        drive.get("no/such/thing").await.expect(404),
        drive.call(Method::DELETE, "nodes", None).await.expect(405),
        drive.create_folder("a", home).await.expect(409),
    ] {
        let request = reply.header("x-amzn-RequestId").to_owned();
        assert!(!request.is_empty() && !seen.contains(&request), "{reply:?}");
        if !reply.status.is_success() {
            assert_ne!(reply.header("x-amzn-ErrorType"), "", "{reply:?}");
        }
        seen.push(request);
    }
}

async fn dates_are_utc_with_milliseconds(drive: &Drive, home: &str) {
    let made = drive.create_folder("a", home).await.expect(201).json();
    assert_eq!(
        assert_date(&made["createdDate"]),
        assert_date(&made["modifiedDate"])
    );
    let renamed = drive.patch(&id(&made), json!({"name": "b"})).await;
    let renamed = renamed.expect(200).json();
    assert_eq!(renamed["createdDate"], made["createdDate"]);
    assert!(assert_date(&renamed["modifiedDate"]) >= assert_date(&made["modifiedDate"]));
}

async fn plus_and_percent_20_are_both_a_space(drive: &Drive, home: &str) {
    let name = unique("two words");
    drive.folder(&name, home).await;
    let escaped = name.replace('-', "%5C-");
    for space in ["+", "%20"] {
        let name = escaped.replace(' ', &format!("%5C{space}"));
        let filter = format!("parents%3A{home}{space}AND{space}name%3A{name}");
        let page = drive.get(&format!("nodes?filters={filter}")).await;
        assert_eq!(page.expect(200).json()["count"], 1, "{filter}");
    }
}

async fn text_is_utf_8(drive: &Drive, home: &str) {
    let name = "Grüße, 世界 – naïve 🦀.txt";
    let made = drive.upload(name, home, b"a").await.expect(201).json();
    assert_eq!(made["name"], name);
    assert_node(&made);
    let page = drive
        .get(&format!("nodes/{home}/children"))
        .await
        .expect(200);
    assert_eq!(names(page.json()["data"].as_array().unwrap()), [name]);
}
