//! Section 15 of the reference: the trash.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    drive::{Drive, id, ids},
    shape::{assert_node, assert_page},
};

contract![
    trashed_file_is_a_node_with_status_trash,
    folder_takes_its_contents_along,
    trash_lists_only_what_was_trashed_itself,
    trash_comes_in_pages,
    restored_folder_brings_its_contents_back,
    what_was_trashed_before_stays_in_the_trash,
    restore_meets_the_name_that_was_taken,
    equal_names_lie_in_the_trash_together,
    trashing_twice_is_clean,
    restoring_what_is_not_in_the_trash_is_clean,
    root_is_never_trashed,
    purging_is_refused_with_the_services_words,
    unknown_nodes_are_not_found,
    restoring_below_a_trashed_parent_is_clean,
    trash_add_is_no_operation,
];

async fn in_trash(drive: &Drive, id: &str) -> bool {
    let trashed = drive.all("trash", &[]).await;
    trashed.iter().for_each(assert_node);
    ids(&trashed).iter().any(|other| other == id)
}

async fn trashed_file_is_a_node_with_status_trash(drive: &Drive, home: &str) {
    let made = drive.upload("a.txt", home, b"a").await.expect(201).json();
    let trashed = drive.trash(&id(&made)).await.expect(200).json();
    assert_node(&trashed);
    assert_eq!(
        (&trashed["id"], &trashed["name"], &trashed["parents"]),
        (&made["id"], &made["name"], &made["parents"])
    );
    assert_eq!(trashed["status"], "TRASH");
    assert_ne!(trashed["recursivelyTrashed"], true);
    assert!(
        trashed["version"].as_u64() > made["version"].as_u64(),
        "{trashed}"
    );
    assert_eq!(drive.node(&id(&made)).await, trashed);
    assert!(in_trash(drive, &id(&made)).await);
    let restored = drive.restore(&id(&made)).await.expect(200).json();
    assert_node(&restored);
    assert_eq!(restored["status"], "AVAILABLE");
    assert_ne!(restored["exclusivelyTrashed"], true);
    assert!(!in_trash(drive, &id(&made)).await);
    assert_eq!(drive.children(home).await, ["a.txt"]);
}

/// A folder `outer` with a folder `inner` in it, that has a file: their ids.
async fn nested(drive: &Drive, home: &str) -> [String; 3] {
    let outer = drive.folder("outer", home).await;
    let inner = drive.folder("inner", &outer).await;
    let file = drive.file("file", &inner, b"a").await;
    [outer, inner, file]
}

async fn folder_takes_its_contents_along(drive: &Drive, home: &str) {
    let [outer, inner, file] = nested(drive, home).await;
    drive.trash(&outer).await.expect(200);
    for node in [&inner, &file] {
        let node = drive.node(node).await;
        assert_eq!(
            (node["status"].as_str(), &node["recursivelyTrashed"]),
            (Some("TRASH"), &json!(true))
        );
    }
    let found = drive.all("nodes", &[("filters", "kind:FILE")]).await;
    assert!(!ids(&found).contains(&file));
    for folder in [&outer, &inner] {
        let listed = drive.get(&format!("nodes/{folder}/children")).await;
        if listed.status.is_success() {
            let listed = listed.json();
            let available = |node: &Value| node["status"] == "AVAILABLE";
            assert!(
                !listed["data"].as_array().unwrap().iter().any(available),
                "{listed}"
            );
        } else {
            assert!(!listed.allowed());
        }
    }
}

async fn trash_lists_only_what_was_trashed_itself(drive: &Drive, home: &str) {
    let [outer, inner, file] = nested(drive, home).await;
    drive.trash(&outer).await.expect(200);
    assert!(in_trash(drive, &outer).await);
    assert!(!in_trash(drive, &inner).await);
    assert!(!in_trash(drive, &file).await);
}

async fn trash_comes_in_pages(drive: &Drive, home: &str) {
    let mut expected = Vec::new();
    for number in 0..5 {
        let node = drive.file(&format!("f{number}"), home, b"a").await;
        drive.trash(&node).await.expect(200);
        expected.push(node);
    }
    let page = drive
        .list("trash", &[("limit", "2")])
        .await
        .expect(200)
        .json();
    assert_page(&page);
    assert_eq!(page["data"].as_array().unwrap().len(), 2);
    assert!(page["count"].as_u64().unwrap() >= 5);
    let token = page["nextToken"].as_str().unwrap();
    assert_page(
        &drive
            .list("trash", &[("startToken", token)])
            .await
            .expect(200)
            .json(),
    );
    let found = ids(&drive.all("trash", &[("limit", "2")]).await);
    for node in expected {
        assert_eq!(found.iter().filter(|other| **other == node).count(), 1);
    }
}

