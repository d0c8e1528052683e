//! Calls that are answered in place of the server, and what rules have in common.

use serde_json::{Value, json};

use super::{Faulty, info};

#[tokio::test]
async fn throttled_calls_have_each_of_the_five_bodies() {
    let server = Faulty::start(&[]).await;
    for (shape, message, members) in [
        ("logref", Some("Rate exceeded"), 3),
        ("message", Some("Rate exceeded"), 1),
        (
            "back-off",
            Some("System unavailable. Please back off for a while and try again later"),
            3,
        ),
        ("object", None, 0),
    ] {
        server.fault(&format!("429={shape},count=1"));
        let reply = info(&server).await.expect(429);
        assert_eq!(reply.header("retry-after"), "", "{shape}");
        assert!(reply.header("content-type").starts_with("application/json"));
        let body = reply.json();
        assert_eq!(body.as_object().unwrap().len(), members, "{body}");
        assert_eq!(body.get("message").and_then(Value::as_str), message);
        if members == 3 {
            assert_eq!(body["code"], "");
            assert_eq!(body["logref"].as_str().unwrap().len(), 36);
        }
        info(&server).await.expect(200);
    }
    server.faults.clear();
    server.fault("429=empty,retry-after=6.2");
    for _ in 0..3 {
        let reply = info(&server).await.expect(429);
        assert!(reply.body.is_empty());
        assert_eq!(reply.header("retry-after"), "7");
    }
    assert_eq!(server.faults.hits("429"), 3);
}

#[tokio::test]
async fn refused_call_does_nothing() {
    let server = Faulty::start(&[]).await;
    let root = server.root().await;
    server.fault("500,method=POST,count=2");
    let folder = json!({"name": "a", "kind": "FOLDER", "parents": [root]});
    let refused = server
        .call(reqwest::Method::POST, "nodes", Some(folder))
        .await;
    assert_eq!(refused.error(500), "Internal failure");
    server.upload("b", &root, b"x").await.expect(500);
    assert!(server.children(&root).await.is_empty());
    assert_eq!(server.objects(), 0);
    server.file("b", &root, b"x").await;
    assert_eq!(server.children(&root).await, ["b"]);
}

#[tokio::test]
async fn failures_have_the_bodies_of_the_service() {
    let server = Faulty::start(&[]).await;
    for (rule, status, message) in [
        ("500", 500, Some("Internal failure")),
        ("500=logref", 500, Some("Internal failure")),
        ("500=empty", 500, None),
        ("502", 502, None),
        ("503", 503, None),
        ("503=message", 503, Some("Service Unavailable")),
        ("504", 504, None),
    ] {
        server.faults.clear();
        server.fault(rule);
        let reply = info(&server).await.expect(status);
        match message {
            Some(message) => assert_eq!(reply.json()["message"], message, "{rule}"),
            None => assert!(reply.body.is_empty(), "{rule}"),
        }
    }
}

#[tokio::test]
async fn gateway_page_is_not_json() {
    let server = Faulty::start(&[
        "gateway-page,count=1",
        "gateway-page=xml,status=502,count=1",
    ])
    .await;
    let html = info(&server).await.expect(503);
    assert_eq!(html.header("content-type"), "text/html");
    assert!(html.body.starts_with(b"<html>"));
    let xml = info(&server).await.expect(502);
    assert_eq!(xml.header("content-type"), "application/xml");
    assert!(xml.body.starts_with(b"<ServiceUnavailableException>"));
    assert_eq!(xml.header("x-amzn-errortype"), "");
    info(&server).await.expect(200);
}

#[tokio::test]
async fn sporadic_403_has_the_gateways_words() {
    let server = Faulty::start(&["403-credential,count=1"]).await;
    let body = info(&server).await.expect(403).json();
    let message = "Authorization header requires 'Credential' parameter. Authorization header requires \
                   'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. \
                   Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. \
                   Authorization=Bearer";
    assert_eq!(body, json!({ "message": message }));
    info(&server).await.expect(200);
}

