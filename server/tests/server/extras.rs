//! What nodes have besides themselves: properties, temporary links, pictures, ids of the
//! client's own; and what becomes of old trash.

use std::{io::Cursor, time::Duration};

use amazon_drive_server::FsckOptions;
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Reply, Running, Time, files, id, names, send, start, until};

const DAY: u64 = 24 * 60 * 60;

#[tokio::test]
async fn property_is_set_read_and_removed() {
    let (_dir, server) = start().await;
    let node = server.folder("f", &server.root().await).await;
    let base = format!("nodes/{node}/properties/acd");
    let set = |key: &str, value: Value| {
        let path = format!("{base}/{key}");
        let server = &server;
        async move { server.call(Method::PUT, &path, Some(value)).await }
    };
    let made = set("a_1", json!({"value": "text"}))
        .await
        .expect(201)
        .json();
    assert_eq!(
        made,
        json!({
            "key": "a_1",
            "value": "text",
            "location": format!("{}{base}/a_1", server.endpoint),
        })
    );
    set("a_1", json!({"value": "other"})).await.expect(201);
    set("b", json!({"value": ""})).await.expect(201);
    let read = server.get(&format!("{base}/a_1")).await.expect(200).json();
    assert_eq!(read, json!({"key": "a_1", "value": "other"}));
    let all = server.get(&base).await.expect(200).json();
    assert_eq!(all, json!({"count": 2, "data": {"a_1": "other", "b": ""}}));
    let shown = server
        .list(&format!("nodes/{node}"), &[("fields", r#"["properties"]"#)])
        .await
        .json();
    assert_eq!(
        shown["properties"],
        json!({"acd": {"a_1": "other", "b": ""}})
    );
    let plain = server.get(&format!("nodes/{node}")).await.json();
    assert!(plain["properties"].is_null());
    assert_eq!(plain["version"], 4);
    let removed = server
        .call(Method::DELETE, &format!("{base}/b"), None)
        .await
        .expect(204);
    assert!(removed.body.is_empty());
    server.get(&format!("{base}/b")).await.error(404);
    server
        .call(Method::DELETE, &format!("{base}/b"), None)
        .await
        .error(404);
}

#[tokio::test]
async fn properties_have_limits_and_owners() {
    let (_dir, server) = start().await;
    let node = server.folder("f", &server.root().await).await;
    let set = |path: String, value: String| {
        let server = &server;
        let body = json!({ "value": value });
        async move { server.call(Method::PUT, &path, Some(body)).await }
    };
    let own = |key: &str| format!("nodes/{node}/properties/acd/{key}");
    for number in 0..10 {
        set(own(&format!("k{number}")), "x".repeat(500))
            .await
            .expect(201);
    }
    set(own("k10"), "x".into()).await.error(400);
    set(own("k9"), "again".into()).await.expect(201);
    set(own("k9"), "x".repeat(501)).await.error(400);
    set(own(&"k".repeat(51)), "x".into()).await.error(400);
    set(own("a-b"), "x".into()).await.error(400);
    server
        .call(Method::PUT, &own("k1"), Some(json!({"value": 5})))
        .await
        .error(400);
    let other = format!("nodes/{node}/properties/other");
    set(format!("{other}/k"), "x".into()).await.error(403);
    server.get(&format!("{other}/k")).await.error(403);
    let none = server.get(&other).await.expect(200).json();
    assert_eq!(none, json!({"count": 0, "data": {}}));
    let unknown = server
        .get(&format!("nodes/{node}/properties/"))
        .await
        .expect(404);
    assert_eq!(unknown.body, b"<UnknownOperationException/>");
    server
        .get("nodes/AAAAAAAAAAAAAAAAAAAAAA/properties/acd")
        .await
        .error(404);
    let all = server
        .get(&format!("nodes/{node}/properties/acd"))
        .await
        .json();
    assert_eq!(all["count"], 10);
}

#[tokio::test]
async fn properties_may_come_with_the_node() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let with = |name: &str, properties: Value| json!({"name": name, "kind": "FILE", "parents": [root], "properties": properties});
    let made = server
        .upload_with("", &with("a", json!({"acd": {"mtime": "1"}})), b"x")
        .await
        .expect(201);
    let path = format!("nodes/{}/properties/acd", id(&made.json()));
    assert_eq!(
        server.get(&path).await.json()["data"],
        json!({"mtime": "1"})
    );
    let patch = json!({"properties": {"acd": {"more": "2"}}});
    server
        .call(
            Method::PATCH,
            &format!("nodes/{}", id(&made.json())),
            Some(patch),
        )
        .await
        .expect(200);
    assert_eq!(
        server.get(&path).await.json()["data"],
        json!({"mtime": "1", "more": "2"})
    );
    let refused = with("b", json!({"other": {"k": "v"}}));
    server.upload_with("", &refused, b"x").await.error(403);
    let refused = with("b", json!({"acd": {"k": "v".repeat(501)}}));
    server.upload_with("", &refused, b"x").await.error(400);
    assert_eq!(server.children(&root).await, ["a"]);
}

#[tokio::test]
async fn local_id_makes_no_second_node() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let folder = json!({"name": "f", "kind": "FOLDER", "parents": [root], "localId": "/home/me/f"});
    let made = server
        .call(Method::POST, "nodes", Some(folder.clone()))
        .await
        .expect(201);
    let made = id(&made.json());
    let mut again = folder;
    for name in ["f", "g"] {
        again["name"] = json!(name);
        let refused = server
            .call(Method::POST, "nodes", Some(again.clone()))
            .await
            .expect(409);
        assert_eq!(refused.json()["info"]["nodeId"], json!(made), "{name}");
    }
    let file = json!({"name": "h", "kind": "FILE", "parents": [root], "localId": "/home/me/f"});
    server.upload_with("", &file, b"x").await.expect(409);
    let long = json!({"name": "h", "kind": "FOLDER", "localId": "x".repeat(101)});
    server
        .call(Method::POST, "nodes", Some(long))
        .await
        .error(400);
    assert_eq!(server.children(&root).await, ["f"]);
}

#[tokio::test]
async fn conditional_change_happens_only_in_the_expected_state() {
    let (_dir, server) = start().await;
    let node = server.folder("f", &server.root().await).await;
    let path = format!("nodes/{node}");
    let etag = server.get(&path).await.json()["eTagResponse"]
        .as_str()
        .unwrap()
        .to_owned();
    let patch = |etag: String, name: &str| {
        let request = server
            .request(Method::PATCH, &format!("{}{path}", server.endpoint))
            .header("If-Match", etag)
            .body(json!({ "name": name }).to_string());
        send(request)
    };
    patch("\"AAAAAAAAAAA\"".into(), "x").await.error(412);
    patch(format!("\"{etag}\""), "g").await.expect(200);
    patch(etag.clone(), "h").await.error(412);
    patch("*".into(), "i").await.expect(200);
    let stale = json!({"name": "j", "eTagRequest": etag});
    server
        .call(Method::PATCH, &path, Some(stale))
        .await
        .error(412);
    let current = server.get(&path).await.json();
    assert_eq!(current["name"], "i");
    let fresh = json!({"name": "k", "eTagRequest": current["eTagResponse"]});
    server
        .call(Method::PATCH, &path, Some(fresh))
        .await
        .expect(200);
}

async fn follow(server: &Running, link: &str, range: Option<&str>) -> Reply {
    let mut request = server.client.get(link);
    if let Some(range) = range {
        request = request.header("Range", range);
    }
    send(request).await
}

async fn link(server: &Running, node: &str) -> String {
    let shown = server
        .list(&format!("nodes/{node}"), &[("tempLink", "true")])
        .await
        .expect(200)
        .json();
    shown["tempLink"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn temporary_link_gives_content_without_a_token_and_takes_none() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let file = server.file("f", &root, b"hello world").await;
    let address = link(&server, &file).await;
    let token = address.strip_prefix(&format!("{}templink/", server.content));
    assert_eq!(token.unwrap().len(), 43, "{address}");
    assert_eq!(
        follow(&server, &address, None).await.expect(200).body,
        b"hello world"
    );
    let part = follow(&server, &address, Some("bytes=6-"))
        .await
        .expect(206);
    assert_eq!(part.body, b"world");
    let refused = send(server.request(Method::GET, &address))
        .await
        .expect(400);
    let refused = String::from_utf8(refused.body).unwrap();
    assert!(
        refused.contains("Only one auth mechanism allowed"),
        "{refused}"
    );
    // Also with what clients send for `true`, and in listings; never for folders.
    for spelled in ["True", "true"] {
        let page = server
            .list("nodes", &[("tempLink", spelled)])
            .await
            .expect(200)
            .json();
        let links: Vec<_> = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["tempLink"].as_str())
            .collect();
        assert_eq!(links, [None, Some(address.as_str())]);
    }
    let folder = server
        .list(&format!("nodes/{root}"), &[("tempLink", "true")])
        .await
        .expect(200)
        .json();
    assert!(folder["tempLink"].is_null());
    assert!(
        server.get(&format!("nodes/{file}")).await.json()["tempLink"].is_null(),
        "only where asked for"
    );
}

#[tokio::test]
async fn temporary_link_ends() {
    let dir = tempfile::tempdir().unwrap();
    let time = Time::new();
    let server = Running::start(time.options(dir.path())).await;
    let root = server.root().await;
    let file = server.file("f", &root, b"x").await;
    let first = link(&server, &file).await;
    time.advance(DAY - 1);
    assert_eq!(link(&server, &file).await, first, "the same for a day");
    time.advance(1);
    follow(&server, &first, None).await.expect(200);
    let second = link(&server, &file).await;
    assert_ne!(second, first);
    follow(&server, &first, None).await.error(404);
    follow(&server, &second, None).await.expect(200);
    time.advance(2 * DAY - 1);
    follow(&server, &second, None).await.expect(200);
    time.advance(1);
    follow(&server, &second, None).await.error(410);
    for wrong in ["", "x", "../../nodes", &"A".repeat(43), "%2e%2e%2f"] {
        let reply = follow(
            &server,
            &format!("{}templink/{wrong}", server.content),
            None,
        )
        .await;
        assert!(
            reply.status.is_client_error() && !reply.body.is_empty(),
            "{wrong}: {reply:?}"
        );
    }
}

#[tokio::test]
async fn large_json_is_compressed_for_who_takes_it() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    for number in 0..20 {
        server.folder(&format!("folder {number}"), &root).await;
    }
    let file = server.file("f.txt", &root, &[b'x'; 5000]).await;
    let ask = |url: String| {
        server
            .request(Method::GET, &url)
            .header("Accept-Encoding", "gzip")
    };
    let packed = send(ask(format!("{}nodes", server.endpoint)))
        .await
        .expect(200);
    assert_eq!(packed.header("content-encoding"), "gzip");
    let mut text = String::new();
    let mut reader = flate2::read::GzDecoder::new(&packed.body[..]);
    std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
    let page: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(names(&page).len(), 22);
    let plain = server.get("nodes").await.expect(200);
    assert_eq!(plain.header("content-encoding"), "");
    assert_eq!(plain.json(), page);
    let content = send(ask(format!("{}nodes/{file}/content", server.content))).await;
    assert_eq!(content.header("content-encoding"), "");
    assert_eq!(content.header("content-length"), "5000");
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image::RgbImage::from_pixel(width, height, image::Rgb([9, 90, 200]))
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

#[tokio::test]
async fn picture_is_described_and_made_small() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let picture = server.upload("p.png", &root, &png(300, 150)).await;
    let picture = picture.expect(201).json();
    assert_eq!(
        picture["contentProperties"]["image"],
        json!({"width": 300, "height": 150})
    );
    let picture = id(&picture);
    let small = |node: &str, view_box: &str| {
        let url = format!("{}nodes/{node}/content?viewBox={view_box}", server.content);
        send(server.request(Method::GET, &url))
    };
    for (view_box, expected) in [
        ("100", (100, 50)),
        ("100,20", (40, 20)),
        ("900", (300, 150)),
    ] {
        let reply = small(&picture, view_box).await.expect(200);
        assert_eq!(reply.header("content-type"), "image/jpeg");
        let made = image::load_from_memory(&reply.body).unwrap();
        assert_eq!((made.width(), made.height()), expected, "{view_box}");
    }
    let by_link = link(&server, &picture).await;
    follow(&server, &format!("{by_link}?viewBox=10"), None)
        .await
        .expect(200);
    small(&picture, "0").await.error(400);
    small(&picture, "big").await.error(400);
    let text = server.file("t.txt", &root, b"hello").await;
    small(&text, "100").await.error(400);
    small(&root, "100").await.error(400);
    small("AAAAAAAAAAAAAAAAAAAAAA", "100").await.error(404);
    // New content is described anew; what only calls itself a picture is kept as it is.
    let replaced = server.overwrite(&picture, &png(20, 10)).await.expect(200);
    assert_eq!(
        replaced.json()["contentProperties"]["image"],
        json!({"width": 20, "height": 10})
    );
    let replaced = server.overwrite(&picture, b"no picture").await.expect(200);
    assert!(replaced.json()["contentProperties"]["image"].is_null());
    let assets = server
        .list(&format!("nodes/{picture}"), &[("asset", "ALL")])
        .await
        .expect(200)
        .json();
    assert_eq!(assets["assets"], json!([]));
}

