//! Random sequences of calls, and a model in memory of what the reference says they do. Calls
//! whose outcome the reference leaves open are not made.

mod rules;

use std::collections::BTreeMap;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Map, Value, json};

use self::rules::{Change, Model, Outcome};
use crate::{
    Place,
    drive::{Drive, Reply, id, ids},
    feed::Copy,
    shape::assert_node,
};

/// A call by numbers, which stand for whatever nodes there are when it is made.
#[derive(Clone, Debug)]
enum Call {
    Folder {
        name: usize,
        parent: usize,
    },
    Upload {
        name: usize,
        parent: usize,
        content: u8,
    },
    Overwrite {
        node: usize,
        content: u8,
    },
    Rename {
        node: usize,
        name: usize,
    },
    Move {
        node: usize,
        from: usize,
        to: usize,
    },
    AddParent {
        node: usize,
        parent: usize,
    },
    RemoveParent {
        node: usize,
        parent: usize,
    },
    Trash {
        node: usize,
    },
    Restore {
        node: usize,
    },
    /// Copies the drive, to be brought up to date at the end by the feed of changes.
    Copy,
}

/// Few, so that they meet; the first two are one name.
const NAMES: [&str; 4] = ["a", "A", "b b", "Ü"];

fn call() -> impl Strategy<Value = Call> {
    let name = 0..NAMES.len();
    let node = || 0..12_usize;
    prop_oneof![
        4 => (name.clone(), node()).prop_map(|(name, parent)| Call::Folder { name, parent }),
        4 => (name.clone(), node(), any::<u8>())
            .prop_map(|(name, parent, content)| Call::Upload { name, parent, content }),
        1 => (node(), any::<u8>()).prop_map(|(node, content)| Call::Overwrite { node, content }),
        3 => (node(), name).prop_map(|(node, name)| Call::Rename { node, name }),
        3 => (node(), node(), node()).prop_map(|(node, from, to)| Call::Move { node, from, to }),
        3 => (node(), node()).prop_map(|(node, parent)| Call::AddParent { node, parent }),
        2 => (node(), node()).prop_map(|(node, parent)| Call::RemoveParent { node, parent }),
        2 => node().prop_map(|node| Call::Trash { node }),
        3 => node().prop_map(|node| Call::Restore { node }),
        1 => Just(Call::Copy),
    ]
}

/// A model beside the drive it is to describe.
struct Run<'a> {
    drive: &'a Drive,
    model: Model,
    /// The drive's ids of the model's nodes.
    ids: Vec<String>,
    versions: BTreeMap<usize, u64>,
    copies: Vec<Copy>,
}

