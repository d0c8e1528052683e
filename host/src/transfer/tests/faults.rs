//! What a run does when a place does wrong.

use std::{fs, sync::Arc};

use super::{Log, ends_of, expected, harvest, memory::Fault, memory::Memory, run_memory, sandbox};
use crate::{
    component::{Detail, Error, NameRule},
    files,
    transfer::{Mode, Observer, Options, Severity, Spot, drive, ends, local::Local, side::Side},
};

fn memory(items: &[(&str, &str)]) -> Arc<Memory> {
    Arc::new(Memory::new(NameRule::IgnoreCase, items))
}

fn unavailable() -> Fault {
    Fault::Error(Error::Unavailable(Detail::default()))
}

fn interrupted() -> Fault {
    Fault::Error(Error::Interrupted(Detail::default()))
}

/// How often something was called about a path.
fn count(memory: &Memory, call: &str) -> usize {
    memory.calls().iter().filter(|it| *it == call).count()
}

async fn copy(
    source: &Arc<Memory>,
    destination: &Arc<Memory>,
) -> (crate::transfer::Summary, Vec<String>) {
    run_memory(Mode::Copy, source, destination, Options::default()).await
}

#[tokio::test]
async fn folder_that_cannot_be_listed_holds_back_deletes_there_and_above_only() {
    for side in ["source", "destination"] {
        let source = memory(&[("bad/in", "x"), ("good/in", "x")]);
        let destination = memory(&[
            ("bad/extra", ""),
            ("bad/sub/extra", ""),
            ("extra", ""),
            ("good/extra", ""),
        ]);
        let place = if side == "source" {
            &source
        } else {
            &destination
        };
        place.fail(
            "list",
            "bad",
            Fault::Error(Error::Forbidden(Detail::default())),
        );
        let (summary, log) =
            run_memory(Mode::Sync, &source, &destination, Options::default()).await;
        assert_eq!(
            log,
            [
                ".: not deleting 1 as there were errors",
                "Created good/in",
                "deleted File good/extra",
                "forbidden bad",
            ],
            "{side}"
        );
        assert_eq!(summary.severity, Some(Severity::Lasting));
        let left = destination.tree();
        assert!(left.contains_key("bad/extra") && left.contains_key("bad/sub/extra"));
    }
}

#[tokio::test]
async fn listing_that_breaks_off_is_made_again() {
    let source = memory(&[("sub/a", "1")]);
    let destination = memory(&[("sub/", "")]);
    source.fail("list", "sub", interrupted());
    destination.fail("list", "sub", Fault::Error(Error::Lost("trap".to_owned())));
    let (summary, _) = copy(&source, &destination).await;
    assert!(summary.is_complete());
    assert_eq!(count(&source, "list sub"), 2);
    assert_eq!(source.tree(), destination.tree());
}

#[tokio::test]
async fn what_a_place_has_given_up_is_not_asked_for_again() {
    let throttled = || Fault::Error(Error::Throttled(Detail::default()));
    for fault in [unavailable, throttled] {
        let source = memory(&[("sub/a", "1"), ("b", "2")]);
        let destination = memory(&[("sub/", "")]);
        destination.fail("list", "sub", fault());
        destination.fail("write", "b", fault());
        let (summary, _) = copy(&source, &destination).await;
        assert_eq!(summary.stats.errors, 2);
        assert_eq!(count(&destination, "list sub"), 1);
        assert_eq!(count(&destination, "write b"), 1);
    }
}

#[tokio::test]
async fn failed_file_holds_back_deletes_of_its_folder_and_all_above() {
    let source = memory(&[("a/b/bad", "x"), ("a/c/good", "x")]);
    let destination = memory(&[
        ("a/b/extra", ""),
        ("a/c/extra", ""),
        ("a/extra", ""),
        ("extra", ""),
    ]);
    let forbidden = Fault::Error(Error::Forbidden(Detail::default()));
    destination.fail("write", "a/b/bad", forbidden);
    let (_, log) = run_memory(Mode::Sync, &source, &destination, Options::default()).await;
    assert_eq!(
        log,
        [
            ".: not deleting 1 as there were errors",
            "Created a/c/good",
            "a/b: not deleting 1 as there were errors",
            "a: not deleting 1 as there were errors",
            "deleted File a/c/extra",
            "forbidden a/b/bad",
        ]
    );
}

