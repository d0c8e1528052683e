//! Random faults over random changes: whatever the service does to a run, nothing is lost,
//! nothing is doubled, success is true, and the next run makes it right.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use acd_tests::{Acd, Client, Entry, Finished, Serve, Tree};

/// The same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

/// What is done to a run. Not here: what makes every run fail, and what goes on after it.
const FAULTS: [&str; 32] = [
    "429",
    "429,retry-after=1",
    "500",
    "502",
    "503",
    "504",
    "403-credential",
    "401",
    "gateway-page=html",
    "late-upload=now",
    "late-upload=now,status=408",
    "late-upload=1",
    "late-upload=never",
    "late-overwrite=now",
    "late-overwrite=1",
    "late-overwrite=never",
    "stale-overwrite=1",
    "401-mid-upload=10",
    "401-after-upload",
    "409-after-body",
    "409-before-body",
    "wrong-md5=reply",
    "listing-lag=600",
    "next-token-expired",
    "partial-pages=1",
    "empty-page",
    "pending-node=p",
    "bogus-parent=b",
    "connection-reset=before",
    "connection-reset=after",
    "cut-reply=20",
    "cut-request=200",
];

const FOLDERS: [&str; 4] = ["", "one/", "one/two/", "three/"];
const NAMES: [&str; 5] = ["a", "b", "C", "d e", "é"];

/// Makes, overwrites and removes some files, and sometimes a folder.
fn change(local: &Path, random: &mut Random, step: usize) {
    for number in 0..=random.below(6) {
        let folder = random.of(&FOLDERS);
        let path = format!("{folder}{}", random.of(&NAMES));
        match random.below(8) {
            0 if !folder.is_empty() => {
                let _ = fs::remove_dir_all(local.join(folder));
            }
            1 | 2 => {
                let _ = fs::remove_file(local.join(&path));
            }
            // Of one size, so that only the MD5 tells.
            _ => Tree::write(local, &path, format!("{step:04} {number:04} {path}")),
        }
    }
}

/// The files of the drive, by path, with their MD5. A name that is there twice fails.
fn drive(client: &mut Client) -> BTreeMap<Vec<u8>, String> {
    let mut files = BTreeMap::new();
    let mut open = vec![(client.root(), String::new())];
    while let Some((id, below)) = open.pop() {
        let listed = client.call("GET", &format!("nodes/{id}/children"), None);
        let listed = listed.unwrap().json();
        assert!(listed.get("nextToken").is_none());
        let mut names = BTreeSet::new();
        for node in listed["data"].as_array().unwrap() {
            let name = node["name"].as_str().unwrap();
            assert!(names.insert(name.to_lowercase()), "{name} twice in {below}");
            let path = format!("{below}{name}");
            if node["kind"] == "FOLDER" {
                open.push((node["id"].as_str().unwrap().to_owned(), format!("{path}/")));
            } else {
                let md5 = node["contentProperties"]["md5"].as_str().unwrap();
                files.insert(path.into_bytes(), md5.to_owned());
            }
        }
    }
    files
}

fn files(tree: &Tree) -> BTreeMap<Vec<u8>, String> {
    let file = |(path, entry): (&Vec<u8>, &Entry)| match entry {
        Entry::File(_, md5) => Some((path.clone(), md5.clone())),
        Entry::Folder => None,
    };
    tree.0.iter().filter_map(file).collect()
}

struct World {
    acd: Acd,
    server: Serve,
}

impl World {
    /// How often a fault applied that this rule is about.
    fn hits(&self, rule: &str) -> u64 {
        let name = rule.split(['=', ',']).next().unwrap();
        self.server.hits(name).iter().sum()
    }

    fn sync(&self, wait: &str) -> Finished {
        let config = self.server.config().to_str().unwrap();
        self.acd.run([
            "--config",
            config,
            "--low-level-retries",
            "3",
            "--acd-upload-wait-per-gb",
            wait,
            "sync",
            "-v",
            "local",
            "drive:",
        ])
    }
}

/// Returns how often faults applied.
fn play(seed: u64) -> u64 {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let acd = Acd::new();
    let server = acd.serve_with_faults("data", &[]);
    let local = acd.path("local");
    fs::create_dir(&local).unwrap();
    let world = World { acd, server };
    let mut client = Client::new(&world.server.url, world.server.config());
    let mut hits = 0;
    for step in 0..4 {
        change(&local, &mut random, step);
        let before = drive(&mut client);
        let wanted = files(&Tree::of(&local));
        let mut rules = Vec::new();
        for _ in 0..=random.below(3) {
            let fault = random.of(&FAULTS);
            let (after, count) = (random.below(6), 1 + random.below(2));
            rules.push(format!("{fault},after={after},count={count}"));
        }
        for rule in &rules {
            world.server.add_fault(rule);
        }
        // What never comes is not waited for; what comes late is, and so it cannot come
        // into the next run.
        let never = rules.iter().any(|rule| rule.contains("=never"));
        let late = rules.iter().any(|rule| rule.contains("late-"));
        let wait = if late && !never { "500000h" } else { "0" };
        if late && never && rules.iter().any(|rule| rule.contains("=1,")) {
            world.server.clear_faults();
        }
        let faulty = world.sync(wait);
        hits += rules.iter().map(|rule| world.hits(rule)).sum::<u64>();
        world.server.clear_faults();

        let context = format!("seed {seed}, step {step}, {rules:?}\n{faulty}");
        let after = drive(&mut client);
        for (path, md5) in &after {
            let known = [before.get(path), wanted.get(path)];
            assert!(
                known.contains(&Some(md5)),
                "{} is neither old nor new: {context}",
                path.escape_ascii()
            );
        }
        for path in before.keys().filter(|path| wanted.contains_key(*path)) {
            assert!(
                after.contains_key(path),
                "{} is lost: {context}",
                path.escape_ascii()
            );
        }
        if faulty.status.success() {
            assert_eq!(after, wanted, "success is not true: {context}");
        } else {
            assert!(faulty.stderr.contains("error["), "{context}");
        }

        let clean = world.sync("0");
        assert!(clean.status.success(), "{context}\n{clean}");
        assert_eq!(drive(&mut client), wanted, "{context}\n{clean}");
    }
    hits
}

fn play_all(seeds: std::ops::Range<u64>) {
    let hits: Vec<_> = seeds.map(play).collect();
    assert!(
        hits.iter().filter(|hits| **hits > 0).count() > 2,
        "{hits:?}"
    );
}

#[test]
fn faults_of_seeds_0_to_4_leave_a_drive_that_the_next_run_makes_right() {
    play_all(0..5);
}

#[test]
fn faults_of_seeds_5_to_9_leave_a_drive_that_the_next_run_makes_right() {
    play_all(5..10);
}

#[test]
fn faults_of_seeds_10_to_14_leave_a_drive_that_the_next_run_makes_right() {
    play_all(10..15);
}
