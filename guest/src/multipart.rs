//! The body of an upload: `multipart/form-data` around content that is still coming.

use std::{cell::Cell, rc::Rc};

use crate::{
    platform::{BodySource, Content, CutOff},
    policy::Progress,
};

/// How much of a body has been handed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Bytes of content.
    pub(crate) bytes: u64,
    /// The first bytes of the body have left.
    begun: bool,
    /// The last bytes of the body have left.
    ended: bool,
    /// The content broke off, or was not as long as promised.
    pub(crate) cut_off: bool,
    /// The content was longer than a file may be.
    pub(crate) too_large: bool,
}

/// How long the content may be.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    /// Exactly, where known.
    pub(crate) size: Option<u64>,
    /// At most.
    pub(crate) largest: Option<u64>,
}

impl Sent {
    pub(crate) fn progress(self) -> Progress {
        match (self.begun, self.ended) {
            (false, _) => Progress::Unsent,
            (true, false) => Progress::Partial,
            (true, true) => Progress::Sent,
        }
    }
}

/// The two parts, in the order the service wants them: `metadata` (not for an overwrite)
/// and `content`.
pub(crate) struct Multipart<C> {
    state: State,
    head: Vec<u8>,
    first: Vec<u8>,
    content: C,
    tail: Vec<u8>,
    limits: Limits,
    sent: Rc<Cell<Sent>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    First,
    Content,
    End,
}

impl<C: Content> Multipart<C> {
    /// `first` are bytes of the content that were read before.
    pub(crate) fn new(
        boundary: &str,
        metadata: Option<&str>,
        content_type: &str,
        first: Vec<u8>,
        content: C,
        limits: Limits,
        sent: Rc<Cell<Sent>>,
    ) -> Self {
        let metadata = metadata.map_or(String::new(), |metadata| {
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n\
                 {metadata}\r\n"
            )
        });
        // The file name is not looked at by the service, which goes by the metadata.
        let head = format!(
            "{metadata}--{boundary}\r\nContent-Disposition: form-data; name=\"content\"; \
             filename=\"content\"\r\nContent-Type: {content_type}\r\n\r\n"
        );
        Self {
            state: State::Head,
            head: head.into_bytes(),
            first,
            content,
            tail: format!("\r\n--{boundary}--\r\n").into_bytes(),
            limits,
            sent,
        }
    }

    /// Length of the whole body, where the content's is known.
    pub(crate) fn length(&self) -> Option<u64> {
        let around = self.head.len() as u64 + self.tail.len() as u64;
        self.limits.size.and_then(|size| size.checked_add(around))
    }

    fn note(&self, change: impl FnOnce(&mut Sent)) {
        let mut sent = self.sent.get();
        change(&mut sent);
        self.sent.set(sent);
    }

    /// Counts content that is about to be handed on.
    fn count(&self, bytes: usize) -> Result<(), CutOff> {
        let total = self.sent.get().bytes + bytes as u64;
        if self.limits.size.is_some_and(|size| total > size) {
            return Err(self.cut_off());
        }
        if self.limits.largest.is_some_and(|largest| total > largest) {
            self.note(|sent| sent.too_large = true);
            return Err(self.cut_off());
        }
        self.note(|sent| sent.bytes = total);
        Ok(())
    }

    fn cut_off(&self) -> CutOff {
        self.note(|sent| sent.cut_off = true);
        CutOff
    }
}

impl<C: Content> BodySource for Multipart<C> {
    async fn next(&mut self, buffer: Vec<u8>) -> Result<Option<Vec<u8>>, CutOff> {
        if self.state == State::Head {
            self.state = State::First;
            self.note(|sent| sent.begun = true);
            return Ok(Some(std::mem::take(&mut self.head)));
        }
        if self.state == State::First {
            self.state = State::Content;
            let first = std::mem::take(&mut self.first);
            if !first.is_empty() {
                self.count(first.len())?;
                return Ok(Some(first));
            }
        }
        if self.state == State::Content {
            let mut buffer = buffer;
            buffer.clear();
            if buffer.capacity() < BUFFER {
                buffer = Vec::with_capacity(BUFFER);
            }
            let chunk = self.content.read(buffer).await;
            if !chunk.is_empty() {
                self.count(chunk.len())?;
                return Ok(Some(chunk));
            }
            self.state = State::End;
            let whole = self.content.is_complete().await;
            if !whole
                || self
                    .limits
                    .size
                    .is_some_and(|size| size != self.sent.get().bytes)
            {
                return Err(self.cut_off());
            }
            // Said a moment early: taking the end for sent when it was not costs a look,
            // the other way round it costs a second upload.
            self.note(|sent| sent.ended = true);
            return Ok(Some(std::mem::take(&mut self.tail)));
        }
        Ok(None)
    }
}

/// Bytes read at once; larger buffers were measured to be no faster.
const BUFFER: usize = 256 << 10;
