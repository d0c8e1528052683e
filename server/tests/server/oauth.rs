//! A program is let in by a user: from the consent page to the tokens, and what they open.

use amazon_drive_server::{Accounts, Program, Server};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use crate::{
    accounts::{Browser, PASSWORD, field, text, with_users},
    common::{MULTIPART, Reply, Running, Time, http_client, id, multipart, send},
};

const REDIRECT: &str = "http://127.0.0.1:53682/";
const DRIVE: &str = "clouddrive:read_all clouddrive:write";

/// A server, a user's browser, and a program that wants to be let in.
struct Scene {
    dir: tempfile::TempDir,
    server: Running,
    time: Time,
    browser: Browser,
    program: Program,
    secret: String,
}

impl Scene {
    async fn new() -> Self {
        let time = Time::new();
        let (dir, server) = with_users(&time).await;
        let (program, secret) = register(&dir, "Syncer <3", &[REDIRECT]).await;
        let browser = Browser::new(&server);
        Self {
            dir,
            server,
            time,
            browser,
            program,
            secret,
        }
    }

    /// One whose browser is signed in.
    async fn signed_in(user: &str) -> Self {
        let mut scene = Self::new().await;
        scene.browser.sign_in(user, PASSWORD, "/").await.expect(303);
        scene
    }

    fn question(&self) -> Vec<(&'static str, String)> {
        vec![
            ("client_id", self.program.client_id.clone()),
            ("redirect_uri", REDIRECT.into()),
            ("response_type", "code".into()),
            ("scope", DRIVE.into()),
            ("state", "a b&c".into()),
        ]
    }

    async fn ask(&mut self, question: &[(&str, String)]) -> Reply {
        let url = Url::parse_with_params("http://x/ap/oa", question).unwrap();
        let path = format!("/ap/oa?{}", url.query().unwrap());
        self.browser.get(&path).await
    }

    /// Sends the form of a consent page with this button.
    async fn decide(&mut self, page: &Reply, decision: &str) -> Reply {
        let mut fields = vec![("decision", decision.to_owned())];
        for name in [
            "csrf",
            "client_id",
            "redirect_uri",
            "response_type",
            "scope",
            "state",
        ] {
            fields.push((name, field(page, name)));
        }
        for name in ["code_challenge", "code_challenge_method"] {
            if text(page).contains(&format!("name=\"{name}\"")) {
                fields.push((name, field(page, name)));
            }
        }
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.browser.post("/ap/oa", &fields).await
    }

    async fn code_for(&mut self, question: &[(&str, String)]) -> String {
        let page = self.ask(question).await.expect(200);
        let reply = self.decide(&page, "allow").await.expect(303);
        answer(&reply, "code").unwrap()
    }

    async fn code(&mut self, scope: &str) -> String {
        let question = with(self.question(), "scope", scope);
        self.code_for(&question).await
    }

    fn form(&self, code: &str) -> Vec<(&'static str, String)> {
        vec![
            ("grant_type", "authorization_code".into()),
            ("code", code.into()),
            ("redirect_uri", REDIRECT.into()),
            ("client_id", self.program.client_id.clone()),
            ("client_secret", self.secret.clone()),
        ]
    }

    async fn exchange(&self, form: &[(&str, String)]) -> Reply {
        self.post("auth/o2/token", form).await
    }

    async fn post(&self, path: &str, form: &[(&str, String)]) -> Reply {
        let url = format!("http://{}/{path}", self.server.address);
        send(http_client().post(url).form(form)).await
    }

    async fn fetch(&self, path: &str) -> Reply {
        let url = format!("http://{}/{path}", self.server.address);
        send(http_client().get(url)).await
    }

    async fn tokens(&mut self, scope: &str) -> Value {
        let code = self.code(scope).await;
        self.exchange(&self.form(&code)).await.expect(200).json()
    }

