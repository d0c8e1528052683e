//! What the server tells those who watch over it: health, metrics and the log of requests.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    fs,
    os::unix::fs::FileExt,
    sync::{Mutex, Once, PoisonError},
};

use reqwest::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    util::SubscriberInitExt,
};

use crate::common::{MULTIPART, Reply, Running, multipart, options, send, start, until};

/// The fields of an event, and its target.
type Line = BTreeMap<String, String>;

static LOG: Mutex<Vec<Line>> = Mutex::new(Vec::new());

struct Capture;

impl<S: Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Fields(Line::new());
        event.record(&mut line);
        let target = event.metadata().target().to_owned();
        line.0.insert("target".into(), target);
        LOG.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line.0);
    }
}

struct Fields(Line);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().into(), format!("{value:?}"));
    }
}

/// Keeps what is logged in this process from now on.
fn capture() {
    static CAPTURE: Once = Once::new();
    CAPTURE.call_once(|| tracing_subscriber::registry().with(Capture).init());
}

fn log() -> Vec<Line> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The line of a request, which is written when its reply is out.
async fn line(what: &str, is_it: impl Fn(&Line) -> bool) -> Line {
    let find = || {
        log()
            .into_iter()
            .find(|line| line["target"] == "amazon_drive_server::request" && is_it(line))
    };
    until(what, || find().is_some()).await;
    find().unwrap()
}

async fn line_of(reply: &Reply) -> Line {
    let id = reply.header("x-amzn-requestid").to_owned();
    line("its line", move |line| line["id"] == id).await
}

fn url(server: &Running, path: &str) -> String {
    format!("http://{}{path}", server.address)
}

async fn get(server: &Running, path: &str) -> Reply {
    send(server.client.get(url(server, path))).await
}

#[tokio::test]
async fn healthy_server_says_so_to_anyone() {
    let (_dir, server) = start().await;
    let reply = get(&server, "/healthz").await.expect(200);
    assert_eq!(reply.body, b"ok\n");
    assert_eq!(reply.header("cache-control"), "no-store");
    let head = send(server.client.head(url(&server, "/healthz"))).await;
    head.expect(200);
}

#[tokio::test]
async fn replaced_database_is_told() {
    let (dir, server) = start().await;
    let database = dir.path().join("metadata.sqlite3");
    fs::rename(&database, dir.path().join("other")).unwrap();
    for (now, there) in [("gone", false), ("another", true)] {
        if there {
            fs::write(&database, "").unwrap();
        }
        let reply = get(&server, "/healthz").await.expect(503);
        assert_eq!(
            String::from_utf8_lossy(&reply.body),
            "metadata database: its file was removed or replaced while in use\n",
            "{now}"
        );
    }
    fs::rename(dir.path().join("other"), &database).unwrap();
    get(&server, "/healthz").await.expect(200);
}

#[tokio::test]
async fn damaged_database_is_told() {
    let (dir, server) = start().await;
    server.stop().await;
    // Now all is in the one file, and nobody has read it yet.
    let server = Running::start(options(dir.path())).await;
    let database = dir.path().join("metadata.sqlite3");
    let file = fs::OpenOptions::new().write(true).open(&database).unwrap();
    let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
    file.write_all_at(&vec![b'x'; length], 0).unwrap();
    let reply = get(&server, "/healthz").await.expect(503);
    let text = String::from_utf8(reply.body).unwrap();
    assert!(text.starts_with("metadata database: "), "{text}");
    assert!(
        !text.contains(dir.path().to_str().unwrap()),
        "paths are nobody's business: {text}"
    );
}

#[tokio::test]
async fn data_directory_that_takes_no_uploads_is_told() {
    let (dir, server) = start().await;
    let staging = dir.path().join("staging");
    fs::rename(&staging, dir.path().join("other")).unwrap();
    let reply = get(&server, "/healthz").await.expect(503);
    assert_eq!(reply.body, b"data directory: entity not found\n");
    fs::rename(dir.path().join("other"), &staging).unwrap();
    get(&server, "/healthz").await.expect(200);
    let left = crate::common::files(&staging);
    assert!(
        left.iter().all(|path| path.extension().is_some()),
        "the probe is removed: {left:?}"
    );
}

