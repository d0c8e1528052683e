//! One file's way from source to destination, with all its second chances.

use std::{mem, sync::Arc};

use tokio::sync::OwnedSemaphorePermit;

use super::{
    Error, Event, Outcome, Run,
    content::{Meter, Passing, Readable, Returned},
    side::{Entry, Landed, Md5, Spot},
};
use crate::{
    component,
    files::{self, Digest, Kind},
};

/// A file to be sent.
#[derive(Debug)]
pub(super) struct File {
    pub(super) from: Spot,
    pub(super) source: Entry,
    /// With the id of the file that is there, where there is one.
    pub(super) to: Spot,
    pub(super) exists: bool,
}

/// A file at its destination, proven.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) outcome: Outcome,
    pub(super) bytes: u64,
}

/// Sends a file until it is proven to be there, or there is no second chance left.
///
/// | The try ended in | then |
/// |---|---|
/// | another MD5 or size than sent | send again over it, once |
/// | a file that changed while read | send again, once |
/// | a taken name | look: the same file is success, another is overwritten, once |
/// | all sent, no clear answer | look for as long as it may come late; then send again, once |
/// | a broken connection | look: the same file is success; else send again |
/// | anything else | error |
///
/// A file of the destination whose name differs only by case is the same file to a
/// destination that ignores case, as in the plans, and is overwritten.
///
/// While it only looks, the `slot` is another file's.
pub(super) async fn send(
    run: &Run,
    mut file: File,
    meter: &Arc<Meter>,
    slot: OwnedSemaphorePermit,
) -> Result<Sent, Error> {
    let mut slot = Some(slot);
    let key = format!("acd-{}", uuid::Uuid::new_v4().simple());
    let mut chances = Chances {
        broken: run.options.retries,
        unconfirmed: 1,
        changed: 1,
        mismatch: 1,
        conflict: 1,
    };
    let mut bytes = file.source.size.unwrap_or(0);
    let outcome = if file.exists {
        Outcome::Overwritten
    } else {
        Outcome::Created
    };
    loop {
        if slot.is_none() {
            slot = Arc::clone(&run.slots).acquire_owned().await.ok();
        }
        let mut tried = Tried::default();
        let tried_once = try_once(run, &file, &key, meter, &mut bytes, &mut tried).await;
        let mut error = match tried_once {
            Ok(()) => return Ok(Sent { outcome, bytes }),
            Err(error) => error,
        };
        let write = match error.of_remote() {
            Some(component::Error::OutcomeUnknown(write)) => Some(write.clone()),
            _ => None,
        };
        if let Some(write) = write {
            slot = None;
            run.observer.event(Event::Unconfirmed {
                transfer: meter.transfer(),
                name: &file.from.label,
                error: &error,
            });
            let sent = sent_content(run, &file, tried.content.take()).await?;
            let found = run.destination.confirm(&file.to, &write, &sent.md5).await;
            match found {
                Ok(Some(landed)) if landed.proves(&sent) && is_expected(&file, &sent) => {
                    let bytes = sent.size;
                    let outcome = Outcome::ConfirmedLate;
                    return Ok(Sent { outcome, bytes });
                }
                // What was sent is there, and is not what the source has.
                Ok(Some(landed)) => {
                    error = Error::ContentMismatch {
                        path: file.from.label.clone(),
                        sent,
                        found: landed.to_string(),
                    };
                    tried.landed = Some(landed);
                }
                // Sent again, it could become two.
                Err(unseen) => return Err(unseen),
                Ok(None) => {
                    error = Error::NeverAppeared {
                        path: file.from.label.clone(),
                        tries: 2 - chances.unconfirmed,
                        source: Box::new(error),
                    }
                }
            }
        }
        match chances.remedy(run, &error) {
            Remedy::None => return Err(error),
            Remedy::Again => {}
            Remedy::Refreshed => {
                if let Some(now) = run.patiently(|| run.source.stat(&file.from)).await? {
                    file.source = now;
                }
            }
            Remedy::Over => {
                file.exists = true;
                file.to.id = tried.landed.and_then(|landed| landed.id).or(file.to.id);
            }
            Remedy::Look => match look(run, &file, &error, tried.content).await? {
                Found::Same => {
                    let outcome = Outcome::Confirmed;
                    return Ok(Sent { outcome, bytes });
                }
                Found::Nothing => {
                    file.exists = false;
                    file.to.id = None;
                }
                Found::Another(id) => {
                    file.exists = true;
                    file.to.id = id;
                }
                Found::Unfinished => return Err(error),
            },
        }
        run.observer.event(Event::Restarted {
            transfer: meter.transfer(),
            name: &file.from.label,
            discarded: meter.take(),
            error: &error,
        });
    }
}

