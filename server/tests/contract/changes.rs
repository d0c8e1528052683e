//! Section 16 of the reference: the feed of changes.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::{
    drive::{Drive, id, send, unique},
    feed::{self, Copy},
};

contract![
    full_dump_begins_with_a_reset,
    full_dump_is_the_whole_drive,
    nothing_new_is_a_line_without_nodes,
    checkpoint_may_be_used_twice,
    checkpoint_of_each_line_goes_on_there,
    each_kind_of_change_is_told,
    contents_of_a_trashed_folder_are_told,
    properties_are_told_unasked,
    purged_nodes_are_asked_for_in_any_way,
    pieces_of_any_size_make_the_same_whole,
    odd_sizes_are_clean,
    unknown_checkpoints_are_clean,
    half_a_request_is_refused,
    request_is_read_as_clients_write_it,
    changes_made_while_reading_are_not_lost,
];

async fn full_dump_begins_with_a_reset(drive: &Drive, _home: &str) {
    let dump = feed::ask(drive, &json!({})).await;
    assert_eq!(dump.lines[0]["reset"], true);
    assert!(!dump.lines[0]["nodes"].as_array().unwrap().is_empty());
    let since = feed::ask(drive, &json!({"checkpoint": dump.checkpoint()})).await;
    assert!(since.lines.iter().all(|line| line["reset"] == false));
}

async fn full_dump_is_the_whole_drive(drive: &Drive, home: &str) {
    let folder = drive.folder("a", home).await;
    let file = drive.file("b", &folder, b"b").await;
    let copy = Copy::of(drive).await;
    for node in [home, &folder, &file, &id(&drive.root().await)] {
        assert!(same(&copy.nodes[node], &drive.node(node).await), "{node}");
    }
    let listed = drive.all(&format!("nodes/{folder}/children"), &[]).await;
    assert!(same(&copy.nodes[&file], &listed[0]));
}

/// Equal but for what is only shown when asked for.
fn same(one: &Value, other: &Value) -> bool {
    let plain = |node: &Value| {
        let mut node = node.as_object().unwrap().clone();
        node.retain(|key, _| !["properties", "tempLink", "assets"].contains(&key.as_str()));
        node
    };
    plain(one) == plain(other)
}

async fn nothing_new_is_a_line_without_nodes(drive: &Drive, _home: &str) {
    let copy = Copy::of(drive).await;
    // Following ends with nothing else.
    let mut again = copy.clone();
    again.follow(drive, &Map::new()).await;
    let mut asked = Map::new();
    asked.insert("includePurged".into(), json!("true"));
    again.follow(drive, &asked).await;
}

async fn checkpoint_may_be_used_twice(drive: &Drive, home: &str) {
    let before = Copy::of(drive).await.checkpoint();
    let folder = drive.folder("a", home).await;
    for _ in 0..2 {
        let feed = feed::ask(drive, &json!({"checkpoint": before})).await;
        assert!(feed.nodes().any(|node| id(node) == folder));
    }
    // An old one leads to the newest state of a node, however often that changed.
    drive.patch(&folder, json!({"name": "b"})).await.expect(200);
    drive.trash(&folder).await.expect(200);
    let feed = feed::ask(drive, &json!({"checkpoint": before})).await;
    let last = feed
        .nodes()
        .filter(|node| id(node) == folder)
        .last()
        .unwrap();
    assert_eq!(
        (last["name"].as_str(), last["status"].as_str()),
        (Some("b"), Some("TRASH"))
    );
}

async fn checkpoint_of_each_line_goes_on_there(drive: &Drive, home: &str) {
    let before = Copy::of(drive).await.checkpoint();
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(drive.folder(&number.to_string(), home).await);
    }
    let feed = feed::ask(drive, &json!({"checkpoint": before, "chunkSize": 1})).await;
    assert!(
        feed.lines.len() > 1,
        "one line though one node each was wanted"
    );
    for (number, line) in feed.lines.iter().enumerate() {
        let seen: Vec<_> = feed.lines[..=number]
            .iter()
            .flat_map(|line| line["nodes"].as_array().unwrap())
            .map(id)
            .collect();
        let rest = feed::ask(drive, &json!({"checkpoint": line["checkpoint"]})).await;
        for node in &made {
            assert!(
                seen.contains(node) || rest.nodes().any(|other| id(other) == *node),
                "{number}: {node}"
            );
        }
    }
}