    /// The status of a call with this access token.
    async fn call(&self, token: &str, method: Method, path: &str, body: &str) -> StatusCode {
        let url = format!("{}{path}", self.server.endpoint);
        let request = http_client().request(method, url).bearer_auth(token);
        send(request.body(body.to_owned())).await.status
    }
}

async fn register(dir: &tempfile::TempDir, name: &str, redirects: &[&str]) -> (Program, String) {
    let accounts = Accounts::open(dir.path()).await.unwrap();
    let redirects: Vec<String> = redirects.iter().map(|uri| (*uri).to_owned()).collect();
    let (program, secret) = accounts.add_program(name, &redirects).await.unwrap();
    accounts.close().await;
    (program, secret.reveal().to_owned())
}

/// The fields with another value for one of them, or without it.
fn with(
    mut fields: Vec<(&'static str, String)>,
    name: &'static str,
    value: &str,
) -> Vec<(&'static str, String)> {
    fields.retain(|(found, _)| *found != name);
    if !value.is_empty() {
        fields.push((name, value.into()));
    }
    fields
}

/// A parameter of the address that a reply redirects to.
fn answer(reply: &Reply, name: &str) -> Option<String> {
    let location = Url::parse(reply.header("location")).unwrap();
    let mut pairs = location.query_pairs();
    pairs
        .find(|(found, _)| found == name)
        .map(|(_, value)| value.into_owned())
}

fn token(tokens: &Value) -> &str {
    tokens["access_token"].as_str().unwrap()
}

#[tokio::test]
async fn user_signs_in_lets_a_program_in_and_it_works() {
    let mut scene = Scene::new().await;
    // As rclone and Go's library write it.
    let asked = scene.ask(&scene.question()).await.expect(303);
    let sign_in = asked.header("location").to_owned();
    assert!(
        sign_in.starts_with("/signin?next=%2Fap%2Foa%3F"),
        "{sign_in}"
    );
    let page = scene.browser.get(&sign_in).await.expect(200);
    let (csrf, next) = (field(&page, "csrf"), field(&page, "next"));
    let fields = [
        ("name", "anna"),
        ("password", PASSWORD),
        ("csrf", &csrf),
        ("next", &next),
    ];
    let reply = scene.browser.post("/signin", &fields).await.expect(303);
    let page = scene
        .browser
        .get(reply.header("location"))
        .await
        .expect(200);
    let shown = text(&page);
    for expected in [
        "Syncer &lt;3",
        "<strong>anna</strong>",
        "read all your files",
        "move them to the trash",
        "127.0.0.1",
    ] {
        assert!(shown.contains(expected), "{expected} in {shown}");
    }
    assert!(
        page.header("content-security-policy")
            .contains("form-action 'self' http://127.0.0.1:53682;")
    );
    let reply = scene.decide(&page, "allow").await.expect(303);
    let location = reply.header("location");
    assert!(
        location.starts_with("http://127.0.0.1:53682/?code=AN"),
        "{location}"
    );
    assert!(
        location.ends_with("&scope=clouddrive%3Aread_all+clouddrive%3Awrite&state=a+b%26c"),
        "{location}"
    );
    let code = answer(&reply, "code").unwrap();
    let reply = scene.exchange(&scene.form(&code)).await.expect(200);
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(
        reply.header("content-type"),
        "application/json;charset=UTF-8"
    );
    let tokens = reply.json();
    assert_eq!(tokens["token_type"], "bearer");
    assert!(tokens["expires_in"].is_i64() && tokens["expires_in"] == 3600);
    assert!(token(&tokens).starts_with("Atza|"));

    let url = format!("{}nodes", scene.server.endpoint);
    let folder = json!({"name": "made", "kind": "FOLDER"}).to_string();
    let request = http_client().post(&url).bearer_auth(token(&tokens));
    let made = send(request.body(folder)).await.expect(201).json();
    assert_eq!(made["createdBy"], "Syncer <3");
    // Anna has the first drive, which the server's own process uses as well.
    assert_eq!(scene.server.find("name:made").await, ["made"]);
    let refresh = vec![
        ("grant_type", "refresh_token".into()),
        (
            "refresh_token",
            tokens["refresh_token"].as_str().unwrap().to_owned(),
        ),
        ("client_id", scene.program.client_id.clone()),
        ("client_secret", scene.secret.clone()),
    ];
    let fresh = scene.exchange(&refresh).await.expect(200).json();
    assert_eq!(fresh["refresh_token"], tokens["refresh_token"]);
    let status = scene.call(token(&fresh), Method::GET, "nodes", "").await;
    assert_eq!(status, 200);
    // The tokens and codes are nowhere on the disk.
    for secret in [token(&fresh), token(&tokens), &code, &scene.secret] {
        for file in crate::common::files(scene.dir.path()) {
            let content = std::fs::read(&file).unwrap();
            let mut windows = content.windows(secret.len());
            assert!(
                !windows.any(|part| part == secret.as_bytes()),
                "{}",
                file.display()
            );
        }
    }
}

#[tokio::test]
async fn each_user_has_a_drive_of_their_own() {
    let mut scene = Scene::signed_in("bert").await;
    let tokens = scene.tokens(DRIVE).await;
    let folder = r#"{"name": "berts", "kind": "FOLDER"}"#;
    let status = scene
        .call(token(&tokens), Method::POST, "nodes", folder)
        .await;
    assert_eq!(status, 201);
    assert!(scene.server.find("name:berts").await.is_empty());
    let url = format!("{}nodes", scene.server.content);
    let metadata = json!({"name": "x", "kind": "FILE"}).to_string();
    let request = http_client().post(url).bearer_auth(token(&tokens));
    let body = multipart(Some(&metadata), Some(b"bert's bytes"));
    let request = request.header("Content-Type", MULTIPART).body(body);
    send(request).await.expect(201);
    let accounts = Accounts::open(scene.dir.path()).await.unwrap();
    let bert = accounts.users().await.unwrap().pop().unwrap();
    assert_eq!(bert.name, "bert");
    let kept = crate::common::files(&bert.drive.join("content"));
    assert_eq!(std::fs::read(&kept[0]).unwrap(), b"bert's bytes");
    assert!(crate::common::files(&scene.dir.path().join("content")).is_empty());
    // A removed user's programs are out at once, and the files stay.
    assert_eq!(accounts.remove_user("bert").await.unwrap(), bert);
    let status = scene.call(token(&tokens), Method::GET, "nodes", "").await;
    assert_eq!(status, 401);
    assert_eq!(std::fs::read(&kept[0]).unwrap(), b"bert's bytes");
    accounts.close().await;
    scene.server.stop().await;
}

#[tokio::test]
async fn user_may_say_no() {
    let mut scene = Scene::signed_in("anna").await;
    let page = scene.ask(&scene.question()).await.expect(200);
    for decision in ["deny", "", "Allow"] {
        let reply = scene.decide(&page, decision).await.expect(303);
        assert!(reply.header("location").starts_with(REDIRECT));
        assert_eq!(answer(&reply, "error").unwrap(), "access_denied");
        assert!(answer(&reply, "error_description").is_some());
        assert_eq!(answer(&reply, "state").unwrap(), "a b&c");
        assert_eq!(answer(&reply, "code"), None);
    }
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_registered() {
    let mut scene = Scene::signed_in("anna").await;
    let page = scene.ask(&scene.question()).await.expect(200);
    let csrf = field(&page, "csrf");
    for (name, value) in [
        ("redirect_uri", ""),
        ("redirect_uri", "https://evil.example/"),
        ("redirect_uri", "http://127.0.0.1:53683/"),
        ("redirect_uri", "http://127.0.0.1:53682/x"),
        ("redirect_uri", "http://127.0.0.1:53682@evil.example/"),
        ("client_id", ""),
        ("client_id", "amzn1.application-oa2-client.0"),
    ] {
        let question = with(scene.question(), name, value);
        let reply = scene.ask(&question).await.expect(400);
        assert!(reply.header("location").is_empty(), "{name}={value}");
        assert!(
            text(&reply).contains("Nothing was shared"),
            "{name}={value}"
        );
        // Nor by a form that was changed on the way.
        let mut fields = question;
        fields.push(("csrf", csrf.clone()));
        fields.push(("decision", "allow".into()));
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let reply = scene.browser.post("/ap/oa", &fields).await.expect(400);
        assert!(reply.header("location").is_empty(), "{name}={value}");
    }
}

#[tokio::test]
async fn any_port_is_accepted_where_it_is_registered() {
    let mut scene = Scene::signed_in("anna").await;
    let registered = ["http://localhost:*/signin/"];
    let (program, secret) = register(&scene.dir, "Phone", &registered).await;
    (scene.program, scene.secret) = (program, secret);
    let uri = "http://localhost:45674/signin/";
    let question = with(scene.question(), "redirect_uri", uri);
    let code = scene.code_for(&question).await;
    let other = with(
        scene.form(&code),
        "redirect_uri",
        "http://localhost:45675/signin/",
    );
    assert_eq!(
        scene.exchange(&other).await.expect(400).json()["error"],
        "invalid_grant"
    );
    let form = with(scene.form(&code), "redirect_uri", uri);
    scene.exchange(&form).await.expect(200);
}

#[tokio::test]
async fn malformed_requests_are_told_to_the_program() {
    let mut scene = Scene::signed_in("anna").await;
    for (name, value, error) in [
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("scope", "", "invalid_scope"),
        ("scope", "clouddrive:everything", "invalid_scope"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "S256", "invalid_request"),
    ] {
        let question = with(scene.question(), name, value);
        let reply = scene.ask(&question).await.expect(303);
        assert!(reply.header("location").starts_with(REDIRECT));
        assert_eq!(answer(&reply, "error").unwrap(), error, "{name}={value}");
        assert_eq!(answer(&reply, "state").unwrap(), "a b&c");
    }
}

#[tokio::test]
async fn consent_cannot_be_forged() {
    let mut scene = Scene::signed_in("anna").await;
    let mut fields = scene.question();
    fields.push(("decision", "allow".into()));
    for csrf in ["", "x"] {
        let mut fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        fields.push(("csrf", csrf));
        let reply = scene.browser.post("/ap/oa", &fields).await.expect(403);
        assert!(reply.header("location").is_empty());
    }
    let page = scene.ask(&scene.question()).await.expect(200);
    fields.push(("csrf", field(&page, "csrf")));
    let request = scene.browser.request(Method::POST, "/ap/oa").form(&fields);
    let request = request.header("Sec-Fetch-Site", "cross-site");
    scene.browser.send(request).await.expect(403);
    // A browser that nobody is signed in at: its token is good, and is not enough.
    let mut other = Browser::new(&scene.server);
    let csrf = field(&other.get("/signin").await, "csrf");
    let mut fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    fields.pop();
    fields.push(("csrf", &csrf));
    let reply = other.post("/ap/oa", &fields).await.expect(303);
    assert!(reply.header("location").starts_with("/signin?"));
}

#[tokio::test]
async fn code_that_comes_twice_takes_its_tokens_away() {
    let mut scene = Scene::signed_in("anna").await;
    let code = scene.code(DRIVE).await;
    let tokens = scene.exchange(&scene.form(&code)).await.expect(200).json();
    let call = async |scene: &Scene| {
        scene
            .call(token(&tokens), Method::GET, "nodes", "")
            .await
            .as_u16()
    };
    assert_eq!(call(&scene).await, 200);
    let again = scene.exchange(&scene.form(&code)).await.expect(400).json();
    assert_eq!(again["error"], "invalid_grant");
    assert_eq!(call(&scene).await, 401);
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    let form = with(scene.form(""), "grant_type", "refresh_token");
    let form = with(form, "refresh_token", refresh_token);
    let refused = scene.exchange(&form).await.expect(400).json();
    assert_eq!(refused["error"], "invalid_grant");
}

#[tokio::test]
async fn code_expires_after_five_minutes() {
    let mut scene = Scene::signed_in("anna").await;
    let (in_time, late) = (scene.code(DRIVE).await, scene.code(DRIVE).await);
    scene.time.advance(299);
    scene.exchange(&scene.form(&in_time)).await.expect(200);
    scene.time.advance(1);
    let refused = scene.exchange(&scene.form(&late)).await.expect(400).json();
    assert_eq!(
        refused,
        json!({
            "error": "invalid_grant",
            "error_description": "The request has an invalid grant parameter : code",
        })
    );
}

#[tokio::test]
async fn code_is_good_with_its_verifier_only() {
    let mut scene = Scene::signed_in("anna").await;
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let s256 = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    for (challenge, method) in [(s256, "S256"), (verifier, "plain"), (verifier, "")] {
        let question = with(scene.question(), "code_challenge", challenge);
        let question = with(question, "code_challenge_method", method);
        let code = scene.code_for(&question).await;
        for wrong in ["", s256, "short", &verifier.to_lowercase()] {
            // The challenge is what a thief of the address has seen.
            if wrong == challenge {
                continue;
            }
            let form = with(scene.form(&code), "code_verifier", wrong);
            let refused = scene.exchange(&form).await.expect(400).json();
            assert_eq!(refused["error"], "invalid_grant", "{method} {wrong}");
        }
        let form = with(scene.form(&code), "code_verifier", verifier);
        scene.exchange(&form).await.expect(200);
    }
    // A verifier for a request that had no challenge: somebody took that out.
    let code = scene.code(DRIVE).await;
    let form = with(scene.form(&code), "code_verifier", verifier);
    scene.exchange(&form).await.expect(400);
}

#[tokio::test]
async fn token_errors_are_those_of_the_service() {
    let mut scene = Scene::signed_in("anna").await;
    let code = scene.code(DRIVE).await;
    for (name, value, status, error) in [
        ("code", "", 400, "invalid_request"),
        ("code", "ANx", 400, "invalid_grant"),
        ("redirect_uri", "", 400, "invalid_request"),
        (
            "redirect_uri",
            "http://127.0.0.1:53682",
            400,
            "invalid_grant",
        ),
        ("client_id", "", 400, "invalid_request"),
        ("client_id", "x", 401, "invalid_client"),
        ("client_secret", "", 400, "invalid_request"),
        ("client_secret", "x", 401, "invalid_client"),
        ("grant_type", "", 400, "invalid_request"),
        ("grant_type", "password", 400, "unsupported_grant_type"),
    ] {
        let form = with(scene.form(&code), name, value);
        let refused = scene.exchange(&form).await.expect(status);
        assert_eq!(refused.header("cache-control"), "no-store");
        let refused = refused.json();
        assert_eq!(refused["error"], error, "{name}={value}");
        assert!(refused["error_description"].is_string(), "{name}={value}");
    }
    // Another program's code or refresh token.
    let first = (scene.program.clone(), scene.secret.clone());
    let (other, secret) = register(&scene.dir, "Other", &[REDIRECT]).await;
    (scene.program, scene.secret) = (other, secret);
    let refused = scene.exchange(&scene.form(&code)).await.expect(400).json();
    let unauthorized = json!({
        "error": "unauthorized_client",
        "error_description": "Not authorized for requested operation",
    });
    assert_eq!(refused, unauthorized);
    (scene.program, scene.secret) = first;
    let tokens = scene.exchange(&scene.form(&code)).await.expect(200).json();
    let (other, secret) = register(&scene.dir, "Another", &[REDIRECT]).await;
    (scene.program, scene.secret) = (other, secret);
    let form = with(scene.form(""), "grant_type", "refresh_token");
    let form = with(
        form,
        "refresh_token",
        tokens["refresh_token"].as_str().unwrap(),
    );
    assert_eq!(scene.exchange(&form).await.expect(400).json(), unauthorized);
}

#[tokio::test]
async fn broken_database_is_a_server_error() {
    let mut scene = Scene::signed_in("anna").await;
    let code = scene.code(DRIVE).await;
    let file = scene.dir.path().join("metadata.sqlite3");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let drop = sqlx::raw_sql("DROP TABLE codes");
    sqlx::Executor::execute(&mut connection, drop)
        .await
        .unwrap();
    let refused = scene.exchange(&scene.form(&code)).await.expect(500).json();
    assert_eq!(refused["error"], "ServerError");
    assert!(refused["error_description"].is_string());
}

#[tokio::test]
async fn tokens_open_what_the_user_agreed_to() {
    let mut scene = Scene::signed_in("anna").await;
    let root = scene.server.root().await;
    let mut files = Vec::new();
    for name in ["a.jpg", "b.mp4", "c.pdf", "d.zip"] {
        files.push(scene.server.file(name, &root, name.as_bytes()).await);
    }
    let folder = r#"{"name": "x", "kind": "FOLDER"}"#;
    for (scope, lists, reads, writes) in [
        (DRIVE, 200, [200, 200, 200, 200], 201),
        ("clouddrive:read_all", 200, [200; 4], 403),
        ("clouddrive:read", 200, [200; 4], 403),
        ("clouddrive:read_image", 200, [200, 403, 403, 403], 403),
        ("clouddrive:read_video", 200, [403, 200, 403, 403], 403),
        ("clouddrive:read_document", 200, [403, 403, 200, 403], 403),
        ("clouddrive:read_other", 200, [403, 403, 403, 200], 403),
        ("clouddrive:write", 403, [403; 4], 201),
        ("profile", 403, [403; 4], 403),
    ] {
        let tokens = scene.tokens(scope).await;
        let token = token(&tokens);
        let status = scene.call(token, Method::GET, "nodes", "").await;
        assert_eq!(status, lists, "{scope}");
        for (file, expected) in files.iter().zip(reads) {
            let url = format!("{}nodes/{file}/content", scene.server.content);
            let read = send(http_client().get(url).bearer_auth(token)).await;
            assert_eq!(read.status, expected, "{scope}");
        }
        let status = scene.call(token, Method::POST, "nodes", folder).await;
        assert_eq!(status, writes, "{scope}");
        if writes == 201 {
            let made = scene.server.list("nodes", &[("filters", "name:x")]).await;
            let made = id(&made.json()["data"][0]);
            let path = format!("trash/{made}");
            let status = scene.call(token, Method::PUT, &path, "").await;
            assert_eq!(status, 200, "{scope}");
        }
        let status = scene.call(token, Method::GET, "account/endpoint", "").await;
        let expected = if scope == "profile" { 403 } else { 200 };
        assert_eq!(status, expected, "{scope}");
    }
    let tokens = scene.tokens("clouddrive:read_all").await;
    for (method, path) in [
        (Method::PATCH, format!("nodes/{}", files[0])),
        (Method::PUT, format!("trash/{}", files[0])),
        (Method::POST, format!("trash/{}/restore", files[0])),
        (Method::DELETE, format!("nodes/{}", files[0])),
    ] {
        let status = scene.call(token(&tokens), method, &path, "{}").await;
        assert_eq!(status, 403, "{path}");
    }
    let url = format!("{}nodes/{}/content", scene.server.content, files[0]);
    let request = http_client().put(url).bearer_auth(token(&tokens));
    let body = multipart(None, Some(b"other"));
    let request = request.header("Content-Type", MULTIPART).body(body);
    let refused = send(request).await.error(403);
    assert!(
        refused.starts_with("Insufficient permissions granted"),
        "{refused}"
    );
    assert_eq!(scene.server.children(&root).await.len(), 4);
}

#[tokio::test]
async fn links_and_pictures_open_no_more_than_the_token_does() {
    let mut scene = Scene::signed_in("bert").await;
    let tokens = scene.tokens(DRIVE).await;
    let url = format!("{}nodes", scene.server.content);
    for name in ["a.jpg", "b.zip"] {
        let metadata = json!({"name": name, "kind": "FILE"}).to_string();
        let request = http_client().post(&url).bearer_auth(token(&tokens));
        let body = multipart(Some(&metadata), Some(name.as_bytes()));
        let request = request.header("Content-Type", MULTIPART).body(body);
        send(request).await.expect(201);
    }
    let narrow = scene.tokens("clouddrive:read_image").await;
    let url = format!(
        "{}nodes?filters=kind:FILE&tempLink=true",
        scene.server.endpoint
    );
    let listed = send(http_client().get(url).bearer_auth(token(&narrow))).await;
    let listed = listed.expect(200).json();
    let link = |name: &str| {
        let mut nodes = listed["data"].as_array().unwrap().iter();
        let node = nodes.find(|node| node["name"] == name).unwrap();
        node["tempLink"].as_str().map(str::to_owned)
    };
    assert_eq!(link("b.zip"), None);
    // It leads to the drive of its own account, without a token.
    let link = link("a.jpg").unwrap();
    let content = send(http_client().get(&link)).await.expect(200);
    assert_eq!(content.body, b"a.jpg");
    let none = scene.tokens("clouddrive:write").await;
    let picture = listed["data"][0]["id"].as_str().unwrap();
    let url = format!("{}nodes/{picture}/content?viewBox=10", scene.server.content);
    let refused = send(http_client().get(url).bearer_auth(token(&none))).await;
    refused.expect(403);
    // A removed user's links are gone with the rest.
    let accounts = Accounts::open(scene.dir.path()).await.unwrap();
    accounts.remove_user("bert").await.unwrap();
    accounts.close().await;
    send(http_client().get(&link)).await.expect(404);
}

#[tokio::test]
async fn token_info_and_profile_tell_who_and_for_how_long() {
    let mut scene = Scene::signed_in("anna").await;
    let tokens = scene.tokens("profile clouddrive:read_all").await;
    let encoded: String = url::form_urlencoded::byte_serialize(token(&tokens).as_bytes()).collect();
    scene.time.advance(100);
    let info = scene
        .fetch(&format!("auth/o2/tokeninfo?access_token={encoded}"))
        .await
        .expect(200)
        .json();
    assert_eq!(info["aud"], scene.program.client_id);
    assert_eq!(info["exp"], 3500);
    assert_eq!(info["iat"], 1_700_000_000);
    assert!(
        info["app_id"]
            .as_str()
            .unwrap()
            .starts_with("amzn1.application.")
    );
    assert_eq!(info["iss"], format!("http://{}", scene.server.address));
    let user_id = info["user_id"].as_str().unwrap();
    assert!(user_id.starts_with("amzn1.account.A"));

    let url = format!("http://{}/user/profile", scene.server.address);
    for request in [
        http_client().get(&url).bearer_auth(token(&tokens)),
        http_client()
            .get(&url)
            .header("x-amz-access-token", token(&tokens)),
        http_client().get(format!("{url}?access_token={encoded}")),
    ] {
        let profile = send(request).await.expect(200).json();
        assert_eq!(profile, json!({"user_id": user_id, "name": "anna"}));
    }
    let narrow = scene.tokens("profile:user_id").await;
    let request = http_client().get(&url).bearer_auth(token(&narrow));
    let profile = send(request).await.expect(200).json();
    assert_eq!(profile, json!({"user_id": user_id}));

    let none = scene.tokens("clouddrive:read_all").await;
    let refused = send(http_client().get(&url).bearer_auth(token(&none))).await;
    assert_eq!(refused.expect(403).json()["error"], "insufficient_scope");
    let refused = send(http_client().get(&url)).await.expect(400).json();
    assert_eq!(refused["error"], "invalid_request");
    let refused = send(http_client().get(&url).bearer_auth("x")).await;
    assert_eq!(refused.expect(401).json()["error"], "invalid_token");
    let refused = scene.fetch("auth/o2/tokeninfo").await.expect(400).json();
    assert_eq!(refused["error"], "invalid_request");
    scene.time.advance(3500);
    let late = scene
        .fetch(&format!("auth/o2/tokeninfo?access_token={encoded}"))
        .await;
    assert_eq!(late.expect(400).json()["error"], "invalid_token");
}

#[tokio::test]
async fn tokens_can_be_taken_back() {
    let mut scene = Scene::signed_in("anna").await;
    let tokens = scene.tokens(DRIVE).await;
    let kept = scene.tokens(DRIVE).await;
    let revoke = |scene: &Scene, token: &str| with(scene.form(""), "token", token);
    let open = async |scene: &Scene, tokens: &Value| {
        scene
            .call(token(tokens), Method::GET, "nodes", "")
            .await
            .as_u16()
    };
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    // Another program cannot.
    let first = (scene.program.clone(), scene.secret.clone());
    (scene.program, scene.secret) = register(&scene.dir, "Other", &[REDIRECT]).await;
    for token in [refresh_token, token(&tokens), "unknown"] {
        let form = revoke(&scene, token);
        let reply = scene.post("auth/o2/revoke", &form).await.expect(200);
        assert!(reply.body.is_empty());
    }
    assert_eq!(open(&scene, &tokens).await, 200);
    (scene.program, scene.secret) = first;
    for (form, status, error) in [
        (revoke(&scene, ""), 400, "invalid_request"),
        (
            with(revoke(&scene, refresh_token), "client_secret", "x"),
            401,
            "invalid_client",
        ),
    ] {
        let refused = scene.post("auth/o2/revoke", &form).await.expect(status);
        assert_eq!(refused.json()["error"], error);
    }
    assert_eq!(open(&scene, &tokens).await, 200);
    let form = revoke(&scene, refresh_token);
    scene.post("auth/o2/revoke", &form).await.expect(200);
    assert_eq!(open(&scene, &tokens).await, 401);
    let form = with(scene.form(""), "grant_type", "refresh_token");
    let form = with(form, "refresh_token", refresh_token);
    scene.exchange(&form).await.expect(400);
    // An access token goes alone.
    let form = revoke(&scene, token(&kept));
    scene.post("auth/o2/revoke", &form).await.expect(200);
    assert_eq!(open(&scene, &kept).await, 401);
    let form = with(scene.form(""), "grant_type", "refresh_token");
    let form = with(
        form,
        "refresh_token",
        kept["refresh_token"].as_str().unwrap(),
    );
    scene.exchange(&form).await.expect(200);
}

#[tokio::test]
async fn client_of_the_config_can_be_let_in_by_a_user() {
    let time = Time::new();
    let dir = tempfile::tempdir().unwrap();
    let server = Server::bind(time.options(dir.path())).await.unwrap();
    let path = server.client_config().await.unwrap();
    let server = Running::serve(server);
    let config = std::fs::read_to_string(path).unwrap();
    let value = |key: &str| {
        let mut pairs = config.lines().filter_map(|line| line.split_once(" = "));
        pairs.find(|(found, _)| *found == key).unwrap().1.to_owned()
    };
    let accounts = Accounts::open(dir.path()).await.unwrap();
    accounts.add_user("anna", PASSWORD).await.unwrap();
    let program = accounts.programs().await.unwrap().pop().unwrap();
    accounts.close().await;
    assert_eq!(program.redirect_uris, [REDIRECT]);
    assert_eq!(program.client_id, value("client_id"));
    assert_eq!(
        value("auth_url"),
        format!("http://{}/ap/oa", server.address)
    );
    let mut browser = Browser::new(&server);
    browser.sign_in("anna", PASSWORD, "/").await.expect(303);
    let mut scene = Scene {
        dir,
        server,
        time,
        browser,
        program,
        secret: value("client_secret"),
    };
    let tokens = scene.tokens(DRIVE).await;
    let status = scene.call(token(&tokens), Method::GET, "nodes", "").await;
    assert_eq!(status, 200);
}
