//! `mkdir`, `delete` and `purge`: single changes, on either side.

use std::ffi::OsStr;

use futures::{StreamExt as _, stream::FuturesUnordered};
use tracing::Level;

use super::{
    App,
    exit::Exit,
    failure::Failure,
    output::Stop,
    store,
    walk::{self, Entry, Pace},
};
use crate::{
    component::Target,
    files::{self, Kind},
    place::Place,
};

/// `mkdir`.
pub(super) async fn mkdir(app: &App, place: &OsStr) -> Result<Exit, Stop> {
    let place = app.open(place).await?;
    if app.options.dry_run {
        app.would("make folder", &place.shown());
        return Ok(Exit::Done);
    }
    match &place {
        Place::Local(path) => files::make_dir_all(path).await?,
        Place::Remote { remote, path, .. } => {
            remote.make_directory(path.clone()).await?;
        }
    }
    Ok(Exit::Done)
}

/// `delete`: the files below a folder, or one file.
pub(super) async fn delete(app: &App, place: &OsStr) -> Result<Exit, Stop> {
    let place = app.open(place).await?;
    store::spare(&place, app.context().embedded_dir())?;
    let Some(top) = walk::look(&place).await? else {
        return Err(Failure::not_found(&place.shown(), Exit::FolderNotFound).into());
    };
    match top.kind {
        Kind::Folder => {}
        Kind::File => {
            remove_file(app, &top).await?;
            return Ok(Exit::Done);
        }
        Kind::Symlink | Kind::Other => {
            let what = format!("not an ordinary file: {}", place.shown());
            return Err(Failure::new("not-a-file", Exit::Lasting, what).into());
        }
    }
    let at_once = app.options.checkers;
    let mut below = walk::below(top, app.context(), at_once, Pace::WholeFolders).await?;
    let mut removing = FuturesUnordered::new();
    let mut exit = Exit::Done;
    let mut failed = |path: &str, failure: &Failure| {
        exit = exit.max(app.item_failed(path, failure));
    };
    while let Some(found) = below.next().await {
        match found {
            Ok(entries) => {
                // What `ls` shows, and so no links, devices, pipes or sockets.
                for entry in entries.into_iter().filter(|it| it.kind == Kind::File) {
                    if removing.len() >= at_once
                        && let Some(Err((path, failure))) = removing.next().await
                    {
                        let path: String = path;
                        failed(&path, &failure);
                    }
                    removing.push(async move {
                        let outcome = remove_file(app, &entry).await;
                        outcome.map_err(|failure| (entry.path, failure))
                    });
                }
            }
            Err((path, failure)) => failed(&path, &failure),
        }
    }
    while let Some(outcome) = removing.next().await {
        if let Err((path, failure)) = outcome {
            failed(&path, &failure);
        }
    }
    Ok(exit)
}

async fn remove_file(app: &App, entry: &Entry) -> Result<(), Failure> {
    if app.options.dry_run {
        app.would("remove", &entry.path);
        return Ok(());
    }
    match &entry.place {
        Place::Local(path) => files::remove_file(path).await?,
        Place::Remote { remote, path, .. } => {
            let target = match &entry.id {
                Some(id) => Target::Id(id.clone()),
                None => Target::Path(path.clone()),
            };
            remote.trash(target).await?;
        }
    }
    app.console_line(Level::INFO, &format!("{}: removed", entry.path));
    Ok(())
}

/// `purge`: a folder with all it holds.
pub(super) async fn purge(app: &App, place: &OsStr) -> Result<Exit, Stop> {
    let place = app.open(place).await?;
    let top = walk::look_at_folder(&place).await?;
    store::spare(&place, app.context().embedded_dir())?;
    // `..`, `.` and links are seen through first: what is removed is a folder with a name.
    let place = match place {
        Place::Local(path) => Place::Local(std::fs::canonicalize(&path).unwrap_or(path)),
        remote @ Place::Remote { .. } => remote,
    };
    let is_root = match &place {
        Place::Local(path) => path.parent().is_none(),
        Place::Remote { path, .. } => path.is_empty(),
    };
    if is_root {
        let what = format!("{} is the root, which cannot be removed", place.shown());
        return Err(Failure::new("root", Exit::Usage, what)
            .hint("name a folder in it; `acd delete` removes all files")
            .into());
    }
    if app.options.dry_run {
        app.would("remove with all it holds", &place.shown());
        return Ok(Exit::Done);
    }
    match &place {
        Place::Local(path) => files::remove_dir_all(path).await?,
        Place::Remote { remote, path, .. } => {
            let target = top
                .id
                .map_or_else(|| Target::Path(path.clone()), Target::Id);
            remote.trash(target).await?;
        }
    }
    Ok(Exit::Done)
}
