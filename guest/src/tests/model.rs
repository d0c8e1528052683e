//! A small service with a memory, for flows of which the end state matters: it changes
//! nodes as the real one did, and can fail any one request in any way.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::pending,
    rc::Rc,
    time::Duration,
};

use serde_json::{Value, json};

use super::{ROOT, opened};
use crate::{
    platform::{
        BodySource, Clock, Credentials, CredentialsError, Level, Method, Payload, Platform,
        Request, Response, Transport, TransportError,
    },
    policy::Progress,
    service::Service,
};

/// A node of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) name: String,
    pub(super) folder: bool,
    pub(super) parents: Vec<String>,
    pub(super) labels: Vec<String>,
    pub(super) trashed: bool,
}

/// How requests fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Refused with this status; nothing is done.
    Refused(u16),
    /// Done, and answered with this status.
    Unclear(u16),
    /// Done, and the connection breaks.
    Lost,
    /// The caller dies before it is done.
    KilledBefore,
    /// The caller dies when it is done.
    KilledAfter,
}

/// Which requests fail.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) fault: Fault,
    /// Number of the first that fails, from 0.
    pub(super) first: usize,
    /// How many fail.
    pub(super) count: usize,
    /// Whether only those are counted that change something.
    pub(super) changes_only: bool,
}

#[derive(Default)]
pub(super) struct Drive {
    pub(super) nodes: BTreeMap<String, Kept>,
    /// Folders whose listings have nodes that are gone from there.
    pub(super) stale: Vec<(String, String)>,
    /// Nodes that no listing has yet.
    pub(super) lagging: Vec<String>,
    /// Requests that change something: method, path and body.
    pub(super) changes: Vec<String>,
    pub(super) requests: usize,
    pub(super) plan: Option<Plan>,
    passed: usize,
}

/// The platform; clones share the drive, and die together.
#[derive(Clone, Default)]
pub(super) struct Model {
    pub(super) drive: Rc<RefCell<Drive>>,
    pub(super) dead: Rc<Cell<bool>>,
    now: Rc<Cell<Duration>>,
    pub(super) log: Rc<RefCell<Vec<String>>>,
}

impl Model {
    /// A drive of these nodes: id, name and parent; a name that ends in `/` is a folder's.
    pub(super) fn new(nodes: &[(&str, &str, &str)]) -> Self {
        let model = Self::default();
        let mut drive = model.drive.borrow_mut();
        for (id, name, parent) in nodes {
            let kept = Kept {
                name: name.trim_end_matches('/').to_owned(),
                folder: name.ends_with('/'),
                parents: vec![(*parent).to_owned()],
                labels: Vec::new(),
                trashed: false,
            };
            drive.nodes.insert((*id).to_owned(), kept);
        }
        drop(drive);
        model
    }

    /// A program that opens the drive, with nothing in its memory.
    pub(super) fn service(&self) -> Service<Self> {
        self.dead.set(false);
        Service {
            metadata: "https://m.example/".to_owned(),
            ..opened(self.clone())
        }
    }

    /// Runs a flow to its end, or until the program dies.
    pub(super) fn run<T>(&self, flow: impl Future<Output = T>) -> Option<T> {
        let mut flow = std::pin::pin!(flow);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match flow.as_mut().poll(&mut context) {
            std::task::Poll::Ready(outcome) => Some(outcome),
            std::task::Poll::Pending => {
                assert!(self.dead.get(), "a flow waits for nothing");
                None
            }
        }
    }

    pub(super) fn fail(&self, plan: Plan) {
        let mut drive = self.drive.borrow_mut();
        drive.plan = Some(plan);
        drive.passed = 0;
    }

    /// All fails from the change of this number on, counted from 0.
    pub(super) fn fail_changes_from(&self, first: usize, count: usize, fault: Fault) {
        self.fail(Plan {
            fault,
            first,
            count,
            changes_only: true,
        });
    }

    pub(super) fn heal(&self) {
        self.drive.borrow_mut().plan = None;
    }

    pub(super) fn node(&self, id: &str) -> Kept {
        self.drive.borrow().nodes[id].clone()
    }

    pub(super) fn edit(&self, id: &str, edit: impl FnOnce(&mut Kept)) {
        edit(self.drive.borrow_mut().nodes.get_mut(id).unwrap());
    }

