//! `changes`: what happened on a remote since a checkpoint.

use std::collections::HashMap;

use serde_json::{Value, json};
use tracing::Level;

use super::{
    App,
    about::on_remote,
    args,
    exit::Exit,
    failure::Failure,
    output::{Output, Stop},
};
use crate::component::{self, Change, ChangeSet, Kind, Node, Remote, Target};

/// Prints them, once or again and again.
pub(super) async fn run(app: &App, options: &args::Changes) -> Result<Exit, Stop> {
    let (remote, path, shown) = on_remote(app.open(&options.remote).await?)?;
    if !path.is_empty() {
        let what = format!("changes are of a whole remote, and not of {shown}");
        let failure = Failure::new("invalid-argument", Exit::Usage, what);
        return Err(failure.into());
    }
    let name = shown.trim_end_matches(':');
    let mut checkpoint = match &options.checkpoint {
        Some(checkpoint) => Some(checkpoint.clone()),
        None => app.context().checkpoint(name).await?,
    };
    let mut follower = Follower {
        app,
        output: Output::new(),
        paths: Paths {
            remote: remote.clone(),
            known: HashMap::new(),
        },
    };
    let mut told = None;
    loop {
        let outcome = follower.once(&remote, &mut checkpoint).await;
        if told != checkpoint
            && !app.console.is_json()
            && let Some(checkpoint) = &checkpoint
        {
            app.console.write(&format!("checkpoint: {checkpoint}\n"));
        }
        told.clone_from(&checkpoint);
        let failure = match (outcome, options.poll) {
            (Ok(()), Some(_)) => None,
            (Ok(()), None) => return Ok(Exit::Done),
            // It gets another chance soon.
            (Err(Stop::Failed(failure)), Some(_)) if failure.exit == Exit::Temporary => {
                Some(failure)
            }
            (Err(Stop::Failed(failure)), _) => {
                return Err(Stop::Failed(match &checkpoint {
                    Some(checkpoint) if failure.exit == Exit::Temporary => failure.hint(format!(
                        "what came so far is whole; go on with --checkpoint {checkpoint}"
                    )),
                    _ => failure,
                }));
            }
            (Err(Stop::Closed), _) => return Err(Stop::Closed),
        };
        if let Some(failure) = failure {
            app.item_failed(&shown, &failure);
        }
        if let Some(interval) = options.poll {
            tokio::time::sleep(interval).await;
        }
    }
}

struct Follower<'a> {
    app: &'a App,
    output: Output,
    paths: Paths,
}

impl Follower<'_> {
    /// Prints what happened since a checkpoint, and moves that on with each set.
    async fn once(&mut self, remote: &Remote, checkpoint: &mut Option<String>) -> Result<(), Stop> {
        let mut changes = remote.changes(checkpoint.clone()).await?;
        while let Some(set) = changes.next_set().await? {
            if set.reset && checkpoint.is_some() {
                let line = "the service begins anew: all there is comes again";
                self.app.console_line(Level::WARN, line);
            }
            let next = set.checkpoint.clone();
            self.print(set).await?;
            *checkpoint = Some(next);
        }
        Ok(())
    }

    async fn print(&mut self, set: ChangeSet) -> Result<(), Stop> {
        let nodes = set.changes.iter().filter_map(|change| match change {
            Change::Present(node) | Change::Trashed(node) => Some(node),
            Change::Purged(_) => None,
        });
        let mut names = self.paths.learn(nodes.collect()).await?.into_iter();
        let mut lines = Vec::with_capacity(set.changes.len());
        for change in &set.changes {
            let (word, id, node) = match change {
                Change::Present(node) => ("changed", &node.id, Some(node)),
                Change::Trashed(node) => ("trashed", &node.id, Some(node)),
                Change::Purged(id) => ("purged", id, None),
            };
            let path = match node {
                Some(node) => {
                    let name = names.next().unwrap_or_default();
                    self.paths.path(node, name).await?
                }
                None => None,
            };
            lines.push((word, id, path, node));
        }
        let text: String = if self.app.console.is_json() {
            let changes: Vec<_> = lines
                .iter()
                .map(|(word, id, path, node)| json_of(word, id, path.as_deref(), *node))
                .collect();
            let set = json!({
                "checkpoint": set.checkpoint, "reset": set.reset, "changes": changes,
            });
            format!("{set}\n")
        } else {
            lines
                .iter()
                .map(|(word, id, path, _)| format!("{word} {}\n", path.as_ref().unwrap_or(id)))
                .collect()
        };
        self.output.write(text.as_bytes())?;
        // Whoever reads it may wait for the next one for long.
        self.output.flush()
    }
}

/// A change with the keys of `ls --json`, as far as there is something to tell.
fn json_of(word: &str, id: &str, path: Option<&str>, node: Option<&Node>) -> Value {
    let mut value = json!({ "Change": word, "ID": id });
    if let Some(path) = path {
        value["Path"] = path.into();
    }
    if let Some(node) = node {
        value["IsDir"] = (node.kind == Kind::Folder).into();
        if let Some(size) = node.size {
            value["Size"] = size.into();
        }
        if let Some(md5) = &node.md5 {
            value["Hashes"] = json!({ "md5": md5 });
        }
    }
    value
}

/// Where nodes are, as people see it.
struct Paths {
    remote: Remote,
    /// Folders by id: name, and the first folder each is in. `None` is not to be found.
    known: HashMap<String, Option<(String, Option<String>)>>,
}

impl Paths {
    /// Takes in what a set says of folders, the new names above all. Returns the nodes' names
    /// as people see them, all by one call of the component.
    async fn learn(&mut self, nodes: Vec<&Node>) -> Result<Vec<String>, Failure> {
        let names = nodes.iter().map(|node| node.name.clone()).collect();
        let names = self.remote.sandbox().display(names).await?;
        for (node, name) in nodes.into_iter().zip(&names) {
            if node.kind == Kind::Folder {
                let parent = node.parents.first().cloned();
                self.known
                    .insert(node.id.clone(), Some((name.clone(), parent)));
            }
        }
        Ok(names)
    }

    /// A node's path from the root, by its first folder; `None` where that cannot be told.
    /// `path` is its name.
    async fn path(&mut self, node: &Node, mut path: String) -> Result<Option<String>, Failure> {
        let mut above = node.parents.first().cloned();
        if node.id == self.remote.root_id() {
            return Ok(Some("/".to_owned()));
        }
        if path.is_empty() {
            return Ok(None);
        }
        for _ in 0..DEEPEST {
            let Some(id) = above.take() else {
                return Ok(None);
            };
            if id == self.remote.root_id() {
                return Ok(Some(path));
            }
            let Some((name, parent)) = self.folder(&id).await? else {
                return Ok(None);
            };
            path = format!("{name}/{path}");
            above = parent;
        }
        Ok(None)
    }

    async fn folder(&mut self, id: &str) -> Result<Option<(String, Option<String>)>, Failure> {
        if let Some(known) = self.known.get(id) {
            return Ok(known.clone());
        }
        let folder = match self.remote.stat(Target::Id(id.to_owned())).await {
            Ok(node) => {
                let name = self.remote.sandbox().display(vec![node.name]).await?;
                Some((name.concat(), node.parents.into_iter().next()))
            }
            // In the trash, most likely: then so is all that is in it.
            Err(component::Error::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
        };
        self.known.insert(id.to_owned(), folder.clone());
        Ok(folder)
    }
}

/// Folders on the way to a node, at most: a folder that lies in itself has no root.
const DEEPEST: usize = 1000;
