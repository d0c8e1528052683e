//! Content on its way down.

use super::{ROOT, TEMPLINK_THRESHOLD, file, node, page, path, run, script::Reply, service};
use crate::{
    error::Error,
    lookup::Target,
    read::{ByteRange, ReadOptions},
};

const CONTENT: &str = "GET https://c.example/cdproxy/nodes/F/content";

const LINK: &str = "https://c.example/cdproxy/templink/secret";

fn target() -> Target {
    Target::Id("F".to_owned())
}

/// All of a small file.
fn all() -> ReadOptions {
    only(None)
}

fn only(range: Option<ByteRange>) -> ReadOptions {
    ReadOptions {
        range,
        size: Some(7),
        md5: None,
    }
}

fn linked() -> Reply {
    let link = format!(r#","tempLink":"{LINK}""#);
    Reply::json(200, &node("F", "f", ROOT, "FILE", &link))
}

const ASK_LINK: &str = "GET https://m.example/drive/v1/nodes/F?tempLink=true";

#[test]
fn large_file_is_read_by_a_link_that_is_told_nothing() {
    let large = |size| ReadOptions {
        size: Some(size),
        ..all()
    };
    let below = service(vec![Reply::json(200, "content")]);
    assert!(run(below.read(&target(), large(TEMPLINK_THRESHOLD - 1))).is_ok());
    below.platform.assert_requests(&[CONTENT]);

    let service = service(vec![linked(), Reply::json(200, "content")]);
    assert!(run(service.read(&target(), large(TEMPLINK_THRESHOLD))).is_ok());
    service
        .platform
        .assert_requests(&[ASK_LINK, &format!("GET {LINK}")]);
    let seen = service.platform.seen.borrow();
    assert_eq!(seen[1].header("authorization"), None);
    assert!(service.platform.log.borrow().is_empty());
}

#[test]
fn link_that_has_ended_is_asked_for_once_more() {
    let large = ReadOptions {
        size: Some(TEMPLINK_THRESHOLD),
        ..all()
    };
    let replies = vec![
        linked(),
        Reply::json(410, ""),
        linked(),
        Reply::json(200, "x"),
    ];
    let again = service(replies);
    assert!(run(again.read(&target(), large.clone())).is_ok());
    let replies = vec![
        linked(),
        Reply::json(410, ""),
        linked(),
        Reply::json(404, ""),
    ];
    let twice = service(replies);
    let outcome = run(twice.read(&target(), large)).err();
    assert!(matches!(outcome, Some(Error::NotFound(_))), "{outcome:?}");
}

#[test]
fn content_that_is_refused_is_had_by_a_link() {
    let refused = || Reply::json(400, r#"{"message":"too large"}"#);
    let service_of = |last| service(vec![refused(), linked(), last]);
    let range = only(Some(ByteRange {
        start: 2,
        length: None,
    }));
    let part = service_of(Reply::json(206, "content"));
    assert!(run(part.read(&target(), range)).is_ok());
    part.platform
        .assert_requests(&[CONTENT, ASK_LINK, &format!("GET {LINK}")]);
    assert_eq!(
        part.platform.seen.borrow()[2].header("range"),
        Some("bytes=2-")
    );

    let never = service_of(Reply::json(403, ""));
    let outcome = run(never.read(&target(), all())).err();
    assert!(
        matches!(&outcome, Some(Error::InvalidArgument(it)) if it.message.contains("too large")),
        "{outcome:?}"
    );
    let log = never.platform.log.borrow();
    assert!(log.iter().all(|(_, line)| !line.contains("templink/")));
}

#[test]
fn size_is_looked_up_only_where_it_decides() {
    let unknown = || ReadOptions {
        size: None,
        ..all()
    };
    let by_id = service(vec![
        Reply::json(200, &file("F", "f", ROOT, 7)),
        Reply::json(200, "content"),
    ]);
    assert!(run(by_id.read(&target(), unknown())).is_ok());
    by_id.platform.assert_requests(&[STAT, CONTENT]);

    let mut no_threshold = service(vec![Reply::json(200, "content")]);
    no_threshold.templink_threshold = None;
    assert!(run(no_threshold.read(&target(), unknown())).is_ok());
    no_threshold.platform.assert_requests(&[CONTENT]);

    let by_path = service(vec![
        page(&[file("F", "f", ROOT, TEMPLINK_THRESHOLD)], None),
        linked(),
        Reply::json(200, "content"),
    ]);
    assert!(run(by_path.read(&Target::Path(path("f")), unknown())).is_ok());
}

#[test]
fn read_that_goes_on_is_of_the_same_content_or_none() {
    let expected = |md5: &str| ReadOptions {
        md5: Some(md5.to_owned()),
        ..all()
    };
    let found = || Reply::json(200, &file("F", "f", ROOT, 7));
    let same = service(vec![found(), Reply::json(200, "content")]);
    assert!(run(same.read(&target(), expected("00"))).is_ok());
    same.platform.assert_requests(&[STAT, CONTENT]);

    let other = service(vec![found()]);
    let outcome = run(other.read(&target(), expected("01"))).err();
    assert!(matches!(outcome, Some(Error::Changed(_))), "{outcome:?}");
    other.platform.assert_requests(&[STAT]);
}

const STAT: &str = "GET https://m.example/drive/v1/nodes/F";

#[test]
fn redirect_to_another_origin_goes_without_credentials() {
    let link = "https://s3.example/bucket/key?X-Amz-Signature=secret";
    let service = service(vec![
        Reply::with(302, ("location", link)),
        Reply::json(200, "content"),
    ]);
    let response = run(service.read(&target(), all())).unwrap();
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
    let outcome = run(service.read(&target(), all())).err();
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
        let partial = service(vec![Reply::json(206, "part")]);
        assert!(run(partial.read(&target(), only(range))).is_ok());
        let seen = partial.platform.seen.borrow();
        assert_eq!(seen[0].header("range"), Some(header));

        let whole = service(vec![Reply::json(200, "all of it")]);
        let outcome = run(whole.read(&target(), only(range))).err();
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
    let outcome = run(past.read(&target(), only(range))).err();
    assert!(
        matches!(outcome, Some(Error::InvalidArgument(_))),
        "{outcome:?}"
    );
    for (start, length) in [(1, Some(0)), (u64::MAX, Some(2))] {
        let nothing = service(Vec::new());
        let outcome = run(nothing.read(&target(), only(Some(ByteRange { start, length })))).err();
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
    assert!(run(service.read(&target(), all())).is_ok());
    service.platform.assert_requests(&[CONTENT; 3]);
}

#[test]
fn folder_has_no_content() {
    let body = r#"{"message":"Node is not a file: F","code":""}"#;
    let refused = || Reply::json(400, body);
    let folder = service(vec![refused()]);
    let outcome = run(folder.read(&target(), all())).err();
    assert!(matches!(outcome, Some(Error::NotAFile(_))), "{outcome:?}");
}
