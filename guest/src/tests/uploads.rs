//! Content on its way up: sent once, stored whole or not at all, and looked for when the
//! answer is lost.

use std::time::Duration;

use super::{
    ROOT, file, folder, page, path, run,
    script::{Pieces, Reply, Script},
    service,
};
use crate::{
    error::Error,
    service::Service,
    upload::{Existing, WriteOptions},
    wire::Node,
};

const CREATE: &str = "POST https://c.example/cdproxy/nodes?suppress=deduplication";
const BOUNDARY: &str = "acd-ffffffffffffffffffffffffffffffff";

fn write(
    content: Pieces,
    size: Option<u64>,
    existing: Existing,
    replies: Vec<Reply>,
) -> (Result<Node, Error>, Service<Script>) {
    let service = service(replies);
    let options = WriteOptions {
        size,
        existing,
        content_type: None,
    };
    let outcome = run(service.write(&path("f"), content, options));
    (outcome, service)
}

fn hello() -> Pieces {
    Pieces::new(&[b"hel", b"lo"])
}

fn stored() -> Reply {
    Reply::json(201, &file("F", "f", ROOT, 5))
}

fn body(metadata: &str, content: &str) -> String {
    let metadata = match metadata {
        "" => String::new(),
        json => format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{json}\r\n"
        ),
    };
    format!(
        "{metadata}--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"content\"; \
         filename=\"content\"\r\nContent-Type: application/octet-stream\r\n\r\n{content}\r\n--{BOUNDARY}--\r\n"
    )
}

const METADATA: &str = r#"{"name":"f","kind":"FILE","parents":["RRjt6JR7QF-O1GM3auqWKw"]}"#;

#[test]
fn create_sends_metadata_and_content_with_their_length() {
    let (outcome, service) = write(hello(), Some(5), Existing::Absent, vec![stored()]);
    assert_eq!(outcome.unwrap().id, "F");
    service.platform.assert_requests(&[CREATE]);
    let seen = service.platform.seen.borrow();
    let expected = body(METADATA, "hello");
    assert_eq!(String::from_utf8_lossy(&seen[0].body), expected);
    assert_eq!(
        seen[0].header("content-length"),
        Some(expected.len().to_string().as_str())
    );
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    assert_eq!(seen[0].header("content-type"), Some(kind.as_str()));
}

#[test]
fn overwrite_sends_content_only() {
    let existing = Existing::Node("F".to_owned());
    let (outcome, service) = write(hello(), Some(5), existing, vec![stored()]);
    assert!(outcome.is_ok());
    service
        .platform
        .assert_requests(&["PUT https://c.example/cdproxy/nodes/F/content"]);
    let seen = service.platform.seen.borrow();
    assert_eq!(String::from_utf8_lossy(&seen[0].body), body("", "hello"));
}

#[test]
fn unknown_target_is_looked_up_first() {
    let found = page(&[file("F", "f", ROOT, 1)], None);
    let (outcome, service) = write(hello(), Some(5), Existing::Unknown, vec![found, stored()]);
    assert!(outcome.is_ok());
    assert!(service.platform.seen.borrow()[1].line.starts_with("PUT "));

    let nothing = page(&[], None);
    let (outcome, service) = write(hello(), Some(5), Existing::Unknown, vec![nothing, stored()]);
    assert!(outcome.is_ok());
    assert_eq!(service.platform.seen.borrow()[1].line, CREATE);

    let in_the_way = page(&[folder("D", "f", ROOT)], None);
    let (outcome, _) = write(hello(), Some(5), Existing::Unknown, vec![in_the_way]);
    assert!(matches!(outcome, Err(Error::NotAFile(_))), "{outcome:?}");
}

