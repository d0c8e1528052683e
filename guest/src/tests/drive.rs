//! A small drive that changes at random, and its replies: what listings and changes have to
//! agree with.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{ROOT, script::Reply};

/// A drive. The first node is its root; a node's id is `n` and its number.
#[derive(Clone)]
pub(super) struct Drive {
    pub(super) nodes: Vec<Fake>,
    /// Changes so far.
    pub(super) changes: u64,
    random: u64,
    /// Nodes of a set of changes.
    pub(super) set: usize,
    /// Each set comes twice.
    pub(super) doubled: bool,
    /// Nodes of a page.
    pub(super) page: usize,
    /// Files that the account says it has.
    pub(super) told: Option<u64>,
}

#[derive(Clone)]
pub(super) struct Fake {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) status: &'static str,
    pub(super) parents: Vec<usize>,
    version: u64,
    /// Its last change.
    pub(super) changed: u64,
}

impl Drive {
    pub(super) fn new(seed: u64) -> Self {
        let mut drive = Self {
            nodes: Vec::new(),
            changes: 0,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            set: 3,
            doubled: false,
            page: 3,
            told: None,
        };
        drive.add("", "FOLDER", Vec::new());
        drive
    }

    /// A number below `bound`.
    pub(super) fn random(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 33).unwrap() % bound
    }

    pub(super) fn add(&mut self, name: &str, kind: &'static str, parents: Vec<usize>) -> usize {
        self.nodes.push(Fake {
            name: name.to_owned(),
            kind,
            status: "AVAILABLE",
            parents,
            version: 0,
            changed: 0,
        });
        let new = self.nodes.len() - 1;
        self.touch(new);
        new
    }

    fn touch(&mut self, number: usize) {
        self.changes += 1;
        self.nodes[number].changed = self.changes;
        self.nodes[number].version += 1;
    }

    pub(super) fn id(number: usize) -> String {
        match number {
            0 => ROOT.to_owned(),
            _ => format!("n{number}"),
        }
    }

    fn number(id: &str) -> usize {
        match id.strip_prefix('n') {
            Some(number) => number.parse().unwrap(),
            None => 0,
        }
    }

    fn below(&self, top: usize) -> BTreeSet<usize> {
        let mut all = BTreeSet::from([top]);
        loop {
            let more: Vec<_> = (0..self.nodes.len())
                .filter(|it| self.nodes[*it].parents.iter().any(|up| all.contains(up)))
                .filter(|it| !all.contains(it))
                .collect();
            if more.is_empty() {
                return all;
            }
            all.extend(more);
        }
    }

    fn folder(&mut self) -> usize {
        let folders: Vec<_> = (0..self.nodes.len())
            .filter(|it| self.nodes[*it].kind == "FOLDER" && self.nodes[*it].status == "AVAILABLE")
            .collect();
        folders[self.random(folders.len())]
    }

    /// Gives a node and all below it a status, where they have another one.
    pub(super) fn set_status(&mut self, top: usize, from: &str, to: &'static str) {
        for number in self.below(top) {
            if self.nodes[number].status == from {
                self.nodes[number].status = to;
                self.touch(number);
            }
        }
    }

    /// Some client does something.
    pub(super) fn step(&mut self) {
        let parent = self.folder();
        let new = self.nodes.len();
        let some = self.random(new);
        match self.random(12) {
            0..=2 => drop(self.add(&format!("file {new}"), "FILE", vec![parent])),
            3..=5 => drop(self.add(&format!("folder {new}"), "FOLDER", vec![parent])),
            6 => {
                let kind = ["ASSET", "FILE", "FILE"][self.random(3)];
                let number = self.add("", kind, vec![parent]);
                match self.random(3) {
                    0 => self.nodes[number].status = "PENDING",
                    1 => self.nodes[number].name = format!("asset {number}"),
                    _ => {}
                }
                if self.nodes[number].kind == "FILE" && self.nodes[number].status != "PENDING" {
                    self.nodes[number].name.clear();
                }
            }
            _ if some == 0 || self.nodes[some].status == "PURGED" => {}
            7 => {
                if !self.nodes[some].name.is_empty() {
                    self.nodes[some].name = format!("renamed {some} {}", self.changes);
                    self.touch(some);
                }
            }
            8 | 9 => {
                // Moved, or put into one more folder; never into what is below it.
                if !self.below(some).contains(&parent) && self.nodes[some].status == "AVAILABLE" {
                    if self.random(2) == 0 {
                        self.nodes[some].parents.clear();
                    }
                    if !self.nodes[some].parents.contains(&parent) {
                        self.nodes[some].parents.push(parent);
                    }
                    self.touch(some);
                }
            }
            10 => self.set_status(some, "AVAILABLE", "TRASH"),
            _ => match self.random(2) {
                0 => self.set_status(some, "TRASH", "PURGED"),
                _ => self.set_status(some, "TRASH", "AVAILABLE"),
            },
        }
    }

    fn json(&self, number: usize) -> Value {
        let node = &self.nodes[number];
        let mut json = json!({
            "id": Self::id(number), "kind": node.kind, "status": node.status,
            "version": node.version, "isRoot": number == 0,
            "parents": node.parents.iter().map(|up| Self::id(*up)).collect::<Vec<_>>(),
            "createdDate": "2016-04-02T09:11:47.031Z", "modifiedDate": "2016-04-02T09:11:47.031Z",
        });
        if !node.name.is_empty() {
            json["name"] = node.name.as_str().into();
        }
        if node.kind == "FILE" && node.status != "PENDING" {
            json["contentProperties"] = json!({"size": number, "md5": "00"});
        }
        json
    }

    /// Whether clients are to show it.
    pub(super) fn shows(&self, number: usize) -> bool {
        let node = &self.nodes[number];
        node.status == "AVAILABLE" && node.kind != "ASSET" && (number == 0 || !node.name.is_empty())
    }

    /// Paths and ids of all that is below a folder.
    pub(super) fn tree(&self, top: usize) -> BTreeSet<(String, String)> {
        let mut all = BTreeSet::new();
        let mut waiting = vec![(top, String::new())];
        while let Some((folder, above)) = waiting.pop() {
            for number in (1..self.nodes.len()).filter(|it| self.shows(*it)) {
                if self.nodes[number].parents.contains(&folder) {
                    let path = format!("{above}/{}", self.nodes[number].name);
                    if self.nodes[number].kind == "FOLDER" {
                        waiting.push((number, path.clone()));
                    }
                    all.insert((path, Self::id(number)));
                }
            }
        }
        all
    }

    /// The changes after a number, as the service writes them.
    pub(super) fn feed(&self, after: u64, reset: bool) -> String {
        let mut numbers: Vec<_> = (0..self.nodes.len())
            .filter(|it| self.nodes[*it].changed > after)
            .filter(|it| !reset || self.nodes[*it].status != "PURGED")
            .collect();
        numbers.sort_by_key(|it| self.nodes[*it].changed);
        let mut lines = Vec::new();
        let mut sets: Vec<_> = numbers.chunks(self.set).collect();
        if sets.is_empty() {
            sets.push(&[]);
        }
        for (index, set) in sets.into_iter().enumerate() {
            let until = set.last().map_or(after, |last| self.nodes[*last].changed);
            let nodes: Vec<_> = set.iter().map(|it| self.json(*it)).collect();
            let line = json!({
                "checkpoint": format!("c-{until}"), "reset": reset && index == 0,
                "nodes": nodes, "statusCode": 200,
            });
            lines.push(line.to_string());
            if self.doubled {
                lines.push(line.to_string());
            }
        }
        lines.push(r#"{"end":true}"#.to_owned());
        lines.join("\n")
    }

    /// The number in the checkpoint that a request's body has.
    pub(super) fn asked_after(body: &[u8]) -> Option<u64> {
        let asked: Value = serde_json::from_slice(body).unwrap();
        let checkpoint = asked.get("checkpoint")?.as_str().unwrap();
        assert_eq!(asked["includePurged"], "true");
        Some(checkpoint.strip_prefix("c-").unwrap().parse().unwrap())
    }

    /// The answer to a request of a walk.
    pub(super) fn answer(&self, line: &str, body: &[u8]) -> Reply {
        let query = |key: &str| {
            let url = line.split_once('?')?.1;
            let mut pairs = form_urlencoded::parse(url.as_bytes());
            pairs
                .find(|(name, _)| name == key)
                .map(|(_, value)| value.into_owned())
        };
        if line.starts_with("POST") {
            let after = Self::asked_after(body);
            let feed = self.feed(after.unwrap_or(0), after.is_none());
            return Reply::json(200, &feed);
        }
        if line.ends_with("account/usage") {
            let usage = self.told.map_or(json!({}), |files| {
                json!({"lastCalculated": "x", "other": {"total": {"bytes": 1, "count": files}}})
            });
            return Reply::json(200, &usage.to_string());
        }
        if let Some(filter) = query("filters") {
            let folder = Self::number(filter.strip_prefix("parents:").unwrap());
            // As the service's index: with what is not for use, but not what is trashed.
            let children: Vec<_> = (1..self.nodes.len())
                .filter(|it| self.nodes[*it].parents.contains(&folder))
                .filter(|it| matches!(self.nodes[*it].status, "AVAILABLE" | "PENDING"))
                .collect();
            let start = query("startToken").map_or(0, |token| token.parse().unwrap());
            let end = children.len().min(start + self.page);
            let data: Vec<_> = children[start..end]
                .iter()
                .map(|it| self.json(*it))
                .collect();
            let mut page = json!({"count": children.len(), "data": data});
            if end < children.len() {
                page["nextToken"] = end.to_string().into();
            }
            return Reply::json(200, &page.to_string());
        }
        let id = line.rsplit('/').next().unwrap().split('?').next().unwrap();
        Reply::json(200, &self.json(Self::number(id)).to_string())
    }
}
