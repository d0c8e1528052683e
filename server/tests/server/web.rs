//! The pages of a drive, as a browser gets them.

use reqwest::Method;
use serde_json::json;

use crate::{
    accounts::{Browser, PASSWORD, field, text, with_users},
    common::{Reply, Running, Time, send},
};

/// A server whose user anna is signed in, and the root of her drive.
struct Scene {
    _dir: tempfile::TempDir,
    server: Running,
    time: Time,
    anna: Browser,
    root: String,
}

impl Scene {
    async fn new() -> Self {
        let time = Time::new();
        let (dir, server) = with_users(&time).await;
        let mut anna = Browser::new(&server);
        anna.sign_in("anna", PASSWORD, "/").await.expect(303);
        let root = server.root().await;
        Self {
            _dir: dir,
            server,
            time,
            anna,
            root,
        }
    }

    /// A page of the drive, which is checked for what all must be.
    async fn page(&mut self, path: &str) -> String {
        let reply = self.anna.get(path).await.expect(200);
        assert_eq!(reply.header("content-security-policy"), POLICY, "{path}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        let text = text(&reply);
        check(&text);
        text
    }
}

/// No page runs or styles anything but by the stylesheet, and each says what it is.
fn check(page: &str) {
    for never in [
        "<script",
        "<style",
        " style=",
        " onclick",
        " onload",
        "javascript:",
    ] {
        assert!(!page.contains(never), "{never} in {page}");
    }
    assert_eq!(page.matches("<h1>").count(), 1, "{page}");
    for each in ["<html lang=\"en\">", "<main>", "<title>", "</html>"] {
        assert!(page.contains(each), "no {each} in {page}");
    }
}

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";

/// The names in a table, in order.
fn entries(page: &str) -> Vec<&str> {
    let rows = page.split("<tr>").skip(2);
    rows.map(|row| {
        let (_, name) = row.split_once("<bdi>").unwrap();
        name.split("</bdi>").next().unwrap()
    })
    .collect()
}

/// The address that a link with this text leads to.
#[track_caller]
fn link<'a>(page: &'a str, text: &str) -> &'a str {
    let (before, _) = page
        .split_once(&format!(">{text}</a>"))
        .unwrap_or_else(|| panic!("no {text} in {page}"));
    let (_, attributes) = before.rsplit_once("<a href=\"").unwrap();
    attributes.split('"').next().unwrap()
}

#[tokio::test]
async fn others_learn_nothing_of_the_drive() {
    let Scene {
        _dir, server, root, ..
    } = Scene::new().await;
    let file = server.file("a secret name", &root, b"x").await;
    let mut nobody = Browser::new(&server);
    let welcome = nobody.get("/").await.expect(200);
    assert_eq!(welcome.header("content-security-policy"), POLICY);
    let welcome = text(&welcome);
    check(&welcome);
    assert!(welcome.contains("href=\"/signin\">Sign in</a>"));
    for secret in ["secret", "anna", "bert", "Trash", &root] {
        assert!(!welcome.contains(secret), "{secret}");
    }
    // With a drive or without, and whatever is asked for: the same.
    for path in [
        &format!("/folders/{root}"),
        "/folders/none",
        &format!("/files/{file}"),
        "/files/none",
        "/trash",
        "/space",
        "/programs",
    ] {
        let reply = nobody.get(path).await.expect(303);
        let next = path.replace('/', "%2F");
        assert_eq!(reply.header("location"), format!("/signin?next={next}"));
        assert!(reply.body.is_empty());
    }
    let reply = nobody.post("/trash/none/restore", &[]).await.expect(303);
    assert_eq!(reply.header("location"), "/signin?next=%2F");
}

