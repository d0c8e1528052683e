//! A server that is killed under load, over and over: what it acknowledged holds, and its
//! data stay whole.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use acd_tests::{Acd, Client, Serve};
use md5::{Digest as _, Md5};
use serde_json::json;

/// What is known of a file or folder: what was acknowledged last, and what was asked for
/// after that without an answer.
#[derive(Clone, Debug)]
struct Known {
    id: String,
    state: State,
    /// Either this or `state` is the truth.
    unanswered: Option<State>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    name: String,
    parent: String,
    /// `None`: a folder.
    md5: Option<String>,
    trashed: bool,
}

/// What one client has made, by the name it had first.
type Made = BTreeMap<String, Known>;

/// A sequence of numbers that looks random and is the same each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// Kills the server when so many steps have been taken. A step is a request sent or an
/// answer received, so the moment is anywhere within a request.
struct Fuse {
    left: AtomicU64,
    server: Mutex<Option<Serve>>,
}

impl Fuse {
    fn new(server: Serve, steps: u64) -> Self {
        Self {
            left: AtomicU64::new(steps),
            server: Mutex::new(Some(server)),
        }
    }

    fn step(&self) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1
            && let Some(server) = self.server.lock().unwrap().take()
        {
            server.kill();
        }
    }

    fn blown(&self) -> bool {
        self.left.load(Ordering::SeqCst) > u64::MAX / 2 || self.left.load(Ordering::SeqCst) == 0
    }
}

fn md5(content: &[u8]) -> String {
    hex::encode(Md5::digest(content))
}

/// Works until the server is gone.
fn work(
    mut client: Client,
    fuse: &Fuse,
    made: &mut Made,
    numbers: &mut Numbers,
    places: &[String],
    me: &str,
) {
    while !fuse.blown() {
        let number = numbers.next(1 << 40);
        let mut content = vec![0; [10, 4000, 70_000, 600_000][number as usize % 4]];
        let count = content.len();
        for (index, byte) in content.iter_mut().enumerate() {
            *byte = ((number >> (index % 5 * 8)) as usize + index * count) as u8;
        }
        let place = &places[numbers.next(places.len() as u64) as usize];
        let open: Vec<String> = made
            .iter()
            .filter(|(_, known)| !known.state.trashed && known.unanswered.is_none())
            .map(|(first, _)| first.clone())
            .collect();
        let action = if open.is_empty() { 0 } else { numbers.next(10) };
        let chosen = match action {
            0..4 => None,
            _ => Some(open[numbers.next(open.len() as u64) as usize].clone()),
        };
        let Some(first) = chosen else {
            // A new file, or a folder now and then.
            let name = format!("{me}-{number}");
            let is_file = action < 3;
            fuse.step();
            let answer = match is_file {
                true => client.create(&name, place, &content),
                false => {
                    let body = json!({"name": name, "kind": "FOLDER", "parents": [place]});
                    client.call("POST", "nodes", Some(&body))
                }
            };
            let Ok(answer) = answer else { return };
            assert_eq!(answer.status, 201, "{answer}");
            fuse.step();
            let state = State {
                name: name.clone(),
                parent: place.clone(),
                md5: is_file.then(|| md5(&content)),
                trashed: false,
            };
            let known = Known {
                id: answer.id(),
                state,
                unanswered: None,
            };
            made.insert(name, known);
            continue;
        };
        let known = made.get_mut(&first).unwrap();
        let id = known.id.clone();
        let mut wanted = known.state.clone();
        fuse.step();
        let answer = match action {
            4 | 5 if wanted.md5.is_some() => {
                wanted.md5 = Some(md5(&content));
                known.unanswered = Some(wanted.clone());
                client.overwrite(&id, &content)
            }
            4..=6 if wanted.parent != *place => {
                let body = json!({"fromParent": wanted.parent, "childId": id});
                wanted.parent.clone_from(place);
                known.unanswered = Some(wanted.clone());
                client.call("POST", &format!("nodes/{place}/children"), Some(&body))
            }
            8 => {
                wanted.trashed = true;
                known.unanswered = Some(wanted.clone());
                client.call("PUT", &format!("trash/{id}"), None)
            }
            _ => {
                wanted.name = format!("{me}-{number}");
                known.unanswered = Some(wanted.clone());
                let body = json!({"name": wanted.name});
                client.call("PATCH", &format!("nodes/{id}"), Some(&body))
            }
        };
        let Ok(answer) = answer else { return };
        assert_eq!(answer.status, 200, "{answer}");
        fuse.step();
        known.state = wanted;
        known.unanswered = None;
    }
}

