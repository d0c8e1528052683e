//! Out of the trash again.

use std::rc::Rc;

use super::{
    ROOT,
    model::{Fault, Model, Plan},
    page, run,
    script::Reply,
    service,
};
use crate::{error::Error, listing::Listing, wire::Node};

/// `p/sub/a`, in which `p/sub` and then `a` itself are in the trash.
fn drive() -> Model {
    let model = Model::new(&[("P", "p/", ROOT), ("S", "sub/", "P"), ("N", "a", "S")]);
    model.edit("S", |node| node.trashed = true);
    model.edit("N", |node| node.trashed = true);
    model
}

fn restore(model: &Model, id: &str) -> Result<Node, Error> {
    let service = model.service();
    model.run(service.restore(id)).unwrap()
}

#[test]
fn node_comes_back_to_where_it_was() {
    let model = drive();
    assert_eq!(restore(&model, "S").unwrap().parents, ["P"]);
    assert_eq!(model.changes(), ["Post trash/S/restore"]);
    assert!(!model.node("S").trashed && model.node("N").trashed);
    // Once more: it is there.
    assert_eq!(restore(&model, "S").unwrap().id, "S");
}

#[test]
fn lost_reply_is_no_failure_and_a_lasting_one_is() {
    for fault in [Fault::Lost, Fault::Unclear(500), Fault::Refused(429)] {
        let model = drive();
        model.fail_changes_from(0, 1, fault);
        restore(&model, "S").unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        assert!(!model.node("S").trashed);
        assert_eq!(model.changes().len(), 2, "{fault:?}");
    }
    let model = drive();
    model.fail_changes_from(0, usize::MAX, Fault::Refused(503));
    let outcome = restore(&model, "S");
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
    // All tries were answered as if nothing had come of them, and it is there.
    model.fail_changes_from(0, usize::MAX, Fault::Unclear(500));
    assert_eq!(restore(&model, "S").unwrap().id, "S");
}

#[test]
fn folder_that_is_in_the_trash_too_is_named() {
    let model = drive();
    let outcome = restore(&model, "N");
    let Err(Error::InvalidArgument(detail)) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(
        detail.message,
        "its folder is in the trash too: restore that one first, node S"
    );
    assert!(model.node("N").trashed);
    restore(&model, "S").unwrap();
    restore(&model, "N").unwrap();
    assert!(!model.node("N").trashed);
}

#[test]
fn name_that_is_taken_meanwhile_is_told_with_its_node() {
    let model = drive();
    restore(&model, "S").unwrap();
    let mut other = model.node("N");
    other.trashed = false;
    model.drive.borrow_mut().nodes.insert("X".to_owned(), other);
    let outcome = restore(&model, "N");
    let Err(Error::NameConflict { existing, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(existing.as_deref(), Some("X"));
    assert!(model.node("N").trashed);
}

#[test]
fn node_that_is_not_there_is_told() {
    let model = drive();
    let outcome = restore(&model, "none");
    assert!(matches!(outcome, Err(Error::NotFound(_))), "{outcome:?}");
    // Nothing is concluded where nothing can be seen.
    model.fail(Plan {
        fault: Fault::Refused(503),
        first: 0,
        count: usize::MAX,
        changes_only: false,
    });
    let outcome = restore(&model, "S");
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
}

#[test]
fn trash_is_listed_to_its_last_page_and_nothing_else() {
    let trashed = |id: &str| super::file(id, "f", ROOT, 1).replace("AVAILABLE", "TRASH");
    let service = Rc::new(service(vec![
        page(&[trashed("1"), super::file("2", "g", ROOT, 1)], Some("t")),
        Reply::json(400, r#"{"message":"Next token is expired"}"#),
        page(&[trashed("1"), trashed("3")], Some("u")),
        page(&[trashed("4")], None),
    ]));
    let ids = run(async {
        let mut listing = Listing::of_trash(Rc::clone(&service));
        let mut ids = Vec::new();
        while let Some(nodes) = listing.next_page().await? {
            ids.extend(nodes.into_iter().map(|node| node.id));
        }
        Ok::<_, Error>(ids)
    });
    assert_eq!(ids.unwrap(), ["1", "3", "4"]);
    let first = "GET https://m.example/drive/v1/trash?limit=200";
    service.platform.assert_requests(&[
        first,
        &format!("{first}&startToken=t"),
        first,
        &format!("{first}&startToken=u"),
    ]);
}

#[test]
fn empty_trash_is_no_missing_folder() {
    let service = Rc::new(service(vec![page(&[], None)]));
    let mut listing = Listing::of_trash(Rc::clone(&service));
    assert_eq!(run(listing.next_page()), Ok(Some(Vec::new())));
    assert_eq!(run(listing.next_page()), Ok(None));
}
