//! A file's content on its way up: one request, made around the caller's stream.

use std::{cell::Cell, pin::pin, rc::Rc, time::Duration};

use futures::future::{Either, select};

use crate::{
    error::{Detail, Error, Unconfirmed, UnconfirmedPlace},
    lookup::shown,
    multipart::{Limits, Multipart, Sent},
    names,
    platform::{Content, Level, Method, Payload, Platform, Request, TransportError},
    policy::{self, Class, Progress, State},
    service::{Refused, Service},
    wire::{Instant, Kind, NewNode, Node, WireNode, add_time},
};

/// What the caller knows about the node a write goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Existing {
    Unknown,
    Absent,
    Node(String),
}

/// How to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WriteOptions {
    pub(crate) size: Option<u64>,
    pub(crate) existing: Existing,
    pub(crate) content_type: Option<String>,
    /// The file's own time.
    pub(crate) original_time: Option<Instant>,
    /// The same for all tries to send the same content.
    pub(crate) idempotency_key: Option<String>,
}

/// Where the content goes.
enum Place {
    Create {
        parent: String,
        name: String,
    },
    /// Replace the content of a node that has this version now.
    Overwrite {
        id: String,
        version: u64,
        /// What is kept of its own time.
        original_time: Option<Instant>,
    },
}

