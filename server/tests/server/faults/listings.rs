//! Listings that are behind, short, or have what is not there.

use serde_json::{Value, json};

use super::Faulty;
use crate::common::{id, names};

/// A folder with these files.
async fn folder_of(server: &Faulty, files: &[&str]) -> String {
    let root = server.root().await;
    let folder = server.folder("folder", &root).await;
    for name in files {
        server.file(name, &folder, name.as_bytes()).await;
    }
    folder
}

/// All pages of a folder, by the tokens alone.
async fn pages(server: &Faulty, folder: &str, limit: &str) -> Vec<Value> {
    let path = format!("nodes/{folder}/children");
    let mut pages = vec![
        server
            .list(&path, &[("limit", limit)])
            .await
            .expect(200)
            .json(),
    ];
    while let Some(token) = pages[pages.len() - 1]["nextToken"]
        .as_str()
        .map(str::to_owned)
    {
        assert!(pages.len() < 50, "no end of pages");
        let query = [("limit", limit), ("startToken", token.as_str())];
        pages.push(server.list(&path, &query).await.expect(200).json());
    }
    pages
}

#[tokio::test]
async fn new_nodes_are_listed_late_and_read_at_once() {
    let server = Faulty::start(&[]).await;
    let folder = folder_of(&server, &["old"]).await;
    server.time.advance(100);
    server.fault("listing-lag=30");
    let new = server.file("new", &folder, b"new").await;
    for seconds in [0, 29] {
        server.time.advance(seconds);
        let page = server.get(&format!("nodes/{folder}/children")).await.json();
        assert_eq!(
            (names(&page), &page["count"]),
            (vec!["old".to_owned()], &json!(1))
        );
        assert!(server.find("name:new").await.is_empty());
        assert_eq!(server.find(&format!("parents:{folder}")).await, ["old"]);
        server.get(&format!("nodes/{new}")).await.expect(200);
        server.upload("new", &folder, b"new").await.expect(409);
    }
    server.time.advance(1);
    assert_eq!(server.children(&folder).await, ["old", "new"]);
    assert_eq!(server.find("name:new").await, ["new"]);
}

#[tokio::test]
async fn root_is_never_new() {
    let server = Faulty::start(&["listing-lag=1h"]).await;
    assert_eq!(server.root().await.len(), 22);
}

#[tokio::test]
async fn moved_node_is_listed_twice_for_a_time() {
    let server = Faulty::start(&["moved-twice=30"]).await;
    let from = folder_of(&server, &["a", "b"]).await;
    let to = server.folder("to", &server.root().await).await;
    let a = id(&server.list("nodes", &[("filters", "name:a")]).await.json()["data"][0]);
    let body = json!({"fromParent": from, "childId": a});
    let path = format!("nodes/{to}/children");
    let moved = server.call(reqwest::Method::POST, &path, Some(body)).await;
    assert_eq!(moved.expect(200).json()["parents"], json!([to]));
    server.time.advance(29);
    let old = server.get(&format!("nodes/{from}/children")).await.json();
    assert_eq!(names(&old), ["b", "a"]);
    assert_eq!(old["count"], 2);
    assert_eq!(old["data"][1]["parents"], json!([from]));
    assert_eq!(
        server.find(&format!("parents:{from} AND name:a")).await,
        ["a"]
    );
    assert!(
        server
            .find(&format!("parents:{from} AND name:c"))
            .await
            .is_empty()
    );
    assert_eq!(server.children(&to).await, ["a"]);
    let node = server.get(&format!("nodes/{a}")).await.json();
    assert_eq!(node["parents"], json!([to]));
    // Out of a folder by itself as well.
    let path = format!("nodes/{to}/children/{a}");
    server
        .call(reqwest::Method::DELETE, &path, None)
        .await
        .expect(200);
    server.time.advance(1);
    assert_eq!(server.children(&from).await, ["b"]);
    assert_eq!(server.children(&to).await, ["a"]);
    server.time.advance(29);
    assert!(server.children(&to).await.is_empty());
}

#[tokio::test]
async fn filter_by_name_misses_what_the_folder_lists() {
    let server = Faulty::start(&["name-filter-miss=a*"]).await;
    let folder = folder_of(&server, &["a.txt", "b.txt"]).await;
    let filter = format!("parents:{folder} AND name:a.txt");
    let page = server.list("nodes", &[("filters", &filter)]).await.json();
    assert_eq!(
        (page["count"].clone(), page["data"].clone()),
        (json!(0), json!([]))
    );
    assert_eq!(server.find("name:b.txt").await, ["b.txt"]);
    assert_eq!(server.children(&folder).await, ["a.txt", "b.txt"]);
    assert_eq!(server.faults.hits("name-filter-miss"), 1);
}

