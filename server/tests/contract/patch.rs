//! Section 12 of the reference: metadata that changes.

use reqwest::Method;
use serde_json::json;

use crate::{
    drive::{Drive, id, send},
    shape::assert_node,
};

contract![
    rename_gives_the_node_and_a_new_version,
    rename_to_a_taken_name_is_refused,
    rename_in_case_only_is_allowed,
    rename_reaches_all_parents,
    rename_of_a_trashed_node_meets_no_conflict,
    labels_are_replaced_as_a_whole,
    description_is_set_and_changed,
    parents_are_replaced,
    content_properties_are_forbidden,
    dates_are_not_the_clients,
    status_of_a_whole_node_stays,
    several_fields_change_together_or_not_at_all,
    broken_changes_are_refused,
    nothing_to_change_is_clean,
];

async fn rename_gives_the_node_and_a_new_version(drive: &Drive, home: &str) {
    let made = drive.upload("a.txt", home, b"a").await.expect(201).json();
    let renamed = drive
        .patch(&id(&made), json!({"name": "renamed.jpg"}))
        .await
        .expect(200)
        .json();
    assert_node(&renamed);
    assert_eq!(renamed["name"], "renamed.jpg");
    assert_eq!(renamed["version"], 2);
    assert_eq!(renamed["contentProperties"]["version"], 1);
    assert_eq!(
        renamed["contentProperties"]["md5"],
        made["contentProperties"]["md5"]
    );
    assert_ne!(renamed["eTagResponse"], made["eTagResponse"]);
    assert_eq!(renamed["createdDate"], made["createdDate"]);
    assert_eq!(drive.node(&id(&made)).await, renamed);
    assert_eq!(drive.children(home).await, ["renamed.jpg"]);
    // The old name is free.
    drive.upload("a.txt", home, b"b").await.expect(201);
}

async fn rename_to_a_taken_name_is_refused(drive: &Drive, home: &str) {
    let existing = drive.folder("Taken", home).await;
    let file = drive.file("a", home, b"a").await;
    let refused = drive
        .patch(&file, json!({"name": "TAKEN"}))
        .await
        .refused(409);
    assert_eq!(refused["code"], "NAME_ALREADY_EXISTS");
    assert_eq!(refused["info"]["nodeId"], existing);
    let expected = format!(
        "Node with the name taken already exists under parentId {home} conflicting NodeId: {existing}"
    );
    assert_eq!(refused["message"], expected);
    let after = drive.node(&file).await;
    assert_eq!(
        (after["name"].as_str(), after["version"].as_u64()),
        (Some("a"), Some(1))
    );
}

async fn rename_in_case_only_is_allowed(drive: &Drive, home: &str) {
    let file = drive.file("a.txt", home, b"a").await;
    // Recommended, not known.
    let renamed = drive
        .patch(&file, json!({"name": "A.txt"}))
        .await
        .expect(200)
        .json();
    assert_eq!(renamed["name"], "A.txt");
    assert_eq!(
        drive
            .patch(&file, json!({"name": "A.txt"}))
            .await
            .expect(200)
            .json()["name"],
        "A.txt"
    );
    assert_eq!(drive.children(home).await, ["A.txt"]);
}

async fn rename_reaches_all_parents(drive: &Drive, home: &str) {
    let (one, two) = (
        drive.folder("one", home).await,
        drive.folder("two", home).await,
    );
    let file = drive.file("a", &one, b"a").await;
    drive.add_parent(&two, &file).await.expect(200);
    drive.patch(&file, json!({"name": "b"})).await.expect(200);
    assert_eq!(drive.children(&one).await, ["b"]);
    assert_eq!(drive.children(&two).await, ["b"]);
    // A clash in any of them is one.
    let existing = drive.file("c", &two, b"c").await;
    let refused = drive.patch(&file, json!({"name": "c"})).await.refused(409);
    assert_eq!(refused["info"]["nodeId"], existing);
    assert_eq!(drive.children(&one).await, ["b"]);
}

async fn rename_of_a_trashed_node_meets_no_conflict(drive: &Drive, home: &str) {
    let file = drive.file("a", home, b"a").await;
    drive.file("b", home, b"b").await;
    drive.trash(&file).await.expect(200);
    let renamed = drive
        .patch(&file, json!({"name": "B"}))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (renamed["name"].as_str(), renamed["status"].as_str()),
        (Some("B"), Some("TRASH"))
    );
    assert_eq!(drive.children(home).await, ["b"]);
}

async fn labels_are_replaced_as_a_whole(drive: &Drive, home: &str) {
    let folder = drive.folder("a", home).await;
    for labels in [json!(["x", "y"]), json!(["z"]), json!([])] {
        let patched = drive
            .patch(&folder, json!({"labels": labels}))
            .await
            .expect(200)
            .json();
        assert_eq!(patched["labels"], labels);
        assert_eq!(drive.node(&folder).await["labels"], labels);
    }
    assert_eq!(drive.node(&folder).await["version"], 4);
}

