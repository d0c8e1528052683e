//! The loop that keeps a run's checkers and transfers busy, and no busier than asked.
//!
//! All state is here and in one task; the futures it runs only carry what they need and
//! bring back what they found.

use std::{collections::VecDeque, sync::Arc};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Error, Event, Mode, Notice, Observer, Options, Run, Severity, Summary,
    content::Meter,
    ends::{Ends, Root},
    event::Change,
    folders::{Done, Extra, Folders, Key},
    plan::{Step, What},
    send::{File, Sent, send},
    side::{Decider, Entry, Md5, Side, Spot},
    summary::Tally,
    visit::{Visit, Visited, visit},
};
use crate::component;

/// Carries out a run between two places that were looked at already.
pub(super) async fn drive(
    ends: Ends,
    mode: Mode,
    options: Options,
    decider: Arc<dyn Decider>,
    observer: Arc<dyn Observer>,
) -> Summary {
    let exists = ends.destination_exists;
    let (mode, visit) = match ends.root {
        Root::Folder => (mode, Visit::New { exists }),
        // What else is in the destination has no counterpart to be missing.
        Root::File(file) => (Mode::Copy, Visit::File { exists, file }),
    };
    let tally = Arc::new(Tally::new(observer));
    let mut drive = Drive {
        run: Arc::new(Run {
            source: ends.source,
            destination: ends.destination,
            decider,
            observer: Arc::clone(&tally) as Arc<dyn Observer>,
            options,
            removes_extra: mode == Mode::Sync,
            transfers: Default::default(),
            slots: Arc::new(Semaphore::new(options.transfers.max(1))),
            times: Default::default(),
        }),
        folders: Folders::default(),
        visits: Vec::new(),
        compares: VecDeque::new(),
        removals: VecDeque::new(),
        sends: VecDeque::new(),
        checks: FuturesUnordered::new(),
        visiting: 0,
        moves: FuturesUnordered::new(),
        unavailable: 0,
        summary: Summary::default(),
    };
    drive.enter(None, ends.source_spot, ends.destination_spot, visit);
    drive.run().await;
    Summary {
        stats: tally.stats(),
        ..drive.summary
    }
}

struct Drive {
    run: Arc<Run>,
    folders: Folders,
    /// Visits to begin or to go on with; the last first, so that the walk is depth first
    /// and few folders are in hand.
    visits: Vec<(Key, Visit)>,
    compares: VecDeque<Compare>,
    removals: VecDeque<Removal>,
    sends: VecDeque<Upcoming>,
    /// At most `checkers`.
    checks: FuturesUnordered<BoxFuture<'static, Checked>>,
    /// How many of the checks are visits.
    visiting: usize,
    /// At most `transfers` have a slot; the others look for what they sent.
    moves: FuturesUnordered<BoxFuture<'static, Moved>>,
    /// Items in a row that failed because the service did not answer.
    unavailable: u32,
    summary: Summary,
}

struct Compare {
    folder: Key,
    label: String,
    source: Entry,
    destination: Entry,
}

struct Removal {
    folder: Key,
    extra: Extra,
}

struct Upcoming {
    folder: Key,
    label: String,
    source: Entry,
    /// The raw name it gets, if not its own.
    new_name: Option<Box<[u8]>>,
    existing: Option<Entry>,
}

/// What a checker brought back.
enum Checked {
    Visited {
        folder: Key,
        outcome: Result<Visited, Error>,
    },
    Compared {
        compare: Compare,
        outcome: Result<bool, Error>,
    },
    Removed {
        removal: Removal,
        outcome: Result<(), Error>,
    },
}

/// What a transfer brought back.
struct Moved {
    folder: Key,
    label: String,
    meter: Arc<Meter>,
    outcome: Result<Sent, Error>,
}

impl Drive {
    async fn run(&mut self) {
        loop {
            while self.start_check() {}
            let slots = Arc::clone(&self.run.slots);
            let may_send = !self.sends.is_empty() && self.moves.len() < MOVES_MOST;
            tokio::select! {
                biased;
                Ok(slot) = slots.acquire_owned(), if may_send => self.start_move(slot),
                Some(moved) = self.moves.next() => self.moved(moved),
                Some(checked) = self.checks.next() => self.checked(checked),
                else => return,
            }
        }
    }

