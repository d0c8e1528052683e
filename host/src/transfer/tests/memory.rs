//! A place in memory that does wrong what a test tells it to.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use md5::Digest as _;

use crate::{
    component::{self, Detail, NameRule, Unconfirmed},
    files::{Digest, Kind},
    transfer::{
        Error,
        content::{Hashed, Passing, Readable},
        side::{Entry, Landed, Listed, Md5, Side, Spot},
    },
};

/// A drive in memory. Names differ by bytes or by more than case, as on its model.
pub(super) struct Memory {
    rule: NameRule,
    state: Mutex<State>,
    /// Calls that are under way now, and the most that ever were: lists and writes.
    pub(super) listing: Gauge,
    pub(super) writing: Gauge,
    /// How often a write lets others go first.
    pub(super) slowness: usize,
    /// What was written without a clear answer is not there before this call was made.
    pub(super) late_after: Option<&'static str>,
}

#[derive(Default)]
struct State {
    /// By path as this place tells names apart.
    nodes: BTreeMap<String, Node>,
    keys: HashMap<String, String>,
    next_id: u64,
    faults: Vec<(String, Fault)>,
    calls: Vec<String>,
    /// Paths and keys of all writes.
    uploads: Vec<(String, String)>,
}

#[derive(Clone)]
struct Node {
    id: String,
    /// The path as it was spelled first.
    path: String,
    /// `None` is a folder.
    content: Option<Vec<u8>>,
    /// A file whose content is not there yet.
    pending: bool,
    /// A file's own time.
    time: Option<SystemTime>,
}

/// What goes wrong in one call.
pub(super) enum Fault {
    /// The call fails and does nothing.
    Error(component::Error),
    /// The call fails with an error of the local kind.
    Local(crate::files::Error),
    /// A write stores everything and then fails.
    Stored(component::Error),
    /// A write takes everything, stores nothing and fails.
    Dropped(component::Error),
    /// A write stores other bytes than it got; a read gives others than it has.
    Corrupt,
    /// A read breaks off in its middle.
    Cut,
    /// Somebody makes this file before the call.
    Appears(&'static str),
    /// Somebody makes a folder of that name before the call.
    AppearsAsFolder,
}

/// Counts calls under way.
#[derive(Default)]
pub(super) struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Gauge {
    fn enter(&self) -> impl Drop + '_ {
        struct Leave<'a>(&'a AtomicUsize);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        Leave(&self.now)
    }

    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

impl Memory {
    /// A place with these files, and folders where the path ends in `/`.
    pub(super) fn new(rule: NameRule, items: &[(&str, &str)]) -> Self {
        let memory = Self {
            rule,
            state: Mutex::default(),
            listing: Gauge::default(),
            writing: Gauge::default(),
            slowness: 0,
            late_after: None,
        };
        for (path, content) in items {
            let (path, content) = match path.strip_suffix('/') {
                Some(path) => (path, None),
                None => (*path, Some(content.as_bytes().to_vec())),
            };
            memory.put(path, content, false);
        }
        memory
    }

    /// Makes a file whose upload has not ended.
    pub(super) fn put_pending(&self, path: &str) {
        self.put(path, Some(Vec::new()), true);
    }

    /// The next call of this kind (`write`, `list` …) about this path goes wrong.
    pub(super) fn fail(&self, call: &str, path: &str, fault: Fault) {
        let mut state = self.state.lock().unwrap();
        state.faults.push((format!("{call} {path}"), fault));
    }

    /// Gives a file a time of its own.
    pub(super) fn set_own_time(&self, path: &str, time: SystemTime) {
        let key = self.fold(path);
        let mut state = self.state.lock().unwrap();
        state.nodes.get_mut(&key).unwrap().time = Some(time);
    }

    /// A file's own time.
    pub(super) fn own_time(&self, path: &str) -> Option<SystemTime> {
        self.state.lock().unwrap().nodes[&self.fold(path)].time
    }

    /// Calls that changed something or moved content, in order.
    pub(super) fn calls(&self) -> Vec<String> {
        self.state.lock().unwrap().calls.clone()
    }

    /// The keys that a path was written with.
    pub(super) fn keys(&self, path: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let of_path = state.uploads.iter().filter(|(it, _)| it == path);
        of_path.map(|(_, key)| key.clone()).collect()
    }

    /// All paths and contents, folders with a `/` and none.
    pub(super) fn tree(&self) -> BTreeMap<String, String> {
        let state = self.state.lock().unwrap();
        let shown = |node: &Node| match &node.content {
            Some(content) => (
                node.path.clone(),
                String::from_utf8(content.clone()).unwrap(),
            ),
            None => (format!("{}/", node.path), String::new()),
        };
        state.nodes.values().map(shown).collect()
    }

