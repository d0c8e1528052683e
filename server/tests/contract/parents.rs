//! Section 13 of the reference: moving nodes, and nodes in several folders.

use std::slice;

use reqwest::Method;
use serde_json::json;

use crate::{
    drive::{Drive, id, send},
    shape::assert_node,
};

contract![
    move_replaces_one_parent,
    move_to_a_taken_name_is_refused,
    move_from_where_it_is_not_is_refused,
    move_of_unknown_nodes_is_not_found,
    move_with_half_a_body_is_refused,
    move_of_a_trashed_node_is_refused,
    node_is_added_to_a_folder_and_taken_out,
    adding_twice_changes_nothing,
    adding_to_a_taken_name_is_refused,
    last_parent_leaves_the_node_readable,
    trashed_nodes_are_added_taken_out_and_renamed,
    rclones_rename_over_a_conflict_works,
    trashing_removes_from_all_parents_and_restoring_brings_back,
    folder_is_never_below_itself,
    parents_must_be_folders_in_use,
    names_clash_in_each_parent,
];

const UNKNOWN: &str = "AAAAAAAAAAAAAAAAAAAAAA";

async fn two_folders(drive: &Drive, home: &str) -> (String, String) {
    (
        drive.folder("one", home).await,
        drive.folder("two", home).await,
    )
}

