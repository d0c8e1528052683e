//! Moves within one remote: the service moves, and nothing is sent.

use std::collections::HashMap;

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use tracing::Level;

use super::{App, exit::Exit, failure::Failure};
use crate::{
    component::{self, Clashes, Kind, NameRule, Node, NodePath, Remote, Target},
    place::Place,
};

/// Moves within a remote.
pub(super) struct Mover<'a> {
    pub(super) app: &'a App,
    pub(super) remote: Remote,
    /// Whether folders go as well that nothing is left in.
    pub(super) remove_emptied: bool,
}

/// A path of the remote, and as people see it.
#[derive(Clone)]
pub(super) struct At {
    pub(super) path: NodePath,
    pub(super) shown: String,
}

impl At {
    /// A name in it.
    pub(super) fn join(&self, remote: &Remote, name: &[u8], display: &str) -> Self {
        let place = Place::Remote {
            remote: remote.clone(),
            path: self.path.clone(),
            shown: self.shown.clone(),
        };
        let mut path = self.path.clone();
        path.push(name.to_vec());
        Self {
            path,
            shown: place.join(name, display).shown(),
        }
    }
}

impl Mover<'_> {
    /// Moves a file or folder to a path.
    pub(super) async fn to(&self, from: At, to: At) -> Result<Exit, Failure> {
        if from.path.is_empty() || to.path.is_empty() {
            return self.of_roots(from, to).await;
        }
        let source = self.look(&from).await?;
        let there = self.look(&to).await?;
        match (source, there) {
            (Some(source), Some(there)) if source.id == there.id => {
                if from.path == to.path {
                    return Ok(Exit::Done);
                }
                Err(in_both(&from, &to))
            }
            (Some(source), None) => {
                if source.kind == Kind::Folder {
                    self.refuse_overlap(&from, &to, false).await?;
                }
                self.make_parents(&to).await?;
                self.shift(Target::Path(from.path.clone()), &from, &to)
                    .await?;
                Ok(Exit::Done)
            }
            (Some(source), Some(there))
                if source.kind == Kind::Folder && there.kind == Kind::Folder =>
            {
                self.refuse_overlap(&from, &to, true).await?;
                self.merge((from, source), (to, there)).await
            }
            (Some(source), Some(there)) => {
                self.over(&from, &source, &to, &there).await?;
                Ok(Exit::Done)
            }
            // An earlier run may have been killed half way: the move itself knows.
            (None, _) => {
                if self.app.options.dry_run {
                    return Err(Failure::not_found(&from.shown, Exit::FileNotFound));
                }
                self.shift(Target::Path(from.path.clone()), &from, &to)
                    .await?;
                Ok(Exit::Done)
            }
        }
    }

    /// The root stays where it is; what is in a folder can go into it.
    async fn of_roots(&self, from: At, to: At) -> Result<Exit, Failure> {
        self.refuse_overlap(&from, &to, true).await?;
        // Only equal paths do not overlap with the root's.
        Ok(Exit::Done)
    }

    async fn look(&self, at: &At) -> Result<Option<Node>, Failure> {
        match self.remote.stat(Target::Path(at.path.clone())).await {
            Ok(node) => Ok(Some(node)),
            Err(component::Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Refuses a folder that would go into itself and, where its contents are to go
    /// somewhere, one that would go into what it is in.
    async fn refuse_overlap(&self, from: &At, to: &At, contents: bool) -> Result<(), Failure> {
        let keys = async |path: &NodePath| {
            let sandbox = self.remote.sandbox();
            sandbox
                .match_keys(path.clone(), NameRule::IgnoreCase, Clashes::Fail)
                .await
        };
        let (a, b) = (keys(&from.path).await?, keys(&to.path).await?);
        let into_itself = b.starts_with(&a) && a.len() < b.len();
        if into_itself || contents && a.starts_with(&b) && a.len() > b.len() {
            let what = format!(
                "source and destination overlap: {} and {}",
                from.shown, to.shown
            );
            return Err(Failure::new("overlap", Exit::Usage, what)
                .hint("choose a destination outside of the source"));
        }
        Ok(())
    }

    async fn make_parents(&self, to: &At) -> Result<(), Failure> {
        let parents = to.path[..to.path.len().saturating_sub(1)].to_vec();
        if self.app.options.dry_run || parents.is_empty() {
            return Ok(());
        }
        match self.remote.stat(Target::Path(parents.clone())).await {
            Ok(_) => {}
            Err(component::Error::NotFound(_)) => {
                self.remote.make_directory(parents).await?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// One move by the service.
    async fn shift(&self, source: Target, from: &At, to: &At) -> Result<(), Failure> {
        if self.app.options.dry_run {
            self.would("move", from, Some(to));
            return Ok(());
        }
        self.remote.move_node(source, to.path.clone()).await?;
        self.tell("moved", from, Some(to));
        Ok(())
    }

    /// A file over another one. Of the same content there need not be two; another content
    /// is kept in the trash.
    async fn over(&self, from: &At, source: &Node, to: &At, there: &Node) -> Result<(), Failure> {
        if source.id == there.id {
            return Err(in_both(from, to));
        }
        // A listing can be hours old, and what goes to the trash must have its twin.
        let look = |id: &String| self.remote.stat(Target::Id(id.clone()));
        let (source, there) = &futures::try_join!(look(&source.id), look(&there.id))?;
        if source.kind != there.kind || source.kind != Kind::File {
            let words = |kind| match kind {
                Kind::File => "a file",
                Kind::Folder => "a folder",
            };
            let what = format!(
                "{} is {}, and {} is {}",
                from.shown,
                words(source.kind),
                to.shown,
                words(there.kind)
            );
            return Err(Failure::new("kind-conflict", Exit::Lasting, what));
        }
        let same = source.md5.is_some() && source.md5 == there.md5 && source.size == there.size;
        // To the trash it would go out of all of them.
        let (going, at) = if same { (source, from) } else { (there, to) };
        if going.parents.len() > 1 {
            let what = format!(
                "{} is in several folders, and would leave them all",
                at.shown
            );
            return Err(Failure::new("several-folders", Exit::Lasting, what)
                .hint("move it out of the way under another name"));
        }
        if self.app.options.dry_run {
            if same {
                self.would("remove, as the destination has the same", from, None);
            } else {
                self.would("replace what is there by", from, Some(to));
            }
            return Ok(());
        }
        self.remote.trash(Target::Id(going.id.clone())).await?;
        if same {
            self.tell("removed, as the destination has the same", from, None);
            return Ok(());
        }
        let moved = self.shift(Target::Path(from.path.clone()), from, to).await;
        let Err(mut failure) = moved else {
            return Ok(());
        };
        if let Err(error) = self.remote.restore(there.id.clone()).await {
            failure.causes.push(format!(
                "what was at {} is in the trash, and could not be restored: {error}",
                to.shown
            ));
            failure = failure.hint(format!("`acd trash restore` takes its id, {}", there.id));
        }
        Err(failure)
    }

    /// The contents of a folder into another: what that does not have is moved, a folder with
    /// all it holds at once.
    fn merge(
        &self,
        (from, source): (At, Node),
        (to, there): (At, Node),
    ) -> BoxFuture<'_, Result<Exit, Failure>> {
        async move {
            let (ours, theirs) =
                futures::try_join!(self.children(&source.id), self.children(&there.id))?;
            let mut twins = Twins::new(&ours, theirs);
            let mut exit = Exit::Done;
            let mut folders = Vec::new();
            let mut work = Vec::new();
            for child in ours {
                let from = from.join(&self.remote, &child.node.name, &child.display);
                let twin = match twins.take(&child) {
                    Ok(twin) => twin,
                    Err(Ambiguous) => {
                        let what = format!("{} is one name with several others there", from.shown);
                        let failure = Failure::new("name-clash", Exit::Lasting, what)
                            .hint("move it under another name");
                        exit = exit.max(self.app.item_failed(&from.shown, &failure));
                        continue;
                    }
                };
                match twin {
                    Some(other) if child.node.id == other.node.id => {
                        let failure = in_both(&from, &to);
                        exit = exit.max(self.app.item_failed(&from.shown, &failure));
                    }
                    Some(other)
                        if child.node.kind == Kind::Folder && other.node.kind == Kind::Folder =>
                    {
                        let to = to.join(&self.remote, &other.node.name, &other.display);
                        folders.push(((from, child.node), (to, other.node)));
                    }
                    Some(other) => {
                        let to = to.join(&self.remote, &other.node.name, &other.display);
                        work.push((from, child.node, to, Some(other.node)));
                    }
                    None => {
                        let to = to.join(&self.remote, &child.node.name, &child.display);
                        work.push((from, child.node, to, None));
                    }
                }
            }
            let all = stream::iter(work.into_iter().map(|(from, node, to, other)| async move {
                let outcome = match other {
                    Some(other) => self.over(&from, &node, &to, &other).await,
                    None => {
                        let target = match node.parents.len() {
                            1 => Target::Id(node.id),
                            _ => Target::Path(from.path.clone()),
                        };
                        self.shift(target, &from, &to).await
                    }
                };
                outcome.map_err(|failure| (from, failure))
            }));
            let mut all = all.buffer_unordered(self.app.options.checkers);
            while let Some(outcome) = all.next().await {
                if let Err((at, failure)) = outcome {
                    exit = exit.max(self.app.item_failed(&at.shown, &failure));
                }
            }
            for (from, to) in folders {
                let shown = from.0.shown.clone();
                match self.merge(from, to).await {
                    Ok(below) => exit = exit.max(below),
                    Err(failure) => exit = exit.max(self.app.item_failed(&shown, &failure)),
                }
            }
            if exit == Exit::Done && self.remove_emptied && !from.path.is_empty() {
                self.remove_if_empty(&from, &source).await?;
            }
            Ok(exit)
        }
        .boxed()
    }

    /// Only what a listing of this very moment shows nothing in.
    async fn remove_if_empty(&self, at: &At, folder: &Node) -> Result<(), Failure> {
        if self.app.options.dry_run {
            self.would("remove the folder, if nothing is left in it", at, None);
            return Ok(());
        }
        if self.children(&folder.id).await?.is_empty() && folder.parents.len() == 1 {
            self.remote.trash(Target::Id(folder.id.clone())).await?;
            self.tell("removed, as nothing is left in it", at, None);
        }
        Ok(())
    }

    async fn children(&self, folder: &str) -> Result<Vec<Child>, Failure> {
        let mut listing = self.remote.list(Target::Id(folder.to_owned())).await?;
        let sandbox = self.remote.sandbox();
        let mut children = Vec::new();
        while let Some(nodes) = listing.next_batch().await? {
            let names: Vec<_> = nodes.iter().map(|node| node.name.clone()).collect();
            let keys = sandbox
                .match_keys(names.clone(), NameRule::IgnoreCase, Clashes::Fail)
                .await?;
            let display = sandbox.display(names).await?;
            children.extend(
                nodes
                    .into_iter()
                    .zip(keys)
                    .zip(display)
                    .map(|((node, key), display)| Child { node, key, display }),
            );
        }
        Ok(children)
    }

    fn tell(&self, what: &str, from: &At, to: Option<&At>) {
        let app = self.app;
        if app.console.is_json() {
            let mut line = serde_json::json!({ "event": "moved", "path": from.shown, "how": what });
            if let Some(to) = to {
                line["to"] = to.shown.clone().into();
            }
            app.console.write_json(&line);
            return;
        }
        let line = match to {
            Some(to) => format!("{}: {what} to {}", from.shown, to.shown),
            None => format!("{}: {what}", from.shown),
        };
        app.console_line(Level::INFO, &line);
    }

    fn would(&self, what: &str, from: &At, to: Option<&At>) {
        match to {
            Some(to) => self
                .app
                .would(what, &format!("{} to {}", from.shown, to.shown)),
            None => self.app.would(what, &from.shown),
        }
    }
}

/// One node in two folders is no copy of itself.
fn in_both(from: &At, to: &At) -> Failure {
    let what = format!(
        "{} is in both folders, and stays there: {}",
        from.shown, to.shown
    );
    Failure::new("several-folders", Exit::Lasting, what)
        .hint("remove it from one of them by a program that can")
}

/// What a folder has, to be paired with what goes into it: the same name first, then what
/// is one name to the service, if there is only one such on either side.
struct Twins {
    theirs: Vec<Option<Child>>,
    by_name: HashMap<Vec<u8>, usize>,
    by_key: HashMap<Vec<u8>, Vec<usize>>,
    /// How many of ours have a key.
    ours: HashMap<Vec<u8>, usize>,
}

/// Which of several is meant, nobody can tell.
#[derive(Debug, PartialEq, Eq)]
struct Ambiguous;

impl Twins {
    fn new(ours: &[Child], theirs: Vec<Child>) -> Self {
        let mut twins = Self {
            theirs: Vec::with_capacity(theirs.len()),
            by_name: HashMap::new(),
            by_key: HashMap::new(),
            ours: HashMap::new(),
        };
        for child in ours {
            *twins.ours.entry(child.key.clone()).or_default() += 1;
        }
        for (at, child) in theirs.into_iter().enumerate() {
            twins.by_name.insert(child.node.name.clone(), at);
            twins.by_key.entry(child.key.clone()).or_default().push(at);
            twins.theirs.push(Some(child));
        }
        twins
    }

    fn take(&mut self, child: &Child) -> Result<Option<Child>, Ambiguous> {
        let of_key = self.by_key.get(&child.key).map_or(&[][..], Vec::as_slice);
        let at = match (self.by_name.get(&child.node.name), of_key) {
            (Some(at), _) => *at,
            (None, []) => return Ok(None),
            (None, [at]) if self.ours.get(&child.key) == Some(&1) => *at,
            (None, _) => return Err(Ambiguous),
        };
        match self.theirs[at].take() {
            Some(twin) => Ok(Some(twin)),
            // Another of ours with this very name was first.
            None => Err(Ambiguous),
        }
    }
}

struct Child {
    node: Node,
    /// What makes two names one to the service.
    key: Vec<u8>,
    display: String,
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    /// A child whose key is its name in lower case, with `é` in one character.
    fn child(id: &str, name: &str) -> Child {
        Child {
            node: Node {
                id: id.to_owned(),
                name: name.into(),
                kind: Kind::File,
                size: None,
                md5: None,
                content_type: None,
                created: SystemTime::UNIX_EPOCH,
                modified: SystemTime::UNIX_EPOCH,
                original_time: None,
                parents: Vec::new(),
                version: 1,
            },
            key: name.to_lowercase().replace("e\u{301}", "é").into(),
            display: name.to_owned(),
        }
    }

    #[test]
    fn same_names_are_pairs_and_others_only_where_there_is_one_of_them() {
        let ours = [
            child("1", "é"),
            child("2", "e\u{301}"),
            child("3", "A"),
            child("4", "B"),
            child("5", "new"),
        ];
        let theirs = vec![
            child("a", "e\u{301}"),
            child("b", "é"),
            child("c", "a"),
            child("d", "b"),
            child("e", "B"),
        ];
        let mut twins = Twins::new(&ours, theirs);
        let mut take = |at: usize| {
            let twin = twins.take(&ours[at]);
            twin.map(|twin| twin.map(|twin| twin.node.id))
        };
        let id = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!([take(0), take(1)], [id("b"), id("a")]);
        assert_eq!(take(2), id("c"));
        assert_eq!([take(3), take(4)], [id("e"), Ok(None)]);

        let ours = [child("1", "é"), child("2", "e\u{301}")];
        let mut twins = Twins::new(&ours, vec![child("a", "É")]);
        assert!(matches!(twins.take(&ours[0]), Err(Ambiguous)));
        let ours = [child("1", "é")];
        let theirs = vec![child("a", "É"), child("b", "E\u{301}")];
        assert!(matches!(
            Twins::new(&ours, theirs).take(&ours[0]),
            Err(Ambiguous)
        ));
    }
}
