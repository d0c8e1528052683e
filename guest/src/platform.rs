//! What the flows need of the world, as small traits: the component implements them with
//! WASI, the tests with scripts and a clock of their own.

use std::time::Duration;

use crate::policy::Progress;

/// A request, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Absolute.
    pub(crate) url: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// The methods the service knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Patch,
    Post,
    Put,
}

/// A request's body.
pub(crate) enum Payload<S> {
    None,
    /// All of it.
    Bytes(Vec<u8>),
    /// Made while it is sent.
    Stream(S),
}

/// Where a streamed body comes from.
pub(crate) trait BodySource {
    /// The next bytes, never none; `None` at the end. `buffer` is one of the chunks handed
    /// out before, to be used again, or an empty one.
    ///
    /// # Errors
    /// The content broke off, and so must the request.
    async fn next(&mut self, buffer: Vec<u8>) -> Result<Option<Vec<u8>>, CutOff>;
}

/// Content broke off, and what came of it must not be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CutOff;

/// No body to stream.
pub(crate) enum Never {}

impl BodySource for Never {
    async fn next(&mut self, _: Vec<u8>) -> Result<Option<Vec<u8>>, CutOff> {
        match *self {}
    }
}

/// A reply, with its body still on the way.
pub(crate) struct Response<B> {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: B,
}

impl<B> Response<B> {
    /// The first header of this name (in lower case).
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A request that got no reply, or a reply whose body broke off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TransportError {
    pub(crate) kind: TransportErrorKind,
    /// How much of the request had left.
    pub(crate) progress: Progress,
    /// One lower-case clause.
    pub(crate) message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransportErrorKind {
    /// The host does not let requests go there.
    Denied,
    /// The request's own body broke off.
    BodyCutOff,
    /// It can never be sent as it is: to a server that is not trusted, or not at all.
    Hopeless,
    /// Anything the network does.
    Network,
    /// The reply is longer than what it can be.
    TooLong,
}

/// Sends requests.
pub(crate) trait Transport {
    /// A reply's body on the way.
    type Body: 'static;

    /// Sends one request. Dropping the future aborts it.
    async fn send<S: BodySource + 'static>(
        &self,
        request: Request,
        payload: Payload<S>,
    ) -> Result<Response<Self::Body>, TransportError>;

    /// All of a body, at most `limit` bytes; an error unless it came to its end.
    async fn read_to_end(&self, body: Self::Body, limit: usize) -> Result<Vec<u8>, TransportError>;

    /// The next bytes of a body, which may be none, and the body while there may be more of
    /// it. `buffer` is one handed out before, to be used again, or an empty one. A body
    /// that breaks off is an error after all bytes that came.
    async fn read_some(
        &self,
        body: Self::Body,
        buffer: Vec<u8>,
    ) -> Result<(Vec<u8>, Option<Self::Body>), TransportError>;
}

/// Tells the time and lets it pass.
pub(crate) trait Clock {
    /// Time since some moment.
    fn now(&self) -> Duration;
    /// Returns after this long.
    async fn sleep(&self, duration: Duration);
    /// Uniform over all values.
    fn random(&self) -> u64;
}

/// Knows what stands for a token.
pub(crate) trait Credentials {
    /// The `Authorization` header for a URL, or `None` where there must be none.
    async fn authorization(&self, url: &str) -> Result<Option<String>, CredentialsError>;
    /// The service refused this value.
    fn forget(&self, authorization: &str);
}

/// There is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CredentialsError {
    LoginNeeded(String),
    Unavailable(String),
    Other(String),
}

/// How much a line of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Warn,
    Info,
    Debug,
}

/// All of it.
pub(crate) trait Platform: Transport + Clock + Credentials {
    /// Writes a line for the user.
    fn log(&self, level: Level, message: &str);
}

/// A file's content as the caller hands it over.
pub(crate) trait Content {
    /// Reads into `buffer` from its start; an empty answer is the end.
    async fn read(&mut self, buffer: Vec<u8>) -> Vec<u8>;
    /// Whether what was read to the end is all of it.
    async fn is_complete(&mut self) -> bool;
}
