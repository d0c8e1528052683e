//! What is sent again and what is not, and how long is waited.

use std::time::Duration;

use super::{
    file, run,
    script::{Reply, Script},
    service,
};
use crate::{error::Error, lookup::Target, platform::Level, service::Service, wire::Node};

const URL: &str = "GET https://m.example/drive/v1/nodes/F";

fn stat(replies: Vec<Reply>) -> (Result<Node, Error>, Service<Script>) {
    let service = service(replies);
    let outcome = run(service.stat(&Target::Id("F".to_owned())));
    (outcome, service)
}

fn found() -> Reply {
    Reply::json(200, &file("F", "f", "P", 1))
}

#[test]
fn failures_that_pass_are_waited_out_with_growing_waits() {
    let (outcome, service) = stat(vec![
        Reply::json(500, r#"{"message":"Internal failure"}"#),
        Reply::Lost,
        Reply::Broken(200),
        found(),
    ]);
    assert!(outcome.is_ok());
    service.platform.assert_requests(&[URL; 4]);
    // At the top of their ranges: 1, 2 and 4 s.
    assert_eq!(service.platform.waited().as_secs_f64().round(), 7.0);
}

#[test]
fn retry_after_is_waited_exactly_and_told() {
    let (outcome, service) = stat(vec![Reply::with(429, ("retry-after", "7")), found()]);
    assert!(outcome.is_ok());
    assert_eq!(service.platform.waited(), Duration::from_secs(7));
    let log = service.platform.log.borrow();
    let warned: Vec<_> = log.iter().filter(|it| it.0 == Level::Warn).collect();
    assert_eq!(warned.len(), 1, "{log:?}");
    assert_eq!(warned[0].1, "waiting 7.0 s: rate limited");
}

#[test]
fn retry_after_that_is_a_date_counts_from_the_date_of_the_reply() {
    let date = |text: &str| text.to_owned();
    let refused = |headers| Reply::Answer {
        status: 503,
        headers,
        body: Vec::new(),
    };
    let until = ("retry-after", date("Wed, 25 Nov 2015 00:00:04 GMT"));
    let now = ("date", date("Tue, 24 Nov 2015 23:59:57 GMT"));
    let (outcome, service) = stat(vec![refused(vec![now, until.clone()]), found()]);
    assert!(outcome.is_ok());
    assert_eq!(service.platform.waited(), Duration::from_secs(7));

    // Without it there is nothing that it could be counted from.
    let (outcome, service) = stat(vec![refused(vec![until]), found()]);
    assert!(outcome.is_ok());
    assert_eq!(service.platform.waited(), Duration::from_secs(1));
}

#[test]
fn budget_ends_in_the_last_condition() {
    for (status, throttled) in [(429, true), (503, false)] {
        let replies = (0..4).map(|_| Reply::json(status, "")).collect();
        let (outcome, service) = stat(replies);
        service.platform.assert_requests(&[URL; 4]);
        match outcome {
            Err(Error::Throttled(detail)) if throttled => assert_eq!(detail.status, Some(429)),
            Err(Error::Unavailable(detail)) if !throttled => assert_eq!(detail.status, Some(503)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn retry_after_beyond_the_budget_is_not_waited_for() {
    let (outcome, service) = stat(vec![Reply::with(429, ("retry-after", "601"))]);
    assert!(matches!(outcome, Err(Error::Throttled(_))));
    assert_eq!(service.platform.waited(), Duration::ZERO);
}

#[test]
fn refused_token_is_replaced_once() {
    let (outcome, service) = stat(vec![Reply::json(401, ""), found()]);
    assert!(outcome.is_ok());
    let seen = service.platform.seen.borrow();
    assert_eq!(seen[0].header("authorization"), Some("token 1"));
    assert_eq!(seen[1].header("authorization"), Some("token 2"));
    drop(seen);

    let (outcome, service) = stat(vec![Reply::json(401, ""), Reply::json(401, "")]);
    assert!(
        matches!(outcome, Err(Error::Unauthenticated(_))),
        "{outcome:?}"
    );
    service.platform.assert_requests(&[URL; 2]);
    assert_eq!(service.platform.waited(), Duration::ZERO);
}

#[test]
fn answers_that_stay_the_same_are_not_asked_for_again() {
    for (status, body) in [
        (400, r#"{"message":"Invalid filter"}"#),
        (403, r#"{"message":"no"}"#),
        (404, ""),
        (409, ""),
        (416, ""),
    ] {
        let (outcome, service) = stat(vec![Reply::json(status, body)]);
        assert!(outcome.is_err());
        service.platform.assert_requests(&[URL]);
    }
    let (outcome, service) = stat(vec![Reply::Untrusted]);
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
    service.platform.assert_requests(&[URL]);
    let (outcome, service) = stat(vec![Reply::Denied]);
    assert!(
        matches!(outcome, Err(Error::EgressDenied(_))),
        "{outcome:?}"
    );
    service.platform.assert_requests(&[URL]);
}

#[test]
fn moody_front_end_is_asked_again() {
    let mood = r#"{"message":"Authorization header requires 'Credential' parameter. Authorization=Bearer"}"#;
    let (outcome, service) = stat(vec![Reply::json(403, mood), Reply::Unreachable, found()]);
    assert!(outcome.is_ok());
    service.platform.assert_requests(&[URL; 3]);
}

#[test]
fn replies_that_are_no_json_are_told_and_not_repeated() {
    let (outcome, service) = stat(vec![Reply::json(200, "<html>")]);
    assert!(matches!(outcome, Err(Error::Protocol(_))), "{outcome:?}");
    service.platform.assert_requests(&[URL]);
}

#[test]
fn refusals_carry_what_the_service_says_of_them() {
    let reply = Reply::Answer {
        status: 403,
        headers: vec![("x-amzn-requestid", "r-1".to_owned())],
        body: br#"{"message":"File size exceeds account allowance.","code":"NO_ACTIVE_SUBSCRIPTION_FOUND"}"#.to_vec(),
    };
    let (outcome, _) = stat(vec![reply]);
    let Err(Error::QuotaExceeded(detail)) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(detail.request_id.as_deref(), Some("r-1"));
    assert_eq!(detail.code.as_deref(), Some("NO_ACTIVE_SUBSCRIPTION_FOUND"));
    assert!(detail.message.contains("exceeds account allowance"));
}
