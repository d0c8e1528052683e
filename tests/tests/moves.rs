//! Moves against a service that fails at any step: the node is at its old place or its new
//! one, never in the trash, in the root, in both or in none; and the same move again ends it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{collections::BTreeMap, fs, process::Stdio};

use acd_tests::{Acd, Client, Finished, Serve, Tree};

struct Run {
    acd: Acd,
    server: Serve,
}

impl Run {
    /// A server on which `p/a` is to be moved, beside what `more` has; the folder `q` is
    /// there.
    fn new(more: &[&str]) -> Self {
        let acd = Acd::new();
        let server = acd.serve_with_faults("data", &[]);
        let run = Self { acd, server };
        let source = run.acd.path("source");
        Tree::write(&source, "p/a", "content of a");
        fs::create_dir_all(source.join("q")).unwrap();
        for path in more {
            Tree::write(&source, path, format!("other content: {path}"));
        }
        run.ok(&["copy", "source", "drive:"]);
        run
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let config = self.server.config().to_str().unwrap();
        // Few retries: a fault that stays is to be an end.
        let all = ["--config", config, "--low-level-retries", "2"];
        self.acd.run(all.iter().chain(arguments))
    }

    fn ok(&self, arguments: &[&str]) -> Finished {
        let finished = self.run(arguments);
        assert!(finished.status.success(), "{finished}");
        finished
    }

    fn client(&self) -> Client {
        Client::new(&self.server.url, self.server.config())
    }

    /// All files and folders, by their paths, with their ids and labels.
    fn drive(&self) -> BTreeMap<String, (String, Vec<String>)> {
        let mut client = self.client();
        let mut found = BTreeMap::new();
        let mut open = vec![(String::new(), client.root())];
        while let Some((path, id)) = open.pop() {
            let mut token = String::new();
            loop {
                let call = format!("nodes/{id}/children?startToken={token}");
                let page = client.call("GET", &call, None).unwrap().json();
                for node in page["data"].as_array().unwrap() {
                    let path = format!("{path}/{}", node["name"].as_str().unwrap());
                    let id = node["id"].as_str().unwrap().to_owned();
                    if node["kind"] == "FOLDER" {
                        open.push((path.clone(), id.clone()));
                    }
                    let labels = node["labels"].as_array().unwrap().iter();
                    let labels = labels.map(|label| label.as_str().unwrap().to_owned());
                    assert!(found.insert(path, (id, labels.collect())).is_none());
                }
                match page["nextToken"].as_str() {
                    Some(next) => token = next.to_owned(),
                    None => break,
                }
            }
        }
        found
    }

    fn paths(&self) -> Vec<String> {
        self.drive().into_keys().collect()
    }

    fn trashed(&self) -> u64 {
        let trash = self.client().call("GET", "trash", None).unwrap().json();
        trash["count"].as_u64().unwrap()
    }

    /// Requests by one operation, so far.
    fn received(&self, metric: &str) -> u64 {
        self.server.metric(metric)
    }
}

/// Moves of `p/a`: where to, and what else is there.
const SCENES: [(&str, &[&str]); 5] = [
    ("p/b", &[]),
    ("q/a", &[]),
    ("q/b", &[]),
    ("q/b", &["p/b"]),
    ("q/b", &["p/b", "q/a"]),
];

