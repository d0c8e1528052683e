//! The folders a run has in hand, and how it knows that one is done.

use std::{collections::HashMap, mem, sync::Arc};

use super::side::{Entry, Spot};

/// Names a folder in hand.
pub(super) type Key = u64;

/// Folders that something is still to be done in.
#[derive(Default)]
pub(super) struct Folders {
    in_hand: HashMap<Key, Folder>,
    next: Key,
}

struct Folder {
    parent: Option<Key>,
    source: Arc<Spot>,
    destination: Arc<Spot>,
    /// What is still to be done in it: its visit, its files, its folders.
    pending: usize,
    /// Something in it or below it failed.
    failed: bool,
    extra: Vec<Extra>,
}

/// Something only the destination has.
#[derive(Debug)]
pub(super) struct Extra {
    pub(super) label: String,
    pub(super) entry: Entry,
}

/// A folder in which all is done but what depends on that.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) label: String,
    pub(super) failed: bool,
    /// What may go now, if nothing failed.
    pub(super) extra: Vec<Extra>,
}

impl Folders {
    /// Takes a folder in hand, with one thing to be done: its visit.
    pub(super) fn enter(&mut self, parent: Option<Key>, source: Spot, destination: Spot) -> Key {
        let key = self.next;
        self.next += 1;
        let folder = Folder {
            parent,
            source: Arc::new(source),
            destination: Arc::new(destination),
            pending: 1,
            failed: false,
            extra: Vec::new(),
        };
        self.in_hand.insert(key, folder);
        key
    }

    /// Where it is on both sides.
    pub(super) fn spots(&self, key: Key) -> Option<(Arc<Spot>, Arc<Spot>)> {
        let folder = self.in_hand.get(&key)?;
        Some((Arc::clone(&folder.source), Arc::clone(&folder.destination)))
    }

    /// The destination's folder is known better now.
    pub(super) fn found(&mut self, key: Key, destination: Arc<Spot>) {
        if let Some(folder) = self.in_hand.get_mut(&key) {
            folder.destination = destination;
        }
    }

    /// So many more things are to be done in it.
    pub(super) fn expect(&mut self, key: Key, more: usize) {
        if let Some(folder) = self.in_hand.get_mut(&key) {
            folder.pending += more;
        }
    }

    /// Something may have to go when all else is done.
    pub(super) fn set_aside(&mut self, key: Key, extra: Extra) {
        if let Some(folder) = self.in_hand.get_mut(&key) {
            folder.extra.push(extra);
        }
    }

    /// One thing is done. Says so when it was the last one; the folder stays in hand
    /// until it is left.
    pub(super) fn settle(&mut self, key: Key, failed: bool) -> Option<Done> {
        let folder = self.in_hand.get_mut(&key)?;
        folder.pending -= 1;
        folder.failed |= failed;
        (folder.pending == 0).then(|| Done {
            label: folder.source.label.clone(),
            failed: folder.failed,
            extra: mem::take(&mut folder.extra),
        })
    }

    /// Lets go of a folder. Its parent is next to be settled.
    pub(super) fn leave(&mut self, key: Key) -> Option<Key> {
        self.in_hand.remove(&key)?.parent
    }
}