#[tokio::test]
async fn download_for_a_browser_has_a_name() {
    let (_dir, server) = start().await;
    let file = server
        .file("a \"b\"\u{e4}.txt", &server.root().await, b"x")
        .await;
    let url = format!("{}nodes/{file}/content?download=true", server.content);
    let reply = send(server.request(Method::GET, &url)).await.expect(200);
    assert_eq!(
        reply.header("content-disposition"),
        "attachment; filename*=UTF-8''a%20%22b%22%C3%A4.txt"
    );
    assert_eq!(
        server
            .download(&file, None)
            .await
            .header("content-disposition"),
        ""
    );
}

#[tokio::test]
async fn old_trash_is_purged_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let time = Time::new();
    let server = Running::start(time.options(dir.path())).await;
    let root = server.root().await;
    let folder = server.folder("folder", &root).await;
    let other = server.folder("other", &root).await;
    let inside = server.file("inside", &folder, b"inside").await;
    let shared = server.file("shared", &folder, b"shared").await;
    let trash = async |server: &Running, id: &str| {
        server
            .call(Method::PUT, &format!("trash/{id}"), None)
            .await
            .expect(200);
    };
    trash(&server, &folder).await;
    // Back under a folder that is not in the trash, and then only in one that is: what is
    // available must not go with it.
    for (method, path) in [
        (Method::PUT, format!("nodes/{other}/children/{shared}")),
        (Method::POST, format!("trash/{shared}/restore")),
        (Method::DELETE, format!("nodes/{other}/children/{shared}")),
    ] {
        server.call(method, &path, None).await.expect(200);
    }
    server.file("shared", &root, b"in the way").await;
    time.advance(29 * DAY);
    let young = server.file("young", &root, b"young").await;
    trash(&server, &young).await;
    let before = server.get("account/usage").await.expect(200).json();
    assert_eq!(before["other"]["total"]["count"], 4);
    server.stop().await;
    let server = Running::start(time.options(dir.path())).await;
    // The writer answers in order: a purge would have come first.
    server.folder("later", &root).await;
    server.get(&format!("nodes/{inside}")).await.expect(200);
    server.stop().await;
    time.advance(DAY + 1);
    let server = Running::start(time.options(dir.path())).await;
    let gone = async {
        while server.get(&format!("nodes/{inside}")).await.status != 404 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone)
        .await
        .unwrap();
    server.get(&format!("nodes/{folder}")).await.error(404);
    server.get(&format!("nodes/{young}")).await.expect(200);
    assert_eq!(
        server.download(&shared, None).await.expect(200).body,
        b"shared"
    );
    let kept = server.get(&format!("nodes/{shared}")).await.json();
    assert_eq!(kept["parents"], json!([root]));
    assert_eq!(kept["name"], json!(format!("shared ({shared})")));
    let page = server.get("trash").await.json();
    assert_eq!(names(&page), ["young"]);
    let after = server.get("account/usage").await.expect(200).json();
    assert_eq!(after["other"]["total"]["count"], 3);
    let content = dir.path().join("content");
    until("the purged content is deleted", || {
        files(&content).len() == 3
    })
    .await;
    let found = crate::backup::findings(dir.path(), FsckOptions::default()).await;
    assert_eq!(found, []);
}

