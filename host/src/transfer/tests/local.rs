//! Runs between local folders.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{expected, harvest, plant, run_local, sandbox};
use crate::{
    component::Clashes,
    files,
    place::Place,
    transfer::{self, Error, Event, Mode, Observer, Options, Severity},
};

const DRY: Options = Options {
    transfers: 4,
    checkers: 8,
    dry_run: true,
    clashes: Clashes::Fail,
    retries: 3,
    streams: 4,
};

fn pair() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (source, destination) = (dir.path().join("source"), dir.path().join("destination"));
    fs::create_dir(&source).unwrap();
    (dir, source, destination)
}

const TREE: &[(&str, &str)] = &[
    ("a", "1"),
    ("empty", ""),
    ("folder/", ""),
    ("folder/b", "22"),
    ("folder/deep/", ""),
    ("folder/deep/er/", ""),
    ("folder/deep/er/c", "333"),
    ("hollow/", ""),
    ("hollow/too/", ""),
    ("it's \"quoted\"\n ", "x"),
];

#[tokio::test]
async fn tree_arrives_whole_and_a_second_run_sends_nothing() {
    for mode in [Mode::Copy, Mode::Sync] {
        let (_dir, source, destination) = pair();
        plant(&source, TREE);
        let (summary, _) = run_local(mode, &source, &destination, Options::default()).await;
        let stats = summary.unwrap().stats;
        assert_eq!(harvest(&destination), expected(TREE));
        assert_eq!(
            (stats.files_sent, stats.bytes_moved, stats.folders_made),
            (5, 7, 6)
        );
        assert_eq!(
            (stats.files_planned, stats.bytes_planned, stats.errors),
            (5, 7, 0)
        );

        let (summary, _) = run_local(mode, &source, &destination, Options::default()).await;
        let summary = summary.unwrap();
        assert_eq!(
            (summary.stats.unchanged, summary.stats.files_planned),
            (5, 0)
        );
        assert!(summary.is_complete() && !summary.changed());
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn names_travel_byte_for_byte() {
    let (_dir, source, destination) = pair();
    let names = [
        &b"\xff\xfe"[..],
        b"-rf",
        b"\xe2\x80\x9b",
        b"\x01",
        "．".as_bytes(),
        b"a\\b",
    ];
    for name in names {
        fs::write(source.join(OsStr::from_bytes(name)), name).unwrap();
    }
    let (summary, _) = run_local(Mode::Copy, &source, &destination, Options::default()).await;
    assert!(summary.unwrap().is_complete());
    assert_eq!(harvest(&destination), harvest(&source));
    assert_eq!(harvest(&destination).len(), names.len());
}

#[tokio::test]
async fn changed_files_are_overwritten_also_when_the_size_is_the_same() {
    let (_dir, source, destination) = pair();
    plant(
        &source,
        &[("longer", "123"), ("other", "abc"), ("same", "x")],
    );
    plant(
        &destination,
        &[("longer", "12"), ("other", "abd"), ("same", "x")],
    );
    let (summary, log) = run_local(Mode::Copy, &source, &destination, Options::default()).await;
    assert_eq!(
        log,
        [
            "Overwritten longer",
            "Overwritten other",
            "same same",
            "time same"
        ]
    );
    assert_eq!(summary.unwrap().stats.bytes_moved, 6);
    assert_eq!(harvest(&destination), harvest(&source));
}

#[tokio::test]
async fn only_sync_removes_what_only_the_destination_has() {
    let extra = [
        ("a", "1"),
        ("old", "x"),
        ("gone/", ""),
        ("gone/deep/file", "y"),
        ("kept/old", ""),
    ];
    let (_dir, source, destination) = pair();
    plant(&source, &[("a", "1"), ("kept/", "")]);
    plant(&destination, &extra);
    let before = harvest(&destination);
    let (_, log) = run_local(Mode::Copy, &source, &destination, Options::default()).await;
    assert_eq!(log, ["same a"]);
    assert_eq!(harvest(&destination), before);

    let (summary, log) = run_local(Mode::Sync, &source, &destination, Options::default()).await;
    let deleted = [
        "deleted File kept/old",
        "deleted File old",
        "deleted Folder gone",
        "same a",
    ];
    assert_eq!(log, deleted);
    assert_eq!(summary.unwrap().stats.deleted, 3);
    assert_eq!(harvest(&destination), harvest(&source));
}

#[tokio::test]
async fn dry_run_says_what_would_be_done_and_changes_nothing() {
    let (_dir, source, destination) = pair();
    plant(
        &source,
        &[
            ("new", "1"),
            ("changed", "ab"),
            ("folder/x", "333"),
            ("same", "s"),
        ],
    );
    plant(
        &destination,
        &[("changed", "AB"), ("old", "x"), ("same", "s")],
    );
    let debris = destination.join(".a.0123456789Ab.acd-part");
    fs::write(&debris, "half").unwrap();
    let before = harvest(&destination);
    let (summary, log) = run_local(Mode::Sync, &source, &destination, DRY).await;
    assert_eq!(
        log,
        [
            "same same",
            "would Create { bytes: 1 } new",
            "would Create { bytes: 3 } folder/x",
            "would MakeFolder folder",
            "would Overwrite { bytes: 2 } changed",
            "would Remove { kind: File } old",
            "would SetTime same",
        ]
    );
    let stats = summary.unwrap().stats;
    assert_eq!(
        (stats.files_sent, stats.bytes_moved, stats.deleted),
        (3, 6, 1)
    );
    assert_eq!(harvest(&destination), before);

    let missing = destination.join("not/there");
    let (summary, log) = run_local(Mode::Sync, &source, &missing, DRY).await;
    assert!(summary.unwrap().is_complete() && log.contains(&"would MakeFolder .".to_owned()));
    assert!(!destination.join("not").exists());
}

#[tokio::test]
async fn single_file_goes_into_the_folder_and_nothing_else_is_touched() {
    let (_dir, source, destination) = pair();
    plant(&source, &[("file", "new"), ("other", "x")]);
    plant(&destination, &[("kept", "k")]);
    let file = source.join("file");
    let (_, log) = run_local(Mode::Sync, &file, &destination, Options::default()).await;
    assert_eq!(log, ["Created file"]);
    let (_, log) = run_local(Mode::Sync, &file, &destination, Options::default()).await;
    assert_eq!(log, ["same file"]);
    assert_eq!(
        harvest(&destination),
        expected(&[("file", "new"), ("kept", "k")])
    );

    let made = destination.join("made/here");
    let (_, log) = run_local(Mode::Copy, &file, &made, Options::default()).await;
    assert_eq!(log, ["Created file", "made ."]);
    // Upwards is no overlap: another file is written.
    let parent = source.parent().unwrap();
    let (summary, _) = run_local(Mode::Copy, &file, parent, Options::default()).await;
    assert!(summary.unwrap().is_complete() && parent.join("file").exists());
}

#[tokio::test]
async fn missing_source_and_impossible_destination_are_named() {
    let (_dir, source, destination) = pair();
    plant(&source, &[("file", "x")]);
    let missing = source.join("none");
    let (outcome, _) = run_local(Mode::Sync, &missing, &destination, Options::default()).await;
    assert!(
        matches!(outcome, Err(Error::NotFound { .. })),
        "{outcome:?}"
    );
    assert!(!destination.exists());
    for to in [source.join("file"), source.join("file/under")] {
        let from = source.parent().unwrap().join("from");
        plant(&from, &[("a", "")]);
        let (outcome, _) = run_local(Mode::Sync, &from, &to, Options::default()).await;
        assert!(
            matches!(outcome, Err(Error::NotAFolder { .. })),
            "{outcome:?}"
        );
    }
    let under = source.join("file/under");
    let (outcome, _) = run_local(Mode::Sync, &under, &destination, Options::default()).await;
    assert!(
        matches!(outcome, Err(Error::NotAFolder { .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn overlapping_ends_are_refused_before_anything_is_done() {
    let (dir, source, _) = pair();
    plant(&source, &[("sub/", ""), ("file", "x")]);
    symlink(&source, dir.path().join("link")).unwrap();
    let at = |path: &str| dir.path().join(path);
    for (from, to, overlaps) in [
        ("source", "source", true),
        ("source", "source/sub", true),
        ("source/sub", "source", true),
        ("source", "link", true),
        ("source", "link/new/deep", true),
        ("source", "other/../source/new", true),
        ("source/file", "source", true),
        ("source/file", "link/sub/..", true),
        ("source/file", "source/sub", false),
        ("source/sub", "source2", false),
    ] {
        let before = harvest(dir.path());
        let (outcome, _) = run_local(Mode::Copy, &at(from), &at(to), DRY).await;
        let refused = matches!(outcome, Err(Error::Overlap { .. }));
        assert_eq!(refused, overlaps, "{from} {to}: {outcome:?}");
        assert_eq!(harvest(dir.path()), before);
    }
}

#[tokio::test]
async fn a_file_and_a_folder_of_one_name_stay_as_they_are() {
    let (_dir, source, destination) = pair();
    plant(&source, &[("a", "file"), ("b/in", "x"), ("c", "c")]);
    plant(
        &destination,
        &[("a/in", "x"), ("b", "file"), ("extra", "x")],
    );
    let (summary, log) = run_local(Mode::Sync, &source, &destination, Options::default()).await;
    assert_eq!(
        log,
        [
            ".: not deleting 1 as there were errors",
            "Created c",
            "kind-conflict a",
            "kind-conflict b",
        ]
    );
    let summary = summary.unwrap();
    assert_eq!(summary.severity, Some(Severity::Lasting));
    assert_eq!(
        summary.errors[0].error.to_string(),
        "a is a file in the source and a folder in the destination"
    );
    assert_eq!(fs::read(destination.join("a/in")).unwrap(), b"x");
    assert_eq!(fs::read(destination.join("b")).unwrap(), b"file");
}

#[tokio::test]
async fn links_and_special_files_are_skipped_and_never_replaced_or_removed() {
    let (dir, source, destination) = pair();
    plant(&source, &[("file", "x"), ("plain", "p"), ("folder/f", "f")]);
    symlink("file", source.join("link")).unwrap();
    symlink("nowhere", source.join("dangling")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(source.join("socket")).unwrap();
    let elsewhere = dir.path().join("elsewhere");
    plant(&elsewhere, &[("kept", "k")]);
    plant(&destination, &[]);
    fs::create_dir(&destination).unwrap();
    symlink(elsewhere.join("kept"), destination.join("plain")).unwrap();
    symlink(&elsewhere, destination.join("folder")).unwrap();
    symlink("nowhere", destination.join("extra")).unwrap();
    let (_, log) = run_local(Mode::Sync, &source, &destination, Options::default()).await;
    assert_eq!(
        log,
        [
            "Created file",
            "dangling: skipped: a symbolic link",
            "kind-conflict folder",
            "kind-conflict plain",
            "link: skipped: a symbolic link",
            "socket: skipped: not an ordinary file",
        ]
    );
    let left = [
        ("extra@", ""),
        ("file", "x"),
        ("folder@", ""),
        ("plain@", ""),
    ];
    assert_eq!(harvest(&destination), expected(&left));
    assert_eq!(harvest(&elsewhere), expected(&[("kept", "k")]));
}

#[tokio::test]
async fn parts_of_dead_runs_are_swept_and_parts_never_travel() {
    let (_dir, source, destination) = pair();
    plant(&source, &[("a", "1"), (".b.0123456789Ab.acd-part", "half")]);
    plant(
        &destination,
        &[
            (".a.0123456789Ab.acd-part", "half"),
            ("sub/.c.0123456789Ab.acd-part", ""),
        ],
    );
    let live = destination.join("live");
    let live = files::Sink::create(&live, files::Expected::default())
        .await
        .unwrap();
    let (summary, _) = run_local(Mode::Copy, &source, &destination, Options::default()).await;
    assert!(summary.unwrap().is_complete());
    let left = harvest(&destination);
    assert!(!left.contains_key(&b".a.0123456789Ab.acd-part"[..]));
    // Not visited, so not swept; and the part that is being written is still there.
    assert!(left.contains_key(&b"sub/.c.0123456789Ab.acd-part"[..]));
    assert_eq!(left.len(), 4, "{left:?}");
    live.commit().await.unwrap();
    assert!(source.join(".b.0123456789Ab.acd-part").exists());
}

#[tokio::test]
async fn very_deep_tree_arrives() {
    let (_dir, source, destination) = pair();
    let deep = "d/".repeat(300) + "file";
    plant(&source, &[(&deep, "x")]);
    let (summary, _) = run_local(Mode::Copy, &source, &destination, Options::default()).await;
    assert_eq!(summary.unwrap().stats.folders_made, 301);
    assert_eq!(fs::read(destination.join(deep)).unwrap(), b"x");
}

/// Does something to the file system at a certain event.
struct Meddler<F>(F);

impl<F: Fn(&Event<'_>) + Send + Sync> Observer for Meddler<F> {
    fn event(&self, event: Event<'_>) {
        (self.0)(&event);
    }
}

async fn run_meddled(
    mode: Mode,
    source: &std::path::Path,
    destination: &std::path::Path,
    meddle: impl Fn(&Event<'_>) + Send + Sync + 'static,
) -> transfer::Summary {
    let source = Place::Local(source.to_owned());
    let destination = Place::Local(destination.to_owned());
    let observer = Arc::new(Meddler(meddle));
    let options = Options::default();
    transfer::run(mode, source, destination, &sandbox(), options, observer)
        .await
        .unwrap()
}

#[tokio::test]
async fn unreadable_file_is_an_error_and_the_others_go_on() {
    let (_dir, source, destination) = pair();
    plant(&source, &[("gone", "x"), ("sub/a", "1"), ("z", "2")]);
    plant(&destination, &[("extra", ""), ("sub/extra", "")]);
    let gone = source.join("gone");
    let summary = run_meddled(Mode::Sync, &source, &destination, move |event| {
        if let Event::Planned { name: "gone", .. } = event {
            fs::remove_file(&gone).unwrap();
        }
    });
    let summary = summary.await;
    assert_eq!(summary.errors.len(), 1);
    let failed = &summary.errors[0];
    assert_eq!((&*failed.name, failed.error.code()), ("gone", "not-found"));
    assert!(!summary.stopped);
    let left = [("extra", ""), ("sub/", ""), ("sub/a", "1"), ("z", "2")];
    assert_eq!(harvest(&destination), expected(&left));
}

/// More than a reader reads ahead, so the change comes before its end.
const LARGE: usize = 8 << 20;

#[tokio::test]
async fn file_that_changes_once_is_sent_again_and_one_that_goes_on_is_an_error() {
    for (changes, errors) in [(1, 0), (2, 1)] {
        let (_dir, source, destination) = pair();
        fs::write(source.join("large"), vec![7; LARGE]).unwrap();
        let path = source.join("large");
        let left = AtomicUsize::new(changes);
        let restarted = AtomicUsize::new(1);
        let summary = run_meddled(
            Mode::Copy,
            &source,
            &destination,
            move |event| match event {
                // Once per try.
                Event::Advanced { .. } if restarted.load(Ordering::SeqCst) > 0 => {
                    restarted.fetch_sub(1, Ordering::SeqCst);
                    if left.load(Ordering::SeqCst) > 0 {
                        left.fetch_sub(1, Ordering::SeqCst);
                        let file = fs::OpenOptions::new().append(true).open(&path).unwrap();
                        std::io::Write::write_all(&mut &file, b"more").unwrap();
                    }
                }
                Event::Restarted { error, .. } => {
                    assert_eq!(error.code(), "changed-while-reading");
                    restarted.fetch_add(1, Ordering::SeqCst);
                }
                _ => {}
            },
        );
        let stats = summary.await.stats;
        assert_eq!(stats.errors, errors);
        if errors == 0 {
            assert_eq!(stats.bytes_moved, stats.bytes_planned);
            assert!(stats.bytes_discarded > 0);
            assert_eq!(
                fs::metadata(destination.join("large")).unwrap().len(),
                stats.bytes_moved
            );
        } else {
            assert_eq!(stats.bytes_moved, 0);
            // The part goes when its writer notices.
            while !harvest(&destination).is_empty() {
                tokio::task::yield_now().await;
            }
        }
    }
}

#[tokio::test]
async fn dropped_run_leaves_no_half_file() {
    let (_dir, source, destination) = pair();
    for name in ["a", "b", "c", "d", "e"] {
        fs::write(source.join(name), vec![7; LARGE]).unwrap();
    }
    plant(&destination, &[("a", "old"), ("b", "old")]);
    let (begun, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
    let sandbox = sandbox();
    let run = transfer::run(
        Mode::Copy,
        Place::Local(source.clone()),
        Place::Local(destination.clone()),
        &sandbox,
        Options::default(),
        Arc::new(Meddler(move |event: &Event<'_>| {
            if let Event::Advanced { .. } = event {
                let _ = begun.send(());
            }
        })),
    );
    tokio::select! {
        biased;
        _ = has_begun.recv() => {}
        outcome = run => panic!("{outcome:?}"),
    }
    for (path, content) in harvest(&destination) {
        let name = OsStr::from_bytes(&path);
        let whole = content == b"old" || content.len() == LARGE;
        assert!(whole || files::is_part_file(name), "{name:?}");
    }
    // A run after it ends well, whatever the threads of the first one still do.
    let (summary, _) = run_local(Mode::Copy, &source, &destination, Options::default()).await;
    assert!(summary.unwrap().is_complete());
    assert!(
        harvest(&destination)
            .values()
            .all(|content| content.len() == LARGE)
    );
}

#[test]
fn run_can_be_awaited_on_any_thread() {
    fn is_send<T: Send>(_: &T) {}
    let sandbox = sandbox();
    let place = || Place::Local(PathBuf::new());
    let run = transfer::run(
        Mode::Copy,
        place(),
        place(),
        &sandbox,
        Options::default(),
        Arc::new(()),
    );
    is_send(&run);
}
