//! The two ends of a run: what they are, and whether they can be its ends.

use std::{
    ffi::OsString,
    os::unix::ffi::OsStrExt as _,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use super::{
    Error,
    local::Local,
    remote::Drive,
    renamed::Renamed,
    side::{Decider, Entry, Side, Spot},
};
use crate::{
    component::{Clashes, NameRule, NodePath},
    files::{self, Kind},
    place::Place,
};

/// Both ends, looked at.
pub(super) struct Ends {
    pub(super) source: Arc<dyn Side>,
    pub(super) source_spot: Spot,
    pub(super) root: Root,
    pub(super) destination: Arc<dyn Side>,
    pub(super) destination_spot: Spot,
    pub(super) destination_exists: bool,
}

/// What the source is.
pub(super) enum Root {
    Folder,
    /// One file, in the folder that the source's spot is.
    File(Entry),
}

/// Looks at both ends. Changes nothing.
pub(super) async fn open(
    source: Place,
    destination: Place,
    streams: usize,
    decider: &dyn Decider,
) -> Result<Ends, Error> {
    let found = look_at(&source).await?.ok_or_else(|| Error::NotFound {
        path: source.shown(),
    })?;
    let target = look_at(&destination).await?;
    if target.as_ref().is_some_and(|it| it.kind != Kind::Folder) {
        return Err(Error::NotAFolder {
            path: destination.shown(),
        });
    }
    let overlap = || Error::Overlap {
        source_path: source.shown(),
        destination_path: destination.shown(),
    };
    let destination_spot = Spot::base(target.as_ref().and_then(id_of));
    let (place, source_spot, root) = match found.kind {
        Kind::Folder => {
            if related(&source, &destination, decider).await? != Relation::Apart {
                return Err(overlap());
            }
            (source, Spot::base(id_of(&found)), Root::Folder)
        }
        Kind::File => {
            let parent = parent(&source);
            // Anywhere else there is no harm in a file beside or above its source.
            if related(&parent, &destination, decider).await? == Relation::Same {
                return Err(overlap());
            }
            (parent, Spot::base(None), Root::File(found))
        }
        Kind::Symlink | Kind::Other => {
            return Err(Error::NotAFile {
                path: source.shown(),
            });
        }
    };
    Ok(Ends {
        source: side(place, streams),
        source_spot,
        root,
        destination: side(destination, streams),
        destination_spot,
        destination_exists: target.is_some(),
    })
}

/// Looks at one file, and at the folder it is to be in under the destination's name.
/// Changes nothing.
pub(super) async fn open_file(
    source: Place,
    destination: Place,
    streams: usize,
    decider: &dyn Decider,
) -> Result<Ends, Error> {
    let not_a_file = |place: &Place| Error::NotAFile {
        path: place.shown(),
    };
    let found = look_at(&source).await?.ok_or_else(|| Error::NotFound {
        path: source.shown(),
    })?;
    if found.kind != Kind::File {
        return Err(not_a_file(&source));
    }
    let name = match &destination {
        Place::Local(path) => path.file_name().map(|name| name.as_bytes().to_vec()),
        Place::Remote { path, .. } => path.last().cloned(),
    };
    let name = name.ok_or_else(|| not_a_file(&destination))?;
    if look_at(&destination)
        .await?
        .is_some_and(|there| there.kind != Kind::File)
    {
        return Err(not_a_file(&destination));
    }
    if related(&source, &destination, decider).await? == Relation::Same {
        return Err(Error::Overlap {
            source_path: source.shown(),
            destination_path: destination.shown(),
        });
    }
    let folder = parent(&destination);
    let target = look_at(&folder).await?;
    if target.as_ref().is_some_and(|it| it.kind != Kind::Folder) {
        return Err(Error::NotAFolder {
            path: folder.shown(),
        });
    }
    let actual = found.name.to_vec();
    let file = Entry {
        name: name.clone().into(),
        ..found
    };
    Ok(Ends {
        source: Arc::new(Renamed::new(side(parent(&source), streams), actual, name)),
        source_spot: Spot::base(None),
        root: Root::File(file),
        destination: side(folder, streams),
        destination_spot: Spot::base(target.as_ref().and_then(id_of)),
        destination_exists: target.is_some(),
    })
}

fn side(place: Place, streams: usize) -> Arc<dyn Side> {
    match place {
        Place::Local(base) => Arc::new(Local::new(base)),
        Place::Remote {
            remote,
            path,
            shown,
        } => Arc::new(Drive::new(remote, path, shown, streams)),
    }
}

/// What a place is, following links; `None` where nothing is.
async fn look_at(place: &Place) -> Result<Option<Entry>, Error> {
    match side(place.clone(), 1).stat(&Spot::base(None)).await {
        Err(error) if error.is_not_a_folder() => Err(Error::NotAFolder {
            path: place.shown(),
        }),
        found => found,
    }
}

fn id_of(entry: &Entry) -> Option<String> {
    entry.id.clone().map(String::from)
}

/// The folder a file is in.
fn parent(file: &Place) -> Place {
    match file {
        Place::Local(path) => Place::Local(path.parent().unwrap_or(Path::new("")).to_owned()),
        Place::Remote {
            remote,
            path,
            shown,
        } => {
            let end = shown
                .rfind(['/', ':'])
                .map_or(0, |at| at + usize::from(shown.as_bytes()[at] == b':'));
            Place::Remote {
                remote: remote.clone(),
                path: path[..path.len().saturating_sub(1)].to_vec(),
                shown: shown[..end].to_owned(),
            }
        }
    }
}

/// How two folders lie to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Same,
    /// One is inside the other.
    Nested,
    Apart,
}

