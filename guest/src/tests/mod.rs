//! The flows, against a scripted service and a clock of its own.

mod account;
mod changes;
mod downloads;
mod drive;
mod folders;
mod listings;
mod lookups;
mod model;
mod moves;
mod odd_json;
mod pacing;
mod retries;
mod script;
mod simulation;
mod times;
mod tokens;
mod trash;
mod uploads;
mod views;
mod walks;

use std::time::Duration;

use lru::LruCache;
use script::{Reply, Script};

use crate::{
    names::Encoding,
    policy::Budget,
    service::{FOLDERS_KEPT, Options, Service},
};

/// A service that is open already: what it says next is the script's.
fn service(replies: Vec<Reply>) -> Service<Script> {
    opened(Script::new(replies))
}

fn opened<P>(platform: P) -> Service<P> {
    Service {
        platform,
        encoding: Encoding::default(),
        budget: BUDGET,
        pacer: crate::pacer::Pacer::default(),
        upload_wait_per_gb: WAIT_PER_GB,
        templink_threshold: Some(TEMPLINK_THRESHOLD),
        largest_file: Some(LARGEST_FILE),
        metadata: "https://m.example/drive/v1/".to_owned(),
        content: "https://c.example/cdproxy/".to_owned(),
        root: ROOT.to_owned(),
        refused_uploads: std::cell::Cell::new(0),
        refused_token: std::cell::RefCell::default(),
        owner: crate::times::Owner::default(),
        folders: std::cell::RefCell::new(LruCache::new(FOLDERS_KEPT)),
        told: std::cell::RefCell::default(),
    }
}

const BUDGET: Budget = Budget {
    attempts: 4,
    elapsed: Duration::from_secs(600),
};

/// Long for content of some bytes: the scripts' files are small.
const WAIT_PER_GB: Duration = Duration::from_secs(30 << 30);

const TEMPLINK_THRESHOLD: u64 = 1000;

const LARGEST_FILE: u64 = 5000;

const ROOT: &str = "RRjt6JR7QF-O1GM3auqWKw";

fn folder(id: &str, name: &str, parent: &str) -> String {
    node(id, name, parent, "FOLDER", "")
}

fn file(id: &str, name: &str, parent: &str, size: u64) -> String {
    let content = format!(r#","contentProperties":{{"size":{size},"md5":"00"}}"#);
    node(id, name, parent, "FILE", &content)
}

fn node(id: &str, name: &str, parent: &str, kind: &str, more: &str) -> String {
    format!(
        r#"{{"id":"{id}","name":"{name}","kind":"{kind}","status":"AVAILABLE","version":3,
            "parents":["{parent}"],"createdDate":"2016-04-02T09:11:47.031Z",
            "modifiedDate":"2016-04-02T09:11:49.270Z"{more}}}"#
    )
}

fn page(nodes: &[String], next: Option<&str>) -> Reply {
    let next = next.map_or(String::new(), |next| format!(r#","nextToken":"{next}""#));
    Reply::json(
        200,
        &format!(r#"{{"count":1,"data":[{}]{next}}}"#, nodes.join(",")),
    )
}

fn path(text: &str) -> Vec<Vec<u8>> {
    let names = text.split('/').filter(|name| !name.is_empty());
    names.map(|name| name.as_bytes().to_vec()).collect()
}

fn run<T>(flow: impl Future<Output = T>) -> T {
    futures::executor::block_on(flow)
}

#[test]
fn opening_takes_two_requests() {
    let script = Script::new(vec![
        Reply::json(
            200,
            r#"{"customerExists":true,"contentUrl":"https://c.example/cdproxy/","metadataUrl":"https://m.example/drive/v1"}"#,
        ),
        page(
            &[format!(
                r#"{{"id":"{ROOT}","kind":"FOLDER","isRoot":true,"status":"AVAILABLE","parents":[]}}"#
            )],
            None,
        ),
    ]);
    let options = Options {
        endpoint: "https://drive.example/drive/v1/".to_owned(),
        encoding: Encoding::default(),
        budget: BUDGET,
        upload_wait_per_gb: WAIT_PER_GB,
        templink_threshold: None,
        largest_file: None,
    };
    let service = run(Service::connect(script, options)).ok().unwrap();
    assert_eq!(service.root, ROOT);
    assert_eq!(service.metadata, "https://m.example/drive/v1/");
    service.platform.assert_requests(&[
        "GET https://drive.example/drive/v1/account/endpoint",
        "GET https://m.example/drive/v1/nodes?filters=kind%3AFOLDER+AND+isRoot%3Atrue",
    ]);
}

#[test]
fn endpoints_that_are_no_urls_are_told() {
    let script = Script::new(vec![Reply::json(
        200,
        r#"{"contentUrl":"","metadataUrl":"/x"}"#,
    )]);
    let options = Options {
        endpoint: "https://drive.example/drive/v1/".to_owned(),
        encoding: Encoding::default(),
        budget: BUDGET,
        upload_wait_per_gb: WAIT_PER_GB,
        templink_threshold: None,
        largest_file: None,
    };
    let error = run(Service::connect(script, options)).err().unwrap();
    assert!(
        matches!(error, crate::error::Error::Protocol(_)),
        "{error:?}"
    );
}

#[test]
fn root_is_a_folder_that_says_it_is() {
    for other in [file("F", "f", ROOT, 1), folder("D", "d", ROOT)] {
        let script = Script::new(vec![
            Reply::json(
                200,
                r#"{"contentUrl":"https://c.example/","metadataUrl":"https://m.example/"}"#,
            ),
            page(&[other], None),
        ]);
        let options = Options {
            endpoint: "https://drive.example/drive/v1/".to_owned(),
            encoding: Encoding::default(),
            budget: BUDGET,
            upload_wait_per_gb: WAIT_PER_GB,
            templink_threshold: None,
            largest_file: None,
        };
        let error = run(Service::connect(script, options)).err();
        assert!(
            matches!(error, Some(crate::error::Error::Protocol(_))),
            "{error:?}"
        );
    }
}
