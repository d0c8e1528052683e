//! The main job: folders go up, come back, and nothing is sent twice.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{fs, os::unix::fs::symlink, path::Path};

use acd_tests::{Acd, Entry, Tree};

/// Everything that has gone wrong with trees before: empty files and folders, a thousand
/// small files, one large one, and names.
fn awkward_tree(root: &Path) -> Tree {
    fs::create_dir_all(root.join("empty folder/with another")).unwrap();
    Tree::write(root, "empty.txt", "");
    for number in 0..1000 {
        let path = format!("many/{}/{number}", number % 10);
        Tree::write(root, path, format!("{number}\n").repeat(number % 50));
    }
    fs::create_dir_all(root.join("large")).unwrap();
    Tree::write_large(root, "large/300 MiB", 300 << 20);
    for (number, name) in Tree::awkward_names().into_iter().enumerate() {
        let mut path = b"names/".to_vec();
        path.extend(&name);
        Tree::write(root, path, format!("file {number}"));
        let mut path = b"folders/".to_vec();
        path.extend(&name);
        path.extend(b"/inside");
        Tree::write(root, path, format!("in folder {number}"));
    }
    let tree = Tree::of(root);
    assert!(tree.files() > 1050);
    tree
}

#[test]
fn folder_goes_up_and_comes_back_the_same() {
    let acd = Acd::new();
    let source = acd.path("source");
    let tree = awkward_tree(&source);

    let up = acd.ok(["sync", "source", "embedded:backup", "--progress"]);
    assert!(up.stderr.contains("Transferred:"), "{up}");
    assert_eq!(up.stdout, "", "{up}");

    acd.ok(["copy", "embedded:backup", "restored"]);
    assert_eq!(Tree::of(&acd.path("restored")), tree);

    let again = acd.ok(["sync", "source", "embedded:backup", "--json"]);
    assert!(again.stderr.contains("\"transferred\":0"), "{again}");

    // What is on the service is what a second client sees, names and all.
    let listed = acd.ok(["ls", "embedded:backup", "--json"]);
    assert_eq!(
        listed.stdout.matches("\"IsDir\":false").count(),
        tree.files()
    );
}

#[test]
fn sync_makes_the_destination_like_the_source() {
    let acd = Acd::new();
    let source = acd.path("source");
    Tree::write(&source, "same", "same");
    Tree::write(&source, "changed", "before");
    Tree::write(&source, "changed in place", "abc");
    Tree::write(&source, "gone", "x");
    Tree::write(&source, "gone folder/deep/er", "x");
    Tree::write(&source, "file then folder", "x");
    acd.ok(["sync", "source", "embedded:"]);

    Tree::write(&source, "changed", "after, and longer");
    Tree::write(&source, "changed in place", "abd");
    Tree::write(&source, "new folder/new", "y");
    fs::remove_file(source.join("gone")).unwrap();
    fs::remove_dir_all(source.join("gone folder")).unwrap();

    let dry = acd.ok(["sync", "source", "embedded:", "--dry-run"]);
    assert!(dry.stderr.contains("gone folder"), "{dry}");
    acd.ok(["copy", "embedded:", "untouched"]);
    assert!(acd.path("untouched/gone folder/deep/er").exists());
    assert!(!acd.path("untouched/new folder").exists());

    acd.ok(["sync", "source", "embedded:"]);
    acd.ok(["copy", "embedded:", "restored"]);
    assert_eq!(Tree::of(&acd.path("restored")), Tree::of(&source));
}

#[test]
fn copy_never_removes() {
    let acd = Acd::new();
    Tree::write(&acd.path("a"), "one", "1");
    Tree::write(&acd.path("b"), "two", "2");
    acd.ok(["copy", "a", "embedded:both"]);
    acd.ok(["copy", "b", "embedded:both"]);
    acd.ok(["copy", "embedded:both", "restored"]);
    assert_eq!(Tree::of(&acd.path("restored")).files(), 2);
}

#[test]
fn sync_brings_a_local_folder_to_the_remotes_state() {
    let acd = Acd::new();
    Tree::write(&acd.path("a"), "keep", "1");
    Tree::write(&acd.path("a"), "sub/keep", "2");
    acd.ok(["sync", "a", "embedded:a"]);
    Tree::write(&acd.path("local"), "keep", "other");
    Tree::write(&acd.path("local"), "extra/deep", "x");
    acd.ok(["sync", "embedded:a", "local"]);
    assert_eq!(Tree::of(&acd.path("local")), Tree::of(&acd.path("a")));
}

#[test]
fn single_file_goes_into_the_destination_folder() {
    let acd = Acd::new();
    Tree::write(&acd.path(""), "one file", "content");
    acd.ok(["copy", "one file", "embedded:into"]);
    assert_eq!(
        acd.ok(["ls", "embedded:"]).stdout,
        "        7 into/one file\n"
    );
    acd.ok(["copy", "embedded:into/one file", "back"]);
    assert_eq!(fs::read(acd.path("back/one file")).unwrap(), b"content");
    assert_eq!(acd.ok(["cat", "embedded:into/one file"]).stdout, "content");
}

