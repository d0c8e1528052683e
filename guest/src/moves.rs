//! Moves and renames: on the service's side, and never through the trash.
//!
//! The service changes a node's folder by one call and its name by another. A move that
//! needs both is noted with the node before its first step, in a label (labels need no
//! owner, are documented, and come and go with a name in one request). So a run that was
//! killed between the steps leaves a node that says where it was going, and the same move
//! goes on with it:
//!
//! | step | request | the node is then |
//! |---|---|---|
//! | 1 | `PATCH` of label and name | in the old folder, under the new name |
//! | 2 | `POST` to the new folder's children | in the new folder, under the new name |
//! | 3 | `PATCH` of the label | the same, and nothing is noted |
//!
//! Where the old folder has another node of the new name, the name is changed by step 3;
//! where the new folder has one of the old name as well, step 1 gives it a name of its own.
//!
//! Each step is judged by the node itself and not by the answer alone. Of a step that
//! finally fails, all before it are taken back.

use serde::Serialize;

use crate::{
    error::{Detail, Error},
    lookup::{Target, shown},
    names,
    platform::{Level, Method, Platform},
    service::{Call, Service, path_segment},
    wire::{Kind, Node},
};

/// One move, all it takes looked up.
struct Job<'a> {
    id: String,
    /// The folder it leaves, and the one it goes to.
    from: String,
    to: String,
    old: Vec<u8>,
    new: &'a Vec<u8>,
    /// What is moved, and what is done, as people see it.
    source: String,
    what: String,
    /// What says in a label that this move has begun.
    mark: String,
    /// A name for the time between that nothing else has.
    between: Vec<u8>,
}

/// What is to be of a node, or of what is in a folder. What is left out stays.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Change<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<&'a [&'a str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_parent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    child_id: Option<&'a str>,
}

impl<P: Platform> Service<P> {
    /// Moves a node, renames it, or both.
    pub(crate) async fn move_node(&self, source: &Target, path: &[Vec<u8>]) -> Result<Node, Error> {
        let is_root = match source {
            Target::Id(id) => *id == self.root,
            Target::Path(path) => path.is_empty(),
        };
        if is_root {
            return Err(Error::Forbidden(Detail::new(
                "the root folder cannot be moved",
            )));
        }
        let Some((new, parents)) = path.split_last().filter(|(name, _)| !name.is_empty()) else {
            return Err(invalid("nothing can be moved to where the root is"));
        };
        if let Target::Path(path) = source {
            // What is remembered of the way may be another folder's by now.
            self.forget(path);
        }
        let way = self.way_to(parents).await?;
        let Some(to) = way.last() else {
            return Err(invalid("there is no folder to move to"));
        };
        let (from, old, source, found) = match source {
            Target::Path(path) => {
                let (old, parents) = path.split_last().unwrap_or((new, &[]));
                let (from, _) = self.folder_id(parents).await?;
                (from, old.clone(), shown(path), None)
            }
            Target::Id(id) => {
                let node = self.stat_id(id).await?;
                let from = match &node.parents[..] {
                    [from] => from.clone(),
                    several if several.contains(to) && node.name == *new => return Ok(node),
                    _ => {
                        return Err(invalid(
                            "the node is not in one folder alone: name by its path which one it \
                             is to leave",
                        ));
                    }
                };
                (from, node.name.clone(), id.clone(), Some(node))
            }
        };
        let (a, b) = (
            names::encode(&old, self.encoding),
            names::encode(new, self.encoding),
        );
        let hash = hash(&[&from, to, &a, &b]);
        let mut job = Job {
            id: String::new(),
            what: format!("move {source} to {}", shown(path)),
            mark: format!("{MARK}{from}:{to}:{hash:016x}"),
            between: format!(".acd-move-{hash:016x}").into_bytes(),
            from,
            to: to.clone(),
            old,
            new,
            source,
        };
        let node = match found {
            Some(node) => node,
            None => self.find(&job).await?,
        };
        job.id.clone_from(&node.id);
        if way.contains(&node.id) {
            return Err(invalid("a folder cannot be moved into itself"));
        }
        if node.parents.len() > 1 && node.name != *new {
            return Err(invalid(
                "the node is in several folders, and a new name would be its name in all of them",
            ));
        }
        if let Some(existing) = self.taken(&job, &job.to, new).await? {
            let error = Error::NameConflict {
                existing: Some(existing),
                detail: Detail::new(format!("the name is taken: {}", shown(path))),
            };
            return Err(match node.labels.contains(&job.mark) {
                true => self.take_back(&job, error).await,
                false => error,
            });
        }
        let original_time = node.original_time;
        let outcome = self.carry_out(&job, node).await;
        // Other ways lead to it now.
        self.forget_id(&job.id);
        // Replies to changes come without it.
        outcome.map(|node| Node {
            original_time,
            ..node
        })
    }

