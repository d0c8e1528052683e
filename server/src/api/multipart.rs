//! `multipart/form-data` as clients of the service sent it, read without collecting it.
//!
//! The libraries for it want headers as HTTP has them. The clients that count here put file
//! names into them as they are: with control characters, without quotes, in any encoding.
//! The service took them all, and so what is not needed of a header is not looked at.

use bytes::{Buf, Bytes, BytesMut};
use futures::{Stream, StreamExt, stream::BoxStream};
use memchr::memmem;

/// A body, part by part.
pub(super) struct Multipart {
    body: BoxStream<'static, Result<Bytes, axum::Error>>,
    /// Came in and was not given out yet.
    buffer: Bytes,
    ended: bool,
    /// What parts the parts: a line's end, two dashes and the boundary.
    delimiter: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first delimiter.
    Preamble,
    /// In a part's content.
    Content,
    /// Right behind a delimiter.
    Delimiter,
    /// Behind the last delimiter: what follows means nothing.
    End,
}

/// A part: its headers, and its content as it comes.
pub(super) struct Part<'a> {
    name: Option<String>,
    content_type: Option<String>,
    body: &'a mut Multipart,
}

/// The body is cut off, or is not what it says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

impl Multipart {
    pub(super) fn new(
        body: impl Stream<Item = Result<Bytes, axum::Error>> + Send + 'static,
        boundary: &str,
    ) -> Self {
        Self {
            body: body.boxed(),
            // The first delimiter may stand at the very start.
            buffer: Bytes::from_static(b"\r\n"),
            ended: false,
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            state: State::Preamble,
        }
    }

    /// The next part; what is left of the one before is read over.
    pub(super) async fn next(&mut self) -> Result<Option<Part<'_>>, Broken> {
        let mut passed = 0;
        while matches!(self.state, State::Preamble | State::Content) {
            let preamble = self.state == State::Preamble;
            let bytes = self.content().await?;
            passed += bytes.map_or(0, |bytes| bytes.len());
            if preamble && passed > LONGEST_HEADERS {
                return Err(Broken);
            }
        }
        if self.state == State::End || self.is_last().await? {
            self.state = State::End;
            return Ok(None);
        }
        let headers = self.headers().await?;
        self.state = State::Content;
        let mut part = Part {
            name: None,
            content_type: None,
            body: self,
        };
        for line in lines(&headers) {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else {
                return Err(Broken);
            };
            let (key, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
            if key.eq_ignore_ascii_case(b"content-disposition") {
                part.name = parameter(value, b"name");
            } else if key.eq_ignore_ascii_case(b"content-type") {
                part.content_type = std::str::from_utf8(value).ok().map(str::to_owned);
            }
        }
        Ok(Some(part))
    }

    /// The next bytes up to the delimiter; `None`: it is reached, and passed.
    async fn content(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            if let Some(at) = memmem::find(&self.buffer, &self.delimiter) {
                if at > 0 {
                    return Ok(Some(self.buffer.split_to(at)));
                }
                self.buffer.advance(self.delimiter.len());
                self.state = State::Delimiter;
                return Ok(None);
            }
            // The end may be the delimiter's beginning.
            let tail = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
            let keep = memchr::memchr(b'\r', &self.buffer[tail..]);
            let sure = keep.map_or(self.buffer.len(), |at| tail + at);
            if sure > 0 {
                return Ok(Some(self.buffer.split_to(sure)));
            }
            self.more().await?;
        }
    }

    /// Whether the delimiter just passed is the last.
    async fn is_last(&mut self) -> Result<bool, Broken> {
        while self.buffer.len() < 2 {
            self.more().await?;
        }
        Ok(self.buffer.starts_with(b"--"))
    }

    /// What stands between a delimiter and the content: the rest of the delimiter's line,
    /// and the headers.
    async fn headers(&mut self) -> Result<Bytes, Broken> {
        loop {
            if let Some(end) = memmem::find(&self.buffer, b"\r\n") {
                let padding = self.buffer.split_to(end);
                if !padding.iter().all(|byte| matches!(byte, b' ' | b'\t')) {
                    return Err(Broken);
                }
                break;
            }
            self.long_enough()?;
            self.more().await?;
        }
        // Without headers this stands at the very start.
        loop {
            if let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") {
                let headers = self.buffer.split_to(end);
                self.buffer.advance(4);
                return Ok(headers);
            }
            self.long_enough()?;
            self.more().await?;
        }
    }

    fn long_enough(&self) -> Result<(), Broken> {
        match self.buffer.len() > LONGEST_HEADERS {
            true => Err(Broken),
            false => Ok(()),
        }
    }

    async fn more(&mut self) -> Result<(), Broken> {
        if self.ended {
            return Err(Broken);
        }
        match self.body.next().await {
            None => {
                self.ended = true;
                Err(Broken)
            }
            Some(Err(_)) => Err(Broken),
            Some(Ok(bytes)) if self.buffer.is_empty() => {
                self.buffer = bytes;
                Ok(())
            }
            Some(Ok(bytes)) => {
                let mut joined = BytesMut::with_capacity(self.buffer.len() + bytes.len());
                joined.extend_from_slice(&self.buffer);
                joined.extend_from_slice(&bytes);
                self.buffer = joined.freeze();
                Ok(())
            }
        }
    }
}

