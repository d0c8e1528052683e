//! Folders made, and nodes moved to the trash.

use crate::{
    error::{Detail, Error},
    lookup::{Target, shown},
    names,
    platform::{Method, Platform},
    service::{Call, Service, path_segment},
    wire::{Kind, NewNode, Node},
};

/// Whether what is remembered of folders played a part.
#[derive(Clone, Copy)]
enum Memory {
    Used,
    Unused,
}

impl<P: Platform> Service<P> {
    /// Makes a folder and the parents it needs, or finds them.
    pub(crate) async fn make_directory(&self, path: &[Vec<u8>]) -> Result<Node, Error> {
        match self.make_all(path).await {
            // A parent that came from memory may be gone, or in the trash.
            Err((Error::NotFound(_) | Error::InvalidArgument(_), Memory::Used)) => {
                self.forget(path);
                self.make_all(path).await.map_err(|(error, _)| error)
            }
            outcome => outcome.map_err(|(error, _)| error),
        }
    }

    async fn make_all(&self, path: &[Vec<u8>]) -> Result<Node, (Error, Memory)> {
        let mut memory = Memory::Unused;
        let Some((_, parents)) = path.split_last() else {
            let root = self.stat(&Target::Path(Vec::new())).await;
            return root.map_err(|error| (error, memory));
        };
        let mut parent = self.root.clone();
        for (depth, name) in parents.iter().enumerate() {
            let service_name = names::encode(name, self.encoding);
            if let Some(id) = self.remembered(&parent, &service_name) {
                memory = Memory::Used;
                parent = id;
                continue;
            }
            // It is likely there: looked for first, and made if not.
            let way = &path[..=depth];
            let folder = match self.child(&parent, name).await {
                Ok(node) => self.folder(&parent, way, node),
                Err(Error::NotFound(_)) => self.make(&parent, way).await,
                Err(error) => Err(error),
            };
            parent = folder.map_err(|error| (error, memory))?.id;
        }
        let made = self.make(&parent, path).await;
        made.map_err(|error| (error, memory))
    }

    /// Makes one folder in `parent`; the last name of `path` is its own.
    async fn make(&self, parent: &str, path: &[Vec<u8>]) -> Result<Node, Error> {
        let Some(name) = path.last() else {
            return Err(Error::InvalidArgument(Detail::new("a name is empty")));
        };
        let what = format!("make the folder {}", shown(path));
        let service_name = names::encode(name, self.encoding);
        let json = serde_json::to_vec(&NewNode {
            name: &service_name,
            kind: "FOLDER",
            parents: [parent],
            local_id: None,
        })
        .map_err(|error| Error::Other(error.to_string()))?;
        let call = Call {
            what: &what,
            method: Method::Post,
            url: format!("{}nodes", self.metadata),
            json: Some(json),
            range: None,
            authorized: true,
            // Made twice it says so and names the first, which is as good.
            idempotent: true,
        };
        match self.whole(&call).await {
            Ok(body) => {
                let node = self.node(&what, &body)?;
                self.owner.learn(&node.created_by);
                self.folder(parent, path, node.into_node(self.encoding))
            }
            Err(Error::NameConflict { existing, detail }) => {
                // Whoever was faster, or wrote it in other letters.
                let node = match &existing {
                    Some(id) => self.stat(&Target::Id(id.clone())).await,
                    None => self.child(parent, name).await,
                };
                match node {
                    Ok(node) => self.folder(parent, path, node),
                    Err(Error::NotFound(_)) => Err(Error::NameConflict { existing, detail }),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// A node that has to be a folder, remembered under the name it was asked for by.
    fn folder(&self, parent: &str, path: &[Vec<u8>], node: Node) -> Result<Node, Error> {
        if node.kind == Kind::File {
            let what = format!("not a folder: {}", shown(path));
            return Err(Error::NotAFolder(Detail::new(what)));
        }
        if let Some(name) = path.last() {
            self.remember(parent, &names::encode(name, self.encoding), &node.id);
        }
        Ok(node)
    }

    /// Moves a node to the trash, a folder with all it holds.
    pub(crate) async fn trash(&self, target: &Target) -> Result<(), Error> {
        let id = match target {
            Target::Id(id) => id.clone(),
            Target::Path(path) => {
                // What is remembered of the way may be another folder's by now.
                self.forget(path);
                self.stat(target).await?.id
            }
        };
        if id == self.root {
            return Err(Error::Forbidden(Detail::new(
                "the root folder cannot be moved to the trash",
            )));
        }
        let call = Call {
            what: "move a node to the trash",
            method: Method::Put,
            url: format!("{}trash/{}", self.metadata, path_segment(&id)),
            json: None,
            range: None,
            authorized: true,
            idempotent: true,
        };
        self.whole(&call).await?;
        self.forget_id(&id);
        Ok(())
    }
}