/// What is left of a try that failed.
#[derive(Default)]
struct Tried {
    /// The content, if the writer was done with it and did not break it off.
    content: Option<Box<dyn Readable>>,
    /// What the destination said it has.
    landed: Option<Landed>,
}

async fn try_once(
    run: &Run,
    file: &File,
    key: &str,
    meter: &Arc<Meter>,
    bytes: &mut u64,
    tried: &mut Tried,
) -> Result<(), Error> {
    let content = run.source.read(&file.from, &file.source).await?;
    if let Some(now) = content.size()
        && now != *bytes
    {
        let was = mem::replace(bytes, now);
        let transfer = meter.transfer();
        run.observer.event(Event::Resized { transfer, was, now });
    }
    let expected = content.expected();
    let (passing, mut back) = Passing::lend(content, Arc::clone(meter));
    let written = run
        .destination
        .write(&file.to, passing, file.exists, key)
        .await;
    if let Ok(Some(Returned { content, error })) = back.try_recv() {
        // The reason for whatever the writer says.
        if let Some(error) = error {
            return Err(error);
        }
        tried.content = Some(content);
    }
    let mut landed = written?;
    let sent = sent_content(run, file, tried.content.take()).await?;
    if landed.md5.is_none() || landed.size.is_none() {
        let spot = Spot {
            id: landed.id.clone().or_else(|| file.to.id.clone()),
            ..file.to.clone()
        };
        if let Some(digest) = run.destination.digest(&spot).await? {
            landed.size = Some(digest.size);
            landed.md5 = Md5::parse(&digest.md5);
        }
    }
    *bytes = sent.size;
    let as_expected = expected.is_none_or(|md5| Md5::parse(&sent.md5) == Some(md5));
    if landed.proves(&sent) && as_expected {
        return Ok(());
    }
    let error = Error::ContentMismatch {
        path: file.from.label.clone(),
        sent: Digest {
            md5: expected.map_or(sent.md5, |md5| md5.text()),
            size: sent.size,
        },
        found: landed.to_string(),
    };
    tried.landed = Some(landed);
    Err(error)
}

/// What to do after a failed try.
enum Remedy {
    None,
    /// Send it again.
    Again,
    /// Send it again, as the source has it now.
    Refreshed,
    /// Send it again over what has landed, which is not what was sent.
    Over,
    /// Look at what the destination has: it may have landed, or another be in the way.
    Look,
}

/// How often each kind of second chance is left.
struct Chances {
    /// Broken connections and lost answers: `Options::retries`.
    broken: u32,
    /// Content that was all sent, and never appeared. It is not known to have been lost.
    unconfirmed: u32,
    /// A file that changed while it was read. One that changes all the time, such as a
    /// log, would go on for ever.
    changed: u32,
    /// Content that did not arrive as it was sent. Twice is no accident.
    mismatch: u32,
    /// A name that was taken since the folder was listed.
    conflict: u32,
}

