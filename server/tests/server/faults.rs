//! Each fault rule: what a client sees, and what the drive has afterwards.

mod accounts;
mod admin;
mod changes;
mod connections;
mod downloads;
mod listings;
mod refusals;
mod uploads;

use std::path::Path;

use amazon_drive_server::{Faults, Server};
use reqwest::{Method, RequestBuilder};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::common::{Reply, Running, Time, send};

/// A server under fault rules, with a clock of its own.
struct Faulty {
    server: Running,
    faults: Faults,
    time: Time,
    dir: TempDir,
}

impl std::ops::Deref for Faulty {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.server
    }
}

impl Faulty {
    /// Rules that are in force once the server has its first nodes are added later.
    async fn start(rules: &[&str]) -> Self {
        let dir = in_memory();
        let time = Time::new();
        let options = time.options(dir.path());
        let options = options.with_faults(rules.iter().copied()).unwrap();
        let server = Server::bind(options).await.unwrap();
        let faults = server.faults();
        Self {
            server: Running::serve(server),
            faults,
            time,
            dir,
        }
    }

    #[track_caller]
    fn fault(&self, rule: &str) {
        self.faults.add(rule).unwrap();
    }

    fn upload_request(&self, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.request(
            Method::POST,
            &format!("{}nodes?suppress=deduplication", self.content),
        )
        .header("Content-Type", crate::common::MULTIPART)
        .body(body)
    }

    /// Sends text as it is and reads until the connection ends.
    async fn raw(&self, head: &str, body: &[u8]) -> (Vec<u8>, std::io::Result<()>) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "{head} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n",
            self.address,
            self.token,
            body.len()
        );
        let head = format!("{head}Content-Type: {}\r\n\r\n", crate::common::MULTIPART);
        let mut read = Vec::new();
        let outcome = async {
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body).await?;
            stream.read_to_end(&mut read).await?;
            Ok(())
        };
        let outcome = outcome.await;
        (read, outcome)
    }

    /// The objects that are kept.
    fn objects(&self) -> usize {
        crate::common::files(&self.dir.path().join("content")).len()
    }
}

/// A folder in memory, where there is one: no test here is about the disk, and each starts a
/// server.
fn in_memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

/// The body of a raw reply.
fn body(reply: &[u8]) -> &[u8] {
    let end = reply
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a whole head");
    &reply[end + 4..]
}

async fn info(server: &Running) -> Reply {
    server.get("account/info").await
}

/// The reply to a request that must not come through.
async fn broken(request: RequestBuilder) -> reqwest::Error {
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => return error,
    };
    response.bytes().await.expect_err("the reply came through")
}

/// A new token for this client's refresh token.
async fn refresh(dir: &Path) -> Reply {
    let text = std::fs::read_to_string(dir.join("client.conf")).unwrap();
    let value = |key: &str| {
        let mut pairs = text.lines().filter_map(|line| line.split_once(" = "));
        pairs.find(|(found, _)| *found == key).unwrap().1.to_owned()
    };
    let token: serde_json::Value = serde_json::from_str(&value("token")).unwrap();
    let refresh_token = token["refresh_token"].as_str().unwrap().to_owned();
    let form = [
        ("grant_type", "refresh_token".to_owned()),
        ("refresh_token", refresh_token),
        ("client_id", value("client_id")),
        ("client_secret", value("client_secret")),
    ];
    send(
        crate::common::http_client()
            .post(value("token_url"))
            .form(&form),
    )
    .await
}
