//! Users, and a browser that is signed in or not.

use std::collections::BTreeMap;

use amazon_drive_server::{Accounts, Error};
use reqwest::{Client, Method, RequestBuilder, redirect::Policy};

use crate::common::{Reply, Running, Time, send};

pub(crate) const PASSWORD: &str = "correct horse";

/// A browser: it keeps cookies, follows nothing by itself, and says what browsers say.
pub(crate) struct Browser {
    client: Client,
    base: String,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn new(server: &Running) -> Self {
        // Sees to the TLS provider.
        let _ = crate::common::http_client();
        let client = Client::builder().no_proxy().redirect(Policy::none());
        Self {
            client: client.build().unwrap(),
            base: format!("http://{}", server.address),
            cookies: BTreeMap::new(),
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .header("Accept", "text/html");
        match cookies.is_empty() {
            true => request,
            false => request.header("Cookie", cookies.join("; ")),
        }
    }

    pub(crate) async fn send(&mut self, request: RequestBuilder) -> Reply {
        let reply = send(request).await;
        for cookie in reply.headers.get_all("set-cookie") {
            let (pair, attributes) = cookie.to_str().unwrap().split_once("; ").unwrap();
            assert!(
                attributes.contains("HttpOnly; SameSite=Lax"),
                "{attributes}"
            );
            let (name, value) = pair.split_once('=').unwrap();
            match attributes.contains("Max-Age=0;") {
                true => self.cookies.remove(name),
                false => self.cookies.insert(name.into(), value.into()),
            };
        }
        if reply.header("content-type").starts_with("text/html") {
            let policy = reply.header("content-security-policy");
            assert!(policy.starts_with("default-src 'none'; "), "{policy}");
            assert_eq!(reply.header("cache-control"), "no-store");
        }
        reply
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path)).await
    }

    /// Sends a form as browsers do from a page without referrer.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let request = self.request(Method::POST, path).form(fields);
        let request = request
            .header("Origin", "null")
            .header("Sec-Fetch-Site", "same-origin");
        self.send(request).await
    }

    pub(crate) async fn sign_in(&mut self, name: &str, password: &str, next: &str) -> Reply {
        let page = self.get("/signin").await.expect(200);
        let csrf = field(&page, "csrf");
        let fields = [
            ("name", name),
            ("password", password),
            ("next", next),
            ("csrf", &csrf),
        ];
        self.post("/signin", &fields).await
    }

    pub(crate) fn is_signed_in(&self) -> bool {
        self.cookies.contains_key("acd_session")
    }
}

/// The value of a hidden field.
pub(crate) fn field(page: &Reply, name: &str) -> String {
    let text = String::from_utf8(page.body.clone()).unwrap();
    let (_, rest) = text
        .split_once(&format!("name=\"{name}\" value=\""))
        .unwrap_or_else(|| panic!("no {name} in {text}"));
    let value = rest.split('"').next().unwrap();
    value.replace("&amp;", "&").replace("&quot;", "\"")
}

pub(crate) fn text(page: &Reply) -> String {
    String::from_utf8(page.body.clone()).unwrap()
}

/// A server with the users anna, who has the first drive, and bert.
pub(crate) async fn with_users(time: &Time) -> (tempfile::TempDir, Running) {
    let dir = tempfile::tempdir().unwrap();
    let server = Running::start(time.options(dir.path())).await;
    let accounts = Accounts::open(dir.path()).await.unwrap();
    for name in ["anna", "bert"] {
        accounts.add_user(name, PASSWORD).await.unwrap();
    }
    accounts.close().await;
    (dir, server)
}

#[tokio::test]
async fn first_user_has_the_first_drive_and_others_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = Accounts::open(dir.path()).await.unwrap();
    assert!(accounts.users().await.unwrap().is_empty());
    let anna = accounts.add_user("Anna", PASSWORD).await.unwrap();
    assert_eq!(
        (anna.name.as_str(), &anna.drive),
        ("anna", &dir.path().to_owned())
    );
    assert!(anna.user_id.starts_with("amzn1.account.A"), "{anna:?}");
    let bert = accounts
        .add_user("bert@example.org", PASSWORD)
        .await
        .unwrap();
    assert_eq!(bert.drive, dir.path().join("accounts").join(&bert.user_id));
    assert_eq!(
        accounts.users().await.unwrap(),
        [anna.clone(), bert.clone()]
    );
    for (name, password) in [("anna", PASSWORD), ("ANNA", PASSWORD)] {
        let refused = accounts.add_user(name, password).await;
        assert!(matches!(refused, Err(Error::UserExists { .. })));
    }
    let short = accounts.add_user("carl", "1234567").await;
    assert!(matches!(short, Err(Error::Password { .. })));
    let odd = accounts.add_user("a b", PASSWORD).await;
    assert!(matches!(odd, Err(Error::UserName { .. })));

    // What was somebody's is nobody else's.
    assert_eq!(accounts.remove_user("anna").await.unwrap(), anna);
    assert_eq!(accounts.users().await.unwrap(), std::slice::from_ref(&bert));
    let carl = accounts.add_user("carl", PASSWORD).await.unwrap();
    assert_ne!(carl.drive, anna.drive);
    assert_eq!(accounts.add_user("anna", PASSWORD).await.unwrap(), anna);
    for gone in [
        accounts.remove_user("dora").await.map(drop),
        accounts.set_password("dora", PASSWORD).await.map(drop),
    ] {
        assert!(matches!(gone, Err(Error::NoSuchUser { .. })));
    }
    accounts.close().await;
}

