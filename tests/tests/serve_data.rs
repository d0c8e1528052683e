//! `acd serve backup` and `acd serve fsck`, as an operator uses them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{fs, path::Path};

use acd_tests::{Acd, Client};
use serde_json::Value;

/// The file of the one object there is.
fn object(content: &Path) -> std::path::PathBuf {
    let mut open = vec![content.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => return path,
            }
        }
    }
    panic!("there is none");
}

#[test]
fn backup_of_a_running_server_is_checked_and_served() {
    let acd = Acd::new();
    let server = acd.serve("data");
    let mut client = Client::new(&server.url, server.config());
    let root = client.root();
    let id = client.create("file", &root, b"content").unwrap().id();
    let arguments = ["serve", "backup", "--data-dir", "data", "--to", "copy"];
    let first = acd.ok(arguments);
    assert!(first.stdout.starts_with("2 nodes; contents: "), "{first}");
    let second = acd.ok(arguments.iter().chain(&["--json"]));
    let summary: Value = serde_json::from_str(&second.stdout).unwrap();
    assert_eq!(
        (&summary["kept"], &summary["copied"]),
        (&1.into(), &0.into())
    );
    assert!(server.stop().success());
    let checked = acd.ok(["serve", "fsck", "--data-dir", "copy"]);
    assert!(
        checked.stdout.ends_with("0 wrong, 0 of them repaired\n"),
        "{checked}"
    );
    let copy = acd.serve("copy");
    let mut client = Client::new(&copy.url, copy.config());
    assert_eq!(client.content(&id).unwrap().body, b"content");
    // It is a drive now, and no backup to be replaced.
    acd.run(arguments).assert_error(1, "bad-target");
}

#[test]
fn damage_is_told_line_by_line_and_by_the_exit_status() {
    let acd = Acd::new();
    let server = acd.serve("data");
    let mut client = Client::new(&server.url, server.config());
    let root = client.root();
    let id = client.create("fi\nle", &root, b"content").unwrap().id();
    let object = object(&acd.path("data/content"));
    fs::write(&object, b"Content").unwrap();
    let fsck = ["serve", "fsck", "--data-dir", "data"];
    let found = acd.run(fsck);
    assert_eq!(found.code(), 6, "{found}");
    let (finding, total) = found.stdout.split_once('\n').unwrap();
    let expected = format!("wrong-digest node {id} /fi\\nle: ");
    assert!(finding.starts_with(&expected), "{found}");
    assert!(total.ends_with("1 wrong, 0 of them repaired\n"), "{found}");
    // Bytes are not looked at.
    acd.ok(fsck.iter().chain(&["--quick"]));
    let found = acd.run(fsck.iter().chain(&["--json"]));
    assert_eq!(found.code(), 6, "{found}");
    let lines: Vec<Value> = found
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2, "{found}");
    assert_eq!(
        (&lines[0]["finding"], &lines[0]["node"]),
        (&"wrong-digest".into(), &id.into())
    );
    assert_eq!(lines[1]["findings"], 1);
    fs::write(&object, b"content").unwrap();
    let unused = acd.path("data/content/0/0/00000000000000000000000000000000");
    fs::write(&unused, "").unwrap();
    assert_eq!(acd.run(fsck).code(), 6);
    // What is put right is not wrong any more.
    acd.ok(fsck.iter().chain(&["--repair"]));
    acd.ok(fsck);
    assert!(!unused.exists());
}

#[test]
fn folders_that_will_not_do_are_named() {
    let acd = Acd::new();
    acd.run(["serve", "fsck", "--data-dir", "none"])
        .assert_error(1, "no-drive");
    acd.run(["serve", "backup", "--data-dir", "none", "--to", "copy"])
        .assert_error(1, "no-drive");
    assert!(!acd.path("copy").exists());
    assert!(acd.serve("data").stop().success());
    acd.run(["serve", "backup", "--data-dir", "data", "--to", "data/copy"])
        .assert_error(1, "bad-target");
    acd.run(["serve", "backup", "--to", "copy"])
        .assert_error(1, "usage");
    acd.run(["serve"]).assert_error(1, "usage");
    acd.run(["serve", "--data-dir", "data", "--durability", "none"])
        .assert_error(1, "usage");
}