impl Part<'_> {
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The type its header declares.
    pub(super) fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The next bytes of its content; `None`: there are no more.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Broken> {
        match self.body.state {
            State::Content => self.body.content().await,
            _ => Ok(None),
        }
    }
}

/// The lines of headers, of which the first begins with the line's end of what was before.
fn lines(headers: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(headers);
    std::iter::from_fn(move || {
        let all = rest?;
        match memmem::find(all, b"\r\n") {
            Some(at) => {
                rest = Some(&all[at + 2..]);
                Some(&all[..at])
            }
            None => {
                rest = None;
                Some(all)
            }
        }
    })
    .filter(|line| !line.is_empty())
}

/// The value of a parameter: `form-data; name="content"; filename=a b.txt`.
fn parameter(value: &[u8], wanted: &[u8]) -> Option<String> {
    let mut rest = after(value, b';')?;
    loop {
        let equals = rest.iter().position(|byte| *byte == b'=')?;
        let key = rest[..equals].trim_ascii();
        let text = rest[equals + 1..].trim_ascii_start();
        let (found, behind) = match text.split_first() {
            Some((b'"', quoted)) => unquoted(quoted),
            _ => {
                let end = text.iter().position(|byte| *byte == b';');
                let end = end.unwrap_or(text.len());
                (text[..end].trim_ascii().to_vec(), &text[end..])
            }
        };
        if key.eq_ignore_ascii_case(wanted) {
            return String::from_utf8(found).ok();
        }
        rest = after(behind, b';')?;
    }
}

/// The text up to the closing quote, which a backslash keeps from being one, and what is
/// behind it.
fn unquoted(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut found = Vec::new();
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return (found, &text[at + 1..]),
            b'\\' => found.extend(bytes.next().map(|(_, byte)| byte)),
            byte => found.push(*byte),
        }
    }
    (found, &[])
}

fn after(text: &[u8], byte: u8) -> Option<&[u8]> {
    let at = memchr::memchr(byte, text)?;
    Some(&text[at + 1..])
}

