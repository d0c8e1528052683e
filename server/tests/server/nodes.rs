//! Metadata: reading, creating, changing, moving, trashing, and every refusal.

use crate::common::{id, send, start};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn discovery_names_this_server() {
    let (_dir, server) = start().await;
    let found = server.get("account/endpoint").await.expect(200);
    assert_eq!(
        found.json(),
        json!({
            "customerExists": true,
            "contentUrl": server.content,
            "metadataUrl": server.endpoint,
        })
    );
    assert!(found.header("content-type").starts_with("application/json"));
}

#[tokio::test]
async fn account_tells_its_state_and_what_is_used() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    server.file("a.jpg", &root, b"12345").await;
    server.file("b.pdf", &root, b"123").await;
    server.file("c.mp4", &root, b"12").await;
    server.file("d", &root, b"1").await;
    let info = server.get("account/info").await.expect(200).json();
    assert_eq!(info, json!({"termsOfUse": "1.0.0", "status": "ACTIVE"}));
    let quota = server.get("account/quota").await.expect(200).json();
    assert_eq!(
        quota["quota"].as_i64().unwrap() - quota["available"].as_i64().unwrap(),
        11
    );
    let usage = server.get("account/usage").await.expect(200).json();
    for (category, bytes) in [("photo", 5), ("doc", 3), ("video", 2), ("other", 1)] {
        assert_eq!(
            usage[category]["total"],
            json!({"bytes": bytes, "count": 1}),
            "{category}"
        );
        assert_eq!(usage[category]["billable"], json!({"bytes": 0, "count": 0}));
    }
}

#[tokio::test]
async fn root_has_no_name_and_no_parents() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let node = server
        .get(&format!("nodes/{root}"))
        .await
        .expect(200)
        .json();
    assert!(node.get("name").is_none());
    assert_eq!(node["isRoot"], true);
    assert_eq!(node["parents"], json!([]));
    assert_eq!(node["kind"], "FOLDER");
    assert_eq!(node["createdBy"], "CloudDriveFiles");
    assert!(node.get("contentProperties").is_none());
}

#[tokio::test]
async fn root_cannot_be_renamed_trashed_or_moved() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let folder = server.folder("f", &root).await;
    server
        .call(
            Method::PATCH,
            &format!("nodes/{root}"),
            Some(json!({"name": "x"})),
        )
        .await
        .error(403);
    server
        .call(Method::PUT, &format!("trash/{root}"), None)
        .await
        .error(403);
    server
        .call(
            Method::PUT,
            &format!("nodes/{folder}/children/{root}"),
            None,
        )
        .await
        .error(403);
}

#[tokio::test]
async fn folder_is_created_whatever_the_content_type() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    for (index, content_type) in ["application/json", "text/plain; charset=utf-8", "x/y"]
        .iter()
        .enumerate()
    {
        let body = json!({"name": format!("f{index}"), "kind": "FOLDER", "parents": [root]})
            .to_string()
            + "\n";
        let request = server.request(Method::POST, &format!("{}nodes", server.endpoint));
        send(request.header("Content-Type", *content_type).body(body))
            .await
            .expect(201);
    }
    let body = json!({"name": "Pictures", "kind": "FOLDER", "labels": ["a"], "description": "d"});
    let node = server
        .call(Method::POST, "nodes", Some(body))
        .await
        .expect(201)
        .json();
    assert_eq!(node["parents"], json!([root]), "no parents means the root");
    assert_eq!(node["name"], "Pictures");
    assert_eq!(node["version"], 1);
    assert_eq!(node["labels"], json!(["a"]));
    assert_eq!(node["description"], "d");
    assert_eq!(node["status"], "AVAILABLE");
    assert_eq!(node["restricted"], false);
    assert_eq!(node["isShared"], false);
    assert_eq!(node["eTagResponse"].as_str().unwrap().len(), 11);
    assert_eq!(
        node["createdDate"].as_str().unwrap().len(),
        "2015-03-17T16:04:05.123Z".len()
    );
    assert_eq!(node["createdDate"], node["modifiedDate"]);
    let again = server
        .get(&format!("nodes/{}?tempLink=true", id(&node)))
        .await
        .expect(200)
        .json();
    assert_eq!(again, node);
}

