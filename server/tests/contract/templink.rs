//! Section 7.2 of the reference: addresses of content that need no token.

use reqwest::Method;
use serde_json::Value;

use crate::drive::{Drive, Reply, send};

contract![
    link_opens_without_a_token,
    link_takes_ranges,
    link_comes_only_when_asked_for,
    link_comes_with_lists,
    folders_have_no_link,
    link_is_the_same_for_a_day,
    links_nobody_gave_out_are_not_found,
    link_leads_to_one_file_only,
];

const CONTENT: &[u8] = b"0123456789";

async fn link(drive: &Drive, file: &str) -> String {
    let node = drive
        .get(&format!("nodes/{file}?tempLink=true"))
        .await
        .expect(200)
        .json();
    node["tempLink"]
        .as_str()
        .unwrap_or_else(|| panic!("{node}"))
        .to_owned()
}

async fn open(drive: &Drive, link: &str, range: Option<&str>) -> Reply {
    let mut request = drive.http.request(Method::GET, link);
    if let Some(range) = range {
        request = request.header("Range", range);
    }
    send(request).await
}

async fn link_opens_without_a_token(drive: &Drive, home: &str) {
    let file = drive.file("a.bin", home, CONTENT).await;
    let link = link(drive, &file).await;
    let reply = open(drive, &link, None).await.expect(200);
    assert_eq!(
        (reply.body.as_slice(), reply.header("Content-Length")),
        (CONTENT, "10")
    );
    assert!(!link.contains(&drive.token));
    if let Some(rest) = link.strip_prefix(&drive.content_url) {
        let token = rest.strip_prefix("templink/").unwrap();
        let url_safe = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        assert!(token.len() == 43 && token.bytes().all(url_safe), "{link}");
    }
}

async fn link_takes_ranges(drive: &Drive, home: &str) {
    let file = drive.file("a.bin", home, CONTENT).await;
    let link = link(drive, &file).await;
    for (range, expected) in [
        ("bytes=2-4", &b"234"[..]),
        ("bytes=7-", b"789"),
        ("bytes=0-99", CONTENT),
    ] {
        let reply = open(drive, &link, Some(range)).await.expect(206);
        assert_eq!(reply.body, expected, "{range}");
        assert_eq!(
            reply.header("Content-Length"),
            expected.len().to_string(),
            "{range}"
        );
    }
    open(drive, &link, Some("bytes=10-")).await.expect(416);
}

async fn link_comes_only_when_asked_for(drive: &Drive, home: &str) {
    let file = drive.file("a.bin", home, CONTENT).await;
    for query in ["", "?tempLink=false", "?asset=ALL"] {
        let node = drive
            .get(&format!("nodes/{file}{query}"))
            .await
            .expect(200)
            .json();
        assert!(node.get("tempLink").is_none(), "{query}: {node}");
    }
    // acd_cli writes it as Python does.
    for query in ["?tempLink=true", "?tempLink=True"] {
        let node = drive
            .get(&format!("nodes/{file}{query}"))
            .await
            .expect(200)
            .json();
        assert!(node["tempLink"].is_string(), "{query}: {node}");
    }
}

async fn link_comes_with_lists(drive: &Drive, home: &str) {
    drive.file("a.bin", home, CONTENT).await;
    drive.folder("b", home).await;
    let path = format!("nodes/{home}/children");
    for node in drive.all(&path, &[("tempLink", "true")]).await {
        let link = node.get("tempLink").and_then(Value::as_str);
        assert_eq!(link.is_some(), node["kind"] == "FILE", "{node}");
        if let Some(link) = link {
            assert_eq!(open(drive, link, None).await.expect(200).body, CONTENT);
        }
    }
    let filter = format!("parents:{home} AND kind:FILE");
    let found = drive
        .all("nodes", &[("filters", &filter), ("tempLink", "True")])
        .await;
    assert!(found[0]["tempLink"].is_string(), "{found:?}");
    assert!(
        drive
            .all(&path, &[])
            .await
            .iter()
            .all(|node| node.get("tempLink").is_none())
    );
}

/// rclone asks folders for one to learn their parents.
async fn folders_have_no_link(drive: &Drive, home: &str) {
    let node = drive
        .get(&format!("nodes/{home}?tempLink=true"))
        .await
        .expect(200)
        .json();
    assert!(node.get("tempLink").is_none(), "{node}");
    assert_eq!(node["parents"].as_array().unwrap().len(), 1);
}

async fn link_is_the_same_for_a_day(drive: &Drive, home: &str) {
    let file = drive.file("a.bin", home, CONTENT).await;
    assert_eq!(link(drive, &file).await, link(drive, &file).await);
}

async fn links_nobody_gave_out_are_not_found(drive: &Drive, home: &str) {
    let file = drive.file("a.bin", home, CONTENT).await;
    let link = link(drive, &file).await;
    let Some((front, token)) = link.rsplit_once("templink/") else {
        return;
    };
    let changed = format!(
        "{}{}",
        if token.starts_with('A') { "B" } else { "A" },
        &token[1..]
    );
    for token in [changed.as_str(), "x", &"A".repeat(43), "%00", "%2e%2e%2f"] {
        let reply = open(drive, &format!("{front}templink/{token}"), None).await;
        let status = reply.status.as_u16();
        assert!(matches!(status, 404 | 410), "{token}: {status}");
        assert_ne!(reply.header("x-amzn-RequestId"), "", "{token}");
    }
}

async fn link_leads_to_one_file_only(drive: &Drive, home: &str) {
    let (one, two) = (
        drive.file("a", home, b"one").await,
        drive.file("b", home, b"two").await,
    );
    let (first, second) = (link(drive, &one).await, link(drive, &two).await);
    assert_ne!(first, second);
    assert_eq!(open(drive, &first, None).await.expect(200).body, b"one");
    assert_eq!(open(drive, &second, None).await.expect(200).body, b"two");
    // It opens nothing else: it is no token.
    let request = drive
        .http
        .get(format!("{}nodes/{home}", drive.metadata_url));
    let token = first.rsplit('/').next().unwrap();
    let reply = send(request.bearer_auth(token)).await;
    assert!(
        matches!(reply.status.as_u16(), 401 | 403),
        "{}",
        reply.status
    );
}