#[tokio::test]
async fn tokens_from_before_there_were_users_are_good_for_the_first_drive() {
    use sqlx::{ConnectOptions as _, Executor as _};
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("metadata.sqlite3");
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true);
    let mut old = options.connect().await.unwrap();
    for step in [
        include_str!("../../migrations/0001_nodes.sql"),
        include_str!("../../migrations/0002_changes.sql"),
        "PRAGMA user_version = 2;
         INSERT INTO nodes (id, kind, is_root, created, modified, created_by)
         VALUES ('AAAAAAAAAAAAAAAAAAAAAA', 'FOLDER', 1, 0, 0, 'x');",
    ] {
        old.execute(sqlx::raw_sql(step)).await.unwrap();
    }
    let digest = |text: &str| hex::decode(sha256(text)).unwrap();
    sqlx::query("INSERT INTO clients VALUES ('client', ?1, 'old program', 0)")
        .bind(digest("secret"))
        .execute(&mut old)
        .await
        .unwrap();
    sqlx::query("INSERT INTO refresh_tokens VALUES (?1, 'client', 0)")
        .bind(digest("Atzr|old"))
        .execute(&mut old)
        .await
        .unwrap();
    sqlx::query("INSERT INTO access_tokens VALUES (?1, 'client', 1700000001000)")
        .bind(digest("Atza|old"))
        .execute(&mut old)
        .await
        .unwrap();
    sqlx::Connection::close(old).await.unwrap();

    let server = Running::start(Time::new().options(dir.path())).await;
    let nodes = format!("{}nodes", server.endpoint);
    let folder = r#"{"name": "made", "kind": "FOLDER"}"#;
    let made = send(
        server
            .client
            .post(&nodes)
            .bearer_auth("Atza|old")
            .body(folder),
    )
    .await;
    assert_eq!(made.expect(201).json()["createdBy"], "old program");
    assert_eq!(server.find("name:made").await, ["made"]);
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "Atzr|old"),
        ("client_id", "client"),
        ("client_secret", "secret"),
    ];
    let url = format!("http://{}/auth/o2/token", server.address);
    let tokens = send(server.client.post(url).form(&form))
        .await
        .expect(200)
        .json();
    let token = tokens["access_token"].as_str().unwrap();
    send(server.client.get(&nodes).bearer_auth(token))
        .await
        .expect(200);
}

