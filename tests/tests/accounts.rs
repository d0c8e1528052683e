//! Users and programs of a server, from its command line to a browser's first page.

use std::process::Stdio;

use acd_tests::{Acd, Finished};

/// Runs `acd serve …` with a line of standard input.
fn run(acd: &Acd, arguments: &[&str], input: &str) -> Finished {
    let mut arguments = arguments.to_vec();
    arguments.extend(["--data-dir", "data"]);
    arguments.insert(0, "serve");
    let file = acd.path("input");
    std::fs::write(&file, input).expect("the home can be written");
    let mut command = acd.command(&arguments);
    command.stdin(Stdio::from(
        std::fs::File::open(file).expect("it was just written"),
    ));
    Finished::of(&mut command)
}

#[test]
fn users_come_and_go_while_a_server_runs() {
    let acd = Acd::new();
    let server = acd.serve("data");
    let added = run(&acd, &["user", "add", "Anna"], "correct horse\n");
    assert_eq!(added.code(), 0, "{added}");
    assert!(added.stderr.contains("anna can sign in"), "{added}");
    run(&acd, &["user", "add", "bert"], "correct horse\r\nmore");
    let listed = run(&acd, &["user", "list"], "").stdout;
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines.len(), 2, "{listed}");
    assert!(lines[0].starts_with("anna\tamzn1.account.A"), "{listed}");
    assert!(lines[0].ends_with("\tdata"), "{listed}");
    assert!(
        lines[1].contains("\tdata/accounts/amzn1.account.A"),
        "{listed}"
    );

    for (arguments, input, code) in [
        (["user", "add", "ANNA"], "correct horse\n", "user-exists"),
        (["user", "add", "carl"], "1234567\n", "bad-password"),
        (["user", "add", "carl"], "", "no-password"),
        (["user", "add", "a b"], "correct horse\n", "bad-name"),
        (["user", "passwd", "carl"], "correct horse\n", "no-user"),
        (["user", "remove", "carl"], "", "no-user"),
    ] {
        run(&acd, &arguments, input).assert_error(1, code);
    }
    let changed = run(&acd, &["user", "passwd", "anna"], "battery staple\n");
    assert_eq!(changed.code(), 0, "{changed}");
    let removed = run(&acd, &["user", "remove", "bert"], "");
    assert_eq!(removed.code(), 0, "{removed}");
    assert!(
        removed.stderr.contains("still in data/accounts/"),
        "{removed}"
    );
    let listed = run(&acd, &["user", "list", "--json"], "").stdout;
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert!(listed.contains(r#""name":"anna""#), "{listed}");
    assert!(server.stop().success());
}

#[test]
fn password_is_never_an_argument() {
    let acd = Acd::new();
    let refused = acd.run([
        "serve",
        "user",
        "add",
        "anna",
        "secret",
        "--data-dir",
        "data",
    ]);
    refused.assert_error(1, "usage");
    assert!(!acd.path("data").exists());
}

#[test]
fn clients_are_made_with_a_secret_that_is_shown_once() {
    let acd = Acd::new();
    let uri = ["--redirect-uri", "http://127.0.0.1:53682/"];
    let added = run(&acd, &["client", "add", "rclone", uri[0], uri[1]], "");
    assert_eq!(added.code(), 0, "{added}");
    let (id, secret) = added.stdout.trim().split_once('\n').unwrap();
    let id = id.strip_prefix("client_id = ").unwrap();
    let secret = secret.strip_prefix("client_secret = ").unwrap();
    let digits = id.strip_prefix("amzn1.application-oa2-client.").unwrap();
    for (text, length) in [(digits, 32), (secret, 64)] {
        assert_eq!(text.len(), length, "{text}");
        assert!(text.bytes().all(|byte| byte.is_ascii_hexdigit()), "{text}");
    }
    let listed = run(&acd, &["client", "list"], "");
    assert_eq!(
        listed.stdout,
        format!("{id}\trclone\thttp://127.0.0.1:53682/\n")
    );
    assert!(!listed.stderr.contains(secret), "{listed}");
    let evil = [
        "client",
        "add",
        "x",
        "--redirect-uri",
        "http://app.example/",
    ];
    run(&acd, &evil, "").assert_error(1, "bad-redirect");
    run(&acd, &["client", "add", "x"], "").assert_error(1, "usage");
}

#[test]
fn mistyped_folder_is_not_made() {
    let acd = Acd::new();
    for arguments in [
        vec!["user", "list"],
        vec!["user", "remove", "anna"],
        vec!["user", "passwd", "anna"],
        vec!["client", "list"],
    ] {
        run(&acd, &arguments, "correct horse\n").assert_error(1, "no-drive");
    }
    assert!(!acd.path("data").exists());
}

#[test]
fn unusable_certificate_is_a_usage_error() {
    let acd = Acd::new();
    let arguments = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let refused = run(&acd, &arguments, "");
    refused.assert_error(1, "bad-certificate");
    assert!(refused.stderr.contains("cert.pem"), "{refused}");
    run(&acd, &["--tls-cert", "cert.pem"], "").assert_error(1, "usage");
    run(&acd, &["--public-url", "drive.example"], "").assert_error(1, "bad-url");
    run(&acd, &["--listen", "0.0.0.0:0"], "").assert_error(1, "not-loopback");
}
