//! A drive as sets of changes tell it: whole at any time, whatever happens to the stream.

use std::collections::HashMap;

use crate::{
    changes::{Change, ChangeSet, State},
    listing::short,
    wire::Node,
};

/// The nodes of a drive that are there for use, and where to go on.
///
/// Each set is applied as a whole or not at all. When the service begins anew, the old view
/// stays until the new one is whole: it would show an empty drive, or half of one.
#[derive(Debug, Default)]
pub(crate) struct View {
    shown: Nodes,
    /// The one that is to take its place.
    coming: Option<Nodes>,
    checkpoint: Option<String>,
}

/// Nodes by the short form of their ids.
pub(crate) type Nodes = HashMap<u128, Held>;

/// A node, and room for whoever makes a tree of them.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) node: Box<Node>,
    /// Where a list of what is in it begins; nowhere, as long as nobody has made one.
    pub(crate) first: Option<u32>,
}

impl View {
    /// Where to go on; `None` is the beginning.
    pub(crate) fn checkpoint(&self) -> Option<&str> {
        self.checkpoint.as_deref()
    }

    /// Nodes that are held, shown or not.
    pub(crate) fn held(&self) -> usize {
        self.shown.len() + self.coming.as_ref().map_or(0, Nodes::len)
    }

    /// The nodes of the last state that was whole.
    pub(crate) fn nodes(&self) -> &Nodes {
        &self.shown
    }

    /// The same, for good.
    pub(crate) fn into_nodes(self) -> Nodes {
        self.shown
    }

    /// Takes a set. One that came before changes nothing: a node is never taken back to an
    /// earlier version.
    pub(crate) fn apply(&mut self, set: ChangeSet) {
        if set.reset {
            self.coming = Some(Nodes::new());
        }
        let nodes = self.coming.as_mut().unwrap_or(&mut self.shown);
        for Change { state, node } in set.changes {
            let id = short(&node.id);
            match state {
                State::Present => {
                    let newer = nodes
                        .get(&id)
                        .is_some_and(|held| held.node.version > node.version);
                    if !newer {
                        let node = Box::new(node);
                        nodes.insert(id, Held { node, first: None });
                    }
                }
                State::Trashed | State::Purged => drop(nodes.remove(&id)),
            }
        }
        self.checkpoint = Some(set.checkpoint);
    }

    /// The service has said that this was all.
    pub(crate) fn end(&mut self) {
        if let Some(nodes) = self.coming.take() {
            self.shown = nodes;
        }
    }
}