#[tokio::test]
async fn passwords_are_not_on_the_disk() {
    let (dir, server) = with_users(&Time::new()).await;
    let mut browser = Browser::new(&server);
    browser.sign_in("anna", PASSWORD, "/").await.expect(303);
    server.stop().await;
    let session = browser.cookies["acd_session"].clone();
    for secret in [PASSWORD, &session] {
        for file in crate::common::files(dir.path()) {
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
async fn signing_in_leads_on_and_signing_out_ends_it() {
    let (_dir, server) = with_users(&Time::new()).await;
    let mut browser = Browser::new(&server);
    let reply = browser.sign_in("anna", PASSWORD, "/files?x=1&y").await;
    assert_eq!(reply.expect(303).header("location"), "/files?x=1&y");
    assert!(browser.is_signed_in());
    let reply = browser.get("/signin?next=%2Ffiles").await.expect(303);
    assert_eq!(reply.header("location"), "/files");
    let session = browser.cookies["acd_session"].clone();
    // Without the token of the form nothing happens.
    browser.post("/signout", &[]).await.expect(403);
    assert!(browser.is_signed_in());
    let csrf = sha256(&format!("form {session}"));
    browser
        .post("/signout", &[("csrf", &csrf)])
        .await
        .expect(303);
    assert!(!browser.is_signed_in());
    // Not only the browser has forgotten.
    browser.cookies.insert("acd_session".into(), session);
    browser.get("/signin").await.expect(200);
}

#[tokio::test]
async fn sessions_expire_and_end_with_the_password() {
    let time = Time::new();
    let (dir, server) = with_users(&time).await;
    let accounts = Accounts::open(dir.path()).await.unwrap();
    let mut browser = Browser::new(&server);
    browser.sign_in("anna", PASSWORD, "/").await.expect(303);
    time.advance(7 * 24 * 60 * 60 - 1);
    browser.get("/signin").await.expect(303);
    time.advance(1);
    browser.get("/signin").await.expect(200);
    browser.sign_in("anna", PASSWORD, "/").await.expect(303);
    let new = "battery staple";
    accounts.set_password("anna", new).await.unwrap();
    browser.get("/signin").await.expect(200);
    browser.sign_in("anna", PASSWORD, "/").await.expect(401);
    browser.sign_in("Anna", new, "/").await.expect(303);
    accounts.remove_user("anna").await.unwrap();
    browser.get("/signin").await.expect(200);
    browser.sign_in("anna", new, "/").await.expect(401);
    accounts.close().await;
}

#[tokio::test]
async fn unknown_users_and_wrong_passwords_are_told_the_same() {
    let (_dir, server) = with_users(&Time::new()).await;
    let mut browser = Browser::new(&server);
    let wrong = browser.sign_in("anna", "wrong", "/").await.expect(401);
    let unknown = browser.sign_in("dora", "wrong", "/").await.expect(401);
    assert_eq!(text(&wrong).replace("anna", "dora"), text(&unknown));
    assert!(text(&wrong).contains("The name or the password is wrong."));
    assert!(!browser.is_signed_in());
}

#[tokio::test]
async fn guessing_is_slow_and_the_user_gets_in_again() {
    let time = Time::new();
    let (_dir, server) = with_users(&time).await;
    let mut browser = Browser::new(&server);
    for _ in 0..10 {
        browser.sign_in("anna", "wrong", "/").await.expect(401);
    }
    let refused = browser.sign_in("anna", PASSWORD, "/").await.expect(429);
    assert_eq!(refused.header("retry-after"), "1");
    assert!(!browser.is_signed_in());
    time.advance(1);
    browser.sign_in("anna", PASSWORD, "/").await.expect(303);
}

#[tokio::test]
async fn signing_in_never_leads_elsewhere() {
    let (_dir, server) = with_users(&Time::new()).await;
    for next in [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\/evil.example",
        "/a\r\nSet-Cookie: x=y",
        "javascript:alert(1)",
        "",
    ] {
        let mut browser = Browser::new(&server);
        let reply = browser.sign_in("anna", PASSWORD, next).await.expect(303);
        assert_eq!(reply.header("location"), "/", "{next:?}");
    }
}

#[tokio::test]
async fn forms_of_other_sites_are_refused() {
    let (_dir, server) = with_users(&Time::new()).await;
    let mut browser = Browser::new(&server);
    let csrf = field(&browser.get("/signin").await, "csrf");
    let base = format!("http://{}", server.address);
    let fields = |csrf: &str| {
        [("name", "anna"), ("password", PASSWORD), ("csrf", csrf)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    for (name, value) in [
        ("Origin", "http://evil.example"),
        ("Origin", "http://127.0.0.1:1"),
        ("Origin", &format!("https://{}", server.address)),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        let request = browser
            .request(Method::POST, "/signin")
            .form(&fields(&csrf));
        let reply = browser.send(request.header(name, value)).await.expect(403);
        assert!(reply.header("set-cookie").is_empty(), "{name}: {value}");
    }
    for wrong in ["", "x", &csrf[1..], &sha256("form ")] {
        let request = browser
            .request(Method::POST, "/signin")
            .form(&fields(wrong));
        browser.send(request).await.expect(403);
    }
    // A token is good in the browser that got it only.
    let other = Browser::new(&server);
    send(other.request(Method::POST, "/signin").form(&fields(&csrf)))
        .await
        .expect(403);
    // Old browsers say nothing of where a form comes from; others that it is ours.
    for origin in [None, Some(base.as_str())] {
        let mut request = browser
            .request(Method::POST, "/signin")
            .form(&fields(&csrf));
        if let Some(origin) = origin {
            request = request.header("Origin", origin);
        }
        send(request).await.expect(303);
    }
}

#[tokio::test]
async fn style_is_served_and_pages_have_no_script() {
    let (_dir, server) = with_users(&Time::new()).await;
    let mut browser = Browser::new(&server);
    let style = browser.get("/style.css").await.expect(200);
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    let page = text(
        &browser
            .get("/signin?next=%22%3E%3Cscript%3E")
            .await
            .expect(200),
    );
    assert!(page.contains("href=\"/style.css\""), "{page}");
    for forbidden in ["<script", "style=", "<style", "onclick"] {
        assert!(!page.contains(forbidden), "{forbidden} in {page}");
    }
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(text))
}
