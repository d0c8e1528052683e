//! Sections 6.1, 6.2 and 6.5 of the reference: lists, their pages and their order.

use serde_json::json;

use crate::{
    drive::{Drive, id, ids, names},
    shape::assert_page,
};

contract![
    last_page_has_no_token,
    count_is_exact_over_all_pages,
    pages_hold_200_unless_asked_for_fewer,
    limits_out_of_range_are_clean,
    start_token_alone_goes_on,
    start_token_may_come_twice,
    tokens_nobody_gave_out_are_refused,
    tokens_may_be_used_again,
    children_are_those_of_one_folder,
    children_of_no_folder_are_not_found,
    trashed_nodes_are_not_listed,
    nodes_of_all_folders_are_listed,
    pages_survive_nodes_coming_and_going,
    lists_are_sorted_as_asked,
    sort_falls_unless_told_to_rise,
    sort_nobody_can_do_is_refused,
    filters_and_pages_go_together,
];

async fn filled(drive: &Drive, home: &str, nodes: usize) {
    for number in 0..nodes {
        drive.folder(&format!("n{number:03}"), home).await;
    }
}

async fn last_page_has_no_token(drive: &Drive, home: &str) {
    let path = format!("nodes/{home}/children");
    let empty = drive.get(&path).await.expect(200).json();
    assert_page(&empty);
    assert_eq!((&empty["count"], &empty["data"]), (&json!(0), &json!([])));
    assert!(empty.get("nextToken").is_none(), "{empty}");
    filled(drive, home, 4).await;
    // Pages that are just full are the last as well.
    for limit in ["2", "4", "5"] {
        let mut token = None;
        let mut seen = 0;
        loop {
            let mut query = vec![("limit", limit.to_owned())];
            query.extend(token.map(|token| ("startToken", token)));
            let query: Vec<_> = query.iter().map(|(k, v)| (*k, v.as_str())).collect();
            let page = drive.list(&path, &query).await.expect(200).json();
            assert_page(&page);
            seen += page["data"].as_array().unwrap().len();
            match page.get("nextToken") {
                None => break,
                Some(next) => token = Some(next.as_str().unwrap().to_owned()),
            }
            assert!(seen < 4, "a token though all was seen: {page}");
        }
        assert_eq!(seen, 4);
    }
}

async fn count_is_exact_over_all_pages(drive: &Drive, home: &str) {
    filled(drive, home, 5).await;
    let path = format!("nodes/{home}/children");
    let first = drive
        .list(&path, &[("limit", "2")])
        .await
        .expect(200)
        .json();
    let token = first["nextToken"].as_str().unwrap();
    let second = drive
        .list(&path, &[("limit", "2"), ("startToken", token)])
        .await;
    let second = second.expect(200).json();
    for page in [&first, &second] {
        assert_page(page);
        assert_eq!(
            (&page["count"], page["data"].as_array().unwrap().len()),
            (&json!(5), 2)
        );
    }
    let filter = format!("parents:{home} AND kind:FOLDER");
    let page = drive
        .list("nodes", &[("filters", &filter), ("limit", "1")])
        .await;
    assert_eq!(page.expect(200).json()["count"], 5);
}

async fn pages_hold_200_unless_asked_for_fewer(drive: &Drive, home: &str) {
    filled(drive, home, 203).await;
    let path = format!("nodes/{home}/children");
    for query in [&[][..], &[("limit", "200")]] {
        let page = drive.list(&path, query).await.expect(200).json();
        assert_page(&page);
        assert_eq!(
            (&page["count"], page["data"].as_array().unwrap().len()),
            (&json!(203), 200)
        );
    }
    let mut all = names(&drive.all(&path, &[]).await);
    assert_eq!(all.len(), 203);
    all.dedup();
    assert_eq!(all.len(), 203);
    // More than 200 is refused or cut down, which of them is not known.
    let page = drive.list(&path, &[("limit", "201")]).await;
    if page.status.is_success() {
        assert!(page.json()["data"].as_array().unwrap().len() <= 200);
    } else {
        page.refused(400);
    }
}

async fn limits_out_of_range_are_clean(drive: &Drive, home: &str) {
    filled(drive, home, 2).await;
    for limit in ["0", "-1", "1.5", "ten", "", "99999999999999999999", "%00"] {
        let path = format!("nodes/{home}/children?limit={limit}");
        let reply = drive.get(&path).await;
        if reply.status.is_success() {
            assert_page(&reply.json());
        } else {
            reply.refused(400);
        }
    }
}

/// drivesink and Rambalac ask for further pages of a folder so.
async fn start_token_alone_goes_on(drive: &Drive, home: &str) {
    filled(drive, home, 201).await;
    let path = format!("nodes/{home}/children");
    let first = drive.get(&path).await.expect(200).json();
    let token = first["nextToken"].as_str().unwrap();
    // Pasted raw, as five clients do.
    let second = drive
        .get(&format!("{path}?startToken={token}"))
        .await
        .expect(200)
        .json();
    assert_page(&second);
    assert_eq!(
        (&second["count"], second["data"].as_array().unwrap().len()),
        (&json!(201), 1)
    );
    assert!(second.get("nextToken").is_none(), "{second}");
    let seen = ids(first["data"].as_array().unwrap());
    assert!(!seen.contains(&id(&second["data"][0])));
}