impl<P: Platform> Service<P> {
    /// Writes a file. The content can be read once, so the request is made once; a second
    /// try is the caller's, who has the content.
    pub(crate) async fn write<C: Content + 'static>(
        &self,
        path: &[Vec<u8>],
        mut content: C,
        options: WriteOptions,
    ) -> Result<Node, Error> {
        let what = format!("write {}", shown(path));
        if let (Some(size), Some(largest)) = (options.size, self.largest_file)
            && size > largest
        {
            return Err(too_large(&what, largest));
        }
        let place = self.place(path, &options.existing).await?;

        // An empty file must not be sent in chunks: the service then takes the content
        // for missing. So without a size the first bytes are waited for.
        let mut size = options.size;
        let mut first = Vec::new();
        if size.is_none() {
            first = content.read(Vec::with_capacity(BUFFER)).await;
            if first.is_empty() {
                size = Some(0);
            }
        }
        let key = match &options.idempotency_key {
            Some(key) => key.clone(),
            None => token("acd-", [self.platform.random(), self.platform.random()]),
        };
        let time = options.original_time.and_then(Instant::text);
        let owner = self.owner.known();
        let metadata = match &place {
            Place::Create { parent, name } => {
                let mut metadata = serde_json::to_string(&NewNode {
                    name,
                    kind: "FILE",
                    parents: [parent],
                    local_id: Some(&key),
                })
                .map_err(|error| Error::Other(error.to_string()))?;
                if let (Some(owner), Some(time)) = (&owner, &time) {
                    add_time(&mut metadata, owner, time);
                }
                Some(metadata)
            }
            Place::Overwrite { .. } => None,
        };
        // A line that no content has.
        let boundary = token("acd-", [self.platform.random(), self.platform.random()]);
        let content_type = options
            .content_type
            .clone()
            .filter(|it| !it.is_empty() && it.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        let sent = Rc::new(Cell::new(Sent::default()));
        let body = Multipart::new(
            &boundary,
            metadata.as_deref(),
            content_type.as_deref().unwrap_or(DEFAULT_TYPE),
            first,
            content,
            Limits {
                size,
                largest: self.largest_file,
            },
            Rc::clone(&sent),
        );

        let (method, url) = match &place {
            // Equal content elsewhere in the drive is nobody's mistake.
            Place::Create { .. } => (
                Method::Post,
                format!("{}nodes?suppress=deduplication", self.content),
            ),
            Place::Overwrite { id, .. } => (Method::Put, self.content_url(id)),
        };
        let mut headers = Vec::new();
        let (turn, authorization) = self.leave(&what, &url, true).await?;
        headers.extend(authorization.clone().map(|value| ("authorization", value)));
        headers.push((
            "content-type",
            format!("multipart/form-data; boundary={boundary}"),
        ));
        let length = body.length();
        headers.extend(length.map(|length| ("content-length", length.to_string())));
        let request = Request {
            method,
            url: url.clone(),
            headers,
        };
        let failures = self.refused_uploads.get();
        let sending = self.platform.send(request, Payload::Stream(body));
        let mut refused = match self.with_fresh_token(&url, sending).await {
            Ok(response) if matches!(response.status, 200 | 201) => {
                self.pacer.passed(self.platform.now());
                match self.platform.read_to_end(response.body, REPLY_LIMIT).await {
                    Ok(body) => match self.node(&what, &body).ok().filter(|it| !it.id.is_empty()) {
                        Some(node) => {
                            return Ok(self.written(node, &place, &options, owner.is_some()).await);
                        }
                        // It worked as well, whatever the reply says.
                        None => {
                            let nonsense = "the reply makes no sense";
                            let error = TransportError::network(Progress::Sent, nonsense);
                            Refused::unanswered(&what, error)
                        }
                    },
                    // It worked, and what came of it has to be looked at.
                    Err(error) => Refused::unanswered(&what, error),
                }
            }
            Ok(response) => self.refused(&what, response).await,
            Err(error) => Refused::unanswered(&what, error),
        };
        if refused.progress != Progress::Unsent {
            // A reply can come, and a connection break, before all was sent.
            refused.progress = sent.get().progress();
        }
        self.learn(turn, &refused);
        if let (Some(401), Some(authorization)) = (refused.status, &authorization) {
            self.platform.forget(authorization);
            // A token that was refused is replaced; its replacement is another matter.
            let before = self.refused_token.replace(Some(authorization.clone()));
            if before.is_some_and(|before| before != *authorization) {
                return Err(refused.error);
            }
        }
        self.conclude(&what, &place, sent.get(), refused, failures)
            .await
    }

    /// Has the token looked after while something is on its way for long: whoever keeps it
    /// refreshes it ahead of its end, and what comes after the upload finds a good one.
    async fn with_fresh_token<T>(&self, url: &str, sending: impl Future<Output = T>) -> T {
        let asking = async {
            loop {
                self.platform.sleep(FRESH).await;
                // Whatever is wrong with it, the next request is told.
                let _ = self.platform.authorization(url).await;
            }
        };
        match select(pin!(sending), pin!(asking)).await {
            Either::Left((sent, _)) => sent,
            Either::Right((never, _)) => never,
        }
    }

    /// What came of a write that worked, with its time kept.
    async fn written(
        &self,
        node: WireNode<'_>,
        place: &Place,
        options: &WriteOptions,
        is_owner_known: bool,
    ) -> Node {
        self.refused_token.take();
        self.refused_uploads.set(0);
        let created_by = node.created_by.clone().into_owned();
        let mut node = node.into_node(self.encoding);
        let kept = match place {
            Place::Create { .. } => {
                self.owner.learn(&created_by);
                // It went with the metadata.
                options.original_time.filter(|_| is_owner_known)
            }
            Place::Overwrite { original_time, .. } => *original_time,
        };
        node.original_time = kept;
        if let Some(time) = options.original_time.filter(|it| Some(*it) != kept)
            && self.keep_time(&node.id, &created_by, time).await
        {
            node.original_time = Some(time);
        }
        node
    }

    /// Finds out where the content goes.
    async fn place(&self, path: &[Vec<u8>], existing: &Existing) -> Result<Place, Error> {
        let over = |node: Node| match node.kind {
            Kind::Folder => Err(Error::NotAFile(Detail::new(format!(
                "is a folder: {}",
                shown(path)
            )))),
            Kind::File => Ok(Place::Overwrite {
                id: node.id,
                version: node.version,
                original_time: node.original_time,
            }),
        };
        if let Existing::Node(id) = existing {
            // Only a node that was looked at before can be known to be a new one after.
            return over(self.stat_id(id).await?);
        }
        let Some((name, parents)) = path.split_last() else {
            return Err(Error::NotAFile(Detail::new("it is the root folder")));
        };
        let (parent, _) = self.folder_id(parents).await?;
        if *existing == Existing::Unknown {
            match self.child(&parent, name).await {
                Ok(node) => return over(node),
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Place::Create {
            parent,
            name: names::encode(name, self.encoding),
        })
    }

    /// What it means that there is no clear success.
    async fn conclude(
        &self,
        what: &str,
        place: &Place,
        sent: Sent,
        refused: Refused,
        failures: u32,
    ) -> Result<Node, Error> {
        if sent.too_large
            && let Some(largest) = self.largest_file
        {
            return Err(too_large(what, largest));
        }
        if sent.cut_off {
            return Err(Error::Interrupted(Detail::new(format!(
                "could not {what}: the content broke off"
            ))));
        }
        // Sending all of it again is not free, and may not be needed.
        let asked = match refused.class(false) {
            Class::GiveUp | Class::Done => {
                if let Place::Create { parent, .. } = place
                    && matches!(
                        refused.error,
                        Error::NotFound(_) | Error::InvalidArgument(_)
                    )
                {
                    self.forget_id(parent);
                }
                return Err(refused.error);
            }
            Class::LookFirst => {
                return Err(Error::OutcomeUnknown(Box::new(Unconfirmed {
                    place: match place {
                        Place::Create { parent, name } => UnconfirmedPlace::New {
                            parent: parent.clone(),
                            name: name.clone(),
                        },
                        Place::Overwrite { id, version, .. } => UnconfirmedPlace::Over {
                            id: id.clone(),
                            version: *version,
                        },
                    },
                    size: sent.bytes,
                    detail: match refused.error {
                        Error::Unavailable(detail)
                        | Error::Protocol(detail)
                        | Error::InvalidArgument(detail) => detail,
                        _ => Detail::new(format!("could not {what}: no clear answer came")),
                    },
                })));
            }
            Class::RefreshCredentials | Class::Retry => None,
            Class::RetryAfter(wait) => Some(wait),
        };
        // Nothing is stored. The wait is served here, where the service's wish is known,
        // and the caller, who has the content, sends it again.
        let wait = match refused.status {
            Some(401) => Some(Duration::ZERO),
            _ => {
                let state = State {
                    // It says how long to wait and not when to end, as all uploads share it.
                    attempts: self
                        .count_refused(failures)
                        .min(self.budget.attempts.saturating_sub(1))
                        .max(1),
                    elapsed: Duration::ZERO,
                };
                policy::next_wait(state, self.budget, asked, self.platform.random())
            }
        };
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            self.wait(what, wait, &refused).await;
        }
        match (wait, refused.error) {
            (
                Some(_),
                Error::Unauthenticated(detail)
                | Error::Throttled(detail)
                | Error::Unavailable(detail)
                | Error::InvalidArgument(detail)
                | Error::Forbidden(detail),
            ) => Err(Error::Interrupted(detail)),
            (_, error) => Err(error),
        }
    }

    /// Uploads refused in a row, with one more that was sent after so many. What many that
    /// were on their way together run into is one thing, and counts once.
    fn count_refused(&self, before: u32) -> u32 {
        let mut count = self.refused_uploads.get();
        if count == before {
            count = count.saturating_add(1);
            self.refused_uploads.set(count);
        }
        count
    }

    /// Looks for what a write without a clear answer wrote, for as long as it may take.
    pub(crate) async fn confirm(
        &self,
        write: &Unconfirmed,
        md5: &str,
    ) -> Result<Option<Node>, Error> {
        let started = self.platform.now();
        let wait = policy::upload_wait(write.size, self.upload_wait_per_gb);
        let mut pause = FIRST_LOOK;
        loop {
            let looked = self.look(write, md5).await;
            let left = wait.saturating_sub(self.platform.now().saturating_sub(started));
            match looked {
                Ok(Look::Found(node)) => {
                    let name = names::display(&node.name);
                    let line = format!("{name}: confirmed late, after an answer that was none");
                    self.platform.log(Level::Info, &line);
                    return Ok(Some(*node));
                }
                Ok(Look::Never) => return Ok(None),
                Ok(Look::NotYet) if left.is_zero() => return Ok(None),
                // What cannot be seen may be there.
                Err(error) if left.is_zero() => return Err(error),
                Err(error) if !matches!(error, Error::Unavailable(_) | Error::Throttled(_)) => {
                    return Err(error);
                }
                Ok(Look::NotYet) | Err(_) => {}
            }
            self.platform.sleep(pause.min(left)).await;
            pause = (pause * 2).min(LATER_LOOKS);
        }
    }

    async fn look(&self, write: &Unconfirmed, md5: &str) -> Result<Look, Error> {
        let found = match &write.place {
            UnconfirmedPlace::New { parent, name } => {
                self.child(parent, &names::decode(name, self.encoding))
                    .await
            }
            UnconfirmedPlace::Over { id, .. } => self.stat_id(id).await,
        };
        let is_new = |node: &Node| match &write.place {
            UnconfirmedPlace::New { .. } => true,
            UnconfirmedPlace::Over { version, .. } => node.version > *version,
        };
        Ok(match (found, &write.place) {
            (Ok(node), _)
                if node.kind == Kind::File
                    && node.size == Some(write.size)
                    && node
                        .md5
                        .as_deref()
                        .is_some_and(|it| it.eq_ignore_ascii_case(md5))
                    && is_new(&node) =>
            {
                Look::Found(Box::new(node))
            }
            // The name is another's, and what has no content yet is not shown.
            (Ok(_), UnconfirmedPlace::New { .. }) => Look::Never,
            // The content is the old one, or a part of it another's.
            (Ok(_), UnconfirmedPlace::Over { .. }) => Look::NotYet,
            (Err(Error::NotFound(_)), UnconfirmedPlace::New { .. }) => Look::NotYet,
            (Err(Error::NotFound(_)), UnconfirmedPlace::Over { .. }) => Look::Never,
            (Err(error), _) => return Err(error),
        })
    }
}

