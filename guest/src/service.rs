//! The service of one account, and how every request to it is made: sent, judged, waited
//! for and sent again.

use std::{
    cell::{Cell, RefCell},
    num::NonZeroUsize,
    time::Duration,
};

use lru::LruCache;

use crate::{
    error::{Detail, Error},
    lenient,
    listing::Seen,
    names::Encoding,
    pacer::{self, Pacer, Turn, WORTH_SAYING},
    platform::{
        CredentialsError, Level, Method, Never, Payload, Platform, Request, Response,
        TransportError, TransportErrorKind,
    },
    policy::{self, Budget, Class, Outcome, Progress, State},
    retry_after::retry_after,
    times::Owner,
    wire::{Endpoints, Refusal, WireNode},
};

/// An open account.
pub(crate) struct Service<P> {
    pub(crate) platform: P,
    pub(crate) encoding: Encoding,
    pub(crate) budget: Budget,
    /// What every request waits for.
    pub(crate) pacer: Pacer,
    /// How long a write without a clear answer is looked for, for each GiB.
    pub(crate) upload_wait_per_gb: Duration,
    /// Files of so many bytes are read by a temporary link.
    pub(crate) templink_threshold: Option<u64>,
    /// Most bytes of one file.
    pub(crate) largest_file: Option<u64>,
    /// Base URLs of the two halves, with their trailing `/`.
    pub(crate) metadata: String,
    pub(crate) content: String,
    pub(crate) root: String,
    /// Uploads that were refused in a row.
    pub(crate) refused_uploads: Cell<u32>,
    /// The token that an upload was refused with, until one is not refused.
    pub(crate) refused_token: RefCell<Option<String>>,
    /// Whose properties this program's are.
    pub(crate) owner: Owner,
    /// Folders by parent id and service name.
    pub(crate) folders: Folders,
    /// Odd nodes that the user was told of.
    pub(crate) told: RefCell<Seen>,
}

/// Ids of folders by parent id and service name, and when each was found.
pub(crate) type Folders = RefCell<LruCache<(String, String), (String, Duration)>>;

/// How to open one.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) endpoint: String,
    pub(crate) encoding: Encoding,
    pub(crate) budget: Budget,
    pub(crate) upload_wait_per_gb: Duration,
    pub(crate) templink_threshold: Option<u64>,
    pub(crate) largest_file: Option<u64>,
}

/// A request to be made as often as it takes.
pub(crate) struct Call<'a> {
    /// A verb and its object: what the user reads after "could not".
    pub(crate) what: &'a str,
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) json: Option<Vec<u8>>,
    pub(crate) range: Option<String>,
    /// Whether it says who asks. A temporary link is for whoever has it, and refuses to be
    /// told.
    pub(crate) authorized: bool,
    /// Whether making it twice is the same as making it once.
    pub(crate) idempotent: bool,
}

impl<'a> Call<'a> {
    pub(crate) fn get(what: &'a str, url: String) -> Self {
        Self {
            what,
            method: Method::Get,
            url,
            json: None,
            range: None,
            authorized: true,
            idempotent: true,
        }
    }
}

/// What a call ended with, when it was answered.
pub(crate) enum Answer<B> {
    /// A success, its body still on the way.
    Open(Response<B>),
    /// A success, read to its end.
    Whole(Vec<u8>),
}

/// Whether a success's body is wanted whole.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Whole,
    Open,
}

impl<P: Platform> Service<P> {
    /// Discovers an account's endpoints and finds its root.
    pub(crate) async fn connect(platform: P, options: Options) -> Result<Self, Error> {
        let mut service = Self {
            platform,
            encoding: options.encoding,
            budget: options.budget,
            pacer: Pacer::default(),
            upload_wait_per_gb: options.upload_wait_per_gb,
            templink_threshold: options.templink_threshold,
            largest_file: options.largest_file,
            metadata: String::new(),
            content: String::new(),
            root: String::new(),
            refused_uploads: Cell::new(0),
            refused_token: RefCell::default(),
            owner: Owner::default(),
            folders: RefCell::new(LruCache::new(FOLDERS_KEPT)),
            told: RefCell::default(),
        };
        let what = "discover the service's endpoints";
        let url = format!("{}account/endpoint", options.endpoint);
        let body = service.whole(&Call::get(what, url)).await?;
        let mut endpoints = Endpoints::default();
        lenient::object(&body, &mut endpoints).map_err(|error| Error::protocol(what, error))?;
        let base = |url: &str| match absolute(url) {
            Some(_) if url.ends_with('/') => Ok(url.to_owned()),
            Some(_) => Ok(format!("{url}/")),
            None => Err(Error::protocol(what, format!("{url:?} is no URL"))),
        };
        service.metadata = base(&endpoints.metadata_url)?;
        service.content = base(&endpoints.content_url)?;

        let what = "find the root folder";
        let wanted = |node: &WireNode<'_>| node.is_root() && node.oddity(None).is_none();
        let filter = "kind:FOLDER AND isRoot:true";
        let found = service.matching(what, filter, &wanted).await?;
        let root = found.into_iter().next();
        let root = root.ok_or_else(|| Error::protocol(what, "there is none"))?;
        service.root = root.id;
        Ok(service)
    }

