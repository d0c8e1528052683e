//! How much a run does at once, and holds.

use std::sync::{Arc, Mutex};

use super::{ends_of, memory::Memory, run_memory, sandbox};
use crate::{
    component::NameRule,
    transfer::{Event, Mode, Observer, Options, Stats, drive, slices::SLICE},
};

fn place(rule: NameRule, paths: impl Iterator<Item = String>) -> Memory {
    let items: Vec<_> = paths.map(|path| (path, "x")).collect();
    let items: Vec<_> = items
        .iter()
        .map(|(path, content)| (&**path, *content))
        .collect();
    Memory::new(rule, &items)
}

#[tokio::test]
async fn no_more_is_done_at_once_than_asked_and_no_less() {
    let paths = (0..40).flat_map(|folder| (0..5).map(move |file| format!("{folder}/{file}")));
    let source = Arc::new(place(NameRule::IgnoreCase, paths));
    for (transfers, checkers) in [(1, 1), (3, 5), (0, 0)] {
        let mut destination = Memory::new(NameRule::IgnoreCase, &[]);
        destination.slowness = 20;
        let destination = Arc::new(destination);
        let options = Options {
            transfers,
            checkers,
            ..Options::default()
        };
        let before = source.listing.most();
        let (summary, _) = run_memory(Mode::Copy, &source, &destination, options).await;
        assert_eq!(summary.stats.files_sent, 200);
        assert_eq!(destination.writing.most(), transfers.max(1));
        assert!(source.listing.most() <= checkers.max(before).max(1));
    }
}

/// The most files that were known and not done.
#[derive(Default)]
struct Backlog(Mutex<(Stats, u64)>);

impl Observer for Backlog {
    fn event(&self, event: Event<'_>) {
        let mut state = self.0.lock().unwrap();
        state.0.add(&event);
        state.1 = state.1.max(state.0.files_planned - state.0.files_sent);
    }
}

#[tokio::test]
async fn listing_waits_while_enough_files_wait_for_transfers() {
    let paths = (0..20).flat_map(|folder| (0..900).map(move |file| format!("{folder}/{file}")));
    let source = Arc::new(place(NameRule::IgnoreCase, paths));
    let mut destination = Memory::new(NameRule::IgnoreCase, &[]);
    destination.slowness = 5;
    let backlog = Arc::new(Backlog::default());
    let summary = drive::drive(
        ends_of(&source, &Arc::new(destination)),
        Mode::Copy,
        Options::default(),
        Arc::new(sandbox()),
        Arc::clone(&backlog) as Arc<dyn Observer>,
    )
    .await;
    assert_eq!(summary.stats.files_sent, 18_000);
    // What eight checkers can bring once the limit is near.
    let most = backlog.0.lock().unwrap().1;
    assert!(most <= (drive::BACKLOG + 8 * 900) as u64, "{most}");
}

#[tokio::test]
async fn very_large_folder_is_planned_in_slices_and_nothing_is_missed() {
    let count = 5 * SLICE + 17;
    let name = |i: usize| format!("{}{i}", ["File", "file"][i % 2]);
    for rule in [NameRule::Exact, NameRule::IgnoreCase] {
        let source = Arc::new(place(rule, (0..count).map(name)));
        // One in ten is missing, one in ten too much, and all are spelled in capitals
        // where that is the same.
        let there = (0..count + count / 10)
            .filter(|i| i % 10 != 3)
            .map(|i| match rule {
                NameRule::Exact => name(i),
                NameRule::IgnoreCase => name(i).to_uppercase(),
            });
        let destination = Arc::new(place(rule, there));
        let (summary, _) = run_memory(Mode::Sync, &source, &destination, Options::default()).await;
        let stats = summary.stats;
        let missing = (0..count).filter(|i| i % 10 == 3).count() as u64;
        let extra = (count..count + count / 10).filter(|i| i % 10 != 3).count() as u64;
        assert_eq!(
            (stats.files_sent, stats.deleted, stats.errors),
            (missing, extra, 0)
        );
        assert_eq!(stats.unchanged, count as u64 - missing);
        assert_eq!(destination.tree().len(), count);
    }
}