    fn put(&self, path: &str, content: Option<Vec<u8>>, pending: bool) -> Node {
        let key = self.fold(path);
        let mut state = self.state.lock().unwrap();
        if let Some((parent, _)) = path.rsplit_once('/')
            && !state.nodes.contains_key(&self.fold(parent))
        {
            drop(state);
            self.put(parent, None, false);
            state = self.state.lock().unwrap();
        }
        state.next_id += 1;
        let (id, path) = match state.nodes.get(&key) {
            Some(node) => (node.id.clone(), node.path.clone()),
            None => (format!("id{}", state.next_id), path.to_owned()),
        };
        let node = Node {
            id,
            path,
            content,
            pending,
            time: None,
        };
        state.keys.insert(node.id.clone(), key.clone());
        state.nodes.insert(key, node.clone());
        node
    }

    /// Writes down the call, and makes it go wrong if a test wants that.
    fn begin(&self, call: &str, path: &str) -> Result<Option<Fault>, Error> {
        let mut state = self.state.lock().unwrap();
        let this = format!("{call} {path}");
        let fault = state.faults.iter().position(|(it, _)| *it == this);
        state.calls.push(this);
        match fault.map(|at| state.faults.remove(at).1) {
            Some(Fault::Error(source)) => Err(remote(path, source)),
            Some(Fault::Local(error)) => Err(error.into()),
            Some(Fault::Appears(content)) => {
                drop(state);
                self.put(path, Some(content.as_bytes().to_vec()), false);
                Ok(None)
            }
            Some(Fault::AppearsAsFolder) => {
                drop(state);
                self.put(path, None, false);
                Ok(None)
            }
            fault => Ok(fault),
        }
    }

    /// The node at a spot, by its id or path.
    fn find(&self, spot: &Spot) -> Option<Node> {
        let state = self.state.lock().unwrap();
        let key = match &spot.id {
            Some(id) => state.keys.get(id)?.clone(),
            None => self.fold(&path_of(spot)),
        };
        state.nodes.get(&key).cloned()
    }

    fn fold(&self, name: &str) -> String {
        match self.rule {
            NameRule::Exact => name.to_owned(),
            NameRule::IgnoreCase => name.to_lowercase(),
        }
    }
}

#[async_trait]
impl Side for Memory {
    fn rule(&self) -> NameRule {
        self.rule
    }