async fn each_kind_of_change_is_told(drive: &Drive, home: &str) {
    let (one, two) = (
        drive.folder("one", home).await,
        drive.folder("two", home).await,
    );
    let file = drive.file("a", &one, b"a").await;
    let mut copy = Copy::of(drive).await;
    let steps: [(&str, Method, String, Option<Value>); 9] = [
        (
            "rename",
            Method::PATCH,
            format!("nodes/{file}"),
            Some(json!({"name": "b"})),
        ),
        (
            "labels",
            Method::PATCH,
            format!("nodes/{file}"),
            Some(json!({"labels": ["x"]})),
        ),
        (
            "description",
            Method::PATCH,
            format!("nodes/{file}"),
            Some(json!({"description": "x"})),
        ),
        (
            "move",
            Method::POST,
            format!("nodes/{two}/children"),
            Some(json!({"fromParent": one, "childId": file})),
        ),
        (
            "add parent",
            Method::PUT,
            format!("nodes/{one}/children/{file}"),
            None,
        ),
        (
            "remove parent",
            Method::DELETE,
            format!("nodes/{two}/children/{file}"),
            None,
        ),
        (
            "parents",
            Method::PATCH,
            format!("nodes/{file}"),
            Some(json!({"parents": [two]})),
        ),
        ("trash", Method::PUT, format!("trash/{file}"), None),
        (
            "restore",
            Method::POST,
            format!("trash/{file}/restore"),
            None,
        ),
    ];
    for (what, method, path, body) in steps {
        let before = copy.checkpoint();
        let node = drive.call(method, &path, body).await.expect(200).json();
        let feed = feed::ask(drive, &json!({"checkpoint": before})).await;
        assert!(feed.nodes().any(|node| id(node) == file), "{what}");
        copy.follow(drive, &Map::new()).await;
        assert!(
            same(&copy.nodes[&file], &node),
            "{what}: {} {node}",
            copy.nodes[&file]
        );
    }
    let node = drive.overwrite(&file, b"other").await.expect(200).json();
    copy.follow(drive, &Map::new()).await;
    assert!(same(&copy.nodes[&file], &node));
    let made = drive.upload("c", &one, b"c").await.expect(201).json();
    let folder = drive.create_folder("d", &one).await.expect(201).json();
    copy.follow(drive, &Map::new()).await;
    for node in [made, folder] {
        assert!(same(&copy.nodes[&id(&node)], &node));
    }
    // A refused call changes nothing for anyone.
    let checkpoint = copy.checkpoint();
    drive.create_folder("d", &one).await.refused(409);
    let feed = feed::ask(drive, &json!({"checkpoint": checkpoint})).await;
    assert!(!feed.nodes().any(|node| id(node) == one));
}

async fn contents_of_a_trashed_folder_are_told(drive: &Drive, home: &str) {
    let outer = drive.folder("outer", home).await;
    let inner = drive.folder("inner", &outer).await;
    let file = drive.file("file", &inner, b"a").await;
    let mut copy = Copy::of(drive).await;
    drive.trash(&outer).await.expect(200);
    copy.follow(drive, &Map::new()).await;
    for node in [&outer, &inner, &file] {
        assert_eq!(copy.nodes[node]["status"], "TRASH");
        assert!(same(&copy.nodes[node], &drive.node(node).await));
    }
    drive.restore(&outer).await.expect(200);
    copy.follow(drive, &Map::new()).await;
    for node in [&outer, &inner, &file] {
        assert_eq!(copy.nodes[node]["status"], "AVAILABLE");
        assert!(same(&copy.nodes[node], &drive.node(node).await));
    }
}

async fn properties_are_told_unasked(drive: &Drive, home: &str) {
    let made = drive.create_folder("a", home).await.expect(201).json();
    let owner = made["createdBy"].as_str().unwrap();
    let mut copy = Copy::of(drive).await;
    let path = format!("nodes/{}/properties/{owner}/mtime", id(&made));
    drive
        .call(Method::PUT, &path, Some(json!({"value": "1441555667"})))
        .await
        .expect(201);
    copy.follow(drive, &Map::new()).await;
    assert_eq!(
        copy.nodes[&id(&made)]["properties"][owner]["mtime"],
        "1441555667"
    );
}

async fn purged_nodes_are_asked_for_in_any_way(drive: &Drive, home: &str) {
    let before = Copy::of(drive).await.checkpoint();
    let folder = drive.folder("a", home).await;
    for purged in [json!("true"), json!(true), json!("false"), json!(false)] {
        let feed = feed::ask(
            drive,
            &json!({"checkpoint": before, "includePurged": purged}),
        )
        .await;
        assert!(feed.nodes().any(|node| id(node) == folder), "{purged}");
        // rclone sends it without a checkpoint as well.
        assert_eq!(
            feed::ask(drive, &json!({"includePurged": purged}))
                .await
                .lines[0]["reset"],
            true
        );
    }
}

