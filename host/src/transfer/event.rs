//! What a run tells while it works, and the numbers that add up from it.

use super::Error;
use crate::files::Kind;

/// Follows a run. Called from several threads, often (every few hundred KiB of content),
/// and from inside the transfers: it must not block.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn event(&self, event: Event<'_>);
}

/// Follows nothing.
impl Observer for () {
    fn event(&self, _: Event<'_>) {}
}

/// Something happened. Names are paths below the source, or for what only the
/// destination has below the destination, with `/` between them, as people see them; the
/// top folder itself is `.`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A folder was listed, on both sides where both have it.
    Listed {
        /// The folder.
        name: &'a str,
        /// Names seen, both sides together.
        entries: u64,
    },
    /// A file is the same on both sides.
    Unchanged {
        /// The file.
        name: &'a str,
        /// Its size.
        bytes: u64,
    },
    /// The time of a file that is the same otherwise was set. `Unchanged` follows.
    TimeSet {
        /// The file.
        name: &'a str,
    },
    /// A file is to be sent. The sum of these grows while folders are still listed.
    Planned {
        /// The file.
        name: &'a str,
        /// Its size, as far as known.
        bytes: u64,
    },
    /// In a dry run: what would be done now.
    Would {
        /// The file or folder.
        name: &'a str,
        /// What would be done with it.
        change: Change,
    },
    /// A planned file is on its way.
    Started {
        /// Names this transfer in later events; never used twice in a run.
        transfer: u64,
        /// The file.
        name: &'a str,
        /// Bytes that `Planned` said.
        bytes: u64,
    },
    /// A started file does not have the size it was planned with.
    Resized {
        /// The transfer.
        transfer: u64,
        /// Bytes counted so far.
        was: u64,
        /// Bytes it has.
        now: u64,
    },
    /// Bytes of a started file were handed on.
    Advanced {
        /// The transfer.
        transfer: u64,
        /// How many more.
        bytes: u64,
    },
    /// All of a started file was sent, and no clear answer came: it is looked for, and
    /// meanwhile another one may be sent.
    Unconfirmed {
        /// The transfer.
        transfer: u64,
        /// The file.
        name: &'a str,
        /// What came instead of an answer.
        error: &'a Error,
    },
    /// A started file failed and is sent again from its start.
    Restarted {
        /// The transfer.
        transfer: u64,
        /// The file.
        name: &'a str,
        /// Bytes that `Advanced` counted and that are now in vain.
        discarded: u64,
        /// Why.
        error: &'a Error,
    },
    /// A started file is at its destination, proven by its MD5.
    Finished {
        /// The transfer.
        transfer: u64,
        /// The file.
        name: &'a str,
        /// Its size.
        bytes: u64,
        /// How it got there.
        outcome: Outcome,
    },
    /// A folder was made.
    FolderMade {
        /// The folder.
        name: &'a str,
    },
    /// Something that only the destination had was removed.
    Deleted {
        /// The file or folder.
        name: &'a str,
        /// What it was.
        kind: Kind,
    },
    /// A file, or a folder with all it holds, was left out because of an error.
    Failed {
        /// The transfer, if the file was started.
        transfer: Option<u64>,
        /// The file or folder.
        name: &'a str,
        /// Bytes that `Advanced` counted and that are now in vain.
        discarded: u64,
        /// Why.
        error: &'a Error,
    },
    /// Something a person may want to know, and no error.
    Notice {
        /// The file or folder.
        name: &'a str,
        /// What.
        notice: Notice,
    },
    /// No further file is started: with this error none can be expected to do better.
    Stopped {
        /// The error, which was or will be reported as `Failed` too.
        error: &'a Error,
    },
}

/// How a file got to its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Sent; the destination had none.
    Created,
    /// Sent over one that differed.
    Overwritten,
    /// Sent without a clear answer, and a look at the destination found it whole.
    Confirmed,
    /// As `Confirmed`, by the service that had said it failed, or nothing: it may have been
    /// waited for.
    ConfirmedLate,
}

/// What a dry run would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Send a file the destination does not have.
    Create {
        /// Its size.
        bytes: u64,
    },
    /// Send a file over one that differs.
    Overwrite {
        /// The new size.
        bytes: u64,
    },
    /// Make a folder.
    MakeFolder,
    /// Set the time of a file that is the same otherwise.
    SetTime,
    /// Remove what only the destination has.
    Remove {
        /// What it is.
        kind: Kind,
    },
}

