//! Names that the service takes for one, and what is kept of files besides their content.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    time::{Duration, SystemTime},
};

use acd_tests::{Acd, Client, Entry, Finished, Serve, Tree};

const COMPOSED: &str = "caf\u{e9}.txt";
const DECOMPOSED: &str = "cafe\u{301}.txt";

/// Two pairs of files and one of folders, each one name to the service; and their contents.
fn clashing_tree(root: &Path) {
    Tree::write(root, "A.txt", "upper");
    Tree::write(root, "a.txt", "lower, and another");
    Tree::write(root, COMPOSED, "composed");
    Tree::write(root, DECOMPOSED, "decomposed");
    Tree::write(root, "Folder/inside", "in the first folder");
    Tree::write(root, "folder/inside", "in the second folder");
    Tree::write(root, "plain", "no clash");
}

/// Requests with content that the server has taken or refused.
fn uploads(server: &Serve) -> u64 {
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.contains("acd_http_requests_total{"), "{text}");
    let lines = text.lines().filter(|line| {
        line.starts_with("acd_http_requests_total{")
            && line.contains("cdproxy")
            && (line.contains("\"POST\"") || line.contains("\"PUT\""))
    });
    lines
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

fn run(acd: &Acd, server: &Serve, arguments: &[&str]) -> Finished {
    let config = server.config().to_str().unwrap();
    acd.run([&["--config", config], arguments].concat())
}

fn ok(acd: &Acd, server: &Serve, arguments: &[&str]) -> Finished {
    let finished = run(acd, server, arguments);
    assert!(finished.status.success(), "{finished}");
    finished
}

fn summary(finished: &Finished) -> serde_json::Value {
    let lines = finished.stderr.lines().rev();
    let mut values = lines.filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    values.find(|it| it["event"] == "summary").unwrap()
}

/// Contents of all files, however they are named.
fn contents(root: &Path) -> Vec<Entry> {
    let mut found: Vec<_> = Tree::of(root).0.into_values().collect();
    found.sort_by_key(|entry| format!("{entry:?}"));
    found
}

#[test]
fn names_that_clash_are_errors_and_none_of_their_bytes_is_sent() {
    let acd = Acd::new();
    let server = acd.serve("data");
    clashing_tree(&acd.path("source"));
    let run = run(&acd, &server, &["sync", "source", "drive:"]);
    run.assert_error(6, "name-clash");
    for (loser, winner) in [
        ("a.txt", "A.txt"),
        (COMPOSED, DECOMPOSED),
        ("folder", "Folder"),
    ] {
        let said = format!("{loser} is the same name as {winner}");
        assert!(run.stderr.contains(&said), "{said}: {run}");
    }
    assert_eq!(uploads(&server), 4, "{run}");
    acd.ok([
        "--config",
        server.config().to_str().unwrap(),
        "copy",
        "drive:",
        "back",
    ]);
    let back = Tree::of(&acd.path("back"));
    assert_eq!(back.files(), 4);
    assert!(back.0.contains_key(DECOMPOSED.as_bytes()), "{back:?}");
}

#[test]
fn names_that_clash_can_be_left_out() {
    let acd = Acd::new();
    let server = acd.serve("data");
    clashing_tree(&acd.path("source"));
    let run = ok(
        &acd,
        &server,
        &["sync", "source", "drive:", "--name-clash", "skip"],
    );
    assert!(
        run.stderr
            .contains("a.txt: skipped: the same name as A.txt"),
        "{run}"
    );
    assert_eq!(uploads(&server), 4, "{run}");
}

#[test]
fn names_that_clash_can_be_renamed_and_nothing_is_lost_or_sent_twice() {
    let acd = Acd::new();
    let server = acd.serve("data");
    let source = acd.path("source");
    clashing_tree(&source);
    let sync = [
        "sync",
        "source",
        "drive:",
        "--name-clash",
        "rename",
        "--json",
    ];
    let dry = ok(&acd, &server, &[&sync[..], &["--dry-run"]].concat());
    assert!(dry.stderr.contains("a (clash 29ce3fef).txt"), "{dry}");
    assert_eq!(uploads(&server), 0);

    let first = ok(&acd, &server, &sync);
    assert!(
        first.stderr.contains("a.txt: goes as") || first.stderr.contains("goes as a (clash"),
        "{first}"
    );
    assert_eq!(summary(&first)["transferred"], 7, "{first}");
    assert_eq!(uploads(&server), 7);

    let second = ok(&acd, &server, &sync);
    let counts = summary(&second);
    assert_eq!(counts["transferred"], 0, "{second}");
    assert_eq!(
        (&counts["removed"], &counts["bytes"]),
        (&0.into(), &0.into())
    );
    assert_eq!(uploads(&server), 7, "{second}");

    ok(&acd, &server, &["copy", "drive:", "back"]);
    let back = acd.path("back");
    assert_eq!(contents(&back), contents(&source));
    let read = |name: &str| fs::read_to_string(back.join(name)).unwrap();
    assert_eq!(read("a (clash 29ce3fef).txt"), "lower, and another");
    assert_eq!(read("A.txt"), "upper");

    // A change of the renamed one finds it again.
    Tree::write(&source, "a.txt", "changed");
    let third = ok(&acd, &server, &sync);
    assert_eq!(summary(&third)["transferred"], 1, "{third}");
    ok(&acd, &server, &["copy", "drive:", "back"]);
    assert_eq!(read("a (clash 29ce3fef).txt"), "changed");
    assert_eq!(contents(&back), contents(&source));
}

