//! Tokens: who gets in, and how new ones are had.

use std::os::unix::fs::PermissionsExt;

use crate::common::{Reply, Running, Time, http_client, options, send, start};
use amazon_drive_server::Server;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// The keys of a written `client.conf`.
struct Config(String);

impl Config {
    fn value(&self, key: &str) -> String {
        let mut pairs = self.0.lines().filter_map(|line| line.split_once(" = "));
        pairs.find(|(found, _)| *found == key).unwrap().1.to_owned()
    }

    fn token(&self) -> Value {
        serde_json::from_str(&self.value("token")).unwrap()
    }

    fn form(&self) -> Vec<(&'static str, String)> {
        let refresh_token = self.token()["refresh_token"].as_str().unwrap().to_owned();
        vec![
            ("grant_type", "refresh_token".into()),
            ("refresh_token", refresh_token),
            ("client_id", self.value("client_id")),
            ("client_secret", self.value("client_secret")),
            ("redirect_uri", "http://localhost".into()),
        ]
    }

    async fn refresh(&self, form: &[(&str, String)]) -> Reply {
        send(http_client().post(self.value("token_url")).form(form)).await
    }
}

async fn configured(dir: &tempfile::TempDir, time: &Time) -> (Running, Config) {
    let server = Server::bind(time.options(dir.path())).await.unwrap();
    let path = server.client_config().await.unwrap();
    let config = Config(std::fs::read_to_string(path).unwrap());
    (Running::serve(server), config)
}

async fn info(server: &Running, authorization: Option<&str>) -> Reply {
    let mut request = server
        .client
        .get(format!("{}account/info", server.endpoint));
    if let Some(authorization) = authorization {
        request = request.header("Authorization", authorization);
    }
    send(request).await
}

#[tokio::test]
async fn nobody_gets_in_without_a_token() {
    let (_dir, server) = start().await;
    for authorization in [
        None,
        Some("Bearer"),
        Some("Bearer "),
        Some("Basic eDp5"),
        Some("Token x"),
    ] {
        let refused = info(&server, authorization).await.expect(401);
        assert!(refused.body.is_empty(), "{authorization:?}");
        assert!(!refused.header("x-amzn-errortype").is_empty());
    }
    for authorization in ["Bearer x", "bearer Atza|x"] {
        let refused = info(&server, Some(authorization)).await.expect(401).json();
        assert_eq!(refused["message"], "Token has expired");
        assert_eq!(refused["code"], "");
        assert_eq!(refused["logref"].as_str().unwrap().len(), 36);
    }
    info(&server, Some(&format!("bearer {}", server.token)))
        .await
        .expect(200);
    for url in [
        format!("{}nodes", server.endpoint),
        format!("{}nodes/x/content", server.content),
    ] {
        send(server.client.get(url)).await.expect(401);
    }
    send(server.client.post(format!("{}nodes", server.content)))
        .await
        .expect(401);
}

#[tokio::test]
async fn local_token_is_this_servers_alone() {
    let (dir, server) = start().await;
    let other = Running::start(options(dir.path())).await;
    assert_ne!(server.token, other.token);
    info(&other, Some(&format!("Bearer {}", server.token)))
        .await
        .expect(401);
    let token = server.token.clone();
    server.stop().await;
    other.stop().await;
    for file in crate::common::files(dir.path()) {
        let content = std::fs::read(&file).unwrap();
        let found = content
            .windows(token.len())
            .any(|part| part == token.as_bytes());
        assert!(!found, "{}", file.display());
    }
}

