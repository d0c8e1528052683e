//! Tokens that end, and accounts that are not the right ones.

use amazon_drive_server::Server;
use serde_json::Value;

use super::{Faulty, in_memory, info, refresh};
use crate::common::{Running, Time, send};

#[tokio::test]
async fn token_is_refused_in_three_ways() {
    let server = Faulty::start(&["401,count=1", "401=message,count=1", "401=empty,count=1"]).await;
    let full = info(&server).await.expect(401).json();
    assert_eq!(full["message"], "Token has expired");
    assert_eq!(full["code"], "");
    let short = info(&server).await.expect(401).json();
    assert_eq!(short, serde_json::json!({"message": "Token has expired"}));
    assert!(info(&server).await.expect(401).body.is_empty());
    info(&server).await.expect(200);
}

#[tokio::test]
async fn storm_lasts_its_time_and_heals() {
    let server = Faulty::start(&["401-storm=60,after=1"]).await;
    info(&server).await.expect(200);
    assert!(info(&server).await.expect(401).body.is_empty());
    server.time.advance(59);
    info(&server).await.expect(401);
    server.time.advance(1);
    for _ in 0..3 {
        info(&server).await.expect(200);
    }
    assert_eq!(server.faults.hits("401-storm"), 2);
    // A second one, if there are to be two.
    server.faults.clear();
    server.fault("401-storm=10,count=2");
    for _ in 0..2 {
        info(&server).await.expect(401);
        info(&server).await.expect(401);
        server.time.advance(10);
    }
    info(&server).await.expect(200);
}

/// A server that has written a client config, and the token from a refresh.
async fn refreshed(rule: &str, times: usize) -> (Faulty, Vec<String>) {
    let dir = in_memory();
    let time = Time::new();
    let options = time.options(dir.path()).with_faults([rule]).unwrap();
    let server = Server::bind(options).await.unwrap();
    server.client_config().await.unwrap();
    let faults = server.faults();
    let server = Running::serve(server);
    let mut tokens = Vec::new();
    for _ in 0..times {
        let reply = refresh(dir.path()).await.expect(200).json();
        tokens.push(reply["access_token"].as_str().unwrap().to_owned());
    }
    let faulty = Faulty {
        server,
        faults,
        time,
        dir,
    };
    (faulty, tokens)
}

async fn get(server: &Faulty, token: &str, path: &str) -> crate::common::Reply {
    let url = format!("{}{path}", server.endpoint);
    send(server.client.get(url).bearer_auth(token)).await
}

fn ids(page: &Value) -> Vec<&str> {
    let nodes = page["data"].as_array().unwrap();
    nodes
        .iter()
        .map(|node| node["id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn short_token_ends_and_refreshing_helps() {
    let (server, tokens) = refreshed("short-tokens=5,count=2", 1).await;
    server.time.advance(4);
    get(&server, &tokens[0], "account/info").await.expect(200);
    server.time.advance(1);
    let refused = get(&server, &tokens[0], "account/info").await;
    assert_eq!(refused.error(401), "Token has expired");
    let reply = refresh(server.dir.path()).await.expect(200).json();
    assert_eq!(reply["expires_in"], 5);
    let token = reply["access_token"].as_str().unwrap();
    get(&server, token, "account/info").await.expect(200);
    server.time.advance(5);
    get(&server, token, "account/info").await.expect(401);
    let reply = refresh(server.dir.path()).await.expect(200).json();
    assert_eq!(reply["expires_in"], 3600, "the third is none of them");
    // The server's own token is not one that was given out.
    info(&server).await.expect(200);
}

#[tokio::test]
async fn taken_back_permission_is_an_invalid_grant() {
    let (server, _) = refreshed("invalid-grant,after=1", 1).await;
    let refused = refresh(server.dir.path()).await.expect(400).json();
    assert_eq!(refused["error"], "invalid_grant");
    assert_eq!(
        refused["error_description"],
        "The request has an invalid grant parameter : refresh_token"
    );
}

#[tokio::test]
async fn swapped_token_opens_another_empty_account() {
    let (server, tokens) = refreshed("account-swap,after=1", 3).await;
    let [own, swapped, again] = &tokens[..] else {
        panic!("three tokens");
    };
    let root = server.root().await;
    server.file("mine", &root, b"mine").await;
    let filter = "nodes?filters=isRoot%3Atrue";
    assert_eq!(
        ids(&get(&server, own, filter).await.expect(200).json()),
        [root.as_str()]
    );
    let other = get(&server, swapped, filter).await.expect(200).json();
    assert_ne!(ids(&other), [root.as_str()]);
    assert_eq!(other["count"], 1);
    let everything = get(&server, swapped, "nodes").await.expect(200).json();
    assert_eq!(ids(&everything), ids(&other), "nothing but its root");
    get(&server, swapped, &format!("nodes/{root}"))
        .await
        .expect(404);
    assert_eq!(
        get(&server, again, filter).await.json()["data"],
        other["data"]
    );

    // What is written there is not in the drive.
    let request = server.client.post(format!("{}nodes", server.content));
    let metadata = serde_json::json!({"name": "stray", "kind": "FILE"}).to_string();
    let body = crate::common::multipart(Some(&metadata), Some(b"stray"));
    let request = request
        .header("Content-Type", crate::common::MULTIPART)
        .body(body);
    send(request.bearer_auth(swapped)).await.expect(201);
    assert_eq!(get(&server, again, "nodes").await.json()["count"], 2);
    assert_eq!(server.children(&root).await, ["mine"]);
    assert_eq!(server.objects(), 1);

    // Without the rule each token is what it was given out as.
    server.faults.clear();
    assert_eq!(
        ids(&get(&server, swapped, filter).await.json()),
        [root.as_str()]
    );
}
