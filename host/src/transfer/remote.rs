//! A folder of a remote as a side of a run.

use std::{borrow::Cow, time::SystemTime};

use async_trait::async_trait;
use futures::StreamExt;

use super::{
    Error,
    content::{Hashed, Passing, Readable},
    resume,
    side::{Entry, Landed, Listed, Md5, Side, Spot},
};
use crate::{
    component::{
        self, Existing, NameRule, Node, NodePath, Remote, Target, Unconfirmed, WriteOptions,
    },
    files::{self, Digest, Kind},
};

/// A drive below a folder.
pub(super) struct Drive {
    remote: Remote,
    base: NodePath,
    /// The base for messages: `embedded:backup`.
    shown: String,
    /// Most connections for one file.
    streams: usize,
}

impl Drive {
    pub(super) fn new(remote: Remote, base: NodePath, shown: String, streams: usize) -> Self {
        Self {
            remote,
            base,
            shown,
            streams,
        }
    }

    fn path(&self, spot: &Spot) -> NodePath {
        [&self.base[..], &spot.names[..]].concat()
    }

    fn target(&self, spot: &Spot) -> Target {
        match &spot.id {
            Some(id) => Target::Id(id.clone()),
            None => Target::Path(self.path(spot)),
        }
    }

    /// For `map_err`: which call about what failed.
    fn failed(
        &self,
        action: &'static str,
        spot: &Spot,
    ) -> impl Fn(component::Error) -> Error + use<> {
        let path = if spot.names.is_empty() {
            self.shown.clone()
        } else if self.shown.ends_with([':', '/']) {
            format!("{}{}", self.shown, spot.label)
        } else {
            format!("{}/{}", self.shown, spot.label)
        };
        move |source| Error::Remote {
            action,
            path: path.clone(),
            source: Box::new(source),
        }
    }
}

#[async_trait]
impl Side for Drive {
    fn rule(&self) -> NameRule {
        NameRule::IgnoreCase
    }

    fn own_name<'a>(&self, raw: &'a [u8]) -> Cow<'a, [u8]> {
        Cow::Borrowed(raw)
    }

    fn may_land_late(&self) -> bool {
        true
    }

    async fn stat(&self, spot: &Spot) -> Result<Option<Entry>, Error> {
        match self.remote.stat(self.target(spot)).await {
            Ok(node) => Ok(Some(entry(node))),
            Err(component::Error::NotFound(_)) => Ok(None),
            Err(error) => Err(self.failed("look at", spot)(error)),
        }
    }

    async fn list(&self, folder: &Spot) -> Result<Listed, Error> {
        let failed = self.failed("list", folder);
        let mut listing = self
            .remote
            .list(self.target(folder))
            .await
            .map_err(&failed)?;
        let mut listed = Listed::default();
        while let Some(batch) = listing.next_batch().await.map_err(&failed)? {
            listed.entries.extend(batch.into_iter().map(entry));
        }
        Ok(listed)
    }

    /// A drive holds no half files: a write that broke off leaves nothing.
    async fn clean_up(&self, _: &Spot, _: &[Vec<u8>]) -> Result<(), Error> {
        Ok(())
    }

    async fn digest(&self, file: &Spot) -> Result<Option<Digest>, Error> {
        let found = self.remote.stat(self.target(file)).await;
        let found = found.map_err(self.failed("look at", file))?;
        Ok(found
            .size
            .zip(found.md5)
            .map(|(size, md5)| Digest { md5, size }))
    }

    async fn read(&self, file: &Spot, known: &Entry) -> Result<Box<dyn Readable>, Error> {
        let failed = self.failed("read", file);
        let source = resume::Source {
            remote: self.remote.clone(),
            target: self.target(file),
            size: known.size,
            md5: known.md5.map(|md5| md5.text()),
            streams: self.streams,
        };
        let content = resume::read(source).await.map_err(&failed)?;
        let content = content.map(move |bytes| bytes.map_err(&failed));
        let content = Hashed::new(content, known.size, known.md5);
        Ok(Box::new(content.of_time(known.time)))
    }

    async fn write(
        &self,
        to: &Spot,
        content: Passing,
        exists: bool,
        key: &str,
    ) -> Result<Landed, Error> {
        let options = WriteOptions {
            size: content.size(),
            existing: match &to.id {
                Some(id) if exists => Existing::Node(id.clone()),
                None if exists => Existing::Unknown,
                _ => Existing::Absent,
            },
            content_type: to.names.last().and_then(|name| files::media_type(name)),
            original_time: content.time(),
            idempotency_key: Some(key.to_owned()),
        };
        let node = self.remote.write(self.path(to), content, options).await;
        let node = node.map_err(self.failed("write", to))?;
        Ok(landed(node))
    }

    async fn confirm(
        &self,
        to: &Spot,
        write: &Unconfirmed,
        md5: &str,
    ) -> Result<Option<Landed>, Error> {
        let found = self.remote.confirm(write.clone(), md5.to_owned()).await;
        let found = found.map_err(self.failed("look for", to))?;
        Ok(found.map(landed))
    }

    async fn set_time(&self, file: &Spot, _: &Entry, time: SystemTime) -> Result<(), Error> {
        let set = self.remote.set_original_time(self.target(file), time).await;
        set.map_err(self.failed("set the time of", file))
    }

    async fn make_folder(&self, folder: &Spot) -> Result<Option<String>, Error> {
        let made = self.remote.make_directory(self.path(folder)).await;
        let made = made.map_err(self.failed("make folder", folder))?;
        Ok(Some(made.id))
    }

    async fn remove(&self, spot: &Spot, _: Kind) -> Result<(), Error> {
        let failed = self.failed("remove", spot);
        let node = self.remote.stat(self.target(spot)).await.map_err(&failed)?;
        if node.parents.len() > 1 {
            // To the trash it would go out of all of them.
            let message = "it is in several folders, and would leave them all".to_owned();
            return Err(failed(component::Error::Forbidden(component::Detail {
                message,
                ..Default::default()
            })));
        }
        let removed = self.remote.trash(Target::Id(node.id)).await;
        removed.map_err(failed)
    }
}

fn landed(node: Node) -> Landed {
    Landed {
        md5: node.md5.as_deref().and_then(Md5::parse),
        size: node.size,
        id: Some(node.id),
    }
}

fn entry(node: Node) -> Entry {
    Entry {
        name: node.name.into(),
        kind: match node.kind {
            component::Kind::File => Kind::File,
            component::Kind::Folder => Kind::Folder,
        },
        size: node.size,
        md5: node.md5.as_deref().and_then(Md5::parse),
        id: Some(node.id.into()),
        time: node.original_time,
    }
}
