//! Nodes that are left out, each told to the user once by id and name.

use crate::{
    listing::short,
    names,
    platform::{Level, Platform},
    service::Service,
    wire::{Odd, WireNode},
};

impl<P: Platform> Service<P> {
    /// Tells of a node that is not shown.
    pub(crate) fn tell_odd(&self, node: &WireNode<'_>, odd: Odd) {
        let (level, why) = match odd {
            Odd::Unreadable => (Level::Warn, "it cannot be read"),
            Odd::Kind => (Level::Warn, "it is neither file nor folder"),
            Odd::Nameless => (Level::Warn, "it has no name"),
            Odd::Elsewhere => (Level::Warn, "it is in another folder"),
            Odd::Pending => (Level::Info, "an upload to it has not ended"),
            // The index may be behind: no news.
            Odd::NotAvailable => (Level::Debug, "it is not available"),
            Odd::NotTrashed => (Level::Debug, "it is not in the trash"),
        };
        self.tell(level, "left out", node, why);
    }

    /// Tells of a node that came once more.
    pub(crate) fn tell_repeated(&self, node: &WireNode<'_>) {
        let why = "it came more than once";
        self.tell(Level::Debug, "shown once", node, why);
    }

    fn tell(&self, level: Level, what: &str, node: &WireNode<'_>, why: &str) {
        let name = node.name.as_deref().unwrap_or_default();
        // What has no id has its name, or is the first of its kind.
        let key = match node.id.is_empty() {
            false => &node.id,
            true => name,
        };
        {
            let mut told = self.told.borrow_mut();
            if told.len() >= TOLD {
                *told = Default::default();
            }
            if !told.insert(short(key)) {
                return;
            }
        }
        let name = names::display(&names::decode(name, self.encoding));
        let line = format!("{what}: node {} named {name:?}, as {why}", node.id);
        self.platform.log(level, &line);
    }
}

/// Odd nodes remembered, so that none is told twice. With more of them it begins anew: some
/// are told again, and the memory stays bounded.
const TOLD: usize = 10_000;
