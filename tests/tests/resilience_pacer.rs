//! A service that takes few calls, tokens that end or are refused, and connections on which
//! nothing moves.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use acd_tests::{Acd, Finished, Reply, Serve, Stub, Tree};

struct Run {
    acd: Acd,
    server: Serve,
}

impl Run {
    fn new(rules: &[&str]) -> Self {
        let acd = Acd::new();
        let server = acd.serve_with_faults("data", rules);
        fs::create_dir(acd.path("a")).unwrap();
        Self { acd, server }
    }

    /// A folder `a` with so many files of a few bytes, all different.
    fn files(&self, count: usize) {
        for number in 0..count {
            Tree::write(
                &self.acd.path("a"),
                format!("{number}"),
                format!("{number}"),
            );
        }
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let config = self.server.config().to_str().unwrap();
        self.acd.run(["--config", config].iter().chain(arguments))
    }

    fn ok(&self, arguments: &[&str]) -> Finished {
        let run = self.run(arguments);
        assert!(run.status.success(), "{run}");
        run
    }

    fn hits(&self, fault: &str) -> u64 {
        self.server.hits(fault).iter().sum()
    }

    /// Changes the keys of the remote in the config file.
    fn configure(&self, change: impl Fn(&str, &str) -> Option<String>) {
        let config = self.server.config();
        let text = fs::read_to_string(config).unwrap();
        let line = |line: &str| {
            let changed = line
                .split_once(" = ")
                .and_then(|(key, value)| Some(format!("{key} = {}", change(key, value)?)));
            changed.unwrap_or_else(|| line.to_owned())
        };
        let lines: Vec<_> = text.lines().map(line).collect();
        fs::write(config, lines.join("\n")).unwrap();
    }

    /// Lets the first token be one that has ended.
    fn expire(&self) {
        self.configure(|key, value| {
            let mut token: serde_json::Value = match key {
                "token" => serde_json::from_str(value).unwrap(),
                _ => return None,
            };
            token["expiry"] = "2015-09-06T16:07:39.658438471+01:00".into();
            Some(token.to_string())
        });
    }
}

/// Counts refreshes without changing what tokens are worth.
const COUNTED: &str = "short-tokens=3600";

#[test]
fn limit_of_the_service_is_kept_to_by_all_workers_together() {
    let run = Run::new(&["rate-limit=10"]);
    run.files(100);
    let copied = run.ok(&["copy", "-v", "a", "drive:b"]);
    assert!(copied.stderr.contains("rate limited: trying"), "{copied}");
    run.ok(&["copy", "drive:b", "back"]);
    assert_eq!(
        Tree::of(&run.acd.path("back")),
        Tree::of(&run.acd.path("a"))
    );
    // Two runs that had to find the limit out, with all workers at once at first.
    let refused = run.hits("rate-limit");
    assert!((1..=2 * MOST_REFUSED).contains(&refused), "{refused}");
}

/// Refused of some 100 calls of 16 workers: most of the first burst, and a few each time the
/// limit is tried.
const MOST_REFUSED: u64 = 20;

#[test]
fn retry_after_is_told_once_for_all_workers() {
    let run = Run::new(&["429,count=1,after=30,retry-after=5"]);
    run.files(60);
    let copied = run.ok(&["copy", "a", "drive:b"]);
    assert_eq!(run.hits("429"), 1);
    let told = copied.stderr.matches("waiting 5.0 s: rate limited").count();
    assert_eq!(told, 1, "{copied}");
}

#[test]
fn app_that_is_refused_from_the_start_is_told_that_it_may_be_blocked() {
    let run = Run::new(&["429"]);
    let listed = run.run(&["--low-level-retries", "4", "ls", "drive:"]);
    listed.assert_error(5, "throttled");
    assert!(listed.stderr.contains("the app may be blocked"), "{listed}");
    assert_eq!(run.hits("429"), 4);
}

#[test]
fn what_the_component_has_given_up_is_not_tried_again() {
    // Opening takes one such call; then each is tried twice, and that is all.
    let run = Run::new(&["503,after=1,path=/nodes"]);
    run.files(1);
    let few = ["--low-level-retries", "2", "--retries", "5"];
    let listed = run.run(&[&few[..], &["copy", "drive:b", "back"]].concat());
    listed.assert_error(5, "unavailable");
    assert_eq!(run.hits("503"), 2, "{listed}");
}

