//! `ls`, `lsd` and `cat`: data to standard output, in rclone's formats.

use std::ffi::OsStr;

use futures::StreamExt as _;
use md5::{Digest as _, Md5};
use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

use super::{
    App, args,
    exit::Exit,
    failure::Failure,
    log::local,
    output::{Output, Stop},
    walk::{self, Entry, Folder, Pace, Walked},
};
use crate::{
    component::{ByteRange, ReadOptions, Remote, Target},
    files::{self, Kind},
    place::Place,
    transfer::resume::{self, Whole},
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
    if let Place::Remote { remote, .. } = &place {
        return ls_remote(app, &top, remote, output).await;
    }
    let mut below = walk::below(top, app.context(), app.options.checkers, Pace::AsTheyCome).await?;
    let mut exit = Exit::Done;
    while let Some(found) = below.next().await {
        match found {
            Ok(entries) => {
                for entry in entries.iter().filter(|entry| entry.kind == Kind::File) {
                    write_file(app, &mut output, entry)?;
                }
                output.show()?;
            }
            Err((path, failure)) => exit = exit.max(app.item_failed(&path, &failure)),
        }
    }
    output.flush()?;
    Ok(exit)
}

/// `ls` of a folder of a remote, which knows the way with the fewest requests itself.
async fn ls_remote(
    app: &App,
    top: &Entry,
    remote: &Remote,
    mut output: Output,
) -> Result<Exit, Stop> {
    let mut walked = Walked::begin(top, remote).await?;
    let mut exit = Exit::Done;
    loop {
        match walked.next_batch().await {
            Ok(Some(entries)) => {
                for entry in entries.iter().filter(|entry| entry.kind == Kind::File) {
                    write_file(app, &mut output, entry)?;
                }
                output.show()?;
            }
            Ok(None) => break,
            Err(failure) => {
                exit = app.item_failed(&top.place.shown(), &failure);
                break;
            }
        }
    }
    output.flush()?;
    Ok(exit)
}

fn write_file(app: &App, output: &mut Output, entry: &Entry) -> Result<(), Stop> {
    let line = if app.console.is_json() {
        json(entry)
    } else {
        ls_line(entry)
    };
    output.write(line.as_bytes())
}

/// rclone's layout: `     6148 path`.
fn ls_line(entry: &Entry) -> String {
    format!("{:9} {}\n", entry.size, entry.path)
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
            let line = if app.console.is_json() {
                json(entry)
            } else {
                lsd_line(entry, local(entry.modified))
            };
            output.write(line.as_bytes())?;
        }
        output.show()?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// rclone's layout: `          -1 2016-04-02 09:11:47        -1 name`. The size and the
/// number of a folder's items are not known without going into it.
fn lsd_line(entry: &Entry, modified: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    // Formatting to a string fails for no time.
    let time = modified.format(format).unwrap_or_default();
    format!("{:12} {time} {:9} {}\n", -1, -1, entry.path)
}

/// An entry with the keys of rclone's `lsjson`, as a line.
pub(super) fn json(entry: &Entry) -> String {
    let is_folder = entry.kind == Kind::Folder;
    let modified = OffsetDateTime::from(entry.modified).format(&Rfc3339);
    let mut value = serde_json::json!({
        "Path": entry.path,
        "Name": entry.name,
        "Size": if is_folder { -1 } else { i64::try_from(entry.size).unwrap_or(i64::MAX) },
        "MimeType": match (is_folder, &entry.media_type) {
            // As rclone says it.
            (true, _) => "inode/directory",
            (false, media_type) => media_type.as_deref().unwrap_or("application/octet-stream"),
        },
        "ModTime": modified.unwrap_or_default(),
        "IsDir": is_folder,
        "ID": entry.id.clone().unwrap_or_default(),
    });
    if let Some(md5) = &entry.md5 {
        value["Hashes"] = serde_json::json!({ "md5": md5 });
    }
    format!("{value}\n")
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
        match cat_one(app, &place, range, &mut output).await {
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

async fn cat_one(
    app: &App,
    place: &Place,
    range: Option<ByteRange>,
    output: &mut Output,
) -> Result<(), Stop> {
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
            let target = entry
                .id
                .map_or_else(|| Target::Path(path.clone()), Target::Id);
            let mut content: Whole = match range {
                None => {
                    resume::read(resume::Source {
                        remote: remote.clone(),
                        target,
                        size: Some(entry.size),
                        md5: entry.md5.clone(),
                        streams: app.options.multi_thread_streams,
                    })
                    .await?
                }
                Some(_) => {
                    let options = ReadOptions {
                        range,
                        size: Some(entry.size),
                        md5: None,
                    };
                    Box::pin(remote.read(target, options).await?)
                }
            };
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use time::macros::datetime;

    use super::*;

    fn entry(kind: Kind) -> Entry {
        Entry {
            place: Place::Local("/x/sub/name".into()),
            path: "sub/name".to_owned(),
            name: "name".to_owned(),
            kind,
            size: 6148,
            modified: SystemTime::UNIX_EPOCH + Duration::from_millis(1_500),
            media_type: None,
            id: None,
            md5: None,
        }
    }

    #[test]
    fn lines_have_rclones_layout() {
        let mut entry = entry(Kind::File);
        assert_eq!(ls_line(&entry), "     6148 sub/name\n");
        entry.size = 12_345_678_901;
        assert_eq!(ls_line(&entry), "12345678901 sub/name\n");
        assert_eq!(
            lsd_line(&entry, datetime!(2016-04-02 9:11:47 +2)),
            "          -1 2016-04-02 09:11:47        -1 sub/name\n"
        );
    }

    #[test]
    fn objects_have_the_keys_of_lsjson() {
        assert_eq!(
            json(&entry(Kind::Folder)),
            r#"{"ID":"","IsDir":true,"MimeType":"inode/directory","ModTime":"1970-01-01T00:00:01.5Z","Name":"name","Path":"sub/name","Size":-1}"#.to_owned() + "\n"
        );
        let file = json(&Entry {
            id: Some("x".to_owned()),
            md5: Some("0".to_owned()),
            media_type: Some("text/plain".to_owned()),
            ..entry(Kind::File)
        });
        let file: serde_json::Value = serde_json::from_str(&file).unwrap();
        assert_eq!(file["Size"], 6148);
        assert_eq!(file["ID"], "x");
        assert_eq!(file["MimeType"], "text/plain");
        assert_eq!(file["Hashes"]["md5"], "0");
    }
}