    fn start_move(&mut self, slot: OwnedSemaphorePermit) {
        let Some(job) = self.sends.pop_front() else {
            return;
        };
        let Some((source, destination)) = self.folders.spots(job.folder) else {
            return;
        };
        let run = Arc::clone(&self.run);
        let source_id = job.source.id.clone().map(String::from);
        let from = source.child(&job.source.name, source_id, job.label.clone());
        let to = match &job.existing {
            Some(there) => {
                let id = there.id.clone().map(String::from);
                destination.child(&there.name, id, job.label.clone())
            }
            None => {
                let raw = job.new_name.as_ref().unwrap_or(&job.source.name);
                let name = run.destination.own_name(raw);
                destination.child(&name, None, job.label.clone())
            }
        };
        let meter = Arc::new(Meter::new(Arc::clone(&run.observer), run.next_transfer()));
        self.tell(Event::Started {
            transfer: meter.transfer(),
            name: &job.label,
            bytes: job.source.size.unwrap_or(0),
        });
        self.moves.push(Box::pin(async move {
            let file = File {
                from,
                source: job.source,
                to,
                exists: job.existing.is_some(),
            };
            Moved {
                outcome: send(&run, file, &meter, slot).await,
                folder: job.folder,
                label: job.label,
                meter,
            }
        }));
    }

    fn start_check(&mut self) -> bool {
        if self.checks.len() >= self.run.options.checkers.max(1) {
            return false;
        }
        let waiting = self.sends.len() + self.compares.len();
        let may_visit = waiting < BACKLOG && !self.visits.is_empty();
        // Comparing large files must not keep new ones from being found for transfers
        // that have nothing to do.
        let hungry = self.sends.is_empty() && self.visiting == 0;
        let check = if may_visit && hungry {
            self.next_visit()
        } else if let Some(compare) = self.compares.pop_front() {
            self.compare(compare)
        } else if let Some(removal) = self.removals.pop_front() {
            self.remove(removal)
        } else if may_visit {
            self.next_visit()
        } else {
            return false;
        };
        self.checks.extend(check);
        true
    }

