//! Section 11 of the reference: content of files.

use crate::drive::{Drive, id, send};
use reqwest::Method;

contract![
    whole_file_comes_with_length_and_etag,
    ranges_come_with_their_length,
    range_of_all_is_206_as_well,
    range_past_the_end_is_416,
    odd_ranges_are_clean,
    etag_follows_the_content,
    download_asks_for_an_attachment,
    trashed_file_is_served,
    folders_have_no_content,
    head_tells_what_get_would,
];

const CONTENT: &[u8] = b"0123456789";

async fn whole_file_comes_with_length_and_etag(drive: &Drive, home: &str) {
    let made = drive
        .upload("a.bin", home, CONTENT)
        .await
        .expect(201)
        .json();
    let reply = drive.download(&id(&made), None).await.expect(200);
    assert_eq!(reply.body, CONTENT);
    assert_eq!(reply.header("Content-Length"), "10");
    let md5 = made["contentProperties"]["md5"].as_str().unwrap();
    assert_eq!(reply.header("ETag"), format!("\"{md5}\""));
    assert_eq!(
        reply.header("Content-Type"),
        made["contentProperties"]["contentType"].as_str().unwrap()
    );
}

async fn ranges_come_with_their_length(drive: &Drive, home: &str) {
    let file = drive.file("a.bin", home, CONTENT).await;
    for (range, expected, shown) in [
        ("bytes=0-3", &b"0123"[..], "bytes 0-3/10"),
        ("bytes=5-5", b"5", "bytes 5-5/10"),
        // Open at its end, as Rambalac asks.
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=8-1023", b"89", "bytes 8-9/10"),
        ("bytes=9-99999999999999", b"9", "bytes 9-9/10"),
    ] {
        let reply = drive.download(&file, Some(range)).await.expect(206);
        assert_eq!(reply.body, expected, "{range}");
        assert_eq!(
            reply.header("Content-Length"),
            expected.len().to_string(),
            "{range}"
        );
        assert_eq!(reply.header("Content-Range"), shown, "{range}");
        assert_ne!(reply.header("ETag"), "");
    }
}

/// acd_cli takes nothing else for an answer to a range.
async fn range_of_all_is_206_as_well(drive: &Drive, home: &str) {
    let file = drive.file("a.bin", home, CONTENT).await;
    for range in ["bytes=0-", "bytes=0-9", "bytes=0-524287999"] {
        let reply = drive.download(&file, Some(range)).await.expect(206);
        assert_eq!(
            (reply.body.as_slice(), reply.header("Content-Length")),
            (CONTENT, "10"),
            "{range}"
        );
    }
}

async fn range_past_the_end_is_416(drive: &Drive, home: &str) {
    let file = drive.file("a.bin", home, CONTENT).await;
    for range in ["bytes=10-", "bytes=10-20", "bytes=99999999999-"] {
        let reply = drive.download(&file, Some(range)).await.expect(416);
        assert_ne!(reply.body, CONTENT);
        reply.refused(416);
    }
    let empty = drive.file("empty", home, b"").await;
    drive.download(&empty, Some("bytes=0-")).await.refused(416);
    drive
        .download(&empty, Some("bytes=0-1023"))
        .await
        .refused(416);
}

async fn odd_ranges_are_clean(drive: &Drive, home: &str) {
    let file = drive.file("a.bin", home, CONTENT).await;
    for range in [
        "bytes=5-2",
        "bytes=a-b",
        "bytes=",
        "bytes",
        "5-7",
        "bytes=-",
        "lines=1-2",
        "bytes=0-1,3-4",
        "bytes=99999999999999999999999-",
        "bytes=-3",
        "bytes=-0",
        "bytes = 0-1",
        "bytes=--1",
    ] {
        let reply = drive.download(&file, Some(range)).await;
        match reply.status.as_u16() {
            200 => assert_eq!(reply.body, CONTENT, "{range}"),
            206 => {
                let length: usize = reply.header("Content-Length").parse().unwrap();
                assert_eq!(reply.body.len(), length, "{range}");
            }
            status @ (400 | 416) => drop(reply.refused(status)),
            other => panic!("{range}: {other}"),
        }
    }
}

async fn etag_follows_the_content(drive: &Drive, home: &str) {
    let file = drive.file("a.bin", home, CONTENT).await;
    let changed = drive.overwrite(&file, b"other").await.expect(200).json();
    let md5 = changed["contentProperties"]["md5"].as_str().unwrap();
    let reply = drive.download(&file, None).await.expect(200);
    assert_eq!(
        (reply.header("ETag"), reply.body.as_slice()),
        (format!("\"{md5}\"").as_str(), &b"other"[..])
    );
}

async fn download_asks_for_an_attachment(drive: &Drive, home: &str) {
    for name in ["a.txt", "ü \"quoted\".txt", "line.\\txt"] {
        let file = drive.file(name, home, CONTENT).await;
        let reply =
            send(drive.content(Method::GET, &format!("nodes/{file}/content?download=true"))).await;
        let reply = reply.expect(200);
        let value = reply.header("Content-Disposition");
        assert!(value.starts_with("attachment"), "{value}");
        assert_eq!(reply.body, CONTENT);
    }
}

async fn trashed_file_is_served(drive: &Drive, home: &str) {
    let file = drive.file("a.bin", home, CONTENT).await;
    drive.trash(&file).await.expect(200);
    // Recommended, not known.
    assert_eq!(drive.bytes(&file).await, CONTENT);
}

async fn folders_have_no_content(drive: &Drive, home: &str) {
    assert!(!drive.download(home, None).await.allowed());
    drive
        .download("AAAAAAAAAAAAAAAAAAAAAA", None)
        .await
        .refused(404);
}

/// No client asked; if it is answered, then truly.
async fn head_tells_what_get_would(drive: &Drive, home: &str) {
    let file = drive.file("a.bin", home, CONTENT).await;
    let reply = send(drive.content(Method::HEAD, &format!("nodes/{file}/content"))).await;
    assert!(reply.body.is_empty());
    if reply.status == 200 {
        assert_eq!(reply.header("Content-Length"), "10");
        assert_ne!(reply.header("ETag"), "");
    } else {
        assert_eq!(reply.status, 405);
    }
}
