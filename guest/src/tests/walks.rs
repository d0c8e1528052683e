//! Walks: the same tree by either way, in as few calls as can be.

use std::{cell::Cell, collections::BTreeSet, rc::Rc};

use super::{
    drive::Drive,
    opened, path, run,
    script::{Reply, Script},
};
use crate::{
    error::Error, lookup::Target, platform::Level, service::Service, walk::MOST_NODES, walk::Walk,
};

type Tree = BTreeSet<(String, String)>;

/// Walks from a node to the end: what was found, and the requests that were made.
fn walk(script: Script, top: usize) -> (Result<Tree, Error>, Rc<Service<Script>>) {
    let service = Rc::new(opened(script));
    let outcome = run(async {
        let target = Target::Id(Drive::id(top));
        let mut walk = Walk::open(Rc::clone(&service), &target).await?;
        let mut tree = Tree::new();
        while let Some(some) = walk.next().await? {
            assert!(!some.is_empty());
            for found in some {
                let names = found.path.iter().map(|name| String::from_utf8_lossy(name));
                let path: String = names.map(|name| format!("/{name}")).collect();
                assert_eq!(found.path.last(), Some(&found.node.name));
                assert!(tree.insert((path, found.node.id)), "it was found twice");
            }
        }
        Ok(tree)
    });
    (outcome, service)
}

fn walk_drive(drive: &Drive, top: usize) -> (Tree, Vec<String>) {
    let served = drive.clone();
    let script = Script::serving(move |line, body| served.answer(line, body));
    let (tree, service) = walk(script, top);
    let lines = service.platform.seen.borrow();
    let lines = lines.iter().map(|seen| seen.line.clone()).collect();
    (tree.unwrap(), lines)
}

fn posts(lines: &[String]) -> usize {
    lines.iter().filter(|it| it.starts_with("POST")).count()
}

#[test]
fn either_way_finds_the_same_tree() {
    let mut both_ways = 0;
    let mut several_places = 0;
    for seed in 0..150 {
        let mut drive = Drive::new(seed);
        for number in 0..drive.random(30) {
            drive.add(&format!("folder {number}"), "FOLDER", vec![0]);
        }
        for _ in 0..20 + drive.random(100) {
            drive.step();
        }
        drive.set = 1 + drive.random(10);
        drive.page = 1 + drive.random(40);
        drive.doubled = seed % 2 == 0;
        let folders: Vec<_> = (0..drive.nodes.len())
            .filter(|it| drive.nodes[*it].kind == "FOLDER" && drive.shows(*it))
            .collect();
        let top = match seed % 3 {
            0 => folders[drive.random(folders.len())],
            _ => 0,
        };
        let expected = drive.tree(top);
        // So many files that no stream of changes is worth it, or so few that it is.
        drive.told = Some(100_000);
        let (tree, lines) = walk_drive(&drive, top);
        assert_eq!(tree, expected, "seed {seed}");
        assert_eq!(posts(&lines), 0);
        drive.told = Some(1);
        let (tree, lines) = walk_drive(&drive, top);
        assert_eq!(tree, expected, "seed {seed}");
        both_ways += posts(&lines);
        let ids: BTreeSet<_> = expected.iter().map(|(_, id)| id).collect();
        several_places += usize::from(ids.len() < expected.len());
    }
    assert!(both_ways > 20, "the changes were read in {both_ways} cases");
    assert!(
        several_places > 20,
        "nodes had two places in {several_places} cases"
    );
}

/// A folder with this many folders of one file each.
fn wide(folders: usize) -> Drive {
    let mut drive = Drive::new(1);
    for number in 0..folders {
        let folder = drive.add(&format!("folder {number}"), "FOLDER", vec![0]);
        drive.add("file", "FILE", vec![folder]);
    }
    drive.page = 200;
    drive.set = 2000;
    drive
}

