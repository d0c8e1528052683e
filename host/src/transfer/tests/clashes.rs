//! Names that are one name to the destination.

use std::sync::Arc;

use super::{Memory, run_memory};
use crate::{
    component::{Clashes, NameRule},
    transfer::{Mode, Options},
};

/// What the component makes of `a.txt`.
const MADE: &str = "a (clash 29ce3fef).txt";

fn options(clashes: Clashes) -> Options {
    Options {
        clashes,
        ..Options::default()
    }
}

fn source() -> Arc<Memory> {
    let items = [
        ("A.txt", "upper"),
        ("a.txt", "lower"),
        ("Folder/x", "1"),
        ("folder/y", "2"),
        ("other", "3"),
    ];
    Arc::new(Memory::new(NameRule::Exact, &items))
}

fn destination() -> Arc<Memory> {
    Arc::new(Memory::new(NameRule::IgnoreCase, &[]))
}

fn paths(memory: &Memory) -> Vec<String> {
    memory.tree().into_keys().collect()
}

#[tokio::test]
async fn loser_is_an_error_unless_asked_otherwise() {
    let (source, destination) = (source(), destination());
    let (summary, log) = run_memory(Mode::Sync, &source, &destination, Options::default()).await;
    assert_eq!(summary.stats.errors, 2);
    assert!(log.contains(&"name-clash a.txt".to_owned()), "{log:?}");
    assert!(log.contains(&"name-clash folder".to_owned()), "{log:?}");
    assert_eq!(
        paths(&destination),
        ["A.txt", "Folder/", "Folder/x", "other"]
    );
    let read = source
        .calls()
        .iter()
        .filter(|it| it.starts_with("read"))
        .count();
    assert_eq!(read, 3, "{:?}", source.calls());
}

#[tokio::test]
async fn skipped_loser_is_told_and_no_error() {
    let (source, destination) = (source(), destination());
    let (summary, log) =
        run_memory(Mode::Sync, &source, &destination, options(Clashes::Skip)).await;
    assert!(summary.is_complete());
    let told = "a.txt: skipped: the same name as A.txt to the destination".to_owned();
    assert!(log.contains(&told), "{log:?}");
    assert_eq!(
        paths(&destination),
        ["A.txt", "Folder/", "Folder/x", "other"]
    );
    // What is in a folder that is left out is not even looked at.
    assert!(!source.calls().contains(&"list folder".to_owned()));
}

#[tokio::test]
async fn renamed_loser_is_told_sent_and_found_again() {
    let (source, destination) = (source(), destination());
    for mode in [Mode::Copy, Mode::Sync] {
        let again = mode == Mode::Sync;
        let (summary, log) =
            run_memory(mode, &source, &destination, options(Clashes::Rename)).await;
        assert!(summary.is_complete(), "{log:?}");
        assert_eq!(summary.changed(), !again, "{log:?}");
        assert_eq!(summary.stats.unchanged, if again { 5 } else { 0 });
        let told = format!("a.txt: goes as {MADE}: the same name as A.txt to the destination");
        assert!(log.contains(&told), "{log:?}");
    }
    let folder = paths(&destination)
        .into_iter()
        .find(|path| path.starts_with("folder (clash ") && path.ends_with('/'));
    let folder = folder.unwrap();
    let tree = destination.tree();
    assert_eq!(tree[MADE], "lower");
    assert_eq!(tree["A.txt"], "upper");
    assert_eq!(tree["Folder/x"], "1");
    assert_eq!(tree[&format!("{folder}y")], "2");
}

#[tokio::test]
async fn dry_run_names_the_new_name_and_changes_nothing() {
    let (source, destination) = (source(), destination());
    let options = Options {
        dry_run: true,
        ..options(Clashes::Rename)
    };
    let (summary, log) = run_memory(Mode::Sync, &source, &destination, options).await;
    assert_eq!(summary.stats.files_sent, 5);
    assert!(log.iter().any(|line| line.contains(MADE)), "{log:?}");
    assert!(destination.tree().is_empty());
}

/// More names than one plan takes: those that concern each other must meet all the same.
#[tokio::test]
async fn renamed_losers_of_a_large_folder_are_found_again() {
    let names: Vec<_> = (0..3000)
        .flat_map(|i| [format!("n{i}.txt"), format!("N{i}.txt")])
        .collect();
    let items: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
    let source = Arc::new(Memory::new(NameRule::Exact, &items));
    let destination = destination();
    for sent in [6000, 0] {
        let (summary, _) =
            run_memory(Mode::Sync, &source, &destination, options(Clashes::Rename)).await;
        assert!(summary.is_complete());
        assert_eq!((summary.stats.files_sent, summary.stats.deleted), (sent, 0));
    }
    assert_eq!(destination.tree().len(), 6000);
}