/// Samples by name and labels. Fails for what is no text of the format 0.0.4.
fn parse(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'));
    let mut kinds = BTreeMap::new();
    let mut helped = BTreeSet::new();
    let mut samples = BTreeMap::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(!help.is_empty() && helped.insert(name), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(kinds.insert(name, kind).is_none(), "{line}");
        } else {
            let (key, value) = line.rsplit_once(' ').unwrap();
            let name = key.split('{').next().unwrap();
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|end| name.strip_suffix(end))
                .find(|name| kinds.get(name) == Some(&"histogram"))
                .unwrap_or(name);
            let kind = kinds.get(family).unwrap_or_else(|| panic!("{line}"));
            assert!(helped.contains(family), "{line}");
            assert_eq!(*kind == "counter", name.ends_with("_total"), "{line}");
            let value: f64 = value.parse().unwrap();
            assert!(samples.insert(key.to_owned(), value).is_none(), "{line}");
        }
    }
    samples
}

async fn metrics(server: &Running) -> BTreeMap<String, f64> {
    let reply = get(server, "/metrics").await.expect(200);
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4");
    parse(std::str::from_utf8(&reply.body).unwrap())
}

/// The metrics once they are so: a request counts when the last byte of its reply is out,
/// which the client has before the server knows.
async fn metrics_when(
    server: &Running,
    condition: impl Fn(&BTreeMap<String, f64>) -> bool,
) -> BTreeMap<String, f64> {
    let mut found = metrics(server).await;
    for _ in 0..1000 {
        if condition(&found) {
            return found;
        }
        tokio::task::yield_now().await;
        found = metrics(server).await;
    }
    panic!("never: {found:#?}");
}

fn requests(method: &str, route: &str, status: &str) -> String {
    format!("acd_http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}")
}

/// The value of the only sample of this name.
#[track_caller]
fn only(samples: &BTreeMap<String, f64>, name: &str) -> f64 {
    let found: Vec<_> = samples
        .iter()
        .filter(|(key, _)| key.split('{').next() == Some(name))
        .collect();
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    *found[0].1
}

#[tokio::test]
async fn metrics_count_what_was_done() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let file = server.file("a", &root, &[7; 1000]).await;
    let other = server.file("b", &root, &[8; 500]).await;
    server.download(&file, None).await.expect(200);
    server.download(&file, None).await.expect(200);
    server.get("nodes/unknown").await.expect(404);
    server
        .call(Method::PUT, &format!("trash/{other}"), None)
        .await
        .expect(200);
    let read = requests("GET", "/cdproxy/nodes/{id}/content", "2xx");
    let unknown = requests("GET", "/drive/v1/nodes/{id}", "4xx");
    let samples = metrics_when(&server, |samples| {
        samples.get(&read) == Some(&2.0)
            && samples.get(&unknown) == Some(&1.0)
            && samples.get("acd_uploads_in_flight") == Some(&0.0)
    })
    .await;
    assert_eq!(samples[&requests("POST", "/cdproxy/nodes", "2xx")], 2.0);
    let duration = "acd_http_request_duration_seconds_count\
                    {method=\"GET\",route=\"/cdproxy/nodes/{id}/content\"}";
    assert_eq!(samples[duration], 2.0);
    assert!(samples["acd_http_received_bytes_total"] > 1500.0);
    assert!(samples["acd_http_sent_bytes_total"] > 2000.0);
    assert!(samples["acd_connections_open"] >= 1.0);
    assert_eq!(only(&samples, "acd_nodes"), 3.0);
    assert_eq!(only(&samples, "acd_files"), 2.0);
    assert_eq!(only(&samples, "acd_content_bytes"), 1500.0);
    assert_eq!(only(&samples, "acd_trash_items"), 1.0);
    assert_eq!(only(&samples, "acd_garbage_objects"), 0.0);
    assert_eq!(only(&samples, "acd_writer_queue"), 0.0);
    assert!(only(&samples, "acd_writer_batches_total") >= 3.0);
    assert!(only(&samples, "acd_writer_mutations_total") >= 3.0);
    assert_eq!(only(&samples, "acd_writer_lost_batches_total"), 0.0);
    assert_eq!(only(&samples, "acd_build_info"), 1.0);
}