#[tokio::test]
async fn name_is_taken_whatever_its_case() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let first = server.folder("Ünder Way", &root).await;
    let body = json!({"name": "ÜNDER way", "kind": "FOLDER", "parents": [root]});
    let refused = server
        .call(Method::POST, "nodes", Some(body))
        .await
        .expect(409);
    assert_eq!(
        refused.header("x-amzn-errortype"),
        "ResourceConflictException"
    );
    let refused = refused.json();
    assert_eq!(refused["code"], "NAME_ALREADY_EXISTS");
    assert_eq!(refused["info"]["nodeId"], first);
    assert_eq!(
        refused["message"],
        format!(
            "Node with the name ünder way already exists under parentId {root} conflicting NodeId: {first}"
        )
    );
    let logref = refused["logref"].as_str().unwrap();
    assert_eq!(
        (logref.len(), logref.as_bytes()[14]),
        (36, b'1'),
        "{logref}"
    );
    let file = server
        .upload("ünder WAY", &root, b"x")
        .await
        .expect(409)
        .json();
    assert_eq!(
        file["info"]["nodeId"], first,
        "files and folders share the names"
    );
    server.folder("e\u{301}", &root).await;
    server.folder("\u{e9}", &root).await;
    server.folder("Ünder Way", &first).await;
}

#[tokio::test]
async fn names_that_no_node_can_have_are_refused() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let longest = "é".repeat(280);
    server.folder(&longest, &root).await;
    let too_long = "x".repeat(281);
    let create = |name: &str| Some(json!({"name": name, "kind": "FOLDER"}));
    let message = server
        .call(Method::POST, "nodes", create(&too_long))
        .await
        .error(400);
    assert_eq!(
        message,
        format!(
            "1 validation error detected: Value '{too_long}' at 'name' failed to satisfy constraint: Member must have \
             length less than or equal to 280"
        )
    );
    for name in ["", "a/b", "/", "a\0"] {
        server
            .call(Method::POST, "nodes", create(name))
            .await
            .error(400);
        server.upload(name, &root, b"x").await.error(400);
        server
            .call(
                Method::PATCH,
                &format!("nodes/{root}"),
                Some(json!({"name": name})),
            )
            .await
            .error(400);
    }
    server
        .call(Method::POST, "nodes", Some(json!({"kind": "FOLDER"})))
        .await
        .error(400);
    for name in [".", "..", " ", "a\\b", "con", "\u{202e}", "a&%'\"()+-"] {
        server.folder(name, &root).await;
        assert!(server.children(&root).await.contains(&name.to_owned()));
    }
}

#[tokio::test]
async fn folders_need_a_parent_that_is_an_available_folder() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let file = server.file("file", &root, b"x").await;
    let trashed = server.folder("trashed", &root).await;
    server
        .call(Method::PUT, &format!("trash/{trashed}"), None)
        .await
        .expect(200);
    let create = |parent: &str| Some(json!({"name": "n", "kind": "FOLDER", "parents": [parent]}));
    server
        .call(Method::POST, "nodes", create("AAAAAAAAAAAAAAAAAAAAAA"))
        .await
        .error(404);
    server
        .call(Method::POST, "nodes", create(&file))
        .await
        .error(400);
    let message = server
        .call(Method::POST, "nodes", create(&trashed))
        .await
        .error(400);
    assert_eq!(message, "A node cannot be added to trashed parent");
    let message = server.upload("n", &trashed, b"x").await.error(400);
    assert_eq!(message, "A node cannot be added to trashed parent");
    server
        .upload("n", "AAAAAAAAAAAAAAAAAAAAAA", b"x")
        .await
        .error(404);
}

#[tokio::test]
async fn malformed_bodies_are_refused() {
    let (_dir, server) = start().await;
    for body in ["", "[]", "{", "{\"name\": 1}", "nonsense"] {
        let request = server
            .request(Method::POST, &format!("{}nodes", server.endpoint))
            .body(body);
        send(request).await.error(400);
    }
    let file = Some(json!({"name": "n", "kind": "FILE"}));
    server.call(Method::POST, "nodes", file).await.error(400);
    let huge = json!({"name": "n", "kind": "FOLDER", "description": "x".repeat(300_000)});
    server
        .call(Method::POST, "nodes", Some(huge))
        .await
        .error(400);
}