    /// The ids from the root to a folder that is there now.
    async fn way_to(&self, path: &[Vec<u8>]) -> Result<Vec<String>, Error> {
        let (id, remembered) = self.folder_id(path).await?;
        if remembered {
            let there = match self.stat_id(&id).await {
                Ok(node) => node.kind == Kind::Folder && path.last() == Some(&node.name),
                Err(Error::NotFound(_)) => false,
                Err(error) => return Err(error),
            };
            if !there {
                self.forget(path);
            }
        }
        let mut way = Vec::with_capacity(path.len() + 1);
        for depth in 0..=path.len() {
            way.push(self.folder_id(&path[..depth]).await?.0);
        }
        Ok(way)
    }

    /// The node to be moved: at its place, or on its way since a run that was killed.
    async fn find(&self, job: &Job<'_>) -> Result<Node, Error> {
        let both = job.from != job.to && job.old != *job.new;
        let places = [
            (&job.from, &job.old),
            (&job.from, job.new),
            (&job.to, job.new),
            (&job.to, &job.old),
            (&job.from, &job.between),
            (&job.to, &job.between),
        ];
        for (number, (folder, name)) in places.into_iter().enumerate() {
            if number > 0 && !both {
                break;
            }
            if let Some(node) = self.shown_at(folder, name).await? {
                if number == 0 && is_at(&node, folder, name) {
                    return Ok(node);
                }
                if both && node.labels.contains(&job.mark) {
                    self.platform
                        .log(Level::Info, "an earlier move is gone on with");
                    return Ok(node);
                }
            }
        }
        Err(Self::gone(&job.source))
    }

