//! Listings: filters, pages, order.

use std::collections::BTreeSet;

use crate::common::{Running, Time, id, names, send, start};
use reqwest::Method;
use serde_json::{Value, json};

/// `/photos/{a b.jpg, c.png}`, `/Photo (1)`, `/notes.txt`
async fn fill(server: &Running) -> (String, String) {
    let root = server.root().await;
    let photos = server.folder("photos", &root).await;
    server.file("a b.jpg", &photos, b"12345").await;
    server.file("c.png", &photos, b"123").await;
    server.folder("Photo (1)", &root).await;
    server.file("notes.txt", &root, b"hello world").await;
    (root, photos)
}

#[tokio::test]
async fn filters_of_the_services_clients_find_what_they_ask_for() {
    let (_dir, server) = start().await;
    let (root, photos) = fill(&server).await;
    for (filter, expected) in [
        ("kind:FOLDER AND isRoot:true".to_owned(), vec!["(root)"]),
        ("Kind:FOLDER AND isRoot:true".into(), vec!["(root)"]),
        ("isRoot:true".into(), vec!["(root)"]),
        (
            format!("parents:{root}"),
            vec!["photos", "Photo (1)", "notes.txt"],
        ),
        (
            format!("parents:{root} AND kind:FOLDER"),
            vec!["photos", "Photo (1)"],
        ),
        (format!("parents:{root} AND kind:FILE"), vec!["notes.txt"]),
        (
            format!(r#"parents:"{photos}" AND name:"a\ b.jpg""#),
            vec!["a b.jpg"],
        ),
        (
            format!(r"parents:{root} AND name:Photo\ \(1\)"),
            vec!["Photo (1)"],
        ),
        (
            format!(r"kind:FOLDER and parents:{root} and name:Photo\ \(1\)"),
            vec!["Photo (1)"],
        ),
        (format!("parents:{root} AND name:PHOTOS"), vec![]),
        ("kind:FILE".into(), vec!["a b.jpg", "c.png", "notes.txt"]),
        ("kind:FOLDER".into(), vec!["(root)", "photos", "Photo (1)"]),
        ("kind:ASSET".into(), vec![]),
        ("status:TRASH AND kind:FILE".into(), vec![]),
        (
            "contentProperties.md5:5eb63bbbe01eeed093cb22bb8f5acdc3".into(),
            vec!["notes.txt"],
        ),
        ("name:pho*".into(), vec!["photos"]),
        (
            "name:c.png OR name:notes.txt".into(),
            vec!["c.png", "notes.txt"],
        ),
        (
            format!("parents:{photos} OR name:notes.txt"),
            vec!["a b.jpg", "c.png", "notes.txt"],
        ),
        (
            "contentProperties.size:[4 TO *}".into(),
            vec!["a b.jpg", "notes.txt"],
        ),
        (
            "contentProperties.contentType:image* AND contentProperties.extension:png".into(),
            vec!["c.png"],
        ),
        (
            "createdBy:acd AND kind:FILE".into(),
            vec!["a b.jpg", "c.png", "notes.txt"],
        ),
        (
            r#"createdDate:["2000-01-01T00:00:00.000Z" TO *] AND name:c.png"#.into(),
            vec!["c.png"],
        ),
        ("parents:AAAAAAAAAAAAAAAAAAAAAA".into(), vec![]),
    ] {
        assert_eq!(server.find(&filter).await, expected, "{filter}");
    }
    let listed = server
        .list(
            &format!("nodes/{root}/children"),
            &[("filters", "kind:FILE")],
        )
        .await;
    assert_eq!(names(&listed.expect(200).json()), ["notes.txt"]);
    let listed = server
        .list(
            &format!("nodes/{root}/children"),
            &[("filters", "name:Pho*")],
        )
        .await;
    assert_eq!(names(&listed.expect(200).json()), ["Photo (1)"]);
}

#[tokio::test]
async fn filters_find_labels_and_descriptions() {
    let (_dir, server) = start().await;
    let (root, photos) = fill(&server).await;
    let patch = json!({"labels": ["summer", "blue sky"], "description": "holidays"});
    server
        .call(Method::PATCH, &format!("nodes/{photos}"), Some(patch))
        .await
        .expect(200);
    for filter in [
        "labels:summer".to_owned(),
        r"labels:(summer AND blue\ sky)".into(),
        "labels:sum*".into(),
        "description:holidays".into(),
        format!("parents:{root} AND labels:summer"),
    ] {
        assert_eq!(server.find(&filter).await, ["photos"], "{filter}");
    }
    assert!(server.find("labels:(summer AND winter)").await.is_empty());
}

#[tokio::test]
async fn spaces_come_as_plus_or_percent() {
    let (_dir, server) = start().await;
    fill(&server).await;
    for query in [
        "kind:FOLDER+AND+isRoot:true",
        "kind%3AFOLDER%20AND%20isRoot%3Atrue",
    ] {
        let found = server
            .get(&format!("nodes?filters={query}"))
            .await
            .expect(200)
            .json();
        assert_eq!(found["count"], 1, "{query}");
    }
}

#[tokio::test]
async fn invalid_filters_are_refused_in_the_services_words() {
    let (_dir, server) = start().await;
    for filter in [
        "kind:(FILE OR FOLDER)",
        "(kind:FILE OR kind:FOLDER)",
        "nonsense",
        "kind:FILE kind:FOLDER",
    ] {
        let message = server
            .list("nodes", &[("filters", filter)])
            .await
            .error(400);
        assert!(message.starts_with("Invalid filter: "), "{message}");
    }
    for (name, value) in [
        ("limit", "x"),
        ("limit", "0"),
        ("sort", "name"),
        ("startToken", "%"),
    ] {
        server.list("nodes", &[(name, value)]).await.error(400);
    }
}

async fn folder_of(server: &Running, files: usize) -> String {
    let folder = server.folder("many", &server.root().await).await;
    for index in 0..files {
        server.folder(&format!("n{index:03}"), &folder).await;
    }
    folder
}

/// All pages, which must keep their promises.
async fn pages(
    server: &Running,
    path: &str,
    query: &[(&str, &str)],
    repeat: bool,
) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut asked = if repeat || token.is_none() {
            query.to_vec()
        } else {
            vec![query[0]]
        };
        if let Some(token) = &token {
            asked.push(("startToken", token));
        }
        let page = server.list(path, &asked).await.expect(200).json();
        pages.push(names(&page));
        let Some(next) = page.get("nextToken") else {
            let seen: usize = pages.iter().map(Vec::len).sum();
            assert_eq!(page["count"], seen, "the count is of all pages");
            return pages;
        };
        let next = next.as_str().unwrap();
        assert!(
            next.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
            "{next}"
        );
        token = Some(next.to_owned());
    }
}