#[tokio::test]
async fn next_token_is_expired_at_once() {
    let server = Faulty::start(&["next-token-expired,after=1,count=1"]).await;
    let folder = folder_of(&server, &["a", "b", "c"]).await;
    let path = format!("nodes/{folder}/children");
    let first = server.list(&path, &[("limit", "1")]).await.json();
    let query = |page: &Value| {
        [
            ("limit", "1"),
            ("startToken", page["nextToken"].as_str().unwrap()),
        ]
        .map(|(key, value)| (key, value.to_owned()))
    };
    let get = async |page: &Value| {
        let query = query(page);
        let query: Vec<_> = query
            .iter()
            .map(|(key, value)| (*key, value.as_str()))
            .collect();
        server.list(&path, &query).await
    };
    let second = get(&first).await.expect(200).json();
    let refused = get(&second).await.expect(400).json();
    assert_eq!(refused["message"], "Next token is expired");
    assert_eq!(refused["logref"].as_str().unwrap().len(), 36);
    assert_eq!(names(&get(&second).await.expect(200).json()), ["c"]);
}

#[tokio::test]
async fn partial_pages_are_short_and_complete_together() {
    let server = Faulty::start(&["partial-pages=2"]).await;
    let folder = folder_of(&server, &["a", "b", "c", "d", "e"]).await;
    let pages = pages(&server, &folder, "200").await;
    let listed: Vec<_> = pages.iter().map(names).collect();
    assert_eq!(listed, [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
    assert!(pages.iter().all(|page| page["count"] == 5));
    let path = format!("nodes/{folder}/children");
    let one = server.list(&path, &[("limit", "1")]).await.json();
    assert_eq!(names(&one), ["a"], "a smaller limit stays");
    server.list(&path, &[("limit", "x")]).await.expect(400);
}

#[tokio::test]
async fn empty_page_leads_to_the_page_it_stands_before() {
    let server = Faulty::start(&[]).await;
    let folder = folder_of(&server, &["a", "b", "c"]).await;
    server.fault("empty-page,count=2");
    let pages = pages(&server, &folder, "2").await;
    let listed: Vec<_> = pages.iter().map(names).collect();
    assert_eq!(listed, [vec![], vec!["a", "b"], vec![], vec!["c"]]);
    assert!(pages.iter().all(|page| page["count"] == 3));
    for page in &pages[..3] {
        let token = page["nextToken"].as_str().unwrap();
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        assert!(token.bytes().all(safe), "{token}");
    }
}

/// The one node more that a rule puts into a folder.
async fn odd_node(rule: &str) -> (Faulty, String, Value) {
    let server = Faulty::start(&[]).await;
    let folder = folder_of(&server, &["a"]).await;
    server.fault(rule);
    let page = server.get(&format!("nodes/{folder}/children")).await.json();
    assert_eq!(page["count"], 2);
    let data = page["data"].as_array().unwrap();
    assert_eq!(data.len(), 2);
    assert_eq!(data[0]["name"], "a");
    let odd = data[1].clone();
    // The same again, and for who asks in another way; but not where it cannot be.
    let filter = format!("parents:\"{folder}\"");
    let again = server.list("nodes", &[("filters", &filter)]).await.json();
    assert_eq!(again["data"][1]["id"], odd["id"]);
    assert_eq!(
        server.find(&format!("parents:{folder} AND name:b")).await,
        [""; 0]
    );
    assert_eq!(server.find("isRoot:true").await, ["(root)"]);
    let path = format!("nodes/{}", id(&odd));
    assert_eq!(server.get(&path).await.expect(200).json()["id"], odd["id"]);
    server.download(&id(&odd), None).await.expect(404);
    let later = server
        .list(&format!("nodes/{folder}/children"), &[("limit", "1")])
        .await
        .json();
    let token = later["nextToken"].as_str();
    assert!(token.is_none(), "one real node");
    server.faults.clear();
    server.get(&path).await.expect(404);
    assert_eq!(server.children(&folder).await, ["a"]);
    (server, folder, odd)
}

#[tokio::test]
async fn pending_node_has_no_content() {
    let (_server, folder, odd) = odd_node("pending-node=film").await;
    assert_eq!(odd["name"], "film");
    assert_eq!(
        (&odd["kind"], &odd["status"]),
        (&json!("FILE"), &json!("PENDING"))
    );
    assert_eq!(odd["parents"], json!([folder]));
    assert!(odd.get("contentProperties").is_none());
}

#[tokio::test]
async fn asset_node_is_neither_file_nor_folder() {
    let (_server, _, odd) = odd_node("asset-node").await;
    assert_eq!(
        (&odd["kind"], &odd["name"]),
        (&json!("ASSET"), &json!("thumbnail"))
    );
    assert_eq!(odd["contentProperties"]["size"], 1);
}

#[tokio::test]
async fn node_of_bogus_parent_is_elsewhere() {
    let (server, folder, odd) = odd_node("bogus-parent").await;
    assert_eq!(odd["parents"].as_array().unwrap().len(), 1);
    assert_ne!(odd["parents"], json!([folder]));
    let parent = odd["parents"][0].as_str().unwrap();
    server.get(&format!("nodes/{parent}")).await.expect(404);
}

#[tokio::test]
async fn nameless_node_has_no_name_at_all() {
    let (_server, _, odd) = odd_node("nameless-node").await;
    assert!(odd.get("name").is_none());
    assert_eq!(odd["kind"], "FILE");
}