#[tokio::test]
async fn labels_do_not_grow_with_what_is_asked_for() {
    let (_dir, server) = start().await;
    // That these are asked for counts as well.
    let own = requests("GET", "/metrics", "2xx");
    metrics_when(&server, |samples| samples.contains_key(&own)).await;
    let round = async |from: usize| {
        for index in from..from + 20 {
            get(&server, &format!("/nowhere/{index}")).await.expect(404);
            server.get(&format!("nodes/{index}")).await.expect(404);
            let method = Method::from_bytes(format!("VERB{index}").as_bytes()).unwrap();
            server
                .call(method.clone(), &format!("nodes/{index}"), None)
                .await
                .expect(405);
        }
        let done = (from + 20) as f64;
        metrics_when(&server, |samples| {
            samples.get(&requests("GET", "none", "4xx")) == Some(&done)
                && samples.get(&requests("GET", "/drive/v1/nodes/{id}", "4xx")) == Some(&done)
                && samples.get(&requests("other", "/drive/v1/nodes/{id}", "4xx")) == Some(&done)
        })
        .await
    };
    let first: Vec<_> = round(0).await.into_keys().collect();
    let second: Vec<_> = round(20).await.into_keys().collect();
    assert_eq!(first, second);
}

#[tokio::test]
async fn upload_in_flight_is_seen() {
    let (_dir, server) = start().await;
    let mut client = begin_upload(&server).await;
    metrics_when(&server, |samples| samples["acd_uploads_in_flight"] == 1.0).await;
    client.shutdown().await.unwrap();
    drop(client);
    metrics_when(&server, |samples| samples["acd_uploads_in_flight"] == 0.0).await;
}

/// A connection on which an upload has begun.
async fn begin_upload(server: &Running) -> TcpStream {
    let body = multipart(
        Some(r#"{"name":"half","kind":"FILE"}"#),
        Some(b"the first half"),
    );
    let half = &body[..body.len() - 20];
    let head = format!(
        "POST /cdproxy/nodes?suppress=deduplication HTTP/1.1\r\nHost: {}\r\n\
         Authorization: Bearer {}\r\nContent-Type: {MULTIPART}\r\nContent-Length: {}\r\n\r\n",
        server.address,
        server.token,
        body.len(),
    );
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(half).await.unwrap();
    client
}

#[tokio::test]
async fn metrics_are_not_for_everyone() {
    let dir = tempfile::tempdir().unwrap();
    let server = Running::start(options(dir.path())).await;
    let ask = |name: &'static str, value: &'static str| {
        send(
            server
                .client
                .get(url(&server, "/metrics"))
                .header(name, value),
        )
    };
    get(&server, "/metrics").await.expect(200);
    ask("host", "localhost:9090").await.expect(200);
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
        ("via", "1.1 proxy"),
        ("host", "drive.example"),
        ("authorization", "Bearer "),
    ] {
        let expected = if name == "authorization" { 200 } else { 403 };
        let reply = ask(name, value).await.expect(expected);
        assert_eq!(reply.body.is_empty(), expected == 403, "{name}");
    }
    // No token was agreed on, so none is good: not even one for the drive.
    let own = server.request(Method::GET, &url(&server, "/metrics"));
    send(own.header("via", "1.1 proxy")).await.expect(403);
    server.stop().await;

    let server =
        Running::start(options(dir.path()).with_metrics_token("a long metrics token")).await;
    let ask = |token: &str| {
        let request = server.client.get(url(&server, "/metrics"));
        send(request.header("via", "1.1 proxy").bearer_auth(token))
    };
    ask("a long metrics token").await.expect(200);
    for wrong in ["a long metrics toke", "A long metrics token", &server.token] {
        let reply = ask(wrong).await.expect(401);
        assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"metrics\"");
        assert!(reply.body.is_empty());
    }
    get(&server, "/metrics").await.expect(200);
}

