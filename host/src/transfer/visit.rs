//! One folder: made where it is missing, listed on both sides, planned slice by slice.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, sync::Arc};

use super::{
    Error, Event, Notice, Run,
    event::Change,
    plan::{Step, plan},
    side::{Entry, Listed, Spot},
    slices::Slices,
};
use crate::files;

/// How far a visit has come.
#[derive(Debug)]
pub(super) enum Visit {
    /// Nothing is done yet; the destination has the folder or not.
    New { exists: bool },
    /// The same for a source that is one file: only its name is looked at.
    File { exists: bool, file: Entry },
    /// Listed, and these are still to be planned.
    Listed(Slices),
}

/// What a visit brought.
#[derive(Debug)]
pub(super) struct Visited {
    /// The destination's folder, with the id it may just have got.
    pub(super) destination: Arc<Spot>,
    pub(super) steps: Vec<Step>,
    /// What is left; `None` is the end of the visit.
    pub(super) rest: Option<Visit>,
}

/// Takes a visit one step further: up to the plan of the next slice.
pub(super) async fn visit(
    run: &Run,
    source: &Spot,
    destination: Arc<Spot>,
    visit: Visit,
) -> Result<Visited, Error> {
    let (destination, mut slices) = match visit {
        Visit::New { exists } => {
            let (destination, is_new) = prepare(run, source, destination, exists).await?;
            let slices = list(run, source, &destination, is_new).await?;
            (destination, slices)
        }
        Visit::File { exists, file } => {
            let (destination, is_new) = prepare(run, source, destination, exists).await?;
            let there = if is_new {
                None
            } else {
                let own = run.destination.own_name(&file.name);
                let shown = files::shown(OsStr::from_bytes(&own)).to_string();
                let spot = destination.child(&own, None, shown);
                run.patiently(|| run.destination.stat(&spot)).await?
            };
            (destination, Slices::single(file, there))
        }
        Visit::Listed(slices) => (destination, slices),
    };
    let steps = match slices.cut() {
        Some((from, to)) => plan(run, source, from, to).await?,
        None => Vec::new(),
    };
    Ok(Visited {
        destination,
        steps,
        rest: (!slices.is_empty()).then_some(Visit::Listed(slices)),
    })
}

/// Makes the destination's folder where there is none. Says whether it is new, and so
/// nothing is in it. The base never counts as new: it may be there under a name that was
/// spelled otherwise than asked for, which no listing of its parent has shown.
async fn prepare(
    run: &Run,
    source: &Spot,
    destination: Arc<Spot>,
    exists: bool,
) -> Result<(Arc<Spot>, bool), Error> {
    let name = &source.label;
    if exists {
        return Ok((destination, false));
    }
    if run.options.dry_run {
        let change = Change::MakeFolder;
        run.observer.event(Event::Would { name, change });
        return Ok((destination, true));
    }
    let id = run
        .patiently(|| run.destination.make_folder(&destination))
        .await?;
    run.observer.event(Event::FolderMade { name });
    let is_new = !destination.names.is_empty();
    let destination = Spot {
        id,
        ..Spot::clone(&destination)
    };
    Ok((Arc::new(destination), is_new))
}

async fn list(run: &Run, source: &Spot, destination: &Spot, is_new: bool) -> Result<Slices, Error> {
    let from = run.patiently(|| run.source.list(source));
    let to = async {
        if is_new {
            Ok(Listed::default())
        } else {
            run.patiently(|| run.destination.list(destination)).await
        }
    };
    let (from, to) = futures::try_join!(from, to)?;
    let name = &source.label;
    if !to.leftovers.is_empty() && !run.options.dry_run {
        let cleaned = run.destination.clean_up(destination, &to.leftovers).await;
        if let Err(error) = cleaned {
            let reason = error.to_string();
            let notice = Notice::NotCleanedUp { reason };
            run.observer.event(Event::Notice { name, notice });
        }
    }
    let entries = (from.entries.len() + to.entries.len()) as u64;
    run.observer.event(Event::Listed { name, entries });
    Slices::new(run, source, from.entries, to.entries).await
}
