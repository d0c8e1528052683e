//! Content on its way up: sent once, stored whole or not at all, and looked for when the
//! answer is lost.

use std::time::Duration;

use super::{
    LARGEST_FILE, ROOT, file, folder, page, path, run,
    script::{Pieces, Reply, Script},
    service,
};
use crate::{
    error::{Detail, Error, Unconfirmed, UnconfirmedPlace},
    service::Service,
    upload::{Existing, WriteOptions},
    wire::Node,
};

const CREATE: &str = "POST https://c.example/cdproxy/nodes?suppress=deduplication";
const OVERWRITE: &str = "PUT https://c.example/cdproxy/nodes/F/content";
const STAT: &str = "GET https://m.example/drive/v1/nodes/F";
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
        ..absent()
    };
    let outcome = run(service.write(&path("f"), content, options));
    (outcome, service)
}

/// A file that is not there, of five bytes.
fn absent() -> WriteOptions {
    WriteOptions {
        size: Some(5),
        existing: Existing::Absent,
        content_type: None,
        original_time: None,
        idempotency_key: Some(KEY.to_owned()),
    }
}

const KEY: &str = "key-1";

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

const METADATA: &str =
    r#"{"name":"f","kind":"FILE","parents":["RRjt6JR7QF-O1GM3auqWKw"],"localId":"key-1"}"#;

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
    let replies = vec![there(4, "00", 3), stored()];
    let (outcome, service) = write(hello(), Some(5), existing, replies);
    assert!(outcome.is_ok());
    service.platform.assert_requests(&[STAT, OVERWRITE]);
    let seen = service.platform.seen.borrow();
    assert_eq!(String::from_utf8_lossy(&seen[1].body), body("", "hello"));
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
        Pieces::new(&[&[b'x'; 1000][..]; 5]),
        Some(5000),
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

