//! The files' own times.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{Memory, harvest, plant, run_local, run_memory};
use crate::{
    component::{Detail, Error, NameRule},
    transfer::{Mode, Options, tests::memory::Fault},
};

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(seconds, 123_456_789)
}

fn memory(items: &[(&str, &str)]) -> Arc<Memory> {
    Arc::new(Memory::new(NameRule::IgnoreCase, items))
}

fn set_times(memory: &Memory) -> Vec<String> {
    let calls = memory.calls().into_iter();
    calls.filter(|it| it.starts_with("time ")).collect()
}

#[tokio::test]
async fn time_goes_with_the_content_and_costs_no_call() {
    let (source, destination) = (memory(&[("a", "1"), ("b", "2")]), memory(&[("b", "old")]));
    source.set_own_time("a", at(1));
    source.set_own_time("b", at(2));
    for sent in [2, 0] {
        let (summary, _) = run_memory(Mode::Copy, &source, &destination, Options::default()).await;
        assert_eq!(summary.stats.files_sent, sent);
        assert_eq!(summary.stats.times_set, 0);
    }
    assert_eq!(destination.own_time("a"), Some(at(1)));
    assert_eq!(destination.own_time("b"), Some(at(2)));
    assert!(set_times(&destination).is_empty());
}

#[tokio::test]
async fn same_content_of_another_time_gets_the_time_and_no_bytes() {
    let items = [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")];
    let (source, destination) = (memory(&items), memory(&items));
    source.set_own_time("a", at(1));
    source.set_own_time("b", at(2));
    source.set_own_time("c", at(3));
    destination.set_own_time("b", at(1));
    destination.set_own_time("c", at(3));
    // Nothing is known of what the source's time is.
    destination.set_own_time("d", at(4));
    let dry = Options {
        dry_run: true,
        ..Options::default()
    };
    let (summary, log) = run_memory(Mode::Sync, &source, &destination, dry).await;
    assert_eq!(summary.stats.times_set, 2);
    assert!(log.contains(&"would SetTime a".to_owned()), "{log:?}");
    assert!(set_times(&destination).is_empty());
    for times in [2, 0] {
        let (summary, _) = run_memory(Mode::Sync, &source, &destination, Options::default()).await;
        let stats = summary.stats;
        assert_eq!((stats.times_set, stats.unchanged), (times, 4));
        assert_eq!((stats.files_sent, stats.bytes_moved), (0, 0));
    }
    let mut calls = set_times(&destination);
    calls.sort();
    assert_eq!(calls, ["time a", "time b"]);
    assert_eq!(destination.own_time("d"), Some(at(4)));
}

#[tokio::test]
async fn time_that_cannot_be_set_is_told_once_and_no_error() {
    let items = [("a", "1"), ("b", "2"), ("c", "3")];
    let (source, destination) = (memory(&items), memory(&items));
    for (path, _) in items {
        source.set_own_time(path, at(1));
        let full = Error::InvalidArgument(Detail {
            message: "too many properties".to_owned(),
            ..Detail::default()
        });
        destination.fail("time", path, Fault::Error(full));
    }
    let (summary, log) = run_memory(Mode::Sync, &source, &destination, Options::default()).await;
    assert!(summary.is_complete());
    assert_eq!((summary.stats.unchanged, summary.stats.times_set), (3, 0));
    let told = log.iter().filter(|line| line.contains("cannot be kept"));
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 1, "{log:?}");
    assert!(told[0].contains("too many properties"), "{told:?}");
    assert_eq!(set_times(&destination).len(), 3);
}

#[tokio::test]
async fn call_that_is_lost_is_made_again() {
    let (source, destination) = (memory(&[("a", "1")]), memory(&[("a", "1")]));
    source.set_own_time("a", at(1));
    destination.fail("time", "a", Fault::Error(Error::Lost("trap".to_owned())));
    let (summary, _) = run_memory(Mode::Copy, &source, &destination, Options::default()).await;
    assert_eq!(summary.stats.times_set, 1);
    assert_eq!(destination.own_time("a"), Some(at(1)));
}

#[tokio::test]
async fn local_files_keep_their_times_and_get_them_later() {
    let dir = tempfile::tempdir().unwrap();
    let (source, destination) = (dir.path().join("source"), dir.path().join("destination"));
    let items = [("a", "1"), ("folder/b", "2")];
    plant(&source, &items);
    let touch = |path: &std::path::Path, time| {
        let file = std::fs::File::open(path).unwrap();
        file.set_modified(time).unwrap();
    };
    let modified = |path: &str| {
        let found = std::fs::metadata(destination.join(path)).unwrap();
        found.modified().unwrap()
    };
    touch(&source.join("a"), at(1));
    touch(&source.join("folder/b"), at(2));
    let (summary, _) = run_local(Mode::Copy, &source, &destination, Options::default()).await;
    assert_eq!(summary.unwrap().stats.files_sent, 2);
    assert_eq!((modified("a"), modified("folder/b")), (at(1), at(2)));

    touch(&source.join("a"), at(3));
    let (summary, log) = run_local(Mode::Sync, &source, &destination, Options::default()).await;
    let stats = summary.unwrap().stats;
    assert_eq!((stats.files_sent, stats.times_set), (0, 1), "{log:?}");
    assert_eq!((modified("a"), modified("folder/b")), (at(3), at(2)));
    assert_eq!(harvest(&source), harvest(&destination));
}
