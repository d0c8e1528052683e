//! A platform that plays a script: replies in a row, and time that passes when slept.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    time::Duration,
};

use crate::{
    platform::{
        BodySource, Clock, Content, Credentials, CredentialsError, Level, Method, Payload,
        Platform, Request, Response, Transport, TransportError, TransportErrorKind,
    },
    policy::Progress,
};

/// What the service does with one request.
pub(super) enum Reply {
    /// Takes all of it and answers.
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// Answers once it has taken so many bytes of the body.
    Early {
        after: usize,
        status: u16,
        body: &'static str,
    },
    /// Takes all of it and then the connection breaks.
    Lost,
    /// No connection comes about.
    Unreachable,
    /// The server is not the one it says it is.
    Untrusted,
    /// The host does not let it pass.
    Denied,
    /// Answers, and the reply's body breaks off.
    Broken(u16),
    /// Answers 200, and the reply's body breaks off after these bytes.
    Cut(Vec<u8>),
}

impl Reply {
    pub(super) fn json(status: u16, body: &str) -> Self {
        Self::Answer {
            status,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    pub(super) fn with(status: u16, header: (&'static str, &str)) -> Self {
        Self::Answer {
            status,
            headers: vec![(header.0, header.1.to_owned())],
            body: Vec::new(),
        }
    }
}

/// A request as the service got it.
pub(super) struct Seen {
    pub(super) line: String,
    pub(super) headers: Vec<(&'static str, String)>,
    /// What of the body was taken.
    pub(super) body: Vec<u8>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The platform. Tokens are numbered, and each refused one is followed by the next.
pub(super) struct Script {
    /// Answers, when the replies are used up, by a request's line and body.
    serve: Option<Box<Serve>>,
    replies: RefCell<VecDeque<Reply>>,
    pub(super) seen: RefCell<Vec<Seen>>,
    now: Cell<Duration>,
    token: Cell<u32>,
    /// What `random` answers: the top of the range, unless a test says otherwise.
    pub(super) random: Cell<u64>,
    pub(super) log: RefCell<Vec<(Level, String)>>,
}

type Serve = dyn Fn(&str, &[u8]) -> Reply;

impl Script {
    /// A service that knows what to say.
    pub(super) fn serving(serve: impl Fn(&str, &[u8]) -> Reply + 'static) -> Self {
        Self {
            serve: Some(Box::new(serve)),
            ..Self::new(Vec::new())
        }
    }

    pub(super) fn new(replies: Vec<Reply>) -> Self {
        Self {
            serve: None,
            replies: RefCell::new(replies.into()),
            seen: RefCell::default(),
            now: Cell::new(Duration::from_secs(1000)),
            token: Cell::new(1),
            random: Cell::new(u64::MAX),
            log: RefCell::default(),
        }
    }

    /// Time slept so far.
    pub(super) fn waited(&self) -> Duration {
        self.now.get() - Duration::from_secs(1000)
    }

    /// Asserts what was asked for, and that the script was played to its end. That nodes
    /// are asked for with their properties is left out.
    pub(super) fn assert_requests(&self, lines: &[&str]) {
        let seen = self.seen.borrow();
        let plain = |line: &str| {
            let fields = "fields=%5B%22properties%22%5D";
            line.replace(&format!("?{fields}"), "")
                .replace(&format!("&{fields}"), "")
        };
        let got: Vec<_> = seen.iter().map(|seen| plain(&seen.line)).collect();
        assert_eq!(got, lines);
        assert_eq!(self.replies.borrow().len(), 0, "replies are left");
    }

    async fn take<S: BodySource>(payload: Payload<S>, most: usize) -> (Vec<u8>, bool) {
        let mut source = match payload {
            Payload::None => return (Vec::new(), true),
            Payload::Bytes(bytes) => return (bytes, true),
            Payload::Stream(source) => source,
        };
        let mut taken = Vec::new();
        while taken.len() < most {
            match source.next(Vec::new()).await {
                Ok(Some(chunk)) => {
                    assert!(!chunk.is_empty());
                    taken.extend(chunk);
                }
                Ok(None) => return (taken, true),
                Err(_) => return (taken, false),
            }
        }
        (taken, true)
    }
}

/// A reply's body: what comes of it, and whether that is all.
type ScriptedBody = (Vec<u8>, bool);

impl Transport for Script {
    type Body = ScriptedBody;

    async fn send<S: BodySource + 'static>(
        &self,
        request: Request,
        payload: Payload<S>,
    ) -> Result<Response<Self::Body>, TransportError> {
        let method = match request.method {
            Method::Get => "GET",
            Method::Patch => "PATCH",
            Method::Post => "POST",
            Method::Put => "PUT",
        };
        let line = format!("{method} {}", request.url);
        let reply = match (self.replies.borrow_mut().pop_front(), &self.serve, &payload) {
            (Some(reply), _, _) => reply,
            (None, Some(serve), Payload::Bytes(body)) => serve(&line, body),
            (None, Some(serve), _) => serve(&line, b""),
            (None, None, _) => panic!("nothing is scripted for {request:?}"),
        };
        let most = match &reply {
            Reply::Early { after, .. } => *after,
            Reply::Unreachable | Reply::Untrusted | Reply::Denied => 0,
            _ => usize::MAX,
        };
        let (body, whole) = Self::take(payload, most).await;
        self.seen.borrow_mut().push(Seen {
            line,
            headers: request.headers,
            body,
        });
        let failed = |kind, progress, message: &str| {
            Err(TransportError {
                kind,
                progress,
                message: message.to_owned(),
            })
        };
        if !whole {
            let kind = TransportErrorKind::BodyCutOff;
            return failed(kind, Progress::Partial, "the content broke off");
        }
        let network = TransportErrorKind::Network;
        let (status, headers, body, whole) = match reply {
            Reply::Answer {
                status,
                headers,
                body,
            } => (status, headers, body, true),
            Reply::Early { status, body, .. } => (status, Vec::new(), body.into(), true),
            Reply::Broken(status) => (status, Vec::new(), b"{\"id\":".to_vec(), false),
            Reply::Cut(body) => (200, Vec::new(), body, false),
            Reply::Lost => return failed(network, Progress::Sent, "the connection broke off"),
            Reply::Unreachable => return failed(network, Progress::Unsent, "no connection"),
            Reply::Untrusted => {
                let kind = TransportErrorKind::Hopeless;
                return failed(kind, Progress::Unsent, "the certificate is not trusted");
            }
            Reply::Denied => {
                let kind = TransportErrorKind::Denied;
                return failed(kind, Progress::Unsent, "this server may not be reached");
            }
        };
        Ok(Response {
            status,
            headers: headers
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            body: (body, whole),
        })
    }

    async fn read_some(
        &self,
        body: Self::Body,
        buffer: Vec<u8>,
    ) -> Result<(Vec<u8>, Option<Self::Body>), TransportError> {
        some(body, buffer)
    }

    async fn read_to_end(
        &self,
        (body, whole): Self::Body,
        limit: usize,
    ) -> Result<Vec<u8>, TransportError> {
        assert!(body.len() <= limit);
        if whole {
            Ok(body)
        } else {
            Err(TransportError::network(
                Progress::Sent,
                "the reply broke off",
            ))
        }
    }
}

/// As [`Transport::read_some`]: some bytes at a time; what breaks off does so at its end.
fn some(
    (mut body, whole): ScriptedBody,
    mut buffer: Vec<u8>,
) -> Result<(Vec<u8>, Option<ScriptedBody>), TransportError> {
    buffer.clear();
    if body.is_empty() && !whole {
        return Err(TransportError::network(
            Progress::Sent,
            "the reply broke off",
        ));
    }
    if body.is_empty() {
        return Ok((buffer, None));
    }
    let piece = PIECE.max(body.len() / 8);
    let rest = body.split_off(body.len().min(piece));
    buffer.extend(body);
    Ok((buffer, Some((rest, whole))))
}

/// Bytes that a body comes in at a time, where it is not read at once; of a long one more.
const PIECE: usize = 37;

impl Clock for Script {
    fn now(&self) -> Duration {
        self.now.get()
    }

    async fn sleep(&self, duration: Duration) {
        self.now.set(self.now.get() + duration);
    }

    fn random(&self) -> u64 {
        self.random.get()
    }
}

impl Credentials for Script {
    async fn authorization(&self, url: &str) -> Result<Option<String>, CredentialsError> {
        let own = url.starts_with("https://m.example/")
            || url.starts_with("https://c.example/")
            || url.starts_with("https://drive.example/");
        Ok(own.then(|| format!("token {}", self.token.get())))
    }

    fn forget(&self, authorization: &str) {
        if authorization == format!("token {}", self.token.get()) {
            self.token.set(self.token.get() + 1);
        }
    }
}

impl Platform for Script {
    fn log(&self, level: Level, message: &str) {
        self.log.borrow_mut().push((level, message.to_owned()));
    }
}

/// Content in pieces, which may break off at its end.
pub(super) struct Pieces {
    pub(super) pieces: VecDeque<Vec<u8>>,
    pub(super) complete: bool,
}

impl Pieces {
    pub(super) fn new(pieces: &[&[u8]]) -> Self {
        Self {
            pieces: pieces.iter().map(|piece| piece.to_vec()).collect(),
            complete: true,
        }
    }
}

impl Content for Pieces {
    async fn read(&mut self, _: Vec<u8>) -> Vec<u8> {
        self.pieces.pop_front().unwrap_or_default()
    }

    async fn is_complete(&mut self) -> bool {
        self.complete
    }
}