async fn start_token_may_come_twice(drive: &Drive, home: &str) {
    filled(drive, home, 3).await;
    let path = format!("nodes/{home}/children?limit=1");
    let first = drive.get(&path).await.expect(200).json();
    let token = first["nextToken"].as_str().unwrap();
    let page = drive
        .get(&format!("{path}&startToken={token}&startToken={token}"))
        .await;
    if page.status.is_success() {
        assert_ne!(page.json()["data"][0]["id"], first["data"][0]["id"]);
    } else {
        page.refused(400);
    }
    // Rambalac's second question mark belongs to the value before it.
    drive
        .get(&format!("{path}?startToken={token}"))
        .await
        .allowed();
}

async fn tokens_nobody_gave_out_are_refused(drive: &Drive, home: &str) {
    let path = format!("nodes/{home}/children");
    for token in [
        "x",
        "AAAA",
        "kgkbpodpt6GkSampleOpaqueToken",
        "%00",
        "../..",
        "%F0%9F",
        "A%20B",
    ] {
        drive
            .get(&format!("{path}?startToken={token}"))
            .await
            .refused(400);
        drive
            .get(&format!("nodes?startToken={token}"))
            .await
            .refused(400);
    }
    filled(drive, home, 3).await;
    let page = drive
        .list(&path, &[("limit", "1")])
        .await
        .expect(200)
        .json();
    let token = page["nextToken"].as_str().unwrap();
    // One letter changed, at each place.
    for place in 0..token.len() {
        let letter = if &token[place..=place] == "A" {
            "B"
        } else {
            "A"
        };
        let changed = format!("{}{letter}{}", &token[..place], &token[place + 1..]);
        drive
            .list(&path, &[("limit", "1"), ("startToken", &changed)])
            .await
            .allowed();
    }
}

async fn tokens_may_be_used_again(drive: &Drive, home: &str) {
    filled(drive, home, 4).await;
    let path = format!("nodes/{home}/children");
    let first = drive
        .list(&path, &[("limit", "2")])
        .await
        .expect(200)
        .json();
    let query = [
        ("limit", "2"),
        ("startToken", first["nextToken"].as_str().unwrap()),
    ];
    let once = drive.list(&path, &query).await.expect(200).json();
    let again = drive.list(&path, &query).await.expect(200).json();
    assert_eq!(once["data"], again["data"]);
}

async fn children_are_those_of_one_folder(drive: &Drive, home: &str) {
    let folder = drive.folder("a", home).await;
    let below = drive.folder("b", &folder).await;
    drive.file("c", &below, b"c").await;
    for (parent, expected) in [(home, "a"), (&folder, "b"), (&below, "c")] {
        let nodes = drive.all(&format!("nodes/{parent}/children"), &[]).await;
        assert_eq!(names(&nodes), [expected]);
        // rclone and Rambalac drop nodes for which this does not hold.
        assert_eq!(nodes[0]["parents"], json!([parent]));
    }
}

async fn children_of_no_folder_are_not_found(drive: &Drive, home: &str) {
    drive
        .get("nodes/AAAAAAAAAAAAAAAAAAAAAA/children")
        .await
        .refused(404);
    let file = drive.file("a", home, b"a").await;
    // Files may have assets below them.
    let reply = drive.get(&format!("nodes/{file}/children")).await;
    if reply.status.is_success() {
        assert_eq!(reply.json()["data"], json!([]));
    } else {
        assert!(!reply.allowed());
    }
}

async fn trashed_nodes_are_not_listed(drive: &Drive, home: &str) {
    let file = drive.file("a.txt", home, b"a").await;
    drive.file("b.txt", home, b"b").await;
    drive.trash(&file).await.expect(200);
    let page = drive
        .get(&format!("nodes/{home}/children"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&page["count"], page["data"][0]["name"].as_str()),
        (&json!(1), Some("b.txt"))
    );
    for filter in [
        format!("parents:{home}"),
        format!("parents:\"{home}\" AND name:\"a.txt\""),
        format!("parents:{home} AND kind:FILE"),
    ] {
        let found = drive.find(&filter).await;
        assert!(!found.contains(&"a.txt".to_owned()), "{filter}: {found:?}");
    }
    let trashed = drive
        .all("nodes", &[("filters", "status:TRASH AND kind:FILE")])
        .await;
    assert!(ids(&trashed).contains(&file));
}

async fn nodes_of_all_folders_are_listed(drive: &Drive, home: &str) {
    let folder = drive.folder("a", home).await;
    let file = drive.file("b", &folder, b"b").await;
    let all = ids(&drive.all("nodes", &[]).await);
    for node in [home, &folder, &file, &id(&drive.root().await)] {
        assert!(all.iter().any(|other| other == node), "{node}");
    }
}