    fn next_visit(&mut self) -> Option<BoxFuture<'static, Checked>> {
        let (folder, step) = self.visits.pop()?;
        let (source, destination) = self.folders.spots(folder)?;
        let run = Arc::clone(&self.run);
        self.visiting += 1;
        Some(Box::pin(async move {
            let outcome = visit(&run, &source, destination, step).await;
            Checked::Visited { folder, outcome }
        }))
    }

    fn compare(&mut self, compare: Compare) -> Option<BoxFuture<'static, Checked>> {
        let (source, destination) = self.folders.spots(compare.folder)?;
        let child = |of: &Spot, entry: &Entry| {
            let id = entry.id.clone().map(String::from);
            of.child(&entry.name, id, compare.label.clone())
        };
        let from = child(&source, &compare.source);
        let to = child(&destination, &compare.destination);
        let run = Arc::clone(&self.run);
        Some(Box::pin(async move {
            let ours = content_of(&run, &*run.source, &from, &compare.source);
            let theirs = content_of(&run, &*run.destination, &to, &compare.destination);
            let outcome = futures::try_join!(ours, theirs)
                .map(|(ours, theirs)| ours.is_some() && ours == theirs);
            if matches!(outcome, Ok(true)) {
                let (ours, theirs) = (&compare.source, &compare.destination);
                run.times.agree(&run, &to, ours, theirs).await;
            }
            Checked::Compared { compare, outcome }
        }))
    }

    fn remove(&mut self, removal: Removal) -> Option<BoxFuture<'static, Checked>> {
        let (_, destination) = self.folders.spots(removal.folder)?;
        let Extra { label, entry } = &removal.extra;
        let id = entry.id.clone().map(String::from);
        let spot = destination.child(&entry.name, id, label.clone());
        let run = Arc::clone(&self.run);
        Some(Box::pin(async move {
            let kind = removal.extra.entry.kind;
            let removed = run.patiently(|| run.destination.remove(&spot, kind)).await;
            let outcome = match removed {
                // By somebody else, or by a try whose answer was lost.
                Err(gone) if gone.is_not_found() => Ok(()),
                outcome => outcome,
            };
            Checked::Removed { removal, outcome }
        }))
    }

    fn checked(&mut self, checked: Checked) {
        match checked {
            Checked::Visited { folder, outcome } => {
                self.visiting -= 1;
                match outcome {
                    Ok(visited) => {
                        self.unavailable = 0;
                        self.visited(folder, visited);
                    }
                    Err(error) => {
                        if let Some((source, _)) = self.folders.spots(folder) {
                            self.fail(folder, &source.label, None, error);
                        }
                    }
                }
            }
            Checked::Compared { compare, outcome } => match outcome {
                Ok(true) => self.unchanged(compare.folder, &compare.label, &compare.source),
                Ok(false) => self.plan_to_send(Upcoming {
                    folder: compare.folder,
                    label: compare.label,
                    source: compare.source,
                    new_name: None,
                    existing: Some(compare.destination),
                }),
                Err(error) => {
                    self.fail(compare.folder, &compare.label, None, error);
                }
            },
            Checked::Removed { removal, outcome } => match outcome {
                Ok(()) => {
                    self.unavailable = 0;
                    self.tell(Event::Deleted {
                        name: &removal.extra.label,
                        kind: removal.extra.entry.kind,
                    });
                    self.settle(removal.folder, false);
                }
                Err(error) => self.fail(removal.folder, &removal.extra.label, None, error),
            },
        }
    }

    fn visited(&mut self, key: Key, visited: Visited) {
        let Visited {
            destination,
            steps,
            rest,
        } = visited;
        let Some((source, _)) = self.folders.spots(key) else {
            return;
        };
        self.folders.found(key, Arc::clone(&destination));
        // Whatever is done at once must not look like the folder's end.
        self.folders.expect(key, steps.len());
        let ends = rest.is_none();
        self.visits.extend(rest.map(|rest| (key, rest)));
        let first = self.visits.len();
        for step in steps {
            self.step(key, &source, &destination, step);
        }
        // So that they are visited in the order of their names.
        if let Some(new) = self.visits.get_mut(first..) {
            new.reverse();
        }
        if ends {
            self.settle(key, false);
        }
    }

    fn step(&mut self, key: Key, source: &Spot, destination: &Spot, step: Step) {
        let Step {
            label,
            new_name,
            what,
        } = step;
        match what {
            What::Same(entry) => self.unchanged(key, &label, &entry),
            What::Compare(source, destination) => self.compares.push_back(Compare {
                folder: key,
                label,
                source,
                destination,
            }),
            What::Send(source, existing) => self.plan_to_send(Upcoming {
                folder: key,
                label,
                source,
                new_name,
                existing,
            }),
            What::MakeFolder(entry) => {
                let raw = new_name.as_ref().unwrap_or(&entry.name);
                let name = self.run.destination.own_name(raw).into_owned();
                let from = source.child(&entry.name, entry.id.map(String::from), label.clone());
                let to = destination.child(&name, None, label);
                self.enter(Some(key), from, to, Visit::New { exists: false });
            }
            What::Descend(ours, theirs) => {
                let from = source.child(&ours.name, ours.id.map(String::from), label.clone());
                let to = destination.child(&theirs.name, theirs.id.map(String::from), label);
                self.enter(Some(key), from, to, Visit::New { exists: true });
            }
            What::Remove(entry) => {
                self.folders.set_aside(key, Extra { label, entry });
                self.settle(key, false);
            }
            What::Problem(error) => {
                self.fail(key, &label, None, error);
            }
            What::Notice(notice) => {
                let name = &label;
                self.tell(Event::Notice { name, notice });
                self.settle(key, false);
            }
        }
    }

    /// Takes a folder in hand. The parent's count already has it.
    fn enter(&mut self, parent: Option<Key>, source: Spot, destination: Spot, visit: Visit) {
        let key = self.folders.enter(parent, source, destination);
        self.visits.push((key, visit));
    }

    fn unchanged(&mut self, key: Key, name: &str, entry: &Entry) {
        let bytes = entry.size.unwrap_or(0);
        self.tell(Event::Unchanged { name, bytes });
        self.settle(key, false);
    }

    fn plan_to_send(&mut self, send: Upcoming) {
        let (name, bytes) = (&send.label, send.source.size.unwrap_or(0));
        self.tell(Event::Planned { name, bytes });
        if self.run.options.dry_run {
            let change = match send.existing {
                Some(_) => Change::Overwrite { bytes },
                None => Change::Create { bytes },
            };
            self.tell(Event::Would { name, change });
            self.settle(send.folder, false);
        } else {
            self.sends.push_back(send);
        }
    }

    fn moved(&mut self, moved: Moved) {
        let Moved {
            folder,
            label,
            meter,
            outcome,
        } = moved;
        match outcome {
            Ok(Sent { outcome, bytes }) => {
                self.unavailable = 0;
                self.tell(Event::Finished {
                    transfer: meter.transfer(),
                    name: &label,
                    bytes,
                    outcome,
                });
                self.settle(folder, false);
            }
            Err(error) => self.fail(folder, &label, Some(&meter), error),
        }
    }

    /// One thing of a folder is done. When that was the last one: removes what is too
    /// much there, and after that the folder is one thing done for its parent.
    fn settle(&mut self, key: Key, failed: bool) {
        let (mut key, mut failed) = (key, failed);
        while let Some(done) = self.folders.settle(key, failed) {
            failed = done.failed;
            if self.finish(key, done) {
                return;
            }
            let Some(parent) = self.folders.leave(key) else {
                return;
            };
            key = parent;
        }
    }

    /// Deals with what is too much in a folder where all else is done. Says whether that
    /// leaves something to be done.
    fn finish(&mut self, key: Key, done: Done) -> bool {
        let Done {
            label,
            failed,
            extra,
        } = done;
        if extra.is_empty() || self.summary.stopped {
            return false;
        }
        if failed {
            let items = extra.len() as u64;
            self.tell(Event::Notice {
                name: &label,
                notice: Notice::NotDeleting { items },
            });
            return false;
        }
        if self.run.options.dry_run {
            for Extra { label, entry } in extra {
                let change = Change::Remove { kind: entry.kind };
                let name = &label;
                self.tell(Event::Would { name, change });
            }
            return false;
        }
        self.folders.expect(key, extra.len());
        let removals = extra
            .into_iter()
            .map(|extra| Removal { folder: key, extra });
        self.removals.extend(removals);
        true
    }

    fn fail(&mut self, key: Key, name: &str, meter: Option<&Meter>, error: Error) {
        self.tell(Event::Failed {
            transfer: meter.map(Meter::transfer),
            name,
            discarded: meter.map_or(0, Meter::take),
            error: &error,
        });
        self.unavailable += u32::from(is_unavailable(&error));
        let stops = error.severity() == Severity::Fatal || self.unavailable == UNAVAILABLE_MOST;
        if stops && !self.summary.stopped {
            self.tell(Event::Stopped { error: &error });
        }
        self.summary.keep(name, error, stops);
        if stops {
            self.stop();
        }
        self.settle(key, true);
    }

    /// Starts nothing more. Files on their way may still arrive.
    fn stop(&mut self) {
        self.visits.clear();
        self.compares.clear();
        self.removals.clear();
        self.sends.clear();
        self.checks.clear();
        self.visiting = 0;
    }

    fn tell(&self, event: Event<'_>) {
        self.run.observer.event(event);
    }
}

