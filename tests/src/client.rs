//! A client of the service's API that tells every reply as it was, and a lost one as lost.

use std::{
    fmt,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
};

use serde_json::Value;

/// One connection to a server, opened again when it breaks.
pub struct Client {
    authority: String,
    token: String,
    connection: Option<BufReader<TcpStream>>,
}

/// A reply, read whole.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Client {
    /// A client for the server at `http://HOST:PORT` that calls with the token in the config
    /// file it wrote.
    pub fn new(url: &str, config: &Path) -> Self {
        let text = std::fs::read_to_string(config).expect("the server has written it");
        let token = text
            .split("\"access_token\":\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .expect("it has a token");
        Self {
            authority: url.trim_start_matches("http://").to_owned(),
            token: token.to_owned(),
            connection: None,
        }
    }

    /// Calls a metadata operation, such as `PUT trash/ID`.
    ///
    /// # Errors
    /// No whole reply came: it may or may not have been done.
    pub fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Answer> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let target = format!("/drive/v1/{path}");
        self.exchange(method, &target, "application/json", body.as_bytes())
    }

    /// Makes a file, the same content as another or not.
    ///
    /// # Errors
    /// As for [`call`](Self::call).
    pub fn create(&mut self, name: &str, parent: &str, content: &[u8]) -> io::Result<Answer> {
        let metadata = serde_json::json!({"name": name, "kind": "FILE", "parents": [parent]});
        let body = multipart(Some(&metadata), content);
        let target = "/cdproxy/nodes?suppress=deduplication";
        self.exchange("POST", target, MULTIPART, &body)
    }

    /// Gives a file new content.
    ///
    /// # Errors
    /// As for [`call`](Self::call).
    pub fn overwrite(&mut self, id: &str, content: &[u8]) -> io::Result<Answer> {
        let target = format!("/cdproxy/nodes/{id}/content");
        self.exchange("PUT", &target, MULTIPART, &multipart(None, content))
    }

    /// A file's content.
    ///
    /// # Errors
    /// As for [`call`](Self::call).
    pub fn content(&mut self, id: &str) -> io::Result<Answer> {
        self.exchange("GET", &format!("/cdproxy/nodes/{id}/content"), "", b"")
    }

    /// The root's id.
    pub fn root(&mut self) -> String {
        let found = self
            .call("GET", "nodes?filters=isRoot:true", None)
            .expect("the server runs");
        found.json()["data"][0]["id"]
            .as_str()
            .expect("a drive has a root")
            .to_owned()
    }

    fn exchange(
        &mut self,
        method: &str,
        target: &str,
        content_type: &str,
        body: &[u8],
    ) -> io::Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let stream = TcpStream::connect(&self.authority)?;
                stream.set_nodelay(true)?;
                BufReader::new(stream)
            }
        };
        let mut request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n",
            self.authority, self.token
        );
        if !content_type.is_empty() {
            request.push_str(&format!(
                "Content-Type: {content_type}\r\nContent-Length: {}\r\n",
                body.len()
            ));
        }
        request.push_str("\r\n");
        let stream = connection.get_mut();
        stream.write_all(request.as_bytes())?;
        stream.write_all(body)?;
        let answer = receive(&mut connection)?;
        self.connection = Some(connection);
        Ok(answer)
    }
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self}"))
    }

    /// The id of the node it is about.
    pub fn id(&self) -> String {
        let body = self.json();
        body["id"]
            .as_str()
            .unwrap_or_else(|| panic!("no node: {self}"))
            .to_owned()
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(f, "{} {body}", self.status)
    }
}

fn receive(connection: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let broken = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let mut line = String::new();
    connection.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|text| text.parse().ok());
    let status = status.ok_or_else(broken)?;
    let mut length = None;
    loop {
        line.clear();
        if connection.read_line(&mut line)? == 0 {
            return Err(broken());
        }
        if line.trim_end().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok();
        }
    }
    let mut body = vec![0; length.ok_or_else(broken)?];
    connection.read_exact(&mut body)?;
    Ok(Answer { status, body })
}

fn multipart(metadata: Option<&Value>, content: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(content.len() + 400);
    if let Some(metadata) = metadata {
        body.extend_from_slice(
            b"--7f3c\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n",
        );
        body.extend_from_slice(metadata.to_string().as_bytes());
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(
        b"--7f3c\r\nContent-Disposition: form-data; name=\"content\"; filename=\"x\"\r\n\
          Content-Type: application/octet-stream\r\n\r\n",
    );
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n--7f3c--\r\n");
    body
}

const MULTIPART: &str = "multipart/form-data; boundary=7f3c";
