//! Connections: encrypted ones, ones that want too much, and ones that want nothing.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use amazon_drive_server::{Error, Options, Server};
use reqwest::Certificate;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::common::{MULTIPART, Reply, Running, http_client, options, send};

fn pem(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tls")
        .join(name)
}

fn encrypted(dir: &Path) -> Options {
    let mut options = options(dir);
    options.tls = Some((pem("certificate.pem"), pem("key.pem")));
    options
}

/// Who trusts the test's certificate.
fn trusting() -> reqwest::Client {
    let _ = http_client();
    let certificate = std::fs::read(pem("certificate.pem")).unwrap();
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only(Certificate::from_pem_bundle(&certificate).unwrap())
        .build()
        .unwrap()
}

/// Sends bytes and reads until the server closes the connection.
async fn exchange(server: &Running, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

/// What still comes until the end, however that comes about.
async fn rest(stream: &mut TcpStream) -> String {
    let mut reply = Vec::new();
    let mut block = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut block).await {
        reply.extend_from_slice(&block[..read]);
    }
    String::from_utf8_lossy(&reply).into_owned()
}

async fn endpoint(client: &reqwest::Client, server: &Running) -> Value {
    let url = format!("{}account/endpoint", server.endpoint);
    let reply: Reply = send(client.get(url).bearer_auth(&server.token)).await;
    reply.expect(200).json()
}

#[tokio::test]
async fn encrypted_server_gives_out_encrypted_addresses() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::bind(encrypted(dir.path())).await.unwrap();
    let base = format!("https://{}", server.local_addr());
    assert_eq!(server.base(), base);
    let config = std::fs::read_to_string(server.client_config().await.unwrap()).unwrap();
    assert!(config.contains(&format!("token_url = {base}/auth/o2/token\n")));
    let server = Running::serve(server);
    assert_eq!(server.endpoint, format!("{base}/drive/v1/"));
    let client = trusting();
    let found = endpoint(&client, &server).await;
    assert_eq!(found["contentUrl"], format!("{base}/cdproxy/"));
    let page = send(client.get(format!("{base}/signin"))).await.expect(200);
    let cookie = page.header("set-cookie");
    assert!(cookie.ends_with("; Secure"), "{cookie}");
    // Without encryption there is nothing to be had.
    let plain = exchange(&server, "GET /signin HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(!plain.contains("HTTP/1.1"), "{plain}");
    // Nor for one who does not trust the certificate.
    let url = format!("{base}/signin");
    http_client().get(url).send().await.unwrap_err();
    server.stop().await;
}

#[tokio::test]
async fn unusable_certificates_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let garbage = dir.path().join("garbage.pem");
    let text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(&garbage, text).unwrap();
    let missing = dir.path().join("missing.pem");
    let (certificate, key, other) = (pem("certificate.pem"), pem("key.pem"), pem("other-key.pem"));
    for (certificate, key, bad) in [
        (&missing, &key, &missing),
        (&certificate, &missing, &missing),
        (&empty, &key, &empty),
        (&certificate, &empty, &empty),
        (&garbage, &key, &garbage),
        (&key, &key, &key),
        (&certificate, &certificate, &certificate),
        (&certificate, &other, &other),
    ] {
        let mut options = options(&dir.path().join("data"));
        options.tls = Some((certificate.clone(), key.clone()));
        let error = Server::bind(options).await.unwrap_err();
        let shown = bad.display().to_string();
        assert!(
            matches!(&error, Error::Tls { path, .. } if path == bad),
            "{error:?}"
        );
        assert!(error.to_string().contains(&shown), "{error}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        let mismatch = cause == "it is not the key of the certificate";
        assert_eq!(mismatch, bad == &other, "{bad:?}: {cause}");
    }
    // Nothing was begun.
    assert!(!dir.path().join("data").exists());
}

