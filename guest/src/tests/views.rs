//! Views: whatever the stream of changes does, they are a drive as it was.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::{
    drive::Drive,
    opened, run,
    script::{Reply, Script},
};
use crate::{changes::Changes, error::Error, view::View};

/// What a view holds, as far as tests compare it: names and parents by id.
type Held = BTreeMap<String, (String, Vec<String>)>;

fn held(view: &View) -> Held {
    let nodes = view.nodes().values();
    nodes
        .map(|held| {
            let node = &held.node;
            let name = String::from_utf8(node.name.clone()).unwrap();
            (node.id.clone(), (name, node.parents.clone()))
        })
        .collect()
}

/// The same of the drive itself.
fn truth(drive: &Drive) -> Held {
    let shown = (0..drive.nodes.len()).filter(|it| drive.shows(*it));
    shown
        .map(|it| {
            let node = &drive.nodes[it];
            let parents = node.parents.iter().map(|up| Drive::id(*up)).collect();
            (Drive::id(it), (node.name.clone(), parents))
        })
        .collect()
}

/// A view after whole lines of a feed, each applied by the letter of the documentation.
fn by_the_letter(mut held: Held, lines: &[&str]) -> Held {
    for line in lines {
        let set: serde_json::Value = serde_json::from_str(line).unwrap();
        if set["reset"] == true {
            held.clear();
        }
        for node in set["nodes"].as_array().into_iter().flatten() {
            let id = node["id"].as_str().unwrap().to_owned();
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let parents = node["parents"].as_array().unwrap().iter().map(text);
            let name = text(&node["name"]);
            match node["status"].as_str().unwrap() {
                "TRASH" | "PURGED" => drop(held.remove(&id)),
                "AVAILABLE"
                    if node["kind"] != "ASSET" && (id == super::ROOT || !name.is_empty()) =>
                {
                    held.insert(id, (name, parents.collect()));
                }
                _ => {}
            }
        }
    }
    held
}

/// Reads one reply into a view.
fn follow(view: &mut View, reply: Reply) -> Result<(), Error> {
    let service = Rc::new(opened(Script::new(vec![reply])));
    run(async {
        let mut changes = Changes::open(service, view.checkpoint()).await?;
        while let Some(set) = changes.next().await? {
            view.apply(set);
        }
        view.end();
        Ok(())
    })
}

#[test]
fn stream_cut_anywhere_leaves_a_past_state_and_is_gone_on_with() {
    let mut kinds = BTreeSet::new();
    for seed in 0..200 {
        let mut drive = Drive::new(seed);
        drive.set = 1 + drive.random(4);
        drive.doubled = seed % 5 == 0;
        for _ in 0..30 {
            drive.step();
        }
        // A view of some time ago, then more changes.
        let mut view = View::default();
        follow(&mut view, Reply::json(200, &drive.feed(0, true))).unwrap();
        assert_eq!(held(&view), truth(&drive), "seed {seed}");
        let (before, after) = (held(&view), drive.changes);
        for _ in 0..20 {
            drive.step();
        }
        // The service goes on, or begins anew.
        let reset = seed % 3 == 0;
        let feed = drive.feed(if reset { 0 } else { after }, reset);
        let cut = drive.random(feed.len());
        let text = &feed[..cut];
        // As a broken connection, or as an end without the mark.
        let broken = drive.random(2) == 0;
        let reply = match broken {
            true => Reply::Cut(text.as_bytes().to_vec()),
            false => Reply::json(200, text),
        };
        let outcome = follow(&mut view, reply);
        assert!(outcome.is_err(), "seed {seed}: {text}");
        let mut whole: Vec<_> = text.split('\n').collect();
        // A last line without its end counts if the reply ended properly after it.
        let last = whole.pop().unwrap();
        if !broken && serde_json::from_str::<serde_json::Value>(last).is_ok() {
            whole.push(last);
        }
        let expected = match reset {
            true => before.clone(),
            false => by_the_letter(before.clone(), &whole),
        };
        assert_eq!(held(&view), expected, "seed {seed}, cut at {cut} of {feed}");
        kinds.insert((reset, broken, whole.is_empty()));

        // Where it goes on is behind the last whole set, and leads to the drive as it is.
        let from = match whole.last() {
            Some(line) => {
                let set: serde_json::Value = serde_json::from_str(line).unwrap();
                set["checkpoint"].as_str().unwrap().to_owned()
            }
            None => format!("c-{after}"),
        };
        assert_eq!(view.checkpoint(), Some(from.as_str()), "seed {seed}");
        for _ in 0..drive.random(5) {
            drive.step();
        }
        // Only a new beginning that nothing came of has to begin anew.
        let anew = reset && whole.is_empty();
        let rest = match anew {
            true => drive.feed(0, true),
            false => drive.feed(from[2..].parse().unwrap(), false),
        };
        follow(&mut view, Reply::json(200, &rest)).unwrap();
        assert_eq!(held(&view), truth(&drive), "seed {seed}");
    }
    assert!(kinds.len() >= 6, "the cuts were all alike: {kinds:?}");
}

#[test]
fn older_version_that_comes_again_takes_nothing_back() {
    let mut drive = Drive::new(1);
    let file = drive.add("file", "FILE", vec![0]);
    let mut view = View::default();
    let first = drive.feed(0, true);
    follow(&mut view, Reply::json(200, &first)).unwrap();
    drive.set_status(file, "AVAILABLE", "TRASH");
    drive.set_status(file, "TRASH", "AVAILABLE");
    drive.nodes[file].name = "renamed".to_owned();
    let second = drive.feed(2, false);
    // What was before the checkpoint may come again.
    let again = first.replace(r#""reset":true"#, r#""reset":false"#);
    let again = again.lines().next().unwrap();
    follow(&mut view, Reply::json(200, &second)).unwrap();
    let line = format!("{again}\n{{\"end\":true}}");
    follow(&mut view, Reply::json(200, &line)).unwrap();
    assert_eq!(held(&view), truth(&drive));
}

#[test]
fn new_beginning_shows_nothing_before_its_end() {
    let mut drive = Drive::new(1);
    drive.add("old", "FILE", vec![0]);
    let mut view = View::default();
    follow(&mut view, Reply::json(200, &drive.feed(0, true))).unwrap();
    let old = held(&view);
    for number in 0..10 {
        drive.add(&format!("new {number}"), "FILE", vec![0]);
    }
    let service = Rc::new(opened(Script::new(vec![Reply::json(
        200,
        &drive.feed(0, true),
    )])));
    run(async {
        let mut changes = Changes::open(service, view.checkpoint()).await.unwrap();
        let mut sets = 0;
        while let Some(set) = changes.next().await.unwrap() {
            view.apply(set);
            sets += 1;
            assert_eq!(held(&view), old);
        }
        assert!(sets > 2);
        view.end();
    });
    assert_eq!(held(&view), truth(&drive));
}
