//! Processes that die at any moment, with nothing lost and nothing half done.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{fs, path::Path, process::Stdio};

use acd_tests::{Acd, Entry, Tree};

/// Files of many sizes, so that a death finds some done, some on their way, some not begun.
fn source(root: &Path) -> Tree {
    for number in 0..60_u64 {
        fs::create_dir_all(root.join(format!("{}", number % 6))).unwrap();
        let size = [10, 4096, 300_000, 2_000_000][usize::try_from(number % 4).unwrap()];
        Tree::write_large(root, &format!("{}/{number}", number % 6), size + number);
    }
    Tree::of(root)
}

/// Runs a command and kills it once `ready` says so, or lets it end.
fn run_until(acd: &Acd, arguments: &[&str], mut ready: impl FnMut() -> bool) {
    let mut child = acd
        .command(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !ready() {
        if child.try_wait().unwrap().is_some() {
            return;
        }
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Files with a final name below `root`, and their sizes.
fn finals(root: &Path) -> Vec<(Vec<u8>, u64)> {
    if !root.exists() {
        return Vec::new();
    }
    // A part file can go while it is looked at; only final names count, and they stay.
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_dir() {
                open.push(entry.path());
            } else if !acd::files::is_part_file(&entry.file_name()) {
                let path = entry.path();
                let below = path.strip_prefix(root).unwrap().as_os_str();
                found.push((below.as_encoded_bytes().to_vec(), metadata.len()));
            }
        }
    }
    found
}

#[test]
fn killed_download_leaves_whole_files_only_and_a_second_run_finishes() {
    let acd = Acd::new();
    let tree = source(&acd.path("source"));
    acd.ok(["copy", "source", "embedded:"]);
    let into = acd.path("restored");
    for wanted in [0, 1, 7, 20, 40, 55] {
        run_until(&acd, &["copy", "embedded:", "restored"], || {
            finals(&into).len() >= wanted && into.exists()
        });
        for (path, size) in finals(&into) {
            let Some(Entry::File(whole, _)) = tree.0.get(&path) else {
                panic!("{} was never sent", path.escape_ascii());
            };
            assert_eq!(size, *whole, "{}", path.escape_ascii());
        }
    }
    acd.ok(["copy", "embedded:", "restored"]);
    assert_eq!(Tree::of(&into), tree);
}

#[test]
fn killed_upload_leaves_a_consistent_store_and_a_second_run_finishes() {
    let acd = Acd::new();
    let tree = source(&acd.path("source"));
    // Client and server in one process: both die.
    for wanted in [0, 1, 10, 30, 50] {
        let content = acd.path("data/content");
        let _ = fs::create_dir_all(&content);
        run_until(
            &acd,
            &["copy", "source", "embedded:", "--embedded-dir", "data"],
            || finals(&content).len() >= wanted,
        );
        // Whatever is listed is whole: it comes down with the MD5 it is listed with.
        let partial = acd.path(format!("partial-{wanted}"));
        acd.ok([
            "copy",
            "embedded:",
            partial.to_str().unwrap(),
            "--embedded-dir",
            "data",
        ]);
        for (path, entry) in Tree::of(&partial).0 {
            assert_eq!(Some(&entry), tree.0.get(&path), "{}", path.escape_ascii());
        }
    }
    acd.ok(["sync", "source", "embedded:", "--embedded-dir", "data"]);
    acd.ok(["copy", "embedded:", "restored", "--embedded-dir", "data"]);
    assert_eq!(Tree::of(&acd.path("restored")), tree);
    // Nothing that died is still taking up room.
    let stored: u64 = finals(&acd.path("data/content"))
        .iter()
        .map(|it| it.1)
        .sum();
    let sent: u64 = tree
        .0
        .values()
        .map(|entry| match entry {
            Entry::File(size, _) => *size,
            Entry::Folder => 0,
        })
        .sum();
    assert_eq!(stored, sent);
}

#[test]
fn killed_server_keeps_what_it_acknowledged() {
    let acd = Acd::new();
    let tree = source(&acd.path("source"));
    for wanted in [1, 15, 40] {
        let server = acd.serve("data");
        let config = server.config().to_str().unwrap().to_owned();
        let mut client = acd
            .command([
                "--config",
                &config,
                "--retries",
                "1",
                "--low-level-retries",
                "1",
            ])
            .args(["copy", "source", "drive:", "--json", "-v"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let content = acd.path("data/content");
        while finals(&content).len() < wanted && client.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        server.kill();
        let output = client.wait_with_output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);

        let server = acd.serve("data");
        let config = server.config().to_str().unwrap().to_owned();
        let partial = acd.path(format!("partial-{wanted}"));
        acd.ok([
            "--config",
            &config,
            "copy",
            "drive:",
            partial.to_str().unwrap(),
        ]);
        let kept = Tree::of(&partial);
        for line in log.lines() {
            let Ok(event) = serde_json::from_str::<serde_json::Value>(line) else {
                continue;
            };
            if event["event"] == "sent" {
                let path = event["path"].as_str().unwrap().as_bytes();
                assert_eq!(kept.0.get(path), tree.0.get(path), "{line}");
            }
        }
        assert!(server.stop().success());
    }
    let server = acd.serve("data");
    let config = server.config().to_str().unwrap();
    acd.ok(["--config", config, "sync", "source", "drive:"]);
    acd.ok(["--config", config, "copy", "drive:", "restored"]);
    assert_eq!(Tree::of(&acd.path("restored")), tree);
}
