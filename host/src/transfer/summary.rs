//! What became of a run.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Error, Event, Observer, Severity, Stats};

/// What became of a run. In a dry run: what would have become of it.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Summary {
    /// All numbers.
    pub stats: Stats,
    /// The first errors, at most [`Summary::ERRORS_KEPT`]; `stats.errors` counts all.
    pub errors: Vec<ItemError>,
    /// The greatest severity of all errors, of those not kept as well.
    pub severity: Option<Severity>,
    /// The run was broken off because no further item could be expected to do better.
    /// The last error kept is why.
    pub stopped: bool,
}

/// An item that failed.
#[derive(Debug)]
pub struct ItemError {
    /// The file or folder, as in the events.
    pub name: String,
    /// Why.
    pub error: Error,
}

impl Summary {
    /// How many errors are kept: more than a person reads, in little memory.
    pub const ERRORS_KEPT: usize = 100;

    /// Whether everything was done.
    pub fn is_complete(&self) -> bool {
        self.stats.errors == 0
    }

    /// Whether the destination was changed, or would have been.
    pub fn changed(&self) -> bool {
        let stats = &self.stats;
        stats.files_sent + stats.folders_made + stats.deleted + stats.times_set > 0
    }

    pub(super) fn keep(&mut self, name: &str, error: Error, stops: bool) {
        self.severity = self.severity.max(Some(error.severity()));
        self.stopped |= stops;
        if self.errors.len() == Self::ERRORS_KEPT {
            // Graver ones matter more, and most of all why it all ended.
            let milder = |item: &ItemError| item.error.severity() < error.severity();
            match self.errors.iter().position(milder) {
                Some(place) => drop(self.errors.remove(place)),
                None if stops => drop(self.errors.pop()),
                None => return,
            }
        }
        self.errors.push(ItemError {
            name: name.to_owned(),
            error,
        });
    }
}

/// Counts what it passes on.
pub(super) struct Tally {
    observer: Arc<dyn Observer>,
    stats: Mutex<Stats>,
}

impl Tally {
    pub(super) fn new(observer: Arc<dyn Observer>) -> Self {
        Self {
            observer,
            stats: Mutex::default(),
        }
    }

    pub(super) fn stats(&self) -> Stats {
        *self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Tally {
    fn event(&self, event: Event<'_>) {
        let stats = self.stats.lock();
        stats.unwrap_or_else(PoisonError::into_inner).add(&event);
        self.observer.event(event);
    }
}
