//! A server over its own directory, and requests to it.

use std::{
    path::Path,
    sync::{
        Arc, Once,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use amazon_drive_server::{Options, Server};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};

/// A running server. Stops when told or dropped.
pub(crate) struct Running {
    pub(crate) endpoint: String,
    pub(crate) content: String,
    pub(crate) address: std::net::SocketAddr,
    pub(crate) token: String,
    pub(crate) client: Client,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

/// A reply, read whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{} {}", self.status, String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The reply, which must have this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        let shown = String::from_utf8_lossy(&self.body[..self.body.len().min(400)]).into_owned();
        assert_eq!(self.status.as_u16(), status, "{shown}");
        self
    }

    /// The message of an error with this status.
    #[track_caller]
    pub(crate) fn error(self, status: u16) -> String {
        self.expect(status).json()["message"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

/// The time a server under test takes for the present.
#[derive(Clone)]
pub(crate) struct Time(Arc<AtomicU64>);

impl Time {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_700_000_000)))
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn options(&self, dir: &Path) -> Options {
        let seconds = self.0.clone();
        options(dir)
            .with_clock(move || UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::SeqCst)))
    }
}

pub(crate) fn options(dir: &Path) -> Options {
    Options::new(dir, ([127, 0, 0, 1], 0).into())
}

pub(crate) fn http_client() -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    Client::builder().no_proxy().build().unwrap()
}

/// A server over a new directory.
pub(crate) async fn start() -> (TempDir, Running) {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(options(dir.path())).await;
    (dir, running)
}

impl Running {
    pub(crate) async fn start(options: Options) -> Self {
        Self::serve(Server::bind(options).await.unwrap())
    }

    pub(crate) fn serve(server: Server) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let address = server.local_addr();
        Self {
            endpoint: server.endpoint(),
            content: format!("http://{address}/cdproxy/"),
            address,
            token: server.local_token(),
            client: http_client(),
            stop: Some(stop),
            task: Some(tokio::spawn(async move {
                let shutdown = async {
                    let _ = stopped.await;
                };
                server.serve(shutdown).await.unwrap();
            })),
        }
    }

    /// Another client of the same server, which goes on when this one is dropped.
    pub(crate) fn another(&self) -> Self {
        Self {
            endpoint: self.endpoint.clone(),
            content: self.content.clone(),
            address: self.address,
            token: self.token.clone(),
            client: self.client.clone(),
            stop: None,
            task: None,
        }
    }

    /// Ends the server and waits for it.
    pub(crate) async fn stop(mut self) {
        self.stop.take();
        self.task.take().unwrap().await.unwrap();
    }

    pub(crate) fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.client.request(method, url).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        send(self.request(Method::GET, &format!("{}{path}", self.endpoint))).await
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let mut request = self.request(method, &format!("{}{path}", self.endpoint));
        if let Some(body) = body {
            // No content type, as many clients.
            request = request.body(body.to_string());
        }
        send(request).await
    }

    pub(crate) async fn list(&self, path: &str, query: &[(&str, &str)]) -> Reply {
        let url = url::Url::parse_with_params(&format!("{}{path}", self.endpoint), query).unwrap();
        send(self.request(Method::GET, url.as_str())).await
    }

    /// The names of what a filter finds, in order.
    pub(crate) async fn find(&self, filter: &str) -> Vec<String> {
        names(
            &self
                .list("nodes", &[("filters", filter)])
                .await
                .expect(200)
                .json(),
        )
    }

    /// The names in a folder, in order.
    pub(crate) async fn children(&self, folder: &str) -> Vec<String> {
        names(
            &self
                .get(&format!("nodes/{folder}/children"))
                .await
                .expect(200)
                .json(),
        )
    }

    pub(crate) async fn root(&self) -> String {
        let found = self
            .list("nodes", &[("filters", "kind:FOLDER AND isRoot:true")])
            .await
            .expect(200)
            .json();
        found["data"][0]["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn folder(&self, name: &str, parent: &str) -> String {
        let body = json!({"name": name, "kind": "FOLDER", "parents": [parent]});
        id(&self
            .call(Method::POST, "nodes", Some(body))
            .await
            .expect(201)
            .json())
    }

    /// Uploads with `suppress=deduplication`.
    pub(crate) async fn upload(&self, name: &str, parent: &str, content: &[u8]) -> Reply {
        self.upload_with(
            "?suppress=deduplication",
            &json!({"name": name, "kind": "FILE", "parents": [parent]}),
            content,
        )
        .await
    }

    pub(crate) async fn upload_with(&self, query: &str, metadata: &Value, content: &[u8]) -> Reply {
        let body = multipart(Some(&metadata.to_string()), Some(content));
        let request = self.request(Method::POST, &format!("{}nodes{query}", self.content));
        send(request.header("Content-Type", MULTIPART).body(body)).await
    }

    pub(crate) async fn file(&self, name: &str, parent: &str, content: &[u8]) -> String {
        id(&self.upload(name, parent, content).await.expect(201).json())
    }

    pub(crate) async fn overwrite(&self, id: &str, content: &[u8]) -> Reply {
        let request = self.request(Method::PUT, &format!("{}nodes/{id}/content", self.content));
        let body = multipart(None, Some(content));
        send(request.header("Content-Type", MULTIPART).body(body)).await
    }

    pub(crate) async fn download(&self, id: &str, range: Option<&str>) -> Reply {
        let mut request = self.request(Method::GET, &format!("{}nodes/{id}/content", self.content));
        if let Some(range) = range {
            request = request.header("Range", range);
        }
        send(request).await
    }
}

pub(crate) async fn send(request: RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    Reply {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.bytes().await.unwrap().to_vec(),
    }
}

pub(crate) const MULTIPART: &str = "multipart/form-data; boundary=7f3c";

/// A body as most clients send it.
pub(crate) fn multipart(metadata: Option<&str>, content: Option<&[u8]>) -> Vec<u8> {
    let mut body = Vec::new();
    if let Some(metadata) = metadata {
        body.extend_from_slice(
            b"--7f3c\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n",
        );
        body.extend_from_slice(metadata.as_bytes());
        body.extend_from_slice(b"\r\n");
    }
    if let Some(content) = content {
        body.extend_from_slice(
            b"--7f3c\r\nContent-Disposition: form-data; name=\"content\"; filename=\"x\"\r\n\
              Content-Type: application/octet-stream\r\n\r\n",
        );
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--7f3c--\r\n");
    body
}

pub(crate) fn id(node: &Value) -> String {
    node["id"].as_str().unwrap().to_owned()
}

pub(crate) fn names(page: &Value) -> Vec<String> {
    let nodes = page["data"].as_array().unwrap().iter();
    nodes
        .map(|node| node["name"].as_str().unwrap_or("(root)").to_owned())
        .collect()
}

/// All files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

/// Waits until the condition holds; a test that would wait for ever fails.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}