#[tokio::test]
async fn patch_changes_the_given_fields_only() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let node = server.file("a.txt", &root, b"x").await;
    let path = format!("nodes/{node}");
    let renamed = server
        .call(Method::PATCH, &path, Some(json!({"name": "b.JPG"})))
        .await
        .expect(200)
        .json();
    assert_eq!(renamed["name"], "b.JPG");
    assert_eq!(renamed["version"], 2);
    assert_eq!(renamed["contentProperties"]["extension"], "jpg");
    let patch = json!({"labels": ["x", "y"], "description": "words", "createdDate": "ignored"});
    let labelled = server
        .call(Method::PATCH, &path, Some(patch))
        .await
        .expect(200)
        .json();
    assert_eq!(labelled["name"], "b.JPG");
    assert_eq!(labelled["labels"], json!(["x", "y"]));
    assert_eq!(labelled["description"], "words");
    assert_eq!(labelled["version"], 3);
    assert_ne!(labelled["eTagResponse"], renamed["eTagResponse"]);
    let bare = server
        .call(Method::PATCH, &path, Some(json!({"description": null})))
        .await
        .expect(200)
        .json();
    assert!(bare.get("description").is_none());
    assert_eq!(server.get(&path).await.expect(200).json(), bare);
}

#[tokio::test]
async fn patch_refuses_what_cannot_be() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let taken = server.folder("taken", &root).await;
    let node = server.folder("n", &root).await;
    let path = format!("nodes/{node}");
    let patch = |body| server.call(Method::PATCH, &path, Some(body));
    let refused = patch(json!({"name": "TAKEN"})).await.expect(409).json();
    assert_eq!(refused["info"]["nodeId"], taken);
    patch(json!({"contentProperties": {"size": 1}}))
        .await
        .error(403);
    patch(json!({"labels": vec!["l"; 11]})).await.error(400);
    patch(json!({"labels": ["l".repeat(257)]})).await.error(400);
    patch(json!({"description": "d".repeat(501)}))
        .await
        .error(400);
    let same = patch(json!({"name": "N"})).await.expect(200).json();
    assert_eq!(same["name"], "N", "a node does not conflict with itself");
    server
        .call(
            Method::PATCH,
            "nodes/AAAAAAAAAAAAAAAAAAAAAA",
            Some(json!({"name": "x"})),
        )
        .await
        .error(404);
}

#[tokio::test]
async fn node_moves_and_can_lie_in_several_folders() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let (a, b) = (
        server.folder("a", &root).await,
        server.folder("b", &root).await,
    );
    let file = server.file("file", &a, b"x").await;
    let body = |from: &str, child: &str| Some(json!({"fromParent": from, "childId": child}));
    let to_b = format!("nodes/{b}/children");
    let moved = server
        .call(Method::POST, &to_b, body(&a, &file))
        .await
        .expect(200)
        .json();
    assert_eq!(moved["parents"], json!([b]));
    assert!(server.children(&a).await.is_empty());
    assert_eq!(server.children(&b).await, ["file"]);
    server
        .call(Method::POST, &to_b, body(&a, &file))
        .await
        .error(404);
    let link = format!("nodes/{a}/children/{file}");
    let both = server
        .call(Method::PUT, &link, None)
        .await
        .expect(200)
        .json();
    assert_eq!(both["parents"].as_array().unwrap().len(), 2);
    let again = server
        .call(Method::PUT, &link, None)
        .await
        .expect(200)
        .json();
    assert_eq!(again, both, "adding once more changes nothing");
    assert_eq!(
        (server.children(&a).await, server.children(&b).await),
        (vec!["file".into()], vec!["file".into()])
    );
    server.call(Method::DELETE, &link, None).await.expect(200);
    assert!(server.children(&a).await.is_empty());
    server.call(Method::DELETE, &link, None).await.error(404);
    let last = server
        .call(Method::DELETE, &format!("nodes/{b}/children/{file}"), None)
        .await
        .expect(200)
        .json();
    assert_eq!(
        last["parents"],
        json!([root]),
        "without any folder it comes to the root"
    );
    let patched = server
        .call(
            Method::PATCH,
            &format!("nodes/{file}"),
            Some(json!({"parents": [a]})),
        )
        .await;
    assert_eq!(patched.expect(200).json()["parents"], json!([a]));
}

