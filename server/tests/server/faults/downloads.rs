//! Downloads: refused, redirected, wrong.

use reqwest::{Client, Method, redirect::Policy};

use super::Faulty;
use crate::common::send;

async fn file(server: &Faulty, content: &[u8]) -> String {
    let root = server.root().await;
    server.file("file", &root, content).await
}

#[tokio::test]
async fn large_content_is_refused_whole_and_given_in_ranges() {
    let server = Faulty::start(&["download-refused=10"]).await;
    let large = file(&server, b"01234567890").await;
    let small = server
        .file("small", &server.root().await, b"0123456789")
        .await;
    server.download(&large, None).await.expect(400).json();
    assert_eq!(
        server.download(&small, None).await.expect(200).body,
        b"0123456789"
    );
    let part = server.download(&large, Some("bytes=5-")).await.expect(206);
    assert_eq!(part.body, b"567890");
    assert_eq!(server.faults.hits("download-refused"), 1);
}

/// A client that shows redirects in place of following them.
fn unmoved() -> Client {
    let _ = crate::common::http_client();
    Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .build()
        .unwrap()
}

async fn location(server: &Faulty, id: &str) -> String {
    let request = unmoved().get(format!("{}nodes/{id}/content", server.content));
    let reply = send(request.bearer_auth(&server.token)).await.expect(302);
    reply.header("location").to_owned()
}

#[tokio::test]
async fn large_content_is_redirected_to_where_no_token_may_go() {
    let server = Faulty::start(&["download-redirect=10"]).await;
    let large = file(&server, b"01234567890").await;
    let small = server
        .file("small", &server.root().await, b"0123456789")
        .await;
    assert_eq!(
        server.download(&small, None).await.expect(200).body,
        b"0123456789"
    );

    let location = location(&server, &large).await;
    for parameter in [
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "X-Amz-Date=2023",
        "X-Amz-Signature=",
    ] {
        assert!(location.contains(parameter), "{location}");
    }
    let url: url::Url = location.parse().unwrap();
    assert_eq!(url.host_str(), Some("127.0.0.1"));
    assert_ne!(url.port(), Some(server.address.port()));
    let client = unmoved();
    let whole = send(client.get(&location)).await.expect(200);
    assert_eq!(whole.body, b"01234567890");
    assert!(!whole.header("etag").is_empty());
    let part = send(client.get(&location).header("Range", "bytes=2-3"))
        .await
        .expect(206);
    assert_eq!(part.body, b"23");
    assert_eq!(part.header("content-range"), "bytes 2-3/11");

    let both = send(client.get(&location).bearer_auth(&server.token))
        .await
        .expect(400);
    assert_eq!(both.header("content-type"), "application/xml");
    let text = String::from_utf8(both.body).unwrap();
    assert!(text.contains("<Code>InvalidArgument</Code>"), "{text}");
    assert!(
        text.contains(
            "<Message>Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query \
             string parameter or the Authorization header should be specified</Message>\
             <ArgumentName>Authorization</ArgumentName>"
        ),
        "{text}"
    );

    // reqwest leaves the header away where the origin is another.
    let followed = server.download(&large, Some("bytes=0-0")).await.expect(206);
    assert_eq!(followed.body, b"0");
}

#[tokio::test]
async fn signed_address_is_for_one_file_and_one_hour() {
    let server = Faulty::start(&["download-redirect=0"]).await;
    let one = file(&server, b"one").await;
    let two = server.file("two", &server.root().await, b"two").await;
    let location = location(&server, &one).await;
    let client = unmoved();
    for wrong in [
        location.replace(&one, &two),
        location.replace("Signature=", "Signature=0"),
    ] {
        let refused = send(client.get(wrong)).await.expect(403);
        let text = String::from_utf8(refused.body).unwrap();
        assert!(
            text.contains("<Code>SignatureDoesNotMatch</Code>"),
            "{text}"
        );
    }
    server.time.advance(3600);
    let late = send(client.get(&location)).await.expect(403);
    let text = String::from_utf8(late.body).unwrap();
    assert!(
        text.contains("<Message>Request has expired</Message>"),
        "{text}"
    );
}

#[tokio::test]
async fn second_origin_ends_with_its_rule() {
    let server = Faulty::start(&["download-redirect=0"]).await;
    let one = file(&server, b"one").await;
    let location = location(&server, &one).await;
    server.faults.clear();
    let client = unmoved();
    let mut gone = false;
    for _ in 0..1000 {
        gone = client.get(&location).send().await.is_err();
        if gone {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(gone);
    assert_eq!(server.download(&one, None).await.expect(200).body, b"one");
}

#[tokio::test]
async fn one_byte_of_a_download_is_wrong() {
    let server = Faulty::start(&["corrupt-download=300000,count=1"]).await;
    let content = vec![5; 600_000];
    let id = file(&server, &content).await;
    let short = server.file("short", &server.root().await, b"short").await;
    assert_eq!(server.download(&short, None).await.body, b"short");
    let wrong = server.download(&id, None).await.expect(200);
    assert_eq!(wrong.body.len(), content.len());
    let differing: Vec<_> = (0..content.len())
        .filter(|index| wrong.body[*index] != content[*index])
        .collect();
    assert_eq!(differing, [300_000]);
    let right = server.download(&id, None).await.expect(200);
    assert_eq!(right.header("etag"), wrong.header("etag"));
    assert_eq!(right.body, content);
}

#[tokio::test]
async fn redirect_is_for_downloads_only() {
    let server = Faulty::start(&["download-redirect=0"]).await;
    let id = file(&server, b"one").await;
    server.overwrite(&id, b"two").await.expect(200);
    let request = server.request(Method::GET, &format!("{}nodes/{id}", server.endpoint));
    send(request).await.expect(200);
    assert_eq!(server.faults.hits("download-redirect"), 0);
}

#[tokio::test]
async fn temporary_link_gives_what_is_refused_and_redirected() {
    let server = Faulty::start(&["download-refused=1", "download-redirect=0"]).await;
    let id = file(&server, b"one").await;
    server.download(&id, None).await.expect(400);
    let node = server
        .get(&format!("nodes/{id}?tempLink=true"))
        .await
        .json();
    let link = node["tempLink"].as_str().unwrap();
    assert_eq!(send(unmoved().get(link)).await.expect(200).body, b"one");
}

#[tokio::test]
async fn replies_are_not_compressed_under_rules() {
    let server = Faulty::start(&[]).await;
    let root = server.root().await;
    for name in 0..5 {
        server.folder(&name.to_string(), &root).await;
    }
    let encoding = async || {
        let url = format!("{}nodes", server.endpoint);
        let request = server
            .request(Method::GET, &url)
            .header("Accept-Encoding", "gzip");
        send(request)
            .await
            .expect(200)
            .header("content-encoding")
            .to_owned()
    };
    assert_eq!(encoding().await, "gzip");
    server.fault("429,count=0");
    assert_eq!(encoding().await, "");
}
