//! Each thing that can be wrong has one clear error and its documented exit status.

use std::fs;

use acd_tests::{Acd, Tree};

#[test]
fn unknown_remote_is_named_with_the_known_ones() {
    let acd = Acd::new();
    fs::write(acd.path("my.conf"), "[photos]\ntype = amazon cloud drive\n").unwrap();
    let run = acd.run(["--config", "my.conf", "ls", "nosuch:path"]);
    run.assert_error(1, "unknown-remote");
    assert!(
        run.stderr.contains("nosuch") && run.stderr.contains("photos"),
        "{run}"
    );
    assert!(run.stderr.contains("\nhint: "), "{run}");
}

#[test]
fn missing_local_path_stores_nothing() {
    let acd = Acd::new();
    acd.run(["copy", "no/such", "embedded:x"])
        .assert_error(3, "not-found");
    assert_eq!(acd.ok(["lsd", "embedded:"]).stdout, "");
}

#[test]
fn missing_remote_path_leaves_no_folder_behind() {
    let acd = Acd::new();
    acd.run(["copy", "embedded:no/such", "local"])
        .assert_error(3, "not-found");
    assert!(!acd.path("local").exists());
    acd.run(["cat", "embedded:no/such"])
        .assert_error(4, "not-found");
}

#[test]
fn path_under_a_file_is_refused_on_both_sides() {
    let acd = Acd::new();
    Tree::write(&acd.path("a"), "file", "x");
    acd.ok(["copy", "a", "embedded:"]);
    for arguments in [
        ["copy", "a", "embedded:file/below"],
        ["copy", "a", "a/file/below"],
    ] {
        let run = acd.run(arguments);
        assert_ne!(run.code(), 0, "{run}");
        assert!(run.stderr.contains("not a folder"), "{run}");
    }
    assert_eq!(acd.ok(["cat", "embedded:file"]).stdout, "x");
}