/// The ends that say nothing of what has become of it.
fn unclear_ends() -> Vec<Reply> {
    vec![
        Reply::Lost,
        Reply::Broken(201),
        Reply::json(201, "<html>"),
        Reply::json(200, "{}"),
        Reply::json(400, r#"{"message":"Cannot complete upload"}"#),
        Reply::json(408, ""),
        Reply::json(500, r#"{"message":"Internal failure"}"#),
        Reply::json(502, ""),
        Reply::json(504, ""),
    ]
}

fn unconfirmed(outcome: Result<Node, Error>) -> Unconfirmed {
    match outcome {
        Err(Error::OutcomeUnknown(write)) => *write,
        other => panic!("{other:?}"),
    }
}

#[test]
fn unclear_end_is_told_at_once_and_with_what_to_look_for() {
    for end in unclear_ends() {
        let (outcome, service) = write(hello(), Some(5), Existing::Absent, vec![end]);
        let write = unconfirmed(outcome);
        let place = UnconfirmedPlace::New {
            parent: ROOT.to_owned(),
            name: "f".to_owned(),
        };
        assert_eq!((write.place, write.size), (place, 5));
        service.platform.assert_requests(&[CREATE]);
        assert_eq!(service.platform.waited(), Duration::ZERO);
    }
    for end in unclear_ends() {
        let existing = Existing::Node("F".to_owned());
        let (outcome, service) = write(hello(), Some(5), existing, vec![there(4, "00", 3), end]);
        let place = UnconfirmedPlace::Over {
            id: "F".to_owned(),
            version: 3,
        };
        assert_eq!(unconfirmed(outcome).place, place);
        service.platform.assert_requests(&[STAT, OVERWRITE]);
    }
}

#[test]
fn body_that_broke_off_is_no_unclear_end() {
    // It cannot have been stored, whatever the reply says.
    let cut = Pieces {
        complete: false,
        ..hello()
    };
    let (outcome, _) = write(cut, Some(5), Existing::Absent, vec![Reply::json(504, "")]);
    assert!(matches!(outcome, Err(Error::Interrupted(_))), "{outcome:?}");
    let early = Reply::Early {
        after: 2000,
        status: 504,
        body: "",
    };
    let long = Pieces::new(&[&[b'x'; 1000][..]; 4]);
    let (outcome, _) = write(long, Some(4000), Existing::Absent, vec![early]);
    assert!(matches!(outcome, Err(Error::Interrupted(_))), "{outcome:?}");
}

/// The file by its id, of so many bytes, this MD5 and this version.
fn there(size: u64, md5: &str, version: u64) -> Reply {
    let content = format!(r#","contentProperties":{{"size":{size},"md5":"{md5}"}}"#);
    let text = super::node("F", "f", ROOT, "FILE", &content);
    Reply::json(
        200,
        &text.replace("\"version\":3", &format!("\"version\":{version}")),
    )
}

fn new() -> Unconfirmed {
    Unconfirmed {
        place: UnconfirmedPlace::New {
            parent: ROOT.to_owned(),
            name: "f".to_owned(),
        },
        size: 5,
        detail: Detail::default(),
    }
}

fn over() -> Unconfirmed {
    Unconfirmed {
        place: UnconfirmedPlace::Over {
            id: "F".to_owned(),
            version: 3,
        },
        ..new()
    }
}

fn confirm(write: &Unconfirmed, replies: Vec<Reply>) -> (Option<Node>, Service<Script>) {
    let service = service(replies);
    let found = run(service.confirm(write, "AA")).unwrap();
    (found, service)
}

fn listed(size: u64, md5: &str) -> Reply {
    let content = format!(r#","contentProperties":{{"size":{size},"md5":"{md5}"}}"#);
    page(&[super::node("F", "f", ROOT, "FILE", &content)], None)
}

#[test]
fn late_file_is_waited_for_and_told() {
    let nothing = || page(&[], None);
    let replies = vec![nothing(), nothing(), Reply::json(503, ""), listed(5, "aa")];
    let (found, service) = confirm(&new(), replies);
    assert_eq!(found.unwrap().id, "F");
    let log = service.platform.log.borrow();
    assert!(log.iter().any(|(_, line)| line.contains("confirmed late")));
    assert!(service.platform.waited() >= Duration::from_millis(1500));
}

#[test]
fn late_file_that_never_comes_is_given_up_when_its_time_is_over() {
    // The wait for five bytes here, and the pauses between the looks.
    let wait = 5 * 30;
    let looks = 4 + (wait - 8) / 5 + 2;
    let replies = (0..looks).map(|_| page(&[], None)).collect();
    let (found, service) = confirm(&new(), replies);
    assert_eq!(found, None);
    assert_eq!(service.platform.waited(), Duration::from_secs(wait));
    assert_eq!(service.platform.seen.borrow().len() as u64, looks);
}

#[test]
fn without_a_wait_it_is_looked_for_once() {
    let mut service = service(vec![page(&[], None)]);
    service.upload_wait_per_gb = Duration::ZERO;
    assert_eq!(run(service.confirm(&new(), "aa")).unwrap(), None);
    assert_eq!(service.platform.waited(), Duration::ZERO);
}

#[test]
fn name_that_is_another_files_is_not_waited_for() {
    for (size, md5) in [(5, "bb"), (4, "aa")] {
        let (found, service) = confirm(&new(), vec![listed(size, md5)]);
        assert_eq!(found, None);
        assert_eq!(service.platform.waited(), Duration::ZERO);
    }
}

#[test]
fn overwrite_is_proven_by_size_md5_and_version_together() {
    let old = [
        there(5, "bb", 3),
        there(5, "aa", 3),
        there(4, "aa", 4),
        there(5, "bb", 4),
    ];
    let mut replies = Vec::from(old);
    replies.push(there(5, "aa", 4));
    let (found, service) = confirm(&over(), replies);
    assert_eq!(found.unwrap().version, 4);
    service.platform.assert_requests(&[STAT; 5]);

    let (found, service) = confirm(&over(), vec![Reply::json(404, "")]);
    assert_eq!(found, None);
    assert_eq!(service.platform.waited(), Duration::ZERO);
}

#[test]
fn look_that_is_refused_for_good_is_an_error() {
    let service = service(vec![Reply::json(401, ""), Reply::json(401, "")]);
    let outcome = run(service.confirm(&new(), "aa"));
    assert!(
        matches!(outcome, Err(Error::Unauthenticated(_))),
        "{outcome:?}"
    );
}

#[test]
fn file_over_the_limit_is_refused_before_anything_is_sent() {
    let long = || Pieces::new(&[&[b'x'; 1000][..]; 6]);
    let (outcome, service) = write(
        long(),
        Some(LARGEST_FILE + 1),
        Existing::Unknown,
        Vec::new(),
    );
    let Err(Error::FileTooLarge(detail)) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(detail.message.contains("write f"), "{}", detail.message);
    service.platform.assert_requests(&[]);

    // Where only its end tells, what was sent is not completed.
    let (outcome, service) = write(long(), None, Existing::Absent, vec![stored()]);
    assert!(
        matches!(outcome, Err(Error::FileTooLarge(_))),
        "{outcome:?}"
    );
    let seen = service.platform.seen.borrow();
    assert!(!String::from_utf8_lossy(&seen[0].body).contains(&format!("\r\n--{BOUNDARY}--")));

    let fits = Pieces::new(&[&[b'x'; 1000][..]; 5]);
    let (outcome, _) = write(fits, Some(LARGEST_FILE), Existing::Absent, vec![stored()]);
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[test]
fn upload_has_a_name_of_its_own_unless_it_is_given_one() {
    let mut keys = Vec::new();
    for random in [1, 2] {
        let service = service(vec![stored()]);
        service.platform.random.set(random);
        let options = WriteOptions {
            idempotency_key: None,
            ..absent()
        };
        run(service.write(&path("f"), hello(), options)).unwrap();
        let seen = service.platform.seen.borrow();
        let body = String::from_utf8_lossy(&seen[0].body).into_owned();
        let (_, key) = body.split_once(r#""localId":""#).unwrap();
        keys.push(key.split_once('"').unwrap().0.to_owned());
    }
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn uploads_that_are_refused_in_a_row_wait_longer_each_time() {
    let service = service((0..3).map(|_| Reply::json(429, "")).collect());
    let mut waited = Duration::ZERO;
    for seconds in [1, 2, 4] {
        let options = absent();
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
fn server_that_cannot_be_reached_has_seen_nothing_and_is_waited_for() {
    let (outcome, service) = write(hello(), Some(5), Existing::Absent, vec![Reply::Unreachable]);
    assert!(matches!(outcome, Err(Error::Interrupted(_))), "{outcome:?}");
    service.platform.assert_requests(&[CREATE]);
    assert_eq!(service.platform.waited(), Duration::from_secs(1));
}

#[test]
fn server_that_is_not_to_be_reached_is_not_waited_for() {
    for (reply, is_it) in [
        (
            Reply::Untrusted,
            (|it| matches!(it, Error::Unavailable(_))) as fn(&Error) -> bool,
        ),
        (Reply::Denied, |it| matches!(it, Error::EgressDenied(_))),
    ] {
        let (outcome, service) = write(hello(), Some(5), Existing::Absent, vec![reply]);
        assert!(outcome.as_ref().is_err_and(is_it), "{outcome:?}");
        service.platform.assert_requests(&[CREATE]);
        assert_eq!(service.platform.waited(), Duration::ZERO);
    }
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
        let options = absent();
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
        let options = absent();
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

#[test]
fn upload_whose_first_try_turns_up_conflicts_with_it() {
    let body = r#"{"message":"localId already exists","code":"LOCAL_ID_ALREADY_EXISTS","info":{"nodeId":"F"}}"#;
    let reply = Reply::json(409, body);
    let (outcome, _) = write(hello(), Some(5), Existing::Absent, vec![reply]);
    let Err(Error::NameConflict { existing, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(existing.as_deref(), Some("F"));
}
