//! Section 17 of the reference: names, and how long texts may be.

use reqwest::Method;
use serde_json::json;

use crate::drive::{Drive, id};

contract![
    name_of_280_characters_is_the_longest,
    names_clients_tested_come_back_as_they_went,
    odd_names_are_kept_or_refused_whole,
    slash_and_nul_are_no_part_of_a_name,
    names_differ_by_case_only_once,
    names_keep_their_case,
    descriptions_have_500_characters,
    labels_are_ten_of_256_characters,
];

async fn name_of_280_characters_is_the_longest(drive: &Drive, home: &str) {
    // Characters, not bytes: both are longer in UTF-8.
    for letter in ["a", "ü"] {
        let longest = letter.repeat(280);
        let made = drive.create_folder(&longest, home).await.expect(201).json();
        assert_eq!(made["name"], longest);
        let longer = letter.repeat(281);
        let expected = format!(
            "1 validation error detected: Value '{longer}' at 'name' failed to satisfy constraint: \
             Member must have length less than or equal to 280"
        );
        assert_eq!(
            drive.create_folder(&longer, home).await.message(400),
            expected
        );
        assert_eq!(
            drive.upload(&longer, home, b"a").await.message(400),
            expected
        );
        let change = json!({"name": longer});
        assert_eq!(drive.patch(&id(&made), change).await.message(400), expected);
    }
    assert_eq!(drive.children(home).await.len(), 2);
}

async fn names_clients_tested_come_back_as_they_went(drive: &Drive, home: &str) {
    let names = [
        "test&file.txt",
        "test%file.txt",
        "t&.txt",
        "t%.txt",
        "t\\.txt",
        "it's.txt",
        "\"quoted\".txt",
        "a (1) + b - c.txt",
        "a b  c.txt",
        "Ünïcödé 世界 🦀.txt",
        "-dash",
        "+plus",
        "a#b?c=d;e,f@g<h>i",
        "a:b*c~d^e|f!g[h]{i}",
        "50%25.txt",
        "%2f",
        "AND",
        "OR",
        "null",
        "a.tar.gz",
        ".profile",
    ];
    for name in names {
        let made = drive
            .upload(name, home, name.as_bytes())
            .await
            .expect(201)
            .json();
        assert_eq!(made["name"], name);
        assert_eq!(drive.node(&id(&made)).await["name"], name);
        assert_eq!(drive.bytes(&id(&made)).await, name.as_bytes());
    }
    let mut expected = names.to_vec();
    expected.sort_unstable();
    assert_eq!(drive.children(home).await, expected);
}

/// Whether such names are taken, trimmed or normalised is not known: if one is taken, then it
/// is there afterwards under the name the reply gives.
async fn odd_names_are_kept_or_refused_whole(drive: &Drive, home: &str) {
    let mut expected = Vec::new();
    for name in [
        " front",
        "back ",
        "dot.",
        " ",
        ".",
        "..",
        "...",
        "e\u{301}",
        "line\nbreak",
        "tab\t",
        "\u{7f}",
        "\u{202e}abc",
    ] {
        let reply = drive.create_folder(name, home).await;
        if reply.status.is_success() {
            expected.push(reply.json()["name"].as_str().unwrap().to_owned());
        } else {
            assert!(!reply.allowed(), "{name:?}");
        }
    }
    expected.sort();
    assert_eq!(drive.children(home).await, expected);
}

async fn slash_and_nul_are_no_part_of_a_name(drive: &Drive, home: &str) {
    let file = drive.file("a", home, b"a").await;
    for name in ["a/b", "/", "nul\0", ""] {
        drive.create_folder(name, home).await.refused(400);
        drive.upload(name, home, b"b").await.refused(400);
        drive.patch(&file, json!({"name": name})).await.refused(400);
    }
    assert_eq!(drive.children(home).await, ["a"]);
}

async fn names_differ_by_case_only_once(drive: &Drive, home: &str) {
    for (first, second) in [("readme", "README"), ("Äpfel", "äPFEL"), ("ЖУК", "жук")] {
        drive.file(first, home, b"a").await;
        let refused = drive.upload(second, home, b"b").await.refused(409);
        assert_eq!(refused["code"], "NAME_ALREADY_EXISTS");
    }
    // Composed and decomposed letters may be one name or two.
    drive.file("caf\u{e9}", home, b"a").await;
    drive.upload("cafe\u{301}", home, b"b").await.allowed();
}

async fn names_keep_their_case(drive: &Drive, home: &str) {
    drive.file("ReadMe.TXT", home, b"a").await;
    assert_eq!(drive.children(home).await, ["ReadMe.TXT"]);
}

async fn descriptions_have_500_characters(drive: &Drive, home: &str) {
    let folder = drive.folder("a", home).await;
    let longest = "ü".repeat(500);
    let patched = drive.patch(&folder, json!({"description": longest})).await;
    assert_eq!(patched.expect(200).json()["description"], longest);
    let longer = json!({"description": "ü".repeat(501)});
    drive.patch(&folder, longer).await.refused(400);
    let body =
        json!({"name": "b", "kind": "FOLDER", "parents": [home], "description": "x".repeat(501)});
    drive
        .call(Method::POST, "nodes", Some(body))
        .await
        .refused(400);
    assert_eq!(drive.children(home).await, ["a"]);
    assert_eq!(drive.node(&folder).await["description"], longest);
}

async fn labels_are_ten_of_256_characters(drive: &Drive, home: &str) {
    let folder = drive.folder("a", home).await;
    let most: Vec<_> = (0..10).map(|n| format!("{n}{}", "ü".repeat(255))).collect();
    let patched = drive.patch(&folder, json!({"labels": most})).await;
    assert_eq!(patched.expect(200).json()["labels"], json!(most));
    let more: Vec<_> = (0..11).map(|n| format!("label {n}")).collect();
    drive
        .patch(&folder, json!({"labels": more}))
        .await
        .refused(400);
    let longer = json!({"labels": ["x".repeat(257)]});
    drive.patch(&folder, longer).await.refused(400);
    assert_eq!(drive.node(&folder).await["labels"], json!(most));
}
