//! What lies below a place, wherever that is.

use std::{
    collections::{HashMap, VecDeque},
    os::unix::ffi::OsStrExt as _,
    sync::Arc,
    time::SystemTime,
};

use futures::{StreamExt as _, stream::FuturesUnordered};
use tokio::sync::mpsc;

use super::{exit::Exit, failure::Failure};
use crate::{
    component::{self, NodeListing, Remote, Sandbox, Target},
    files,
    place::{Context, Place},
};

/// One file or folder.
#[derive(Clone)]
pub(super) struct Entry {
    /// Where it is.
    pub(super) place: Place,
    /// Its path below the place that was asked for, as people see it.
    pub(super) path: String,
    /// Its own name, as people see it.
    pub(super) name: String,
    pub(super) kind: files::Kind,
    /// Size in bytes; 0 where there is none.
    pub(super) size: u64,
    /// The file's own time, or the service's where that is not known.
    pub(super) modified: SystemTime,
    /// MIME type, where known.
    pub(super) media_type: Option<String>,
    /// The node's id, on a remote.
    pub(super) id: Option<String>,
    /// Hexadecimal MD5, where known without reading.
    pub(super) md5: Option<String>,
}

/// Looks at one place; `None` where nothing is.
pub(super) async fn look(place: &Place) -> Result<Option<Entry>, Failure> {
    let found = match place {
        Place::Local(path) => match files::stat(path).await {
            Ok(entry) => local(place.clone(), String::new(), entry),
            Err(files::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        },
        Place::Remote { remote, path, .. } => match remote.stat(Target::Path(path.clone())).await {
            Ok(node) => on_remote(place.clone(), String::new(), node),
            Err(component::Error::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        },
    };
    let name = own_name(place);
    Ok(Some(Entry {
        path: name.clone(),
        name,
        ..found
    }))
}

/// A place's last name, as people see it; empty for a root.
fn own_name(place: &Place) -> String {
    match place {
        Place::Local(path) => {
            let name = path.file_name().unwrap_or_default();
            files::shown(name).to_string()
        }
        Place::Remote { shown, .. } => {
            let path = shown.split_once(':').map_or("", |(_, path)| path);
            path.rsplit('/').next().unwrap_or_default().to_owned()
        }
    }
}

/// As [`look`], for a folder that must be there.
pub(super) async fn look_at_folder(place: &Place) -> Result<Entry, Failure> {
    match look(place).await? {
        Some(entry) if entry.kind == files::Kind::Folder => Ok(entry),
        Some(_) => Err(Failure::new(
            "not-a-folder",
            Exit::Lasting,
            format!("not a folder: {}", place.shown()),
        )),
        None => Err(Failure::not_found(&place.shown(), Exit::FolderNotFound)),
    }
}

fn local(place: Place, path: String, entry: files::Entry) -> Entry {
    Entry {
        place,
        name: path.rsplit('/').next().unwrap_or_default().to_owned(),
        path,
        kind: entry.kind,
        size: entry.size,
        modified: entry.modified,
        media_type: files::media_type(entry.name.as_bytes()),
        id: None,
        md5: None,
    }
}

pub(super) fn on_remote(place: Place, path: String, node: component::Node) -> Entry {
    Entry {
        place,
        name: path.rsplit('/').next().unwrap_or_default().to_owned(),
        path,
        kind: match node.kind {
            component::Kind::File => files::Kind::File,
            component::Kind::Folder => files::Kind::Folder,
        },
        size: node.size.unwrap_or(0),
        modified: node.original_time.unwrap_or(node.modified),
        media_type: node.content_type,
        id: Some(node.id),
        md5: node.md5,
    }
}

/// A folder's entries, batch by batch.
pub(super) struct Folder {
    place: Place,
    path: String,
    sandbox: Sandbox,
    batches: Batches,
}

enum Batches {
    Local(files::Listing),
    Remote(NodeListing),
}

impl Folder {
    /// Opens a folder; `path` is what its entries' paths start with.
    pub(super) async fn open(
        entry: &Entry,
        path: String,
        sandbox: Sandbox,
    ) -> Result<Self, Failure> {
        let batches = match &entry.place {
            Place::Local(folder) => Batches::Local(files::list(folder)),
            Place::Remote { remote, path, .. } => {
                let target = match &entry.id {
                    Some(id) => Target::Id(id.clone()),
                    None => Target::Path(path.clone()),
                };
                Batches::Remote(remote.list(target).await?)
            }
        };
        Ok(Self {
            place: entry.place.clone(),
            path,
            sandbox,
            batches,
        })
    }

    /// The next entries, sorted by name; `None` once there are no more.
    pub(super) async fn next_batch(&mut self) -> Result<Option<Vec<Entry>>, Failure> {
        let path = |name: &str| {
            if self.path.is_empty() {
                name.to_owned()
            } else {
                format!("{}/{name}", self.path)
            }
        };
        let mut entries: Vec<_> = match &mut self.batches {
            Batches::Local(listing) => {
                let Some(mut batch) = listing.next_batch().await? else {
                    return Ok(None);
                };
                batch.retain(|entry| !files::is_part_file(&entry.name));
                let raw: Vec<_> = batch
                    .iter()
                    .map(|entry| entry.name.as_bytes().to_vec())
                    .collect();
                let names = self.sandbox.display(raw).await?;
                let named = batch.into_iter().zip(names);
                named
                    .map(|(entry, name)| {
                        let place = self.place.join(entry.name.as_bytes(), &name);
                        local(place, path(&name), entry)
                    })
                    .collect()
            }
            Batches::Remote(listing) => {
                let Some(batch) = listing.next_batch().await? else {
                    return Ok(None);
                };
                let raw = batch.iter().map(|node| node.name.clone()).collect();
                let names = self.sandbox.display(raw).await?;
                let named = batch.into_iter().zip(names);
                named
                    .map(|(node, name)| {
                        let place = self.place.join(&node.name, &name);
                        on_remote(place, path(&name), node)
                    })
                    .collect()
            }
        };
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(entries))
    }
}

/// All that lies below a folder.
pub(super) struct Below {
    found: mpsc::Receiver<Found>,
}

/// Entries of one folder; or an error with the path of the folder it is about, of which
/// no more entries come.
type Found = Result<Vec<Entry>, (String, Failure)>;

impl Below {
    /// The next entries, of any folder; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Found> {
        self.found.recv().await
    }
}

