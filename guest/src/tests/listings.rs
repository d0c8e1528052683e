//! Listings: all of a folder, each node once, or an error.

use std::rc::Rc;

use super::{ROOT, file, folder, node, page, path, run, script::Reply, service};
use crate::{
    error::Error, listing::Listing, lookup::Target, platform::Level, service::Service,
    tests::script::Script,
};

const FIRST: &str = "GET https://m.example/drive/v1/nodes?filters=parents%3AP&limit=200";

fn second(token: &str) -> String {
    format!("{FIRST}&startToken={token}")
}

/// Lists the folder `P` to the end; the answer is the ids.
fn list(replies: Vec<Reply>) -> (Result<Vec<String>, Error>, Rc<Service<Script>>) {
    let service = Rc::new(service(replies));
    let outcome = run(async {
        let target = Target::Id("P".to_owned());
        let mut listing = Listing::open(Rc::clone(&service), &target).await?;
        let mut ids = Vec::new();
        while let Some(nodes) = listing.next_page().await? {
            ids.extend(nodes.into_iter().map(|node| node.id));
        }
        assert_eq!(listing.next_page().await, Ok(None));
        Ok(ids)
    });
    (outcome, service)
}

#[test]
fn pages_are_followed_to_the_last() {
    let (ids, service) = list(vec![
        page(
            &[file("1", "a", "P", 1), folder("2", "b", "P")],
            Some("t-1"),
        ),
        page(&[], Some("t-2")),
        page(&[file("3", "c", "P", 1)], None),
    ]);
    assert_eq!(ids.unwrap(), ["1", "2", "3"]);
    service
        .platform
        .assert_requests(&[FIRST, &second("t-1"), &second("t-2")]);
}