#[tokio::test]
async fn pages_hold_everything_once_and_the_last_has_no_token() {
    let (_dir, server) = start().await;
    let folder = folder_of(&server, 25).await;
    let expected: Vec<_> = (0..25).map(|index| format!("n{index:03}")).collect();
    let children = format!("nodes/{folder}/children");
    let filter = format!("parents:{folder}");
    for repeat in [true, false] {
        for (path, query, sizes) in [
            (children.as_str(), vec![("limit", "10")], vec![10, 10, 5]),
            (children.as_str(), vec![("limit", "25")], vec![25]),
            (children.as_str(), vec![("limit", "5")], vec![5; 5]),
            (
                "nodes",
                vec![("limit", "9"), ("filters", filter.as_str())],
                vec![9, 9, 7],
            ),
            (
                "nodes",
                vec![("limit", "24"), ("filters", "name:n*")],
                vec![24, 1],
            ),
        ] {
            let pages = pages(&server, path, &query, repeat).await;
            assert_eq!(
                pages.iter().map(Vec::len).collect::<Vec<_>>(),
                sizes,
                "{path} {query:?}"
            );
            assert_eq!(pages.concat(), expected, "{path} {query:?}");
        }
    }
}

#[tokio::test]
async fn pages_are_of_two_hundred_unless_smaller_ones_are_asked_for() {
    let (_dir, server) = start().await;
    let folder = folder_of(&server, 201).await;
    for query in [&[][..], &[("limit", "1000")]] {
        let page = server
            .list(&format!("nodes/{folder}/children"), query)
            .await
            .expect(200)
            .json();
        assert_eq!(page["data"].as_array().unwrap().len(), 200);
        assert_eq!(page["count"], 201);
    }
}

#[tokio::test]
async fn paging_skips_and_repeats_nothing_while_the_folder_changes() {
    let (_dir, server) = start().await;
    let folder = folder_of(&server, 10).await;
    let path = format!("nodes/{folder}/children");
    let first = server
        .list(&path, &[("limit", "5")])
        .await
        .expect(200)
        .json();
    let gone = id(&first["data"][0]);
    server
        .call(Method::PUT, &format!("trash/{gone}"), None)
        .await
        .expect(200);
    server.folder("new", &folder).await;
    let token = first["nextToken"].as_str().unwrap();
    let rest = server
        .list(&path, &[("startToken", token)])
        .await
        .expect(200)
        .json();
    assert_eq!(
        names(&rest),
        ["n005", "n006", "n007", "n008", "n009", "new"]
    );
}