/// Bytes before a part's content: names of files are in there, and nothing that is longer.
const LONGEST_HEADERS: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use futures::stream;
    use proptest::prelude::*;

    use super::*;

    type Parts = Vec<(Option<String>, Option<String>, Vec<u8>)>;

    /// All parts of a body that comes in pieces of this size.
    async fn read(body: &[u8], piece: usize) -> Result<Parts, Broken> {
        let pieces: Vec<_> = body
            .chunks(piece)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        let mut multipart = Multipart::new(stream::iter(pieces), "7f3c");
        let mut parts = Vec::new();
        while let Some(mut part) = multipart.next().await? {
            let mut content = Vec::new();
            while let Some(bytes) = part.chunk().await? {
                assert!(!bytes.is_empty());
                content.extend_from_slice(&bytes);
            }
            let text = |text: Option<&str>| text.map(str::to_owned);
            parts.push((text(part.name()), text(part.content_type()), content));
        }
        assert!(multipart.next().await?.is_none());
        Ok(parts)
    }

    fn part(
        name: &str,
        content_type: Option<&str>,
        content: &[u8],
    ) -> (Option<String>, Option<String>, Vec<u8>) {
        (
            Some(name.to_owned()),
            content_type.map(str::to_owned),
            content.to_vec(),
        )
    }

    #[tokio::test]
    async fn bodies_of_all_clients_are_understood() {
        let body = |headers: &str, after: &str| {
            format!(
                "--7f3c\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{{}}\r\n\
                 --7f3c\r\n{headers}\r\n\r\nhello\r\n--7f3c--{after}"
            )
        };
        for (headers, name, content_type) in [
            (
                "Content-Disposition: form-data; name=\"content\"; filename=\"x\"\r\nContent-Type: a/b",
                "content",
                Some("a/b"),
            ),
            // Go's escaping, which leaves control characters as they are.
            (
                "Content-Disposition: form-data; name=\"content\"; filename=\"a\\\"; name=\\\"b\u{1}\u{7f}\\\\\"",
                "content",
                None,
            ),
            // A line feed in a file's name is no line's end.
            (
                "Content-Disposition: form-data; filename=\"a\nb: c\"; name=\"content\"",
                "content",
                None,
            ),
            (
                "Content-Disposition:form-data;name=content;filename=a b.txt\r\nContent-Length: 5",
                "content",
                None,
            ),
            (
                "content-type: x/y\r\ncontent-disposition: form-data; name=contents",
                "contents",
                Some("x/y"),
            ),
        ] {
            for after in [
                "",
                "\r\n",
                "multipart/form-data; boundary=7f3c",
                "\r\n--7f3c\r\n",
            ] {
                for piece in [1, 2, 7, 1000] {
                    let read = read(body(headers, after).as_bytes(), piece).await;
                    assert_eq!(
                        read,
                        Ok(vec![
                            part("metadata", None, b"{}"),
                            part(name, content_type, b"hello")
                        ]),
                        "{headers} in pieces of {piece}"
                    );
                }
            }
        }
    }

    #[tokio::test]
    async fn preamble_padding_and_nameless_parts_are_passed_over() {
        let body = b"once upon a time\r\n--7f3c \t\r\n\r\nx\r\n--7f3c\r\nX: y\r\n\r\n\r\n--7f3c--";
        assert_eq!(
            read(body, 3).await,
            Ok(vec![(None, None, b"x".to_vec()), (None, None, Vec::new())])
        );
        assert_eq!(read(b"--7f3c--", 1).await, Ok(Vec::new()));
    }

    #[tokio::test]
    async fn broken_bodies_end_in_an_error() {
        let long = format!("--7f3c\r\nX: {}", "y".repeat(20_000));
        let preamble = "y".repeat(20_000);
        for body in [
            "",
            "--7f3c",
            "--7f3c\r\n",
            "--7f3c\r\nno header\r\n\r\nx\r\n--7f3c--",
            "--7f3c\r\nX: y\r\n\r\nx",
            "--7f3c\r\nX: y\r\n\r\nx\r\n--7f3",
            "--7f3cd\r\nX: y\r\n\r\nx\r\n--7f3c--",
            "hello",
            &long,
            &preamble,
        ] {
            for piece in [1, 1000] {
                assert_eq!(
                    read(body.as_bytes(), piece).await,
                    Err(Broken),
                    "{body:.40}"
                );
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn content_comes_as_it_was_sent(
            content in proptest::collection::vec(
                prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), Just(b'7'), Just(b'f'), any::<u8>()],
                0..200,
            ),
            piece in 1_usize..50,
        ) {
            prop_assume!(memmem::find(&content, b"\r\n--7f3c").is_none());
            // Nor may content and delimiter make one between them.
            let mut body = b"--7f3c\r\nContent-Disposition: form-data; name=\"content\"\r\n\r\n".to_vec();
            body.extend_from_slice(&content);
            body.extend_from_slice(b"\r\n--7f3c--\r\n");
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let read = runtime.block_on(read(&body, piece));
            prop_assert_eq!(read, Ok(vec![part("content", None, &content)]));
        }

        #[test]
        fn nothing_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..300), piece in 1_usize..50) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _ = runtime.block_on(read(&body, piece));
        }
    }
}