/// All that lies below a folder of a remote, found by the remote itself.
pub(super) struct Walked {
    walk: component::Walk,
    sandbox: Sandbox,
    top: Place,
    /// Folders' paths as people see them, by their raw names.
    folders: HashMap<Vec<Vec<u8>>, (Place, String)>,
}

impl Walked {
    pub(super) async fn begin(top: &Entry, remote: &Remote) -> Result<Self, Failure> {
        let target = match (&top.id, &top.place) {
            (Some(id), _) => Target::Id(id.clone()),
            (None, Place::Remote { path, .. }) => Target::Path(path.clone()),
            (None, Place::Local(_)) => Target::Path(Vec::new()),
        };
        Ok(Self {
            walk: remote.walk(target).await?,
            sandbox: remote.sandbox().clone(),
            top: top.place.clone(),
            folders: HashMap::new(),
        })
    }

    /// The next entries, of any folder, sorted by path; `None` when that was all.
    pub(super) async fn next_batch(&mut self) -> Result<Option<Vec<Entry>>, Failure> {
        let Some(batch) = self.walk.next_batch().await? else {
            return Ok(None);
        };
        let raw = batch.iter().map(|found| found.node.name.clone()).collect();
        let names = self.sandbox.display(raw).await?;
        let mut entries = Vec::with_capacity(batch.len());
        for (component::Found { mut path, node }, name) in batch.into_iter().zip(names) {
            let own = path.pop().unwrap_or_default();
            // A folder comes before what is in it.
            let (place, shown) = match self.folders.get(&path) {
                Some((above, shown)) => (above.join(&own, &name), format!("{shown}/{name}")),
                None => (self.top.join(&own, &name), name),
            };
            if node.kind == component::Kind::Folder {
                path.push(own);
                self.folders.insert(path, (place.clone(), shown.clone()));
            }
            entries.push(on_remote(place, shown, node));
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Some(entries))
    }
}

/// When a folder's entries are handed on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Batch by batch.
    AsTheyCome,
    /// All at once, when the folder's listing is complete: for those who change the
    /// folder, which a listing that still goes on may not survive.
    WholeFolders,
}

/// Goes through all folders below one, several at once, deepest first, so that few are
/// waiting at any time.
pub(super) async fn below(
    top: Entry,
    context: &Context,
    at_once: usize,
    pace: Pace,
) -> Result<Below, Failure> {
    let sandbox = match &top.place {
        Place::Local(_) => context.sandbox().await?.clone(),
        Place::Remote { remote, .. } => remote.sandbox().clone(),
    };
    let (send, found) = mpsc::channel(at_once);
    tokio::spawn(async move {
        let top = Entry {
            path: String::new(),
            ..top
        };
        let mut waiting = VecDeque::from([top]);
        let mut open = FuturesUnordered::new();
        let send = Arc::new(send);
        loop {
            while open.len() < at_once
                && let Some(folder) = waiting.pop_back()
            {
                open.push(visit(folder, pace, sandbox.clone(), Arc::clone(&send)));
            }
            match open.next().await {
                Some(folders) => waiting.extend(folders),
                None => break,
            }
        }
    });
    Ok(Below { found })
}

/// Hands on a folder's entries; the answer is the folders in it.
async fn visit(
    folder: Entry,
    pace: Pace,
    sandbox: Sandbox,
    send: Arc<mpsc::Sender<Found>>,
) -> Vec<Entry> {
    let mut folders = Vec::new();
    let shown = if folder.path.is_empty() {
        folder.place.shown()
    } else {
        folder.path.clone()
    };
    let outcome = async {
        let mut listing = Folder::open(&folder, folder.path.clone(), sandbox).await?;
        let mut whole = Vec::new();
        while let Some(entries) = listing.next_batch().await? {
            let is_folder = |entry: &&Entry| entry.kind == files::Kind::Folder;
            folders.extend(entries.iter().filter(is_folder).cloned());
            if pace == Pace::WholeFolders {
                whole.extend(entries);
            } else if send.send(Ok(entries)).await.is_err() {
                // Nobody wants more.
                folders.clear();
                return Ok(());
            }
        }
        if !whole.is_empty() && send.send(Ok(whole)).await.is_err() {
            folders.clear();
        }
        Ok(())
    };
    if let Err(failure) = outcome.await {
        let _ = send.send(Err((shown, failure))).await;
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_name_of_a_place_may_hold_a_colon() {
        for (path, name) in [("a/b:c", "b:c"), ("./a", "a"), ("/", ""), ("..", "")] {
            assert_eq!(own_name(&Place::Local(path.into())), name, "{path}");
        }
    }
}
