//! `move` and `moveto`: by the service or the file system where either can, and else as a
//! copy that is proven before its source is removed.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::Level;

use super::{
    App, args, copy,
    exit::Exit,
    failure::Failure,
    output::Stop,
    relocate::{At, Mover},
    store,
    walk::{self, Entry, Pace},
};
use crate::{
    component::{Clashes, NodePath, Target},
    files::{self, Identity, Kind},
    place::Place,
    transfer::{self, Event, Mode, Observer, Summary},
};

/// What the destination is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// A folder that the source's contents go into, or the source, if it is a file.
    Into,
    /// The source's new path.
    To,
}

/// `move`.
pub(super) async fn move_into(app: &App, ends: &args::MoveEnds) -> Result<Exit, Stop> {
    run(app, ends, Goal::Into).await
}

/// `moveto`.
pub(super) async fn move_to(app: &App, ends: &args::MoveEnds) -> Result<Exit, Stop> {
    run(app, ends, Goal::To).await
}

async fn run(app: &App, ends: &args::MoveEnds, goal: Goal) -> Result<Exit, Stop> {
    let source = app.open(&ends.source).await?;
    let mut destination = app.open(&ends.destination).await?;
    let data_dir = app.context().embedded_dir();
    store::spare(&source, data_dir)?;
    store::spare(&destination, data_dir)?;
    let found = walk::look(&source).await?;
    let is_file = found.as_ref().is_some_and(|found| found.kind == Kind::File);
    if goal == Goal::Into && is_file {
        let there = walk::look(&destination).await?;
        if there.is_some_and(|there| there.kind != Kind::Folder) {
            let what = format!("not a folder: {}", destination.shown());
            return Err(Failure::new("not-a-folder", Exit::Lasting, what).into());
        }
        destination = inside(&destination, &source, found.as_ref());
    }
    if let (
        Place::Remote {
            remote,
            path: from,
            shown,
        },
        Place::Remote {
            remote: other,
            path: to,
            shown: to_shown,
        },
    ) = (&source, &destination)
        && remote.root_id() == other.root_id()
    {
        let at = |path: &NodePath, shown: &str| At {
            path: path.clone(),
            shown: shown.to_owned(),
        };
        let mover = Mover {
            app,
            remote: remote.clone(),
            remove_emptied: ends.delete_empty_src_dirs,
        };
        return Ok(mover.to(at(from, shown), at(to, to_shown)).await?);
    }
    let Some(found) = found else {
        return Err(Failure::not_found(&source.shown(), Exit::FolderNotFound).into());
    };
    if let (Place::Local(from), Place::Local(to)) = (&source, &destination)
        && rename(app, from, to).await?
    {
        return Ok(Exit::Done);
    }
    across(app, &found, destination, ends.delete_empty_src_dirs).await
}

/// The place in a folder that has the source's own name.
fn inside(folder: &Place, source: &Place, found: Option<&Entry>) -> Place {
    let raw = match source {
        Place::Local(path) => path
            .file_name()
            .map(|name| name.as_encoded_bytes().to_vec()),
        Place::Remote { path, .. } => path.last().cloned(),
    };
    let display = found.map_or("", |found| found.name.as_str());
    folder.join(&raw.unwrap_or_default(), display)
}

/// Renames on one file system where nothing is yet; says whether that was it.
async fn rename(app: &App, from: &Path, to: &Path) -> Result<bool, Failure> {
    if !matches!(files::stat(to).await, Err(files::Error::NotFound { .. })) {
        return Ok(false);
    }
    if app.options.dry_run {
        let what = format!("{} to {}", files::shown(from), files::shown(to));
        app.would("move", &what);
        return Ok(true);
    }
    if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        files::make_dir_all(folder).await?;
    }
    let renamed = files::rename_new(from, to).await?;
    if renamed {
        let line = format!("{}: moved to {}", files::shown(from), files::shown(to));
        app.console_line(Level::INFO, &line);
    }
    Ok(renamed)
}

/// From one place to another that nothing but a copy leads to.
async fn across(
    app: &App,
    source: &Entry,
    destination: Place,
    remove_emptied: bool,
) -> Result<Exit, Stop> {
    let is_file = source.kind == Kind::File;
    // Taken before anything is read: what is the same after the copy is what was copied.
    let (before, folders) = snapshot(app, source).await?;
    let proven = Arc::new(Proven::default());
    let summary = copy::transfer(app, Clashes::Fail, async |sandbox, options, observer| {
        let place = source.place.clone();
        let following = Arc::new(Follow {
            proven: Arc::clone(&proven),
            observer,
        });
        if is_file {
            transfer::run_file(place, destination, sandbox, options, following).await
        } else {
            transfer::run(Mode::Copy, place, destination, sandbox, options, following).await
        }
    })
    .await?;
    let mut exit = Exit::Done;
    let proven = proven.take();
    for (path, kept) in before {
        if !is_file && !proven.contains(&path) || is_file && proven.is_empty() {
            continue;
        }
        if app.options.dry_run {
            app.would("remove from the source", &path);
            continue;
        }
        match remove(&kept).await {
            Ok(()) => app.console_line(Level::INFO, &format!("{path}: removed from the source")),
            Err(failure) => exit = exit.max(app.item_failed(&path, &failure)),
        }
    }
    let complete = exit == Exit::Done && summary.is_complete();
    if remove_emptied && complete && !app.options.dry_run {
        for folder in folders.iter().rev() {
            remove_if_empty(app, folder).await?;
        }
    }
    finish(app, &summary, exit)
}