#[test]
fn way_is_the_one_with_fewer_calls() {
    for (folders, told, calls, changes) in [
        // Few folders: nothing is asked.
        (8, Some(8), 9, 0),
        // The listing that shows the folders, the number of files, the changes.
        (40, Some(40), 3, 1),
        // 80,000 files are 41 sets.
        (40, Some(80_000), 42, 0),
        (42, Some(80_000), 3, 1),
        // Too many to be held, or nobody knows.
        (300, Some(MOST_NODES as u64 + 1), 303, 0),
        (40, None, 42, 0),
    ] {
        let mut drive = wide(folders);
        drive.told = told;
        let (tree, lines) = walk_drive(&drive, 0);
        assert_eq!(tree, drive.tree(0));
        assert_eq!(
            (lines.len(), posts(&lines)),
            (calls, changes),
            "{folders} {told:?}"
        );
    }
}

#[test]
fn changes_that_break_off_are_gone_on_with() {
    let mut drive = wide(40);
    drive.told = Some(40);
    drive.set = 7;
    let expected = drive.tree(0);
    let served = drive.clone();
    let script = Script::serving(move |line, body| match line.starts_with("POST") {
        // Each time the first two sets come, and a part of the third.
        true => {
            let after = Drive::asked_after(body);
            let feed = served.feed(after.unwrap_or(0), after.is_none());
            match feed.lines().count() {
                4.. => {
                    let lines: Vec<_> = feed.lines().take(3).collect();
                    let text = lines.join("\n");
                    Reply::Cut(text.as_bytes()[..text.len() - 9].to_vec())
                }
                _ => Reply::json(200, &feed),
            }
        }
        false => served.answer(line, body),
    });
    let (tree, service) = walk(script, 0);
    assert_eq!(tree.unwrap(), expected);
    let seen = service.platform.seen.borrow();
    assert_eq!(
        seen.iter().filter(|it| it.line.starts_with("POST")).count(),
        6
    );
}

#[test]
fn changes_that_cannot_be_had_cost_no_folder() {
    for reply in [
        || {
            Reply::json(
                200,
                r#"{"checkpoint":"c-9","reset":true,"nodes":[],"statusCode":503}"#,
            )
        },
        || Reply::json(400, "{}"),
        || Reply::Cut(b"{\"check".to_vec()),
    ] {
        let mut drive = wide(40);
        drive.told = Some(40);
        let expected = drive.tree(0);
        let script = Script::serving(move |line, body| match line.starts_with("POST") {
            true => reply(),
            false => drive.answer(line, body),
        });
        let (tree, service) = walk(script, 0);
        assert_eq!(tree.unwrap(), expected);
        let seen = service.platform.seen.borrow();
        assert_eq!(
            seen.iter().filter(|it| it.line.starts_with("POST")).count(),
            3
        );
    }
}

#[test]
fn folder_that_the_changes_do_not_know_yet_is_listed() {
    let mut drive = wide(40);
    drive.told = Some(40);
    let expected = drive.tree(0);
    let last = drive.nodes.len() - 1;
    let served = drive.clone();
    let script = Script::serving(move |line, body| match line.starts_with("POST") {
        true => {
            let mut behind = served.clone();
            behind.nodes.truncate(last - 1);
            behind.answer(line, body)
        }
        false => served.answer(line, body),
    });
    let (tree, _) = walk(script, 0);
    assert_eq!(tree.unwrap(), expected);
}