#[test]
fn file_that_cannot_be_read_does_not_stop_the_others() {
    use std::os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    };
    let acd = Acd::new();
    let source = acd.path("source");
    Tree::write(&source, "good", "x");
    Tree::write(&source, "zone/also good", "y");
    Tree::write(&source, "bad/file", "z");
    Tree::write(&source, "closed/inside", "z");
    for path in ["bad/file", "closed"] {
        fs::set_permissions(source.join(path), fs::Permissions::from_mode(0o000)).unwrap();
    }
    let mut command = acd.command(["copy", "source", "embedded:"]);
    if rustix::process::geteuid().is_root() {
        // Permissions do not stop root: this is for somebody else to try.
        chown(acd.path(""), Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    let run = acd_tests::Finished::of(&mut command);
    fs::set_permissions(source.join("closed"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(run.code(), 6, "{run}");
    assert!(
        run.stderr.contains("bad/file") && run.stderr.contains("closed"),
        "{run}"
    );
    let listed = acd.ok(["ls", "embedded:"]).stdout;
    assert!(
        listed.contains("good") && listed.contains("zone/also good"),
        "{listed}"
    );
    assert_eq!(listed.lines().count(), 2, "{listed}");
}

/// A user that owns nothing.
const NOBODY: u32 = 65534;

#[test]
fn server_that_goes_away_ends_the_run_with_a_temporary_error() {
    let acd = Acd::new();
    let server = acd.serve("data");
    Tree::write(&acd.path("a"), "file", "x");
    let config = server.config().to_owned();
    let config = config.to_str().unwrap();
    acd.ok(["--config", config, "copy", "a", "drive:"]);
    server.kill();
    let run = acd.run([
        "--config",
        config,
        "--low-level-retries",
        "1",
        "--retries",
        "1",
        "copy",
        "a",
        "drive:b",
    ]);
    run.assert_error(5, "unavailable");
}

#[test]
fn wrong_token_says_log_in_again() {
    let acd = Acd::new();
    let server = acd.serve("data");
    fs::write(
        acd.path("wrong.conf"),
        format!(
            "[drive]\ntype = amazon cloud drive\nendpoint = {0}/drive/v1/\ntoken_url = {0}/auth/o2/token\n\
             client_id = x\nclient_secret = y\n\
             token = {{\"access_token\":\"wrong\",\"token_type\":\"bearer\",\"refresh_token\":\"wrong too\",\"expiry\":\"2099-01-01T00:00:00Z\"}}\n",
            server.url
        ),
    )
    .unwrap();
    let run = acd.run(["--config", "wrong.conf", "ls", "drive:"]);
    run.assert_error(7, "unauthenticated");
    assert!(run.stderr.contains("\nhint: "), "{run}");
    assert!(!run.stderr.contains("wrong too"), "{run}");
}

#[test]
fn corrupt_component_is_refused() {
    let acd = Acd::new();
    fs::write(acd.path("corrupt.wasm"), b"\0asm\x01\0\0\0nonsense").unwrap();
    acd.run(["--component", "corrupt.wasm", "ls", "embedded:"])
        .assert_error(7, "bad-component");
    fs::write(acd.path("empty.wasm"), b"").unwrap();
    acd.run(["--component", "empty.wasm", "ls", "embedded:"])
        .assert_error(7, "bad-component");
}

#[test]
fn data_of_a_newer_program_is_left_alone() {
    let acd = Acd::new();
    acd.ok(["mkdir", "embedded:a", "--embedded-dir", "data"]);
    let database = acd.path("data/metadata.sqlite3");
    // The version stands at offset 60 of the file, big-endian (SQLite's `user_version`).
    let mut bytes = fs::read(&database).unwrap();
    bytes[60..64].copy_from_slice(&999_u32.to_be_bytes());
    fs::write(&database, &bytes).unwrap();
    let _ = fs::remove_file(acd.path("data/metadata.sqlite3-wal"));
    let _ = fs::remove_file(acd.path("data/metadata.sqlite3-shm"));
    let run = acd.run(["ls", "embedded:", "--embedded-dir", "data"]);
    run.assert_error(7, "newer-data");
    assert!(run.stderr.contains("999"), "{run}");
    assert_eq!(fs::read(&database).unwrap(), bytes);
}

#[test]
fn disk_full_on_download_leaves_no_half_file() {
    let acd = Acd::new();
    fs::create_dir_all(acd.path("a")).unwrap();
    Tree::write_large(&acd.path("a"), "large", 4 << 20);
    acd.ok(["copy", "a", "embedded:"]);
    let small = acd.path("small disk");
    fs::create_dir_all(&small).unwrap();
    let options = Some(c"size=1m");
    if rustix::mount::mount(
        "tmpfs",
        &small,
        "tmpfs",
        rustix::mount::MountFlags::empty(),
        options,
    )
    .is_err()
    {
        // Mounting takes rights this run does not have.
        return;
    }
    let run = acd.run(["copy", "embedded:", "small disk"]);
    let left: Vec<_> = fs::read_dir(&small).unwrap().collect();
    rustix::mount::unmount(&small, rustix::mount::UnmountFlags::empty()).unwrap();
    run.assert_error(7, "no-space");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn usage_errors_end_with_status_1() {
    let acd = Acd::new();
    for arguments in [
        &["copy", "only-one"][..],
        &["nosuch-command"],
        &["ls", "embedded:", "--nosuch-flag"],
        &["copy", "a", "b", "--transfers", "0"],
        &["ls", "embedded:../up"],
    ] {
        let run = acd.run(arguments);
        assert_eq!(run.code(), 1, "{run}");
        assert_eq!(run.stdout, "", "{run}");
    }
}

#[test]
fn config_errors_name_file_and_section() {
    let acd = Acd::new();
    for (text, code) in [
        ("[drive]\ntype = s3\n", "unsupported-remote"),
        (
            "[drive]\ntype = amazon cloud drive\ntoken = {\n",
            "bad-config",
        ),
        (
            "[drive]\ntype = amazon cloud drive\nencoding = Nonsense\n",
            "bad-config",
        ),
        ("[drive\n", "bad-config"),
        (
            "# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nAAAA\n",
            "encrypted-config",
        ),
    ] {
        fs::write(acd.path("bad.conf"), text).unwrap();
        let run = acd.run(["--config", "bad.conf", "ls", "drive:"]);
        run.assert_error(1, code);
        assert!(
            run.stderr.contains("bad.conf") || run.stderr.contains("drive"),
            "{run}"
        );
    }
    acd.run(["--config", "nosuch.conf", "ls", "drive:"])
        .assert_error(1, "bad-config");
}

#[test]
fn certificate_file_that_is_none_is_told() {
    let acd = Acd::new();
    fs::write(acd.path("text.pem"), "no certificate").unwrap();
    for file in ["text.pem", "nosuch.pem"] {
        acd.run(["ls", "embedded:", "--ca-cert", file])
            .assert_error(1, "bad-certificate");
    }
}

#[test]
fn source_and_destination_that_overlap_are_refused() {
    let acd = Acd::new();
    Tree::write(&acd.path("a"), "file", "x");
    acd.ok(["copy", "a", "embedded:a"]);
    for arguments in [
        ["sync", "a", "a/b"],
        ["sync", "a", "a"],
        ["sync", "embedded:a", "embedded:a/b"],
        ["sync", "embedded:", "embedded:a"],
    ] {
        acd.run(arguments).assert_error(1, "overlap");
    }
    assert_eq!(Tree::of(&acd.path("a")).files(), 1);
}

#[test]
fn wrong_fault_rule_starts_no_server_and_says_what_is_right() {
    let acd = Acd::new();
    let run = acd.run(["serve", "--data-dir", "drive", "--fault", "429=tea"]);
    run.assert_error(1, "bad-fault");
    assert!(run.stderr.contains("fault rule '429=tea'"), "{run}");
    assert!(run.stderr.contains("\nhint: SHAPE is one of"), "{run}");
    assert!(!acd.path("drive").exists());
}

#[test]
fn faults_are_listed_without_a_server() {
    let acd = Acd::new();
    let list = acd.ok(["serve", "--list-faults"]).stdout;
    assert!(list.contains("\n  late-upload[=WHEN] "), "{list}");
    let document = acd.ok(["serve", "--list-faults", "--markdown"]).stdout;
    let written = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/faults.md");
    assert_eq!(document, fs::read_to_string(written).unwrap());
}