async fn related(a: &Place, b: &Place, decider: &dyn Decider) -> Result<Relation, Error> {
    match (a, b) {
        (Place::Local(a), Place::Local(b)) => {
            let (a, b) = (resolved(a).await?, resolved(b).await?);
            let components = |path: &Path| -> Vec<OsString> {
                path.components()
                    .map(|it| it.as_os_str().to_owned())
                    .collect()
            };
            match relation(&components(&a), &components(&b)) {
                // One thing may have two paths: a mount, or a file system that ignores case.
                Relation::Apart => Ok(by_identity(&a, &b).await),
                found => Ok(found),
            }
        }
        (
            Place::Remote {
                remote: remote_a,
                path: a,
                shown,
            },
            Place::Remote {
                remote: remote_b,
                path: b,
                ..
            },
        ) if remote_a.root_id() == remote_b.root_id() => {
            let undecided = |source| Error::Undecided {
                path: shown.clone(),
                source: Box::new(source),
            };
            let keys = async |path: &NodePath| {
                decider
                    .match_keys(path.clone(), NameRule::IgnoreCase, Clashes::Fail)
                    .await
                    .map_err(undecided)
            };
            Ok(relation(&keys(a).await?, &keys(b).await?))
        }
        _ => Ok(Relation::Apart),
    }
}

/// How two places lie to each other by what they are, whatever their paths say.
async fn by_identity(a: &Path, b: &Path) -> Relation {
    let (above_a, above_b) = (identities(a).await, identities(b).await);
    let is = |above: &[Option<(u64, u64)>]| above.first().copied().flatten();
    match (is(&above_a), is(&above_b)) {
        (Some(a), Some(b)) if a == b => Relation::Same,
        (a, b) if a.is_some() && above_b.contains(&a) || b.is_some() && above_a.contains(&b) => {
            Relation::Nested
        }
        _ => Relation::Apart,
    }
}

/// Device and inode of a path and of all above it; `None` for what is not there.
async fn identities(path: &Path) -> Vec<Option<(u64, u64)>> {
    use std::os::unix::fs::MetadataExt as _;
    let mut found = Vec::new();
    for path in path.ancestors() {
        let metadata = tokio::fs::metadata(path).await.ok();
        found.push(metadata.map(|it| (it.dev(), it.ino())));
    }
    found
}

fn relation<T: PartialEq>(a: &[T], b: &[T]) -> Relation {
    if a == b {
        Relation::Same
    } else if a.starts_with(b) || b.starts_with(a) {
        Relation::Nested
    } else {
        Relation::Apart
    }
}

/// The path without links and `..`, also where its end does not exist yet.
async fn resolved(path: &Path) -> Result<PathBuf, Error> {
    let failed = |source| {
        Error::Local(files::Error::Io {
            action: "resolve",
            path: path.to_owned(),
            source,
        })
    };
    // What has no parent in its text is in the current folder.
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let absolute = std::path::absolute(path).map_err(failed)?;
    for existing in absolute.ancestors() {
        let Ok(mut resolved) = tokio::fs::canonicalize(existing).await else {
            continue;
        };
        let rest = absolute.strip_prefix(existing).unwrap_or(Path::new(""));
        for component in rest.components() {
            match component {
                Component::ParentDir => {
                    resolved.pop();
                }
                Component::Normal(name) => resolved.push(name),
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        return Ok(resolved);
    }
    Ok(absolute)
}