#[test]
fn whatever_fails_at_whatever_step_the_node_is_at_one_of_two_places() {
    let faults = [
        "500,count=2",
        "429,count=2",
        "504,count=2",
        "connection-reset=before,count=2",
        "connection-reset=after,count=2",
        "cut-reply=20,count=2",
    ];
    for (to, more) in SCENES {
        let run = Run::new(more);
        let before = run.drive();
        let id = before["/p/a"].0.clone();
        for fault in faults {
            for method in ["PATCH", "POST"] {
                // Two failures are all the tries a request has.
                for after in 0..4 {
                    let rule = format!("{fault},after={after},method={method},path=/nodes/");
                    run.server.clear_faults();
                    run.server.add_fault(&rule);
                    let moved = run.run(&["moveto", "drive:p/a", &format!("drive:{to}")]);
                    let name = rule.split(['=', ',']).next().unwrap();
                    let beyond = run.server.hits(name) == [0];
                    run.server.clear_faults();
                    let case = format!("{rule} to {to} beside {more:?}\n{moved}");
                    let places: Vec<_> = run
                        .drive()
                        .into_iter()
                        .filter(|(_, (it, _))| *it == id)
                        .collect();
                    let [(place, _)] = &places[..] else {
                        panic!("{case}: {places:?}");
                    };
                    let goal = format!("/{to}");
                    assert!(*place == goal || place == "/p/a", "{case}: {place}");
                    assert_eq!(moved.status.success(), *place == goal, "{case}: {place}");
                    assert_eq!(run.trashed(), 0, "{case}");
                    if !moved.status.success() {
                        run.ok(&["moveto", "drive:p/a", &format!("drive:{to}")]);
                    }
                    let mut expected = before.clone();
                    let node = expected.remove("/p/a").unwrap();
                    expected.insert(goal.clone(), node);
                    let mut now = run.drive();
                    if moved.status.success() {
                        // A label may be left, where only its removal failed.
                        now.get_mut(&goal).unwrap().1.clear();
                    }
                    assert_eq!(now, expected, "{case}");
                    run.ok(&["moveto", &format!("drive:{to}"), "drive:p/a"]);
                    assert_eq!(run.drive(), before, "{case}");
                    if beyond {
                        assert!(moved.status.success(), "{case}");
                        break;
                    }
                }
            }
        }
    }
}

#[test]
fn move_that_was_killed_between_its_steps_is_ended_by_the_same_move() {
    for (to, more) in SCENES {
        // The change of folder, then the last of the names, never comes to an end.
        for stalled in [
            "method=POST,path=/children",
            "method=PATCH,path=/nodes/,after=1",
        ] {
            let run = Run::new(more);
            let id = run.drive()["/p/a"].0.clone();
            run.server.add_fault(&format!("latency=600,{stalled}"));
            let config = run.server.config().to_str().unwrap().to_owned();
            let goal = format!("drive:{to}");
            let mut child = run
                .acd
                .command(["--config", &config, "moveto", "drive:p/a", &goal])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // Until it is in that step, or done without it.
            let done = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    assert!(status.success());
                    break true;
                }
                if run.server.hits("latency") == [1] {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    break false;
                }
                std::thread::yield_now();
            };
            run.server.clear_faults();
            if !done {
                let again = run.run(&["moveto", "drive:p/a", &goal]);
                // What had waited may have been done meanwhile, all of it.
                assert!(again.status.success() || again.code() == 4, "{again}");
            }
            let now = run.drive();
            assert_eq!(now[&format!("/{to}")].0, id, "{to} {stalled}");
            assert!(now.values().all(|(_, labels)| labels.is_empty()), "{now:?}");
            assert_eq!(run.trashed(), 0);
        }
    }
}

#[test]
fn stale_listings_do_not_move_a_node_twice() {
    let run = Run::new(&[]);
    let before = run.drive();
    run.server.add_fault("moved-twice=600");
    run.ok(&["moveto", "drive:p/a", "drive:q/b"]);
    // The old folder shows it still; it is not there.
    let again = run.run(&["moveto", "drive:p/b", "drive:p/c"]);
    again.assert_error(4, "not-found");
    run.ok(&["moveto", "drive:q/b", "drive:p/a"]);
    run.server.clear_faults();
    assert_eq!(run.drive(), before);

    // What no lookup finds is in the way all the same, and is told.
    Tree::write(&run.acd.path("late"), "b", "late");
    run.ok(&["copy", "late", "drive:q"]);
    run.server.add_fault("name-filter-miss=b");
    let taken = run.run(&["moveto", "drive:p/a", "drive:q/b"]);
    taken.assert_error(6, "name-conflict");
    run.server.clear_faults();
    assert_eq!(run.paths(), ["/p", "/p/a", "/q", "/q/b"]);
    assert_eq!(run.drive()["/p/a"], before["/p/a"]);

    // What is so new that no listing has it cannot be moved yet, and nothing is moved for it.
    let all = run.drive();
    run.server.add_fault("listing-lag=600");
    let lagging = run.run(&["moveto", "drive:p/a", "drive:q/c"]);
    lagging.assert_error(4, "not-found");
    run.server.clear_faults();
    assert_eq!(run.drive(), all);
    run.ok(&["moveto", "drive:p/a", "drive:q/c"]);
    assert_eq!(run.paths(), ["/p", "/q", "/q/b", "/q/c"]);
}