    /// `nodes` with a query, encoded as all clients of the service do.
    pub(crate) fn nodes_url(&self, query: &[(&str, &str)]) -> String {
        self.query_url("nodes", query)
    }

    /// A listing of the metadata half, with its query.
    pub(crate) fn query_url(&self, listing: &str, query: &[(&str, &str)]) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(query)
            .finish();
        format!("{}{listing}?{query}", self.metadata)
    }

    /// The URL of a node in the metadata half.
    pub(crate) fn node_url(&self, id: &str) -> String {
        format!("{}nodes/{}", self.metadata, path_segment(id))
    }

    /// The URL of a node, with the fields that are left out unless asked for.
    pub(crate) fn whole_node_url(&self, id: &str) -> String {
        format!("{}?fields=%5B%22properties%22%5D", self.node_url(id))
    }

    /// The URL of a node's content.
    pub(crate) fn content_url(&self, id: &str) -> String {
        format!("{}nodes/{}/content", self.content, path_segment(id))
    }

    /// Makes a call whose reply is read to its end.
    pub(crate) async fn whole(&self, call: &Call<'_>) -> Result<Vec<u8>, Error> {
        match self.call(call, Wanted::Whole).await? {
            Answer::Whole(body) => Ok(body),
            Answer::Open(response) => self
                .platform
                .read_to_end(response.body, PAGE_LIMIT)
                .await
                .map_err(|error| Error::of_transport(call.what, error)),
        }
    }

    /// Makes a call, again and again while there is reason to and budget for it. Waiting
    /// for a turn is no attempt, and the time before the first one is not the budget's.
    pub(crate) async fn call(
        &self,
        call: &Call<'_>,
        wanted: Wanted,
    ) -> Result<Answer<P::Body>, Error> {
        let mut first = None;
        let mut attempts = 0;
        let mut refreshed = false;
        loop {
            let (turn, authorization) = self.leave(call.what, &call.url, call.authorized).await?;
            let started = *first.get_or_insert_with(|| self.platform.now());
            attempts += 1;
            let mut refused = match self.attempt(call, authorization.as_deref(), wanted).await {
                Ok(answer) => {
                    self.pacer.passed(self.platform.now());
                    if *self.refused_token.borrow() != authorization {
                        self.refused_token.take();
                    }
                    return Ok(answer);
                }
                Err(refused) => refused,
            };
            self.learn(turn, &refused);
            let state = State {
                attempts,
                elapsed: self.platform.now().saturating_sub(started),
            };
            let asked = match refused.class(call.idempotent) {
                Class::RefreshCredentials if !refreshed => {
                    refreshed = true;
                    attempts -= 1;
                    if let Some(authorization) = &authorization {
                        self.platform.forget(authorization);
                    }
                    continue;
                }
                Class::Retry => None,
                Class::RetryAfter(wait) => Some(wait),
                Class::RefreshCredentials | Class::Done | Class::LookFirst | Class::GiveUp => {
                    return Err(refused.error);
                }
            };
            let mut budget = self.budget;
            if let (true, Error::Throttled(detail)) = (self.metadata.is_empty(), &mut refused.error)
            {
                // Nothing was ever answered. What the service asks for is done once.
                detail.message.push_str(MAY_BE_BLOCKED);
                if attempts > 1 || asked.is_none() {
                    budget.elapsed = budget.elapsed.min(BLOCKED_AFTER);
                }
            }
            let Some(wait) = policy::next_wait(state, budget, asked, self.platform.random()) else {
                return Err(refused.error);
            };
            self.wait(call.what, wait, &refused).await;
        }
    }

    /// A turn to send a request, and what it says of who asks.
    pub(crate) async fn leave(
        &self,
        what: &str,
        url: &str,
        authorized: bool,
    ) -> Result<(Turn, Option<String>), Error> {
        loop {
            let turn = self.pacer.turn(&self.platform).await;
            let authorization = match authorized {
                true => self.authorization(what, url).await?,
                false => None,
            };
            // The service can have asked for quiet while a token was waited for.
            if !self.pacer.holds(self.platform.now()) {
                return Ok((turn, authorization));
            }
        }
    }

    /// What stands for a token, asked for as long as the budget has it: the token's
    /// provider has its moods like the service. That a login is needed is no mood.
    async fn authorization(&self, what: &str, url: &str) -> Result<Option<String>, Error> {
        let started = self.platform.now();
        let mut attempts = 0;
        loop {
            let why = match self.platform.authorization(url).await {
                Err(CredentialsError::Unavailable(why)) => why,
                outcome => return outcome.map_err(Error::from),
            };
            attempts += 1;
            let state = State {
                attempts,
                elapsed: self.platform.now().saturating_sub(started),
            };
            match policy::next_wait(state, self.budget, None, self.platform.random()) {
                Some(wait) => self.wait_for(what, wait, &why).await,
                None => return Err(CredentialsError::Unavailable(why).into()),
            }
        }
    }

    /// Tells the pacer what came of a turn that was no success.
    pub(crate) fn learn(&self, turn: Turn, refused: &Refused) {
        if refused.is_complaint() {
            // No longer than any request is tried for.
            let longest = self.budget.elapsed;
            let quiet = refused.retry_after.map(|wait| wait.min(longest));
            self.pacer.complaint(&self.platform, turn, quiet);
        } else if refused.status.is_some() {
            self.pacer.passed(self.platform.now());
        }
    }

    /// Lets a wait before the next try pass, and says so.
    pub(crate) async fn wait(&self, what: &str, wait: Duration, refused: &Refused) {
        if refused.is_complaint() {
            self.pacer.tell(&self.platform, wait);
            return self.platform.sleep(wait).await;
        }
        let why = match refused.status {
            Some(status) => format!("HTTP {status}"),
            None => "no reply".to_owned(),
        };
        self.wait_for(what, wait, &why).await;
    }

    async fn wait_for(&self, what: &str, wait: Duration, why: &str) {
        let level = match wait >= WORTH_SAYING {
            true => Level::Warn,
            false => Level::Debug,
        };
        let seconds = pacer::seconds(wait);
        let line = format!("waiting {seconds} s to {what} again: {why}");
        self.platform.log(level, &line);
        self.platform.sleep(wait).await;
    }

    /// Sends a call once.
    async fn attempt(
        &self,
        call: &Call<'_>,
        authorization: Option<&str>,
        wanted: Wanted,
    ) -> Result<Answer<P::Body>, Refused> {
        let mut headers = Vec::new();
        headers.extend(authorization.map(|value| ("authorization", value.to_owned())));
        headers.extend(call.range.clone().map(|value| ("range", value)));
        let payload = match &call.json {
            Some(json) => {
                headers.push(("content-type", "application/json".to_owned()));
                headers.push(("content-length", json.len().to_string()));
                Payload::Bytes(json.clone())
            }
            None => {
                if call.method != Method::Get {
                    // A body in chunks would follow, and the service wants a length.
                    headers.push(("content-length", "0".to_owned()));
                }
                Payload::None
            }
        };
        let request = Request {
            method: call.method,
            url: call.url.clone(),
            headers,
        };
        let failed = |error| Refused::unanswered(call.what, error);
        let response = self
            .platform
            .send::<Never>(request, payload)
            .await
            .map_err(failed)?;
        let answered = match wanted {
            Wanted::Whole => 200..300,
            // Redirects are the caller's to follow.
            Wanted::Open => 200..400,
        };
        if answered.contains(&response.status) {
            if wanted == Wanted::Open {
                return Ok(Answer::Open(response));
            }
            let body = self.platform.read_to_end(response.body, PAGE_LIMIT).await;
            return body.map(Answer::Whole).map_err(failed);
        }
        Err(self.refused(call.what, response).await)
    }

    /// What a reply that is no success says.
    pub(crate) async fn refused(&self, what: &str, response: Response<P::Body>) -> Refused {
        let status = response.status;
        let date = response.header("date");
        let retry_after = response
            .header("retry-after")
            .and_then(|value| retry_after(value, date));
        let request_id = response.header("x-amzn-requestid").map(str::to_owned);
        // The status says most; a body that breaks off takes nothing from it.
        let body = self
            .platform
            .read_to_end(response.body, REFUSAL_LIMIT)
            .await
            .unwrap_or_default();
        let refusal = Refusal::parse(&body, request_id.as_deref());
        Refused {
            status: Some(status),
            retry_after,
            message: refusal.message.clone(),
            progress: Progress::Sent,
            hopeless: false,
            error: Error::of_reply(what, status, refusal),
        }
    }

    /// Reads a reply that is one node, which must be there for use.
    pub(crate) fn node<'b>(&self, what: &str, body: &'b [u8]) -> Result<WireNode<'b>, Error> {
        let node = WireNode::read(body).map_err(|error| Error::protocol(what, error))?;
        match node.id.is_empty() {
            false => Ok(node),
            true => Err(Error::protocol(what, "it is no node")),
        }
    }

    pub(crate) fn gone(shown: &str) -> Error {
        Error::NotFound(Detail::new(format!("no such file or folder: {shown}")))
    }
}