#[test]
fn links_and_pipes_are_passed_over_with_a_notice() {
    let acd = Acd::new();
    let source = acd.path("source");
    Tree::write(&source, "file", "x");
    symlink("file", source.join("link")).unwrap();
    symlink("/", source.join("way out")).unwrap();
    let up = acd.ok(["copy", "source", "embedded:"]);
    assert!(
        up.stderr.contains("link") && up.stderr.contains("way out"),
        "{up}"
    );
    assert_eq!(acd.ok(["ls", "embedded:"]).stdout, "        1 file\n");
}

#[test]
fn names_that_differ_in_case_only_do_not_overwrite_each_other() {
    let acd = Acd::new();
    let source = acd.path("source");
    Tree::write(&source, "A.txt", "upper");
    Tree::write(&source, "a.txt", "lower");
    Tree::write(&source, "other", "x");
    let up = acd.run(["copy", "source", "embedded:"]);
    assert_ne!(up.code(), 0, "{up}");
    assert!(
        up.stderr.contains("A.txt") && up.stderr.contains("a.txt"),
        "{up}"
    );
    assert_eq!(acd.ok(["cat", "embedded:A.txt"]).stdout, "upper");
    assert_eq!(acd.ok(["cat", "embedded:other"]).stdout, "x");
    let again = acd.run(["copy", "source", "embedded:"]);
    assert_ne!(again.code(), 0, "{again}");
    assert_eq!(acd.ok(["cat", "embedded:A.txt"]).stdout, "upper");
}

#[test]
fn what_was_stored_is_there_for_the_next_process_and_for_two_at_once() {
    let acd = Acd::new();
    for side in ["left", "right"] {
        for number in 0..200 {
            Tree::write(
                &acd.path(side),
                format!("{number}"),
                format!("{side} {number}"),
            );
        }
    }
    let mut running: Vec<_> = ["left", "right"]
        .map(|side| {
            acd.command(["copy", side, &format!("embedded:{side}")])
                .spawn()
                .unwrap()
        })
        .into();
    for child in &mut running {
        assert!(child.wait().unwrap().success());
    }
    acd.ok(["copy", "embedded:", "restored"]);
    for side in ["left", "right"] {
        assert_eq!(
            Tree::of(&acd.path("restored").join(side)),
            Tree::of(&acd.path(side))
        );
    }
}

#[test]
fn delete_empties_and_purge_removes() {
    let acd = Acd::new();
    Tree::write(&acd.path("a"), "x/one", "1");
    Tree::write(&acd.path("a"), "x/y/two", "2");
    acd.ok(["copy", "a", "embedded:"]);

    acd.ok(["delete", "embedded:x", "--dry-run"]);
    assert_eq!(acd.ok(["ls", "embedded:"]).stdout.lines().count(), 2);
    acd.ok(["delete", "embedded:x"]);
    assert_eq!(acd.ok(["ls", "embedded:"]).stdout, "");
    assert!(
        acd.ok(["lsd", "embedded:x"])
            .stdout
            .trim_end()
            .ends_with(" y")
    );

    acd.ok(["purge", "embedded:x"]);
    assert_eq!(acd.ok(["lsd", "embedded:"]).stdout, "");
    acd.run(["lsd", "embedded:x"]).assert_error(3, "not-found");
}

#[test]
fn folder_is_made_with_its_parents_and_twice() {
    let acd = Acd::new();
    acd.ok(["mkdir", "embedded:a/b/c"]);
    acd.ok(["mkdir", "embedded:a/b/c"]);
    acd.ok(["copy", "embedded:", "restored"]);
    assert_eq!(
        Tree::of(&acd.path("restored"))
            .0
            .into_iter()
            .collect::<Vec<_>>(),
        ["a", "a/b", "a/b/c"].map(|path| (path.as_bytes().to_vec(), Entry::Folder))
    );
}

#[test]
fn embedded_drive_is_not_synced_away_nor_into_itself() {
    let acd = Acd::new();
    Tree::write(&acd.path("a"), "one", "1");
    acd.ok(["sync", "a", "embedded:b"]);
    let data = ".local/share/acd";
    for arguments in [
        &["sync", "embedded:b", data][..],
        &["sync", "a", data],
        &["sync", ".", "embedded:home"],
        &["copy", data, "embedded:c"],
        &["purge", data],
        &["delete", ".local"],
    ] {
        acd.run(arguments).assert_error(1, "overlap");
    }
    assert_eq!(acd.ok(["cat", "embedded:b/one"]).stdout, "1");
    acd.ok(["copy", "embedded:b", "."]);
    assert!(acd.path("one").exists());
}

#[test]
fn purge_sees_through_dots_and_links() {
    let acd = Acd::new();
    Tree::write(&acd.path("a"), "b/one", "1");
    acd.run(["-n", "purge", "/tmp/.."]).assert_error(1, "root");
    acd.ok(["purge", "a/b/."]);
    assert!(acd.path("a").exists() && !acd.path("a/b").exists());
}