#[tokio::test]
async fn trash_is_kept_for_ever_if_so_wished() {
    let dir = tempfile::tempdir().unwrap();
    let time = Time::new();
    let mut forever = time.options(dir.path());
    forever.trash_retention = None;
    let server = Running::start(forever.clone()).await;
    let file = server.file("f", &server.root().await, b"x").await;
    server
        .call(Method::PUT, &format!("trash/{file}"), None)
        .await
        .expect(200);
    server.stop().await;
    time.advance(1000 * DAY);
    let server = Running::start(forever).await;
    // The writer answers in order: a purge would have come first.
    server.folder("later", &server.root().await).await;
    server.get(&format!("nodes/{file}")).await.expect(200);
}

/// Waits until a node is purged.
async fn purged(server: &Running, id: &str) {
    let gone = async {
        while server.get(&format!("nodes/{id}")).await.status != 404 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_lies_elsewhere_as_well_is_not_purged_with_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let time = Time::new();
    let server = Running::start(time.options(dir.path())).await;
    let root = server.root().await;
    let old = server.folder("old", &root).await;
    let young = server.folder("young", &root).await;
    let kept = server.folder("kept", &root).await;
    let both = server.file("both", &old, b"both").await;
    let along = server.file("along", &old, b"along").await;
    let call = async |method: Method, path: String| {
        server.call(method, &path, None).await.expect(200);
    };
    call(Method::PUT, format!("nodes/{young}/children/{both}")).await;
    call(Method::PUT, format!("nodes/{kept}/children/{along}")).await;
    call(Method::PUT, format!("trash/{old}")).await;
    time.advance(25 * DAY);
    call(Method::PUT, format!("trash/{young}")).await;
    server.stop().await;
    time.advance(6 * DAY);
    let server = Running::start(time.options(dir.path())).await;
    purged(&server, &old).await;
    // Comes back with its other folder.
    server
        .call(Method::POST, &format!("trash/{young}/restore"), None)
        .await
        .expect(200);
    assert_eq!(server.children(&young).await, ["both"]);
    assert_eq!(server.download(&both, None).await.expect(200).body, b"both");
    // Was in the trash with the old folder only: lies there by itself now, and for 30 days.
    assert_eq!(names(&server.get("trash").await.json()), ["along"]);
    server
        .call(Method::POST, &format!("trash/{along}/restore"), None)
        .await
        .expect(200);
    assert_eq!(server.children(&kept).await, ["along"]);
}

#[tokio::test]
async fn what_is_taken_out_of_a_trashed_folder_lies_in_the_trash_by_itself() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let folder = server.folder("folder", &root).await;
    let file = server.file("file", &folder, b"x").await;
    for (method, path) in [
        (Method::PUT, format!("trash/{folder}")),
        (Method::DELETE, format!("nodes/{folder}/children/{file}")),
        (Method::POST, format!("trash/{folder}/restore")),
    ] {
        server.call(method, &path, None).await.expect(200);
    }
    assert_eq!(names(&server.get("trash").await.json()), ["file"]);
    server
        .call(Method::POST, &format!("trash/{file}/restore"), None)
        .await
        .expect(200);
    assert_eq!(server.children(&root).await, ["folder", "file"]);
}

