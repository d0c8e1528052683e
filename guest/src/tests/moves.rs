//! Moves and renames: whatever fails, and wherever the program dies, the node is at its old
//! place or its new one, and never in two, in none or in the trash.

use super::{
    ROOT,
    model::{Fault, Kept, Model, Plan},
    path,
};
use crate::{error::Error, lookup::Target, wire::Node};

/// `p/a`, the folder `q`, and `p/sub` with `p/sub/deep`.
fn drive() -> Model {
    Model::new(&[
        ("P", "p/", ROOT),
        ("Q", "q/", ROOT),
        ("N", "a", "P"),
        ("S", "sub/", "P"),
        ("D", "deep/", "S"),
    ])
}

fn try_move(model: &Model, from: &str, to: &str) -> Option<Result<Node, Error>> {
    let service = model.service();
    let (source, to) = (Target::Path(path(from)), path(to));
    model.run(service.move_node(&source, &to))
}

fn moved(model: &Model, from: &str, to: &str) -> Result<Node, Error> {
    try_move(model, from, to).unwrap()
}

fn mark(model: &Model) -> String {
    let labels = model.node("N").labels;
    labels
        .into_iter()
        .find(|it| it.starts_with("acd_move:"))
        .unwrap()
}

const STAY: &str = r#"Patch nodes/N {"labels":[]}"#;
const TO_Q: &str = r#"Post nodes/Q/children {"fromParent":"P","childId":"N"}"#;
const TO_P: &str = r#"Post nodes/P/children {"fromParent":"Q","childId":"N"}"#;

