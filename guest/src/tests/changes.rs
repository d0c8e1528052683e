//! The changes feed: whole sets, then the end or an error.

use std::rc::Rc;

use super::{ROOT, file, node, opened, run, script::Reply, script::Script};
use crate::{
    changes::{Change, ChangeSet, Changes, State},
    error::Error,
    platform::Level,
    service::Service,
};

const CHANGES: &str = "POST https://m.example/drive/v1/changes";

type Outcome = (Vec<ChangeSet>, Result<(), Error>, Rc<Service<Script>>);

/// Reads changes to their end or an error.
fn read(checkpoint: Option<&str>, replies: Vec<Reply>) -> Outcome {
    let service = Rc::new(opened(Script::new(replies)));
    let mut sets = Vec::new();
    let outcome = run(async {
        let mut changes = Changes::open(Rc::clone(&service), checkpoint).await?;
        while let Some(set) = changes.next().await? {
            sets.push(set);
        }
        assert_eq!(changes.next().await, Ok(None));
        Ok(())
    });
    (sets, outcome, service)
}

fn set(checkpoint: &str, nodes: &[String]) -> String {
    let nodes = nodes.join(",");
    let line = format!(
        r#"{{"checkpoint":"{checkpoint}","reset":false,"nodes":[{nodes}],"statusCode":200}}"#
    );
    line.replace('\n', " ")
}

const END: &str = r#"{"end":true}"#;

fn checkpoints(sets: &[ChangeSet]) -> Vec<&str> {
    sets.iter().map(|set| set.checkpoint.as_str()).collect()
}