    /// The changes asked for since the last time.
    pub(super) fn changes(&self) -> Vec<String> {
        std::mem::take(&mut self.drive.borrow_mut().changes)
    }
}

impl Drive {
    fn fault(&mut self, changes: bool) -> Option<Fault> {
        let plan = self.plan.filter(|plan| changes || !plan.changes_only)?;
        let number = self.passed;
        self.passed += 1;
        let fails = plan.first <= number && number - plan.first < plan.count;
        fails.then_some(plan.fault)
    }

    fn show(&self, id: &str) -> Value {
        if id == ROOT {
            return json!({"id": ROOT, "kind": "FOLDER", "isRoot": true, "status": "AVAILABLE"});
        }
        let node = &self.nodes[id];
        let trashed = node.trashed || node.parents.iter().any(|it| self.is_trashed(it));
        json!({
            "id": id, "name": node.name, "kind": if node.folder { "FOLDER" } else { "FILE" },
            "status": if trashed { "TRASH" } else { "AVAILABLE" },
            "parents": node.parents, "labels": node.labels, "version": 1,
        })
    }

    fn is_trashed(&self, id: &str) -> bool {
        let node = self.nodes.get(id);
        node.is_some_and(|node| {
            node.trashed || node.parents.iter().any(|parent| self.is_trashed(parent))
        })
    }

    /// The node that has a name in a folder, as the service compares names.
    fn named(&self, parent: &str, name: &str, own: &str) -> Option<String> {
        let same = |node: &Kept| {
            node.name.to_lowercase() == name.to_lowercase()
                && node.parents.iter().any(|it| it == parent)
                && !node.trashed
        };
        let mut nodes = self.nodes.iter();
        let found = nodes.find(|(id, node)| *id != own && same(node));
        found.map(|(id, _)| id.clone())
    }

    fn answer(&mut self, method: Method, url: &str, body: &[u8]) -> (u16, Value) {
        let path = url.trim_start_matches("https://m.example/");
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let parts: Vec<_> = path.split('/').collect();
        let refusal = |status, message: &str| (status, json!({"message": message}));
        match (method, &parts[..]) {
            (Method::Get, ["nodes"]) => (200, self.list(query)),
            (Method::Get, ["trash"]) => {
                let nodes = self.nodes.iter().filter(|(_, node)| node.trashed);
                let data: Vec<_> = nodes.map(|(id, _)| self.show(id)).collect();
                (200, json!({"count": data.len(), "data": data}))
            }
            (_, ["nodes", id] | ["trash", id, ..])
                if !self.nodes.contains_key(*id) && *id != ROOT =>
            {
                refusal(404, "Node does not exist")
            }
            (Method::Get, ["nodes", id]) => (200, self.show(id)),
            (Method::Patch, ["nodes", id]) => {
                let node = self.nodes[*id].clone();
                if let Some(name) = body["name"].as_str() {
                    for parent in &node.parents {
                        if let Some(other) = self.named(parent, name, id) {
                            return taken(&other);
                        }
                    }
                }
                let node = self.nodes.get_mut(*id).unwrap();
                if let Some(name) = body["name"].as_str() {
                    node.name = name.to_owned();
                }
                if let Some(labels) = body["labels"].as_array() {
                    let labels = labels.iter().map(|it| it.as_str().unwrap().to_owned());
                    node.labels = labels.collect();
                    assert!(node.labels.len() <= 10);
                }
                (200, self.show(id))
            }
            (Method::Post, ["nodes", to, "children"]) => {
                let (from, id) = (&body["fromParent"], body["childId"].as_str().unwrap());
                let node = self.nodes[id].clone();
                let Some(place) = node.parents.iter().position(|it| from == it) else {
                    return refusal(400, "the node is not in that folder");
                };
                if self.is_trashed(id) || self.is_trashed(to) {
                    return refusal(400, "A trashed node cannot be moved");
                }
                if let Some(other) = self.named(to, &node.name, id) {
                    return taken(&other);
                }
                let node = self.nodes.get_mut(id).unwrap();
                node.parents[place] = (*to).to_owned();
                node.parents.dedup();
                (200, self.show(id))
            }
            (Method::Post, ["trash", id, "restore"]) => {
                let node = self.nodes[*id].clone();
                if node.parents.iter().any(|parent| self.is_trashed(parent)) {
                    return refusal(400, "A node cannot be added to trashed parent");
                }
                for parent in &node.parents {
                    if let Some(other) = self.named(parent, &node.name, id) {
                        return taken(&other);
                    }
                }
                self.nodes.get_mut(*id).unwrap().trashed = false;
                (200, self.show(id))
            }
            other => panic!("the model knows no {other:?}"),
        }
    }

