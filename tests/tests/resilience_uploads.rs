//! Uploads against a service that takes everything and says it failed, says too much, or
//! does not show what it has: nothing is sent twice without need, nothing is believed
//! without proof, and nothing is thrown away.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{
    fs::{self, File},
    io::Write as _,
    process::Stdio,
};

use acd_tests::{Acd, Client, Finished, Serve, Tree};
use md5::{Digest as _, Md5};

const MIB: usize = 1 << 20;

/// Enough for any file of a test to be waited for, whatever else the machine does.
const LONG: [&str; 2] = ["--acd-upload-wait-per-gb", "100h"];

/// What goes around a file's content, and all other requests of a run.
const AROUND: u64 = 20_000;

struct Run {
    acd: Acd,
    server: Serve,
}

impl Run {
    /// A server with these faults, and a folder `a` with one file `f` of a MiB.
    fn new(rules: &[&str]) -> Self {
        let acd = Acd::new();
        let server = acd.serve_with_faults("data", rules);
        Tree::write(&acd.path("a"), "f", content(b'x'));
        Self { acd, server }
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let config = self.server.config().to_str().unwrap();
        let all = ["--config", config, "--low-level-retries", "3"];
        self.acd.run(all.iter().chain(arguments))
    }

    fn copy(&self, more: &[&str]) -> Finished {
        self.run(&[&["copy", "-v", "a", "drive:"], more].concat())
    }

    /// Asserts that so many times a MiB were sent, and no more.
    fn assert_received(&self, mebibytes: u64) {
        let received = self.server.metric("acd_http_received_bytes_total");
        let least = mebibytes * MIB as u64;
        assert!(
            (least..least + AROUND).contains(&received),
            "{received} bytes were sent"
        );
    }

    /// Asserts that the drive has exactly this, in the root, and nothing in the trash.
    fn assert_drive(&self, files: &[(&str, &[u8])]) {
        let mut client = Client::new(&self.server.url, self.server.config());
        let root = client.root();
        let listed = client
            .call("GET", &format!("nodes/{root}/children"), None)
            .unwrap()
            .json();
        let mut found: Vec<_> = listed["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| {
                let md5 = node["contentProperties"]["md5"].as_str().unwrap();
                (node["name"].as_str().unwrap().to_owned(), md5.to_owned())
            })
            .collect();
        found.sort();
        let expected: Vec<_> = files
            .iter()
            .map(|(name, content)| ((*name).to_owned(), hex::encode(Md5::digest(content))))
            .collect();
        assert_eq!(found, expected);
        let trash = client.call("GET", "trash", None).unwrap().json();
        assert_eq!(trash["count"], 0, "{trash}");
    }
}

fn content(byte: u8) -> Vec<u8> {
    vec![byte; MIB]
}

#[test]
fn late_file_is_confirmed_and_sent_once() {
    for rule in [
        "late-upload=2,count=1",
        "late-upload=now,count=1,status=408",
        "late-upload=1,count=1,status=500,body=message",
        "late-upload=1,count=1,status=400,body=message",
        "late-upload=1,count=1,status=502",
    ] {
        let run = Run::new(&[rule]);
        let copied = run.copy(&LONG);
        assert!(copied.status.success(), "{copied}");
        assert!(copied.stderr.contains("1 confirmed late"), "{copied}");
        assert_eq!(run.server.hits("late-upload"), [1]);
        run.assert_received(1);
        run.assert_drive(&[("f", &content(b'x'))]);
        let again = run.copy(&LONG);
        assert!(again.stderr.contains("0 files transferred, 1 the same"));
    }
}

#[test]
fn file_that_never_appears_is_sent_once_more_and_then_an_error() {
    let run = Run::new(&["late-upload=never"]);
    let copied = run.copy(&["--acd-upload-wait-per-gb", "1s"]);
    copied.assert_error(5, "never-appeared");
    assert!(copied.stderr.contains("f was sent 2 times"), "{copied}");
    run.assert_received(2);
    run.assert_drive(&[]);

    let run = Run::new(&["late-upload=never,count=1"]);
    let copied = run.copy(&["--acd-upload-wait-per-gb", "0"]);
    assert!(copied.status.success(), "{copied}");
    run.assert_received(2);
    run.assert_drive(&[("f", &content(b'x'))]);
}

#[test]
fn late_overwrite_is_not_taken_for_done_by_its_size() {
    let run = Run::new(&["late-overwrite=2,count=1"]);
    assert!(run.copy(&[]).status.success());
    Tree::write(&run.acd.path("a"), "f", content(b'y'));
    let copied = run.copy(&LONG);
    assert!(copied.status.success(), "{copied}");
    assert!(copied.stderr.contains("1 confirmed late"), "{copied}");
    // Not before the new content is there.
    run.assert_drive(&[("f", &content(b'y'))]);
    run.assert_received(2);

    let run = Run::new(&["late-overwrite=never"]);
    assert!(run.copy(&[]).status.success());
    Tree::write(&run.acd.path("a"), "f", content(b'y'));
    let copied = run.copy(&["--acd-upload-wait-per-gb", "1s"]);
    copied.assert_error(5, "never-appeared");
    // The old content is the only one there is, and stays.
    run.assert_drive(&[("f", &content(b'x'))]);
    run.assert_received(3);
}

