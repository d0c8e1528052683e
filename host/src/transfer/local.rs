//! A local folder as a side of a run.

use std::{
    borrow::Cow,
    ffi::OsStr,
    io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use async_trait::async_trait;
use futures::StreamExt;

use super::{
    Error,
    content::{FileContent, Passing, Readable},
    side::{Entry, Landed, Listed, Md5, Side, Spot},
};
use crate::{
    component::NameRule,
    files::{self, Digest, Expected, Kind, Sink, Source},
};

/// The file system below a folder.
pub(super) struct Local {
    base: PathBuf,
}

impl Local {
    pub(super) fn new(base: PathBuf) -> Self {
        Self { base }
    }

    fn path(&self, spot: &Spot) -> PathBuf {
        let mut path = self.base.clone();
        path.extend(spot.names.iter().map(|name| OsStr::from_bytes(name)));
        path
    }
}

#[async_trait]
impl Side for Local {
    fn rule(&self) -> NameRule {
        NameRule::Exact
    }

    fn own_name<'a>(&self, raw: &'a [u8]) -> Cow<'a, [u8]> {
        match files::local_name(raw) {
            Cow::Borrowed(name) => Cow::Borrowed(name.as_bytes()),
            Cow::Owned(name) => Cow::Owned(name.into_vec()),
        }
    }

    fn may_land_late(&self) -> bool {
        false
    }

    async fn stat(&self, spot: &Spot) -> Result<Option<Entry>, Error> {
        let path = self.path(spot);
        // The base is what a person named, and may be a link; below it none is followed.
        if !spot.names.is_empty() && is_link(&path).await {
            let name = path.file_name().unwrap_or_default();
            return Ok(Some(entry(name, Kind::Symlink, 0, None)));
        }
        match files::stat(&path).await {
            Ok(found) => {
                let time = Some(found.modified);
                Ok(Some(entry(&found.name, found.kind, found.size, time)))
            }
            Err(files::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn list(&self, folder: &Spot) -> Result<Listed, Error> {
        let mut listing = files::list(&self.path(folder));
        let mut listed = Listed::default();
        while let Some(batch) = listing.next_batch().await? {
            for found in batch {
                if files::is_part_file(&found.name) {
                    listed.leftovers.push(found.name.into_vec());
                } else {
                    let time = Some(found.modified);
                    let entry = entry(&found.name, found.kind, found.size, time);
                    listed.entries.push(entry);
                }
            }
        }
        Ok(listed)
    }

    async fn clean_up(&self, folder: &Spot, leftovers: &[Vec<u8>]) -> Result<(), Error> {
        let folder = self.path(folder);
        for name in leftovers {
            files::sweep_part(&folder.join(OsStr::from_bytes(name))).await?;
        }
        Ok(())
    }

    async fn digest(&self, file: &Spot) -> Result<Option<Digest>, Error> {
        Ok(Some(files::md5_of(&self.path(file)).await?))
    }

    async fn read(&self, file: &Spot, _: &Entry) -> Result<Box<dyn Readable>, Error> {
        let source = Source::open(&self.path(file)).await?;
        Ok(Box::new(FileContent(source)))
    }

    async fn write(
        &self,
        to: &Spot,
        mut content: Passing,
        _: bool,
        _: &str,
    ) -> Result<Landed, Error> {
        let path = self.path(to);
        let expected = Expected {
            md5: content.expected().map(|md5| md5.text()),
            size: content.size(),
        };
        let mut sink = Sink::create(&path, expected).await?;
        if let Some(time) = content.time() {
            sink.set_modified(time);
        }
        while let Some(bytes) = content.next().await {
            let bytes = bytes.map_err(|source| files::Error::Io {
                action: "write",
                path: path.clone(),
                source: io::Error::other(source),
            })?;
            sink.write(bytes).await?;
        }
        let digest = sink.commit().await?;
        Ok(Landed {
            id: None,
            size: Some(digest.size),
            md5: Md5::parse(&digest.md5),
        })
    }

    async fn set_time(&self, file: &Spot, known: &Entry, time: SystemTime) -> Result<(), Error> {
        Ok(files::set_modified(&self.path(file), known.time, time).await?)
    }

    async fn make_folder(&self, folder: &Spot) -> Result<Option<String>, Error> {
        files::make_dir_all(&self.path(folder)).await?;
        Ok(None)
    }

    async fn remove(&self, spot: &Spot, kind: Kind) -> Result<(), Error> {
        let path = self.path(spot);
        match kind {
            Kind::Folder => files::remove_dir_all(&path).await?,
            Kind::File | Kind::Symlink | Kind::Other => files::remove_file(&path).await?,
        }
        Ok(())
    }
}

fn entry(name: &OsStr, kind: Kind, size: u64, modified: Option<SystemTime>) -> Entry {
    Entry {
        name: name.as_bytes().into(),
        kind,
        size: (kind == Kind::File).then_some(size),
        md5: None,
        id: None,
        time: modified.filter(|_| kind == Kind::File),
    }
}

async fn is_link(path: &Path) -> bool {
    let found = tokio::fs::symlink_metadata(path).await;
    found.is_ok_and(|found| found.is_symlink())
}