#[tokio::test]
async fn folder_is_removed_in_one_call_after_all_else() {
    let source = memory(&[("new", "1")]);
    let destination = memory(&[("old/a", ""), ("old/b/c", "")]);
    let (_, _) = run_memory(Mode::Sync, &source, &destination, Options::default()).await;
    let changes = destination.calls();
    assert_eq!(changes[changes.len() - 2..], ["write new", "remove old"]);
    assert_eq!(destination.tree(), source.tree());
}

#[tokio::test]
async fn what_is_gone_already_needs_no_removal() {
    let source = memory(&[]);
    let destination = memory(&[("old", "")]);
    destination.fail(
        "remove",
        "old",
        Fault::Error(Error::NotFound(Detail::default())),
    );
    let (summary, log) = run_memory(Mode::Sync, &source, &destination, Options::default()).await;
    assert!(summary.is_complete());
    assert_eq!(log, ["deleted File old"]);
}

#[tokio::test]
async fn content_that_arrives_wrong_is_sent_once_more_and_then_an_error() {
    for (wrong, outcome) in [(1, "Created a"), (2, "content-mismatch a")] {
        let source = memory(&[("a", "1234"), ("b", "b")]);
        let destination = memory(&[]);
        for _ in 0..wrong {
            destination.fail("write", "a", Fault::Corrupt);
        }
        let (summary, log) = copy(&source, &destination).await;
        let mut said = vec!["Created b", outcome, "again a: content-mismatch"];
        said.sort();
        assert_eq!(log, said);
        assert_eq!(count(&destination, "write a"), 2);
        assert_eq!(summary.stats.bytes_discarded, 4 * wrong);
        assert_eq!(summary.stats.bytes_moved, if wrong == 1 { 5 } else { 1 });
        if let Some(failed) = summary.errors.first() {
            assert_eq!(
                failed.error.to_string(),
                "content of a is 5 bytes with MD5 427cd2a3079c3c0a0bc3624c087a4c4b, \
                 sent were 4 bytes with MD5 81dc9bdb52d04dc20036dbd8313ed055"
            );
        }
    }
}

#[tokio::test]
async fn upload_whose_answer_was_lost_is_found_and_not_sent_again() {
    for (lost, outcome) in [
        (Error::OutcomeUnknown(Box::default()), "ConfirmedLate"),
        (Error::Lost(String::new()), "Confirmed"),
    ] {
        let source = memory(&[("new", "1234"), ("old", "abcd")]);
        let destination = memory(&[("old", "ABCD")]);
        destination.fail("write", "new", Fault::Stored(lost.clone()));
        destination.fail("write", "old", Fault::Stored(lost));
        let (summary, log) = copy(&source, &destination).await;
        assert_eq!(log, [format!("{outcome} new"), format!("{outcome} old")]);
        let late = if outcome == "ConfirmedLate" { 2 } else { 0 };
        assert_eq!(summary.stats.files_confirmed, late);
        assert_eq!(summary.stats.bytes_moved, 8);
        assert_eq!(
            count(&destination, "write new") + count(&destination, "write old"),
            2
        );
        assert_eq!(source.tree(), destination.tree());
    }
}

#[tokio::test]
async fn upload_that_never_appears_is_sent_twice_under_one_key_and_then_an_error() {
    let source = memory(&[("a", "1234")]);
    let destination = memory(&[]);
    let unknown = || Fault::Dropped(Error::OutcomeUnknown(Box::default()));
    for _ in 0..2 {
        destination.fail("write", "a", unknown());
    }
    let (summary, log) = copy(&source, &destination).await;
    assert_eq!(log, ["again a: never-appeared", "never-appeared a"]);
    let said = summary.errors[0].error.to_string();
    assert_eq!(said, "a was sent 2 times and did not appear");
    assert_eq!(summary.severity, Some(Severity::Temporary));
    assert_eq!(summary.stats.bytes_discarded, 8);
    assert_eq!(
        destination.calls(),
        ["list ", "write a", "confirm a", "write a", "confirm a"]
    );
    let keys = destination.keys("a");
    assert_eq!(keys[0], keys[1]);
}