#[tokio::test]
async fn line_of_a_request_has_everything() {
    capture();
    let (_dir, server) = start().await;
    let root = server.root().await;
    let reply = server.upload("a", &root, &[7; 70_000]).await.expect(201);
    let line = line_of(&reply).await;
    let sent = reply.body.len().to_string();
    for (field, value) in [
        ("method", "POST"),
        ("path", "/cdproxy/nodes"),
        ("status", "201"),
        ("sent", sent.as_str()),
        ("client", "acd"),
        ("end", "complete"),
    ] {
        assert_eq!(line[field], value, "{line:?}");
    }
    let received: u64 = line["received"].parse().unwrap();
    assert!((70_000..71_000).contains(&received), "{line:?}");
    line["milliseconds"].parse::<u64>().unwrap();
    let peer: std::net::SocketAddr = line["peer"].parse().unwrap();
    assert!(peer.ip().is_loopback());

    let id = crate::common::id(&reply.json());
    let whole = server.download(&id, None).await.expect(200);
    let line = line_of(&whole).await;
    assert_eq!(
        (line["sent"].as_str(), line["end"].as_str()),
        ("70000", "complete")
    );
    let part = server.download(&id, Some("bytes=10-19")).await.expect(206);
    assert_eq!(line_of(&part).await["sent"], "10");

    let refused = get(&server, "/drive/v1/nodes").await.expect(401);
    let line = line_of(&refused).await;
    assert_eq!(line["status"], "401");
    assert!(!line.contains_key("client"), "{line:?}");
    let head = send(server.client.head(url(&server, "/healthz"))).await;
    let line = line_of(&head).await;
    assert_eq!(
        (line["sent"].as_str(), line["end"].as_str()),
        ("0", "complete")
    );
}

#[tokio::test]
async fn log_holds_no_secret_and_no_query() {
    capture();
    let (_dir, server) = start().await;
    let link = "9lKsomethingSecretInATemporaryLink0000000000";
    let replies = [
        server.get("nodes?filters=name:query-of-mine").await,
        get(&server, "/drive/v1/nodes?access_token=token-in-a-query").await,
        get(&server, &format!("/cdproxy/templink/{link}")).await,
        get(&server, &format!("//cdproxy//templink//{link}/more")).await,
        send(
            server
                .client
                .get(url(&server, "/drive/v1/nodes"))
                .bearer_auth("a-wrong-token"),
        )
        .await,
        send(
            server
                .client
                .post(url(&server, "/auth/o2/token"))
                .header("content-type", "application/x-www-form-urlencoded")
                .body("grant_type=refresh_token&refresh_token=refresh-me&client_secret=hush"),
        )
        .await,
    ];
    let mut paths = Vec::new();
    for reply in &replies {
        paths.push(line_of(reply).await.remove("path").unwrap());
    }
    assert_eq!(paths[1], "/drive/v1/nodes");
    assert_eq!(paths[2], "/cdproxy/templink/REDACTED");
    assert_eq!(paths[3], "/cdproxy/templink/REDACTED");
    let all = format!("{:?}", log());
    for secret in [
        "query-of-mine",
        "token-in-a-query",
        link,
        "a-wrong-token",
        "refresh-me",
        "hush",
        &server.token,
    ] {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn client_that_goes_away_is_logged_as_such() {
    capture();
    let (_dir, server) = start().await;
    let root = server.root().await;
    // More than the buffers between the two hold.
    let id = server.file("large", &root, &vec![7; 64 << 20]).await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "GET /cdproxy/nodes/{id}/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        server.token
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let mut begin = [0; 10_000];
    client.read_exact(&mut begin).await.unwrap();
    let peer = client.local_addr().unwrap().to_string();
    assert!(
        !log().iter().any(|line| line.get("peer") == Some(&peer)),
        "a reply that is not out yet is not logged"
    );
    drop(client);
    let gone = line("a download that broke off", |line| line["peer"] == peer).await;
    assert_eq!(gone["end"], "client-gone");
    assert_eq!(gone["status"], "200");
    let sent: u64 = gone["sent"].parse().unwrap();
    assert!((10_000 - 1000..64 << 20).contains(&sent), "{gone:?}");

    let client = begin_upload(&server).await;
    let peer = client.local_addr().unwrap().to_string();
    drop(client);
    let gone = line("an upload that broke off", |line| line["peer"] == peer).await;
    assert_eq!(gone["end"], "client-gone", "{gone:?}");
    assert_eq!(gone["path"], "/cdproxy/nodes");
    assert!(server.find("name:half").await.is_empty());
}