async fn pieces_of_any_size_make_the_same_whole(drive: &Drive, home: &str) {
    let start = Copy::of(drive).await;
    let mut made = Vec::new();
    for number in 0..7 {
        made.push(drive.folder(&number.to_string(), home).await);
    }
    for options in [
        json!({"chunkSize": 1}),
        json!({"chunkSize": 3}),
        json!({"maxNodes": 1}),
        json!({"maxNodes": 2, "chunkSize": 1}),
        json!({"chunkSize": 500, "maxNodes": 5000, "includePurged": "true"}),
    ] {
        let mut copy = start.clone();
        copy.follow(drive, options.as_object().unwrap()).await;
        for node in &made {
            assert!(copy.nodes.contains_key(node), "{options}");
        }
        let mut copy = Copy::default();
        copy.follow(drive, options.as_object().unwrap()).await;
        for node in made.iter().map(String::as_str).chain([home]) {
            assert!(copy.nodes.contains_key(node), "{options}");
        }
    }
}

/// An answer in lines, or a refusal that says why.
async fn assert_clean(drive: &Drive, asked: &Value) {
    let reply = drive
        .call(Method::POST, "changes", Some(asked.clone()))
        .await;
    match reply.status.as_u16() {
        200 => drop(feed::parse(std::str::from_utf8(&reply.body).unwrap())),
        status => {
            assert!(reply.status.is_client_error(), "{asked}: {reply:?}");
            reply.refused(status);
        }
    }
}

async fn odd_sizes_are_clean(drive: &Drive, _home: &str) {
    for key in [
        "chunkSize",
        "maxNodes",
        "limit",
        "includePurged",
        "checkpoint",
    ] {
        for value in [
            json!(0),
            json!(-1),
            json!(1.5),
            json!("500"),
            json!("x"),
            json!(null),
            json!([]),
            json!(u64::MAX),
            json!(true),
        ] {
            assert_clean(drive, &json!({key: value})).await;
        }
    }
}

/// What comes of one is not known.
async fn unknown_checkpoints_are_clean(drive: &Drive, home: &str) {
    let known = Copy::of(drive).await.checkpoint();
    drive.folder("a", home).await;
    let mut changed = known.clone();
    changed.replace_range(..1, if known.starts_with('A') { "B" } else { "A" });
    for checkpoint in [
        "",
        "x",
        "CNmz-basKRoA",
        "%00",
        "../..",
        "Ü",
        &"A".repeat(5000),
        &format!("{known}A"),
        &known[1..],
        &changed,
    ] {
        assert_clean(drive, &json!({"checkpoint": checkpoint})).await;
    }
}

async fn half_a_request_is_refused(drive: &Drive, _home: &str) {
    for body in ["{", "[]", "checkpoint=x", "7", "{\"checkpoint\":}"] {
        send(drive.metadata(Method::POST, "changes").body(body))
            .await
            .refused(400);
    }
    drive.call(Method::GET, "changes", None).await.refused(405);
}

async fn request_is_read_as_clients_write_it(drive: &Drive, _home: &str) {
    for (kind, body) in [
        (None, "{}\n"),
        (Some("application/json"), "{}"),
        (Some("text/plain; charset=utf-8"), "{}"),
        (None, "{\"includePurged\":\"true\"}\n"),
        (None, " { \"unheardOf\" : [ ] } "),
    ] {
        let mut request = drive.metadata(Method::POST, "changes").body(body);
        if let Some(kind) = kind {
            request = request.header("Content-Type", kind);
        }
        let reply = send(request).await.expect(200);
        let feed = feed::parse(std::str::from_utf8(&reply.body).unwrap());
        assert_eq!(feed.lines[0]["reset"], true);
    }
}

async fn changes_made_while_reading_are_not_lost(drive: &Drive, home: &str) {
    let start = Copy::of(drive).await;
    let writing = join_all((0..20).map(|_| drive.create_folder("x", home)));
    let making = async {
        let mut made = Vec::new();
        for _ in 0..20 {
            made.push(drive.folder(&unique("n"), home).await);
        }
        made
    };
    let reading = async {
        let mut copy = start.clone();
        for _ in 0..10 {
            copy.follow(drive, json!({"chunkSize": 1}).as_object().unwrap())
                .await;
        }
        copy
    };
    let (_, made, mut copy) = futures::join!(writing, making, reading);
    copy.follow(drive, &Map::new()).await;
    for node in &made {
        assert!(same(&copy.nodes[node], &drive.node(node).await), "{node}");
    }
}
