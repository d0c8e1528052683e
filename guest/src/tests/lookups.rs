//! Paths become nodes, in as few requests as can be.

use std::time::Duration;

use super::{ROOT, file, folder, page, path, run, script::Reply, service};
use crate::{error::Error, lookup::Target, platform::Clock, service::FOLDER_LIFE};

fn lookup(parent: &str, name: &str) -> String {
    let filter = format!("parents:\"{parent}\" AND name:\"{name}\"");
    let query: String = form_urlencoded::byte_serialize(filter.as_bytes()).collect();
    format!("GET https://m.example/drive/v1/nodes?filters={query}")
}

const ESCAPED_ROOT: &str = "RRjt6JR7QF\\-O1GM3auqWKw";

#[test]
fn folders_are_remembered_and_files_looked_up() {
    let service = service(vec![
        page(&[folder("A", "a", ROOT)], None),
        page(&[folder("B", "b", "A")], None),
        page(&[file("1", "x", "B", 1)], None),
        page(&[file("2", "y", "B", 2)], None),
    ]);
    let stat = |text: &str| run(service.stat(&Target::Path(path(text)))).unwrap().id;
    assert_eq!(stat("a/b/x"), "1");
    assert_eq!(stat("a/b/y"), "2");
    service.platform.assert_requests(&[
        &lookup(ESCAPED_ROOT, "a"),
        &lookup("A", "b"),
        &lookup("B", "x"),
        &lookup("B", "y"),
    ]);
}

#[test]
fn folder_that_moved_is_found_again() {
    let service = service(vec![
        page(&[folder("A", "a", ROOT)], None),
        page(&[file("1", "x", "A", 1)], None),
        // Meanwhile another folder has the name.
        page(&[], None),
        page(&[folder("A2", "a", ROOT)], None),
        page(&[file("2", "x", "A2", 1)], None),
    ]);
    let stat = || run(service.stat(&Target::Path(path("a/x")))).unwrap().id;
    assert_eq!(stat(), "1");
    assert_eq!(stat(), "2");
    service.platform.assert_requests(&[
        &lookup(ESCAPED_ROOT, "a"),
        &lookup("A", "x"),
        &lookup("A", "x"),
        &lookup(ESCAPED_ROOT, "a"),
        &lookup("A2", "x"),
    ]);
}

#[test]
fn remembered_folder_is_looked_up_again_after_some_minutes() {
    // Another client renames the folder and makes a new one of the name: the old one still
    // has the file, so no request tells.
    let service = service(vec![
        page(&[folder("A", "a", ROOT)], None),
        page(&[file("1", "x", "A", 1)], None),
        page(&[file("1", "x", "A", 1)], None),
        page(&[folder("A2", "a", ROOT)], None),
        page(&[file("2", "x", "A2", 1)], None),
    ]);
    let stat = || run(service.stat(&Target::Path(path("a/x")))).unwrap().id;
    let wait = |time| run(service.platform.sleep(time));
    assert_eq!(stat(), "1");
    wait(FOLDER_LIFE - Duration::from_secs(1));
    assert_eq!(stat(), "1");
    wait(Duration::from_secs(1));
    assert_eq!(stat(), "2");
    service.platform.assert_requests(&[
        &lookup(ESCAPED_ROOT, "a"),
        &lookup("A", "x"),
        &lookup("A", "x"),
        &lookup(ESCAPED_ROOT, "a"),
        &lookup("A2", "x"),
    ]);
}

#[test]
fn page_without_nodes_is_not_the_end_of_a_lookup() {
    let service = service(vec![
        page(&[], Some("t-1")),
        page(&[file("2", "y", ROOT, 1)], Some("t-2")),
        page(&[file("1", "x", ROOT, 1)], Some("t-3")),
        page(&[], Some("t")),
        page(&[], Some("t")),
    ]);
    let stat = || run(service.stat(&Target::Path(path("x"))));
    assert_eq!(stat().unwrap().id, "1");
    let outcome = stat();
    assert!(matches!(outcome, Err(Error::Protocol(_))), "{outcome:?}");
    let next = |token: &str| format!("{}&startToken={token}", lookup(ESCAPED_ROOT, "x"));
    service.platform.assert_requests(&[
        &lookup(ESCAPED_ROOT, "x"),
        &next("t-1"),
        &next("t-2"),
        &lookup(ESCAPED_ROOT, "x"),
        &next("t"),
    ]);
}

#[test]
fn what_is_not_there_is_looked_up_once() {
    let service = service(vec![page(&[], None)]);
    let outcome = run(service.stat(&Target::Path(path("x"))));
    assert!(matches!(outcome, Err(Error::NotFound(_))), "{outcome:?}");
    service
        .platform
        .assert_requests(&[&lookup(ESCAPED_ROOT, "x")]);
}

#[test]
fn names_are_encoded_and_escaped() {
    let service = service(vec![page(&[file("1", "it's ／ (1)", ROOT, 1)], None)]);
    let path = vec!["it's / (1)".as_bytes().to_vec()];
    let node = run(service.stat(&Target::Path(path))).unwrap();
    assert_eq!(node.name, "it's / (1)".as_bytes());
    service
        .platform
        .assert_requests(&[&lookup(ESCAPED_ROOT, "it\\'s\\ ／\\ \\(1\\)")]);
}

#[test]
fn what_the_index_says_is_checked() {
    let trashed = file("1", "x", ROOT, 1).replace("AVAILABLE", "TRASH");
    let elsewhere = file("2", "x", "other", 1);
    let other_case = file("3", "X", ROOT, 1);
    let service = service(vec![page(&[trashed, elsewhere, other_case], None)]);
    let outcome = run(service.stat(&Target::Path(path("x"))));
    assert!(matches!(outcome, Err(Error::NotFound(_))), "{outcome:?}");
}

#[test]
fn way_through_a_file_is_none() {
    let service = service(vec![page(&[file("1", "a", ROOT, 1)], None)]);
    let outcome = run(service.stat(&Target::Path(path("a/b"))));
    let Err(Error::NotAFolder(detail)) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(detail.message, "not a folder: a");
}

#[test]
fn nodes_come_with_their_own_times_and_folders() {
    let times =
        r#","properties":{"other":{"x":"y"},"acd":{"acd_mtime":"2001-02-03T04:05:06.123456789Z"}}"#;
    let service = service(vec![Reply::json(
        200,
        &super::node("F", "f", "P", "FILE", times),
    )]);
    let node = run(service.stat(&Target::Id("F".to_owned()))).unwrap();
    let seen = service.platform.seen.borrow();
    assert!(seen[0].line.ends_with("?fields=%5B%22properties%22%5D"));
    let time = node.original_time.unwrap();
    assert_eq!((time.seconds, time.nanoseconds), (981_173_106, 123_456_789));
    assert_eq!(node.parents, ["P"]);
}
