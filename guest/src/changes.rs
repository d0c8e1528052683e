//! What happened since a checkpoint: sets of changes, read while they arrive.

use std::rc::Rc;

use crate::{
    error::{Detail, Error},
    lenient,
    platform::{Method, Platform},
    service::{Answer, Call, Service, Wanted},
    wire::{ChangesAfter, Node, Odd, Refusal, WireSet},
};

/// A stream of changes under way.
pub(crate) struct Changes<P: Platform> {
    service: Rc<Service<P>>,
    /// What still comes of the reply.
    body: Option<P::Body>,
    /// What came and is not used yet; as far as `searched` there is no end of a line.
    text: Vec<u8>,
    searched: usize,
    /// For what comes next.
    chunk: Vec<u8>,
    /// A first set without a checkpoint to begin at is a beginning, whatever it says.
    from_start: bool,
    ended: bool,
}

/// Changes that belong together: applied as a whole, they lead to the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChangeSet {
    /// Where to go on after this set.
    pub(crate) checkpoint: String,
    /// What was known before is void; all there is comes with this set and those after it.
    pub(crate) reset: bool,
    pub(crate) changes: Vec<Change>,
}

/// What became of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) state: State,
    /// As it is now. Of what is gone for good only the id is known.
    pub(crate) node: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It is there.
    Present,
    /// It is in the trash.
    Trashed,
    /// It is gone for good.
    Purged,
}

impl<P: Platform> Changes<P> {
    /// Asks for all changes after a checkpoint, or for all there is.
    pub(crate) async fn open(
        service: Rc<Service<P>>,
        checkpoint: Option<&str>,
    ) -> Result<Self, Error> {
        let json = serde_json::to_vec(&ChangesAfter::new(checkpoint));
        let call = Call {
            method: Method::Post,
            json: Some(json.map_err(|error| Error::Other(error.to_string()))?),
            ..Call::get(WHAT, format!("{}changes", service.metadata))
        };
        let body = match service.call(&call, Wanted::Open).await? {
            Answer::Open(response) if response.status == 200 => response.body,
            Answer::Open(_) | Answer::Whole(_) => {
                return Err(Error::protocol(WHAT, "it leads elsewhere"));
            }
        };
        Ok(Self {
            service,
            body: Some(body),
            text: Vec::new(),
            searched: 0,
            chunk: Vec::new(),
            from_start: checkpoint.is_none(),
            ended: false,
        })
    }

    /// The next set, whole; `None` when the service has said that this was all. A reply that
    /// breaks off, or ends without saying so, is an error after the sets that were whole:
    /// the last one's checkpoint is where to go on.
    pub(crate) async fn next(&mut self) -> Result<Option<ChangeSet>, Error> {
        while !self.ended {
            let line = self.line().await?;
            if self.text[..line].trim_ascii().is_empty() {
                self.drop_line(line);
                continue;
            }
            let set = self.set(line);
            self.drop_line(line);
            match set {
                Ok(Some(set)) => return Ok(Some(set)),
                Ok(None) => self.ended = true,
                Err(error) => {
                    // Nothing after it can be relied on.
                    self.body = None;
                    self.text.clear();
                    return Err(error);
                }
            }
        }
        self.body = None;
        Ok(None)
    }

    /// Has the next line at the start of the text; the answer is its length.
    async fn line(&mut self) -> Result<usize, Error> {
        loop {
            let unseen = &self.text[self.searched..];
            if let Some(end) = unseen.iter().position(|byte| *byte == b'\n') {
                return Ok(self.searched + end);
            }
            self.searched = self.text.len();
            if self.text.len() > LINE_LIMIT {
                self.body = None;
                return Err(Error::protocol(WHAT, "a line has no end"));
            }
            match self.body.take() {
                Some(body) => {
                    let chunk = std::mem::take(&mut self.chunk);
                    let read = self.service.platform.read_some(body, chunk).await;
                    let (chunk, body) = read.map_err(|error| {
                        self.text.clear();
                        self.searched = 0;
                        Error::of_transport(WHAT, error)
                    })?;
                    self.text.extend_from_slice(&chunk);
                    (self.chunk, self.body) = (chunk, body);
                }
                None if self.text.trim_ascii().is_empty() => {
                    let what = "the changes broke off: their end was not told";
                    return Err(Error::Unavailable(Detail::new(what)));
                }
                // The last line of the service has no end.
                None => return Ok(self.text.len()),
            }
        }
    }

    fn drop_line(&mut self, line: usize) {
        let end = self.text.len().min(line + 1);
        self.text.drain(..end);
        self.searched = 0;
    }

    /// What a line says; `None` is the end of all.
    fn set(&mut self, line: usize) -> Result<Option<ChangeSet>, Error> {
        let mut set = WireSet::default();
        lenient::object(&self.text[..line], &mut set)
            .map_err(|error| Error::protocol(WHAT, error))?;
        if let Some(status) = set.status_code.filter(|status| *status != 200) {
            let status = u16::try_from(status).unwrap_or(500);
            return Err(Error::of_reply(WHAT, status, Refusal::default()));
        }
        let Some(nodes) = set.nodes else {
            return match set.end {
                true => Ok(None),
                false => Err(Error::protocol(WHAT, "a line has no nodes")),
            };
        };
        if set.checkpoint.is_empty() {
            return Err(Error::protocol(WHAT, "a line has no checkpoint"));
        }
        let encoding = self.service.encoding;
        let mut changes = Vec::with_capacity(nodes.len());
        for node in nodes {
            let state = match node.oddity(None) {
                None => State::Present,
                Some(Odd::NotAvailable) if node.is_purged() => State::Purged,
                Some(Odd::NotAvailable) if node.is_trashed() => State::Trashed,
                Some(odd) => {
                    self.service.tell_odd(&node, odd);
                    continue;
                }
            };
            let node = node.into_node(encoding);
            changes.push(Change { state, node });
        }
        Ok(Some(ChangeSet {
            checkpoint: set.checkpoint.into_owned(),
            // Only of the first set, and in any case.
            reset: std::mem::take(&mut self.from_start) || set.reset,
            changes,
        }))
    }
}

/// What the user reads after "could not".
const WHAT: &str = "read the changes";

/// Most bytes of a line. One of some 2,000 nodes has some 2 MB; this is for servers that
/// have lost count.
const LINE_LIMIT: usize = 32 << 20;
