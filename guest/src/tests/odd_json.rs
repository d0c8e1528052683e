//! Replies with fields that are missing, null or of another type: nothing panics, and no odd
//! node costs another one its place.

use std::rc::Rc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{run, script::Reply, service};
use crate::{
    error::Error,
    listing::Listing,
    platform::Level,
    wire::{Page, WireNode},
};

/// A node of a folder `P` as the service sends it, with all fields it is known to have.
fn full(id: &str) -> Value {
    json!({
        "id": id, "name": format!("name of {id}"), "kind": "FILE", "status": "AVAILABLE",
        "version": 3, "parents": ["P"], "labels": [], "isRoot": false, "isShared": false,
        "createdDate": "2016-04-02T09:11:47.031Z", "modifiedDate": "2016-04-02T09:11:49.270Z",
        "createdBy": "CloudDriveFiles", "eTagResponse": "x", "restricted": false,
        "properties": {"app": {"acd_mtime": "2016-04-02T09:11:47.000000001Z", "other": "x"}},
        "contentProperties": {
            "version": 1, "size": 7, "md5": "9a0364b9e99bb480dd25e1f0284c8555",
            "contentType": "text/plain", "extension": "txt",
        },
    })
}

/// Any JSON, of little depth.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(".{0,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// What is done to one node: another node, or one field of it changed or left out.
#[derive(Debug, Clone)]
enum Change {
    Whole(Value),
    Field(prop::sample::Index, Value),
    Inner(prop::sample::Index, Value),
    Missing(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        anything().prop_map(Change::Whole),
        (index(), anything()).prop_map(|(at, value)| Change::Field(at, value)),
        (index(), anything()).prop_map(|(at, value)| Change::Inner(at, value)),
        index().prop_map(Change::Missing),
    ]
}

fn changed(mut node: Value, change: Change) -> Value {
    let key = |node: &Value, at: prop::sample::Index| {
        let keys: Vec<_> = node.as_object().unwrap().keys().cloned().collect();
        at.get(&keys).clone()
    };
    match change {
        Change::Whole(value) => return value,
        Change::Field(at, value) => {
            let key = key(&node, at);
            node[key] = value;
        }
        Change::Inner(at, value) => {
            let key = key(&node["contentProperties"], at);
            node["contentProperties"][key] = value.clone();
            node["properties"]["app"]["acd_mtime"] = value.clone();
            node["parents"] = json!([value, "P"]);
        }
        Change::Missing(at) => {
            let key = key(&node, at);
            node.as_object_mut().unwrap().remove(&key);
        }
    }
    node
}

proptest! {
    #[test]
    fn odd_node_costs_no_other_node_its_place(
        changes in prop::collection::vec(prop::option::of(change()), 1..8),
    ) {
        let mut data = Vec::new();
        let mut intact = Vec::new();
        let mut odd = Vec::new();
        for (number, change) in changes.into_iter().enumerate() {
            let id = format!("node-{number}");
            match change {
                None => {
                    data.push(full(&id));
                    intact.push(id);
                }
                Some(change) => {
                    data.push(changed(full(&id), change));
                    odd.push(id);
                }
            }
        }
        // A listing needs one node to know without asking that its folder is there.
        data.push(full("last"));
        intact.push("last".to_owned());
        let known: Vec<_> = data
            .iter()
            .filter_map(|node| node["id"].as_str().map(str::to_owned))
            .collect();
        let body = json!({"count": data.len(), "data": data}).to_string();
        let service = Rc::new(service(vec![Reply::json(200, &body)]));
        let nodes = run(Listing::of_folder(Rc::clone(&service), "P".to_owned()).next_page());
        let nodes = nodes.unwrap().unwrap();
        let shown: Vec<_> = nodes.iter().map(|node| node.id.as_str()).collect();
        for id in &intact {
            prop_assert!(shown.contains(&id.as_str()), "{id} is not in {shown:?}");
        }
        // What is not shown is told, unless nothing is known of it.
        let log = service.platform.log.borrow();
        for id in odd.iter().filter(|id| known.contains(id) && !shown.contains(&id.as_str())) {
            let named = |(_, line): &(Level, String)| line.contains(&format!("node {id} named"));
            prop_assert!(log.iter().any(named), "{id} is not in {log:?}");
        }
    }

    #[test]
    fn bytes_that_are_wrong_never_panic(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        length in any::<prop::sample::Index>(),
    ) {
        let whole = json!({"count": 1, "data": [full("node-1")], "nextToken": "t"}).to_string();
        let mut body = whole.into_bytes();
        *at.get_mut(&mut body) = byte;
        let _ = Page::read(&body);
        body.truncate(length.index(body.len()));
        prop_assert!(Page::read(&body).is_err(), "a part passes for a page");
    }
}

#[test]
fn each_field_may_be_missing_or_wrong_and_the_node_stays_if_it_can() {
    let needed = ["id", "name", "kind", "status", "parents"];
    for key in full("1").as_object().unwrap().keys() {
        for wrong in [
            json!(null),
            json!(5),
            json!(-1.5),
            json!([{}]),
            json!({"a": []}),
            json!(true),
        ] {
            let mut node = full("1");
            node[key] = wrong.clone();
            let text = node.to_string();
            let node = WireNode::read(text.as_bytes()).unwrap();
            let stays = !needed.contains(&key.as_str());
            assert_eq!(
                node.oddity(Some("P")).is_none(),
                stays || (key == "isRoot"),
                "{text}"
            );
        }
    }
    let text = r#"{"id":"1","id":"2","name":"a","name":5,"name":"b"}"#;
    let node = WireNode::read(text.as_bytes()).unwrap();
    assert_eq!((&*node.id, node.name.as_deref()), ("2", Some("b")));
}

#[test]
fn reply_that_has_no_list_of_nodes_is_no_page() {
    for body in [
        json!({"count": 0}),
        json!({"count": 0, "data": null}),
        json!({"count": 0, "data": {}}),
        json!({"count": 0, "data": "x"}),
        json!({"count": 0, "data": [], "nextToken": 5}),
        json!(null),
        json!(7),
    ] {
        let service = Rc::new(service(vec![Reply::json(200, &body.to_string())]));
        let outcome = run(Listing::of_folder(service, "P".to_owned()).next_page());
        assert!(
            matches!(outcome, Err(Error::Protocol(_))),
            "{body}: {outcome:?}"
        );
    }
}
