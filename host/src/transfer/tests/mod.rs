//! Whole runs. Decisions are the built-in component's; places are local folders, or held
//! in memory where faults are needed.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::{Arc, Mutex},
};

use super::{Event, Mode, Observer, Options, Summary, drive, ends};
use crate::{
    component::{Component, Sandbox, Settings},
    place::Place,
};

mod bounds;
mod clashes;
mod faults;
mod local;
mod memory;
mod plans;
mod times;

use memory::Memory;

fn sandbox() -> Sandbox {
    let component = Component::built_in().unwrap();
    Sandbox::start(&component, Settings::default()).unwrap()
}

/// Writes down what happened, but for progress.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
}

impl Observer for Log {
    fn event(&self, event: Event<'_>) {
        let line = match event {
            Event::Unchanged { name, .. } => format!("same {name}"),
            Event::Would { name, change } => format!("would {change:?} {name}"),
            Event::Finished { name, outcome, .. } => format!("{outcome:?} {name}"),
            Event::TimeSet { name } => format!("time {name}"),
            Event::FolderMade { name } => format!("made {name}"),
            Event::Deleted { name, kind } => format!("deleted {kind:?} {name}"),
            Event::Failed { name, error, .. } => format!("{} {name}", error.code()),
            Event::Notice { name, notice } => format!("{name}: {notice}"),
            Event::Restarted { name, error, .. } => format!("again {name}: {}", error.code()),
            Event::Stopped { error } => format!("stopped: {}", error.code()),
            _ => return,
        };
        self.lines.lock().unwrap().push(line);
    }
}

impl Log {
    /// All lines, sorted: what runs at the same time has no order.
    fn sorted(&self) -> Vec<String> {
        let mut lines = self.lines.lock().unwrap().clone();
        lines.sort();
        lines
    }
}

/// One run between local folders, and its log.
async fn run_local(
    mode: Mode,
    source: &Path,
    destination: &Path,
    options: Options,
) -> (Result<Summary, super::Error>, Vec<String>) {
    let log = Arc::new(Log::default());
    let outcome = super::run(
        mode,
        Place::Local(source.to_owned()),
        Place::Local(destination.to_owned()),
        &sandbox(),
        options,
        Arc::clone(&log) as Arc<dyn Observer>,
    )
    .await;
    (outcome, log.sorted())
}

/// One run between places in memory, and its log.
async fn run_memory(
    mode: Mode,
    source: &Arc<Memory>,
    destination: &Arc<Memory>,
    options: Options,
) -> (Summary, Vec<String>) {
    let log = Arc::new(Log::default());
    let observer = Arc::clone(&log) as Arc<dyn Observer>;
    let ends = ends_of(source, destination);
    let summary = drive::drive(ends, mode, options, Arc::new(sandbox()), observer).await;
    (summary, log.sorted())
}

fn ends_of(source: &Arc<Memory>, destination: &Arc<Memory>) -> ends::Ends {
    ends::Ends {
        source: Arc::clone(source) as _,
        source_spot: super::Spot::base(None),
        root: ends::Root::Folder,
        destination: Arc::clone(destination) as _,
        destination_spot: super::Spot::base(None),
        destination_exists: true,
    }
}

/// Makes files, and folders where the path ends in `/`.
fn plant(base: &Path, items: &[(&str, &str)]) {
    for (path, content) in items {
        let path_here = base.join(path);
        if path.ends_with('/') {
            fs::create_dir_all(path_here).unwrap();
        } else {
            fs::create_dir_all(path_here.parent().unwrap()).unwrap();
            fs::write(path_here, content).unwrap();
        }
    }
}

/// All below a folder: paths and contents, folders with a `/` and none, links with `@`.
fn harvest(base: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![base.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let mut name = path
                .strip_prefix(base)
                .unwrap()
                .as_os_str()
                .as_bytes()
                .to_vec();
            let content = if path.is_symlink() {
                name.push(b'@');
                Vec::new()
            } else if path.is_dir() {
                name.push(b'/');
                folders.push(path);
                Vec::new()
            } else if path.is_file() {
                fs::read(path).unwrap()
            } else {
                b"special".to_vec()
            };
            found.insert(name, content);
        }
    }
    found
}

/// What [`harvest`] finds where only these are.
fn expected(items: &[(&str, &str)]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let bytes = |text: &&str| text.as_bytes().to_vec();
    items
        .iter()
        .map(|(path, content)| (bytes(path), bytes(content)))
        .collect()
}
