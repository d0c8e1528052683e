//! Nodes and their rules as the reference has them, in memory.

use std::collections::BTreeSet;

/// Nodes by number; number 0 is the folder that all others are in.
pub(super) struct Model {
    pub(super) nodes: Vec<Node>,
}

pub(super) struct Node {
    pub(super) name: String,
    /// Files have it, folders do not.
    pub(super) content: Option<Vec<u8>>,
    pub(super) parents: BTreeSet<usize>,
    /// In the trash itself.
    pub(super) trashed: bool,
    /// In the trash because a folder above it is.
    pub(super) trashed_along: bool,
}

impl Node {
    pub(super) fn is_available(&self) -> bool {
        !self.trashed && !self.trashed_along
    }
}

#[derive(Debug)]
pub(super) enum Change {
    Create {
        name: &'static str,
        parent: usize,
        content: Option<Vec<u8>>,
    },
    Overwrite {
        node: usize,
        content: Vec<u8>,
    },
    Rename {
        node: usize,
        name: &'static str,
    },
    Move {
        node: usize,
        from: usize,
        to: usize,
    },
    AddParent {
        node: usize,
        parent: usize,
    },
    RemoveParent {
        node: usize,
        parent: usize,
    },
    Trash {
        node: usize,
    },
    Restore {
        node: usize,
    },
}