#[test]
fn more_nodes_than_the_account_told_are_not_held() {
    let mut drive = wide(40);
    drive.told = Some(40);
    let expected = drive.tree(0);
    let script = Script::serving(move |line, body| match line.starts_with("POST") {
        true => {
            let nodes = (0..=MOST_NODES).map(|number| {
                format!(r#"{{"id":"x{number}","name":"x","kind":"FILE","status":"AVAILABLE"}}"#)
            });
            let nodes: Vec<_> = nodes.collect();
            let text = format!(
                r#"{{"checkpoint":"c-9","reset":true,"nodes":[{}],"statusCode":200}}"#,
                nodes.join(",")
            );
            Reply::json(200, &format!("{text}\n{{\"end\":true}}"))
        }
        false => drive.answer(line, body),
    });
    let (tree, service) = walk(script, 0);
    assert_eq!(tree.unwrap(), expected);
    assert_eq!(service.platform.seen.borrow().len(), 43);
}

#[test]
fn folder_that_fails_is_named_and_the_rest_is_found() {
    let drive = wide(5);
    let mut expected = drive.tree(0);
    expected.remove(&("/folder 1/file".to_owned(), "n4".to_owned()));
    let found = Rc::new(Cell::new(0));
    let script = Script::serving(move |line, body| match line.contains("n3&") {
        true => Reply::json(403, ""),
        false => drive.answer(line, body),
    });
    let service = Rc::new(opened(script));
    let outcome = run(async {
        let target = Target::Id(Drive::id(0));
        let mut walk = Walk::open(Rc::clone(&service), &target).await?;
        while let Some(some) = walk.next().await? {
            found.set(found.get() + some.len());
        }
        Ok::<_, Error>(())
    });
    assert!(matches!(outcome, Err(Error::Forbidden(_))), "{outcome:?}");
    assert_eq!(found.get(), expected.len());
    let log = service.platform.log.borrow();
    let named =
        |(level, line): &(Level, String)| *level == Level::Warn && line.contains("folder 1");
    assert!(log.iter().any(named), "{log:?}");
}

#[test]
fn token_that_is_refused_ends_the_walk_at_once() {
    let drive = wide(100);
    let script = Script::serving(move |line, body| match line.contains("RRjt") {
        true => drive.answer(line, body),
        false => Reply::json(401, ""),
    });
    let (tree, service) = walk(script, 0);
    assert!(matches!(tree, Err(Error::Unauthenticated(_))), "{tree:?}");
    assert!(service.platform.seen.borrow().len() < 40);
}

#[test]
fn folder_that_is_gone_meanwhile_has_nothing_and_the_first_must_be_one() {
    let drive = wide(5);
    let served = drive.clone();
    let script = Script::serving(move |line, body| match line.contains("n3&") {
        true => Reply::json(404, ""),
        false => served.answer(line, body),
    });
    let mut expected = drive.tree(0);
    expected.remove(&("/folder 1/file".to_owned(), "n4".to_owned()));
    assert_eq!(walk(script, 0).0.unwrap(), expected);

    // A file, which lists nothing.
    let script = Script::serving(move |line, body| drive.answer(line, body));
    let (tree, _) = walk(script, 2);
    assert!(matches!(tree, Err(Error::NotAFolder(_))), "{tree:?}");
}

#[test]
fn folder_in_itself_is_gone_through_once() {
    for told in [1, 100_000] {
        let mut drive = wide(20);
        drive.nodes[1].parents.push(1);
        drive.nodes[3].parents.push(5);
        drive.nodes[5].parents.push(3);
        drive.told = Some(told);
        let (tree, _) = walk_drive(&drive, 0);
        for found in ["/folder 0/folder 0", "/folder 1/folder 2/folder 1"] {
            assert!(tree.iter().any(|(path, _)| path == found), "{found}");
        }
        assert!(
            tree.iter()
                .all(|(path, _)| path.matches("folder 1/").count() < 2)
        );
    }
}

#[test]
fn walk_by_path_finds_its_folder() {
    let drive = wide(2);
    let served = drive.clone();
    let script = Script::serving(move |line, body| match line.contains("name%3A") {
        true => super::page(&[super::folder("n1", "folder 0", super::ROOT)], None),
        false => served.answer(line, body),
    });
    let service = Rc::new(opened(script));
    let some = run(async {
        let target = Target::Path(path("folder 0"));
        let mut walk = Walk::open(Rc::clone(&service), &target).await?;
        walk.next().await
    });
    let paths: Vec<_> = some
        .unwrap()
        .unwrap()
        .into_iter()
        .map(|it| it.path)
        .collect();
    assert_eq!(paths, [path("file")]);
}