/// Something worth saying that is no error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Notice {
    /// A symbolic link of the source was left out.
    #[error("skipped: a symbolic link")]
    SkippedLink,
    /// A device, pipe or socket of the source was left out.
    #[error("skipped: not an ordinary file")]
    SkippedSpecial,
    /// Another name of the source is the same name to the destination and goes first. This
    /// one was left out, as was asked for.
    #[error("skipped: the same name as {other} to the destination")]
    SkippedClash {
        /// The one that goes first.
        other: String,
    },
    /// Another name of the source is the same name to the destination and goes first. This
    /// one goes under a new name.
    #[error("goes as {new_name}: the same name as {other} to the destination")]
    Renamed {
        /// Its path at the destination.
        new_name: String,
        /// The one that goes first.
        other: String,
    },
    /// The time of a file could not be set, and it may be so with others that are not
    /// told of.
    #[error("the time of this file, and maybe of more, cannot be kept: {reason}")]
    TimeNotKept {
        /// Why.
        reason: String,
    },
    /// What only the destination has was not removed.
    #[error("not deleting {items} as there were errors")]
    NotDeleting {
        /// How many names directly in this folder.
        items: u64,
    },
    /// A leftover of a killed run could not be removed.
    #[error("could not clean up: {reason}")]
    NotCleanedUp {
        /// The system's answer.
        reason: String,
    },
}

/// Numbers of a run so far: feed it every event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Names listed.
    pub listed: u64,
    /// Files found the same.
    pub unchanged: u64,
    /// Files to be sent, those done included.
    pub files_planned: u64,
    /// Their bytes.
    pub bytes_planned: u64,
    /// Files at their destination, proven.
    pub files_sent: u64,
    /// Those of them that were found there after an upload without a clear answer.
    pub files_confirmed: u64,
    /// Bytes moved, without those in vain.
    pub bytes_moved: u64,
    /// Bytes moved in vain: of files that had to be sent again, or failed.
    pub bytes_discarded: u64,
    /// Files found the same whose time was set.
    pub times_set: u64,
    /// Folders made.
    pub folders_made: u64,
    /// Files and folders removed, a folder as one.
    pub deleted: u64,
    /// Items that failed.
    pub errors: u64,
}

impl Stats {
    /// Adds one event. A dry run counts what would have been done as done.
    pub fn add(&mut self, event: &Event<'_>) {
        match event {
            Event::Listed { entries, .. } => self.listed += entries,
            Event::Unchanged { .. } => self.unchanged += 1,
            Event::Planned { bytes, .. } => {
                self.files_planned += 1;
                self.bytes_planned += bytes;
            }
            Event::Would { change, .. } => match change {
                Change::Create { bytes } | Change::Overwrite { bytes } => {
                    self.files_sent += 1;
                    self.bytes_moved += bytes;
                }
                Change::MakeFolder => self.folders_made += 1,
                Change::SetTime => self.times_set += 1,
                Change::Remove { .. } => self.deleted += 1,
            },
            Event::Resized { was, now, .. } => {
                self.bytes_planned = self.bytes_planned.saturating_sub(*was) + now;
            }
            Event::Advanced { bytes, .. } => self.bytes_moved += bytes,
            Event::Restarted { discarded, .. } => self.discard(*discarded),
            Event::Finished { outcome, .. } => {
                self.files_sent += 1;
                self.files_confirmed += u64::from(*outcome == Outcome::ConfirmedLate);
            }
            Event::TimeSet { .. } => self.times_set += 1,
            Event::FolderMade { .. } => self.folders_made += 1,
            Event::Deleted { .. } => self.deleted += 1,
            Event::Failed { discarded, .. } => {
                self.errors += 1;
                self.discard(*discarded);
            }
            Event::Started { .. }
            | Event::Unconfirmed { .. }
            | Event::Notice { .. }
            | Event::Stopped { .. } => {}
        }
    }

    fn discard(&mut self, bytes: u64) {
        self.bytes_discarded += bytes;
        self.bytes_moved = self.bytes_moved.saturating_sub(bytes);
    }
}