fn finish(app: &App, summary: &Summary, exit: Exit) -> Result<Exit, Stop> {
    copy::conclude(app, summary).map(|copied| copied.max(exit))
}

/// A file of the source as it was before the copy.
enum Before {
    Local(Place, Identity),
    Remote(Box<Entry>),
}

/// All files below, by their paths as people see them, and the folders, each after the one
/// it is in.
async fn snapshot(
    app: &App,
    top: &Entry,
) -> Result<(BTreeMap<String, Before>, Vec<Entry>), Failure> {
    let mut before = BTreeMap::new();
    // A remote can show a name twice, and only one of them can have been copied.
    let mut twice = HashSet::new();
    let mut folders = Vec::new();
    if top.kind == Kind::File {
        match keep(top).await? {
            Some(kept) => before.insert(top.path.clone(), kept),
            None => {
                let what = format!("{} is a symbolic link", top.place.shown());
                return Err(Failure::new("not-a-file", Exit::Lasting, what)
                    .hint("name the file that it leads to"));
            }
        };
        return Ok((before, folders));
    }
    folders.push(top.clone());
    let at_once = app.options.checkers;
    let mut below = walk::below(top.clone(), app.context(), at_once, Pace::AsTheyCome).await?;
    while let Some(found) = below.next().await {
        for entry in found.map_err(|(_, failure)| failure)? {
            match entry.kind {
                Kind::Folder => folders.push(entry),
                Kind::File => {
                    if let Some(kept) = keep(&entry).await?
                        && before.insert(entry.path.clone(), kept).is_some()
                    {
                        twice.insert(entry.path);
                    }
                }
                Kind::Symlink | Kind::Other => {}
            }
        }
    }
    before.retain(|path, _| !twice.contains(path));
    folders.sort_by_key(|folder| folder.path.len());
    Ok((before, folders))
}

async fn keep(entry: &Entry) -> Result<Option<Before>, Failure> {
    match &entry.place {
        Place::Local(path) => match files::identity(path).await {
            Ok(Some(identity)) => Ok(Some(Before::Local(entry.place.clone(), identity))),
            Ok(None) | Err(files::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        },
        Place::Remote { .. } => Ok(Some(Before::Remote(Box::new(entry.clone())))),
    }
}

/// Removes a file of the source whose copy is proven, unless it is another by now.
async fn remove(before: &Before) -> Result<(), Failure> {
    let changed = |place: &Place| {
        let what = format!("{} changed while it was moved, and stays", place.shown());
        Failure::new("changed", Exit::Temporary, what).hint("run it again")
    };
    match before {
        Before::Local(place, identity) => {
            let Place::Local(path) = place else {
                return Err(changed(place));
            };
            if files::identity(path).await? != Some(*identity) {
                return Err(changed(place));
            }
            files::remove_file(path).await?;
        }
        Before::Remote(entry) => {
            let place = &entry.place;
            let (Place::Remote { remote, .. }, Some(id)) = (place, &entry.id) else {
                return Err(changed(place));
            };
            let now = remote.stat(Target::Id(id.clone())).await?;
            if now.md5.is_none() || now.md5 != entry.md5 || now.size != Some(entry.size) {
                return Err(changed(place));
            }
            if now.parents.len() > 1 {
                let what = format!(
                    "{} is in several folders, and would leave them all",
                    place.shown()
                );
                return Err(Failure::new("several-folders", Exit::Lasting, what));
            }
            remote.trash(Target::Id(id.clone())).await?;
        }
    }
    Ok(())
}

/// Removes a folder of the source in which nothing is left.
async fn remove_if_empty(app: &App, folder: &Entry) -> Result<(), Failure> {
    match &folder.place {
        Place::Local(path) => {
            // Refused by the system where something is in it, which is no error here.
            if files::remove_dir(path).await.is_err() {
                return Ok(());
            }
        }
        Place::Remote { remote, path, .. } => {
            let Some(id) = folder.id.clone().filter(|_| !path.is_empty()) else {
                return Ok(());
            };
            if remote.stat(Target::Id(id.clone())).await?.parents.len() > 1 {
                return Ok(());
            }
            let mut listing = remote.list(Target::Id(id.clone())).await?;
            if listing.next_batch().await?.is_some() {
                return Ok(());
            }
            remote.trash(Target::Id(id)).await?;
        }
    }
    app.console_line(
        Level::INFO,
        &format!(
            "{}: removed, as nothing is left in it",
            folder.place.shown()
        ),
    );
    Ok(())
}

/// Files whose copies are proven.
#[derive(Default)]
struct Proven(Mutex<HashSet<String>>);

impl Proven {
    fn take(&self) -> HashSet<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Notes what is proven, and passes all on.
struct Follow {
    proven: Arc<Proven>,
    observer: Arc<dyn Observer>,
}

impl Observer for Follow {
    fn event(&self, event: Event<'_>) {
        let name = match &event {
            Event::Finished { name, .. }
            | Event::Unchanged { name, .. }
            | Event::Would { name, .. } => Some((*name).to_owned()),
            _ => None,
        };
        if let Some(name) = name {
            let proven = self.proven.0.lock();
            proven.unwrap_or_else(PoisonError::into_inner).insert(name);
        }
        self.observer.event(event);
    }
}
