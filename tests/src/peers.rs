//! HTTP servers that say what a test tells them to.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// A server on a free loopback port that answers each request by a function of it. It
/// speaks HTTP/1.1, one request a connection, and lives as long as the test.
pub struct Stub {
    /// Where it listens: `127.0.0.1:PORT`.
    pub authority: String,
    connections: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<Exchange>>>,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// `GET /path?query`.
    pub request: String,
    /// The header lines, in the order sent.
    pub headers: Vec<String>,
    /// The body, by its `Content-Length`.
    pub body: Vec<u8>,
}

/// What to answer.
pub enum Reply {
    /// A status, more header lines, and a body.
    Full(u16, Vec<String>, Vec<u8>),
    /// As `Full`, but the connection ends after so many bytes of the body.
    Cut(u16, Vec<u8>, usize),
    /// The connection ends without a byte.
    Nothing,
}

impl Reply {
    /// A status and a JSON body.
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        let header = "Content-Type: application/json".to_owned();
        Self::Full(status, vec![header], body.into().into_bytes())
    }
}

impl Stub {
    /// Starts one. The function is told the server's own authority.
    pub fn start(answer: impl Fn(&str, &Exchange) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let authority = listener.local_addr().expect("it is bound").to_string();
        let connections = Arc::new(AtomicUsize::new(0));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stub = Self {
            authority: authority.clone(),
            connections: Arc::clone(&connections),
            seen: Arc::clone(&seen),
        };
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (answer, seen, authority) =
                    (Arc::clone(&answer), Arc::clone(&seen), authority.clone());
                thread::spawn(move || {
                    if let Some(exchange) = receive(&stream) {
                        let reply = answer(&authority, &exchange);
                        if let Ok(mut seen) = seen.lock() {
                            seen.push(exchange);
                        }
                        // A peer that has gone is the peer's affair.
                        let _ = send(&stream, &reply);
                    }
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        stub
    }

    /// The base of a discovery call to it.
    pub fn endpoint(&self) -> String {
        format!("http://{}/drive/v1/", self.authority)
    }

    /// Connections taken so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Requests answered so far.
    pub fn seen(&self) -> Vec<Exchange> {
        self.seen.lock().expect("no test panics in it").clone()
    }
}

fn receive(stream: &TcpStream) -> Option<Exchange> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let request = line.trim().rsplit_once(' ')?.0.to_owned();
    let mut headers = Vec::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
        headers.push(line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Exchange {
        request,
        headers,
        body,
    })
}

fn send(mut stream: &TcpStream, reply: &Reply) -> std::io::Result<()> {
    let (status, headers, body, sent) = match reply {
        Reply::Full(status, headers, body) => (status, headers.as_slice(), body, body.len()),
        Reply::Cut(status, body, sent) => (status, [].as_slice(), body, *sent),
        Reply::Nothing => return Ok(()),
    };
    let mut head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
    for line in headers {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body[..sent])
}
