//! Requests byte by byte, as no HTTP library would send them.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use url::Url;

use crate::drive::Drive;

/// A reply as it stood on the wire.
#[derive(Debug)]
pub(crate) struct RawReply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// Chunks as they came, should it come in chunks.
    pub(crate) body: String,
}

impl RawReply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let named = |(other, _): &&(String, String)| other.eq_ignore_ascii_case(name);
        self.headers
            .iter()
            .find(named)
            .map(|(_, value)| value.as_str())
    }
}

/// Which of a drive's two addresses a request goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Metadata,
    Content,
}

/// Sends `METHOD path` below the address with the token, then these further headers, each
/// ended by CRLF, and the bytes. `None` if the server is not reached without TLS: then there
/// is no wire to write on.
pub(crate) async fn request(
    drive: &Drive,
    side: Side,
    line: (&str, &str),
    headers: &str,
    body: &[u8],
) -> Option<RawReply> {
    let url = address(drive, side)?;
    let (method, path) = line;
    let head = format!(
        "{method} {}{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n{headers}\r\n",
        url.path(),
        url.authority(),
        drive.token
    );
    bytes(drive, side, &[head.as_bytes(), body].concat()).await
}

/// Sends exactly this. `None` as with [`request`].
pub(crate) async fn bytes(drive: &Drive, side: Side, sent: &[u8]) -> Option<RawReply> {
    let url = address(drive, side)?;
    let place = (
        url.host_str().unwrap(),
        url.port_or_known_default().unwrap(),
    );
    let exchange = async {
        let mut stream = TcpStream::connect(place).await.unwrap();
        // The server may answer and close before it has read all.
        let _ = stream.write_all(sent).await;
        let mut received = Vec::new();
        let mut piece = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut piece).await {
            received.extend_from_slice(&piece[..read]);
        }
        received
    };
    let received = timeout(Duration::from_secs(60), exchange).await;
    Some(parse(&received.expect("an answer, not silence")))
}

fn address(drive: &Drive, side: Side) -> Option<Url> {
    let url = match side {
        Side::Metadata => &drive.metadata_url,
        Side::Content => &drive.content_url,
    };
    let url = Url::parse(url).unwrap();
    (url.scheme() == "http").then_some(url)
}

fn parse(received: &[u8]) -> RawReply {
    let end = received.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no reply: {:?}", String::from_utf8_lossy(received)));
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_owned(), value.trim().to_owned())
    };
    RawReply {
        status: status.parse().unwrap(),
        headers: lines.map(header).collect(),
        body: String::from_utf8_lossy(&received[end + 4..]).into_owned(),
    }
}