async fn pages_survive_nodes_coming_and_going(drive: &Drive, home: &str) {
    filled(drive, home, 12).await;
    let path = format!("nodes/{home}/children");
    let nodes = drive.all(&path, &[]).await;
    let (gone, stay) = nodes.split_at(3);
    let mut seen = Vec::new();
    let mut token: Option<String> = None;
    for round in 0.. {
        assert!(round < 60, "pages without end");
        let mut query = vec![("limit", "2")];
        query.extend(token.as_deref().map(|token| ("startToken", token)));
        let page = drive.list(&path, &query).await.expect(200).json();
        seen.extend(ids(page["data"].as_array().unwrap()));
        if let Some(node) = gone.get(round) {
            drive.trash(&id(node)).await.expect(200);
            drive.folder(&format!("a new one {round}"), home).await;
        }
        match page.get("nextToken") {
            None => break,
            Some(next) => token = Some(next.as_str().unwrap().to_owned()),
        }
    }
    for node in stay {
        let times = seen.iter().filter(|seen| **seen == id(node)).count();
        assert_eq!(times, 1, "{node}");
    }
}

async fn lists_are_sorted_as_asked(drive: &Drive, home: &str) {
    drive.file("b.txt", home, b"333").await;
    drive.file("a.jpg", home, b"22").await;
    drive.file("c.bin", home, b"1").await;
    drive.folder("d", home).await;
    let path = format!("nodes/{home}/children");
    for (sort, expected) in [
        (r#"["name ASC"]"#, ["a.jpg", "b.txt", "c.bin", "d"]),
        (r#"["name DESC"]"#, ["d", "c.bin", "b.txt", "a.jpg"]),
        (
            r#"["kind ASC","name ASC"]"#,
            ["a.jpg", "b.txt", "c.bin", "d"],
        ),
        (
            r#"["kind DESC","name DESC"]"#,
            ["d", "c.bin", "b.txt", "a.jpg"],
        ),
        (r"['name DESC']", ["d", "c.bin", "b.txt", "a.jpg"]),
    ] {
        for limit in ["1", "200"] {
            let nodes = drive.all(&path, &[("sort", sort), ("limit", limit)]).await;
            let names: Vec<_> = nodes
                .iter()
                .map(|node| node["name"].as_str().unwrap())
                .collect();
            assert_eq!(names, expected, "{sort} {limit}");
        }
    }
    let query = [
        ("sort", r#"["contentProperties.size ASC"]"#),
        ("filters", "kind:FILE"),
    ];
    let sizes = drive.all(&path, &query).await;
    let sizes: Vec<_> = sizes
        .iter()
        .map(|node| node["contentProperties"]["size"].as_u64())
        .collect();
    assert_eq!(sizes, [Some(1), Some(2), Some(3)]);
    for field in [
        "status",
        "createdDate",
        "modifiedDate",
        "contentProperties.contentType",
        "contentProperties.contentDate",
        "contentProperties.extension",
        "contentProperties.size",
    ] {
        for order in ["ASC", "DESC"] {
            let sort = format!("[\"{field} {order}\"]");
            let found = names(&drive.all(&path, &[("sort", &sort), ("limit", "1")]).await);
            assert_eq!(found, ["a.jpg", "b.txt", "c.bin", "d"], "{sort}");
        }
    }
}

async fn sort_falls_unless_told_to_rise(drive: &Drive, home: &str) {
    filled(drive, home, 3).await;
    let path = format!("nodes/{home}/children");
    let nodes = drive.all(&path, &[("sort", r#"["name"]"#)]).await;
    let names: Vec<_> = nodes
        .iter()
        .map(|node| node["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["n002", "n001", "n000"]);
}

async fn sort_nobody_can_do_is_refused(drive: &Drive, home: &str) {
    filled(drive, home, 1).await;
    for sort in [
        "[",
        "name ASC",
        r#"["id; DROP TABLE nodes"]"#,
        r#"["name UP"]"#,
        r#"["nothing ASC"]"#,
        "{}",
        "[7]",
    ] {
        drive
            .list(&format!("nodes/{home}/children"), &[("sort", sort)])
            .await
            .refused(400);
    }
}

async fn filters_and_pages_go_together(drive: &Drive, home: &str) {
    for number in 0..5 {
        drive.file(&format!("f{number}"), home, b"f").await;
    }
    filled(drive, home, 5).await;
    let filter = format!("kind:FILE AND parents:{home}");
    let found = drive
        .all("nodes", &[("filters", &filter), ("limit", "2")])
        .await;
    assert_eq!(names(&found), ["f0", "f1", "f2", "f3", "f4"]);
    let found = drive
        .all(
            &format!("nodes/{home}/children"),
            &[("filters", "kind:FOLDER"), ("limit", "2")],
        )
        .await;
    assert_eq!(names(&found), ["n000", "n001", "n002", "n003", "n004"]);
}