/// A request that was not answered with a success.
pub(crate) struct Refused {
    /// The reply's status, or `None` when no reply came.
    pub(crate) status: Option<u16>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) message: String,
    /// How much of the request had left.
    pub(crate) progress: Progress,
    /// The same would come of it again.
    hopeless: bool,
    /// What it amounts to when it is not tried again.
    pub(crate) error: Error,
}

impl Refused {
    pub(crate) fn unanswered(what: &str, error: TransportError) -> Self {
        Self {
            status: None,
            retry_after: None,
            message: error.message.clone(),
            progress: error.progress,
            hopeless: match error.kind {
                TransportErrorKind::Denied
                | TransportErrorKind::Hopeless
                | TransportErrorKind::TooLong => true,
                TransportErrorKind::BodyCutOff | TransportErrorKind::Network => false,
            },
            error: Error::of_transport(what, error),
        }
    }

    /// Whether there were too many requests for the service.
    fn is_complaint(&self) -> bool {
        match self.status {
            Some(429) => true,
            Some(503) => self.retry_after.is_some(),
            _ => false,
        }
    }

    /// What to do about it.
    pub(crate) fn class(&self, idempotent: bool) -> Class {
        if self.hopeless {
            return Class::GiveUp;
        }
        policy::classify(&Outcome {
            status: self.status,
            message: &self.message,
            retry_after: self.retry_after,
            progress: self.progress,
            idempotent,
        })
    }
}