#[tokio::test]
async fn full_account_refuses_uploads_only() {
    let server = Faulty::start(&["403-quota,size>=1KiB"]).await;
    let root = server.root().await;
    let refused = server
        .upload("a", &root, &[1; 2000])
        .await
        .expect(403)
        .json();
    assert_eq!(refused["code"], "NO_ACTIVE_SUBSCRIPTION_FOUND");
    assert_eq!(refused["message"], "File size exceeds account allowance.");
    server.file("b", &root, b"small").await;
    assert_eq!(server.children(&root).await, ["b"]);
}

#[tokio::test]
async fn budget_is_refilled_by_the_clock() {
    let server = Faulty::start(&["rate-limit=3,retry-after=1"]).await;
    for _ in 0..3 {
        info(&server).await.expect(200);
    }
    for _ in 0..2 {
        let reply = info(&server).await.expect(429);
        assert_eq!(reply.header("retry-after"), "1");
        assert_eq!(reply.json()["message"], "Rate exceeded");
    }
    server.time.advance(1);
    for _ in 0..3 {
        info(&server).await.expect(200);
    }
    info(&server).await.expect(429);
    assert_eq!(server.faults.hits("rate-limit"), 3);
}

#[tokio::test]
async fn rule_is_about_what_its_conditions_say() {
    let server = Faulty::start(&[]).await;
    let root = server.root().await;
    let folder = server.folder("f", &root).await;
    for (rule, path, status) in [
        ("500,path=/drive/v1/nodes/*", "account/info", 200),
        (
            "500,path=/drive/v1/nodes/*",
            &format!("nodes/{folder}"),
            500,
        ),
        (
            "500,path=children",
            &format!("nodes/{folder}/children"),
            500,
        ),
        ("500,path=children", &format!("nodes/{folder}"), 200),
        ("500,query=limit=7", "nodes?limit=7", 500),
        ("500,query=limit=7", "nodes?limit=8", 200),
        ("500,query=filters=name:f*", "nodes?filters=name%3Af", 500),
        ("500,method=post", "account/info", 200),
        ("500,method=get", "account/info", 500),
        ("500,size>=1", "account/info", 200),
    ] {
        server.faults.clear();
        server.fault(rule);
        server.get(path).await.expect(status);
        assert_eq!(
            server.faults.hits("500"),
            u64::from(status == 500),
            "{rule}"
        );
    }
}

#[tokio::test]
async fn first_of_two_rules_answers_and_the_other_does_not_count() {
    let server = Faulty::start(&["503,after=1,count=1", "500,count=2"]).await;
    for status in [500, 503, 500, 200] {
        info(&server).await.expect(status);
    }
    let counts: Vec<_> = server
        .faults
        .rules()
        .iter()
        .map(|rule| (rule.name.clone(), rule.matched, rule.hits))
        .collect();
    assert_eq!(counts, [("503".into(), 4, 1), ("500".into(), 3, 2)]);
}

#[tokio::test]
async fn same_seed_is_the_same_run() {
    let server = Faulty::start(&[]).await;
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        server.faults.clear();
        server.fault(&format!("503,probability=0.5,seed={seed}"));
        let mut run = Vec::new();
        for _ in 0..40 {
            run.push(info(&server).await.status.as_u16());
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
    assert!(runs[0].contains(&200) && runs[0].contains(&503));
}

#[tokio::test]
async fn rules_come_and_go_while_the_server_runs() {
    let server = Faulty::start(&[]).await;
    info(&server).await.expect(200);
    let id = server.faults.add("503").unwrap();
    info(&server).await.expect(503);
    assert!(server.faults.remove(id));
    assert!(!server.faults.remove(id));
    info(&server).await.expect(200);
    server.fault("503");
    server.fault("503=message");
    assert_eq!(server.faults.remove_all("503"), 2);
    info(&server).await.expect(200);
    let wrong = server.faults.add("503=tea").unwrap_err();
    assert_eq!(wrong.to_string(), "fault rule '503=tea': 'tea' is no SHAPE");
    assert!(wrong.allowed().contains("message, logref, empty"));
}

#[tokio::test]
async fn wrong_rule_is_found_before_the_server_starts() {
    let dir = tempfile::tempdir().unwrap();
    let options = crate::common::options(dir.path());
    let wrong = options.with_faults(["429", "latte"]).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "fault rule 'latte': there is no fault 'latte'"
    );
}