#[tokio::test]
async fn client_config_is_a_remote_for_this_server() {
    let dir = tempfile::tempdir().unwrap();
    let (server, config) = configured(&dir, &Time::new()).await;
    let path = dir.path().join("client.conf");
    assert_eq!(
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(
        config.0.starts_with("[drive]\ntype = amazon cloud drive\n"),
        "{}",
        config.0
    );
    assert_eq!(config.value("endpoint"), server.endpoint);
    assert!(config.value("auth_url").starts_with("http://127.0.0.1:"));
    let token = config.token();
    assert_eq!(token["token_type"], "bearer");
    assert_eq!(token["expiry"], "2023-11-14T23:13:20.000Z");
    let access = token["access_token"].as_str().unwrap();
    assert!(
        access.starts_with("Atza|") && access.len() > 350,
        "{access}"
    );
    info(&server, Some(&format!("Bearer {access}")))
        .await
        .expect(200);
}

#[tokio::test]
async fn client_config_keeps_what_is_still_good() {
    let dir = tempfile::tempdir().unwrap();
    let (server, first) = configured(&dir, &Time::new()).await;
    server.stop().await;
    let (server, second) = configured(&dir, &Time::new()).await;
    for key in ["client_id", "client_secret"] {
        assert_eq!(first.value(key), second.value(key));
    }
    assert_eq!(
        first.token()["refresh_token"],
        second.token()["refresh_token"]
    );
    assert_ne!(
        first.token()["access_token"],
        second.token()["access_token"]
    );
    server.stop().await;
    let path = dir.path().join("client.conf");
    let spoiled = first.0.replace(&first.value("client_secret"), "wrong");
    std::fs::write(&path, spoiled).unwrap();
    let (_server, third) = configured(&dir, &Time::new()).await;
    assert_ne!(first.value("client_id"), third.value("client_id"));
    third.refresh(&third.form()).await.expect(200);
}

#[tokio::test]
async fn expired_token_is_refused_and_refreshed() {
    let dir = tempfile::tempdir().unwrap();
    let time = Time::new();
    let (server, config) = configured(&dir, &time).await;
    let old = format!(
        "Bearer {}",
        config.token()["access_token"].as_str().unwrap()
    );
    time.advance(3599);
    info(&server, Some(&old)).await.expect(200);
    time.advance(1);
    assert_eq!(
        info(&server, Some(&old)).await.error(401),
        "Token has expired"
    );
    let reply = config.refresh(&config.form()).await.expect(200);
    assert!(reply.header("content-type").starts_with("application/json"));
    let reply = reply.json();
    assert_eq!(reply["token_type"], "bearer");
    assert_eq!(reply["expires_in"], 3600);
    assert!(reply["expires_in"].is_i64());
    assert_eq!(reply["refresh_token"], config.token()["refresh_token"]);
    let new = format!("Bearer {}", reply["access_token"].as_str().unwrap());
    info(&server, Some(&new)).await.expect(200);
    time.advance(100_000);
    config.refresh(&config.form()).await.expect(200);
    assert_eq!(
        info(&server, Some(&old)).await.error(401),
        "Token has expired"
    );
}

#[tokio::test]
async fn client_may_show_its_secret_in_the_header() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, config) = configured(&dir, &Time::new()).await;
    let form = &config.form()[..2];
    let request = || http_client().post(config.value("token_url")).form(form);
    let basic = |secret: &str| STANDARD.encode(format!("{}:{secret}", config.value("client_id")));
    let right = basic(&config.value("client_secret"));
    send(request().header("Authorization", format!("Basic {right}")))
        .await
        .expect(200);
    let wrong = send(request().header("Authorization", format!("Basic {}", basic("wrong")))).await;
    assert_eq!(wrong.expect(401).json()["error"], "invalid_client");
}

#[tokio::test]
async fn token_errors_are_those_of_the_service() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, config) = configured(&dir, &Time::new()).await;
    let with = |key: &'static str, value: &str| {
        let mut form = config.form();
        form.retain(|(name, _)| *name != key);
        if !value.is_empty() {
            form.push((key, value.into()));
        }
        form
    };
    for (form, status, error) in [
        (
            with("refresh_token", "Atzr|x"),
            400,
            json!({
                "error": "invalid_grant",
                "error_description": "The request has an invalid grant parameter : refresh_token",
            }),
        ),
        (
            with("client_secret", "x"),
            401,
            json!({"error": "invalid_client", "error_description": "Client authentication failed"}),
        ),
    ] {
        assert_eq!(config.refresh(&form).await.expect(status).json(), error);
    }
    for (form, status, error) in [
        (with("client_id", "x"), 401, "invalid_client"),
        (with("refresh_token", ""), 400, "invalid_request"),
        (with("grant_type", ""), 400, "invalid_request"),
        (with("client_secret", ""), 400, "invalid_request"),
        (
            with("grant_type", "password"),
            400,
            "unsupported_grant_type",
        ),
    ] {
        assert_eq!(
            config.refresh(&form).await.expect(status).json()["error"],
            error
        );
    }
    send(http_client().get(config.value("token_url")))
        .await
        .error(405);
}