/// What content a file has, from what is known of it or by reading it; `None` where
/// nobody can tell.
async fn content_of(
    run: &Run,
    side: &dyn Side,
    spot: &Spot,
    known: &Entry,
) -> Result<Option<(u64, Md5)>, Error> {
    if let (Some(size), Some(md5)) = (known.size, known.md5) {
        return Ok(Some((size, md5)));
    }
    let digest = run.patiently(|| side.digest(spot)).await?;
    Ok(digest.and_then(|digest| Some((digest.size, Md5::parse(&digest.md5)?))))
}

/// Whether the service did not answer for as long as a request may take.
fn is_unavailable(error: &Error) -> bool {
    matches!(error.of_remote(), Some(component::Error::Unavailable(_)))
}

/// Items in a row that fail because the service does not answer before it is taken to be
/// gone. One can be a file the service cannot stand; and each has waited as long as its
/// requests may, with all retries.
const UNAVAILABLE_MOST: u32 = 3;

/// Files that may have been sent and not be found yet before no more are sent. Some hundred
/// bytes each, and a request every few seconds.
const MOVES_MOST: usize = 1000;

/// Files that may wait for a transfer or a comparison before listing waits for them.
/// Some 300 bytes each; and enough that transfers do not run dry while a slow listing
/// goes on.
pub(super) const BACKLOG: usize = 2000;