#[test]
fn service_that_shows_old_content_or_a_wrong_md5_loses_nothing() {
    let run = Run::new(&["stale-overwrite=60", "wrong-md5=reply,count=1,after=1"]);
    assert!(run.copy(&[]).status.success());
    Tree::write(&run.acd.path("a"), "f", content(b'y'));
    let copied = run.copy(&[]);
    assert!(copied.status.success(), "{copied}");
    assert_eq!(run.server.hits("wrong-md5"), [1]);
    let mut client = Client::new(&run.server.url, run.server.config());
    let trash = client.call("GET", "trash", None).unwrap().json();
    assert_eq!(trash["count"], 0, "{trash}");
    let cat = run.run(&["cat", "--head", "3", "drive:f"]);
    assert_eq!(cat.stdout, "yyy", "{cat}");
}

/// Runs that send no file cost this much: what a connection takes before the refusal comes.
const BEGUN: u64 = MIB as u64;

#[test]
fn file_that_listings_hide_is_not_sent_again() {
    let run = Run::new(&["listing-lag=600"]);
    let large = 16 * MIB;
    Tree::write(&run.acd.path("a"), "large", vec![b'l'; large]);
    for _ in 0..3 {
        let copied = run.copy(&[]);
        assert!(copied.status.success(), "{copied}");
    }
    // The name is refused before the content is read.
    let received = run.server.metric("acd_http_received_bytes_total");
    let once = (large + MIB) as u64;
    assert!(
        (once..once + 4 * BEGUN).contains(&received),
        "{received} bytes were sent"
    );
    assert_eq!(run.server.metric("acd_files"), 2);
}

#[test]
fn name_that_is_told_to_be_taken_after_the_body_costs_no_second_one() {
    let run = Run::new(&["listing-lag=600", "409-after-body"]);
    for _ in 0..2 {
        let copied = run.copy(&[]);
        assert!(copied.status.success(), "{copied}");
    }
    run.assert_received(2);
    assert_eq!(run.server.metric("acd_files"), 1);
}

#[test]
fn name_that_is_taken_by_nothing_ends_in_an_error_and_no_loop() {
    let run = Run::new(&["409-before-body"]);
    let copied = run.copy(&[]);
    assert!(!copied.status.success(), "{copied}");
    assert!(copied.stderr.contains("error["), "{copied}");
    assert!(run.server.hits("409-before-body")[0] <= 2);
    run.assert_drive(&[]);
}

#[test]
fn other_files_go_on_while_one_is_looked_for() {
    let run = Run::new(&["late-upload=3,count=1"]);
    for name in ["g", "h"] {
        Tree::write(&run.acd.path("a"), name, "small");
    }
    let copied = run.copy(&[&LONG[..], &["--transfers", "1", "--json"]].concat());
    assert!(copied.status.success(), "{copied}");
    let sent: Vec<_> = copied
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|event| event["event"] == "sent")
        .map(|event| event["path"].as_str().unwrap().to_owned())
        .collect();
    // Whichever was first is found last.
    assert_eq!(sent.len(), 3, "{copied}");
    assert!(copied.stderr.contains(r#""confirmed":1"#), "{copied}");
    let late = copied
        .stderr
        .lines()
        .position(|line| line.contains("confirmed late"));
    let plain = copied
        .stderr
        .lines()
        .filter(|line| line.contains("copied (new)"))
        .count();
    assert_eq!(plain, 2, "{copied}");
    let last_plain = copied
        .stderr
        .lines()
        .collect::<Vec<_>>()
        .iter()
        .rposition(|line| line.contains("copied (new)"));
    assert!(late > last_plain, "{copied}");
}

#[test]
fn file_over_the_limit_is_refused_by_name_before_its_first_byte() {
    let run = Run::new(&[]);
    let large = File::create(run.acd.path("a").join("large")).unwrap();
    large.set_len(60 << 30).unwrap();
    let copied = run.copy(&[]);
    copied.assert_error(6, "file-too-large");
    assert!(copied.stderr.contains("large"), "{copied}");
    run.assert_received(1);
    run.assert_drive(&[("f", &content(b'x'))]);
}

#[test]
fn standard_input_of_any_length_becomes_a_file_without_another_copy() {
    let run = Run::new(&[]);
    for length in [0, 1, 5 * MIB + 17] {
        let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let config = run.server.config().to_str().unwrap();
        let mut child = run
            .acd
            .command(["--config", config, "rcat", "drive:new/f"])
            .env("TMPDIR", "/nowhere")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        let ended = child.wait_with_output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
        assert!(run.run(&["copy", "drive:new", "back"]).status.success());
        assert!(
            fs::read(run.acd.path("back/f")).unwrap() == bytes,
            "{length}"
        );
    }
}

#[test]
fn standard_input_that_is_stored_late_is_confirmed() {
    let run = Run::new(&["late-upload=1,count=1"]);
    let config = run.server.config().to_str().unwrap();
    let mut command = run.acd.command(["--config", config, "rcat", "drive:f"]);
    command.args(LONG);
    command.stdin(File::open(run.acd.path("a/f")).unwrap());
    let ended = Finished::of(&mut command);
    assert!(ended.status.success(), "{ended}");
    run.assert_received(1);
    run.assert_drive(&[("f", &content(b'x'))]);
}
