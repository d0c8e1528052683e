//! Downloads that are led elsewhere or refused, links, and the account.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;

use acd_tests::{Acd, Finished, Serve, Tree};

const CONTENT: &str = "content of a file that counts as large";

/// A server with one file, `f`, and these faults.
fn stored(acd: &Acd, rules: &[&str]) -> Serve {
    Tree::write(&acd.path("a"), "f", CONTENT);
    let server = acd.serve_with_faults("data", rules);
    let copied = with_config(acd, &server, &["copy", "a", "drive:"]);
    assert!(copied.status.success(), "{copied}");
    server
}

fn with_config(acd: &Acd, server: &Serve, arguments: &[&str]) -> Finished {
    let config = ["--config", server.config().to_str().unwrap()];
    acd.run(config.iter().chain(arguments))
}

#[test]
fn second_origin_is_reached_if_the_config_lists_it_and_never_sees_the_token() {
    let acd = Acd::new();
    // It refuses who sends an Authorization header, as S3 did.
    let server = stored(&acd, &["download-redirect=0"]);
    let refused = with_config(&acd, &server, &["-v", "cat", "drive:f"]);
    refused.assert_error(7, "egress-denied");
    let origin = refused.stderr.split("http://127.0.0.1:").nth(1).unwrap();
    let port: String = origin.chars().take_while(char::is_ascii_digit).collect();
    assert!(!server.url.ends_with(&port), "{refused}");

    let mut config = fs::read_to_string(server.config()).unwrap();
    config.push_str(&format!("\ndownload_origins = http://127.0.0.1:{port}\n"));
    fs::write(acd.path("c.conf"), config).unwrap();
    let read = acd.ok(["-vv", "--config", "c.conf", "cat", "drive:f"]);
    assert_eq!(read.stdout, CONTENT, "{read}");
    assert!(!read.stderr.contains("X-Amz-Signature"), "{read}");
    acd.ok(["--config", "c.conf", "copy", "drive:", "restored"]);
    assert_eq!(Tree::of(&acd.path("restored")), Tree::of(&acd.path("a")));
}

#[test]
fn content_that_is_refused_is_had_by_a_link_that_nobody_sees() {
    let acd = Acd::new();
    let server = stored(&acd, &["download-refused=10"]);
    let read = with_config(&acd, &server, &["-vv", "cat", "drive:f"]);
    assert!(read.status.success(), "{read}");
    assert_eq!(read.stdout, CONTENT, "{read}");
    assert!(read.stderr.contains("trying a temporary link"), "{read}");
    assert!(!read.stderr.contains("templink/"), "{read}");
}

#[test]
fn link_goes_to_standard_output_and_nowhere_else() {
    let acd = Acd::new();
    let server = stored(&acd, &[]);
    let run = with_config(&acd, &server, &["-vv", "link", "drive:f"]);
    assert!(run.status.success(), "{run}");
    let link = run.stdout.trim_end();
    let secret = link.rsplit('/').next().unwrap();
    assert!(link.starts_with(&server.url) && secret.len() > 10, "{run}");
    assert!(!run.stderr.contains(secret), "{run}");

    let object = with_config(&acd, &server, &["--json", "link", "drive:f"]);
    let object: serde_json::Value = serde_json::from_str(&object.stdout).unwrap();
    assert!(object["Link"].as_str().unwrap().starts_with(&server.url));

    with_config(&acd, &server, &["mkdir", "drive:folder"]);
    let folder = with_config(&acd, &server, &["link", "drive:folder"]);
    folder.assert_error(6, "not-a-file");
    assert_eq!(folder.stdout, "");
    let none = with_config(&acd, &server, &["link", "drive:none"]);
    none.assert_error(4, "not-found");
    acd.run(["link", "a"]).assert_error(1, "not-a-remote");
    // Its server ends with the command.
    acd.run(["link", "embedded:f"]).assert_error(1, "no-server");
}

#[test]
fn account_is_told() {
    let acd = Acd::new();
    let server = stored(&acd, &[]);
    let about = with_config(&acd, &server, &["about", "drive:"]);
    let keys: Vec<_> = about.stdout.lines().map(|line| &line[..9]).collect();
    assert_eq!(keys, ["Total:   ", "Used:    ", "Free:    "], "{about}");
    assert!(
        about
            .stdout
            .contains(&format!("Used:    {} B\n", CONTENT.len())),
        "{about}"
    );
    let json = with_config(&acd, &server, &["--json", "about", "drive:"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["used"], CONTENT.len());
    assert_eq!(json["status"], "ACTIVE");
    assert!(json["usage"]["other"]["total"]["count"].is_u64(), "{json}");
    acd.run(["about", "a"]).assert_error(1, "not-a-remote");
}
