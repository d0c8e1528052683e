//! Several clients at once: names stay unique, and nothing is lost or half done.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::json;

use crate::drive::{Drive, id};

contract![
    one_of_many_gets_the_name,
    uploads_side_by_side_all_arrive,
    renames_to_one_name_leave_one,
    moves_and_restores_leave_unique_names,
    overwrites_leave_one_whole_content,
    folders_moved_into_each_other_never_form_a_ring,
    versions_count_each_change_once,
];

async fn one_of_many_gets_the_name(drive: &Drive, home: &str) {
    let folders = join_all((0..8).map(|_| drive.create_folder("Name", home)));
    let files = join_all((0..8).map(|_| drive.upload("NAME", home, b"a")));
    let (folders, files) = futures::join!(folders, files);
    let mut made = Vec::new();
    let mut named = BTreeSet::new();
    for reply in folders.into_iter().chain(files) {
        match reply.status.as_u16() {
            201 => made.push(id(&reply.json())),
            _ => drop(
                named.insert(
                    reply.refused(409)["info"]["nodeId"]
                        .as_str()
                        .unwrap()
                        .to_owned(),
                ),
            ),
        }
    }
    assert_eq!(made.len(), 1);
    assert_eq!(named.into_iter().collect::<Vec<_>>(), made);
    assert_eq!(drive.children(home).await.len(), 1);
}

async fn uploads_side_by_side_all_arrive(drive: &Drive, home: &str) {
    let contents: Vec<_> = (0..24).map(|n| vec![n as u8; 10_000 + n]).collect();
    let uploads = contents.iter().enumerate();
    let uploads =
        uploads.map(|(n, content)| async move { drive.file(&n.to_string(), home, content).await });
    let made = join_all(uploads).await;
    for (node, content) in made.iter().zip(&contents) {
        assert!(drive.bytes(node).await == *content);
    }
    assert_eq!(drive.children(home).await.len(), 24);
}

async fn renames_to_one_name_leave_one(drive: &Drive, home: &str) {
    let mut files = Vec::new();
    for n in 0..8 {
        files.push(drive.file(&n.to_string(), home, b"a").await);
    }
    let renames = files
        .iter()
        .map(|file| drive.patch(file, json!({"name": "Name"})));
    let replies = join_all(renames).await;
    let renamed = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(renamed, 1);
    assert!(
        replies
            .iter()
            .all(|reply| matches!(reply.status.as_u16(), 200 | 409))
    );
    let names = drive.children(home).await;
    assert_eq!(
        (
            names.len(),
            names.iter().filter(|name| *name == "Name").count()
        ),
        (8, 1)
    );
}

async fn moves_and_restores_leave_unique_names(drive: &Drive, home: &str) {
    let target = drive.folder("target", home).await;
    let mut sources = Vec::new();
    for n in 0..6 {
        let folder = drive.folder(&n.to_string(), home).await;
        sources.push((drive.file("a", &folder, b"a").await, folder));
    }
    let mut trashed = Vec::new();
    for _ in 0..3 {
        let node = drive.file("A", &target, b"b").await;
        drive.trash(&node).await.expect(200);
        trashed.push(node);
    }
    let moves = join_all(
        sources
            .iter()
            .map(|(file, folder)| drive.relocate(file, folder, &target)),
    );
    let restores = join_all(trashed.iter().map(|node| drive.restore(node)));
    let (moves, restores) = futures::join!(moves, restores);
    let replies = moves.into_iter().chain(restores);
    assert_eq!(replies.filter(|reply| reply.status == 200).count(), 1);
    assert_eq!(drive.children(&target).await.len(), 1);
}

async fn overwrites_leave_one_whole_content(drive: &Drive, home: &str) {
    let file = drive.file("a", home, b"a").await;
    let contents: Vec<_> = (0..8_u8).map(|n| vec![n; 100_000]).collect();
    let replies = join_all(
        contents
            .iter()
            .map(|content| drive.overwrite(&file, content)),
    )
    .await;
    for reply in replies {
        reply.expect(200);
    }
    assert!(contents.contains(&drive.bytes(&file).await));
    let node = drive.node(&file).await;
    assert_eq!(
        (&node["version"], &node["contentProperties"]["version"]),
        (&json!(9), &json!(9))
    );
}

async fn folders_moved_into_each_other_never_form_a_ring(drive: &Drive, home: &str) {
    for round in 0..6 {
        let (one, two) = (format!("one {round}"), format!("two {round}"));
        let (one, two) = (
            drive.folder(&one, home).await,
            drive.folder(&two, home).await,
        );
        let replies = futures::join!(
            drive.relocate(&one, home, &two),
            drive.relocate(&two, home, &one)
        );
        let moved = [replies.0.status, replies.1.status]
            .iter()
            .filter(|status| status.is_success())
            .count();
        assert_eq!(moved, 1);
    }
    assert_eq!(drive.children(home).await.len(), 6);
}

async fn versions_count_each_change_once(drive: &Drive, home: &str) {
    let file = drive.file("a", home, b"a").await;
    let patches = (0..10).map(|n| drive.patch(&file, json!({"description": n.to_string()})));
    let mut versions = Vec::new();
    for reply in join_all(patches).await {
        versions.push(reply.expect(200).json()["version"].as_u64().unwrap());
    }
    versions.sort_unstable();
    assert_eq!(versions, (2..12).collect::<Vec<_>>());
}