/// Times a file could have, with all nine decimals.
fn moment(number: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(1_459_534_805 + number * 86_399, 123_456_789)
}

fn touch(path: &Path, time: SystemTime) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

fn times(root: &Path) -> BTreeMap<String, SystemTime> {
    let tree = Tree::of(root).0.into_iter();
    let files = tree.filter(|(_, entry)| matches!(entry, Entry::File(..)));
    files
        .map(|(path, _)| {
            let path = String::from_utf8(path).unwrap();
            let modified = fs::metadata(root.join(&path)).unwrap().modified().unwrap();
            (path, modified)
        })
        .collect()
}

/// Files in folders, each with a time of its own.
fn timed_tree(root: &Path) {
    for number in 0..20 {
        let path = format!("folder {}/file {number}.txt", number % 3);
        Tree::write(root, &path, format!("content {number}"));
        touch(&root.join(&path), moment(number));
    }
    Tree::write(root, "empty", "");
    touch(
        &root.join("empty"),
        SystemTime::UNIX_EPOCH - Duration::from_millis(1500),
    );
    Tree::write_large(root, "large", 3 << 20);
    touch(&root.join("large"), moment(500));
}

#[test]
fn times_come_back_with_nothing_kept_on_this_side() {
    let acd = Acd::new();
    let server = acd.serve("data");
    let source = acd.path("source");
    timed_tree(&source);
    let first = ok(&acd, &server, &["copy", "source", "drive:kept", "--json"]);
    assert_eq!(summary(&first)["transferred"], 22, "{first}");
    let sent = uploads(&server);
    assert_eq!(sent, 22);

    // Another home has nothing of the first but the way to the service.
    let other = Acd::new();
    ok(&other, &server, &["copy", "drive:kept", "back"]);
    assert_eq!(Tree::of(&other.path("back")), Tree::of(&source));
    assert_eq!(times(&other.path("back")), times(&source));

    // A restored tree is the same one to both sides.
    for command in ["copy", "sync"] {
        let again = ok(&other, &server, &[command, "back", "drive:kept", "--json"]);
        let counts = summary(&again);
        assert_eq!(counts["transferred"], 0, "{again}");
        assert_eq!(
            (&counts["bytes"], &counts["times_set"]),
            (&0.into(), &0.into())
        );
    }
    assert_eq!(uploads(&server), sent);
}

#[test]
fn times_follow_a_file_that_is_overwritten_or_only_touched() {
    let acd = Acd::new();
    let server = acd.serve("data");
    let source = acd.path("source");
    timed_tree(&source);
    ok(&acd, &server, &["copy", "source", "drive:"]);

    Tree::write(&source, "empty", "no more");
    touch(&source.join("empty"), moment(600));
    touch(&source.join("large"), moment(601));
    let dry = ok(&acd, &server, &["sync", "source", "drive:", "--dry-run"]);
    assert!(dry.stderr.contains("large: would set its time"), "{dry}");
    let sent = uploads(&server);
    let synced = ok(&acd, &server, &["sync", "source", "drive:", "--json"]);
    let counts = summary(&synced);
    assert_eq!(
        (&counts["transferred"], &counts["times_set"]),
        (&1.into(), &1.into())
    );
    assert_eq!(uploads(&server), sent + 1);

    ok(&acd, &server, &["copy", "drive:", "back"]);
    assert_eq!(times(&acd.path("back")), times(&source));

    // The other way round: content that is here already gets its time.
    touch(&acd.path("back/large"), moment(700));
    let down = ok(&acd, &server, &["copy", "drive:", "back", "--json"]);
    let counts = summary(&down);
    assert_eq!(
        (&counts["transferred"], &counts["times_set"]),
        (&0.into(), &1.into())
    );
    assert_eq!(times(&acd.path("back")), times(&source));
}