#[tokio::test]
async fn public_address_is_what_clients_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut public = options(dir.path());
    public.public_url = Some("https://drive.example/".into());
    let server = Server::bind(public).await.unwrap();
    assert_eq!(server.base(), "https://drive.example");
    let mut running = Running::serve(server);
    running.endpoint = format!("http://{}/drive/v1/", running.address);
    let found = endpoint(&http_client(), &running).await;
    assert_eq!(found["metadataUrl"], "https://drive.example/drive/v1/");
    // A form comes from the public address, behind which the server may have another name.
    let sign_in = format!("http://{}/signin", running.address);
    let page = send(http_client().get(&sign_in)).await.expect(200);
    let cookie = page.header("set-cookie");
    assert!(cookie.ends_with("; Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let csrf = crate::accounts::field(&page, "csrf");
    for (origin, status) in [
        ("https://drive.example", 401),
        ("http://drive.example", 403),
        (sign_in.trim_end_matches("/signin"), 403),
    ] {
        let form = [("csrf", csrf.as_str()), ("name", "x"), ("password", "x")];
        let request = http_client().post(&sign_in).form(&form);
        let request = request.header("Cookie", &cookie).header("Origin", origin);
        send(request).await.expect(status);
    }
}

#[tokio::test]
async fn requests_too_large_to_be_meant_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut small = options(dir.path());
    small.limits.uri_bytes = 100;
    small.limits.header_bytes = 1000;
    let server = Running::start(small).await;
    let request = |path: &str, header: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: {header}\r\n\r\n")
    };
    let long = format!("/signin?{}", "x".repeat(100));
    let reply = exchange(&server, &request(&long, "x")).await;
    assert!(reply.starts_with("HTTP/1.1 414 "), "{reply}");
    assert!(reply.contains("x-amzn-requestid"), "{reply}");
    let reply = exchange(&server, &request("/signin", &"x".repeat(1000))).await;
    assert!(reply.starts_with("HTTP/1.1 431 "), "{reply}");
    let path = format!("/signin?{}", "x".repeat(92));
    let reply = exchange(&server, &request(&path, &"x".repeat(900))).await;
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    // Beyond all reason, the HTTP library says the same.
    let reply = exchange(&server, &request(&format!("/{}", "x".repeat(70_000)), "x")).await;
    assert!(reply.starts_with("HTTP/1.1 414 "), "{reply}");
    let many = "y: z\r\n".repeat(200);
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{many}\r\n");
    let reply = exchange(&server, &head).await;
    assert!(reply.starts_with("HTTP/1.1 431 "), "{reply}");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_their_turn() {
    let dir = tempfile::tempdir().unwrap();
    let mut few = options(dir.path());
    few.limits.connections = 1;
    let server = Running::start(few).await;
    let request = b"HEAD /style.css HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut first = TcpStream::connect(server.address).await.unwrap();
    let mut second = TcpStream::connect(server.address).await.unwrap();
    second.write_all(request).await.unwrap();
    let mut block = [0; 64];
    for _ in 0..20 {
        first.write_all(request).await.unwrap();
        // A whole reply, so that the next begins with its own first line.
        let mut reply = Vec::new();
        while !reply.ends_with(b"\r\n\r\n") {
            let read = first.read(&mut block).await.unwrap();
            assert_ne!(read, 0);
            reply.extend_from_slice(&block[..read]);
        }
        assert!(reply.starts_with(b"HTTP/1.1 200"));
    }
    let early = second.try_read(&mut block);
    assert_eq!(early.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    drop(first);
    let read = second.read(&mut block).await.unwrap();
    assert!(block[..read].starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn connection_that_is_never_encrypted_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let mut hasty = encrypted(dir.path());
    hasty.limits.handshake_time = Duration::from_millis(20);
    let server = Running::start(hasty).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(rest(&mut silent).await, "");
    server.stop().await;
}

#[tokio::test]
async fn headers_that_never_end_are_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut hasty = options(dir.path());
    hasty.limits.header_time = Duration::from_millis(20);
    let server = Running::start(hasty).await;
    let reply = exchange(&server, "GET /signin HTTP/1.1\r\nHost: x\r\nX-").await;
    assert!(!reply.starts_with("HTTP/1.1 200"), "{reply}");
}

#[tokio::test]
async fn body_that_comes_byte_by_byte_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let mut hasty = options(dir.path());
    hasty.limits.slow_time = Duration::from_millis(100);
    let server = Running::start(hasty).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /cdproxy/nodes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: {MULTIPART}\r\nContent-Length: 1000000\r\n\r\n--7f3c\r\n\
         Content-Disposition: form-data; name=\"metadata\"\r\n\r\n",
        server.token
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    // Never silent for long, and never done: it ends because the server ends it.
    let dripping = async move {
        while writing.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let answered = async move {
        let mut block = [0; 64];
        let read = reading.read(&mut block).await.unwrap();
        String::from_utf8_lossy(&block[..read]).into_owned()
    };
    tokio::select! {
        () = dripping => panic!("closed without an answer"),
        reply = answered => assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}"),
    }
}

#[tokio::test]
async fn client_that_takes_nothing_is_cut_off() {
    let (dir, server) = crate::common::start().await;
    let root = server.root().await;
    // More than any system keeps for a connection.
    let file = server.file("large", &root, &vec![1; 32 << 20]).await;
    server.stop().await;
    let mut hasty = options(dir.path());
    hasty.limits.slow_time = Duration::from_millis(100);
    hasty.limits.connections = 1;
    let server = Running::start(hasty).await;
    let token = &server.token;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    let request = format!(
        "GET /cdproxy/nodes/{file}/content HTTP/1.1\r\nHost: x\r\n\
         Authorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    idle.write_all(request.as_bytes()).await.unwrap();
    // There is room for one connection: this one is answered when that one is gone.
    let reply = exchange(
        &server,
        "GET /style.css HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    let mut taken = 0;
    let mut block = vec![0; 1 << 20];
    while let Ok(read @ 1..) = idle.read(&mut block).await {
        taken += read;
    }
    assert!(taken < 32 << 20, "{taken}");
}
