//! Listings and changes, whatever the service does to them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use acd_tests::{Acd, Finished, Serve, Tree};

/// A drive in `data` with some files in few folders.
fn narrow(acd: &Acd) {
    for number in 0..12 {
        Tree::write(&acd.path("a"), format!("file {number}"), "x");
    }
    Tree::write(&acd.path("a"), "sub/deep/file", "x");
    fs::create_dir_all(acd.path("a/empty")).unwrap();
    store(acd);
}

/// The same with so many folders that it is fewer calls to read the changes.
fn wide(acd: &Acd) {
    for number in 0..40 {
        Tree::write(&acd.path("a"), format!("folder {number}/file"), "x");
    }
    store(acd);
}

fn store(acd: &Acd) {
    let server = acd.serve("data");
    run(acd, &server, &["copy", "a", "drive:"]);
    assert!(server.stop().success());
}

fn with_config(acd: &Acd, server: &Serve, arguments: &[&str]) -> Finished {
    let config = ["--config", server.config().to_str().unwrap()];
    acd.run(config.iter().chain(arguments))
}

fn run(acd: &Acd, server: &Serve, arguments: &[&str]) -> Finished {
    let finished = with_config(acd, server, arguments);
    assert!(finished.status.success(), "{finished}");
    finished
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn listing_is_whole_whatever_its_pages_are_like() {
    let acd = Acd::new();
    narrow(&acd);
    let expected = sorted(&acd.ok(["ls", "a"]).stdout);
    for rules in [
        &["partial-pages=1"][..],
        &["next-token-expired,after=3,count=1", "partial-pages=2"],
        &["empty-page,count=2"],
        &["500,count=1,query=*filters=parents*"],
        &["cut-reply=100,path=*/nodes,after=1,count=1"],
    ] {
        let server = acd.serve_with_faults("data", rules);
        let ls = run(&acd, &server, &["ls", "drive:"]);
        assert_eq!(sorted(&ls.stdout), expected, "{rules:?}: {ls}");
        run(&acd, &server, &["copy", "drive:", "restored"]);
        assert_eq!(
            Tree::of(&acd.path("restored")),
            Tree::of(&acd.path("a")),
            "{rules:?}"
        );
        fs::remove_dir_all(acd.path("restored")).unwrap();
        assert!(server.stop().success());
    }
}

#[test]
fn token_that_always_expires_is_an_error_and_no_short_listing() {
    let acd = Acd::new();
    narrow(&acd);
    let server = acd.serve_with_faults("data", &["next-token-expired", "partial-pages=2"]);
    let ls = with_config(&acd, &server, &["ls", "drive:"]);
    assert_eq!(ls.code(), 5, "{ls}");
    assert!(ls.stderr.contains("expired"), "{ls}");
}

#[test]
fn odd_node_is_left_out_and_named_once() {
    let acd = Acd::new();
    narrow(&acd);
    let expected = sorted(&acd.ok(["ls", "a"]).stdout);
    for (rule, name) in [
        ("pending-node=video.mkv", "video.mkv"),
        ("asset-node=thumb", "thumb"),
        ("bogus-parent=elsewhere.txt", "elsewhere.txt"),
        ("nameless-node", "\"\""),
    ] {
        let server = acd.serve_with_faults("data", &[rule, "partial-pages=4"]);
        let ls = run(&acd, &server, &["-v", "ls", "drive:"]);
        assert_eq!(sorted(&ls.stdout), expected, "{rule}: {ls}");
        let mut told: Vec<_> = ls
            .stderr
            .lines()
            .filter(|it| it.contains("left out"))
            .collect();
        assert!(
            !told.is_empty() && told.iter().all(|it| it.contains(name)),
            "{rule}: {ls}"
        );
        // Each node has its line, and no node has two.
        let lines = told.len();
        told.sort_by_key(|line| line.split("node ").nth(1));
        told.dedup_by_key(|line| line.split("node ").nth(1));
        assert_eq!(told.len(), lines, "{rule}: {ls}");
        assert!(server.stop().success());
    }
}

#[test]
fn folder_that_listings_do_not_show_yet_is_written_into() {
    let acd = Acd::new();
    narrow(&acd);
    let server = acd.serve_with_faults("data", &["listing-lag=30"]);
    Tree::write(&acd.path("b"), "one", "1");
    run(&acd, &server, &["mkdir", "drive:new/inner"]);
    run(&acd, &server, &["copy", "b", "drive:new/inner"]);
    assert!(server.stop().success());
    let server = acd.serve("data");
    let ls = run(&acd, &server, &["ls", "drive:new"]);
    assert_eq!(ls.stdout, "        1 inner/one\n", "{ls}");
}

#[test]
fn walk_is_whole_whatever_the_changes_do() {
    let acd = Acd::new();
    wide(&acd);
    let expected = sorted(&acd.ok(["ls", "a"]).stdout);
    for rules in [
        &[][..],
        &["changes-cut=5000,count=2"],
        &["changes-no-end,count=1"],
        &["changes-no-end"],
        &["changes-reset,count=1"],
        &["changes-duplicate"],
        &["nameless-node"],
        &["pending-node"],
    ] {
        let server = acd.serve_with_faults("data", rules);
        let ls = run(&acd, &server, &["-v", "ls", "drive:"]);
        assert_eq!(sorted(&ls.stdout), expected, "{rules:?}: {ls}");
        let given_up = ls.stderr.contains("listing folder by folder");
        assert_eq!(given_up, rules == ["changes-no-end"], "{rules:?}: {ls}");
        let some = run(&acd, &server, &["ls", "drive:folder 7"]);
        assert_eq!(some.stdout, "        1 file\n", "{some}");
        assert!(server.stop().success());
    }
}

/// The checkpoint that a run of `changes` ended with.
fn checkpoint(finished: &Finished) -> String {
    let lines = finished.stderr.lines();
    let last = lines
        .filter_map(|line| line.strip_prefix("checkpoint: "))
        .next_back();
    last.unwrap_or_else(|| panic!("no checkpoint: {finished}"))
        .to_owned()
}

#[test]
fn changes_are_those_since_a_checkpoint() {
    let acd = Acd::new();
    narrow(&acd);
    let server = acd.serve("data");
    let all = run(&acd, &server, &["changes", "drive:"]);
    let lines = sorted(&all.stdout);
    for line in [
        "changed /",
        "changed sub",
        "changed sub/deep/file",
        "changed file 7",
    ] {
        assert!(lines.iter().any(|it| it == line), "{line}: {all}");
    }
    assert_eq!(
        all.stderr.lines().last(),
        Some(format!("checkpoint: {}", checkpoint(&all)).as_str())
    );
    let from = checkpoint(&all);

    Tree::write(&acd.path("b"), "new", "1");
    run(&acd, &server, &["copy", "b", "drive:sub/deep"]);
    run(&acd, &server, &["purge", "drive:empty"]);
    let some = run(&acd, &server, &["changes", "drive:", "--checkpoint", &from]);
    let lines = sorted(&some.stdout);
    assert!(lines.contains(&"changed sub/deep/new".to_owned()), "{some}");
    assert!(lines.contains(&"trashed empty".to_owned()), "{some}");
    assert!(!some.stdout.contains("file 7"), "{some}");
    let none = run(
        &acd,
        &server,
        &["changes", "drive:", "--checkpoint", &checkpoint(&some)],
    );
    assert_eq!(none.stdout, "", "{none}");

    // The same from the config, as objects.
    let mut config = fs::read_to_string(server.config()).unwrap();
    config.push_str(&format!("\ncheckpoint = {from}\n"));
    fs::write(acd.path("c.conf"), config).unwrap();
    let objects = acd.ok(["--config", "c.conf", "--json", "changes", "drive:"]);
    let set: serde_json::Value =
        serde_json::from_str(objects.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(set["checkpoint"], checkpoint(&some));
    assert_eq!(set["reset"], false);
    let paths: Vec<_> = set["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["Path"])
        .collect();
    assert!(
        paths.iter().any(|path| *path == "sub/deep/new"),
        "{objects}"
    );

    let wrong = with_config(
        &acd,
        &server,
        &["changes", "drive:", "--checkpoint", "nonsense!"],
    );
    wrong.assert_error(6, "invalid-argument");
    acd.run(["changes", "a"]).assert_error(1, "not-a-remote");
    let wrong = with_config(&acd, &server, &["changes", "drive:sub"]);
    wrong.assert_error(1, "invalid-argument");
}

#[test]
fn changes_that_break_off_fail_and_are_gone_on_with() {
    let acd = Acd::new();
    narrow(&acd);
    let server = acd.serve("data");
    let all = run(&acd, &server, &["changes", "drive:"]);
    let from = checkpoint(&all);
    for number in 0..5 {
        Tree::write(&acd.path("b"), format!("new {number}"), "1");
    }
    run(&acd, &server, &["copy", "b", "drive:"]);
    assert!(server.stop().success());

    for rule in ["changes-no-end,count=1", "changes-cut=60,count=1"] {
        let server = acd.serve_with_faults("data", &[rule]);
        let cut = with_config(&acd, &server, &["changes", "drive:", "--checkpoint", &from]);
        cut.assert_error(5, "unavailable");
        let next = checkpoint(&cut);
        assert!(
            cut.stderr.contains(&format!("--checkpoint {next}")),
            "{cut}"
        );
        assert_eq!(next == from, cut.stdout.is_empty(), "{cut}");
        let rest = run(&acd, &server, &["changes", "drive:", "--checkpoint", &next]);
        let both = sorted(&format!("{}{}", cut.stdout, rest.stdout));
        for number in 0..5 {
            assert!(
                both.contains(&format!("changed new {number}")),
                "{cut}\n{rest}"
            );
        }
        assert!(server.stop().success());
    }

    let server = acd.serve_with_faults("data", &["changes-reset,count=1"]);
    let anew = run(&acd, &server, &["changes", "drive:", "--checkpoint", &from]);
    assert!(anew.stderr.contains("begins anew"), "{anew}");
    assert!(anew.stdout.contains("changed file 7"), "{anew}");
}

#[test]
fn change_made_elsewhere_shows_while_polling() {
    let acd = Acd::new();
    narrow(&acd);
    let server = acd.serve_with_faults("data", &["changes-no-end,after=1,count=1"]);
    let from = checkpoint(&run(&acd, &server, &["changes", "drive:"]));
    let config = server.config().to_str().unwrap();
    let mut child = acd
        .command([
            "--config",
            config,
            "changes",
            "drive:",
            "--poll",
            "50ms",
            "--checkpoint",
            &from,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for name in ["first", "second"] {
        Tree::write(&acd.path(name), name, "1");
        run(&acd, &server, &["copy", name, "drive:sub"]);
        let shown = lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.ends_with(name));
        assert_eq!(shown, Some(format!("changed sub/{name}")));
    }
    let _ = child.kill();
    let _ = child.wait();
}