async fn restored_folder_brings_its_contents_back(drive: &Drive, home: &str) {
    let [outer, inner, file] = nested(drive, home).await;
    drive.trash(&outer).await.expect(200);
    drive.restore(&outer).await.expect(200);
    for node in [&outer, &inner, &file] {
        let node = drive.node(node).await;
        assert_eq!(node["status"], "AVAILABLE");
        assert_ne!(node["recursivelyTrashed"], true);
    }
    assert_eq!(drive.children(&inner).await, ["file"]);
    assert_eq!(drive.bytes(&file).await, b"a");
}

async fn what_was_trashed_before_stays_in_the_trash(drive: &Drive, home: &str) {
    let [outer, inner, file] = nested(drive, home).await;
    drive.trash(&file).await.expect(200);
    drive.trash(&outer).await.expect(200);
    drive.restore(&outer).await.expect(200);
    assert_eq!(drive.node(&file).await["status"], "TRASH");
    assert!(drive.children(&inner).await.is_empty());
    assert!(in_trash(drive, &file).await);
    drive.restore(&file).await.expect(200);
    assert_eq!(drive.children(&inner).await, ["file"]);
}

async fn restore_meets_the_name_that_was_taken(drive: &Drive, home: &str) {
    let file = drive.file("Name", home, b"old").await;
    drive.trash(&file).await.expect(200);
    let taken = drive.file("NAME", home, b"new").await;
    let refused = drive.restore(&file).await.refused(409);
    assert_eq!(refused["code"], "NAME_ALREADY_EXISTS");
    assert_eq!(refused["info"]["nodeId"], taken);
    let expected = format!(
        "Node with the name name already exists under parentId {home} conflicting NodeId: {taken}"
    );
    assert_eq!(refused["message"], expected);
    assert_eq!(drive.node(&file).await["status"], "TRASH");
    drive
        .patch(&file, json!({"name": "other"}))
        .await
        .expect(200);
    drive.restore(&file).await.expect(200);
    assert_eq!(drive.children(home).await, ["NAME", "other"]);
}

async fn equal_names_lie_in_the_trash_together(drive: &Drive, home: &str) {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let node = drive.file("a", home, b"a").await;
        drive.trash(&node).await.expect(200);
        nodes.push(node);
    }
    for node in &nodes {
        assert!(in_trash(drive, node).await);
    }
    drive.restore(&nodes[1]).await.expect(200);
    drive.restore(&nodes[0]).await.refused(409);
}

async fn trashing_twice_is_clean(drive: &Drive, home: &str) {
    let file = drive.file("a", home, b"a").await;
    drive.trash(&file).await.expect(200);
    drive.trash(&file).await.allowed();
    assert_eq!(drive.node(&file).await["status"], "TRASH");
    drive.restore(&file).await.expect(200);
    assert_eq!(drive.node(&file).await["status"], "AVAILABLE");
}

async fn restoring_what_is_not_in_the_trash_is_clean(drive: &Drive, home: &str) {
    let file = drive.file("a", home, b"a").await;
    drive.restore(&file).await.allowed();
    assert_eq!(drive.node(&file).await["status"], "AVAILABLE");
}

async fn root_is_never_trashed(drive: &Drive, _home: &str) {
    let root = id(&drive.root().await);
    drive.trash(&root).await.refused(403);
    assert_eq!(drive.node(&root).await["status"], "AVAILABLE");
}

async fn purging_is_refused_with_the_services_words(drive: &Drive, home: &str) {
    let file = drive.file("a", home, b"a").await;
    let purge = async |id: &str| {
        drive
            .call(Method::DELETE, &format!("nodes/{id}"), None)
            .await
    };
    let expected = "Insufficient permissions granted for operation: purgeNode";
    assert_eq!(purge(&file).await.message(403), expected);
    drive.trash(&file).await.expect(200);
    assert_eq!(purge(&file).await.message(403), expected);
    assert_eq!(drive.bytes(&file).await, b"a");
}

async fn unknown_nodes_are_not_found(drive: &Drive, _home: &str) {
    drive.trash("AAAAAAAAAAAAAAAAAAAAAA").await.refused(404);
    drive.restore("AAAAAAAAAAAAAAAAAAAAAA").await.refused(404);
}

/// What comes of it is not known; the node is in the trash afterwards or out of it.
async fn restoring_below_a_trashed_parent_is_clean(drive: &Drive, home: &str) {
    let [outer, inner, file] = nested(drive, home).await;
    drive.trash(&file).await.expect(200);
    drive.trash(&outer).await.expect(200);
    for node in [&file, &inner] {
        let restored = drive.restore(node).await.allowed();
        let expected = if restored { "AVAILABLE" } else { "TRASH" };
        assert_eq!(drive.node(node).await["status"], expected);
    }
    assert_eq!(drive.node(&outer).await["status"], "TRASH");
}

/// Written by one client and never seen to work.
async fn trash_add_is_no_operation(drive: &Drive, home: &str) {
    let file = drive.file("a", home, b"a").await;
    let reply = drive
        .call(Method::PUT, &format!("trash/add/{file}"), None)
        .await;
    assert!(
        matches!(reply.status.as_u16(), 404 | 405),
        "{}",
        reply.status
    );
    assert_eq!(drive.node(&file).await["status"], "AVAILABLE");
}
