//! From paths to nodes, with a memory for folders.

use crate::{
    error::{Detail, Error},
    names,
    platform::{Level, Platform},
    service::{Call, FOLDER_LIFE, Service},
    wire::{Kind, Node, Odd, Page, WireNode},
};

/// A node, by either of its names.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Path(Vec<Vec<u8>>),
    Id(String),
}

impl<P: Platform> Service<P> {
    /// One node.
    pub(crate) async fn stat(&self, target: &Target) -> Result<Node, Error> {
        match target {
            Target::Id(id) => self.stat_id(id).await,
            Target::Path(path) => self.stat_path(path).await,
        }
    }

    pub(crate) async fn stat_id(&self, id: &str) -> Result<Node, Error> {
        let what = "look at a node";
        let url = self.whole_node_url(id);
        let body = self.whole(&Call::get(what, url)).await?;
        let node = self.node(what, &body)?;
        match node.oddity(None) {
            None => Ok(node.into_node(self.encoding)),
            Some(Odd::NotAvailable | Odd::Pending) => Err(Error::NotFound(Detail::new(
                "the node is in the trash, or not there yet",
            ))),
            Some(
                Odd::Unreadable | Odd::Kind | Odd::Nameless | Odd::Elsewhere | Odd::NotTrashed,
            ) => Err(Error::protocol(what, "it is neither file nor folder")),
        }
    }

    async fn stat_path(&self, path: &[Vec<u8>]) -> Result<Node, Error> {
        let Some((name, parents)) = path.split_last() else {
            return self.stat_id(&self.root).await;
        };
        let (parent, remembered) = self.folder_id(parents).await?;
        match self.child(&parent, name).await {
            Err(Error::NotFound(_)) if remembered => {
                // The folder may have moved away under another id.
                self.forget(parents);
                let (parent, _) = self.folder_id(parents).await?;
                self.child(&parent, name).await
            }
            outcome => outcome,
        }
    }

    /// The id of a target that is a folder, as far as can be told without asking twice.
    pub(crate) async fn folder_target(&self, target: &Target) -> Result<String, Error> {
        match target {
            Target::Id(id) => Ok(id.clone()),
            Target::Path(path) => Ok(self.folder_id(path).await?.0),
        }
    }

    /// The id of a folder, and whether any part of the way came from memory.
    pub(crate) async fn folder_id(&self, path: &[Vec<u8>]) -> Result<(String, bool), Error> {
        let mut id = self.root.clone();
        let mut remembered = false;
        for (depth, name) in path.iter().enumerate() {
            let service_name = names::encode(name, self.encoding);
            if let Some(known) = self.remembered(&id, &service_name) {
                id = known;
                remembered = true;
                continue;
            }
            let node = self.child(&id, name).await?;
            if node.kind == Kind::File {
                return Err(Error::NotAFolder(Detail::new(format!(
                    "not a folder: {}",
                    shown(&path[..=depth])
                ))));
            }
            self.remember(&id, &service_name, &node.id);
            id = node.id;
        }
        Ok((id, remembered))
    }

    /// The child of a folder that has this very name.
    pub(crate) async fn child(&self, parent: &str, name: &[u8]) -> Result<Node, Error> {
        let what = "look up a name";
        let service_name = names::encode(name, self.encoding);
        if service_name.is_empty() {
            return Err(Error::InvalidArgument(Detail::new("a name is empty")));
        }
        let filter = format!(
            "parents:\"{}\" AND name:\"{}\"",
            escape(parent),
            escape(&service_name)
        );
        // The index can be behind the nodes: what it says is checked.
        let wanted = |node: &WireNode<'_>| {
            node.oddity(Some(parent)).is_none() && node.name.as_deref() == Some(&*service_name)
        };
        let mut found = self.matching(what, &filter, &wanted).await?.into_iter();
        let Some(node) = found.next() else {
            return Err(Self::gone(&names::display(name)));
        };
        if found.next().is_some() {
            let line = format!("there are several nodes named {}", names::display(name));
            self.platform.log(Level::Warn, &line);
        }
        Ok(node)
    }

    /// The nodes of the first page on which there are such: even few come with pages before
    /// them that have none.
    pub(crate) async fn matching(
        &self,
        what: &str,
        filter: &str,
        wanted: &dyn Fn(&WireNode<'_>) -> bool,
    ) -> Result<Vec<Node>, Error> {
        let mut token: Option<String> = None;
        loop {
            let mut query = vec![("filters", filter), PROPERTIES];
            query.extend(token.as_deref().map(|token| ("startToken", token)));
            let url = self.nodes_url(&query);
            let body = self.whole(&Call::get(what, url)).await?;
            let page = Page::read(&body).map_err(|error| Error::protocol(what, error))?;
            let found: Vec<_> = page
                .data
                .into_iter()
                .filter(|node| wanted(node))
                .map(|node| node.into_node(self.encoding))
                .collect();
            match page.next_token.filter(|next| !next.is_empty()) {
                Some(next) if found.is_empty() => {
                    if token.as_ref() == Some(&next) {
                        return Err(Error::protocol(what, "a page names itself as the next one"));
                    }
                    token = Some(next);
                }
                _ => return Ok(found),
            }
        }
    }

    pub(crate) fn remembered(&self, parent: &str, service_name: &str) -> Option<String> {
        let key = (parent.to_owned(), service_name.to_owned());
        let mut folders = self.folders.borrow_mut();
        let (id, found) = folders.get(&key)?;
        if self.platform.now().saturating_sub(*found) < FOLDER_LIFE {
            return Some(id.clone());
        }
        folders.pop(&key);
        None
    }

    pub(crate) fn remember(&self, parent: &str, service_name: &str, id: &str) {
        let key = (parent.to_owned(), service_name.to_owned());
        let found = (id.to_owned(), self.platform.now());
        self.folders.borrow_mut().put(key, found);
    }

    /// Forgets all folders on a way.
    pub(crate) fn forget(&self, path: &[Vec<u8>]) {
        let mut folders = self.folders.borrow_mut();
        let mut parent = self.root.clone();
        for name in path {
            let key = (parent, names::encode(name, self.encoding));
            match folders.pop(&key) {
                Some((id, _)) => parent = id,
                None => return,
            }
        }
    }

    /// Forgets a folder by its id, and with it the way to all below it.
    pub(crate) fn forget_id(&self, id: &str) {
        let mut folders = self.folders.borrow_mut();
        let stale: Vec<_> = folders
            .iter()
            .filter(|(_, (known, _))| known == id)
            .map(|(key, _)| key.clone())
            .collect();
        for key in stale {
            folders.pop(&key);
        }
    }
}

/// A path as people see it.
pub(crate) fn shown(path: &[Vec<u8>]) -> String {
    let names: Vec<_> = path.iter().map(|name| names::display(name)).collect();
    names.join("/")
}

/// A value in a filter: the service's query language takes these characters as its own.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len() + 8);
    for c in value.chars() {
        if SPECIAL.contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Asks for what nodes are not shown with otherwise. A service that does not know it
/// ignores it.
pub(crate) const PROPERTIES: (&str, &str) = ("fields", "[\"properties\"]");

/// What the service's documentation and three clients escape.
const SPECIAL: &str = "+-&|!(){}[]^'\"~*?:\\ ";

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn filter_values_are_escaped_as_other_clients_do() {
        assert_eq!(escape("My File (1).txt"), "My\\ File\\ \\(1\\).txt");
        assert_eq!(escape("a/b#c,d@e=f<g>;é"), "a/b#c,d@e=f<g>;é");
        assert_eq!(escape("-x\"\\"), "\\-x\\\"\\\\");
    }
}
