//! Copying and syncing between two places: local folders and remotes, in any pairing.
//!
//! Both sides are walked side by side, folder by folder. What to do with each name is
//! decided by the component ([`Sandbox::plan`]); this module lists, asks, carries out
//! and proves. A file counts as sent only when the destination's MD5 and size are those
//! of the bytes that were read.
//!
//! - One item's error does not stop the others; it is reported, counted, and ends up in
//!   the [`Summary`].
//! - [`Mode::Sync`] removes what only the destination has, folder by folder: after all
//!   below that folder is done, and only if both listings were complete and nothing
//!   below failed.
//! - Memory does not grow with the number of files. Folders are gone through depth
//!   first, and listing waits while enough files are waiting to be sent.
//! - Dropping the run's future stops it. No file is ever seen half under its name.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures::future::BoxFuture;
use tokio::sync::Semaphore;

use crate::{
    component::{self, Clashes, PlanOptions, Sandbox},
    place::Place,
};

mod content;
mod drive;
mod ends;
mod error;
mod event;
mod folders;
mod local;
mod plan;
mod ranges;
mod remote;
mod renamed;
pub(crate) mod resume;
mod send;
mod side;
mod slices;
mod summary;
#[cfg(test)]
mod tests;
mod times;
mod visit;

pub use crate::files::Kind;
pub use error::{Error, Severity};
pub use event::{Change, Event, Notice, Observer, Outcome, Stats};
pub use summary::{ItemError, Summary};

use side::{Decider, Side, Spot};

/// What a run is to achieve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The destination has all the source has. Nothing is removed.
    Copy,
    /// The destination has what the source has and nothing else. Where the source is one
    /// file, the same as `Copy`.
    Sync,
}

/// How a run goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Most files on their way at once; 0 counts as 1.
    pub transfers: usize,
    /// Most folders listed, files compared and items removed at once; 0 counts as 1.
    pub checkers: usize,
    /// Only say what would be done, and change nothing.
    pub dry_run: bool,
    /// What becomes of names that the destination cannot hold beside each other.
    pub clashes: Clashes,
    /// How often a file is sent again, or a folder listed again, after a broken
    /// connection or a lost answer. Each request has its own retries below that.
    pub retries: u32,
    /// Most connections for one large file of a remote that comes slowly; 0 counts as 1.
    pub streams: usize,
}

impl Default for Options {
    /// As rclone's `--transfers`, `--checkers` and `--retries`.
    fn default() -> Self {
        Self {
            transfers: 4,
            checkers: 8,
            dry_run: false,
            clashes: Clashes::Fail,
            retries: 3,
            streams: 4,
        }
    }
}

/// Copies or syncs. A source folder's contents go into the destination folder; a source
/// that is one file goes into the destination folder under its own name. A destination
/// folder that is missing is made, with those on the way to it.
///
/// Needs a tokio runtime; one thread is enough.
///
/// # Errors
/// Only for what prevents the run as a whole: `NotFound` and `NotAFile` for the source,
/// `NotAFolder` for the destination, `Overlap`, and failures of the first look at either.
/// All later errors are in the summary.
pub async fn run(
    mode: Mode,
    source: Place,
    destination: Place,
    sandbox: &Sandbox,
    options: Options,
    observer: Arc<dyn Observer>,
) -> Result<Summary, Error> {
    let decider = Arc::new(sandbox.clone());
    let ends = ends::open(source, destination, options.streams, &*decider).await?;
    Ok(drive::drive(ends, mode, options, decider, observer).await)
}

/// Copies one file to a path, as [`run`] copies one into a folder; the folders on the way
/// are made.
///
/// # Errors
/// As [`run`], and `NotAFile` for a source or a destination that is a folder.
pub async fn run_file(
    source: Place,
    destination: Place,
    sandbox: &Sandbox,
    options: Options,
    observer: Arc<dyn Observer>,
) -> Result<Summary, Error> {
    let decider = Arc::new(sandbox.clone());
    let ends = ends::open_file(source, destination, options.streams, &*decider).await?;
    Ok(drive::drive(ends, Mode::Copy, options, decider, observer).await)
}

/// What all parts of one run share.
struct Run {
    source: Arc<dyn Side>,
    destination: Arc<dyn Side>,
    decider: Arc<dyn Decider>,
    observer: Arc<dyn Observer>,
    options: Options,
    removes_extra: bool,
    transfers: AtomicU64,
    /// As many permits as files may be on their way.
    slots: Arc<Semaphore>,
    times: times::Times,
}

impl Run {
    fn plan_options(&self) -> PlanOptions {
        PlanOptions {
            destination_names: self.destination.rule(),
            remove_extra: self.removes_extra,
            clashes: self.options.clashes,
        }
    }

    /// A number for a new transfer.
    fn next_transfer(&self) -> u64 {
        self.transfers.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes a call that changes nothing when made twice, again if it may end otherwise.
    async fn patiently<'a, T, F>(&self, call: F) -> Result<T, Error>
    where
        F: Fn() -> BoxFuture<'a, Result<T, Error>>,
    {
        let mut retries = self.options.retries;
        loop {
            match call().await {
                Err(error) if error.may_pass() && retries > 0 => retries -= 1,
                outcome => return outcome,
            }
        }
    }

    /// Asks the component about a folder, as [`patiently`](Self::patiently).
    async fn decide<'a, T, F>(&self, folder: &Spot, call: F) -> Result<T, Error>
    where
        F: Fn() -> BoxFuture<'a, Result<T, component::Error>>,
    {
        let mut retries = self.options.retries;
        loop {
            match call().await {
                Err(component::Error::Lost(_)) if retries > 0 => retries -= 1,
                outcome => {
                    return outcome.map_err(|source| Error::Undecided {
                        path: folder.label.clone(),
                        source: Box::new(source),
                    });
                }
            }
        }
    }
}