/// What a change comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was made; of this node.
    Done(usize),
    /// One of these has the name.
    Taken(BTreeSet<usize>),
    TrashedParent,
    /// For a reason whose status is not told, or for several.
    Refused,
    /// The reference does not say. Nothing was changed.
    Open,
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            nodes: vec![Node {
                name: String::new(),
                content: None,
                parents: BTreeSet::new(),
                trashed: false,
                trashed_along: false,
            }],
        }
    }

    pub(super) fn parents(&self, node: usize) -> impl Iterator<Item = usize> {
        self.nodes[node].parents.iter().copied()
    }

    /// All nodes in a folder, in the trash or not.
    fn children(&self, folder: usize) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(move |child| self.nodes[*child].parents.contains(&folder))
    }

    pub(super) fn available_in(&self, folder: usize) -> impl Iterator<Item = usize> {
        self.children(folder)
            .filter(|child| self.nodes[*child].is_available())
    }

    pub(super) fn apply(&mut self, change: &Change) -> Outcome {
        match change {
            Change::Create {
                name,
                parent,
                content,
            } => self.create(name, *parent, content.clone()),
            Change::Overwrite { node, content } => self.overwrite(*node, content),
            Change::Rename { node, name } => self.rename(*node, name),
            Change::Move { node, from, to } => self.relocate(*node, *from, *to),
            Change::AddParent { node, parent } => self.add_parent(*node, *parent),
            Change::RemoveParent { node, parent } => self.remove_parent(*node, *parent),
            Change::Trash { node } => self.trash(*node),
            Change::Restore { node } => self.restore(*node),
        }
    }

    fn create(&mut self, name: &str, parent: usize, content: Option<Vec<u8>>) -> Outcome {
        if let Some(refusal) = self.refusal(parent) {
            return refusal;
        }
        let taken = self.named(parent, name, None);
        if !taken.is_empty() {
            return Outcome::Taken(taken);
        }
        self.nodes.push(Node {
            name: name.into(),
            content,
            parents: BTreeSet::from([parent]),
            trashed: false,
            trashed_along: false,
        });
        Outcome::Done(self.nodes.len() - 1)
    }

    fn overwrite(&mut self, number: usize, content: &[u8]) -> Outcome {
        let node = &mut self.nodes[number];
        let available = node.is_available();
        match &mut node.content {
            None => Outcome::Refused,
            Some(_) if !available => Outcome::Open,
            Some(old) => {
                *old = content.to_vec();
                Outcome::Done(number)
            }
        }
    }

    fn rename(&mut self, node: usize, name: &str) -> Outcome {
        if self.nodes[node].is_available() {
            let parents = self.parents(node);
            let taken: BTreeSet<_> = parents
                .flat_map(|parent| self.named(parent, name, Some(node)))
                .collect();
            if !taken.is_empty() {
                return Outcome::Taken(taken);
            }
        }
        self.nodes[node].name = name.into();
        Outcome::Done(node)
    }

    fn relocate(&mut self, node: usize, from: usize, to: usize) -> Outcome {
        let parents = &self.nodes[node].parents;
        if !self.nodes[node].is_available() || !parents.contains(&from) {
            return Outcome::Refused;
        }
        if parents.contains(&to) {
            return Outcome::Open;
        }
        if let Some(refusal) = self.cannot_hold(to, node) {
            return refusal;
        }
        self.nodes[node].parents.remove(&from);
        self.nodes[node].parents.insert(to);
        Outcome::Done(node)
    }

    fn add_parent(&mut self, node: usize, parent: usize) -> Outcome {
        let adding = &self.nodes[node];
        if adding.parents.contains(&parent) {
            return Outcome::Done(node);
        }
        // What lies in the trash with a folder, and what the trash may hold.
        if adding.trashed_along || (adding.trashed && !self.nodes[parent].is_available()) {
            return Outcome::Open;
        }
        if let Some(refusal) = self.cannot_hold(parent, node) {
            return refusal;
        }
        self.nodes[node].parents.insert(parent);
        Outcome::Done(node)
    }

    fn remove_parent(&mut self, node: usize, parent: usize) -> Outcome {
        let removing = &self.nodes[node];
        if !removing.parents.contains(&parent) {
            return Outcome::Refused;
        }
        if removing.parents.len() == 1 || removing.trashed_along {
            return Outcome::Open;
        }
        self.nodes[node].parents.remove(&parent);
        Outcome::Done(node)
    }

    fn trash(&mut self, node: usize) -> Outcome {
        if self.nodes[node].trashed {
            return Outcome::Done(node);
        }
        if self.nodes[node].trashed_along {
            return Outcome::Open;
        }
        let below = self.below(node);
        // Whether a node goes along that lies in another folder as well.
        let elsewhere = |child: &usize| {
            let mut parents = self.parents(*child);
            parents.any(|parent| parent != node && !below.contains(&parent))
        };
        if below.iter().any(elsewhere) {
            return Outcome::Open;
        }
        self.nodes[node].trashed = true;
        for child in below {
            if !self.nodes[child].trashed {
                self.nodes[child].trashed_along = true;
            }
        }
        Outcome::Done(node)
    }

    fn restore(&mut self, node: usize) -> Outcome {
        if self.nodes[node].is_available() {
            return Outcome::Done(node);
        }
        if self
            .parents(node)
            .any(|parent| !self.nodes[parent].is_available())
        {
            return Outcome::Open;
        }
        let along = self.along(node);
        // Renames in the trash may have made two of one name below.
        let clash = along.iter().any(|child| {
            self.parents(*child).any(|parent| {
                let mut others = self
                    .children(parent)
                    .filter(|other| other != child && along.contains(other));
                others.any(|other| same(&self.nodes[other].name, &self.nodes[*child].name))
            })
        });
        // Or one of them lies in a further folder that is in the trash, or is in use.
        let inside = |parent: usize| parent == node || along.contains(&parent);
        let elsewhere = along
            .iter()
            .any(|child| self.parents(*child).any(|parent| !inside(parent)));
        if clash || elsewhere {
            return Outcome::Open;
        }
        let name = &self.nodes[node].name;
        let parents = self.parents(node);
        let taken: BTreeSet<_> = parents
            .flat_map(|parent| self.named(parent, name, Some(node)))
            .collect();
        if !taken.is_empty() {
            return Outcome::Taken(taken);
        }
        self.nodes[node].trashed = false;
        for child in along {
            self.nodes[child].trashed_along = false;
        }
        Outcome::Done(node)
    }

    /// Everything below a folder.
    fn below(&self, folder: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut waiting: Vec<_> = self.children(folder).collect();
        while let Some(child) = waiting.pop() {
            if found.insert(child) {
                waiting.extend(self.children(child));
            }
        }
        found
    }

    /// What went into the trash with a folder: not what lay there itself, nor what is in that.
    fn along(&self, folder: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut waiting = vec![folder];
        while let Some(parent) = waiting.pop() {
            for child in self.children(parent) {
                if !self.nodes[child].trashed
                    && self.nodes[child].trashed_along
                    && found.insert(child)
                {
                    waiting.push(child);
                }
            }
        }
        found
    }

    /// Why nothing can be put into this.
    fn refusal(&self, parent: usize) -> Option<Outcome> {
        let parent = &self.nodes[parent];
        match (&parent.content, parent.is_available()) {
            (Some(_), _) => Some(Outcome::Refused),
            (None, false) => Some(Outcome::TrashedParent),
            (None, true) => None,
        }
    }

    /// Why this node cannot be put into that folder.
    fn cannot_hold(&self, parent: usize, node: usize) -> Option<Outcome> {
        let ring = parent == node || self.below(node).contains(&parent);
        if ring {
            return Some(Outcome::Refused);
        }
        if let Some(refusal) = self.refusal(parent) {
            return Some(refusal);
        }
        let adding = &self.nodes[node];
        let taken = self.named(parent, &adding.name, Some(node));
        (adding.is_available() && !taken.is_empty()).then_some(Outcome::Taken(taken))
    }

    /// The available nodes of this name in the folder, but for one.
    fn named(&self, folder: usize, name: &str, but: Option<usize>) -> BTreeSet<usize> {
        let mut found: BTreeSet<_> = self.available_in(folder).collect();
        found.retain(|child| Some(*child) != but && same(&self.nodes[*child].name, name));
        found
    }
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}