impl Run<'_> {
    /// Makes the call if its outcome is known, and compares the two.
    async fn make(&mut self, call: &Call) {
        if let Call::Copy = call {
            // The last copy's followed, so that not each is a whole dump.
            let mut copy = self.copies.last().unwrap().clone();
            copy.follow(self.drive, &Map::new()).await;
            self.copies.push(copy);
            return;
        }
        let Some(change) = self.aim(call) else {
            return;
        };
        let outcome = self.model.apply(&change);
        if outcome == Outcome::Open {
            return;
        }
        let reply = self.send(&change).await;
        let status = reply.status.as_u16();
        match outcome {
            Outcome::Open => {}
            Outcome::Done(number) => {
                let created = matches!(change, Change::Create { .. });
                let node = reply.expect(if created { 201 } else { 200 }).json();
                assert_node(&node);
                let version = node["version"].as_u64().unwrap();
                if created {
                    self.ids.push(id(&node));
                    assert_eq!(version, 1, "{change:?}");
                } else {
                    let before = self.versions[&number];
                    assert!(version >= before, "{change:?}: {before}, then {node}");
                    if matches!(change, Change::Overwrite { .. }) {
                        assert_eq!(version, before + 1, "{change:?}");
                    }
                }
                self.compare(number, &node);
            }
            Outcome::Taken(existing) => {
                let body = reply.refused(409);
                assert_eq!(body["code"], "NAME_ALREADY_EXISTS", "{change:?}");
                let named = body["info"]["nodeId"].as_str().unwrap();
                let named = self.ids.iter().position(|id| id == named);
                assert!(
                    named.is_some_and(|number| existing.contains(&number)),
                    "{change:?}: {body}"
                );
            }
            Outcome::TrashedParent => {
                let message = reply.message(400);
                assert_eq!(
                    message, "A node cannot be added to trashed parent",
                    "{change:?}"
                );
            }
            Outcome::Refused => {
                assert!((400..500).contains(&status), "{change:?}: {status}");
                reply.refused(status);
            }
        }
        self.note_versions().await;
    }

    /// What the numbers of a call stand for now. The first node is the folder all is in: it
    /// is a parent but nothing is done to it.
    fn aim(&self, call: &Call) -> Option<Change> {
        let any = |number: usize| number % self.ids.len();
        let inner = |number: usize| (self.ids.len() > 1).then(|| 1 + number % (self.ids.len() - 1));
        Some(match *call {
            Call::Folder { name, parent } => Change::Create {
                name: NAMES[name],
                parent: any(parent),
                content: None,
            },
            Call::Upload {
                name,
                parent,
                content,
            } => Change::Create {
                name: NAMES[name],
                parent: any(parent),
                content: Some(vec![content; usize::from(content)]),
            },
            Call::Overwrite { node, content } => Change::Overwrite {
                node: inner(node)?,
                content: vec![content; usize::from(content)],
            },
            Call::Rename { node, name } => Change::Rename {
                node: inner(node)?,
                name: NAMES[name],
            },
            Call::Move { node, from, to } => {
                let node = inner(node)?;
                // Mostly from where it is.
                let parents: Vec<_> = self.model.parents(node).collect();
                let from = match from % 8 {
                    7 => any(from),
                    _ => parents[from % parents.len()],
                };
                Change::Move {
                    node,
                    from,
                    to: any(to),
                }
            }
            Call::AddParent { node, parent } => Change::AddParent {
                node: inner(node)?,
                parent: any(parent),
            },
            Call::RemoveParent { node, parent } => Change::RemoveParent {
                node: inner(node)?,
                parent: any(parent),
            },
            Call::Trash { node } => Change::Trash { node: inner(node)? },
            Call::Restore { node } => Change::Restore { node: inner(node)? },
            Call::Copy => return None,
        })
    }

    async fn send(&self, change: &Change) -> Reply {
        let id = |number: &usize| self.ids[*number].as_str();
        match change {
            Change::Create {
                name,
                parent,
                content: None,
            } => self.drive.create_folder(name, id(parent)).await,
            Change::Create {
                name,
                parent,
                content: Some(content),
            } => self.drive.upload(name, id(parent), content).await,
            Change::Overwrite { node, content } => self.drive.overwrite(id(node), content).await,
            Change::Rename { node, name } => {
                self.drive.patch(id(node), json!({"name": name})).await
            }
            Change::Move { node, from, to } => {
                self.drive.relocate(id(node), id(from), id(to)).await
            }
            Change::AddParent { node, parent } => self.drive.add_parent(id(parent), id(node)).await,
            Change::RemoveParent { node, parent } => {
                self.drive.remove_parent(id(parent), id(node)).await
            }
            Change::Trash { node } => self.drive.trash(id(node)).await,
            Change::Restore { node } => self.drive.restore(id(node)).await,
        }
    }

    /// Versions never fall, of no node.
    async fn note_versions(&mut self) {
        for (number, id) in self.ids.iter().enumerate() {
            let version = self.drive.node(id).await["version"].as_u64().unwrap();
            let before = self.versions.insert(number, version);
            assert!(before.is_none_or(|before| before <= version));
        }
    }

    /// One node as the drive shows it, against the model.
    fn compare(&self, number: usize, node: &Value) {
        let expected = &self.model.nodes[number];
        assert_eq!(node["id"], self.ids[number]);
        assert_eq!(node["name"], expected.name);
        let status = if expected.is_available() {
            "AVAILABLE"
        } else {
            "TRASH"
        };
        assert_eq!(node["status"], status, "{node}");
        let flag = |key: &str| node.get(key).is_some_and(|value| *value == true);
        assert_eq!(flag("exclusivelyTrashed"), expected.trashed, "{node}");
        if expected.is_available() || !expected.trashed {
            assert_eq!(flag("recursivelyTrashed"), expected.trashed_along, "{node}");
        }
        let mut parents: Vec<_> = expected
            .parents
            .iter()
            .map(|parent| self.ids[*parent].as_str())
            .collect();
        let mut found: Vec<_> = node["parents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_str().unwrap())
            .collect();
        parents.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, parents, "{node}");
        let size = expected
            .content
            .as_ref()
            .map(|content| content.len() as u64);
        assert_eq!(node["contentProperties"]["size"].as_u64(), size, "{node}");
    }

    /// What each copy comes to by the feed, from where it was made on, against the drive.
    async fn compare_copies(&self) {
        let options = [
            json!({}),
            json!({"chunkSize": 2}),
            json!({"maxNodes": 1, "includePurged": "true"}),
        ];
        for (copy, options) in self.copies.iter().zip(options.iter().cycle()) {
            let mut copy = copy.clone();
            copy.follow(self.drive, options.as_object().unwrap()).await;
            for id in &self.ids {
                assert_eq!(copy.nodes[id], self.drive.node(id).await, "{options}");
            }
        }
    }

    /// Everything the drive shows, against the model.
    async fn compare_all(&self) {
        for number in 1..self.ids.len() {
            let id = &self.ids[number];
            self.compare(number, &self.drive.node(id).await);
            if let Some(content) = &self.model.nodes[number].content {
                assert!(self.drive.bytes(id).await == *content, "content of {id}");
            }
        }
        for (number, node) in self.model.nodes.iter().enumerate() {
            if node.content.is_some() || !node.is_available() {
                continue;
            }
            let listed = self
                .drive
                .all(&format!("nodes/{}/children", self.ids[number]), &[])
                .await;
            let mut found = ids(&listed);
            let mut expected: Vec<_> = self
                .model
                .available_in(number)
                .map(|child| self.ids[child].clone())
                .collect();
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "children of {number}");
        }
        let trash = ids(&self.drive.all("trash", &[]).await);
        for (number, node) in self.model.nodes.iter().enumerate() {
            let listed = trash.contains(&self.ids[number]);
            if !node.trashed {
                assert!(!listed, "{number} in the trash");
            } else if node
                .parents
                .iter()
                .all(|parent| self.model.nodes[*parent].is_available())
            {
                assert!(listed, "{number} not in the trash");
            }
        }
    }
}

async fn run(drive: &Drive, calls: &[Call]) {
    let home = drive.home().await;
    let mut run = Run {
        drive,
        model: Model::new(),
        ids: vec![home.clone()],
        versions: BTreeMap::new(),
        copies: vec![Copy::of(drive).await],
    };
    for call in calls {
        run.make(call).await;
    }
    run.compare_all().await;
    run.compare_copies().await;
    drive.trash(&home).await.expect(200);
}

#[test]
fn random_sequences_agree_with_the_model() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
    let place = runtime.block_on(Place::open());
    let mut runner = TestRunner::new(Config {
        cases: 32,
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Config::default()
    });
    let sequences = proptest::collection::vec(call(), 1..60);
    let outcome = runner.run(&sequences, |calls| {
        runtime.block_on(run(&place.drive, &calls));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