#[test]
fn file_over_another_one_keeps_that_in_the_trash() {
    let run = Run::new(&["q/b"]);
    let before = run.drive();
    run.ok(&["moveto", "drive:p/a", "drive:q/b"]);
    assert_eq!(run.drive()["/q/b"], before["/p/a"]);
    assert_eq!(run.trashed(), 1);
    let ls = run.ok(&["trash", "ls", "drive:"]);
    assert!(ls.stdout.contains(&before["/q/b"].0), "{ls}");

    // Where the move fails, it comes back.
    let run = Run::new(&["q/b"]);
    let before = run.drive();
    run.server
        .add_fault("403-credential,method=POST,path=/children");
    let failed = run.run(&["moveto", "drive:p/a", "drive:q/b"]);
    run.server.clear_faults();
    assert!(!failed.status.success(), "{failed}");
    assert_eq!(run.drive(), before);
    assert_eq!(run.trashed(), 0);

    // Of the same content one is enough.
    let run = Run::new(&[]);
    run.ok(&["copy", "drive:p", "drive:q"]);
    let kept = run.drive()["/q/a"].clone();
    run.ok(&["moveto", "drive:p/a", "drive:q/a"]);
    assert_eq!(run.paths(), ["/p", "/q", "/q/a"]);
    assert_eq!(run.drive()["/q/a"], kept);
    assert_eq!(run.trashed(), 1);
}

#[test]
fn folder_goes_in_one_request_and_into_one_that_is_there_by_what_it_lacks() {
    let run = Run::new(&["p/sub/x", "p/sub/deep/y", "q/sub/x", "q/sub/z", "other/w"]);
    let before = run.drive();
    let sent = run.received("acd_http_received_bytes_total");
    run.ok(&[
        "move",
        "-v",
        "drive:p",
        "drive:q",
        "--delete-empty-src-dirs",
    ]);
    assert!(run.received("acd_http_received_bytes_total") - sent < 20_000);
    assert_eq!(
        run.paths(),
        [
            "/other",
            "/other/w",
            "/q",
            "/q/a",
            "/q/sub",
            "/q/sub/deep",
            "/q/sub/deep/y",
            "/q/sub/x",
            "/q/sub/z"
        ]
    );
    let now = run.drive();
    for (old, new) in [
        ("/p/a", "/q/a"),
        ("/p/sub/deep", "/q/sub/deep"),
        ("/p/sub/x", "/q/sub/x"),
    ] {
        assert_eq!(now[new].0, before[old].0, "{new}");
    }
    // To a name that is not there: the folder itself, once.
    run.ok(&["move", "drive:q", "drive:new/place"]);
    assert_eq!(run.drive()["/new/place"].0, before["/q"].0);
    for (from, to) in [
        ("drive:new", "drive:new/place/x"),
        ("drive:new/place", "drive:new"),
        ("drive:", "drive:new"),
    ] {
        let refused = run.run(&["move", from, to]);
        refused.assert_error(1, "overlap");
    }
    let kinds = run.run(&["moveto", "drive:other", "drive:new/place/a"]);
    kinds.assert_error(6, "kind-conflict");
}

#[test]
fn dry_run_moves_nothing_and_says_what_it_would() {
    let run = Run::new(&["q/b"]);
    let before = run.drive();
    for (from, to) in [
        ("drive:p/a", "drive:q/b"),
        ("drive:p", "drive:q"),
        ("drive:p/a", "drive:x/y"),
        ("drive:p", "down"),
    ] {
        let dry = run.ok(&["moveto", "--dry-run", from, to]);
        assert!(dry.stderr.contains("would "), "{dry}");
    }
    assert_eq!(run.drive(), before);
    assert!(!run.acd.path("down").exists());
}