#[test]
fn tokens_of_a_short_life_are_never_seen_to_end() {
    let run = Run::new(&[
        "short-tokens=2",
        "latency=100ms,path=/auth/o2/token",
        "latency=100ms,path=/cdproxy/",
    ]);
    let provider = Provider::start(run.server.url.trim_start_matches("http://"));
    run.configure(|key, value| {
        let path = value.split_once("//")?.1.split_once('/')?.1;
        (key == "token_url").then(|| format!("http://{}/{path}", provider.authority))
    });
    run.expire();
    run.files(800);

    let started = Instant::now();
    let copied = run.ok(&["copy", "a", "drive:b"]);
    let took = started.elapsed().as_secs_f64();
    assert_eq!(copied.stderr, "", "{copied}");
    // Refreshed a tenth of its life before its end.
    let refreshed = run.hits("short-tokens");
    assert!(refreshed >= 3, "{refreshed} in {took} s");
    let most = took / 1.8 + 2.0;
    assert!(refreshed as f64 <= most, "{refreshed}, not {most}");
    assert_eq!(provider.calls.load(Ordering::SeqCst) as u64, refreshed);
    assert_eq!(provider.most_at_once.load(Ordering::SeqCst), 1);
    let listed = run.ok(&["ls", "drive:b"]);
    assert_eq!(listed.stdout.lines().count(), 800);
}

#[test]
fn refused_token_is_replaced_once_and_nobody_sees_it() {
    let run = Run::new(&["401,after=20,count=1", COUNTED]);
    run.files(100);
    let copied = run.ok(&["copy", "a", "drive:b"]);
    assert!(!copied.stderr.contains("error"), "{copied}");
    assert_eq!((run.hits("401"), run.hits("short-tokens")), (1, 1));
}

#[test]
fn upload_whose_token_ended_is_sent_again_with_the_next_one() {
    let run = Run::new(&["401-after-upload,count=1", COUNTED]);
    Tree::write(&run.acd.path("a"), "f", vec![b'x'; 1 << 20]);
    run.ok(&["copy", "a", "drive:b"]);
    let counts = (run.hits("401-after-upload"), run.hits("short-tokens"));
    assert_eq!(counts, (1, 1));
    run.ok(&["copy", "drive:b", "back"]);
    assert_eq!(
        Tree::of(&run.acd.path("back")),
        Tree::of(&run.acd.path("a"))
    );
}

#[test]
fn storm_of_refusals_is_neither_refreshed_away_nor_sat_out() {
    let run = Run::new(&["401-storm=1h", COUNTED]);
    let listed = run.run(&["ls", "drive:"]);
    listed.assert_error(7, "unauthenticated");
    assert_eq!((run.hits("401-storm"), run.hits("short-tokens")), (2, 1));

    // In the middle of a run it ends the run. Each worker may see it twice: in an upload, and
    // when it looks for what has become of that.
    let run = Run::new(&["401-storm=1h,after=30", COUNTED]);
    run.files(500);
    let copied = run.run(&["copy", "a", "drive:b"]);
    copied.assert_error(7, "unauthenticated");
    assert!(run.hits("short-tokens") <= 32, "{copied}");
    assert!(run.hits("401-storm") <= 96, "{copied}");
}

#[test]
fn permission_that_was_taken_back_ends_a_run_at_once() {
    let run = Run::new(&[
        "invalid-grant,after=1",
        "short-tokens=1",
        "latency=100ms,path=/cdproxy/",
    ]);
    run.expire();
    run.files(2000);
    let copied = run.run(&["copy", "a", "drive:b"]);
    copied.assert_error(7, "unauthenticated");
    assert!(copied.stderr.contains("log in again"), "{copied}");
    assert!(copied.stderr.contains("the run was broken off"), "{copied}");
    assert_eq!(run.hits("invalid-grant"), 1, "{copied}");
}

