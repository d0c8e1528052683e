//! From the entries of a slice to the steps that carry out what the component decides.

use std::collections::HashMap;

use super::{
    Error, Notice, Run,
    side::{Entry, Spot},
    times,
};
use crate::{
    component::{self, Action, Clashes, Decision, Item, NameRule},
    files::Kind,
};

/// One thing to do, or to say.
#[derive(Debug)]
pub(super) struct Step {
    /// The item's path for people.
    pub(super) label: String,
    /// The raw name it gets at the destination, if not its own.
    pub(super) new_name: Option<Box<[u8]>>,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// Both sides have the same file.
    Same(Entry),
    /// Both have a file of this size; their MD5s decide.
    Compare(Entry, Entry),
    /// The file is to be sent, over the destination's one if there is one.
    Send(Entry, Option<Entry>),
    /// The folder is to be made and gone into.
    MakeFolder(Entry),
    /// Both have the folder.
    Descend(Entry, Entry),
    /// Only the destination has it, and it is to go.
    Remove(Entry),
    Problem(Error),
    Notice(Notice),
}

/// A step whose label is still the raw name.
struct Draft {
    name: Box<[u8]>,
    new_name: Option<NewName>,
    what: DraftOf,
}

/// The name something goes under, and the one that has its own.
struct NewName {
    name: Box<[u8]>,
    winner: Box<[u8]>,
}

enum DraftOf {
    What(What),
    /// The name clashes with this one, which goes first.
    Clash(Box<[u8]>),
    /// The same, and is left out.
    LeftOut(Box<[u8]>),
    /// What the source has, and the destination.
    Conflict(Kind, Kind),
    NotReady,
}

/// What to do with one slice of a folder.
pub(super) async fn plan(
    run: &Run,
    folder: &Spot,
    source: Vec<Entry>,
    destination: Vec<Entry>,
) -> Result<Vec<Step>, Error> {
    let mut drafts = Vec::new();
    let (source, destination) = set_aside(run, source, destination, &mut drafts);
    let options = run.plan_options();
    let source_items = || {
        let own = |entry: &Entry| run.destination.own_name(&entry.name).into_owned();
        source.iter().map(|it| item(it, own(it))).collect()
    };
    let destination_items = || {
        destination
            .iter()
            .map(|it| item(it, it.name.to_vec()))
            .collect()
    };
    let decisions = run
        .decide(folder, || {
            run.decider
                .plan(source_items(), destination_items(), options)
        })
        .await?;
    let bad = || Error::BadPlan {
        path: folder.label.clone(),
    };
    let mut matched = Matched {
        names: source.iter().map(|entry| entry.name.clone()).collect(),
        source: source.into_iter().map(Some).collect(),
        destination: destination.into_iter().map(Some).collect(),
    };
    for decision in decisions {
        drafts.extend(matched.draft(run, &decision).ok_or_else(bad)?);
    }
    if matched.any_left() {
        return Err(bad());
    }
    label(run, folder, drafts).await
}

/// Takes out what no component needs to decide: links and special files, and names that
/// become one when they are made fit for a local file system.
fn set_aside(
    run: &Run,
    source: Vec<Entry>,
    destination: Vec<Entry>,
    drafts: &mut Vec<Draft>,
) -> (Vec<Entry>, Vec<Entry>) {
    let is_plain = |entry: &Entry| matches!(entry.kind, Kind::File | Kind::Folder);
    let (destination, special): (Vec<_>, Vec<_>) = destination.into_iter().partition(is_plain);
    let special: HashMap<_, _> = special.iter().map(|it| (&*it.name, it.kind)).collect();
    let mut kept: Vec<Entry> = Vec::with_capacity(source.len());
    for entry in source {
        let own = run.destination.own_name(&entry.name);
        let same_as_last = kept
            .last()
            .is_some_and(|last| run.destination.own_name(&last.name) == own);
        let what = if entry.kind == Kind::Symlink {
            DraftOf::What(What::Notice(Notice::SkippedLink))
        } else if entry.kind == Kind::Other {
            DraftOf::What(What::Notice(Notice::SkippedSpecial))
        } else if let Some(&kind) = special.get(&*own) {
            DraftOf::Conflict(entry.kind, kind)
        } else if let (NameRule::Exact, true, Some(last)) =
            (run.destination.rule(), same_as_last, kept.last())
        {
            match run.options.clashes {
                Clashes::Skip => DraftOf::LeftOut(last.name.clone()),
                Clashes::Fail | Clashes::Rename => DraftOf::Clash(last.name.clone()),
            }
        } else {
            kept.push(entry);
            continue;
        };
        drafts.push(Draft {
            name: entry.name,
            new_name: None,
            what,
        });
    }
    (kept, destination)
}

fn item(entry: &Entry, name: Vec<u8>) -> Item {
    Item {
        name,
        kind: match entry.kind {
            Kind::Folder => component::Kind::Folder,
            Kind::File | Kind::Symlink | Kind::Other => component::Kind::File,
        },
        size: entry.size,
        md5: entry.md5.map(|md5| md5.text()),
    }
}

/// The entries that have no decision yet.
struct Matched {
    /// All of the source's names, to name the winner of a clash.
    names: Vec<Box<[u8]>>,
    source: Vec<Option<Entry>>,
    destination: Vec<Option<Entry>>,
}

