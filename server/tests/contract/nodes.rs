//! Sections 5, 7.1 and 8 of the reference: what a node is, reading one, creating folders.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    drive::{Drive, id, ids, unique},
    shape::assert_node,
};

contract![
    root_is_one_folder_without_name_and_parents,
    root_refuses_to_be_changed,
    new_folder_is_a_whole_node,
    new_file_is_a_whole_node,
    folder_takes_labels_and_description,
    folder_without_parents_comes_below_the_root,
    folder_with_two_parents_is_in_both,
    taken_name_names_the_node_that_has_it,
    names_of_files_and_folders_clash,
    unknown_parent_is_not_found,
    trashed_parent_is_refused,
    file_is_no_parent,
    half_a_folder_is_refused,
    files_are_not_made_of_metadata,
    node_is_read_as_it_was_made,
    unknown_node_is_not_found,
    reads_take_the_parameters_clients_send,
    reading_follows_a_change_at_once,
    odd_json_values_are_refused,
];

const UNKNOWN: &str = "AAAAAAAAAAAAAAAAAAAAAA";

async fn root_is_one_folder_without_name_and_parents(drive: &Drive, home: &str) {
    let root = drive.root().await;
    assert_node(&root);
    assert_eq!(
        (root["kind"].as_str(), root["isRoot"].as_bool()),
        (Some("FOLDER"), Some(true))
    );
    assert_eq!(root["status"], "AVAILABLE");
    assert!(root.get("name").is_none(), "{root}");
    assert_eq!(root["parents"], json!([]));
    assert_eq!(drive.node(home).await["parents"], json!([id(&root)]));
    assert_eq!(drive.node(&id(&root)).await["isRoot"], true);
}

async fn root_refuses_to_be_changed(drive: &Drive, home: &str) {
    let root = id(&drive.root().await);
    drive
        .patch(&root, json!({"name": "Cloud Drive"}))
        .await
        .refused(403);
    drive.trash(&root).await.refused(403);
    drive
        .call(Method::DELETE, &format!("nodes/{root}"), None)
        .await
        .refused(403);
    for reply in [
        drive.add_parent(home, &root).await,
        drive.relocate(&root, &root, home).await,
    ] {
        assert!(!reply.allowed());
    }
    let after = drive.node(&root).await;
    assert_eq!((&after["parents"], after.get("name")), (&json!([]), None));
    assert_eq!(after["status"], "AVAILABLE");
}

async fn new_folder_is_a_whole_node(drive: &Drive, home: &str) {
    let made = drive
        .create_folder("Pictures", home)
        .await
        .expect(201)
        .json();
    assert_node(&made);
    assert_eq!(made["name"], "Pictures");
    assert_eq!(made["kind"], "FOLDER");
    assert_eq!(made["status"], "AVAILABLE");
    assert_eq!(made["version"], 1);
    assert_eq!(made["labels"], json!([]));
    assert_eq!(made["parents"], json!([home]));
    assert_eq!(
        (&made["restricted"], &made["isShared"]),
        (&json!(false), &json!(false))
    );
    for absent in [
        "isRoot",
        "exclusivelyTrashed",
        "recursivelyTrashed",
        "tempLink",
        "assets",
    ] {
        assert!(
            made.get(absent).is_none_or(|value| *value == false),
            "{absent}: {made}"
        );
    }
}

async fn new_file_is_a_whole_node(drive: &Drive, home: &str) {
    let made = drive
        .upload("IMG_0042.JPG", home, b"hello world")
        .await
        .expect(201)
        .json();
    assert_node(&made);
    assert_eq!(
        (made["kind"].as_str(), made["version"].as_u64()),
        (Some("FILE"), Some(1))
    );
    let content = &made["contentProperties"];
    assert_eq!(
        (&content["version"], &content["size"]),
        (&json!(1), &json!(11))
    );
    assert_eq!(content["md5"], "5eb63bbbe01eeed093cb22bb8f5acdc3");
    // Without its dot; in which case is not known.
    assert!(
        content["extension"]
            .as_str()
            .unwrap()
            .eq_ignore_ascii_case("jpg"),
        "{content}"
    );
}