#[test]
fn download_that_stalls_is_given_up_and_gone_on_with() {
    let run = Run::new(&["stall-reply=1MiB,path=*/content,count=1"]);
    Tree::write_large(&run.acd.path("a"), "f", 3 << 20);
    run.ok(&["copy", "a", "drive:b"]);
    run.ok(&["--timeout", "1s", "copy", "drive:b", "back"]);
    assert_eq!(run.hits("stall-reply"), 1);
    assert_eq!(
        Tree::of(&run.acd.path("back")),
        Tree::of(&run.acd.path("a"))
    );
}

#[test]
fn upload_that_stalls_is_given_up_and_sent_again() {
    let run = Run::new(&["stall-request=1MiB,method=POST,path=/cdproxy/,count=1"]);
    Tree::write_large(&run.acd.path("a"), "f", 64 << 20);
    let copied = run.ok(&["--timeout", "1s", "copy", "a", "drive:b"]);
    assert!(copied.stderr.contains("sent again"), "{copied}");
    assert_eq!(run.hits("stall-request"), 1);
    run.ok(&["copy", "drive:b", "back"]);
    assert_eq!(
        Tree::of(&run.acd.path("back")),
        Tree::of(&run.acd.path("a"))
    );
}

#[test]
fn pause_within_the_limit_is_no_stall() {
    let run = Run::new(&[
        "stall-reply=1MiB,path=*/content,for=1s",
        "stall-request=1MiB,method=POST,path=/cdproxy/,for=1s",
    ]);
    Tree::write_large(&run.acd.path("a"), "f", 3 << 20);
    run.ok(&["--timeout", "1m", "copy", "a", "drive:b"]);
    run.ok(&["--timeout", "1m", "copy", "drive:b", "back"]);
    assert_eq!((run.hits("stall-reply"), run.hits("stall-request")), (1, 1));
    assert_eq!(
        Tree::of(&run.acd.path("back")),
        Tree::of(&run.acd.path("a"))
    );
}

#[test]
fn server_that_never_answers_is_given_up_at_the_limit_as_often_as_asked() {
    let acd = Acd::new();
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let stub = Stub::start(move |_, _| {
        // Until the test is over.
        let _ = held.lock().unwrap().recv();
        Reply::Nothing
    });
    let token = r#"{"access_token":"a","token_type":"bearer"}"#;
    let config = format!(
        "[drive]\ntype = amazon cloud drive\nendpoint = {}\ntoken = {token}\n",
        stub.endpoint()
    );
    fs::write(acd.path("c.conf"), config).unwrap();
    let listed = acd.run([
        "--config",
        "c.conf",
        "--timeout",
        "1s",
        "--low-level-retries",
        "2",
        "ls",
        "drive:",
    ]);
    listed.assert_error(5, "unavailable");
    assert_eq!(stub.connections(), 2);
    drop(hold);
}

/// Stands before the token endpoint and counts calls, and how many there are at once.
struct Provider {
    authority: String,
    calls: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
}

impl Provider {
    fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let calls = Arc::new(AtomicUsize::new(0));
        let most_at_once = Arc::new(AtomicUsize::new(0));
        let now = Arc::new(AtomicUsize::new(0));
        let counted = (Arc::clone(&calls), Arc::clone(&most_at_once));
        let server = server.to_owned();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (calls, most_at_once) = (Arc::clone(&counted.0), Arc::clone(&counted.1));
                let (now, server) = (Arc::clone(&now), server.clone());
                thread::spawn(move || {
                    calls.fetch_add(1, Ordering::SeqCst);
                    let others = now.fetch_add(1, Ordering::SeqCst);
                    most_at_once.fetch_max(others + 1, Ordering::SeqCst);
                    exchange(client, &server, || {
                        now.fetch_sub(1, Ordering::SeqCst);
                    });
                });
            }
        });
        Self {
            authority,
            calls,
            most_at_once,
        }
    }
}

/// Passes one connection on, which has one call; says when its answer comes.
fn exchange(mut client: TcpStream, server: &str, answered: impl FnOnce()) {
    let mut upstream = TcpStream::connect(server).unwrap();
    let (mut from, mut to) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let mut first = [0; 4096];
    let count = upstream.read(&mut first).unwrap();
    answered();
    let _ = client.write_all(&first[..count]);
    let _ = std::io::copy(&mut upstream, &mut client);
    let _ = client.shutdown(Shutdown::Both);
}