#[tokio::test]
async fn moves_that_make_no_sense_are_refused() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let a = server.folder("a", &root).await;
    let b = server.folder("b", &a).await;
    let file = server.file("B", &root, b"x").await;
    let move_to = |to: &str, child: &str| {
        let body = json!({"fromParent": root, "childId": child});
        let path = format!("nodes/{to}/children");
        let server = &server;
        async move { server.call(Method::POST, &path, Some(body)).await }
    };
    move_to(&b, &a).await.error(400);
    move_to(&a, &a).await.error(400);
    server
        .call(Method::PUT, &format!("nodes/{b}/children/{a}"), None)
        .await
        .error(400);
    let refused = move_to(&a, &file).await.expect(409).json();
    assert_eq!(refused["info"]["nodeId"], b);
    move_to(&file, &a).await.error(400);
    move_to("AAAAAAAAAAAAAAAAAAAAAA", &a).await.error(404);
    server
        .call(Method::PUT, &format!("trash/{a}"), None)
        .await
        .expect(200);
    move_to(&b, &file).await.error(400);
    move_to(&root, &a).await.error(400);
}

#[tokio::test]
async fn trashed_folder_takes_its_content_along_and_back() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let outer = server.folder("outer", &root).await;
    let inner = server.folder("inner", &outer).await;
    let file = server.file("file", &inner, b"x").await;
    let early = server.file("early", &inner, b"y").await;
    server
        .call(
            Method::PUT,
            &format!("trash/{early}"),
            Some(json!({"kind": "FILE"})),
        )
        .await
        .expect(200);

    let trashed = server
        .call(Method::PUT, &format!("trash/{outer}"), Some(json!({})))
        .await
        .expect(200)
        .json();
    assert_eq!(trashed["status"], "TRASH");
    assert_eq!(trashed["exclusivelyTrashed"], true);
    assert!(trashed.get("recursivelyTrashed").is_none());
    let below = server
        .get(&format!("nodes/{file}"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&below["status"], &below["recursivelyTrashed"]),
        (&json!("TRASH"), &json!(true))
    );
    assert!(below.get("exclusivelyTrashed").is_none());
    assert!(server.children(&inner).await.is_empty());
    assert!(server.children(&root).await.is_empty());
    assert!(server.find("name:file").await.is_empty());
    assert_eq!(
        server.find("status:TRASH AND kind:FILE").await,
        ["file", "early"]
    );
    let listed = server.get("trash").await.expect(200).json();
    assert_eq!(
        crate::common::names(&listed),
        ["outer", "early"],
        "only what was trashed itself"
    );
    assert_eq!(listed["count"], 2);
    assert_eq!(server.download(&file, None).await.expect(200).body, b"x");
    server
        .call(Method::POST, &format!("trash/{early}/restore"), None)
        .await
        .error(400);

    let restored = server
        .call(Method::POST, &format!("trash/{outer}/restore"), None)
        .await
        .expect(200)
        .json();
    assert_eq!(restored["status"], "AVAILABLE");
    assert!(restored.get("exclusivelyTrashed").is_none());
    assert_eq!(
        server.children(&inner).await,
        ["file"],
        "what was trashed before stays there"
    );
    server
        .call(Method::POST, &format!("trash/{early}/restore"), None)
        .await
        .expect(200);
    assert_eq!(server.children(&inner).await, ["file", "early"]);
    server
        .call(Method::POST, &format!("trash/{early}/restore"), None)
        .await
        .expect(200);
    server
        .call(Method::PUT, "trash/AAAAAAAAAAAAAAAAAAAAAA", None)
        .await
        .error(404);
    server
        .call(Method::POST, "trash/AAAAAAAAAAAAAAAAAAAAAA/restore", None)
        .await
        .error(404);
}