#[test]
fn rename_and_change_of_folder_are_one_request_each() {
    let model = drive();
    let node = moved(&model, "p/a", "p/b").unwrap();
    assert_eq!((node.id.as_str(), &node.name[..]), ("N", &b"b"[..]));
    assert_eq!(model.changes(), [r#"Patch nodes/N {"name":"b"}"#]);
    let node = moved(&model, "p/b", "q/b").unwrap();
    assert_eq!(node.parents, ["Q"]);
    assert_eq!(
        model.changes(),
        [r#"Post nodes/Q/children {"fromParent":"P","childId":"N"}"#]
    );
    // To where it is: nothing.
    moved(&model, "q/b", "q/b").unwrap();
    assert_eq!(model.changes(), [""; 0]);
}

#[test]
fn both_are_noted_with_the_node_from_the_first_request_to_the_last() {
    let model = drive();
    model.edit("N", |node| node.labels = vec!["mine".to_owned()]);
    model.fail_changes_from(2, 1, Fault::KilledBefore);
    assert!(try_move(&model, "p/a", "q/b").is_none());
    let mark = mark(&model);
    assert!(mark.starts_with("acd_move:P:Q:"), "{mark}");
    assert_eq!(model.node("N").labels, ["mine", mark.as_str()]);
    model.heal();
    let node = moved(&model, "p/a", "q/b").unwrap();
    assert_eq!(
        (&node.name[..], node.parents),
        (&b"b"[..], vec!["Q".to_owned()])
    );
    assert_eq!(
        model.changes(),
        [
            format!(r#"Patch nodes/N {{"name":"b","labels":["mine","{mark}"]}}"#).as_str(),
            TO_Q,
            r#"Patch nodes/N {"labels":["mine"]}"#,
            // That one was not done; the second run asks for it, and nothing else.
            r#"Patch nodes/N {"labels":["mine"]}"#,
        ]
    );
}

#[test]
fn order_is_that_in_which_nothing_is_in_the_way() {
    // The old folder has the new name: it is changed last.
    let model = drive();
    model
        .drive
        .borrow_mut()
        .nodes
        .insert("X".to_owned(), file("b", "P"));
    moved(&model, "p/a", "q/b").unwrap();
    let changes = model.changes();
    assert!(
        changes[0].starts_with(r#"Patch nodes/N {"labels":["acd_move:"#),
        "{changes:?}"
    );
    assert_eq!(
        changes[1..],
        [TO_Q, r#"Patch nodes/N {"name":"b","labels":[]}"#]
    );

    // And the new folder has the old name: a name of its own for the time between.
    let model = drive();
    model
        .drive
        .borrow_mut()
        .nodes
        .insert("X".to_owned(), file("b", "P"));
    model
        .drive
        .borrow_mut()
        .nodes
        .insert("Y".to_owned(), file("a", "Q"));
    moved(&model, "p/a", "q/b").unwrap();
    let changes = model.changes();
    assert!(
        changes[0].starts_with(r#"Patch nodes/N {"name":".acd-move-"#),
        "{changes:?}"
    );
    assert_eq!(
        changes[1..],
        [TO_Q, r#"Patch nodes/N {"name":"b","labels":[]}"#]
    );
    assert_eq!(
        (model.node("X"), model.node("Y")),
        (file("b", "P"), file("a", "Q"))
    );
}

#[test]
fn names_in_the_way_that_only_the_service_sees_change_the_order_as_well() {
    // In another case no lookup finds them.
    let model = drive();
    model
        .drive
        .borrow_mut()
        .nodes
        .insert("X".to_owned(), file("B", "P"));
    model
        .drive
        .borrow_mut()
        .nodes
        .insert("Y".to_owned(), file("A", "Q"));
    moved(&model, "p/a", "q/b").unwrap();
    assert_at(&model, "Q", "b");
    let asked = model.changes();
    assert!(asked[0].contains(r#""name":"b""#), "{asked:?}");
    assert!(asked[1].contains(r#"{"labels""#), "{asked:?}");
    assert_eq!(asked[2], TO_Q);
    assert!(asked[3].contains(r#""name":".acd-move-"#), "{asked:?}");
}

#[test]
fn name_that_is_taken_is_told_before_anything_is_changed() {
    for (to, place) in [("q/b", "Q"), ("p/b", "P")] {
        let model = drive();
        model
            .drive
            .borrow_mut()
            .nodes
            .insert("X".to_owned(), file("b", place));
        let outcome = moved(&model, "p/a", to);
        let Err(Error::NameConflict { existing, detail }) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(existing.as_deref(), Some("X"));
        assert_eq!(detail.message, format!("the name is taken: {to}"));
        assert_eq!(model.changes(), [""; 0]);
    }
    // Where only the service sees it, all is taken back.
    let model = drive();
    model
        .drive
        .borrow_mut()
        .nodes
        .insert("X".to_owned(), file("B", "Q"));
    let outcome = moved(&model, "p/a", "q/b");
    let Err(Error::NameConflict { existing, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(existing.as_deref(), Some("X"));
    assert_eq!(model.node("N"), file("a", "P"));
}

#[test]
fn node_does_not_conflict_with_itself() {
    let model = drive();
    assert_eq!(moved(&model, "p/a", "p/A").unwrap().name, b"A");
    assert_eq!(model.changes(), [r#"Patch nodes/N {"name":"A"}"#]);
    moved(&model, "p/A", "q/a").unwrap();
    assert_at(&model, "Q", "a");
}

#[test]
fn what_the_index_says_of_a_name_is_checked() {
    // It was moved away, and a listing has it still.
    let model = drive();
    model
        .drive
        .borrow_mut()
        .nodes
        .insert("X".to_owned(), file("b", ROOT));
    model
        .drive
        .borrow_mut()
        .stale
        .push(("Q".to_owned(), "X".to_owned()));
    moved(&model, "p/a", "q/b").unwrap();
    assert_at(&model, "Q", "b");
    // The source as well: the node it shows is elsewhere, and stays there.
    model
        .drive
        .borrow_mut()
        .stale
        .push(("P".to_owned(), "N".to_owned()));
    let outcome = moved(&model, "p/b", "p/c");
    assert!(matches!(outcome, Err(Error::NotFound(_))), "{outcome:?}");
    assert_at(&model, "Q", "b");
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_changed() {
    let model = drive();
    for (from, to) in [
        ("p", "p/x"),
        ("p", "p/sub/deep/p"),
        ("p/sub", "p/sub/deep/x"),
        ("p/a", ""),
    ] {
        let outcome = moved(&model, from, to);
        assert!(
            matches!(outcome, Err(Error::InvalidArgument(_))),
            "{from} {to} {outcome:?}"
        );
    }
    let outcome = moved(&model, "", "q/root");
    assert!(matches!(outcome, Err(Error::Forbidden(_))), "{outcome:?}");
    for (from, to) in [
        ("p/a", "nowhere/a"),
        ("p/x", "q/x"),
        ("p/x", "q/y"),
        ("nowhere/x", "q/x"),
    ] {
        let outcome = moved(&model, from, to);
        assert!(
            matches!(outcome, Err(Error::NotFound(_))),
            "{from} {to} {outcome:?}"
        );
    }
    let outcome = moved(&model, "p/sub", "p/a/sub");
    assert!(matches!(outcome, Err(Error::NotAFolder(_))), "{outcome:?}");
    assert_eq!(model.changes(), [""; 0]);
    // A folder beside one that begins like it is not below it.
    moved(&model, "p/sub", "q/sub2").unwrap();
    assert_eq!(model.node("S").parents, ["Q"]);
}

#[test]
fn node_in_several_folders_leaves_the_one_it_is_named_by() {
    let model = drive();
    model.edit("N", |node| {
        node.parents = vec!["S".to_owned(), "P".to_owned()];
    });
    let by_id = |to: &str| {
        let service = model.service();
        let (source, to) = (Target::Id("N".to_owned()), path(to));
        model.run(service.move_node(&source, &to)).unwrap()
    };
    for to in ["q/a", "p/b"] {
        let outcome = by_id(to);
        assert!(
            matches!(outcome, Err(Error::InvalidArgument(_))),
            "{to} {outcome:?}"
        );
    }
    for to in ["q/b", "p/b"] {
        let outcome = moved(&model, "p/a", to);
        assert!(
            matches!(outcome, Err(Error::InvalidArgument(_))),
            "{to} {outcome:?}"
        );
    }
    assert_eq!(by_id("p/a").unwrap().id, "N");
    assert_eq!(model.changes(), [""; 0]);
    moved(&model, "p/a", "q/a").unwrap();
    assert_eq!(model.node("N").parents, ["S", "Q"]);
    assert_eq!(model.changes(), [TO_Q]);
}

#[test]
fn node_by_its_id_goes_from_wherever_it_is() {
    let model = drive();
    for end in 0..4 {
        let service = model.service();
        model.fail_changes_from(end, 1, Fault::KilledAfter);
        let (source, to) = (Target::Id("N".to_owned()), path("q/b"));
        let first = model.run(service.move_node(&source, &to));
        model.heal();
        if first.is_none() {
            let service = model.service();
            model.run(service.move_node(&source, &to)).unwrap().unwrap();
        }
        assert_at(&model, "Q", "b");
        moved(&model, "q/b", "p/a").unwrap();
    }
}

#[test]
fn labels_of_others_stay_and_leave_no_room_for_an_eleventh() {
    let model = drive();
    let ten: Vec<_> = (0..10).map(|number| format!("l{number}")).collect();
    model.edit("N", |node| node.labels.clone_from(&ten));
    let outcome = moved(&model, "p/a", "q/b");
    assert!(
        matches!(outcome, Err(Error::InvalidArgument(_))),
        "{outcome:?}"
    );
    assert_eq!(model.changes(), [""; 0]);
    moved(&model, "p/a", "p/b").unwrap();
    moved(&model, "p/b", "q/b").unwrap();
    assert_eq!(model.node("N").labels, ten);
}

#[test]
fn step_that_finally_fails_takes_back_those_before_it() {
    // The change of folder is refused for good, and the rest works.
    let model = drive();
    model
        .drive
        .borrow_mut()
        .nodes
        .insert("X".to_owned(), file("b", "P"));
    for fault in [
        Fault::Refused(403),
        Fault::Refused(500),
        Fault::Refused(429),
    ] {
        let sends = if fault == Fault::Refused(403) { 1 } else { 4 };
        model.fail_changes_from(1, sends, fault);
        let outcome = moved(&model, "p/a", "q/b");
        assert!(outcome.is_err(), "{fault:?} {outcome:?}");
        assert_eq!(model.node("N"), file("a", "P"), "{fault:?}");
        let changes = model.changes();
        assert_eq!(changes.len(), 2 + sends, "{changes:?}");
        assert_eq!(changes[1 + sends], STAY);
    }
    // The last step is, and the node goes back to its folder first.
    model.fail_changes_from(2, 1, Fault::Refused(403));
    let outcome = moved(&model, "p/a", "q/b");
    assert!(matches!(outcome, Err(Error::Forbidden(_))), "{outcome:?}");
    assert_eq!(model.node("N"), file("a", "P"));
    assert_eq!(model.changes()[3..], [TO_P, STAY]);
}

#[test]
fn node_that_cannot_be_put_back_is_told_of() {
    let model = drive();
    model.fail_changes_from(1, usize::MAX, Fault::Refused(403));
    let outcome = moved(&model, "p/a", "q/b");
    let Err(Error::Forbidden(detail)) = outcome else {
        panic!("{outcome:?}");
    };
    let expected = "; it could not be put back, and is now b in the source's folder P (node N): \
                    the same move again goes on from there";
    assert!(detail.message.ends_with(expected), "{}", detail.message);
    model.heal();
    moved(&model, "p/a", "q/b").unwrap();
    assert_at(&model, "Q", "b");

    // Where nothing answers any more, nothing is claimed.
    let model = drive();
    model.fail(Plan {
        fault: Fault::Refused(503),
        first: 7,
        count: usize::MAX,
        changes_only: false,
    });
    let outcome = moved(&model, "p/a", "q/b");
    let Err(Error::Unavailable(detail)) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(
        detail.message.contains("the same move again finds out"),
        "{}",
        detail.message
    );
}

#[test]
fn label_that_cannot_be_removed_is_no_failure() {
    let model = drive();
    model.fail_changes_from(2, usize::MAX, Fault::Refused(403));
    let node = moved(&model, "p/a", "q/b").unwrap();
    assert_eq!(
        (&node.name[..], &node.parents[..]),
        (&b"b"[..], &["Q".to_owned()][..])
    );
    assert!(model.log.borrow()[0].contains("a label is left on"));
    model.heal();
    // The next move takes it off.
    moved(&model, "q/b", "q/c").unwrap();
    assert_eq!(model.node("N"), file("c", "Q"));
}

#[test]
fn other_moves_are_not_gone_on_with() {
    // Of `p/c` to `q/b`, cut off: not what was to become of `p/a`.
    let model = drive();
    model.edit("N", |node| node.name = "c".to_owned());
    model.fail_changes_from(1, 1, Fault::KilledBefore);
    assert!(try_move(&model, "p/c", "q/b").is_none());
    model.heal();
    let outcome = moved(&model, "p/a", "q/b");
    assert!(matches!(outcome, Err(Error::NotFound(_))), "{outcome:?}");
    let half = model.node("N");
    assert_eq!(
        (half.name.as_str(), &half.parents[..]),
        ("b", &["P".to_owned()][..])
    );
    moved(&model, "p/c", "q/b").unwrap();
    assert_at(&model, "Q", "b");
    // A file that happens to be where a half moved one would be is none.
    let outcome = moved(&model, "p/a", "q/b");
    assert!(matches!(outcome, Err(Error::NotFound(_))), "{outcome:?}");
}

#[test]
fn half_moved_node_whose_name_was_taken_meanwhile_goes_back() {
    let model = drive();
    model.fail_changes_from(1, 1, Fault::KilledBefore);
    assert!(try_move(&model, "p/a", "q/b").is_none());
    model.heal();
    model
        .drive
        .borrow_mut()
        .nodes
        .insert("X".to_owned(), file("b", "Q"));
    let outcome = moved(&model, "p/a", "q/b");
    assert!(
        matches!(outcome, Err(Error::NameConflict { .. })),
        "{outcome:?}"
    );
    assert_eq!(model.node("N"), file("a", "P"));
}

/// Ids, names and parents of files.
type Others<'a> = &'a [(&'a str, &'a str, &'a str)];

/// Scenes of a move of `p/a`: its goal, and what else is there.
const SCENES: [(&str, Others<'_>); 5] = [
    ("p/b", &[]),
    ("q/a", &[]),
    ("q/b", &[]),
    ("q/b", &[("X", "b", "P")]),
    ("q/b", &[("X", "b", "P"), ("Y", "a", "Q")]),
];

#[test]
fn whatever_one_request_comes_to_the_node_is_at_its_new_place() {
    let faults = [
        Fault::Refused(500),
        Fault::Refused(429),
        Fault::Refused(504),
        Fault::Unclear(500),
        Fault::Unclear(504),
        Fault::Lost,
    ];
    for_each_request(&faults, 1, |model, to, outcome, case| {
        outcome
            .unwrap()
            .unwrap_or_else(|error| panic!("{case}: {error:?}"));
        assert_done(model, to, case);
    });
}

#[test]
fn whatever_fails_for_good_the_node_is_at_its_old_place_or_its_new_one() {
    let check = |model: &Model, to: &str, outcome: Option<Result<Node, Error>>, case: &str| {
        match outcome.unwrap() {
            // A label may be left on it, and is taken off by the second run.
            Ok(_) => {
                let labels = model.node("N").labels;
                model.edit("N", |node| node.labels.clear());
                assert_done(model, to, case);
                model.edit("N", |node| node.labels = labels);
            }
            Err(_) => assert_eq!(model.node("N"), file("a", "P"), "{case}"),
        }
        again(model, to, case);
    };
    for_each_request(&[Fault::Refused(403)], 1, check);
    // All sends of one request.
    let faults = [Fault::Refused(500), Fault::Unclear(504), Fault::Lost];
    for_each_request(&faults, 4, check);
}

#[test]
fn wherever_the_service_goes_away_a_second_run_ends_the_move() {
    let faults = [Fault::Refused(503), Fault::Unclear(500), Fault::Lost];
    for_each_request(&faults, usize::MAX, |model, to, outcome, case| {
        assert!(
            outcome.unwrap().is_err() || model.node("N") != file("a", "P"),
            "{case}"
        );
        assert!(
            !model.node("N").trashed && model.node("N").parents.len() == 1,
            "{case}"
        );
        assert!(
            ["P", "Q"].contains(&model.node("N").parents[0].as_str()),
            "{case}"
        );
        again(model, to, case);
    });
}

#[test]
fn wherever_the_program_dies_a_second_run_ends_the_move() {
    for_each_request(
        &[Fault::KilledBefore, Fault::KilledAfter],
        1,
        |model, to, _, case| {
            again(model, to, case);
        },
    );
}

#[test]
fn program_that_dies_in_every_run_comes_to_an_end() {
    for (to, others) in SCENES {
        let model = scene(others);
        for _ in 0..20 {
            // Two changes come through in each: of a sequence, the next ones.
            model.fail_changes_from(1, 1, Fault::KilledAfter);
            if try_move(&model, "p/a", to).is_some() {
                break;
            }
        }
        assert_done(&model, to, to);
    }
}

/// Runs the same move with its k-th request and `count - 1` more failing, for every k until
/// none fails any more.
fn for_each_request(
    faults: &[Fault],
    count: usize,
    check: impl Fn(&Model, &str, Option<Result<Node, Error>>, &str),
) {
    for (to, others) in SCENES {
        for &fault in faults {
            for first in 0.. {
                let model = scene(others);
                model.fail(Plan {
                    fault,
                    first,
                    count,
                    changes_only: false,
                });
                let outcome = try_move(&model, "p/a", to);
                let asked = model.drive.borrow().requests;
                model.heal();
                let case = format!("{to} beside {others:?}, {fault:?} from request {first}");
                check(&model, to, outcome, &case);
                for (id, name, parent) in others {
                    assert_eq!(model.node(id), file(name, parent), "{case}");
                }
                if asked <= first {
                    assert!(first > 4, "{case}: too few requests to be a move");
                    break;
                }
            }
        }
    }
}

fn scene(others: Others<'_>) -> Model {
    let model = drive();
    for (id, name, parent) in others {
        model
            .drive
            .borrow_mut()
            .nodes
            .insert((*id).to_owned(), file(name, parent));
    }
    model
}

/// A second run: it ends the move, unless the first did to the last request.
fn again(model: &Model, to: &str, case: &str) {
    let done = is_done(model, to);
    match moved(model, "p/a", to) {
        Ok(_) => {}
        Err(Error::NotFound(_)) if done => {}
        Err(error) => panic!("{case}: {error:?}"),
    }
    assert_done(model, to, case);
}

fn is_done(model: &Model, to: &str) -> bool {
    let (folder, name) = to.split_once('/').unwrap();
    model.node("N") == file(name, &folder.to_uppercase())
}

fn assert_done(model: &Model, to: &str, case: &str) {
    assert!(is_done(model, to), "{case}: {:?}", model.node("N"));
}

fn assert_at(model: &Model, parent: &str, name: &str) {
    assert_eq!(model.node("N"), file(name, parent));
}

fn file(name: &str, parent: &str) -> Kept {
    Kept {
        name: name.to_owned(),
        folder: false,
        parents: vec![parent.to_owned()],
        labels: Vec::new(),
        trashed: false,
    }
}