#[test]
fn what_goes_to_another_place_is_removed_only_when_its_copy_is_proven() {
    let run = Run::new(&["p/sub/x"]);
    let tree = Tree::of(&run.acd.path("source"));
    // Down and up again, as a folder and as a file under another name.
    run.ok(&["move", "drive:p", "down", "--delete-empty-src-dirs"]);
    assert_eq!(run.paths(), ["/q"]);
    assert_eq!(fs::read(run.acd.path("down/a")).unwrap(), b"content of a");
    run.ok(&["moveto", "down/a", "drive:up/b"]);
    assert!(!run.acd.path("down/a").exists());
    run.ok(&["moveto", "drive:up/b", "down/a"]);
    run.ok(&["move", "down", "drive:p"]);
    // Without the option folders stay.
    assert_eq!(Tree::of(&run.acd.path("down")).files(), 0);
    assert!(run.acd.path("down/sub").exists());
    run.ok(&["copy", "drive:p", "restored/p"]);
    fs::create_dir(run.acd.path("restored/q")).unwrap();
    assert_eq!(Tree::of(&run.acd.path("restored")), tree);

    // A copy that did not come whole removes nothing.
    run.server.add_fault("500,method=POST,path=/cdproxy/nodes");
    Tree::write(&run.acd.path("stays"), "f", "f");
    let failed = run.run(&["move", "stays", "drive:p", "--retries", "0"]);
    run.server.clear_faults();
    assert!(!failed.status.success(), "{failed}");
    assert!(run.acd.path("stays/f").exists());
    run.server.add_fault("corrupt-download=3");
    let failed = run.run(&["moveto", "drive:p/a", "half", "--retries", "0"]);
    run.server.clear_faults();
    assert!(!failed.status.success(), "{failed}");
    assert!(run.paths().contains(&"/p/a".to_owned()));
    assert!(!run.acd.path("half").exists());
}

#[test]
fn local_move_is_a_rename_and_replaces_only_what_it_has_copied_over() {
    let acd = Acd::new();
    Tree::write(&acd.path("a"), "x/f", "f");
    acd.ok(["moveto", "a/x", "b/y"]);
    assert_eq!(fs::read(acd.path("b/y/f")).unwrap(), b"f");
    assert!(!acd.path("a/x").exists());
    Tree::write(&acd.path("b"), "g", "g");
    acd.ok(["moveto", "b/g", "b/y/f"]);
    assert_eq!(fs::read(acd.path("b/y/f")).unwrap(), b"g");
    assert!(!acd.path("b/g").exists());
    acd.run(["moveto", "b/y/f", "b/y/f"])
        .assert_error(1, "overlap");
    assert_eq!(fs::read(acd.path("b/y/f")).unwrap(), b"g");
}

#[test]
fn deleted_folder_is_one_thing_in_the_trash_and_comes_back_the_same() {
    let run = Run::new(&[]);
    let source = run.acd.path("many");
    for number in 0..1200 {
        Tree::write(
            &source,
            format!("{}/{number}", number % 30),
            format!("{number}"),
        );
    }
    run.ok(&["copy", "many", "drive:many"]);
    let before = run.drive();
    run.server.add_fault("latency=0,method=PUT,path=/trash/");
    run.ok(&["purge", "drive:many"]);
    assert_eq!(run.server.hits("latency"), [1]);
    assert_eq!(run.trashed(), 1);
    let ls = run.ok(&["trash", "ls", "drive:", "--json"]);
    assert_eq!(ls.stdout.lines().count(), 1, "{ls}");
    let listed: serde_json::Value = serde_json::from_str(&ls.stdout).unwrap();
    assert_eq!(
        (&listed["Name"], &listed["IsDir"]),
        (&"many".into(), &true.into())
    );

    let id = listed["ID"].as_str().unwrap();
    run.server
        .add_fault("connection-reset=after,count=1,method=POST,path=/restore");
    let restored = run.ok(&["trash", "restore", "-v", "drive:", "--", id]);
    assert!(restored.stderr.contains("many: restored"), "{restored}");
    run.server.clear_faults();
    assert_eq!(run.drive(), before);
    run.ok(&["copy", "drive:many", "restored"]);
    assert_eq!(Tree::of(&run.acd.path("restored")), Tree::of(&source));
    assert_eq!(run.ok(&["trash", "ls", "drive:"]).stdout, "");
}

