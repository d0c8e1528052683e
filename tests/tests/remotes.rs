//! Remotes from a config file: what they say, where their tokens go, when they are
//! refreshed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{fs, path::Path};

use acd_tests::{Acd, Reply, Stub, Tree};

/// The token blob in a config file, with another expiry.
fn expire(config: &Path) {
    let text = fs::read_to_string(config).unwrap();
    let mut lines = Vec::new();
    for line in text.lines() {
        let Some(blob) = line.strip_prefix("token = ") else {
            lines.push(line.to_owned());
            continue;
        };
        let mut token: serde_json::Value = serde_json::from_str(blob).unwrap();
        token["access_token"] = "Atza|expired-long-ago".into();
        token["expiry"] = "2015-09-06T16:07:39.658438471+01:00".into();
        lines.push(format!("token = {token}"));
    }
    fs::write(config, lines.join("\n")).unwrap();
}

/// Writes `c.conf`, whose `drive:` is this server, with a token that is good for long.
fn configure(acd: &Acd, stub: &Stub) {
    fs::write(
        acd.path("c.conf"),
        format!(
            "[drive]\ntype = amazon cloud drive\nendpoint = {}\n\
             token = {{\"access_token\":\"a\",\"token_type\":\"bearer\",\"refresh_token\":\"r\",\"expiry\":\"2099-01-01T00:00:00Z\"}}\n",
            stub.endpoint()
        ),
    )
    .unwrap();
}

#[test]
fn served_drive_is_reached_with_the_config_it_wrote() {
    let acd = Acd::new();
    let server = acd.serve("data");
    Tree::write(&acd.path("a"), "file", "x");
    let config = server.config().to_str().unwrap().to_owned();
    acd.ok(["--config", &config, "copy", "a", "drive:folder"]);
    let mut ls = acd.command(["ls", "drive:"]);
    ls.env("ACD_CONFIG", &config);
    let run = acd_tests::Finished::of(&mut ls);
    assert_eq!(run.stdout, "        1 folder/file\n", "{run}");

    // A restart forgets nothing, and the old config goes on working if the port does.
    let address = server.url.trim_start_matches("http://").to_owned();
    assert!(server.stop().success());
    let again = acd
        .command(["serve", "--listen", &address, "--data-dir", "data"])
        .stdout(std::process::Stdio::piped())
        .spawn();
    let mut again = again.unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(again.stdout.take().unwrap()),
        &mut line,
    )
    .unwrap();
    let run = acd.run(["--config", &config, "ls", "drive:"]);
    let _ = again.kill();
    let _ = again.wait();
    assert_eq!(run.stdout, "        1 folder/file\n", "{run}");
}

#[test]
fn expired_token_is_refreshed_and_the_config_is_not_written() {
    let acd = Acd::new();
    let server = acd.serve("data");
    let config = server.config().to_owned();
    expire(&config);
    let before = fs::read(&config).unwrap();
    acd.ok(["--config", config.to_str().unwrap(), "mkdir", "drive:a"]);
    assert_eq!(fs::read(&config).unwrap(), before);
}

#[test]
fn refused_refresh_token_ends_at_once_and_no_secret_is_shown() {
    let acd = Acd::new();
    let stub = Stub::start(|_, _| {
        Reply::json(
            400,
            r#"{"error":"invalid_grant","error_description":"The request has an invalid grant parameter : refresh_token"}"#,
        )
    });
    fs::write(
        acd.path("c.conf"),
        format!(
            "[drive]\ntype = amazon cloud drive\nendpoint = {}\ntoken_url = http://{}/auth/o2/token\n\
             client_id = my-client\nclient_secret = canary-client-secret\n\
             token = {{\"access_token\":\"canary-access\",\"token_type\":\"bearer\",\"refresh_token\":\"canary-refresh\",\"expiry\":\"2015-01-01T00:00:00Z\"}}\n",
            stub.endpoint(),
            stub.authority
        ),
    )
    .unwrap();
    let run = acd.run(["-vv", "--config", "c.conf", "ls", "drive:"]);
    run.assert_error(7, "unauthenticated");
    assert!(run.stderr.contains("log in again"), "{run}");
    let canaries = ["canary-client-secret", "canary-access", "canary-refresh"];
    assert!(!canaries.iter().any(|it| run.stderr.contains(it)), "{run}");
    // One try: what the provider says of a grant does not change.
    let seen = stub.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].request.contains("/auth/o2/token"));
    let body = String::from_utf8_lossy(&seen[0].body).into_owned();
    assert!(body.contains("grant_type=refresh_token"), "{body}");
}

#[test]
fn server_that_answers_nonsense_is_told_from_one_that_is_gone() {
    let acd = Acd::new();
    let stub = Stub::start(|_, _| Reply::Full(200, Vec::new(), b"<html>hello</html>".to_vec()));
    configure(&acd, &stub);
    let run = acd.run(["--config", "c.conf", "ls", "drive:"]);
    assert_ne!(run.code(), 0, "{run}");
    assert!(run.stderr.starts_with("error["), "{run}");
    assert_eq!(stub.connections(), 1, "{run}");
}

#[test]
fn cut_download_is_not_taken_for_a_whole_file() {
    let acd = Acd::new();
    let stub = Stub::start(|own, exchange| {
        let node = r#"{"id":"or084G4MTvqnRo7yVnY5fQ","name":"f","kind":"FILE","version":1,
            "parents":["RRjt6JR7QF-O1GM3auqWKw"],"labels":[],"status":"AVAILABLE",
            "createdDate":"2016-04-02T09:11:47.031Z","modifiedDate":"2016-04-02T09:11:47.031Z",
            "contentProperties":{"version":1,"size":100000,"md5":"00000000000000000000000000000000"}}"#;
        let root = r#"{"id":"RRjt6JR7QF-O1GM3auqWKw","kind":"FOLDER","isRoot":true,"version":1,"parents":[],"labels":[],
            "status":"AVAILABLE","createdDate":"2013-11-05T20:00:12.000Z","modifiedDate":"2013-11-05T20:00:12.000Z"}"#;
        if exchange.request.contains("account/endpoint") {
            Reply::json(
                200,
                format!(
                    r#"{{"customerExists":true,"metadataUrl":"http://{own}/m/","contentUrl":"http://{own}/c/"}}"#
                ),
            )
        } else if exchange.request.contains("/content") {
            Reply::Cut(200, vec![b'x'; 100_000], 1000)
        } else if exchange.request.contains("isRoot") {
            Reply::json(200, format!(r#"{{"count":1,"data":[{root}]}}"#))
        } else if exchange.request.contains("nodes/") {
            Reply::json(200, node)
        } else {
            Reply::json(200, format!(r#"{{"count":1,"data":[{node}]}}"#))
        }
    });
    configure(&acd, &stub);
    let run = acd.run([
        "--config",
        "c.conf",
        "--retries",
        "1",
        "--low-level-retries",
        "1",
        "copy",
        "drive:",
        "restored",
    ]);
    assert_ne!(run.code(), 0, "{run}");
    assert!(run.stderr.contains('f'), "{run}");
    assert_eq!(Tree::of(&acd.path("restored")).files(), 0);
}