#[test]
fn content_of_unknown_length_goes_in_chunks_and_an_empty_one_does_not() {
    let (outcome, service) = write(hello(), None, Existing::Absent, vec![stored()]);
    assert!(outcome.is_ok());
    let seen = service.platform.seen.borrow();
    assert_eq!(seen[0].header("content-length"), None);
    assert_eq!(
        String::from_utf8_lossy(&seen[0].body),
        body(METADATA, "hello")
    );
    drop(seen);

    let (outcome, service) = write(Pieces::new(&[]), None, Existing::Absent, vec![stored()]);
    assert!(outcome.is_ok());
    let seen = service.platform.seen.borrow();
    let expected = body(METADATA, "");
    assert_eq!(
        seen[0].header("content-length"),
        Some(expected.len().to_string().as_str())
    );
    assert_eq!(String::from_utf8_lossy(&seen[0].body), expected);
}

#[test]
fn content_that_breaks_off_never_ends_its_request() {
    let cut = || Pieces {
        complete: false,
        ..hello()
    };
    for (content, size) in [
        (cut(), Some(5)),
        (cut(), None),
        // Not as long as promised.
        (hello(), Some(6)),
        (hello(), Some(4)),
    ] {
        let (outcome, service) = write(content, size, Existing::Absent, vec![stored()]);
        assert!(matches!(outcome, Err(Error::Interrupted(_))), "{outcome:?}");
        let seen = service.platform.seen.borrow();
        assert_eq!(seen.len(), 1);
        let sent = String::from_utf8_lossy(&seen[0].body);
        assert!(!sent.contains(&format!("\r\n--{BOUNDARY}--")), "{sent}");
    }
}