#[tokio::test]
async fn trashed_names_are_free_and_restoring_may_clash() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let first = server.folder("Name", &root).await;
    let below = server.file("below", &first, b"x").await;
    server
        .call(Method::PUT, &format!("trash/{first}"), None)
        .await
        .expect(200);
    let second = server.folder("name", &root).await;
    let refused = server
        .call(Method::POST, &format!("trash/{first}/restore"), None)
        .await
        .expect(409)
        .json();
    assert_eq!(refused["code"], "NAME_ALREADY_EXISTS");
    assert_eq!(refused["info"]["nodeId"], second);
    let still = server
        .get(&format!("nodes/{below}"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        still["status"], "TRASH",
        "a refused restore restores nothing"
    );
    let renamed = server
        .call(
            Method::PATCH,
            &format!("nodes/{first}"),
            Some(json!({"name": "other"})),
        )
        .await;
    assert_eq!(renamed.expect(200).json()["status"], "TRASH");
    server
        .call(Method::POST, &format!("trash/{first}/restore"), None)
        .await
        .expect(200);
    server
        .call(Method::PUT, &format!("trash/{second}"), None)
        .await
        .expect(200);
    server
        .call(
            Method::PATCH,
            &format!("nodes/{second}"),
            Some(json!({"name": "OTHER"})),
        )
        .await
        .expect(200);
    assert_eq!(server.children(&root).await, ["other"]);
}

#[tokio::test]
async fn clash_below_a_restored_folder_is_named() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let folder = server.folder("folder", &root).await;
    let one = server.file("one", &folder, b"1").await;
    let two = server.file("two", &folder, b"2").await;
    server
        .call(Method::PUT, &format!("trash/{folder}"), None)
        .await
        .expect(200);
    server
        .call(
            Method::PATCH,
            &format!("nodes/{two}"),
            Some(json!({"name": "ONE"})),
        )
        .await
        .expect(200);
    let refused = server
        .call(Method::POST, &format!("trash/{folder}/restore"), None)
        .await
        .expect(409)
        .json();
    let named = refused["info"]["nodeId"].as_str().unwrap();
    assert!(named == one || named == two, "{refused}");
}

#[tokio::test]
async fn purging_is_for_nobody() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let folder = server.folder("f", &root).await;
    let message = server
        .call(Method::DELETE, &format!("nodes/{folder}"), None)
        .await
        .error(403);
    assert_eq!(
        message,
        "Insufficient permissions granted for operation: purgeNode"
    );
}

#[tokio::test]
async fn unknown_nodes_are_not_found() {
    let (_dir, server) = start().await;
    let unknown = "AAAAAAAAAAAAAAAAAAAAAA";
    for path in [
        format!("nodes/{unknown}"),
        format!("nodes/{unknown}/children"),
    ] {
        let refused = server.get(&path).await.expect(404);
        assert_eq!(
            refused.header("x-amzn-errortype"),
            "ResourceNotFoundException"
        );
    }
    server.download(unknown, None).await.error(404);
    server.overwrite(unknown, b"x").await.error(404);
}

#[tokio::test]
async fn unknown_operations_and_verbs_are_told_apart() {
    let (_dir, server) = start().await;
    for path in ["nothing", "nodes/x/y/z", "../x"] {
        let reply = server.get(path).await.expect(404);
        assert_eq!(reply.body, b"<UnknownOperationException/>", "{path}");
        assert_eq!(reply.header("content-type"), "application/xml");
        assert!(!reply.header("x-amzn-requestid").is_empty());
    }
    server
        .call(Method::DELETE, "account/info", None)
        .await
        .error(405);
    server.call(Method::PUT, "nodes", None).await.error(405);
}

#[tokio::test]
async fn duplicate_slashes_are_collapsed() {
    let (_dir, server) = start().await;
    let root = server.root().await;
    let folder = server.folder("f", &root).await;
    server.get(&format!("/nodes//{folder}")).await.expect(200);
    server
        .call(Method::PUT, &format!("/trash//{folder}"), None)
        .await
        .expect(200);
}

#[tokio::test]
async fn every_reply_has_its_own_request_id() {
    let (_dir, server) = start().await;
    let mut seen = std::collections::HashSet::new();
    for path in ["account/info", "nodes", "nodes/x", "nothing"] {
        let reply = server.get(path).await;
        let id = reply.header("x-amzn-requestid");
        assert!(seen.insert(id.to_owned()) && id.len() == 36, "{path}: {id}");
    }
}