#[test]
fn file_with_all_its_properties_taken_is_still_uploaded() {
    let acd = Acd::new();
    let server = acd.serve("data");
    let mut client = Client::new(&server.url, server.config());
    let root = client.root();
    let created = client.create("f", &root, b"before").unwrap();
    let (id, owner) = (created.id(), created.json()["createdBy"].clone());
    let owner = owner.as_str().unwrap().replace(' ', "%20");
    for number in 0..10 {
        let path = format!("nodes/{id}/properties/{owner}/taken{number}");
        let value = serde_json::json!({ "value": "x" });
        let answer = client.call("PUT", &path, Some(&value)).unwrap();
        assert_eq!(answer.status, 201, "{answer}");
    }
    let source = acd.path("source");
    Tree::write(&source, "f", "after, and longer");
    touch(&source.join("f"), moment(1));
    let run = ok(&acd, &server, &["copy", "source", "drive:"]);
    assert_eq!(client.content(&id).unwrap().body, b"after, and longer");
    assert_eq!(run.stderr.matches("is not kept").count(), 1, "{run}");
    assert!(!run.stderr.contains("error"), "{run}");

    // The content is the same now, and its time still cannot be kept.
    let again = ok(&acd, &server, &["copy", "source", "drive:"]);
    assert_eq!(again.stderr.matches("cannot be kept").count(), 1, "{again}");
}

#[test]
fn listing_shows_the_files_own_time_and_its_type() {
    let acd = Acd::new();
    let server = acd.serve("data");
    let source = acd.path("source");
    for name in ["page.html", "picture.PNG", "no-extension"] {
        Tree::write(&source, name, "x");
        touch(&source.join(name), moment(0));
    }
    ok(&acd, &server, &["copy", "source", "drive:"]);
    let types = |listed: &Finished| -> BTreeMap<String, (String, String)> {
        let lines = listed.stdout.lines();
        lines
            .map(|line| {
                let entry: serde_json::Value = serde_json::from_str(line).unwrap();
                let text = |key: &str| entry[key].as_str().unwrap().to_owned();
                (text("Path"), (text("MimeType"), text("ModTime")))
            })
            .collect()
    };
    let remote = types(&ok(&acd, &server, &["ls", "drive:", "--json"]));
    let time = "2016-04-01T18:20:05.123456789Z".to_owned();
    for (name, media_type) in [
        ("page.html", "text/html"),
        ("picture.PNG", "image/png"),
        ("no-extension", "application/octet-stream"),
    ] {
        let expected = (media_type.to_owned(), time.clone());
        assert_eq!(remote[name], expected, "{name}");
    }
    // A local folder is shown alike.
    assert_eq!(types(&acd.ok(["ls", "source", "--json"])), remote);
}

#[test]
fn encoding_is_the_configs_or_the_command_lines() {
    let acd = Acd::new();
    let server = acd.serve("data");
    let config = fs::read_to_string(server.config()).unwrap();
    let names = |encoding: &str, more: &[&str]| {
        let config = format!("{config}\nencoding = {encoding}\n");
        fs::write(acd.path("c.conf"), config).unwrap();
        let listed = acd.ok([&["--config", "c.conf", "ls", "drive:"], more].concat());
        let name = |line: &str| line.trim_start().split_once(' ').unwrap().1.to_owned();
        listed.stdout.lines().map(name).collect::<Vec<_>>()
    };
    Tree::write(&acd.path("source"), "a:b?", "x");
    names("None", &[]);
    acd.ok([
        "--config",
        "c.conf",
        "copy",
        "source",
        "drive:",
        "--acd-encoding",
        "Slash,Colon,Question",
    ]);
    for (encoding, more, seen) in [
        ("Slash,Colon,Question", &[][..], "a:b?"),
        ("None", &[], "a\u{ff1a}b\u{ff1f}"),
        ("", &[], "a\u{ff1a}b\u{ff1f}"),
        ("Colon", &[], "a:b\u{ff1f}"),
        ("None", &["--acd-encoding", "Question"], "a\u{ff1a}b?"),
        ("Colon", &["--acd-encoding", "None"], "a\u{ff1a}b\u{ff1f}"),
    ] {
        assert_eq!(names(encoding, more), [seen], "{encoding} {more:?}");
    }
    let bad = acd.run(["ls", "embedded:", "--acd-encoding", "Slash,colon"]);
    bad.assert_error(1, "bad-encoding");
    assert!(bad.stderr.contains("colon"), "{bad}");
}