#[test]
fn restore_says_what_is_in_its_way_and_all_of_them_go_in_the_right_order() {
    let run = Run::new(&["p/sub/x"]);
    let before = run.drive();
    run.ok(&["delete", "drive:p/sub"]);
    run.ok(&["purge", "drive:p"]);
    let inner = &before["/p/sub/x"].0;
    let refused = run.run(&["trash", "restore", "drive:", "--", inner]);
    refused.assert_error(6, "invalid-argument");
    assert!(
        refused.stderr.contains("its folder is in the trash too"),
        "{refused}"
    );
    run.ok(&["trash", "restore", "drive:", "--all"]);
    assert_eq!(run.drive(), before);
    assert_eq!(run.trashed(), 0);

    run.ok(&["delete", "drive:p/a"]);
    Tree::write(&run.acd.path("new"), "a", "another a");
    run.ok(&["copy", "new", "drive:p"]);
    // An option behind an id is an option all the same.
    let dry = run.ok(&["trash", "restore", "drive:", "no-such-node-at-all--", "-n"]);
    assert!(dry.stderr.contains("would restore"), "{dry}");
    let taken = run.run(&["trash", "restore", "drive:", "--", &before["/p/a"].0]);
    taken.assert_error(6, "name-conflict");
    assert_eq!(run.trashed(), 1);
    run.run(&["trash", "restore", "drive:", "no-such-node-at-all--"])
        .assert_error(4, "not-found");
}

#[test]
fn trash_is_not_emptied_and_nobody_is_told_that_it_was() {
    let run = Run::new(&[]);
    run.ok(&["delete", "drive:p/a"]);
    for command in [&["trash", "empty", "drive:"][..], &["cleanup", "drive:"]] {
        let refused = run.run(command);
        refused.assert_error(6, "forbidden");
        assert!(refused.stderr.contains("30 days"), "{refused}");
    }
    assert_eq!(run.trashed(), 1);
    run.run(&["trash", "ls", "drive:p"])
        .assert_error(1, "not-a-remote");
    run.run(&["trash", "ls", "."])
        .assert_error(1, "not-a-remote");
}

#[test]
fn node_that_is_in_both_folders_is_no_copy_of_itself() {
    let run = Run::new(&["one/x/f", "two/y"]);
    let drive = run.drive();
    let id = |path: &str| drive[path].0.clone();
    let mut client = run.client();
    let add = format!("nodes/{}/children/{}", id("/two"), id("/one/x"));
    assert_eq!(client.call("PUT", &add, None).unwrap().status, 200);
    let before = run.paths();
    let moved = run.run(&["move", "drive:one", "drive:two"]);
    assert_eq!(moved.code(), 6, "{moved}");
    assert!(moved.stderr.contains("is in both folders"), "{moved}");
    let moved = run.run(&["moveto", "drive:one/x", "drive:two/x"]);
    moved.assert_error(6, "several-folders");
    assert_eq!((run.paths(), run.trashed()), (before.clone(), 0));

    // Nor does a sync of one folder take it out of the other.
    fs::create_dir(run.acd.path("empty")).unwrap();
    Tree::write(&run.acd.path("empty"), "other", "o");
    let synced = run.run(&["sync", "empty", "drive:two"]);
    assert!(!synced.status.success(), "{synced}");
    assert!(run.paths().contains(&"/one/x/f".to_owned()), "{synced}");
}

#[test]
fn file_is_not_moved_over_itself_under_another_name() {
    let run = Run::new(&[]);
    Tree::write(&run.acd.path("local"), "a", "the only one");
    fs::hard_link(run.acd.path("local/a"), run.acd.path("local/b")).unwrap();
    let moved = run.run(&["moveto", "local/a", "local/b"]);
    moved.assert_error(1, "overlap");
    assert_eq!(fs::read(run.acd.path("local/a")).unwrap(), b"the only one");
}