/// A URL that can be asked for as it stands.
pub(crate) fn absolute(url: &str) -> Option<http::Uri> {
    let uri: http::Uri = url.parse().ok()?;
    (matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some()).then_some(uri)
}

/// An id as part of a path. Ids need no escape; anything else must not leave its segment.
pub(crate) fn path_segment(id: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    id.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

/// Folders remembered: some 200 bytes each, and more than are open at any time.
pub(crate) const FOLDERS_KEPT: NonZeroUsize = NonZeroUsize::new(4096).expect("it is not zero");

/// How long a folder is remembered: another client may have moved it away and put another
/// one in its place, and what is written by the old id then goes into the old one. Long
/// enough that a run that goes through a tree looks up each folder once in a while only.
pub(crate) const FOLDER_LIFE: Duration = Duration::from_secs(5 * 60);

/// Most bytes of a reply in JSON. A page of 200 nodes has some 100 KB; this is for
/// servers that have lost count.
const PAGE_LIMIT: usize = 32 << 20;

/// Most bytes read of a refusal.
const REFUSAL_LIMIT: usize = 64 << 10;

/// How long the first call of all is made again while it is refused for too many requests:
/// users of an app that was blocked got that for ever, and nothing else (reference 19).
const BLOCKED_AFTER: Duration = Duration::from_secs(25);

/// What a user is told then.
const MAY_BE_BLOCKED: &str = " (and nothing else from the start: the app may be blocked)";
