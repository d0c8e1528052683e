//! What is told of an account, and links to its files.

use super::{ROOT, file, folder, node, page, path, run, script::Reply, service};
use crate::{
    account::{Account, Amount},
    error::Error,
    lookup::Target,
};

#[test]
fn account_is_told_in_three_requests() {
    let service = service(vec![
        Reply::json(200, r#"{"termsOfUse":"1.0.0","status":"ACTIVE"}"#),
        Reply::json(
            200,
            r#"{"quota":5368709120,"lastCalculated":"2015-09-06T15:07:39.658Z","available":4069088896}"#,
        ),
        Reply::json(
            200,
            r#"{"lastCalculated":"2015-09-06T15:07:39.658Z",
                "doc":{"total":{"bytes":807170,"count":10},"billable":{"bytes":807170,"count":10}},
                "photo":{"total":{"bytes":9477988,"count":25},"billable":{"bytes":0,"count":0}}}"#,
        ),
    ]);
    let account = run(service.account()).unwrap();
    assert_eq!(account.status.as_deref(), Some("ACTIVE"));
    assert_eq!(account.quota, Some(5_368_709_120));
    assert_eq!(account.available, Some(4_069_088_896));
    let amount = |bytes, count| Amount {
        bytes: Some(bytes),
        count: Some(count),
    };
    let usage: Vec<_> = account
        .usage
        .iter()
        .map(|it| (it.category.as_str(), it.total, it.billable))
        .collect();
    assert_eq!(
        usage,
        [
            ("doc", amount(807_170, 10), amount(807_170, 10)),
            ("photo", amount(9_477_988, 25), amount(0, 0)),
        ]
    );
    service.platform.assert_requests(&[
        "GET https://m.example/drive/v1/account/info",
        "GET https://m.example/drive/v1/account/quota",
        "GET https://m.example/drive/v1/account/usage",
    ]);
}

#[test]
fn account_that_tells_nothing_is_an_account() {
    for odd in [
        "{}",
        "null",
        r#"{"quota":"x","status":5,"other":null,"doc":{"total":[]}}"#,
    ] {
        let replies = (0..3).map(|_| Reply::json(200, odd)).collect();
        let account = run(service(replies).account());
        assert_eq!(account, Ok(Account::default()), "{odd}");
    }
    let outcome = run(service(vec![Reply::json(200, "<html>")]).account());
    assert!(matches!(outcome, Err(Error::Protocol(_))), "{outcome:?}");
}

#[test]
fn link_is_to_a_file_and_stays_out_of_the_log() {
    let link = r#","tempLink":"https://c.example/cdproxy/templink/secret""#;
    let linked = || Reply::json(200, &node("F", "f", ROOT, "FILE", link));
    let of = |replies, target| {
        let service = service(replies);
        let outcome = run(service.temporary_link_to(&target));
        let log = service.platform.log.borrow();
        assert!(
            log.iter().all(|(_, line)| !line.contains("secret")),
            "{log:?}"
        );
        outcome
    };
    let by_id = || Target::Id("F".to_owned());
    let by_path = || Target::Path(path("f"));
    let expected = Ok("https://c.example/cdproxy/templink/secret".to_owned());
    assert_eq!(of(vec![linked()], by_id()), expected);
    let found = page(&[file("F", "f", ROOT, 1)], None);
    assert_eq!(of(vec![found, linked()], by_path()), expected);

    // A folder has none, and a file may have none.
    let folder_found = page(&[folder("F", "f", ROOT)], None);
    let outcome = of(vec![folder_found], by_path());
    assert!(matches!(outcome, Err(Error::NotAFile(_))), "{outcome:?}");
    let outcome = of(vec![Reply::json(200, &folder("F", "f", ROOT))], by_id());
    assert!(matches!(outcome, Err(Error::NotAFile(_))), "{outcome:?}");
    for none in ["", r#","tempLink":null"#, r#","tempLink":"secret""#] {
        let reply = Reply::json(200, &node("F", "f", ROOT, "FILE", none));
        let outcome = of(vec![reply], by_id());
        assert!(
            matches!(&outcome, Err(Error::Protocol(it)) if !it.message.contains("secret")),
            "{outcome:?}"
        );
    }
}