    /// The node that a lookup finds, as it is. The index can be behind the nodes: it may be
    /// elsewhere.
    async fn shown_at(&self, folder: &str, name: &[u8]) -> Result<Option<Node>, Error> {
        let found = match self.child(folder, name).await {
            Ok(found) => self.stat_id(&found.id).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(node) => Ok(Some(node)),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Another node that has this name in the folder.
    async fn taken(
        &self,
        job: &Job<'_>,
        folder: &str,
        name: &[u8],
    ) -> Result<Option<String>, Error> {
        let found = self.shown_at(folder, name).await?;
        let other = found.filter(|node| node.id != job.id && is_at(node, folder, name));
        Ok(other.map(|node| node.id))
    }

    async fn carry_out(&self, job: &Job<'_>, mut node: Node) -> Result<Node, Error> {
        let in_place = |node: &Node| {
            let within = |folder| node.parents.iter().any(|parent| parent == folder);
            within(&job.to) && (job.from == job.to || !within(&job.from))
        };
        if !in_place(&node) && node.name != *job.new && !node.labels.contains(&job.mark) {
            node = self.begin(job, node).await?;
        }
        if !in_place(&node) {
            let mut moved = self.change_folder(job, &job.from, &job.to).await;
            if matches!(moved, Err(Error::NameConflict { .. }))
                && node.name == job.old
                && job.old != *job.new
            {
                // Of the old name there is another by now, which is in nobody's way.
                let labels = others(&node, Some(&job.mark));
                moved = match self.change(job, Some(&job.between), Some(&labels)).await {
                    Ok(_) => self.change_folder(job, &job.from, &job.to).await,
                    Err(error) => Err(error),
                };
            }
            node = match moved {
                Ok(node) => node,
                Err(error) => return Err(self.take_back(job, error).await),
            };
        }
        let name = (node.name != *job.new).then_some(&job.new[..]);
        let labels = without_marks(&node);
        if name.is_none() && labels.is_none() {
            return Ok(node);
        }
        match self.change(job, name, labels.as_deref()).await {
            Ok(node) => Ok(node),
            Err(error) if name.is_some() => Err(self.take_back(job, error).await),
            Err(_) => {
                // It is where it should be; the label says nothing wrong.
                self.platform
                    .log(Level::Warn, "a label is left on what was moved");
                Ok(node)
            }
        }
    }

    /// Notes the move with the node, and gives it the name it has while it is moved.
    async fn begin(&self, job: &Job<'_>, node: Node) -> Result<Node, Error> {
        let labels = others(&node, Some(&job.mark));
        if labels.len() > MOST_LABELS {
            return Err(invalid(
                "the node has all the labels it can have, so that a move under another name \
                 cannot be noted: rename it first, then move it",
            ));
        }
        let mut last = None;
        for (name, other) in [
            (job.new, Some(&job.from)),
            (&job.old, Some(&job.to)),
            (&job.between, None),
        ] {
            if let Some(folder) = other
                && self.taken(job, folder, name).await?.is_some()
            {
                continue;
            }
            let name = (*name != job.old).then_some(&name[..]);
            match self.change(job, name, Some(&labels)).await {
                Ok(node) => return Ok(node),
                Err(error @ Error::NameConflict { .. }) => last = Some(error),
                Err(error) => {
                    last = Some(error);
                    break;
                }
            }
        }
        let error = last.unwrap_or_else(|| Self::gone(&job.source));
        Err(self.take_back(job, error).await)
    }

    /// Gives the node another name, other labels, or both.
    async fn change(
        &self,
        job: &Job<'_>,
        name: Option<&[u8]>,
        labels: Option<&[&str]>,
    ) -> Result<Node, Error> {
        let encoded = name.map(|name| names::encode(name, self.encoding));
        let change = Change {
            name: encoded.as_deref(),
            labels,
            ..Change::default()
        };
        let mark = |label: &&str| label.starts_with(MARK);
        let done = |node: &Node| {
            let marked = node.labels.iter().map(String::as_str).find(mark);
            name.is_none_or(|name| node.name == name)
                && labels.is_none_or(|labels| marked == labels.iter().copied().find(mark))
        };
        let url = self.node_url(&job.id);
        self.step(job, Method::Patch, url, &change, &done).await
    }

    /// Takes the node out of one folder and puts it into another, in one request.
    async fn change_folder(&self, job: &Job<'_>, from: &str, to: &str) -> Result<Node, Error> {
        let change = Change {
            from_parent: Some(from),
            child_id: Some(&job.id),
            ..Change::default()
        };
        let done = |node: &Node| {
            let within = |folder| node.parents.iter().any(|parent| parent == folder);
            within(to) && !within(from)
        };
        let url = format!("{}nodes/{}/children", self.metadata, path_segment(to));
        self.step(job, Method::Post, url, &change, &done).await
    }

    /// Makes one change, until the node shows it. Making it twice does no harm: a second
    /// time it is refused, or the same.
    async fn step(
        &self,
        job: &Job<'_>,
        method: Method,
        url: String,
        change: &Change<'_>,
        done: &dyn Fn(&Node) -> bool,
    ) -> Result<Node, Error> {
        let what = &job.what;
        let json = serde_json::to_vec(change);
        let json = json.map_err(|error| Error::Other(error.to_string()))?;
        let call = Call {
            what,
            method,
            url,
            json: Some(json),
            range: None,
            authorized: true,
            idempotent: true,
        };
        let error = match self.whole(&call).await {
            Ok(body) => match self.node(what, &body) {
                Ok(node) if node.oddity(None).is_none() => {
                    let node = node.into_node(self.encoding);
                    if done(&node) {
                        return Ok(node);
                    }
                    Error::protocol(what, "nothing has changed")
                }
                Ok(_) => Error::protocol(what, "the node is not available"),
                // A body that says nothing is no failure of the change.
                Err(error) => error,
            },
            Err(error) => error,
        };
        match self.stat_id(&job.id).await {
            Ok(node) if done(&node) => Ok(node),
            Ok(_) | Err(_) => Err(error),
        }
    }

    /// Brings the node back to where it was, after a step that finally failed; says of the
    /// error where it is if that fails too.
    async fn take_back(&self, job: &Job<'_>, error: Error) -> Error {
        let mut seen = match self.stat_id(&job.id).await {
            Ok(node) => node,
            Err(Error::NotFound(_)) => return error,
            Err(_) => {
                return error.also(
                    "; whether it was moved cannot be seen now: the same move again finds out",
                );
            }
        };
        let mut back = Ok(());
        if !seen.parents.contains(&job.from) {
            match self.change_folder(job, &job.to, &job.from).await {
                Ok(node) => seen = node,
                Err(_) => back = Err(()),
            }
        }
        let name = (seen.name != job.old).then_some(&job.old[..]);
        let labels = without_marks(&seen);
        if back.is_ok() && (name.is_some() || labels.is_some()) {
            let changed = self.change(job, name, labels.as_deref()).await;
            back = changed.map(drop).map_err(drop);
        }
        if back.is_ok() {
            return error;
        }
        let folder = match seen.parents.contains(&job.to) {
            true => ("destination's", &job.to),
            false => ("source's", &job.from),
        };
        error.also(&format!(
            "; it could not be put back, and is now {} in the {} folder {} (node {}): the same \
             move again goes on from there",
            names::display(&seen.name),
            folder.0,
            folder.1,
            job.id
        ))
    }
}

fn invalid(why: &str) -> Error {
    Error::InvalidArgument(Detail::new(why))
}

fn is_at(node: &Node, folder: &str, name: &[u8]) -> bool {
    node.name == name && node.parents.iter().any(|parent| parent == folder)
}

/// A node's labels but those of this program's moves, and with `mark`.
fn others<'a>(node: &'a Node, mark: Option<&'a str>) -> Vec<&'a str> {
    let labels = node.labels.iter().map(String::as_str);
    let others = labels.filter(|label| !label.starts_with(MARK));
    others.chain(mark).collect()
}

/// A node's labels but those of this program's moves, if it has such.
fn without_marks(node: &Node) -> Option<Vec<&str>> {
    Some(others(node, None)).filter(|others| others.len() < node.labels.len())
}

/// FNV-1a: the same in every build, and nobody gains by two moves that share one.
fn hash(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// What labels of moves begin with. The rest is the folders' ids and a hash of the names:
/// 71 of the 256 characters that a label can have.
const MARK: &str = "acd_move:";

/// Labels that the service lets a node have.
const MOST_LABELS: usize = 10;