    fn list(&self, query: &str) -> Value {
        let filters = form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == "filters")
            .map(|(_, value)| value.replace('\\', ""))
            .unwrap();
        let part = |field: &str| {
            let rest = filters.split_once(&format!("{field}:\""))?.1;
            Some(rest.split_once('"')?.0.to_owned())
        };
        let parent = part("parents").unwrap();
        let name = part("name").unwrap();
        let listed = |id: &str, node: &Kept| {
            let here = node.parents.contains(&parent)
                || self.stale.contains(&(parent.clone(), id.to_owned()));
            // In another case a name was not found.
            here && node.name == name
                && !node.trashed
                && !self.lagging.iter().any(|lagging| lagging == id)
        };
        let nodes = self.nodes.iter().filter(|(id, node)| listed(id, node));
        let data: Vec<_> = nodes
            .map(|(id, _)| {
                let mut shown = self.show(id);
                if self.stale.contains(&(parent.clone(), id.clone())) {
                    shown["parents"] = json!([parent]);
                }
                shown
            })
            .collect();
        json!({"count": data.len(), "data": data})
    }
}

fn taken(by: &str) -> (u16, Value) {
    let body = json!({"message": "taken", "code": "NAME_ALREADY_EXISTS", "info": {"nodeId": by}});
    (409, body)
}

impl Transport for Model {
    type Body = Vec<u8>;

    async fn send<S: BodySource + 'static>(
        &self,
        request: Request,
        payload: Payload<S>,
    ) -> Result<Response<Vec<u8>>, TransportError> {
        assert!(!self.dead.get(), "the dead ask for nothing: {request:?}");
        let body = match payload {
            Payload::Bytes(body) => body,
            _ => Vec::new(),
        };
        let changes = request.method != Method::Get;
        let fault = {
            let mut drive = self.drive.borrow_mut();
            drive.requests += 1;
            if changes {
                let path = request.url.trim_start_matches("https://m.example/");
                let line = format!(
                    "{:?} {path} {}",
                    request.method,
                    String::from_utf8_lossy(&body)
                );
                drive.changes.push(line.trim_end().to_owned());
            }
            drive.fault(changes)
        };
        let reply = |status, body: &Value| {
            Ok(Response {
                status,
                headers: Vec::new(),
                body: body.to_string().into_bytes(),
            })
        };
        match fault {
            Some(Fault::Refused(status)) => return reply(status, &Value::Null),
            Some(Fault::KilledBefore) => {
                self.dead.set(true);
                pending::<()>().await;
            }
            _ => {}
        }
        let (status, shown) = self
            .drive
            .borrow_mut()
            .answer(request.method, &request.url, &body);
        match fault {
            Some(Fault::Unclear(status)) => reply(status, &Value::Null),
            Some(Fault::Lost) => Err(TransportError::network(Progress::Sent, "it broke off")),
            Some(Fault::KilledAfter) => {
                self.dead.set(true);
                pending().await
            }
            _ => reply(status, &shown),
        }
    }

    async fn read_some(
        &self,
        body: Vec<u8>,
        _: Vec<u8>,
    ) -> Result<(Vec<u8>, Option<Vec<u8>>), TransportError> {
        Ok((body, None))
    }

    async fn read_to_end(&self, body: Vec<u8>, _: usize) -> Result<Vec<u8>, TransportError> {
        Ok(body)
    }
}

impl Clock for Model {
    fn now(&self) -> Duration {
        self.now.get()
    }

    async fn sleep(&self, duration: Duration) {
        self.now.set(self.now.get() + duration);
    }

    fn random(&self) -> u64 {
        0
    }
}

impl Credentials for Model {
    async fn authorization(&self, _: &str) -> Result<Option<String>, CredentialsError> {
        Ok(Some("token".to_owned()))
    }

    fn forget(&self, _: &str) {}
}

impl Platform for Model {
    fn log(&self, _: Level, message: &str) {
        self.log.borrow_mut().push(message.to_owned());
    }
}