impl Chances {
    fn remedy(&mut self, run: &Run, error: &Error) -> Remedy {
        let (left, remedy) = match error {
            Error::ContentMismatch { .. } => (&mut self.mismatch, Remedy::Over),
            error if is_changed(error) => (&mut self.changed, Remedy::Refreshed),
            Error::Local(files::Error::Mismatch { .. }) => (&mut self.mismatch, Remedy::Refreshed),
            Error::Local(files::Error::ChangedWhileReading { .. }) => {
                (&mut self.changed, Remedy::Again)
            }
            Error::NeverAppeared { .. } => (&mut self.unconfirmed, Remedy::Again),
            error if is_conflict(error) => (&mut self.conflict, Remedy::Look),
            error if !error.may_pass() => return Remedy::None,
            _ if run.destination.may_land_late() => (&mut self.broken, Remedy::Look),
            _ => (&mut self.broken, Remedy::Again),
        };
        match left.checked_sub(1) {
            Some(fewer) => {
                *left = fewer;
                remedy
            }
            None => Remedy::None,
        }
    }
}

/// What the content of a try was that is over.
async fn sent_content(
    run: &Run,
    file: &File,
    content: Option<Box<dyn Readable>>,
) -> Result<Digest, Error> {
    let sent = match content {
        Some(content) => Some(content.digest().await?),
        None => run.source.digest(&file.from).await?,
    };
    sent.ok_or_else(|| Error::NotReady {
        path: file.from.label.clone(),
    })
}

/// Whether the source is another file by now than when it was listed.
fn is_changed(error: &Error) -> bool {
    matches!(error.of_remote(), Some(component::Error::Changed(_)))
}

/// Whether what was read is what the source said it has.
fn is_expected(file: &File, sent: &Digest) -> bool {
    let expected = file.source.md5;
    expected.is_none_or(|md5| Md5::parse(&sent.md5) == Some(md5))
}

fn is_conflict(error: &Error) -> bool {
    matches!(
        error.of_remote(),
        Some(component::Error::NameConflict { .. })
    )
}

/// What a look at the destination found.
enum Found {
    /// What was to be sent.
    Same,
    Nothing,
    /// Another file, with its id.
    Another(Option<String>),
    /// A file whose content is not there yet, or a name that is taken by nothing: later
    /// will tell.
    Unfinished,
}

/// Looks at what the destination has after a try that failed with `error`.
async fn look(
    run: &Run,
    file: &File,
    error: &Error,
    content: Option<Box<dyn Readable>>,
) -> Result<Found, Error> {
    let in_the_way = match error.of_remote() {
        Some(component::Error::NameConflict { existing, .. }) => existing.clone(),
        _ => None,
    };
    let spot = Spot {
        id: in_the_way.or_else(|| file.to.id.clone()),
        ..file.to.clone()
    };
    let there = run.patiently(|| run.destination.stat(&spot)).await?;
    let Some(there) = there else {
        return Ok(if is_conflict(error) {
            Found::Unfinished
        } else {
            Found::Nothing
        });
    };
    if there.kind != Kind::File {
        return Err(Error::KindConflict {
            path: file.from.label.clone(),
            source_kind: Kind::File,
            destination_kind: there.kind,
        });
    }
    let Some(size) = there.size else {
        return Ok(Found::Unfinished);
    };
    let landed = Landed {
        id: there.id.map(String::from),
        size: Some(size),
        md5: there.md5,
    };
    // Reading a file again only where the size leaves it open.
    let sent = match (content, &file.source) {
        _ if landed.md5.is_none() || file.source.size.is_some_and(|it| it != size) => None,
        (Some(content), _) => Some(content.digest().await?),
        (None, Entry { md5: Some(md5), .. }) => Some(Digest {
            md5: md5.text(),
            size: file.source.size.unwrap_or(size),
        }),
        (None, _) => run.source.digest(&file.from).await?,
    };
    Ok(match sent {
        Some(sent) if landed.proves(&sent) && is_expected(file, &sent) => Found::Same,
        _ => Found::Another(landed.id),
    })
}
