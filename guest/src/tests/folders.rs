//! Folders made, alone and in a race; nodes moved to the trash.

use super::{ROOT, file, folder, page, path, run, script::Reply, service};
use crate::{error::Error, lookup::Target};

const NODES: &str = "POST https://m.example/drive/v1/nodes";

fn taken(by: &str) -> Reply {
    Reply::json(
        409,
        &format!(
            r#"{{"message":"Node with the name a already exists under parentId P conflicting NodeId: {by}","code":"NAME_ALREADY_EXISTS","info":{{"nodeId":"{by}"}}}}"#
        ),
    )
}

#[test]
fn folder_is_made_with_its_parents_and_they_are_remembered() {
    let service = service(vec![
        page(&[], None),
        Reply::json(201, &folder("A", "a", ROOT)),
        Reply::json(201, &folder("B", "b", "A")),
        Reply::json(201, &folder("C", "c", "A")),
    ]);
    assert_eq!(run(service.make_directory(&path("a/b"))).unwrap().id, "B");
    assert_eq!(run(service.make_directory(&path("a/c"))).unwrap().id, "C");
    let seen = service.platform.seen.borrow();
    assert_eq!(seen.len(), 4);
    assert_eq!(seen[2].line, NODES);
    assert_eq!(
        seen[2].body,
        br#"{"name":"b","kind":"FOLDER","parents":["A"]}"#
    );
}

#[test]
fn folder_that_somebody_else_made_is_as_good() {
    let service = service(vec![taken("A"), Reply::json(200, &folder("A", "A", ROOT))]);
    let node = run(service.make_directory(&path("a"))).unwrap();
    // In other letters, for the service knows no case.
    assert_eq!((node.id.as_str(), &node.name[..]), ("A", &b"A"[..]));
    service
        .platform
        .assert_requests(&[NODES, "GET https://m.example/drive/v1/nodes/A"]);
}

#[test]
fn lost_reply_to_a_folder_made_is_found_out() {
    let service = service(vec![
        Reply::Lost,
        taken("A"),
        Reply::json(200, &folder("A", "a", ROOT)),
    ]);
    assert_eq!(run(service.make_directory(&path("a"))).unwrap().id, "A");
}

#[test]
fn file_in_the_way_of_a_folder_is_told() {
    let service = service(vec![taken("F"), Reply::json(200, &file("F", "a", ROOT, 1))]);
    let outcome = run(service.make_directory(&path("a")));
    assert!(matches!(outcome, Err(Error::NotAFolder(_))), "{outcome:?}");
}

#[test]
fn remembered_parent_that_is_gone_is_made_again() {
    let service = service(vec![
        page(&[folder("A", "a", ROOT)], None),
        Reply::json(201, &folder("B", "b", "A")),
        Reply::json(
            400,
            r#"{"message":"A node cannot be added to trashed parent","code":""}"#,
        ),
        page(&[], None),
        Reply::json(201, &folder("A2", "a", ROOT)),
        Reply::json(201, &folder("C", "c", "A2")),
    ]);
    run(service.make_directory(&path("a/b"))).unwrap();
    assert_eq!(run(service.make_directory(&path("a/c"))).unwrap().id, "C");
    let seen = service.platform.seen.borrow();
    assert_eq!(
        seen[5].body,
        br#"{"name":"c","kind":"FOLDER","parents":["A2"]}"#
    );
}

#[test]
fn root_needs_no_making() {
    let root = format!(r#"{{"id":"{ROOT}","kind":"FOLDER","isRoot":true,"status":"AVAILABLE"}}"#);
    let service = service(vec![Reply::json(200, &root)]);
    assert_eq!(run(service.make_directory(&[])).unwrap().id, ROOT);
}

#[test]
fn trashing_is_one_request_and_forgets_the_folder() {
    let service = service(vec![
        page(&[folder("A", "a", ROOT)], None),
        Reply::json(500, ""),
        Reply::json(200, "{}"),
        page(&[], None),
    ]);
    run(service.folder_id(&path("a"))).unwrap();
    run(service.trash(&Target::Id("A".to_owned()))).unwrap();
    let seen = service.platform.seen.borrow();
    assert_eq!(seen[2].line, "PUT https://m.example/drive/v1/trash/A");
    drop(seen);
    let outcome = run(service.folder_id(&path("a")));
    assert!(matches!(outcome, Err(Error::NotFound(_))), "{outcome:?}");
}

#[test]
fn root_is_never_trashed() {
    let service = service(Vec::new());
    let outcome = run(service.trash(&Target::Id(ROOT.to_owned())));
    assert!(matches!(outcome, Err(Error::Forbidden(_))), "{outcome:?}");
}