#[test]
fn sets_come_whole_and_in_order() {
    let trashed = file("2", "b", ROOT, 1).replace("AVAILABLE", "TRASH");
    let purged = r#"{"id":"3","kind":"FILE","status":"PURGED"}"#.to_owned();
    let text = [
        set("c1", &[file("1", "a", ROOT, 1), trashed]),
        set("c2", &[purged]),
        set("c3", &[]),
        END.to_owned(),
    ];
    let (sets, outcome, service) = read(Some("c\"0"), vec![Reply::json(200, &text.join("\n"))]);
    outcome.unwrap();
    assert_eq!(checkpoints(&sets), ["c1", "c2", "c3"]);
    assert!(sets.iter().all(|set| !set.reset));
    assert!(
        matches!(
            &sets[0].changes[..],
            [Change { state: State::Present, node: a }, Change { state: State::Trashed, node: b }]
                if a.id == "1" && b.name == b"b"
        ),
        "{sets:?}"
    );
    assert_eq!(sets[1].changes[0].state, State::Purged);
    assert_eq!(sets[1].changes[0].node.id, "3");
    assert!(sets[2].changes.is_empty());
    service.platform.assert_requests(&[CHANGES]);
    let seen = service.platform.seen.borrow();
    let body = String::from_utf8(seen[0].body.clone()).unwrap();
    assert_eq!(body, r#"{"checkpoint":"c\"0","includePurged":"true"}"#);
}

#[test]
fn beginning_is_a_reset_whatever_the_service_says() {
    let text = [set("c1", &[]), set("c2", &[]), END.to_owned()].join("\n");
    let (sets, outcome, service) = read(None, vec![Reply::json(200, &text)]);
    outcome.unwrap();
    assert_eq!(
        sets.iter().map(|set| set.reset).collect::<Vec<_>>(),
        [true, false]
    );
    assert_eq!(service.platform.seen.borrow()[0].body, b"{}");

    let text = text.replacen(r#""reset":false"#, r#""reset":true"#, 1);
    let (sets, _, _) = read(Some("c0"), vec![Reply::json(200, &text)]);
    assert!(sets[0].reset && !sets[1].reset);
}

#[test]
fn blank_lines_and_a_last_line_feed_do_no_harm() {
    let text = format!("\n\r\n{}\r\n\n {}\n\n", set("c1", &[]), END);
    let (sets, outcome, _) = read(None, vec![Reply::json(200, &text)]);
    outcome.unwrap();
    assert_eq!(checkpoints(&sets), ["c1"]);
}

#[test]
fn end_that_is_not_told_is_an_error_after_whole_sets() {
    let whole = format!("{}\n{}", set("c1", &[]), set("c2", &[]));
    for text in [
        whole.clone(),
        format!("{whole}\n"),
        format!("{whole}\n{{\"en"),
    ] {
        let (sets, outcome, _) = read(None, vec![Reply::json(200, &text)]);
        assert!(outcome.is_err(), "{text}");
        assert_eq!(checkpoints(&sets), ["c1", "c2"], "{text}");
    }
    // Of a connection that breaks, no line counts that has no end.
    for (cut, known) in [(whole.len(), 1), (whole.len() / 2 + 1, 1), (5, 0)] {
        let text = whole.as_bytes()[..cut].to_vec();
        let (sets, outcome, _) = read(None, vec![Reply::Cut(text)]);
        assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
        assert_eq!(sets.len(), known);
    }
    let (_, outcome, _) = read(None, vec![Reply::json(200, "")]);
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
}

#[test]
fn set_that_failed_ends_the_stream() {
    let failed = set("c2", &[file("1", "a", ROOT, 1)]).replace("200", "503");
    let text = [set("c1", &[]), failed, set("c3", &[]), END.to_owned()].join("\n");
    let (sets, outcome, _) = read(None, vec![Reply::json(200, &text)]);
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
    assert_eq!(checkpoints(&sets), ["c1"]);
}

#[test]
fn line_that_makes_no_sense_ends_the_stream() {
    for line in [
        "{",
        "[]",
        "nonsense",
        r#"{"checkpoint":"c","reset":false,"statusCode":200}"#,
        r#"{"checkpoint":"c","nodes":null,"statusCode":200}"#,
        r#"{"nodes":[],"statusCode":200}"#,
        r#"{"end":false}"#,
    ] {
        let text = [&set("c1", &[]), line, END].join("\n");
        let (sets, outcome, _) = read(None, vec![Reply::json(200, &text)]);
        assert!(
            matches!(outcome, Err(Error::Protocol(_))),
            "{line}: {outcome:?}"
        );
        assert_eq!(checkpoints(&sets), ["c1"]);
    }
}

#[test]
fn line_without_end_is_given_up() {
    let long = vec![b' '; 33 << 20];
    let text = [b"{\"checkpoint\":\"".to_vec(), long].concat();
    let reply = Reply::Answer {
        status: 200,
        headers: Vec::new(),
        body: text,
    };
    let (_, outcome, _) = read(None, vec![reply]);
    assert!(matches!(outcome, Err(Error::Protocol(_))), "{outcome:?}");
}

#[test]
fn odd_nodes_are_passed_over_and_named() {
    let odd = |id: &str, name: &str, kind: &str, status: &str| {
        node(id, name, ROOT, kind, "").replace("AVAILABLE", status)
    };
    let nodes = [
        odd("pending", "a", "FILE", "PENDING"),
        odd("asset", "b", "ASSET", "AVAILABLE"),
        odd("nameless", "", "FILE", "AVAILABLE"),
        "{\"id\":7}".to_owned(),
        "null".to_owned(),
        file("good", "c", ROOT, 1),
    ];
    let text = [set("c1", &nodes), set("c2", &nodes), END.to_owned()].join("\n");
    let (sets, outcome, service) = read(None, vec![Reply::json(200, &text)]);
    outcome.unwrap();
    for set in &sets {
        assert!(matches!(&set.changes[..], [change] if change.node.id == "good"));
    }
    let log = service.platform.log.borrow();
    for id in ["pending", "asset", "nameless"] {
        let named = |(level, line): &&(Level, String)| {
            *level != Level::Debug && line.contains(&format!("node {id} named"))
        };
        assert_eq!(log.iter().filter(named).count(), 1, "{id} in {log:?}");
    }
}

#[test]
fn refusal_is_waited_for_before_the_first_set() {
    let text = [set("c1", &[]), END.to_owned()].join("\n");
    let replies = vec![Reply::json(504, ""), Reply::Lost, Reply::json(200, &text)];
    let (sets, outcome, service) = read(None, replies);
    outcome.unwrap();
    assert_eq!(sets.len(), 1);
    service.platform.assert_requests(&[CHANGES; 3]);
    let (_, outcome, _) = read(
        Some("c"),
        vec![Reply::json(400, r#"{"message":"Invalid checkpoint: c"}"#)],
    );
    assert!(
        matches!(outcome, Err(Error::InvalidArgument(_))),
        "{outcome:?}"
    );
    let (_, outcome, _) = read(
        None,
        vec![Reply::with(302, ("location", "https://p.example/"))],
    );
    assert!(matches!(outcome, Err(Error::Protocol(_))), "{outcome:?}");
}