#[tokio::test]
async fn links_given_out_at_once_are_the_same() {
    let (_dir, server) = start().await;
    let file = server.file("f", &server.root().await, b"x").await;
    let links = (0..8).map(|_| link(&server, &file));
    let links = futures::future::join_all(links).await;
    for address in &links {
        follow(&server, address, None).await.expect(200);
    }
}

#[tokio::test]
async fn file_of_json_is_sent_as_it_is_and_runs_in_no_browser() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let file = server.file("f.json", &root, &[b' '; 5000]).await;
    let url = format!("{}nodes/{file}/content", server.content);
    for method in [Method::GET, Method::HEAD] {
        let request = server
            .request(method, &url)
            .header("Accept-Encoding", "gzip");
        let reply = send(request).await.expect(200);
        assert_eq!(reply.header("content-encoding"), "");
        assert_eq!(reply.header("content-length"), "5000");
        assert_eq!(reply.header("accept-ranges"), "bytes");
    }
    let reply = follow(&server, &link(&server, &file).await, None).await;
    assert_eq!(
        reply.header("content-security-policy"),
        "default-src 'none'; frame-ancestors 'none'; sandbox"
    );
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn count_of_no_folder_is_none() {
    let (_dir, server) = start().await;
    server.folder("f", &server.root().await).await;
    let page = server
        .list("nodes", &[("filters", "parents:\"\"")])
        .await
        .expect(200)
        .json();
    assert_eq!(page, json!({"count": 0, "data": []}));
}