async fn description_is_set_and_changed(drive: &Drive, home: &str) {
    let file = drive.file("a", home, b"a").await;
    for text in ["first", "second, with \"quotes\" and ü"] {
        let patched = drive
            .patch(&file, json!({"description": text}))
            .await
            .expect(200)
            .json();
        assert_eq!(patched["description"], text);
        assert_eq!(patched["name"], "a");
    }
}

/// acd_cli moves files so.
async fn parents_are_replaced(drive: &Drive, home: &str) {
    let other = drive.folder("other", home).await;
    let file = drive.file("a", home, b"a").await;
    let moved = drive
        .patch(&file, json!({"parents": [other]}))
        .await
        .expect(200)
        .json();
    assert_eq!(moved["parents"], json!([other]));
    assert_eq!(drive.children(home).await, ["other"]);
    assert_eq!(drive.children(&other).await, ["a"]);
    let taken = drive.file("A", home, b"b").await;
    let refused = drive
        .patch(&file, json!({"parents": [home]}))
        .await
        .refused(409);
    assert_eq!(refused["info"]["nodeId"], taken);
    drive
        .patch(&file, json!({"parents": ["AAAAAAAAAAAAAAAAAAAAAA"]}))
        .await
        .refused(404);
    assert_eq!(drive.children(&other).await, ["a"]);
}

async fn content_properties_are_forbidden(drive: &Drive, home: &str) {
    let made = drive.upload("a", home, b"a").await.expect(201).json();
    for change in [
        json!({"contentProperties": {"size": 7}}),
        json!({"contentProperties": {}}),
        json!({"name": "b", "contentProperties": {"md5": "0"}}),
    ] {
        drive.patch(&id(&made), change).await.refused(403);
    }
    assert_eq!(drive.node(&id(&made)).await, made);
}

async fn dates_are_not_the_clients(drive: &Drive, home: &str) {
    let made = drive.upload("a", home, b"a").await.expect(201).json();
    let then = "2001-01-01T00:00:00.000Z";
    let change = json!({"modifiedDate": then, "createdDate": then});
    drive.patch(&id(&made), change).await.allowed();
    let after = drive.node(&id(&made)).await;
    assert_eq!(after["createdDate"], made["createdDate"]);
    assert_ne!(after["modifiedDate"], then);
}

/// acd_cli could make PENDING nodes AVAILABLE with it. It is no way into the trash or out.
async fn status_of_a_whole_node_stays(drive: &Drive, home: &str) {
    let file = drive.file("a", home, b"a").await;
    for status in ["AVAILABLE", "TRASH", "PURGED", "PENDING", "x"] {
        drive
            .patch(&file, json!({"status": status}))
            .await
            .allowed();
        let after = drive.node(&file).await["status"].clone();
        assert!(
            after == "AVAILABLE" || after == "TRASH",
            "{status}: {after}"
        );
    }
}

async fn several_fields_change_together_or_not_at_all(drive: &Drive, home: &str) {
    drive.file("taken", home, b"a").await;
    let made = drive.upload("a", home, b"b").await.expect(201).json();
    for change in [
        json!({"labels": ["x"], "description": "d", "name": "taken"}),
        json!({"name": "b", "labels": ["x"], "parents": ["AAAAAAAAAAAAAAAAAAAAAA"]}),
        json!({"name": "b", "description": "x".repeat(501)}),
    ] {
        assert!(!drive.patch(&id(&made), change).await.allowed());
        assert_eq!(drive.node(&id(&made)).await, made);
    }
    let change = json!({"name": "b", "labels": ["x"], "description": "d"});
    let patched = drive.patch(&id(&made), change).await.expect(200).json();
    assert_eq!(
        (
            patched["name"].as_str(),
            &patched["labels"],
            patched["description"].as_str()
        ),
        (Some("b"), &json!(["x"]), Some("d"))
    );
    assert_eq!(patched["version"], 2);
}

async fn broken_changes_are_refused(drive: &Drive, home: &str) {
    let made = drive.upload("a", home, b"b").await.expect(201).json();
    for body in [
        "",
        "{",
        "[]",
        "7",
        "null",
        "\"name\"",
        "{\"name\":}",
        "{\"name\":7}",
        "{\"labels\":{}}",
        "\u{0}",
        "{\"name\":\"\\ud800\"}",
    ] {
        let request = drive.metadata(Method::PATCH, &format!("nodes/{}", id(&made)));
        send(request.body(body.to_owned())).await.refused(400);
    }
    assert_eq!(drive.node(&id(&made)).await, made);
}

async fn nothing_to_change_is_clean(drive: &Drive, home: &str) {
    let made = drive.upload("a", home, b"b").await.expect(201).json();
    drive.patch(&id(&made), json!({})).await.allowed();
    drive
        .patch(&id(&made), json!({"unheardOf": [1, {"a": null}]}))
        .await
        .allowed();
    let after = drive.node(&id(&made)).await;
    assert_eq!(
        (&after["name"], &after["labels"]),
        (&made["name"], &made["labels"])
    );
}