#[test]
fn taken_name_is_told_early_and_with_its_node() {
    let (outcome, service) = write(
        Pieces::new(&[&[b'x'; 1000][..]; 1000]),
        Some(1_000_000),
        Existing::Absent,
        vec![Reply::Early {
            after: 2000,
            status: 409,
            body: r#"{"message":"m","code":"NAME_ALREADY_EXISTS","info":{"nodeId":"F"}}"#,
        }],
    );
    let Err(Error::NameConflict { existing, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(existing.as_deref(), Some("F"));
    assert!(service.platform.seen.borrow()[0].body.len() < 4000);
}

#[test]
fn lost_answer_is_looked_for_before_anything_is_sent_again() {
    for lost in [
        Reply::Lost,
        Reply::Broken(201),
        Reply::json(408, ""),
        Reply::json(500, r#"{"message":"Internal failure"}"#),
        Reply::json(504, ""),
    ] {
        let found = page(&[file("F", "f", ROOT, 5)], None);
        let (outcome, service) = write(hello(), Some(5), Existing::Absent, vec![lost, found]);
        assert_eq!(outcome.unwrap().id, "F");
        let seen = service.platform.seen.borrow();
        assert_eq!(seen.iter().filter(|seen| seen.line == CREATE).count(), 1);
    }
}

#[test]
fn upload_that_cannot_be_found_has_an_unknown_outcome() {
    for found in [page(&[], None), page(&[file("F", "f", ROOT, 4)], None)] {
        let (outcome, service) = write(
            hello(),
            Some(5),
            Existing::Absent,
            vec![Reply::json(504, ""), found],
        );
        assert!(
            matches!(outcome, Err(Error::OutcomeUnknown(_))),
            "{outcome:?}"
        );
        assert_eq!(service.platform.seen.borrow().len(), 2);
    }
}

#[test]
fn lost_answer_to_an_overwrite_is_for_the_caller_to_find_out() {
    // What is there has the right size before and after: only its MD5 tells.
    let existing = Existing::Node("F".to_owned());
    let (outcome, service) = write(hello(), Some(5), existing, vec![Reply::Lost]);
    assert!(
        matches!(outcome, Err(Error::OutcomeUnknown(_))),
        "{outcome:?}"
    );
    assert_eq!(service.platform.seen.borrow().len(), 1);
}

#[test]
fn uploads_that_are_refused_in_a_row_wait_longer_each_time() {
    let service = service((0..3).map(|_| Reply::json(429, "")).collect());
    let mut waited = Duration::ZERO;
    for seconds in [1, 2, 4] {
        let options = WriteOptions {
            size: Some(5),
            existing: Existing::Absent,
            content_type: None,
        };
        let outcome = run(service.write(&path("f"), hello(), options));
        assert!(matches!(outcome, Err(Error::Interrupted(_))), "{outcome:?}");
        let wait = service.platform.waited() - waited;
        waited += wait;
        assert_eq!(wait.as_secs_f64().round() as u64, seconds);
    }
}

#[test]
fn refused_upload_waits_as_asked_and_leaves_the_next_try_to_the_caller() {
    let (outcome, service) = write(
        hello(),
        Some(5),
        Existing::Absent,
        vec![Reply::with(429, ("retry-after", "7"))],
    );
    assert!(matches!(outcome, Err(Error::Interrupted(_))), "{outcome:?}");
    assert_eq!(service.platform.waited(), Duration::from_secs(7));
    service.platform.assert_requests(&[CREATE]);
}

#[test]
fn server_that_cannot_be_reached_has_seen_nothing() {
    let (outcome, service) = write(hello(), Some(5), Existing::Absent, vec![Reply::Unreachable]);
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
    service.platform.assert_requests(&[CREATE]);
}

#[test]
fn upload_with_a_refused_token_is_for_the_caller_to_repeat_with_the_next_one() {
    let (outcome, service) = write(
        hello(),
        Some(5),
        Existing::Absent,
        vec![Reply::json(401, "")],
    );
    assert!(matches!(outcome, Err(Error::Interrupted(_))), "{outcome:?}");
    let next = run(crate::platform::Credentials::authorization(
        &service.platform,
        "https://c.example/",
    ));
    assert_eq!(next.unwrap().as_deref(), Some("token 2"));
}

#[test]
fn refusals_that_stay_are_told_as_they_are() {
    for (status, matches) in [
        (
            400,
            (|it| matches!(it, Error::InvalidArgument(_))) as fn(&Error) -> bool,
        ),
        (403, |it| matches!(it, Error::Forbidden(_))),
        (404, |it| matches!(it, Error::NotFound(_))),
    ] {
        let reply = Reply::json(status, r#"{"message":"no"}"#);
        let (outcome, service) = write(hello(), Some(5), Existing::Absent, vec![reply]);
        assert!(outcome.as_ref().is_err_and(matches), "{outcome:?}");
        service.platform.assert_requests(&[CREATE]);
    }
}

#[test]
fn parent_in_the_trash_is_not_remembered_for_the_next_write() {
    let service = service(vec![
        page(&[folder("A", "a", ROOT)], None),
        Reply::json(
            400,
            r#"{"message":"A node cannot be added to trashed parent","code":""}"#,
        ),
        page(&[folder("A2", "a", ROOT)], None),
        Reply::json(201, &file("F", "f", "A2", 5)),
    ]);
    let write = || {
        let options = WriteOptions {
            size: Some(5),
            existing: Existing::Absent,
            content_type: None,
        };
        run(service.write(&path("a/f"), hello(), options))
    };
    let refused = write();
    assert!(
        matches!(refused, Err(Error::InvalidArgument(_))),
        "{refused:?}"
    );
    assert_eq!(write().unwrap().id, "F");
    let seen = service.platform.seen.borrow();
    assert!(String::from_utf8_lossy(&seen[3].body).contains(r#""parents":["A2"]"#));
}

#[test]
fn second_token_that_is_refused_too_asks_for_a_login() {
    let service = service(vec![Reply::json(401, ""), Reply::json(401, "")]);
    let write = || {
        let options = WriteOptions {
            size: Some(5),
            existing: Existing::Absent,
            content_type: None,
        };
        run(service.write(&path("f"), hello(), options))
    };
    let first = write();
    assert!(matches!(first, Err(Error::Interrupted(_))), "{first:?}");
    let second = write();
    assert!(
        matches!(second, Err(Error::Unauthenticated(_))),
        "{second:?}"
    );
}
