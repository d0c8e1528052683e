//! Rules changed by calls.

use std::os::unix::fs::PermissionsExt;

use amazon_drive_server::Server;
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

use super::{in_memory, info};
use crate::common::{Reply, Running, options, send, start};

/// A server that takes such calls, and the token for them.
async fn administered() -> (TempDir, Running, String) {
    let dir = in_memory();
    let server = Server::bind(options(dir.path()).with_fault_admin())
        .await
        .unwrap();
    let path = server.fault_admin().await.unwrap().unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = std::fs::read_to_string(path).unwrap().trim().to_owned();
    assert_eq!(token.len(), 64);
    (dir, Running::serve(server), token)
}

async fn call(server: &Running, token: &str, method: Method, path: &str, body: &str) -> Reply {
    let url = format!("http://{}/admin/faults{path}", server.address);
    let request = server.client.request(method, url).bearer_auth(token);
    send(request.body(body.to_owned())).await
}

#[tokio::test]
async fn rules_are_added_counted_and_removed() {
    let (_dir, server, token) = administered().await;
    let add = async |rule: &str| {
        let body = json!({ "rule": rule }).to_string();
        call(&server, &token, Method::POST, "", &body).await
    };
    let list = async || {
        call(&server, &token, Method::GET, "", "")
            .await
            .expect(200)
            .json()
    };
    assert_eq!(list().await, json!({ "faults": [] }));
    let added = add("503,count=1").await.expect(201).json();
    assert_eq!(
        added,
        json!({"id": 1, "name": "503", "rule": "503,count=1", "matched": 0, "hits": 0})
    );
    info(&server).await.expect(503);
    info(&server).await.expect(200);
    let listed = list().await;
    assert_eq!(listed["faults"][0]["matched"], 2);
    assert_eq!(listed["faults"][0]["hits"], 1);
    add("500").await.expect(201);
    info(&server).await.expect(500);
    call(&server, &token, Method::DELETE, "/2", "")
        .await
        .expect(204);
    info(&server).await.expect(200);
    call(&server, &token, Method::DELETE, "/2", "")
        .await
        .expect(404);
    call(&server, &token, Method::DELETE, "/503", "")
        .await
        .expect(204);
    assert_eq!(list().await, json!({ "faults": [] }));
    add("500").await.expect(201);
    add("502").await.expect(201);
    call(&server, &token, Method::DELETE, "", "")
        .await
        .expect(204);
    info(&server).await.expect(200);
}

#[tokio::test]
async fn wrong_rule_is_told_with_what_is_allowed() {
    let (_dir, server, token) = administered().await;
    let body = json!({"rule": "429,colour=red"}).to_string();
    let refused = call(&server, &token, Method::POST, "", &body)
        .await
        .expect(400)
        .json();
    assert_eq!(
        refused["message"],
        "fault rule '429,colour=red': it has no key 'colour'"
    );
    assert!(refused["allowed"].as_str().unwrap().contains("429[=SHAPE]"));
    call(&server, &token, Method::POST, "", "429")
        .await
        .expect(400);
    info(&server).await.expect(200);
}

#[tokio::test]
async fn only_the_token_of_the_file_opens_it() {
    let (_dir, server, token) = administered().await;
    for wrong in ["", "x", &server.token, &token[1..]] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let refused = call(&server, wrong, method, "", "{\"rule\":\"500\"}").await;
            assert!(refused.expect(401).body.is_empty());
        }
        call(&server, wrong, Method::DELETE, "/1", "")
            .await
            .expect(401);
    }
    info(&server).await.expect(200);
    // Nor does it open the drive.
    let url = format!("{}account/info", server.endpoint);
    send(server.client.get(url).bearer_auth(&token))
        .await
        .expect(401);
}

#[tokio::test]
async fn faults_do_not_lock_out_who_would_remove_them() {
    let (_dir, server, token) = administered().await;
    for rule in ["gateway-page", "connection-reset"] {
        let body = json!({ "rule": rule }).to_string();
        call(&server, &token, Method::POST, "", &body)
            .await
            .expect(201);
    }
    call(&server, &token, Method::DELETE, "", "")
        .await
        .expect(204);
    info(&server).await.expect(200);
}

#[tokio::test]
async fn there_are_no_such_calls_unless_asked_for() {
    let (dir, server) = start().await;
    let url = format!("http://{}/admin/faults", server.address);
    send(server.client.get(&url)).await.expect(404);
    send(server.client.get(&url).bearer_auth(&server.token))
        .await
        .expect(404);
    assert!(!dir.path().join("fault-admin.token").exists());
}