/// What a look for a late write found.
enum Look {
    Found(Box<Node>),
    NotYet,
    /// It is not there, and will not be.
    Never,
}

fn too_large(what: &str, largest: u64) -> Error {
    Error::FileTooLarge(Detail::new(format!(
        "could not {what}: the service takes no file of more than {largest} bytes"
    )))
}

/// A word that nobody else uses: 128 random bits, made of characters that every parser of
/// the service took.
fn token(prefix: &str, random: [u64; 2]) -> String {
    format!("{prefix}{:016x}{:016x}", random[0], random[1])
}

/// How often the token is looked after during an upload: it is refreshed two minutes ahead
/// of its end.
const FRESH: Duration = Duration::from_secs(60);

/// Between the first look for a late write and the second. Each pause after is twice as
/// long as the one before.
const FIRST_LOOK: Duration = Duration::from_millis(500);

/// The longest pause: rclone's.
const LATER_LOOKS: Duration = Duration::from_secs(5);

/// What content is declared as that nobody knows better.
const DEFAULT_TYPE: &str = "application/octet-stream";

/// Bytes read at once; larger buffers were measured to be no faster.
const BUFFER: usize = 256 << 10;

/// Most bytes of a reply to an upload: one node.
const REPLY_LIMIT: usize = 1 << 20;