/// Asks the server what has become of what was made, and takes that for known.
fn verify(client: &mut Client, made: &mut Made, contents: bool) {
    for known in made.values_mut() {
        if known.unanswered.is_none() && !contents {
            continue;
        }
        let node = client
            .call("GET", &format!("nodes/{}", known.id), None)
            .unwrap();
        assert_eq!(node.status, 200, "{known:?}: {node}");
        let node = node.json();
        let found = State {
            name: node["name"].as_str().unwrap().to_owned(),
            parent: node["parents"][0].as_str().unwrap().to_owned(),
            md5: node["contentProperties"]["md5"].as_str().map(str::to_owned),
            trashed: node["status"] == "TRASH",
        };
        assert!(
            found == known.state || known.unanswered.as_ref() == Some(&found),
            "{found:?} of {known:?}"
        );
        known.state = found;
        known.unanswered = None;
        if let Some(wanted) = &known.state.md5 {
            let content = client.content(&known.id).unwrap();
            assert_eq!(content.status, 200, "{known:?}: {content}");
            assert_eq!(md5(&content.body), *wanted, "{known:?}");
        }
    }
}

#[test]
fn server_killed_fifty_times_under_load_keeps_every_promise() {
    let acd = Acd::new();
    let mut numbers = Numbers(0x005e_ed0f_ac01_dcab);
    let server = acd.serve("data");
    let mut client = Client::new(&server.url, server.config());
    let root = client.root();
    let mut places = vec![root.clone()];
    for name in ["one", "two", "three"] {
        let body = json!({"name": name, "kind": "FOLDER", "parents": [root]});
        places.push(client.call("POST", "nodes", Some(&body)).unwrap().id());
    }
    assert!(server.stop().success());
    let mut made: Vec<Made> = vec![Made::new(); CLIENTS];
    for round in 1..=ROUNDS {
        let server = acd.serve("data");
        let mut client = Client::new(&server.url, server.config());
        for made in &mut made {
            verify(&mut client, made, false);
        }
        let (url, config) = (server.url.clone(), server.config().to_owned());
        let fuse = Fuse::new(server, 1 + numbers.next(80));
        thread::scope(|scope| {
            for (index, made) in made.iter_mut().enumerate() {
                let client = Client::new(&url, &config);
                let mut numbers = Numbers(numbers.next(u64::MAX) | 1);
                let (fuse, places) = (&fuse, &places);
                scope.spawn(move || {
                    let me = format!("{round}-{index}");
                    work(client, fuse, made, &mut numbers, places, &me);
                });
            }
        });
        assert!(fuse.server.lock().unwrap().is_none(), "it was killed");
        if round % 10 == 0 {
            acd.ok(["serve", "fsck", "--data-dir", "data"]);
        }
    }
    let server = acd.serve("data");
    let mut client = Client::new(&server.url, server.config());
    let count: usize = made.iter().map(BTreeMap::len).sum();
    assert!(count > ROUNDS, "{count} nodes were made");
    for made in &mut made {
        verify(&mut client, made, true);
    }
    // Beside the running server, and after it.
    acd.ok(["serve", "fsck", "--data-dir", "data"]);
    assert!(server.stop().success());
    acd.ok(["serve", "fsck", "--data-dir", "data"]);
}

/// Deaths of the server.
const ROUNDS: usize = 50;

/// Clients at work at the same time.
const CLIENTS: usize = 6;
