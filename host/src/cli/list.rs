//! `ls`, `lsd` and `cat`: data to standard output, in rclone's formats.

use std::{ffi::OsStr, fmt::Write as _, time::SystemTime};

use futures::StreamExt as _;
use md5::{Digest as _, Md5};
use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

use super::{
    App, args,
    exit::Exit,
    failure::Failure,
    log::local_offset,
    output::{Output, Stop},
    walk::{self, Entry, Folder},
};
use crate::{
    component::{ByteRange, Target},
    files::{self, Kind},
    place::Place,
};

/// `ls`: all files below.
pub(super) async fn ls(app: &App, place: &OsStr) -> Result<Exit, Stop> {
    let place = app.open(place).await?;
    let Some(top) = walk::look(&place).await? else {
        return Err(Failure::not_found(&place.shown(), Exit::FolderNotFound).into());
    };
    let mut output = Output::new();
    if top.kind != Kind::Folder {
        write_file(app, &mut output, &top)?;
        output.flush()?;
        return Ok(Exit::Done);
    }
    let mut below = walk::below(top, app.context(), app.options.checkers).await?;
    let mut exit = Exit::Done;
    while let Some(found) = below.next().await {
        match found {
            Ok(entries) => {
                for entry in entries.iter().filter(|entry| entry.kind == Kind::File) {
                    write_file(app, &mut output, entry)?;
                }
            }
            Err((path, failure)) => exit = exit.max(app.item_failed(&path, &failure)),
        }
    }
    output.flush()?;
    Ok(exit)
}

fn write_file(app: &App, output: &mut Output, entry: &Entry) -> Result<(), Stop> {
    if app.console.is_json() {
        return write_json(output, entry);
    }
    output.write(format!("{:9} {}\n", entry.size, entry.path).as_bytes())
}

/// `lsd`: the folders of one level.
pub(super) async fn lsd(app: &App, place: &OsStr) -> Result<Exit, Stop> {
    let place = app.open(place).await?;
    let top = walk::look_at_folder(&place).await?;
    let sandbox = match &place {
        Place::Local(_) => app.context().sandbox().await?.clone(),
        Place::Remote { remote, .. } => remote.sandbox().clone(),
    };
    let mut folder = Folder::open(&top, String::new(), sandbox).await?;
    let mut output = Output::new();
    while let Some(entries) = folder.next_batch().await? {
        for entry in entries.iter().filter(|entry| entry.kind == Kind::Folder) {
            if app.console.is_json() {
                write_json(&mut output, entry)?;
            } else {
                // rclone's layout: the size and the number of a folder's items are not
                // known without going into it.
                let time = local_time(entry.modified);
                let line = format!("{:12} {time} {:9} {}\n", -1, -1, entry.path);
                output.write(line.as_bytes())?;
            }
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// An entry with the keys of rclone's `lsjson`.
fn write_json(output: &mut Output, entry: &Entry) -> Result<(), Stop> {
    let is_folder = entry.kind == Kind::Folder;
    let modified = OffsetDateTime::from(entry.modified).format(&Rfc3339);
    let mut value = serde_json::json!({
        "Path": entry.path,
        "Name": entry.name,
        "Size": if is_folder { -1 } else { i64::try_from(entry.size).unwrap_or(i64::MAX) },
        "ModTime": modified.unwrap_or_default(),
        "IsDir": is_folder,
        "ID": entry.id.clone().unwrap_or_default(),
    });
    if let Some(md5) = &entry.md5 {
        value["Hashes"] = serde_json::json!({ "md5": md5 });
    }
    let mut line = value.to_string();
    line.push('\n');
    output.write(line.as_bytes())
}

fn local_time(time: SystemTime) -> String {
    let local = OffsetDateTime::from(time).to_offset(local_offset());
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let mut text = String::new();
    // A year beyond four digits does not fit the layout, nor anybody's files.
    let _ = write!(text, "{}", local.format(format).unwrap_or_default());
    text
}

/// `cat`: content of files, one after another.
pub(super) async fn cat(app: &App, cat: &args::Cat) -> Result<Exit, Stop> {
    let range = match (cat.offset, cat.head.or(cat.count)) {
        (0, None) => None,
        (start, length) => Some(ByteRange { start, length }),
    };
    let mut output = Output::new();
    let mut exit = Exit::Done;
    for text in &cat.places {
        let place = app.open(text).await?;
        match cat_one(&place, range, &mut output).await {
            Ok(()) => {}
            Err(Stop::Failed(failure)) if cat.places.len() > 1 => {
                exit = exit.max(app.item_failed(&place.shown(), &failure));
            }
            Err(stop) => {
                output.flush()?;
                return Err(stop);
            }
        }
    }
    output.flush()?;
    Ok(exit)
}

async fn cat_one(place: &Place, range: Option<ByteRange>, output: &mut Output) -> Result<(), Stop> {
    let Some(entry) = walk::look(place).await? else {
        return Err(Failure::not_found(&place.shown(), Exit::FileNotFound).into());
    };
    if entry.kind == Kind::Folder {
        let what = format!("is a folder: {}", place.shown());
        return Err(Failure::new("not-a-file", Exit::Lasting, what).into());
    }
    if range.is_some_and(|range| range.start >= entry.size || range.length == Some(0)) {
        return Ok(());
    }
    match place {
        Place::Local(path) => {
            let mut source = files::Source::open(path).await?;
            let range = range.unwrap_or(ByteRange {
                start: 0,
                length: None,
            });
            let mut skip = range.start;
            let mut left = range.length.unwrap_or(u64::MAX);
            while let Some(block) = source.next().await {
                let block = block?;
                let from = usize::try_from(skip).map_or(block.len(), |skip| skip.min(block.len()));
                skip -= from as u64;
                let rest = &block[from..];
                let count = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                output.write(&rest[..count])?;
                left -= count as u64;
                if left == 0 {
                    break;
                }
            }
        }
        Place::Remote { remote, path, .. } => {
            let target = entry.id.map_or_else(|| Target::Path(path.clone()), Target::Id);
            let mut content = remote.read(target, range).await?;
            let mut hash = Md5::new();
            while let Some(block) = content.next().await {
                let block = block?;
                hash.update(&block);
                output.write(&block)?;
            }
            let md5 = hex::encode(hash.finalize());
            if range.is_none() && entry.md5.is_some_and(|expected| expected != md5) {
                let what = format!("the content of {} came with another MD5", place.shown());
                return Err(Failure::new("content-mismatch", Exit::Temporary, what).into());
            }
        }
    }
    Ok(())
}
