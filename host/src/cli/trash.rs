//! `trash ls`, `trash restore`, `trash empty` and `cleanup`: what a remote's trash holds,
//! and back with it.

use std::ffi::OsStr;

use time::{OffsetDateTime, macros::format_description};
use tracing::Level;

use super::{
    App,
    args::{Restore, TrashCommand},
    exit::Exit,
    failure::Failure,
    list,
    log::local,
    output::{Output, Stop},
    walk,
};
use crate::{
    component::{self, Kind, Node, Remote, Target},
    place::Place,
};

/// `trash`.
pub(super) async fn run(app: &App, command: &TrashCommand) -> Result<Exit, Stop> {
    match command {
        TrashCommand::Ls { place } => ls(app, place).await,
        TrashCommand::Restore(asked) => restore(app, asked).await,
        TrashCommand::Empty { place } => empty(app, place).await,
    }
}

/// `trash ls`.
async fn ls(app: &App, place: &OsStr) -> Result<Exit, Stop> {
    let (remote, shown) = open(app, place).await?;
    let mut listing = remote.list_trash().await?;
    let mut output = Output::new();
    while let Some(mut nodes) = listing.next_batch().await? {
        nodes.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        let names = nodes.iter().map(|node| node.name.clone()).collect();
        let names = remote.sandbox().display(names).await?;
        for (node, name) in nodes.into_iter().zip(names) {
            let line = if app.console.is_json() {
                let path = vec![node.name.clone()];
                let place = Place::Remote {
                    remote: remote.clone(),
                    path,
                    shown: format!("{shown}{name}"),
                };
                list::json(&walk::on_remote(place, name, node))
            } else {
                line(&node, &name, local(node.modified))
            };
            output.write(line.as_bytes())?;
        }
        output.show()?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// `     6148 2016-04-02 09:11:47 or084G4MTvqnRo7yVnY5fQ name`, with a `/` behind a folder's
/// name and -1 for its size.
fn line(node: &Node, name: &str, modified: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    // Formatting to a string fails for no time.
    let time = modified.format(format).unwrap_or_default();
    let (size, end) = match node.kind {
        Kind::Folder => ("-1".to_owned(), "/"),
        Kind::File => (node.size.unwrap_or(0).to_string(), ""),
    };
    format!("{size:>9} {time} {} {name}{end}\n", node.id)
}

/// `trash restore`.
async fn restore(app: &App, asked: &Restore) -> Result<Exit, Stop> {
    let (remote, _) = open(app, &asked.place).await?;
    let mut waiting = asked.ids.clone();
    if asked.all {
        let mut listing = remote.list_trash().await?;
        while let Some(nodes) = listing.next_batch().await? {
            waiting.extend(nodes.into_iter().map(|node| node.id));
        }
    }
    if app.options.dry_run {
        for id in &waiting {
            app.would("restore", id);
        }
        return Ok(Exit::Done);
    }
    // What lies in a folder that is in the trash too has its turn after that folder.
    let mut failed = Vec::new();
    loop {
        let before = waiting.len();
        for id in std::mem::take(&mut waiting) {
            match remote.restore(id.clone()).await {
                Ok(node) => restored(app, &remote, &node).await?,
                Err(error @ component::Error::InvalidArgument(_)) => {
                    failed.push((id.clone(), error));
                    waiting.push(id);
                }
                Err(error) => failed.push((id, error)),
            }
        }
        if waiting.is_empty() || waiting.len() == before {
            break;
        }
        failed.retain(|(id, _)| !waiting.contains(id));
    }
    let many = asked.all || asked.ids.len() > 1;
    let mut exit = Exit::Done;
    for (id, error) in failed {
        let failure = Failure::from(error);
        if !many {
            return Err(failure.into());
        }
        exit = exit.max(app.item_failed(&id, &failure));
    }
    Ok(exit)
}

async fn restored(app: &App, remote: &Remote, node: &Node) -> Result<(), Failure> {
    let names = remote.sandbox().display(vec![node.name.clone()]).await?;
    let name = names.into_iter().next().unwrap_or_default();
    if app.console.is_json() {
        let line = serde_json::json!({ "event": "restored", "id": node.id, "name": name });
        app.console.write_json(&line);
    } else {
        app.console_line(Level::INFO, &format!("{name}: restored"));
    }
    Ok(())
}

/// `trash empty` and `cleanup`: what cannot be done is said, and is no success.
pub(super) async fn empty(app: &App, place: &OsStr) -> Result<Exit, Stop> {
    let (remote, shown) = open(app, place).await?;
    match remote.purge(Target::Id(remote.root_id().to_owned())).await {
        Ok(()) => Ok(Exit::Done),
        Err(error) => {
            let mut failure = Failure::from(error);
            let what = format!("the trash of {shown} cannot be emptied by this program");
            failure.causes.insert(0, what);
            Err(failure
                .hint(
                    "`acd trash ls` says what is in it; what has to go at once can go only in \
                       the service's own web site",
                )
                .into())
        }
    }
}

/// A remote as a whole: a trash has no folders.
async fn open(app: &App, place: &OsStr) -> Result<(Remote, String), Failure> {
    match app.open(place).await? {
        Place::Remote {
            remote,
            path,
            shown,
        } if path.is_empty() => Ok((remote, shown)),
        place => {
            let what = format!("{} is not a whole remote", place.shown());
            Err(Failure::new("not-a-remote", Exit::Usage, what)
                .hint("a remote has one trash: name it with nothing behind its colon"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use time::macros::datetime;

    use super::*;

    #[test]
    fn lines_have_what_restore_takes() {
        let node = |kind, size| Node {
            id: "or084G4MTvqnRo7yVnY5fQ".to_owned(),
            name: b"n".to_vec(),
            kind,
            size,
            md5: None,
            content_type: None,
            created: SystemTime::UNIX_EPOCH,
            modified: SystemTime::UNIX_EPOCH,
            original_time: None,
            parents: Vec::new(),
            version: 1,
        };
        let time = datetime!(2016-04-02 9:11:47 +2);
        assert_eq!(
            line(&node(Kind::File, Some(6148)), "n", time),
            "     6148 2016-04-02 09:11:47 or084G4MTvqnRo7yVnY5fQ n\n"
        );
        assert_eq!(
            line(&node(Kind::Folder, None), "n", time),
            "       -1 2016-04-02 09:11:47 or084G4MTvqnRo7yVnY5fQ n/\n"
        );
    }
}