#[tokio::test]
async fn folders_are_listed_by_name_with_the_way_to_them() {
    let mut scene = Scene::new().await;
    assert!(scene.page("/").await.contains("This folder is empty."));
    let outer = scene.server.folder("Outer", &scene.root).await;
    let inner = scene.server.folder("inner", &outer).await;
    for (name, size) in [("b.txt", 0), ("A.txt", 1_234_567), ("c", 1)] {
        scene.server.file(name, &inner, &vec![7; size]).await;
    }
    let page = scene.page("/").await;
    assert_eq!(entries(&page), ["Outer"]);
    assert!(page.contains(&format!("href=\"/folders/{outer}\"")));
    let page = scene.page(&format!("/folders/{inner}")).await;
    assert_eq!(entries(&page), ["A.txt", "b.txt", "c"]);
    assert!(page.contains(r#"<data value="1234567" title="1,234,567 bytes">1.2 MB</data>"#));
    assert!(page.contains(r#"<data value="1" title="1 byte">1 B</data>"#));
    assert!(page.contains(r#"<time datetime="2023-11-14T22:13:20.000Z""#));
    assert_eq!(link(&page, "<bdi>Outer</bdi>"), format!("/folders/{outer}"));
    let crumbs = page.split("Folders above").nth(1).unwrap();
    let crumbs = crumbs.split("</nav>").next().unwrap();
    let files = crumbs.find("Files</a>").unwrap();
    assert!(files < crumbs.find("Outer").unwrap());
    assert!(!crumbs.contains("inner"), "{crumbs}");
}

#[tokio::test]
async fn names_are_text_and_nothing_else() {
    let mut scene = Scene::new().await;
    let name = "<script>alert(1)<b>\"'&amp;<!--\u{202e}gpj.exe\u{7}\u{200b}";
    let shown = "&lt;script&gt;alert(1)&lt;b&gt;&quot;'&amp;amp;&lt;!--\
                 \\u{202e}gpj.exe\\u{7}\\u{200b}";
    let folder = scene.server.folder(name, &scene.root).await;
    scene.server.file(name, &folder, b"x").await;
    assert_eq!(entries(&scene.page("/").await), [shown]);
    let page = scene.page(&format!("/folders/{folder}")).await;
    assert_eq!(entries(&page), [shown]);
    assert!(page.contains(&format!("<title>{shown} · Drive</title>")));
    scene
        .server
        .call(Method::PUT, &format!("trash/{folder}"), None)
        .await
        .expect(200);
    let page = scene.page("/trash").await;
    assert_eq!(entries(&page), [shown]);
    assert!(page.contains(&format!("aria-label=\"Restore {shown}\"")));
    for page in [page, scene.page("/").await] {
        for raw in ['\u{202e}', '\u{7}', '\u{200b}'] {
            assert!(!page.contains(raw), "{raw:?}");
        }
    }
}

#[tokio::test]
async fn pages_of_a_large_folder_follow_each_other() {
    let mut scene = Scene::new().await;
    let folder = scene.server.folder("many", &scene.root).await;
    // Names that are not what they seem in an address.
    let names: Vec<String> = (0..205).map(|n| format!("N {n:03}+&%?#ä")).collect();
    for name in names.iter().rev() {
        scene.server.folder(name, &folder).await;
    }
    let shown: Vec<String> = names
        .iter()
        .map(|name| name.replace('&', "&amp;"))
        .collect();
    let first = scene.page(&format!("/folders/{folder}")).await;
    assert_eq!(entries(&first), shown[..100]);
    assert!(!first.contains("rel=\"prev\""));
    let next = |page: &str, text| link(page, text).replace("&amp;", "&");
    let second = scene.page(&next(&first, "Next")).await;
    assert_eq!(entries(&second), shown[100..200]);
    let third = scene.page(&next(&second, "Next")).await;
    assert_eq!(entries(&third), shown[200..]);
    assert!(!third.contains("rel=\"next\""));
    let back = scene.page(&next(&third, "Previous")).await;
    assert_eq!(entries(&back), shown[100..200]);
    let back = scene.page(&next(&back, "Previous")).await;
    assert_eq!(entries(&back), shown[..100]);
    assert_eq!(next(&third, "First"), format!("/folders/{folder}"));
    let page = scene
        .page(&format!("/folders/{folder}?before={}", "N%20003"))
        .await;
    assert_eq!(entries(&page), shown[..100], "no page is almost empty");
    let page = scene.page(&format!("/folders/{folder}?after=z")).await;
    assert!(page.contains("There is nothing behind this."));
}

#[tokio::test]
async fn files_are_saved_and_never_shown() {
    let mut scene = Scene::new().await;
    let html = b"<script>document.cookie</script>";
    let metadata = json!({"name": "evil \u{202e}\".html", "kind": "FILE", "parents": [scene.root]});
    let uploaded = scene
        .server
        .upload_with("", &metadata, html)
        .await
        .expect(201);
    let id = crate::common::id(&uploaded.json());
    let path = format!("/files/{id}");
    assert!(
        scene
            .page("/")
            .await
            .contains(&format!("href=\"{path}\" download"))
    );
    let whole = scene.anna.get(&path).await.expect(200);
    assert_eq!(whole.body, html);
    assert_safe(&whole);
    assert_eq!(whole.header("content-type"), "application/octet-stream");
    assert_eq!(
        whole.header("content-disposition"),
        "attachment; filename*=UTF-8''evil%20_%22.html"
    );
    assert_eq!(whole.header("content-length"), html.len().to_string());
    let ask = |range: &str| {
        let request = scene.anna.request(Method::GET, &path);
        send(request.header("Range", range.to_owned()))
    };
    let part = ask("bytes=1-6").await.expect(206);
    assert_eq!(part.body, b"script");
    assert_safe(&part);
    assert_eq!(part.header("content-type"), "application/octet-stream");
    let none = ask("bytes=1000-").await.expect(416);
    assert_safe(&none);
    // What a query asks of the service's own address, it does not ask of this one.
    let whole = scene
        .anna
        .get(&format!("{path}?download=false&viewBox=10"))
        .await;
    assert_eq!(whole.expect(200).body, html);
}

#[track_caller]
fn assert_safe(reply: &Reply) {
    for (name, value) in [
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'; sandbox",
        ),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "private, no-store"),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(reply.header(name), value, "{name}");
    }
}

#[tokio::test]
async fn what_is_not_there_or_is_anothers_is_not_found() {
    let mut scene = Scene::new().await;
    let folder = scene.server.folder("hers", &scene.root).await;
    let file = scene.server.file("hers too", &folder, b"x").await;
    let mut bert = Browser::new(&scene.server);
    bert.sign_in("bert", PASSWORD, "/").await.expect(303);
    assert!(text(&bert.get("/").await.expect(200)).contains("This folder is empty."));
    let csrf = field(&bert.get("/").await, "csrf");
    for path in [format!("/folders/{folder}"), format!("/files/{file}")] {
        let hers = scene.anna.get(&path).await.expect(200);
        let his = bert.get(&path).await.expect(404);
        assert!(!text(&his).contains("hers"));
        assert_ne!(hers.body, his.body);
    }
    scene
        .server
        .call(Method::PUT, &format!("trash/{folder}"), None)
        .await
        .expect(200);
    let restore = format!("/trash/{folder}/restore");
    bert.post(&restore, &[("csrf", &csrf)]).await.expect(404);
    assert_eq!(entries(&scene.page("/trash").await), ["hers"]);

    for path in [
        "/folders/none",
        "/folders/..%2F..%2Fetc%2Fpasswd",
        "/folders/%00",
        "/folders/'%20OR%201=1--",
        "/files/..%2F..%2Fmetadata.sqlite3",
        "/files/%2Fetc%2Fpasswd",
        "/files/client.conf",
    ] {
        let reply = scene.anna.get(path).await.expect(404);
        assert_eq!(reply.header("content-security-policy"), POLICY, "{path}");
        check(&text(&reply));
    }
    // Neither of these is a folder to look into, or a file to read.
    scene
        .anna
        .get(&format!("/folders/{file}"))
        .await
        .expect(404);
    scene
        .anna
        .get(&format!("/files/{}", scene.root))
        .await
        .expect(404);
    let gone = scene
        .anna
        .get(&format!("/folders/{folder}"))
        .await
        .expect(404);
    assert!(text(&gone).contains("in the trash"));
}

#[tokio::test]
async fn trash_gives_back_what_is_asked_for_by_its_own_form() {
    let mut scene = Scene::new().await;
    let folder = scene.server.folder("box", &scene.root).await;
    let file = scene.server.file("letter", &folder, b"dear").await;
    let trash = async |server: &Running, id: &str| {
        let path = format!("trash/{id}");
        server.call(Method::PUT, &path, None).await.expect(200);
    };
    trash(&scene.server, &file).await;
    scene.time.advance(60);
    trash(&scene.server, &folder).await;
    let page = scene.page("/trash").await;
    assert_eq!(entries(&page), ["box", "letter"], "the last first");
    let restore = format!("/trash/{file}/restore");
    assert!(page.contains(&format!("action=\"{restore}\"")));
    let csrf = field(&scene.anna.get("/trash").await, "csrf");

    scene.anna.get(&restore).await.expect(405);
    for wrong in ["", "0000", &csrf[1..]] {
        let refused = scene.anna.post(&restore, &[("csrf", wrong)]).await;
        refused.expect(403);
    }
    let request = scene.anna.request(Method::POST, &restore);
    let foreign = request
        .header("Origin", "https://evil.example")
        .form(&[("csrf", &csrf)]);
    scene.anna.send(foreign).await.expect(403);
    assert_eq!(entries(&scene.page("/trash").await).len(), 2);

    let blocked = scene
        .anna
        .post(&restore, &[("csrf", &csrf)])
        .await
        .expect(409);
    let blocked = text(&blocked);
    check(&blocked);
    assert!(blocked.contains("the folder it was in is in the trash as well"));
    for id in [&folder, &file] {
        let path = format!("/trash/{id}/restore");
        let done = scene.anna.post(&path, &[("csrf", &csrf)]).await.expect(303);
        assert_eq!(done.header("location"), "/trash");
    }
    assert!(scene.page("/trash").await.contains("nothing in the trash"));
    let back = scene.page(&format!("/folders/{folder}")).await;
    assert_eq!(entries(&back), ["letter"]);

    trash(&scene.server, &file).await;
    scene.server.file("Letter", &folder, b"new").await;
    let clash = scene
        .anna
        .post(&restore, &[("csrf", &csrf)])
        .await
        .expect(409);
    assert!(text(&clash).contains("another file or folder of this name"));
}

#[tokio::test]
async fn pages_of_the_trash_follow_each_other() {
    let mut scene = Scene::new().await;
    // All in the same millisecond: only the order of their making tells them apart.
    for number in 0..130 {
        let id = scene
            .server
            .folder(&format!("n{number}"), &scene.root)
            .await;
        let path = format!("trash/{id}");
        scene
            .server
            .call(Method::PUT, &path, None)
            .await
            .expect(200);
    }
    let expected: Vec<_> = (0..130).rev().map(|number| format!("n{number}")).collect();
    let first = scene.page("/trash").await;
    assert_eq!(entries(&first), expected[..100]);
    let second = scene.page(link(&first, "Next")).await;
    assert_eq!(entries(&second), expected[100..]);
    assert_eq!(link(&second, "First"), "/trash");
    let nonsense = scene.page("/trash?after=x").await;
    assert_eq!(entries(&nonsense), expected[..100]);
}

#[tokio::test]
async fn space_is_told_by_kind() {
    let mut scene = Scene::new().await;
    assert!(scene.page("/space").await.contains("0 files"));
    for (name, size) in [("a.jpg", 3000), ("b.jpg", 3000), ("c.txt", 2000), ("d", 0)] {
        scene.server.file(name, &scene.root, &vec![7; size]).await;
    }
    let page = scene.page("/space").await;
    let row = |title: &str| {
        let (_, row) = page.split_once(&format!("</span>{title}</th>")).unwrap();
        let row = row.split("</tr>").next().unwrap();
        let mut cells = Vec::new();
        for part in row.split('<').skip(1) {
            let text = part.split_once('>').map_or("", |(_, text)| text);
            if !text.is_empty() {
                cells.push(text.to_owned());
            }
        }
        cells
    };
    assert_eq!(row("Pictures"), ["2", "6.0 kB", "75 %"]);
    assert_eq!(row("Videos"), ["0", "0 B", "0 %"]);
    assert_eq!(row("Documents"), ["1", "2.0 kB", "25 %"]);
    assert_eq!(row("Other files"), ["1", "0 B", "0 %"]);
    assert!(page.contains("title=\"8,000 bytes\">8.0 kB</data>"));
    assert!(page.contains(r#"<rect class="doc" x="75.000%" y="0" width="25.000%""#));
}

#[tokio::test]
async fn program_that_was_let_in_is_shown_out() {
    let (dir, server) = with_users(&Time::new()).await;
    let config = dir.path().join("client.conf");
    drop(server);
    // A server that has written its config has let that program in.
    let bound = amazon_drive_server::Server::bind(crate::common::options(dir.path())).await;
    let bound = bound.unwrap();
    bound.client_config().await.unwrap();
    let server = Running::serve(bound);
    let config = std::fs::read_to_string(config).unwrap();
    let token = config.split("\"access_token\":\"").nth(1).unwrap();
    let token = token.split('"').next().unwrap();
    let usage = format!("{}account/usage", server.endpoint);
    let ask = || send(server.client.get(&usage).bearer_auth(token));
    ask().await.expect(200);

    let mut bert = Browser::new(&server);
    bert.sign_in("bert", PASSWORD, "/").await.expect(303);
    let his = text(&bert.get("/programs").await.expect(200));
    assert!(his.contains("You have let no program in."), "{his}");
    let mut anna = Browser::new(&server);
    anna.sign_in("anna", PASSWORD, "/").await.expect(303);
    let reply = anna.get("/programs").await.expect(200);
    let page = text(&reply);
    check(&page);
    assert_eq!(entries(&page).len(), 1);
    assert!(page.contains("read all your files"));
    let (_, revoke) = page.split_once("action=\"/programs/").unwrap();
    let revoke = format!("/programs/{}", revoke.split('"').next().unwrap());
    let csrf = field(&reply, "csrf");

    anna.get(&revoke).await.expect(405);
    anna.post(&revoke, &[]).await.expect(403);
    let his_csrf = field(&bert.get("/programs").await, "csrf");
    bert.post(&revoke, &[("csrf", &his_csrf)]).await.expect(404);
    ask().await.expect(200);
    let done = anna.post(&revoke, &[("csrf", &csrf)]).await.expect(303);
    assert_eq!(done.header("location"), "/programs");
    ask().await.expect(401);
    let page = text(&anna.get("/programs").await.expect(200));
    assert!(page.contains("You have let no program in."));
    anna.post(&revoke, &[("csrf", &csrf)]).await.expect(404);
}