async fn move_replaces_one_parent(drive: &Drive, home: &str) {
    let (one, two) = two_folders(drive, home).await;
    let file = drive.file("a", &one, b"a").await;
    let moved = drive.relocate(&file, &one, &two).await.expect(200).json();
    assert_node(&moved);
    assert_eq!(id(&moved), file);
    assert_eq!(moved["parents"], json!([two]));
    assert_eq!(drive.node(&file).await, moved);
    assert!(drive.children(&one).await.is_empty());
    assert_eq!(drive.children(&two).await, ["a"]);
    // Its further parents stay.
    drive.add_parent(home, &file).await.expect(200);
    let moved = drive.relocate(&file, &two, &one).await.expect(200).json();
    let mut parents = [home, one.as_str()];
    parents.sort_unstable();
    let mut found: Vec<_> = moved["parents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p.as_str().unwrap())
        .collect();
    found.sort_unstable();
    assert_eq!(found, parents);
    // Folders move with all they hold.
    drive.relocate(&one, home, &two).await.expect(200);
    assert_eq!(drive.children(&two).await, ["one"]);
    assert_eq!(drive.children(&one).await, ["a"]);
}

async fn move_to_a_taken_name_is_refused(drive: &Drive, home: &str) {
    let (one, two) = two_folders(drive, home).await;
    let file = drive.file("Name", &one, b"a").await;
    let existing = drive.file("NAME", &two, b"b").await;
    let refused = drive.relocate(&file, &one, &two).await.refused(409);
    assert_eq!(refused["code"], "NAME_ALREADY_EXISTS");
    assert_eq!(refused["info"]["nodeId"], existing);
    let expected = format!(
        "Node with the name name already exists under parentId {two} conflicting NodeId: {existing}"
    );
    assert_eq!(refused["message"], expected);
    assert_eq!(drive.node(&file).await["parents"], json!([one]));
}

async fn move_from_where_it_is_not_is_refused(drive: &Drive, home: &str) {
    let (one, two) = two_folders(drive, home).await;
    let file = drive.file("a", home, b"a").await;
    assert!(!drive.relocate(&file, &one, &two).await.allowed());
    assert_eq!(drive.node(&file).await["parents"], json!([home]));
}

async fn move_of_unknown_nodes_is_not_found(drive: &Drive, home: &str) {
    let file = drive.file("a", home, b"a").await;
    drive.relocate(UNKNOWN, home, home).await.refused(404);
    drive.relocate(&file, home, UNKNOWN).await.refused(404);
    drive.add_parent(UNKNOWN, &file).await.refused(404);
    drive.add_parent(home, UNKNOWN).await.refused(404);
    drive.remove_parent(UNKNOWN, &file).await.refused(404);
    drive.remove_parent(home, UNKNOWN).await.refused(404);
    assert_eq!(drive.node(&file).await["parents"], json!([home]));
}

async fn move_with_half_a_body_is_refused(drive: &Drive, home: &str) {
    let (one, _) = two_folders(drive, home).await;
    let file = drive.file("a", home, b"a").await;
    for body in [
        String::new(),
        "{}".into(),
        "{".into(),
        "[]".into(),
        json!({"fromParent": home}).to_string(),
        json!({"childId": file}).to_string(),
        json!({"fromParent": 7, "childId": file}).to_string(),
    ] {
        let request = drive.metadata(Method::POST, &format!("nodes/{one}/children"));
        send(request.body(body)).await.refused(400);
    }
    assert_eq!(drive.node(&file).await["parents"], json!([home]));
}

async fn move_of_a_trashed_node_is_refused(drive: &Drive, home: &str) {
    let (one, two) = two_folders(drive, home).await;
    let file = drive.file("a", &one, b"a").await;
    drive.trash(&file).await.expect(200);
    let reply = drive.relocate(&file, &one, &two).await;
    let status = reply.status.as_u16();
    assert!(matches!(status, 400 | 409), "{status}");
    reply.refused(status);
    assert_eq!(drive.node(&file).await["parents"], json!([one]));
}

async fn node_is_added_to_a_folder_and_taken_out(drive: &Drive, home: &str) {
    let (one, two) = two_folders(drive, home).await;
    let file = drive.file("a", &one, b"a").await;
    let added = drive.add_parent(&two, &file).await.expect(200).json();
    assert_node(&added);
    assert_eq!(added["parents"].as_array().unwrap().len(), 2);
    assert_eq!(added["version"], 2);
    for folder in [&one, &two] {
        let listed = drive.all(&format!("nodes/{folder}/children"), &[]).await;
        assert_eq!(listed, slice::from_ref(&added));
        let found = drive
            .all("nodes", &[("filters", &format!("parents:{folder}"))])
            .await;
        assert_eq!(found, slice::from_ref(&added));
    }
    let removed = drive.remove_parent(&one, &file).await.expect(200).json();
    assert_node(&removed);
    assert_eq!(removed["parents"], json!([two]));
    assert!(drive.children(&one).await.is_empty());
    assert_eq!(drive.bytes(&file).await, b"a");
}

async fn adding_twice_changes_nothing(drive: &Drive, home: &str) {
    let file = drive.file("a", home, b"a").await;
    let before = drive.node(&file).await;
    let added = drive.add_parent(home, &file).await.expect(200).json();
    assert_eq!(added["parents"], before["parents"]);
    assert_eq!(drive.children(home).await, ["a"]);
}

async fn adding_to_a_taken_name_is_refused(drive: &Drive, home: &str) {
    let (one, two) = two_folders(drive, home).await;
    let file = drive.file("a", &one, b"a").await;
    let existing = drive.folder("A", &two).await;
    let refused = drive.add_parent(&two, &file).await.refused(409);
    assert_eq!(
        (refused["code"].as_str(), &refused["info"]["nodeId"]),
        (Some("NAME_ALREADY_EXISTS"), &json!(existing))
    );
    assert_eq!(drive.node(&file).await["parents"], json!([one]));
}

/// It goes to the root or it has none; which is not known.
async fn last_parent_leaves_the_node_readable(drive: &Drive, home: &str) {
    let root = id(&drive.root().await);
    let file = drive.file(&crate::drive::unique("last"), home, b"a").await;
    let removed = drive.remove_parent(home, &file).await.expect(200).json();
    assert!(
        removed["parents"] == json!([]) || removed["parents"] == json!([root]),
        "{removed}"
    );
    assert!(drive.children(home).await.is_empty());
    assert_eq!(drive.bytes(&file).await, b"a");
    assert_eq!(
        drive.add_parent(home, &file).await.expect(200).json()["status"],
        "AVAILABLE"
    );
    drive.trash(&file).await.expect(200);
}

async fn trashed_nodes_are_added_taken_out_and_renamed(drive: &Drive, home: &str) {
    let (one, two) = two_folders(drive, home).await;
    let file = drive.file("a", &one, b"a").await;
    drive.file("b", &two, b"b").await;
    drive.trash(&file).await.expect(200);
    drive.patch(&file, json!({"name": "b"})).await.expect(200);
    // No conflict in the trash.
    let added = drive.add_parent(&two, &file).await.expect(200).json();
    assert_eq!(
        (
            added["status"].as_str(),
            added["parents"].as_array().unwrap().len()
        ),
        (Some("TRASH"), 2)
    );
    let removed = drive.remove_parent(&one, &file).await.expect(200).json();
    assert_eq!(
        (removed["status"].as_str(), &removed["parents"]),
        (Some("TRASH"), &json!([two]))
    );
    assert_eq!(drive.children(&two).await, ["b"]);
    drive.restore(&file).await.refused(409);
}

/// Trash, rename, add, take out, restore: how rclone moves a file to another name elsewhere.
async fn rclones_rename_over_a_conflict_works(drive: &Drive, home: &str) {
    let (one, two) = two_folders(drive, home).await;
    let file = drive.file("a", &one, b"moved").await;
    drive.file("b", &one, b"in the way of a rename").await;
    drive.file("a", &two, b"in the way of a move").await;
    drive.trash(&file).await.expect(200);
    drive.patch(&file, json!({"name": "b"})).await.expect(200);
    drive.add_parent(&two, &file).await.expect(200);
    drive.remove_parent(&one, &file).await.expect(200);
    let restored = drive.restore(&file).await.expect(200).json();
    assert_eq!(restored["status"], "AVAILABLE");
    assert_eq!(drive.children(&one).await, ["b"]);
    assert_eq!(drive.children(&two).await, ["a", "b"]);
    assert_eq!(drive.bytes(&file).await, b"moved");
}

async fn trashing_removes_from_all_parents_and_restoring_brings_back(drive: &Drive, home: &str) {
    let (one, two) = two_folders(drive, home).await;
    let file = drive.file("a", &one, b"a").await;
    drive.add_parent(&two, &file).await.expect(200);
    drive.trash(&file).await.expect(200);
    assert!(drive.children(&one).await.is_empty());
    assert!(drive.children(&two).await.is_empty());
    let restored = drive.restore(&file).await.expect(200).json();
    assert_eq!(restored["parents"].as_array().unwrap().len(), 2);
    assert_eq!(drive.children(&one).await, ["a"]);
    assert_eq!(drive.children(&two).await, ["a"]);
    // A name taken under either parent is in the way.
    drive.trash(&file).await.expect(200);
    let taken = drive.file("A", &two, b"b").await;
    let refused = drive.restore(&file).await.refused(409);
    assert_eq!(
        (refused["code"].as_str(), &refused["info"]["nodeId"]),
        (Some("NAME_ALREADY_EXISTS"), &json!(taken))
    );
    assert_eq!(drive.node(&file).await["status"], "TRASH");
}

async fn folder_is_never_below_itself(drive: &Drive, home: &str) {
    let outer = drive.folder("outer", home).await;
    let middle = drive.folder("middle", &outer).await;
    let inner = drive.folder("inner", &middle).await;
    for below in [&outer, &middle, &inner] {
        assert!(!drive.relocate(&outer, home, below).await.allowed());
        assert!(!drive.add_parent(below, &outer).await.allowed());
        assert!(
            !drive
                .patch(&outer, json!({"parents": [below]}))
                .await
                .allowed()
        );
    }
    assert_eq!(drive.node(&outer).await["parents"], json!([home]));
    assert_eq!(drive.node(&outer).await["version"], 1);
}

async fn parents_must_be_folders_in_use(drive: &Drive, home: &str) {
    let (one, two) = two_folders(drive, home).await;
    let (file, other) = (
        drive.file("a", &one, b"a").await,
        drive.file("b", home, b"b").await,
    );
    assert!(!drive.add_parent(&other, &file).await.allowed());
    assert!(!drive.relocate(&file, &one, &other).await.allowed());
    drive.trash(&two).await.expect(200);
    assert_eq!(
        drive.add_parent(&two, &file).await.message(400),
        "A node cannot be added to trashed parent"
    );
    assert_eq!(
        drive.relocate(&file, &one, &two).await.message(400),
        "A node cannot be added to trashed parent"
    );
    assert_eq!(drive.node(&file).await["parents"], json!([one]));
}

async fn names_clash_in_each_parent(drive: &Drive, home: &str) {
    let (one, two) = two_folders(drive, home).await;
    let file = drive.file("a", &one, b"a").await;
    drive.add_parent(&two, &file).await.expect(200);
    for folder in [&one, &two] {
        let refused = drive.create_folder("A", folder).await.refused(409);
        assert_eq!(refused["info"]["nodeId"], file);
    }
    drive.remove_parent(&two, &file).await.expect(200);
    drive.create_folder("A", &two).await.expect(201);
}
