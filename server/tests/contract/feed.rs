//! Reading the feed of changes, as strictly as the strictest client.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::{
    drive::{Drive, id},
    shape::assert_node,
};

/// One reply, without its last line.
pub(crate) struct Feed {
    pub(crate) lines: Vec<Value>,
}

impl Feed {
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Value> {
        self.lines
            .iter()
            .flat_map(|line| line["nodes"].as_array().unwrap())
    }

    /// Where the last line ends.
    pub(crate) fn checkpoint(&self) -> String {
        let last = self.lines.last().unwrap();
        last["checkpoint"].as_str().unwrap().to_owned()
    }

    /// What node, php and ruby take for being up to date.
    pub(crate) fn is_up_to_date(&self) -> bool {
        self.lines.iter().any(|line| line["nodes"] == json!([]))
    }
}

/// Asks once. The reply must be framed as section 16.2 says.
pub(crate) async fn ask(drive: &Drive, asked: &Value) -> Feed {
    let reply = drive
        .call(Method::POST, "changes", Some(asked.clone()))
        .await;
    let reply = reply.expect(200);
    parse(std::str::from_utf8(&reply.body).unwrap())
}

pub(crate) fn parse(text: &str) -> Feed {
    // node parses each piece between line feeds, and go-acd/acd fails on blank ones.
    let mut lines: Vec<Value> = text
        .split('\n')
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}")))
        .collect();
    assert_eq!(lines.pop(), Some(json!({"end": true})));
    assert!(!lines.is_empty());
    for (number, line) in lines.iter().enumerate() {
        assert!(
            line["checkpoint"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{line}"
        );
        let reset = line["reset"].as_bool().unwrap_or_else(|| panic!("{line}"));
        assert!(!reset || number == 0, "a reset in line {number}");
        assert_eq!(line["statusCode"], 200, "{line}");
        line["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .for_each(assert_node);
    }
    Feed { lines }
}

/// A client's copy of a drive: its nodes by id, and how far it has read.
#[derive(Clone, Default)]
pub(crate) struct Copy {
    pub(crate) nodes: BTreeMap<String, Value>,
    checkpoint: Option<String>,
}

impl Copy {
    /// Reads on until a line says that there is no more. `options` go with each call.
    pub(crate) async fn follow(&mut self, drive: &Drive, options: &Map<String, Value>) {
        for _ in 0..2000 {
            let mut asked = options.clone();
            if let Some(checkpoint) = &self.checkpoint {
                asked.insert("checkpoint".into(), json!(checkpoint));
            }
            let feed = ask(drive, &Value::Object(asked)).await;
            for line in &feed.lines {
                if line["reset"] == true {
                    self.nodes.clear();
                }
                for node in line["nodes"].as_array().unwrap() {
                    match node["status"] == "PURGED" {
                        true => drop(self.nodes.remove(&id(node))),
                        false => drop(self.nodes.insert(id(node), node.clone())),
                    }
                }
            }
            self.checkpoint = Some(feed.checkpoint());
            if feed.is_up_to_date() {
                return;
            }
        }
        panic!("changes without end");
    }

    /// A whole copy, made from nothing.
    pub(crate) async fn of(drive: &Drive) -> Self {
        let mut copy = Self::default();
        copy.follow(drive, &Map::new()).await;
        copy
    }

    pub(crate) fn checkpoint(&self) -> String {
        self.checkpoint.clone().unwrap()
    }
}