async fn folder_takes_labels_and_description(drive: &Drive, home: &str) {
    let body = json!({"name": "a", "kind": "FOLDER", "parents": [home], "labels": ["x", "y z"], "description": "words"});
    let made = drive
        .call(Method::POST, "nodes", Some(body))
        .await
        .expect(201)
        .json();
    for node in [&made, &drive.node(&id(&made)).await] {
        assert_eq!(node["labels"], json!(["x", "y z"]));
        assert_eq!(node["description"], "words");
    }
}

async fn folder_without_parents_comes_below_the_root(drive: &Drive, _home: &str) {
    let root = id(&drive.root().await);
    for parents in [None, Some(json!([]))] {
        let mut body = json!({"name": unique("contract"), "kind": "FOLDER"});
        if let Some(parents) = parents {
            body["parents"] = parents;
        }
        let made = drive
            .call(Method::POST, "nodes", Some(body))
            .await
            .expect(201)
            .json();
        assert_eq!(made["parents"], json!([root]));
        drive.trash(&id(&made)).await.expect(200);
    }
}

async fn folder_with_two_parents_is_in_both(drive: &Drive, home: &str) {
    let (one, two) = (
        drive.folder("one", home).await,
        drive.folder("two", home).await,
    );
    let body = json!({"name": "a", "kind": "FOLDER", "parents": [one, two]});
    let made = drive
        .call(Method::POST, "nodes", Some(body))
        .await
        .expect(201)
        .json();
    assert_eq!(made["parents"].as_array().unwrap().len(), 2);
    assert_eq!(drive.children(&one).await, ["a"]);
    assert_eq!(drive.children(&two).await, ["a"]);
}

async fn taken_name_names_the_node_that_has_it(drive: &Drive, home: &str) {
    let existing = drive.folder("My Föto (1)", home).await;
    for name in ["My Föto (1)", "MY FÖTO (1)"] {
        let refused = drive.create_folder(name, home).await.refused(409);
        assert_eq!(refused["code"], "NAME_ALREADY_EXISTS");
        assert_eq!(refused["info"]["nodeId"], existing);
        let expected = format!(
            "Node with the name my föto (1) already exists under parentId {home} conflicting NodeId: {existing}"
        );
        assert_eq!(refused["message"], expected);
        assert!(refused["logref"].is_string(), "{refused}");
    }
    assert_eq!(drive.children(home).await, ["My Föto (1)"]);
}

async fn names_of_files_and_folders_clash(drive: &Drive, home: &str) {
    let folder = drive.folder("a", home).await;
    let refused = drive.upload("A", home, b"a").await.refused(409);
    assert_eq!(refused["info"]["nodeId"], folder);
    let file = drive.file("b", home, b"b").await;
    let refused = drive.create_folder("B", home).await.refused(409);
    assert_eq!(refused["info"]["nodeId"], file);
    // Elsewhere the names are free.
    drive.create_folder("b", &folder).await.expect(201);
}

async fn unknown_parent_is_not_found(drive: &Drive, home: &str) {
    for parent in [UNKNOWN, "x", "", "../..", "-_-_-_-_-_-_-_-_-_-_-Q"] {
        let refused = drive.create_folder("a", parent).await;
        assert!(!refused.allowed(), "{parent}");
    }
    drive.create_folder("a", UNKNOWN).await.refused(404);
    let body = json!({"name": "a", "kind": "FOLDER", "parents": [home, UNKNOWN]});
    drive
        .call(Method::POST, "nodes", Some(body))
        .await
        .refused(404);
    assert!(drive.children(home).await.is_empty());
}

async fn trashed_parent_is_refused(drive: &Drive, home: &str) {
    let folder = drive.folder("a", home).await;
    let below = drive.folder("b", &folder).await;
    drive.trash(&folder).await.expect(200);
    for parent in [&folder, &below] {
        let message = drive.create_folder("c", parent).await.message(400);
        assert_eq!(message, "A node cannot be added to trashed parent");
    }
}

async fn file_is_no_parent(drive: &Drive, home: &str) {
    let file = drive.file("a", home, b"a").await;
    assert!(!drive.create_folder("b", &file).await.allowed());
    assert!(!drive.upload("b", &file, b"b").await.allowed());
}