#[test]
fn expired_page_token_starts_anew_and_shows_each_node_once() {
    let expired = || Reply::json(400, r#"{"logref":"x","message":"Next token is expired"}"#);
    let (ids, service) = list(vec![
        page(&[file("1", "a", "P", 1)], Some("t-1")),
        expired(),
        page(
            &[file("1", "a", "P", 1), file("2", "b", "P", 1)],
            Some("t-2"),
        ),
        page(&[file("3", "c", "P", 1)], None),
    ]);
    assert_eq!(ids.unwrap(), ["1", "2", "3"]);
    service
        .platform
        .assert_requests(&[FIRST, &second("t-1"), FIRST, &second("t-2")]);

    let mut replies = Vec::new();
    for _ in 0..4 {
        replies.push(page(&[file("1", "a", "P", 1)], Some("t")));
        replies.push(expired());
    }
    let (ids, _) = list(replies);
    assert!(matches!(ids, Err(Error::Unavailable(_))), "{ids:?}");
}

#[test]
fn token_that_expires_costs_no_more_than_the_pages_twice() {
    const PAGES: usize = 50;
    let of = |number: usize| {
        let node = file(&number.to_string(), &format!("n{number}"), "P", 1);
        let token = format!("t-{number}");
        page(&[node], (number < PAGES).then_some(token.as_str()))
    };
    // The fifth page cannot be had; so with the last one, the worst there is.
    for read in [4, PAGES - 1] {
        let mut replies: Vec<_> = (1..=read).map(of).collect();
        replies.push(Reply::json(400, r#"{"message":"Next token is expired"}"#));
        replies.extend((1..=PAGES).map(of));
        let (ids, service) = list(replies);
        let expected: Vec<_> = (1..=PAGES).map(|number| number.to_string()).collect();
        assert_eq!(ids.unwrap(), expected);
        let requests = service.platform.seen.borrow().len();
        assert_eq!(requests, read + 1 + PAGES);
        assert!(requests <= 2 * PAGES, "{requests}");
    }
}

#[test]
fn lost_page_is_an_error_and_not_the_end() {
    let mut replies = vec![page(&[file("1", "a", "P", 1)], Some("t-1"))];
    replies.extend((0..4).map(|_| Reply::json(502, "")));
    let (ids, _) = list(replies);
    assert!(matches!(ids, Err(Error::Unavailable(_))), "{ids:?}");
}

#[test]
fn page_that_leads_to_itself_is_an_error() {
    let (ids, _) = list(vec![
        page(&[file("1", "a", "P", 1)], Some("t")),
        page(&[file("2", "b", "P", 1)], Some("t")),
    ]);
    assert!(matches!(ids, Err(Error::Protocol(_))), "{ids:?}");
}

#[test]
fn odd_nodes_are_left_out_and_named() {
    let odd = |id: &str, kind: &str, name: &str, parent: &str, status: &str| {
        node(id, name, parent, kind, "").replace("AVAILABLE", status)
    };
    let (ids, service) = list(vec![page(
        &[
            odd("pending", "FILE", "a", "P", "PENDING"),
            odd("trashed", "FILE", "b", "P", "TRASH"),
            odd("asset", "ASSET", "c", "P", "AVAILABLE"),
            odd("bogus", "FILE", "d", "Q", "AVAILABLE"),
            odd("nameless", "FILE", "", "P", "AVAILABLE"),
            file("good", "e", "P", 1),
            file("good", "e", "P", 1),
        ],
        None,
    )]);
    assert_eq!(ids.unwrap(), ["good"]);
    let log = service.platform.log.borrow();
    for (id, name, level) in [
        ("asset", "c", Level::Warn),
        ("bogus", "d", Level::Warn),
        ("nameless", "", Level::Warn),
        ("pending", "a", Level::Info),
        ("trashed", "b", Level::Debug),
        ("good", "e", Level::Debug),
    ] {
        let start = format!("node {id} named \"{name}\"");
        let told: Vec<_> = log
            .iter()
            .filter(|(_, line)| line.contains(&start))
            .collect();
        assert_eq!(told.len(), 1, "{id} in {log:?}");
        assert_eq!(told[0].0, level, "{id}");
    }
}

#[test]
fn odd_node_is_told_once_and_not_in_each_page_and_listing() {
    let odd = || node("asset", "thumbnail", "P", "ASSET", "");
    let service = Rc::new(service(vec![
        page(&[odd(), file("1", "a", "P", 1)], Some("t")),
        page(&[odd()], None),
        page(&[odd(), file("1", "a", "P", 1)], None),
        page(
            &[node("other", "b", "P", "ASSET", ""), file("1", "a", "P", 1)],
            None,
        ),
    ]));
    for _ in 0..3 {
        run(async {
            let target = Target::Id("P".to_owned());
            let mut listing = Listing::open(Rc::clone(&service), &target).await.unwrap();
            while listing.next_page().await.unwrap().is_some() {}
        });
    }
    let log = service.platform.log.borrow();
    let told: Vec<_> = log.iter().map(|(_, line)| line.as_str()).collect();
    let why = "as it is neither file nor folder";
    assert_eq!(
        told,
        [
            format!("left out: node asset named \"thumbnail\", {why}"),
            format!("left out: node other named \"b\", {why}"),
        ]
    );
}

#[test]
fn node_in_several_folders_is_shown_with_all_of_them() {
    let both = file("1", "a", "P", 1).replace(r#"["P"]"#, r#"["Q","P"]"#);
    let service = Rc::new(service(vec![page(&[both], None)]));
    let nodes = run(async {
        let target = Target::Id("P".to_owned());
        let mut listing = Listing::open(Rc::clone(&service), &target).await?;
        listing.next_page().await
    });
    assert_eq!(nodes.unwrap().unwrap()[0].parents, ["Q", "P"]);
}

#[test]
fn folder_another_listing_has_shown_is_not_looked_at_again() {
    let service = Rc::new(service(vec![page(&[], None)]));
    let nodes = run(async {
        let mut listing = Listing::of_folder(Rc::clone(&service), "P".to_owned());
        let nodes = listing.next_page().await;
        assert_eq!(listing.next_page().await, Ok(None));
        nodes
    });
    assert_eq!(nodes, Ok(Some(Vec::new())));
    service.platform.assert_requests(&[FIRST]);
}

#[test]
fn folder_is_empty_only_if_it_is_one() {
    let (ids, service) = list(vec![
        page(&[], None),
        Reply::json(200, &folder("P", "p", ROOT)),
    ]);
    assert_eq!(ids.unwrap(), Vec::<String>::new());
    service
        .platform
        .assert_requests(&[FIRST, "GET https://m.example/drive/v1/nodes/P"]);

    let (ids, _) = list(vec![
        page(&[], None),
        Reply::json(200, &file("P", "p", ROOT, 1)),
    ]);
    assert!(matches!(ids, Err(Error::NotAFolder(_))), "{ids:?}");
    let trashed = folder("P", "p", ROOT).replace("AVAILABLE", "TRASH");
    for gone in [Reply::json(404, ""), Reply::json(200, &trashed)] {
        let (ids, _) = list(vec![page(&[], None), gone]);
        assert!(matches!(ids, Err(Error::NotFound(_))), "{ids:?}");
    }
}

#[test]
fn names_are_decoded() {
    let service = Rc::new(service(vec![page(&[file("1", "a／b", "P", 1)], None)]));
    let nodes = run(async {
        let target = Target::Id("P".to_owned());
        let mut listing = Listing::open(Rc::clone(&service), &target).await?;
        listing.next_page().await
    });
    assert_eq!(nodes.unwrap().unwrap()[0].name, b"a/b");
}

#[test]
fn listing_by_path_finds_the_folder_first() {
    let service = Rc::new(service(vec![page(&[folder("P", "p", ROOT)], None)]));
    let listing = run(Listing::open(Rc::clone(&service), &Target::Path(path("p"))));
    assert!(listing.is_ok());
    service.platform.assert_requests(&[
        "GET https://m.example/drive/v1/nodes?filters=parents%3A%22RRjt6JR7QF%5C-O1GM3auqWKw%22+AND+name%3A%22p%22",
    ]);
}

#[test]
fn node_with_a_null_for_a_text_costs_no_page() {
    let date = r#""createdDate":"2016-04-02T09:11:47.031Z""#;
    let undated = file("1", "a", "P", 1).replace(date, r#""createdDate":null"#);
    let kindless = file("2", "b", "P", 1).replace(r#""kind":"FILE""#, r#""kind":null"#);
    let (ids, _) = list(vec![page(
        &[undated, kindless, file("3", "c", "P", 1)],
        None,
    )]);
    assert_eq!(ids.unwrap(), ["1", "3"]);
}

#[test]
fn reply_that_is_no_page_does_not_end_a_listing() {
    for body in ["{}", r#"{"message":"System unavailable"}"#] {
        let (ids, _) = list(vec![
            page(&[file("1", "a", "P", 1)], Some("t")),
            Reply::json(200, body),
        ]);
        assert!(matches!(ids, Err(Error::Protocol(_))), "{ids:?}");
    }
    let (ids, _) = list(vec![Reply::with(
        302,
        ("location", "https://portal.example/"),
    )]);
    assert!(ids.is_err());
}