impl Matched {
    /// The draft for a decision, if there is something to do or say; `None` if the
    /// decision is impossible: a component can be wrong, but not make the host remove
    /// what the source has, or treat a file as a folder.
    fn draft(&mut self, run: &Run, decision: &Decision) -> Option<Option<Draft>> {
        let source = take(&mut self.source, decision.source)?;
        let destination = take(&mut self.destination, decision.destination)?;
        let name = source.as_ref().or(destination.as_ref())?.name.clone();
        let are = |kind| source.iter().chain(&destination).all(|it| it.kind == kind);
        let possible = match decision.action {
            Action::Skip | Action::Compare | Action::Create | Action::Overwrite => are(Kind::File),
            Action::MakeFolder | Action::Descend => are(Kind::Folder),
            Action::Remove => run.removes_extra,
            Action::Keep | Action::KindConflict | Action::NotReady => true,
            Action::NameClash | Action::LeaveOut => decision.new_name.is_none(),
        };
        if !possible || decision.new_name.as_ref().is_some_and(Vec::is_empty) {
            return None;
        }
        let what = match (decision.action, source, destination) {
            (Action::Skip, Some(source), Some(destination)) => {
                DraftOf::What(match times::differ(&source, &destination) {
                    true => What::Compare(source, destination),
                    false => What::Same(source),
                })
            }
            (Action::Compare, Some(source), Some(destination)) => {
                DraftOf::What(What::Compare(source, destination))
            }
            (Action::Create, Some(source), None) => DraftOf::What(What::Send(source, None)),
            (Action::Overwrite, Some(source), Some(destination)) => {
                DraftOf::What(What::Send(source, Some(destination)))
            }
            (Action::MakeFolder, Some(source), None) => DraftOf::What(What::MakeFolder(source)),
            (Action::Descend, Some(source), Some(destination)) => {
                DraftOf::What(What::Descend(source, destination))
            }
            (Action::Remove, None, Some(destination)) => DraftOf::What(What::Remove(destination)),
            (Action::Keep, None, Some(_)) => return Some(None),
            (Action::KindConflict, Some(source), Some(destination)) => {
                DraftOf::Conflict(source.kind, destination.kind)
            }
            (Action::NameClash, Some(_), None) => {
                DraftOf::Clash(self.names.get(decision.winner? as usize)?.clone())
            }
            (Action::LeaveOut, Some(_), None) => {
                DraftOf::LeftOut(self.names.get(decision.winner? as usize)?.clone())
            }
            (Action::NotReady, Some(_), _) => DraftOf::NotReady,
            _ => return None,
        };
        let new_name = match &decision.new_name {
            Some(name) => Some(NewName {
                name: name.as_slice().into(),
                winner: self.names.get(decision.winner? as usize)?.clone(),
            }),
            None => None,
        };
        Some(Some(Draft {
            name,
            new_name,
            what,
        }))
    }

    /// Whether something was not decided about.
    fn any_left(&self) -> bool {
        self.source
            .iter()
            .chain(&self.destination)
            .any(Option::is_some)
    }
}

/// The entry a decision is about, taken so that no other decision can be; the outer
/// `None` where there is none at that index, or none any more.
fn take(entries: &mut [Option<Entry>], index: Option<u32>) -> Option<Option<Entry>> {
    match index {
        None => Some(None),
        Some(index) => entries.get_mut(index as usize)?.take().map(Some),
    }
}

/// Puts in what people see, in one call for all names.
async fn label(run: &Run, folder: &Spot, drafts: Vec<Draft>) -> Result<Vec<Step>, Error> {
    let names = || {
        let mut names = Vec::with_capacity(drafts.len());
        for draft in &drafts {
            names.push(draft.name.to_vec());
            if let DraftOf::Clash(other) | DraftOf::LeftOut(other) = &draft.what {
                names.push(other.to_vec());
            }
            if let Some(NewName { name, winner }) = &draft.new_name {
                names.extend([name.to_vec(), winner.to_vec()]);
            }
        }
        names
    };
    let shown = run.decide(folder, || run.decider.display(names())).await?;
    let mut shown = shown.into_iter();
    let mut next = || {
        let bad = || Error::BadPlan {
            path: folder.label.clone(),
        };
        shown
            .next()
            .ok_or_else(bad)
            .map(|name| folder.label_of(&name))
    };
    let mut steps = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let label = next()?;
        let path = label.clone();
        let what = match draft.what {
            DraftOf::What(what) => what,
            DraftOf::Clash(_) => What::Problem(Error::NameClash {
                path,
                other: next()?,
            }),
            DraftOf::LeftOut(_) => What::Notice(Notice::SkippedClash { other: next()? }),
            DraftOf::Conflict(source_kind, destination_kind) => {
                What::Problem(Error::KindConflict {
                    path,
                    source_kind,
                    destination_kind,
                })
            }
            DraftOf::NotReady => What::Problem(Error::NotReady { path }),
        };
        let new_name = match draft.new_name {
            Some(NewName { name, .. }) => {
                let notice = Notice::Renamed {
                    new_name: next()?,
                    other: next()?,
                };
                steps.push(Step {
                    label: label.clone(),
                    new_name: None,
                    what: What::Notice(notice),
                });
                Some(name)
            }
            None => None,
        };
        steps.push(Step {
            label,
            new_name,
            what,
        });
    }
    Ok(steps)
}