async fn half_a_folder_is_refused(drive: &Drive, home: &str) {
    for body in [
        json!({"kind": "FOLDER", "parents": [home]}),
        json!({"name": "", "kind": "FOLDER", "parents": [home]}),
        json!({"name": "a", "parents": [home]}),
        json!({"name": "a", "kind": "folders", "parents": [home]}),
        json!({}),
    ] {
        drive
            .call(Method::POST, "nodes", Some(body))
            .await
            .refused(400);
    }
    drive.call(Method::POST, "nodes", None).await.refused(400);
    assert!(drive.children(home).await.is_empty());
}

async fn files_are_not_made_of_metadata(drive: &Drive, home: &str) {
    for kind in ["FILE", "ASSET"] {
        let body = json!({"name": "a", "kind": kind, "parents": [home]});
        // Not described; if it makes a node, then one without content, and no ordinary one.
        let made = drive
            .call(Method::POST, "nodes", Some(body))
            .await
            .allowed();
        assert!(!made || drive.children(home).await.is_empty(), "{kind}");
    }
}

async fn node_is_read_as_it_was_made(drive: &Drive, home: &str) {
    let file = drive.upload("a.txt", home, b"a").await.expect(201).json();
    assert_eq!(drive.node(&id(&file)).await, file);
    let folder = drive.create_folder("b", home).await.expect(201).json();
    assert_eq!(drive.node(&id(&folder)).await, folder);
    let listed = drive.all(&format!("nodes/{home}/children"), &[]).await;
    let mut expected = ids(&[file.clone(), folder.clone()]);
    let mut found = ids(&listed);
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    assert!(
        listed.contains(&file) && listed.contains(&folder),
        "{listed:?}"
    );
}

async fn unknown_node_is_not_found(drive: &Drive, _home: &str) {
    for unknown in [UNKNOWN, "-AAAAAAAAAAAAAAAAAAAAQ", "x"] {
        drive.get(&format!("nodes/{unknown}")).await.refused(404);
        drive
            .patch(unknown, json!({"name": "a"}))
            .await
            .refused(404);
        drive.trash(unknown).await.refused(404);
        drive.restore(unknown).await.refused(404);
        drive.download(unknown, None).await.refused(404);
        drive.overwrite(unknown, b"a").await.refused(404);
    }
}

async fn reads_take_the_parameters_clients_send(drive: &Drive, home: &str) {
    let file = drive.file("a.txt", home, b"a").await;
    for query in [
        "tempLink=true",
        "tempLink=True",
        "tempLink=false",
        "asset=ALL",
        "asset=NONE",
        "asset=ALL&tempLink=true",
        "fields=%5B%22properties%22%5D",
    ] {
        for node in [home, &file] {
            // rclone asks folders for a tempLink as well.
            let read = drive.get(&format!("nodes/{node}?{query}")).await;
            assert_eq!(id(&read.expect(200).json()), *node, "{query}");
        }
        let listed = drive.get(&format!("nodes/{home}/children?{query}")).await;
        assert_eq!(listed.expect(200).json()["count"], 1, "{query}");
    }
}

async fn reading_follows_a_change_at_once(drive: &Drive, home: &str) {
    let file = drive.file("a", home, b"a").await;
    for round in 0..10 {
        let name = format!("name {round}");
        let patched = drive
            .patch(&file, json!({"name": name}))
            .await
            .expect(200)
            .json();
        let read = drive.node(&file).await;
        assert_eq!(read, patched);
        assert_eq!(read["version"], round + 2);
    }
}

async fn odd_json_values_are_refused(drive: &Drive, home: &str) {
    for (key, value) in [
        ("name", json!(7)),
        ("name", json!(["a"])),
        ("parents", json!(home)),
        ("parents", json!([7])),
        ("labels", json!("x")),
        ("labels", json!([1])),
        ("description", json!({"a": 1})),
        ("kind", Value::Null),
    ] {
        let mut body = json!({"name": "a", "kind": "FOLDER", "parents": [home]});
        body[key] = value;
        drive
            .call(Method::POST, "nodes", Some(body))
            .await
            .refused(400);
    }
    assert!(drive.children(home).await.is_empty());
}
