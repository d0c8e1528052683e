//! Content on its way down.

use super::{run, script::Reply, service};
use crate::{error::Error, lookup::Target, read::ByteRange};

const CONTENT: &str = "GET https://c.example/cdproxy/nodes/F/content";

fn target() -> Target {
    Target::Id("F".to_owned())
}

#[test]
fn redirect_to_another_origin_goes_without_credentials() {
    let link = "https://s3.example/bucket/key?X-Amz-Signature=secret";
    let service = service(vec![
        Reply::with(302, ("location", link)),
        Reply::json(200, "content"),
    ]);
    let response = run(service.read(&target(), None)).unwrap();
    assert_eq!(response.body.0, b"content");
    service
        .platform
        .assert_requests(&[CONTENT, &format!("GET {link}")]);
    let seen = service.platform.seen.borrow();
    assert_eq!(seen[0].header("authorization"), Some("token 1"));
    assert_eq!(seen[1].header("authorization"), None);
    // A link like that is a key, and goes into no log.
    assert!(service.platform.log.borrow().is_empty());
}

#[test]
fn redirects_end() {
    let circle = || Reply::with(302, ("location", "/cdproxy/nodes/F/content"));
    let service = service((0..5).map(|_| circle()).collect());
    let outcome = run(service.read(&target(), None)).err();
    assert!(matches!(outcome, Some(Error::Protocol(_))), "{outcome:?}");
}

#[test]
fn range_is_asked_for_and_must_be_what_comes() {
    for (start, length, header) in [
        (0, Some(10), "bytes=0-9"),
        (5, None, "bytes=5-"),
        (5, Some(1), "bytes=5-5"),
    ] {
        let range = Some(ByteRange { start, length });
        let part = service(vec![Reply::json(206, "part")]);
        assert!(run(part.read(&target(), range)).is_ok());
        let seen = part.platform.seen.borrow();
        assert_eq!(seen[0].header("range"), Some(header));

        let all = service(vec![Reply::json(200, "all of it")]);
        let outcome = run(all.read(&target(), range)).err();
        assert!(matches!(outcome, Some(Error::Protocol(_))), "{outcome:?}");
    }
}

#[test]
fn range_past_the_end_is_the_callers_mistake() {
    let range = Some(ByteRange {
        start: 9,
        length: None,
    });
    let past = service(vec![Reply::json(416, "")]);
    let outcome = run(past.read(&target(), range)).err();
    assert!(
        matches!(outcome, Some(Error::InvalidArgument(_))),
        "{outcome:?}"
    );
    for (start, length) in [(1, Some(0)), (u64::MAX, Some(2))] {
        let nothing = service(Vec::new());
        let outcome = run(nothing.read(&target(), Some(ByteRange { start, length }))).err();
        assert!(
            matches!(outcome, Some(Error::InvalidArgument(_))),
            "{outcome:?}"
        );
    }
}

#[test]
fn download_that_does_not_begin_is_asked_for_again() {
    let service = service(vec![
        Reply::json(503, ""),
        Reply::Lost,
        Reply::json(200, "content"),
    ]);
    assert!(run(service.read(&target(), None)).is_ok());
    service.platform.assert_requests(&[CONTENT; 3]);
}

#[test]
fn folder_has_no_content() {
    let body = r#"{"message":"Node is not a file: F","code":""}"#;
    let folder = service(vec![Reply::json(400, body)]);
    let outcome = run(folder.read(&target(), None)).err();
    assert!(matches!(outcome, Some(Error::NotAFile(_))), "{outcome:?}");
}