#[tokio::test]
async fn what_cannot_be_looked_for_is_not_sent_again() {
    let source = memory(&[("a", "1234")]);
    let destination = memory(&[]);
    destination.fail(
        "write",
        "a",
        Fault::Error(Error::OutcomeUnknown(Box::default())),
    );
    destination.fail(
        "confirm",
        "a",
        Fault::Error(Error::Forbidden(Detail::default())),
    );
    let (_, log) = copy(&source, &destination).await;
    assert_eq!(log, ["forbidden a"]);
    assert_eq!(count(&destination, "write a"), 1);
}

#[tokio::test]
async fn other_files_are_sent_while_one_is_looked_for() {
    let source = memory(&[("a", "1"), ("b", "2"), ("c", "3")]);
    let mut destination = Memory::new(NameRule::IgnoreCase, &[]);
    // With one slot only, `a` is found after `c` was written, or never.
    destination.late_after = Some("write c");
    let destination = Arc::new(destination);
    destination.fail(
        "write",
        "a",
        Fault::Stored(Error::OutcomeUnknown(Box::default())),
    );
    let options = Options {
        transfers: 1,
        ..Options::default()
    };
    let (summary, log) = run_memory(Mode::Copy, &source, &destination, options).await;
    assert_eq!(log, ["ConfirmedLate a", "Created b", "Created c"]);
    assert_eq!(destination.writing.most(), 1);
    assert!(summary.is_complete());
    let keys = [destination.keys("a"), destination.keys("b")].concat();
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn upload_that_was_lost_is_sent_again_and_old_content_is_no_proof() {
    let source = memory(&[("new", "1234"), ("old", "abcd")]);
    let destination = memory(&[("old", "ABCD")]);
    for path in ["new", "old"] {
        destination.fail(
            "write",
            path,
            Fault::Error(Error::OutcomeUnknown(Box::default())),
        );
    }
    let (summary, log) = copy(&source, &destination).await;
    assert_eq!(
        log,
        [
            "Created new",
            "Overwritten old",
            "again new: never-appeared",
            "again old: never-appeared",
        ]
    );
    assert!(summary.is_complete());
    assert_eq!(source.tree(), destination.tree());
}

#[tokio::test]
async fn broken_connections_are_retried_as_often_as_asked() {
    for (faults, retries, errors) in [(3, 3, 0), (4, 3, 1), (1, 0, 1)] {
        let source = memory(&[("a", "1234"), ("b", "b")]);
        let destination = memory(&[]);
        for _ in 0..faults {
            destination.fail("write", "a", interrupted());
        }
        let options = Options {
            retries,
            ..Options::default()
        };
        let (summary, _) = run_memory(Mode::Copy, &source, &destination, options).await;
        assert_eq!(summary.stats.errors, errors, "{faults} {retries}");
        let writes = count(&destination, "write a") as u32;
        assert_eq!(writes, retries.min(faults) + 1, "{faults} {retries}");
        assert_eq!(
            summary.severity,
            (errors > 0).then_some(Severity::Temporary)
        );
        assert!(destination.tree().contains_key("b"));
    }
}

#[tokio::test]
async fn source_that_breaks_off_is_read_again() {
    let source = memory(&[("a", "1234")]);
    let destination = memory(&[]);
    source.fail("read", "a", Fault::Cut);
    let (summary, log) = copy(&source, &destination).await;
    assert_eq!(log, ["Created a", "again a: interrupted"]);
    assert_eq!(
        (summary.stats.bytes_moved, summary.stats.bytes_discarded),
        (4, 2)
    );
}

#[tokio::test]
async fn name_taken_meanwhile_is_looked_at() {
    let source = memory(&[("a", "1234"), ("b", "1234"), ("c", "1234")]);
    let destination = memory(&[]);
    destination.fail("write", "a", Fault::Appears("1234"));
    destination.fail("write", "b", Fault::Appears("other"));
    destination.fail("write", "c", Fault::AppearsAsFolder);
    let (_, log) = copy(&source, &destination).await;
    assert_eq!(
        log,
        [
            "Confirmed a",
            "Created b",
            "again b: name-conflict",
            "kind-conflict c"
        ]
    );
    assert_eq!(count(&destination, "write a"), 1);
    assert_eq!(destination.tree()["b"], "1234");
    assert!(destination.tree().contains_key("c/"));
}

#[tokio::test]
async fn names_that_differ_by_case_are_one_file_or_a_clash() {
    let source = memory(&[("Photo.JPG", "new"), ("dir/A", "1")]);
    let twins = Arc::new(Memory::new(
        NameRule::Exact,
        &[("A.txt", "1"), ("a.txt", "2")],
    ));
    let destination = memory(&[("photo.jpg", "old"), ("DIR/", "")]);
    let (_, log) = run_memory(Mode::Sync, &source, &destination, Options::default()).await;
    assert_eq!(log, ["Created dir/A", "Overwritten Photo.JPG"]);
    let left = destination.tree();
    assert_eq!((&*left["photo.jpg"], &*left["DIR/A"]), ("new", "1"));

    let destination = memory(&[("extra", "")]);
    let (summary, log) = run_memory(Mode::Sync, &twins, &destination, Options::default()).await;
    assert_eq!(
        log,
        [
            ".: not deleting 1 as there were errors",
            "Created A.txt",
            "name-clash a.txt"
        ]
    );
    let said = summary.errors[0].error.to_string();
    assert_eq!(said, "a.txt is the same name as A.txt to the destination");
}

/// A path that was spelled in another case than the folder is not found by a look.
#[tokio::test]
async fn destination_that_turns_out_to_be_there_is_listed() {
    let source = memory(&[("a", "1")]);
    let destination = memory(&[("a", "1"), ("extra", "")]);
    let ends = ends::Ends {
        destination_exists: false,
        ..ends_of(&source, &destination)
    };
    let log = Arc::new(Log::default());
    let observer = Arc::clone(&log) as Arc<dyn Observer>;
    let decider = Arc::new(sandbox());
    drive::drive(ends, Mode::Sync, Options::default(), decider, observer).await;
    assert_eq!(log.sorted(), ["deleted File extra", "made .", "same a"]);
}

#[tokio::test]
async fn content_that_is_not_there_yet_is_an_error_of_its_own() {
    let source = memory(&[("a", "1")]);
    source.put_pending("upload");
    let destination = memory(&[]);
    let (summary, log) = copy(&source, &destination).await;
    assert_eq!(log, ["Created a", "not-ready upload"]);
    assert_eq!(summary.severity, Some(Severity::Temporary));
}

#[tokio::test]
async fn folder_that_cannot_be_made_takes_only_its_own_content_along() {
    let source = memory(&[("bad/a/b", "x"), ("good/a", "x")]);
    let destination = memory(&[]);
    destination.fail(
        "make",
        "bad",
        Fault::Error(Error::Forbidden(Detail::default())),
    );
    let (_, log) = copy(&source, &destination).await;
    assert_eq!(log, ["Created good/a", "forbidden bad", "made good"]);
}

#[tokio::test]
async fn service_that_is_gone_stops_the_run() {
    let items: Vec<_> = (0..100).map(|i| (format!("{i:03}"), "x")).collect();
    let items: Vec<_> = items
        .iter()
        .map(|(name, content)| (&**name, *content))
        .collect();
    let source = memory(&items);
    let destination = memory(&[("extra", "")]);
    for (name, _) in &items {
        destination.fail("write", name, unavailable());
        destination.fail("stat", name, unavailable());
    }
    let options = Options {
        retries: 0,
        ..Options::default()
    };
    let (summary, log) = run_memory(Mode::Sync, &source, &destination, options).await;
    assert!(summary.stopped);
    assert_eq!(summary.severity, Some(Severity::Temporary));
    // Three, and what was on its way when the third failed.
    assert!(summary.stats.errors <= 6, "{log:?}");
    assert_eq!(
        destination.tree(),
        [("extra".to_owned(), String::new())].into()
    );
}

#[tokio::test]
async fn one_file_the_service_fails_on_does_not_stop_the_run() {
    let source = memory(&[("a", "x"), ("b", "x"), ("c", "x"), ("d", "x"), ("e", "x")]);
    let destination = memory(&[]);
    destination.fail("write", "a", unavailable());
    let (summary, _) = copy(&source, &destination).await;
    assert!(!summary.stopped);
    assert_eq!((summary.stats.errors, summary.stats.files_sent), (1, 4));
}

#[tokio::test]
async fn errors_that_no_other_file_escapes_stop_the_run_and_let_others_finish() {
    let full = || Fault::Local(files::Error::NoSpace { path: "a".into() });
    let login = || Fault::Error(Error::Unauthenticated(Detail::default()));
    let quota = || Fault::Error(Error::QuotaExceeded(Detail::default()));
    for fault in [full(), login(), quota()] {
        let source = memory(&[("a", "x"), ("b", "x"), ("c", "x"), ("d", "x")]);
        let destination = memory(&[("extra", "")]);
        destination.fail("write", "a", fault);
        let options = Options {
            transfers: 2,
            ..Options::default()
        };
        let (summary, log) = run_memory(Mode::Sync, &source, &destination, options).await;
        assert!(summary.stopped, "{log:?}");
        assert_eq!(summary.severity, Some(Severity::Fatal));
        let left: Vec<_> = destination.tree().into_keys().collect();
        assert_eq!(left, ["b", "extra"]);
    }
}

async fn download(source: &Arc<Memory>, destination: &std::path::Path) -> Vec<String> {
    let log = Arc::new(Log::default());
    let observer = Arc::clone(&log) as Arc<dyn Observer>;
    let local: Arc<dyn Side> = Arc::new(Local::new(destination.to_owned()));
    let ends = ends::Ends {
        destination: local,
        ..ends_of(source, source)
    };
    let decider = Arc::new(sandbox());
    drive::drive(ends, Mode::Copy, Options::default(), decider, observer).await;
    log.sorted()
}

#[tokio::test]
async fn download_that_is_not_what_was_announced_never_gets_its_name() {
    for (wrong, outcome) in [(1, "Created a"), (2, "content-mismatch a")] {
        let dir = tempfile::tempdir().unwrap();
        let source = memory(&[("a", "1234"), ("b", "b")]);
        for _ in 0..wrong {
            source.fail("read", "a", Fault::Corrupt);
        }
        let log = download(&source, dir.path()).await;
        let mut said = vec!["Created b", outcome, "again a: content-mismatch"];
        said.sort();
        assert_eq!(log, said);
        let items = [("b", "b"), ("a", "1234")];
        let there = if wrong == 1 { &items[..] } else { &items[..1] };
        assert_eq!(harvest(dir.path()), expected(there));
    }
}

#[tokio::test]
async fn cut_download_is_read_again_and_leaves_nothing_half() {
    let dir = tempfile::tempdir().unwrap();
    let source = memory(&[("a", "1234")]);
    source.fail("read", "a", Fault::Cut);
    let log = download(&source, dir.path()).await;
    assert_eq!(log, ["Created a", "again a: interrupted"]);
    assert_eq!(harvest(dir.path()), expected(&[("a", "1234")]));
}

#[tokio::test]
async fn names_no_file_system_can_hold_become_look_alikes_or_clash() {
    let dir = tempfile::tempdir().unwrap();
    let source = memory(&[
        ("a\0b", "1"),
        ("a␀b", "2"),
        ("c\0", "3"),
        (".", "4"),
        ("..", "5"),
        (".x.0123456789Ab.acd-part", "6"),
    ]);
    for _ in 0..2 {
        let log = download(&source, dir.path()).await;
        assert!(
            log.iter().any(|line| line.starts_with("name-clash a")),
            "{log:?}"
        );
        assert!(
            log.iter().any(|line| line.starts_with("name-reserved .x")),
            "{log:?}"
        );
        let there = [("a␀b", "2"), ("c␀", "3"), ("．", "4"), ("．．", "5")];
        assert_eq!(harvest(dir.path()), expected(&there));
    }
    assert!(fs::read_dir(dir.path()).unwrap().count() == 4);
}

#[tokio::test]
async fn remote_file_that_changed_since_it_was_listed_is_looked_at_again() {
    let dir = tempfile::tempdir().unwrap();
    let source = memory(&[("a", "1234")]);
    source.fail("read", "a", Fault::Appears("another"));
    let log = download(&source, dir.path()).await;
    assert_eq!(log, ["Created a", "again a: content-mismatch"]);
    assert_eq!(harvest(dir.path()), expected(&[("a", "another")]));
}

#[test]
fn labels_are_paths_below_the_base() {
    let base = Spot::base(None);
    let child = base.child(b"a", None, base.label_of("a"));
    assert_eq!((&*child.label, &*child.label_of("b")), ("a", "a/b"));
}
