//! The real rclone 1.60, which was written for the real service, as a client of ours. What
//! it says is not believed: content is compared.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use acd_tests::{Acd, Rclone, Serve, Tree, md5_of};
use serde_json::Value;

/// A server and its client. `None`: rclone is not wanted here.
struct Pair {
    acd: Acd,
    server: Serve,
    rclone: Rclone,
}

impl Pair {
    fn start() -> Option<Self> {
        if Rclone::is_skipped() {
            return None;
        }
        let acd = Acd::new();
        let server = acd.serve("data");
        let rclone = Rclone::new(acd.path("rclone"), &server);
        Some(Self {
            acd,
            server,
            rclone,
        })
    }

    /// A folder of this machine.
    fn folder(&self, name: &str) -> PathBuf {
        let path = self.acd.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// What the drive holds below a path, as our own client downloads it.
    fn on_drive(&self, path: &str) -> Tree {
        let target = tempfile::tempdir_in(self.acd.path(".")).unwrap();
        let config = self.server.config().display().to_string();
        let from = format!("drive:{path}");
        let to = target.path().join("it").display().to_string();
        self.acd
            .ok(["--config", &config, "copy", &from, &to].map(str::to_owned));
        Tree::of(Path::new(&to))
    }
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Files of every size that has ever made a difference, in folders, one of them empty.
fn sample(root: &Path) {
    let mut noise = 1_u64;
    let mut content = |length: usize| -> Vec<u8> {
        (0..length)
            .map(|_| {
                noise = noise
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (noise >> 33) as u8
            })
            .collect()
    };
    for (name, length) in [
        ("empty", 0),
        ("one", 1),
        ("a/4095", 4095),
        ("a/4096", 4096),
        ("a/b/65537", 65_537),
        ("a/b/3 MiB.bin", 3 << 20),
        ("a/text.txt", 20),
        ("Ünïcödé ☃/ß.txt", 30),
    ] {
        Tree::write(root, name, content(length));
    }
    fs::create_dir_all(root.join("nothing in it")).unwrap();
}

#[test]
fn remote_is_configured_without_a_question() {
    let Some(pair) = Pair::start() else { return };
    let written = fs::read_to_string(pair.rclone.config()).unwrap();
    let value = |key: &str| {
        let key = format!("{key} = ");
        let line = written.lines().find(|line| line.starts_with(&key)).unwrap();
        line.split_once(" = ").unwrap().1.to_owned()
    };
    pair.rclone.ok([
        "config",
        "create",
        "made",
        "amazon cloud drive",
        "--non-interactive",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(
        [
            "client_id",
            "client_secret",
            "auth_url",
            "token_url",
            "token",
        ]
        .iter()
        .map(|key| format!("{key}={}", value(key))),
    ));
    pair.rclone.ok(["mkdir", "made:x/y"]);
    assert_eq!(pair.rclone.lines(["lsf", "-R", "made:"]), ["x/", "x/y/"]);
    assert_eq!(pair.rclone.ok(["listremotes"]), "drive:\nmade:\n");
}

#[test]
fn listings_agree_with_what_was_sent() {
    let Some(pair) = Pair::start() else { return };
    let source = pair.folder("source");
    sample(&source);
    pair.rclone.ok([
        "copy",
        "--create-empty-src-dirs",
        shown(&source),
        "drive:top",
    ]);
    assert_eq!(pair.on_drive("top"), Tree::of(&source));
    let files: BTreeMap<String, (u64, String)> = [
        "empty",
        "one",
        "a/4095",
        "a/4096",
        "a/b/65537",
        "a/b/3 MiB.bin",
        "a/text.txt",
        "Ünïcödé ☃/ß.txt",
    ]
    .map(|name| (name.to_owned(), md5_of(&source.join(name))))
    .into();

    let mut folders: Vec<_> = pair
        .rclone
        .lines(["lsd", "drive:top"])
        .iter()
        .map(|line| line.splitn(5, ' ').last().unwrap().trim().to_owned())
        .map(|line| {
            line.rsplit_once("-1 ")
                .map_or(line.clone(), |(_, name)| name.to_owned())
        })
        .collect();
    folders.sort();
    assert_eq!(folders, ["a", "nothing in it", "Ünïcödé ☃"]);

    let mut expected: Vec<_> = files
        .iter()
        .map(|(name, (size, _))| format!("{size:9} {name}"))
        .collect();
    expected.sort();
    assert_eq!(pair.rclone.lines(["ls", "drive:top"]), expected);

    let long = pair.rclone.lines(["lsl", "drive:top"]);
    assert_eq!(long.len(), files.len());
    for line in &long {
        let words: Vec<_> = line.split_whitespace().collect();
        assert!(
            words[1].starts_with("20") && words[2].contains(':'),
            "{line}"
        );
    }

    let mut expected: Vec<_> = files
        .iter()
        .map(|(name, (size, md5))| format!("{name};{size};{md5}"))
        .collect();
    expected.sort();
    let formatted = [
        "lsf",
        "-R",
        "--files-only",
        "--hash",
        "MD5",
        "--format",
        "psh",
        "drive:top",
    ];
    assert_eq!(pair.rclone.lines(formatted), expected);

    let mut expected: Vec<_> = files
        .iter()
        .map(|(name, (_, md5))| format!("{md5}  {name}"))
        .collect();
    expected.sort();
    assert_eq!(pair.rclone.lines(["md5sum", "drive:top"]), expected);

    let listed = pair
        .rclone
        .ok(["lsjson", "-R", "--hash", "-M", "drive:top"]);
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.len(), files.len() + 4);
    for entry in &listed {
        let path = entry["Path"].as_str().unwrap();
        assert_eq!(entry["ID"].as_str().unwrap().len(), 22, "{entry}");
        assert!(
            entry["ModTime"].as_str().unwrap().starts_with("20"),
            "{entry}"
        );
        match files.get(path) {
            Some((size, md5)) => {
                assert_eq!(entry["Size"], *size, "{entry}");
                assert_eq!(entry["Hashes"]["md5"], **md5, "{entry}");
                assert_eq!(entry["IsDir"], false);
                assert!(!entry["MimeType"].as_str().unwrap().is_empty(), "{entry}");
            }
            None => assert_eq!(entry["IsDir"], true, "{entry}"),
        }
    }

    let total: u64 = files.values().map(|(size, _)| size).sum();
    let size: Value =
        serde_json::from_str(&pair.rclone.ok(["size", "--json", "drive:top"])).unwrap();
    assert_eq!(size["count"], files.len());
    assert_eq!(size["bytes"], total);

    let tree = pair.rclone.ok(["tree", "drive:top"]);
    assert!(
        tree.contains("3 MiB.bin") && tree.contains("4 directories, 8 files"),
        "{tree}"
    );
    // One file, one folder that is not there.
    assert_eq!(
        pair.rclone.ok(["lsf", "drive:top/a/text.txt"]),
        "text.txt\n"
    );
    let missing = pair.rclone.run(["ls", "drive:nowhere"]);
    assert_eq!(missing.code(), 3, "{missing}");
}

#[test]
fn folders_are_copied_synced_and_checked() {
    let Some(pair) = Pair::start() else { return };
    let (source, back) = (pair.folder("source"), pair.folder("back"));
    sample(&source);
    let rclone = &pair.rclone;
    rclone.ok(["sync", "--create-empty-src-dirs", shown(&source), "drive:s"]);
    assert_eq!(pair.on_drive("s"), Tree::of(&source));
    let again = rclone.run([
        "sync",
        "-v",
        "--create-empty-src-dirs",
        shown(&source),
        "drive:s",
    ]);
    assert!(
        again.stderr.contains("There was nothing to transfer"),
        "{again}"
    );

    fs::remove_dir_all(source.join("a/b")).unwrap();
    fs::write(source.join("one"), "1, and more").unwrap();
    fs::write(source.join("a/text.txt"), "the same length!!!!!").unwrap();
    fs::write(source.join("new"), "new").unwrap();
    // Times cannot be set there, so sizes and hashes must tell.
    rclone.ok([
        "sync",
        "--checksum",
        "--create-empty-src-dirs",
        shown(&source),
        "drive:s",
    ]);
    assert_eq!(pair.on_drive("s"), Tree::of(&source));

    for arguments in [&["check"][..], &["check", "--download"]] {
        let found = rclone.run(arguments.iter().copied().chain([shown(&source), "drive:s"]));
        assert!(found.stderr.contains("0 differences found"), "{found}");
    }
    fs::write(source.join("a/text.txt"), "other, same length!!").unwrap();
    for arguments in [&["check"][..], &["check", "--download"]] {
        let found = rclone.run(arguments.iter().copied().chain([shown(&source), "drive:s"]));
        assert!(found.stderr.contains("1 differences found"), "{found}");
        assert_eq!(found.code(), 1, "{found}");
    }
    rclone.ok(["copy", "--checksum", shown(&source), "drive:s"]);

    rclone.ok(["copy", "--create-empty-src-dirs", "drive:s", shown(&back)]);
    assert_eq!(Tree::of(&back), Tree::of(&source));
    // Within the drive, through rclone, since the service cannot copy.
    rclone.ok(["copy", "drive:s", "drive:twice"]);
    let there = pair.on_drive("twice");
    assert_eq!(there.files(), Tree::of(&source).files());
    // By temporary links, which take no token.
    let linked = pair.folder("linked");
    rclone.ok([
        "copy",
        "--acd-templink-threshold",
        "1",
        "--create-empty-src-dirs",
        "drive:s",
        shown(&linked),
    ]);
    assert_eq!(Tree::of(&linked), Tree::of(&source));
    // In pieces.
    Tree::write(&source, "large", vec![7; 5 << 20]);
    rclone.ok(["copyto", shown(&source.join("large")), "drive:s/large"]);
    let pieces = pair.folder("pieces");
    rclone.ok([
        "copy",
        "--multi-thread-cutoff",
        "1M",
        "--multi-thread-streams",
        "4",
        "drive:s/large",
        shown(&pieces),
    ]);
    assert_eq!(md5_of(&pieces.join("large")), md5_of(&source.join("large")));
}

#[test]
fn moves_stay_on_the_server_and_keep_what_they_move() {
    let Some(pair) = Pair::start() else { return };
    let source = pair.folder("source");
    sample(&source);
    let rclone = &pair.rclone;
    rclone.ok(["copy", shown(&source), "drive:m"]);
    let id = |path: &str| {
        let (folder, name) = path.rsplit_once('/').unwrap();
        let entries: Value = serde_json::from_str(&rclone.ok(["lsjson", folder])).unwrap();
        let entry = entries.as_array().unwrap().iter();
        let mut entry = entry.filter(|entry| entry["Name"] == name);
        entry.next().unwrap()["ID"].as_str().unwrap().to_owned()
    };
    let text = id("drive:m/a/text.txt");
    rclone.ok(["moveto", "drive:m/a/text.txt", "drive:m/a/renamed.txt"]);
    rclone.ok([
        "moveto",
        "drive:m/a/renamed.txt",
        "drive:m/elsewhere/deep/again.txt",
    ]);
    assert_eq!(
        id("drive:m/elsewhere/deep/again.txt"),
        text,
        "the node, and not a copy"
    );
    assert_eq!(
        rclone
            .ok(["cat", "drive:m/elsewhere/deep/again.txt"])
            .into_bytes()
            .len(),
        String::from_utf8_lossy(&fs::read(source.join("a/text.txt")).unwrap()).len()
    );
    let folder = id("drive:m/a");
    rclone.ok(["moveto", "drive:m/a", "drive:n/b"]);
    assert_eq!(id("drive:n/b"), folder, "the folder with all it holds");
    assert_eq!(
        rclone.lines(["lsf", "-R", "drive:n"]),
        [
            "b/",
            "b/4095",
            "b/4096",
            "b/b/",
            "b/b/3 MiB.bin",
            "b/b/65537"
        ]
    );
    // Over a file that is there: what was there is replaced.
    let one = id("drive:m/one");
    rclone.ok(["moveto", "drive:n/b/4095", "drive:m/one"]);
    assert_ne!(id("drive:m/one"), one);
    assert_eq!(
        rclone.lines(["lsf", "drive:m"]),
        ["elsewhere/", "empty", "one", "Ünïcödé ☃/"]
    );
    // Only the letters' case.
    rclone.ok(["moveto", "drive:m/one", "drive:m/ONE"]);
    assert!(rclone.lines(["lsf", "drive:m"]).contains(&"ONE".to_owned()));
    // From this machine, which then has it no more.
    let local = pair.folder("local");
    Tree::write(&local, "x/y", "z");
    rclone.ok([
        "move",
        "--delete-empty-src-dirs",
        shown(&local),
        "drive:moved",
    ]);
    assert_eq!(rclone.ok(["cat", "drive:moved/x/y"]), "z");
    assert_eq!(Tree::of(&local).files(), 0);
    rclone.ok(["move", "drive:moved", "drive:moved on"]);
    assert_eq!(
        rclone.lines(["lsf", "-R", "--files-only", "drive:moved on"]),
        ["x/y"]
    );
}

#[test]
fn folders_are_made_and_removed() {
    let Some(pair) = Pair::start() else { return };
    let rclone = &pair.rclone;
    rclone.ok(["mkdir", "drive:a/b/c"]);
    rclone.ok(["mkdir", "drive:a/b/c"]);
    rclone.ok(["rmdir", "drive:a/b/c"]);
    assert_eq!(rclone.lines(["lsf", "-R", "drive:"]), ["a/", "a/b/"]);
    rclone.ok(["touch", "drive:a/b/file"]);
    let refused = rclone.run(["rmdir", "drive:a/b"]);
    assert!(
        !refused.status.success() && refused.stderr.contains("not empty"),
        "{refused}"
    );
    let missing = rclone.run(["rmdir", "drive:a/x"]);
    assert_eq!(missing.code(), 3, "{missing}");
    for folder in ["drive:e/1/2", "drive:e/3", "drive:e/4/5"] {
        rclone.ok(["mkdir", folder]);
    }
    rclone.ok(["touch", "drive:e/4/file"]);
    rclone.ok(["rmdirs", "drive:e"]);
    assert_eq!(rclone.lines(["lsf", "-R", "drive:e"]), ["4/", "4/file"]);
    rclone.ok(["delete", "drive:e"]);
    assert_eq!(rclone.lines(["lsf", "-R", "drive:e"]), ["4/"]);
    rclone.ok(["purge", "drive:a"]);
    assert_eq!(rclone.lines(["lsf", "-R", "drive:"]), ["e/", "e/4/"]);
    rclone.ok(["rmdirs", "drive:e"]);
    assert_eq!(rclone.lines(["lsf", "-R", "drive:"]), Vec::<String>::new());
    // What was trashed is in nobody's way.
    rclone.ok(["mkdir", "drive:a/b"]);
    rclone.ok(["touch", "drive:a/b/file"]);
    assert_eq!(
        rclone.lines(["lsf", "-R", "drive:"]),
        ["a/", "a/b/", "a/b/file"]
    );
}

#[test]
fn content_is_piped_in_and_out() {
    let Some(pair) = Pair::start() else { return };
    let rclone = &pair.rclone;
    for (name, length) in [("nothing", 0), ("short", 10), ("long", 300_000)] {
        let content: String = ('a'..='z').cycle().take(length).collect();
        let mut run = rclone
            .command([
                "rcat",
                "--streaming-upload-cutoff",
                "100k",
                &format!("drive:{name}"),
            ])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        run.stdin
            .take()
            .unwrap()
            .write_all(content.as_bytes())
            .unwrap();
        assert!(run.wait().unwrap().success(), "{name}");
        assert_eq!(
            rclone.ok(["cat", &format!("drive:{name}")]),
            content,
            "{name}"
        );
    }
    for (arguments, expected) in [
        (&["--head", "3"][..], "abc"),
        (&["--tail", "3"], "hij"),
        (&["--offset", "2", "--count", "4"], "cdef"),
        (&["--offset", "8"], "ij"),
    ] {
        let all = ["cat"].iter().chain(arguments).chain(&["drive:short"]);
        assert_eq!(rclone.ok(all), expected, "{arguments:?}");
    }
    assert_eq!(
        rclone.ok(["cat", "--include", "{short,nothing}", "drive:"]),
        "abcdefghij"
    );
}

#[test]
fn names_come_back_as_they_were() {
    let Some(pair) = Pair::start() else { return };
    let source = pair.folder("source");
    let mut names: Vec<String> = "!\"#$%&'()*+,-.:;<=>?@[\\]^_`{|}~ \u{1}\u{7f}\u{e9}"
        .chars()
        .flat_map(|letter| {
            [
                format!("in{letter}side"),
                format!("{letter}front"),
                format!("end{letter}"),
            ]
        })
        .collect();
    names.extend(
        [
            "e\u{301}",
            "two  spaces",
            " ",
            "...",
            "-rf",
            "％",
            "日本語",
            "🦀",
            "CON",
            "x'y\"z",
        ]
        .map(str::to_owned),
    );
    names.push("n".repeat(200));
    for name in &names {
        fs::write(source.join(name), name).unwrap();
    }
    fs::create_dir(source.join("folder (1) [x] & more")).unwrap();
    fs::write(source.join("folder (1) [x] & more/file"), "x").unwrap();
    pair.rclone.ok(["copy", shown(&source), "drive:names"]);
    // It writes control characters as pictures of them.
    let picture = |name: &String| name.replace('\u{1}', "␁").replace('\u{7f}', "␡");
    let mut expected: Vec<_> = names.iter().map(picture).collect();
    expected.push("folder (1) [x] & more/file".to_owned());
    expected.sort();
    assert_eq!(
        pair.rclone
            .lines(["lsf", "-R", "--files-only", "drive:names"]),
        expected
    );
    // Each is found by its name alone, which goes through the filter language.
    for name in [
        "end\\",
        "in\"side",
        "-rf",
        "e\u{301}",
        "in:side",
        "🦀",
        "two  spaces",
        "end*",
    ] {
        let path = format!("drive:names/{name}");
        assert_eq!(pair.rclone.ok(["cat", &path]), name);
    }
    let back = pair.folder("back");
    pair.rclone.ok(["copy", "drive:names", shown(&back)]);
    assert_eq!(Tree::of(&back), Tree::of(&source));
    assert_eq!(pair.on_drive("names"), Tree::of(&source));
    // Names that differ in case are one name: the second cannot be made beside the first.
    let other = pair
        .rclone
        .run(["mkdir", "drive:names/FOLDER (1) [X] & MORE"]);
    assert!(other.stderr.contains("NAME_ALREADY_EXISTS"), "{other}");
}

#[test]
fn limits_of_names_are_found_as_they_are_documented() {
    let Some(pair) = Pair::start() else { return };
    let info = ["test", "info", "--check-normalization", "--check-streaming"];
    let finished = pair.rclone.run(info.iter().chain(&["drive:info"]));
    let said = format!("{}{}", finished.stdout, finished.stderr);
    for line in [
        "canWriteUnnormalized = true",
        "canReadUnnormalized   = true",
        "canReadRenormalized   = false",
        "canStream = true",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    // What the service enforced, in characters; bytes are nothing to it.
    for letter in ["x", "\u{20ac}"] {
        let longest = letter.repeat(280);
        pair.rclone.ok(["mkdir", &format!("drive:{longest}")]);
        let longer = pair
            .rclone
            .run(["mkdir", &format!("drive:{longest}{letter}")]);
        let rule = "Member must have length less than or equal to 280";
        assert!(longer.stderr.contains(rule), "{longer}");
    }
}

#[test]
fn thousand_files_come_in_pages() {
    let Some(pair) = Pair::start() else { return };
    let source = pair.folder("source");
    for number in 0..450 {
        fs::write(source.join(format!("f{number:04}")), format!("{number}")).unwrap();
    }
    // Ours is quicker at sending small files; rclone reads what is there.
    let config = shown(pair.server.config()).to_owned();
    pair.acd
        .ok(["--config", &config, "copy", shown(&source), "drive:many"]);
    let listed = pair.rclone.lines(["lsf", "drive:many"]);
    assert_eq!(listed.len(), 450);
    assert_eq!(
        (listed[0].as_str(), listed[449].as_str()),
        ("f0000", "f0449")
    );
    let found = pair.rclone.run(["check", shown(&source), "drive:many"]);
    assert!(found.stderr.contains("450 matching files"), "{found}");
}

#[test]
fn what_the_service_cannot_do_is_refused_as_ever() {
    let Some(pair) = Pair::start() else { return };
    let rclone = &pair.rclone;
    rclone.ok(["touch", "drive:file"]);
    for (arguments, said) in [
        (&["about", "drive:"][..], "doesn't support about"),
        (&["link", "drive:file"], "doesn't support public links"),
        (&["cleanup", "drive:"], "doesn't support cleanup"),
        (&["dedupe", "drive:"], "can't have duplicate names here"),
        (&["copyto", "drive:file", "drive:file/x"], ""),
    ] {
        let finished = rclone.run(arguments);
        let text = finished.stderr.to_lowercase();
        assert!(text.contains(said), "{said}: {finished}");
    }
    let features: Value =
        serde_json::from_str(&rclone.ok(["backend", "features", "drive:"])).unwrap();
    assert_eq!(features["Hashes"], serde_json::json!(["md5"]));
    assert_eq!(features["Features"]["CaseInsensitive"], true);
    assert_eq!(features["Features"]["ChangeNotify"], true);
}

#[test]
fn token_is_refreshed_and_a_wrong_one_is_told() {
    let Some(pair) = Pair::start() else { return };
    let config = pair.rclone.config();
    let written = fs::read_to_string(&config).unwrap();
    let token = written
        .lines()
        .find(|line| line.starts_with("token = "))
        .unwrap();
    let mut json: Value = serde_json::from_str(token.trim_start_matches("token = ")).unwrap();
    let with = |json: &Value| written.replace(token, &format!("token = {json}"));
    json["access_token"] = "Atza|expired".into();
    json["expiry"] = "2020-01-01T00:00:00Z".into();
    fs::write(&config, with(&json)).unwrap();
    pair.rclone.ok(["mkdir", "drive:by date"]);
    let refreshed = fs::read_to_string(&config).unwrap();
    assert!(
        !refreshed.contains("Atza|expired"),
        "written down by rclone"
    );
    json["refresh_token"] = "Atzr|revoked".into();
    json["expiry"] = "2020-01-01T00:00:00Z".into();
    fs::write(&config, with(&json)).unwrap();
    let refused = pair.rclone.run(["lsf", "drive:"]);
    assert!(!refused.status.success(), "{refused}");
    assert!(
        refused
            .stderr
            .contains("The request has an invalid grant parameter : refresh_token"),
        "{refused}"
    );
}

/// `rclone serve http`, which looks for changes by itself.
struct Web(Child, String);

impl Web {
    fn start(rclone: &Rclone) -> Self {
        // It does not say which port it took, so one that is free a moment before.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let arguments = [
            "serve",
            "http",
            "--addr",
            &address,
            "--poll-interval",
            "50ms",
        ];
        let child = rclone
            .command(arguments)
            .args(["--dir-cache-time", "10h", "drive:"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let web = Self(child, address);
        web.until("it listens", "/", |page| page.contains("200 OK"));
        web
    }

    fn get(&self, path: &str) -> String {
        let mut reply = Vec::new();
        // Not at once: it has to ask the drive first.
        if let Ok(mut stream) = TcpStream::connect(&self.1) {
            write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
            stream.read_to_end(&mut reply).unwrap();
        }
        String::from_utf8_lossy(&reply).into_owned()
    }

    #[track_caller]
    fn until(&self, what: &str, path: &str, holds: impl Fn(&str) -> bool) {
        let start = Instant::now();
        loop {
            let reply = self.get(path);
            if holds(&reply) {
                return;
            }
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "never: {what}: {reply}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn changes_of_others_are_noticed() {
    let Some(pair) = Pair::start() else { return };
    pair.rclone.ok(["mkdir", "drive:folder/inner"]);
    let web = Web::start(&pair.rclone);
    // Seen, and kept for ten hours, unless the changes say otherwise.
    assert!(web.get("/folder/").contains("inner/"));
    assert!(web.get("/").contains("folder/"));
    let config = shown(pair.server.config()).to_owned();
    let acd = |arguments: &[&str]| {
        let config = ["--config", config.as_str()];
        pair.acd.ok(config.iter().chain(arguments));
    };
    let source = pair.folder("source");
    fs::write(source.join("new file"), "new").unwrap();
    acd(&["copy", shown(&source), "drive:folder"]);
    web.until("a new file is listed", "/folder/", |page| {
        page.contains("new%20file")
    });
    fs::write(source.join("new file"), "changed").unwrap();
    acd(&["copy", shown(&source), "drive:folder"]);
    web.until("new content is served", "/folder/new%20file", |page| {
        page.ends_with("changed")
    });
    pair.rclone
        .ok(["moveto", "drive:folder/inner", "drive:folder/renamed"]);
    web.until("a folder has another name", "/folder/", |page| {
        page.contains("renamed/") && !page.contains("inner/")
    });
    acd(&["delete", "drive:folder"]);
    web.until("a file is gone", "/folder/", |page| {
        !page.contains("new%20file")
    });
}