#[tokio::test]
async fn sorted_pages_are_in_order() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    for (name, size) in [("b", 1), ("d", 3), ("a", 3), ("c", 2), ("e", 1)] {
        server.file(name, &root, &vec![b'x'; size]).await;
    }
    server.folder("folder", &root).await;
    let path = format!("nodes/{root}/children");
    for (sort, expected) in [
        (r#"["name ASC"]"#, "a b c d e folder"),
        (r#"["name"]"#, "folder e d c b a"),
        (
            r#"["contentProperties.size DESC","name ASC"]"#,
            "a d c b e folder",
        ),
        (
            "['contentProperties.size ASC','name DESC']",
            "folder e b c d a",
        ),
        (r#"["kind ASC"]"#, "b d a c e folder"),
        (r#"["createdDate ASC"]"#, "b d a c e folder"),
        (r#"["status ASC","modifiedDate ASC"]"#, "b d a c e folder"),
    ] {
        for limit in ["1", "2", "200"] {
            let pages = pages(&server, &path, &[("limit", limit), ("sort", sort)], true).await;
            assert_eq!(pages.concat().join(" "), expected, "{sort} by {limit}");
        }
    }
}

#[tokio::test]
async fn page_token_lives_ten_minutes() {
    let dir = tempfile::tempdir().unwrap();
    let time = Time::new();
    let server = Running::start(time.options(dir.path())).await;
    let folder = folder_of(&server, 3).await;
    let path = format!("nodes/{folder}/children");
    let first = server
        .list(&path, &[("limit", "1")])
        .await
        .expect(200)
        .json();
    let token = first["nextToken"].as_str().unwrap();
    time.advance(600);
    server
        .list(&path, &[("startToken", token)])
        .await
        .expect(200);
    time.advance(1);
    let refused = server.list(&path, &[("startToken", token)]).await;
    assert_eq!(refused.error(400), "Next token is expired");
}

#[tokio::test]
async fn page_token_is_good_for_its_own_listing_only() {
    let (_dir, server) = start().await;
    let folder = folder_of(&server, 3).await;
    let path = format!("nodes/{folder}/children");
    let query = [("limit", "1"), ("filters", "kind:FOLDER")];
    let first = server.list(&path, &query).await.expect(200).json();
    let token = first["nextToken"].as_str().unwrap();
    server
        .list(&path, &[("startToken", token), ("filters", "kind:FILE")])
        .await
        .error(400);
    server
        .list("nodes", &[("startToken", token)])
        .await
        .error(400);
    server
        .list(&path, &[("startToken", &token[1..])])
        .await
        .error(400);
    // A forged one gets an answer and no more.
    let decoded = base64_decode(token);
    let forged = String::from_utf8(decoded)
        .unwrap()
        .replace("\"keys\":[]", "\"keys\":[1]");
    let forged = base64_encode(forged.as_bytes());
    server
        .list(&path, &[("startToken", &forged)])
        .await
        .error(400);
}

fn base64_decode(text: &str) -> Vec<u8> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn base64_encode(bytes: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(bytes)
}

#[tokio::test]
async fn second_start_token_is_ignored() {
    let (_dir, server) = start().await;
    let folder = folder_of(&server, 2).await;
    let path = format!("nodes/{folder}/children");
    let first = server
        .list(&path, &[("limit", "1")])
        .await
        .expect(200)
        .json();
    let token = first["nextToken"].as_str().unwrap();
    let url = format!("{}{path}?startToken={token}&startToken=x", server.endpoint);
    let page = send(server.request(Method::GET, &url))
        .await
        .expect(200)
        .json();
    assert_eq!(names(&page), ["n001"]);
}

#[tokio::test]
async fn everything_is_listed_without_a_filter() {
    let (_dir, server) = start().await;
    fill(&server).await;
    let page: Value = server.get("nodes").await.expect(200).json();
    let found: BTreeSet<_> = names(&page).into_iter().collect();
    let expected = [
        "(root)",
        "Photo (1)",
        "a b.jpg",
        "c.png",
        "notes.txt",
        "photos",
    ];
    assert_eq!(found, expected.into_iter().map(str::to_owned).collect());
    assert_eq!(page["count"], 6);
}
