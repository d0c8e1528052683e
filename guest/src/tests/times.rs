//! The files' own times: kept in a property, and never in the way of the content.

use std::time::Duration;

use super::{
    ROOT, folder, node, page, path, run,
    script::{Pieces, Reply},
    service,
};
use crate::{
    error::Error,
    lookup::Target,
    platform::Level,
    service::Service,
    tests::script::Script,
    upload::{Existing, WriteOptions},
    wire::{Instant, Node},
};

const CREATE: &str = "POST https://c.example/cdproxy/nodes?suppress=deduplication";
const OVERWRITE: &str = "PUT https://c.example/cdproxy/nodes/F/content";
const STAT: &str = "GET https://m.example/drive/v1/nodes/F";
const KEEP: &str = "PUT https://m.example/drive/v1/nodes/F/properties/my_app-1/acd_mtime";

const TIME: Instant = Instant {
    seconds: 1_459_534_805,
    nanoseconds: 123_456_789,
};
const TEXT: &str = "2016-04-01T18:20:05.123456789Z";

/// The file `F` as this service shows it, made by a program, with a kept time or none.
fn file_of(program: &str, time: Option<&str>) -> String {
    let properties = time.map_or(String::new(), |time| {
        format!(r#","properties":{{"my_app-1":{{"acd_mtime":"{time}"}}}}"#)
    });
    let more = format!(
        r#","createdBy":"{program}","contentProperties":{{"size":5,"md5":"00"}}{properties}"#
    );
    node("F", "f", ROOT, "FILE", &more)
}

fn own() -> Reply {
    Reply::json(201, &file_of("my_app-1", None))
}

fn kept() -> Reply {
    Reply::json(201, r#"{"key":"acd_mtime","location":"l","value":"v"}"#)
}

fn refused(status: u16) -> Reply {
    Reply::json(status, r#"{"message":"no"}"#)
}

fn write(service: &Service<Script>, existing: Existing, time: Option<Instant>) -> Node {
    let options = WriteOptions {
        size: Some(5),
        existing,
        content_type: None,
        original_time: time,
        idempotency_key: Some("key".to_owned()),
    };
    let written = run(service.write(&path("f"), Pieces::new(&[b"hello"]), options));
    written.unwrap()
}

fn over() -> Existing {
    Existing::Node("F".to_owned())
}

fn body(service: &Service<Script>, request: usize) -> String {
    let seen = service.platform.seen.borrow();
    String::from_utf8_lossy(&seen[request].body).into_owned()
}

fn warnings(service: &Service<Script>) -> usize {
    let log = service.platform.log.borrow();
    log.iter()
        .filter(|(level, _)| *level == Level::Warn)
        .count()
}

#[test]
fn first_files_time_is_set_after_it_and_all_later_ones_go_with_the_metadata() {
    let service = service(vec![own(), kept(), own()]);
    let first = write(&service, Existing::Absent, Some(TIME));
    assert_eq!(first.original_time, Some(TIME));
    let second = write(&service, Existing::Absent, Some(TIME));
    assert_eq!(second.original_time, Some(TIME));
    service.platform.assert_requests(&[CREATE, KEEP, CREATE]);
    assert!(!body(&service, 0).contains("properties"));
    assert_eq!(body(&service, 1), format!(r#"{{"value":"{TEXT}"}}"#));
    let metadata =
        format!(r#""localId":"key","properties":{{"my_app-1":{{"acd_mtime":"{TEXT}"}}}}}}"#);
    assert!(
        body(&service, 2).contains(&metadata),
        "{}",
        body(&service, 2)
    );
}

#[test]
fn folder_that_was_made_tells_the_name_as_well() {
    let made = node("D", "d", ROOT, "FOLDER", r#","createdBy":"my_app-1""#);
    let service = service(vec![Reply::json(201, &made), own()]);
    run(service.make_directory(&path("d"))).unwrap();
    write(&service, Existing::Absent, Some(TIME));
    assert!(body(&service, 1).contains(TEXT));

    // One that was there may be another's.
    let taken = r#"{"message":"m","code":"NAME_ALREADY_EXISTS","info":{"nodeId":"D"}}"#;
    let there = Reply::json(200, &folder("D", "d", ROOT));
    let service = super::service(vec![Reply::json(409, taken), there, own(), kept()]);
    run(service.make_directory(&path("d"))).unwrap();
    write(&service, Existing::Absent, Some(TIME));
    assert!(!body(&service, 2).contains("properties"));
}

#[test]
fn file_without_a_time_gets_none() {
    let service = service(vec![own(), own()]);
    for _ in 0..2 {
        let written = write(&service, Existing::Absent, None);
        assert_eq!(written.original_time, None);
    }
    service.platform.assert_requests(&[CREATE, CREATE]);
    assert!(!body(&service, 1).contains("properties"));
}

#[test]
fn overwritten_files_time_is_set_only_if_it_is_another() {
    let there = |time| Reply::json(200, &file_of("my_app-1", time));
    let service = service(vec![there(Some(TEXT)), own()]);
    assert_eq!(
        write(&service, over(), Some(TIME)).original_time,
        Some(TIME)
    );
    service.platform.assert_requests(&[STAT, OVERWRITE]);

    for old in [None, Some("2016-04-01T18:20:05.123456788Z")] {
        let service = super::service(vec![there(old), own(), kept()]);
        assert_eq!(
            write(&service, over(), Some(TIME)).original_time,
            Some(TIME)
        );
        service.platform.assert_requests(&[STAT, OVERWRITE, KEEP]);
    }

    // Without a new one the old one stays.
    let service = super::service(vec![there(Some(TEXT)), own()]);
    assert_eq!(write(&service, over(), None).original_time, Some(TIME));
}

#[test]
fn time_that_cannot_be_kept_fails_no_upload_and_is_told_once() {
    for status in [400, 403, 404, 409] {
        let there = || Reply::json(200, &file_of("my_app-1", None));
        let service = service(vec![
            there(),
            own(),
            refused(status),
            there(),
            own(),
            refused(status),
        ]);
        // Its name is known, so it is tried each time: what one node refuses, another takes.
        service.owner.learn("my_app-1");
        for _ in 0..2 {
            assert_eq!(write(&service, over(), Some(TIME)).original_time, None);
        }
        service
            .platform
            .assert_requests(&[STAT, OVERWRITE, KEEP, STAT, OVERWRITE, KEEP]);
        assert_eq!(warnings(&service), 1, "{status}");
        assert_eq!(service.platform.waited(), Duration::ZERO, "{status}");
    }
}

#[test]
fn another_programs_name_is_tried_once() {
    let there = || Reply::json(200, &file_of("other-1", None));
    let after = || Reply::json(200, &file_of("other-1", None));
    let service = service(vec![
        there(),
        after(),
        refused(403),
        there(),
        after(),
        own(),
        kept(),
        there(),
        after(),
        kept(),
    ]);
    for _ in 0..2 {
        assert_eq!(write(&service, over(), Some(TIME)).original_time, None);
    }
    assert_eq!(warnings(&service), 1);
    // A file of its own tells the right one, which is good for the other's files too.
    write(&service, Existing::Absent, Some(TIME));
    assert_eq!(
        write(&service, over(), Some(TIME)).original_time,
        Some(TIME)
    );
    let others = KEEP.replace("my_app-1", "other-1");
    service.platform.assert_requests(&[
        STAT, OVERWRITE, &others, STAT, OVERWRITE, CREATE, KEEP, STAT, OVERWRITE, KEEP,
    ]);
}

#[test]
fn property_call_is_made_again_like_any_other() {
    let service = service(vec![own(), refused(429), refused(500), kept()]);
    let written = write(&service, Existing::Absent, Some(TIME));
    assert_eq!(written.original_time, Some(TIME));
    service
        .platform
        .assert_requests(&[CREATE, KEEP, KEEP, KEEP]);
    assert_eq!(service.platform.waited(), Duration::from_secs(1 + 2));
}

#[test]
fn time_of_a_file_that_is_there_takes_one_call_once_the_name_is_known() {
    let there = Reply::json(200, &file_of("my_app-1", None));
    let service = service(vec![there, kept(), kept()]);
    let id = Target::Id("F".to_owned());
    for _ in 0..2 {
        run(service.set_original_time(&id, TIME)).unwrap();
    }
    service.platform.assert_requests(&[STAT, KEEP, KEEP]);

    let found = page(&[file_of("my_app-1", None)], None);
    let service = super::service(vec![found, kept()]);
    service.owner.learn("my_app-1");
    run(service.set_original_time(&Target::Path(path("f")), TIME)).unwrap();
    assert_eq!(service.platform.seen.borrow()[1].line, KEEP);
}

#[test]
fn time_of_a_file_that_is_there_says_why_it_is_not_kept() {
    let id = Target::Id("F".to_owned());
    let there = || Reply::json(200, &file_of("other-1", None));
    let service = service(vec![there(), refused(403), there()]);
    for _ in 0..2 {
        let outcome = run(service.set_original_time(&id, TIME));
        assert!(matches!(outcome, Err(Error::Forbidden(_))), "{outcome:?}");
    }
    assert_eq!(service.platform.seen.borrow().len(), 3);

    let service = super::service(vec![refused(400)]);
    service.owner.learn("my_app-1");
    let full = run(service.set_original_time(&id, TIME));
    assert!(matches!(full, Err(Error::InvalidArgument(_))), "{full:?}");
    let far = Instant {
        seconds: 253_402_300_800,
        nanoseconds: 0,
    };
    let outcome = run(service.set_original_time(&id, far));
    assert!(
        matches!(outcome, Err(Error::InvalidArgument(_))),
        "{outcome:?}"
    );
    assert_eq!(service.platform.seen.borrow().len(), 1);
}
