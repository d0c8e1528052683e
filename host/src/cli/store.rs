//! The embedded drive's own folder, kept out of harm's way: a run that removes, and a
//! backup that would hold itself.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{exit::Exit, failure::Failure};
use crate::{files::shown, place::Place};

/// Refuses a local place that holds the embedded drive's data, or lies in them.
///
/// # Errors
/// `overlap`.
pub(super) fn spare(place: &Place, data_dir: &Path) -> Result<(), Failure> {
    let Place::Local(path) = place else {
        return Ok(());
    };
    let (Ok(path), Ok(data_dir)) = (resolved(path), resolved(data_dir)) else {
        // What cannot be looked at cannot be changed either, and will say so itself.
        return Ok(());
    };
    let used = data_dir.join(DATABASE).exists();
    if used && (path.starts_with(&data_dir) || data_dir.starts_with(&path)) {
        let what = format!(
            "{} holds the data of the embedded drive, or lies in them ({})",
            place.shown(),
            shown(&data_dir)
        );
        return Err(Failure::new("overlap", Exit::Usage, what)
            .hint("name a folder beside them, or keep them elsewhere with --embedded-dir"));
    }
    Ok(())
}

/// A path without links and `..`, also where its end is not there yet.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    for there in path.ancestors() {
        if let Ok(real) = std::fs::canonicalize(there) {
            let rest = path.strip_prefix(there).unwrap_or(Path::new(""));
            return Ok(real.join(rest));
        }
    }
    Ok(path)
}

/// What a data folder always has.
const DATABASE: &str = "metadata.sqlite3";