    fn own_name<'a>(&self, raw: &'a [u8]) -> Cow<'a, [u8]> {
        Cow::Borrowed(raw)
    }

    fn may_land_late(&self) -> bool {
        true
    }

    async fn stat(&self, spot: &Spot) -> Result<Option<Entry>, Error> {
        self.begin("stat", &path_of(spot))?;
        Ok(self.find(spot).map(|node| entry(&node)))
    }

    async fn list(&self, folder: &Spot) -> Result<Listed, Error> {
        let path = path_of(folder);
        self.begin("list", &path)?;
        let _under_way = self.listing.enter();
        tokio::task::yield_now().await;
        let prefix = if path.is_empty() {
            String::new()
        } else {
            self.fold(&format!("{path}/"))
        };
        let state = self.state.lock().unwrap();
        let inside = state.nodes.range(prefix.clone()..);
        let inside = inside.take_while(|(path, _)| path.starts_with(&prefix));
        let direct = inside.filter(|(path, _)| !path[prefix.len()..].contains('/'));
        Ok(Listed {
            entries: direct.map(|(_, node)| entry(node)).collect(),
            leftovers: Vec::new(),
        })
    }

    async fn clean_up(&self, _: &Spot, _: &[Vec<u8>]) -> Result<(), Error> {
        Ok(())
    }

    async fn digest(&self, file: &Spot) -> Result<Option<Digest>, Error> {
        self.begin("digest", &path_of(file))?;
        let content = self.find(file).and_then(|node| node.content);
        Ok(content.map(|content| Digest {
            md5: hex::encode(md5::Md5::digest(&content)),
            size: content.len() as u64,
        }))
    }

    async fn read(&self, file: &Spot, known: &Entry) -> Result<Box<dyn Readable>, Error> {
        let path = path_of(file);
        let fault = self.begin("read", &path)?;
        let gone = || remote(&path, component::Error::NotFound(Detail::default()));
        let node = self.find(file).ok_or_else(gone)?;
        let content = node.content.unwrap_or_default();
        let (half, rest) = content.split_at(content.len() / 2);
        let mut blocks = vec![Ok(Bytes::copy_from_slice(half))];
        match fault {
            Some(Fault::Cut) => {
                let cut = component::Error::Interrupted(Detail::default());
                blocks.push(Err(remote(&path, cut)));
            }
            Some(Fault::Corrupt) => blocks.push(Ok(Bytes::from(vec![b'!'; rest.len()]))),
            _ => blocks.push(Ok(Bytes::copy_from_slice(rest))),
        }
        let content = stream::iter(blocks);
        let content = Hashed::new(content, known.size, known.md5);
        Ok(Box::new(content.of_time(known.time)))
    }

    async fn write(
        &self,
        to: &Spot,
        mut content: Passing,
        exists: bool,
        key: &str,
    ) -> Result<Landed, Error> {
        let path = path_of(to);
        self.state
            .lock()
            .unwrap()
            .uploads
            .push((path.clone(), key.to_owned()));
        let _under_way = self.writing.enter();
        for _ in 0..self.slowness {
            tokio::task::yield_now().await;
        }
        let fault = self.begin("write", &path)?;
        let mut stored = Vec::new();
        while let Some(bytes) = content.next().await {
            let cut = |_| remote(&path, component::Error::Interrupted(Detail::default()));
            stored.extend_from_slice(&bytes.map_err(cut)?);
        }
        if content
            .size()
            .is_some_and(|size| size != stored.len() as u64)
        {
            return Err(remote(
                &path,
                component::Error::Interrupted(Detail::default()),
            ));
        }
        if let Some(Fault::Dropped(error)) = fault {
            return Err(remote(&path, error));
        }
        let there = self.find(to);
        let path = match there {
            Some(node) if !exists => {
                let conflict = component::Error::NameConflict {
                    existing: Some(node.id),
                    detail: Detail::default(),
                };
                return Err(remote(&path, conflict));
            }
            Some(there) => there.path,
            None if exists => {
                return Err(remote(&path, component::Error::NotFound(Detail::default())));
            }
            None => path,
        };
        if let Some(Fault::Corrupt) = fault {
            stored.push(b'!');
        }
        let mut node = self.put(&path, Some(stored), false);
        node.time = content.time();
        let key = self.fold(&path);
        self.state.lock().unwrap().nodes.insert(key, node.clone());
        match fault {
            Some(Fault::Stored(error)) => Err(remote(&path, error)),
            _ => {
                let entry = entry(&node);
                Ok(Landed {
                    id: entry.id.map(String::from),
                    size: entry.size,
                    md5: entry.md5,
                })
            }
        }
    }

    async fn confirm(
        &self,
        to: &Spot,
        _: &Unconfirmed,
        md5: &str,
    ) -> Result<Option<Landed>, Error> {
        let path = path_of(to);
        self.begin("confirm", &path)?;
        if let Some(call) = self.late_after {
            while !self.calls().iter().any(|it| it == call) {
                tokio::task::yield_now().await;
            }
        }
        let found = self.find(to).map(|node| entry(&node));
        Ok(found
            .filter(|entry| entry.md5.is_some() && entry.md5 == Md5::parse(md5))
            .map(|entry| Landed {
                id: entry.id.map(String::from),
                size: entry.size,
                md5: entry.md5,
            }))
    }

    async fn set_time(&self, file: &Spot, _: &Entry, time: SystemTime) -> Result<(), Error> {
        let path = path_of(file);
        self.begin("time", &path)?;
        let key = self.fold(&path);
        if let Some(node) = self.state.lock().unwrap().nodes.get_mut(&key) {
            node.time = Some(time);
        }
        Ok(())
    }

    async fn make_folder(&self, folder: &Spot) -> Result<Option<String>, Error> {
        let path = path_of(folder);
        self.begin("make", &path)?;
        if path.is_empty() {
            // The base, which is always there.
            return Ok(None);
        }
        Ok(Some(self.put(&path, None, false).id))
    }

    async fn remove(&self, spot: &Spot, _: Kind) -> Result<(), Error> {
        let path = path_of(spot);
        self.begin("remove", &path)?;
        let (key, below) = (self.fold(&path), self.fold(&format!("{path}/")));
        let mut state = self.state.lock().unwrap();
        state
            .nodes
            .retain(|it, _| *it != key && !it.starts_with(&below));
        Ok(())
    }
}

fn path_of(spot: &Spot) -> String {
    let names = spot
        .names
        .iter()
        .map(|name| String::from_utf8(name.clone()).unwrap());
    names.collect::<Vec<_>>().join("/")
}

fn entry(node: &Node) -> Entry {
    let content = node.content.as_ref().filter(|_| !node.pending);
    Entry {
        name: node.path.rsplit('/').next().unwrap().as_bytes().into(),
        kind: if node.content.is_some() {
            Kind::File
        } else {
            Kind::Folder
        },
        size: content.map(|content| content.len() as u64),
        md5: content.and_then(|it| Md5::parse(&hex::encode(md5::Md5::digest(it)))),
        id: Some(node.id.as_str().into()),
        time: node.time,
    }
}

fn remote(path: &str, source: component::Error) -> Error {
    Error::Remote {
        action: "use",
        path: path.to_owned(),
        source: Box::new(source),
    }
}
