//! Downloads that are cut, lie or change on their way.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;

use acd_tests::{Acd, Finished, Serve, Tree};

const SIZE: usize = 8 << 20;

struct Run {
    acd: Acd,
    server: Serve,
    content: Vec<u8>,
}

impl Run {
    /// A server with these faults, and `f` on it.
    fn new(rules: &[&str]) -> Self {
        let acd = Acd::new();
        let server = acd.serve_with_faults("data", rules);
        let content: Vec<u8> = (0..SIZE).map(|at| (at % 253) as u8).collect();
        Tree::write(&acd.path("a"), "f", &content);
        let run = Self {
            acd,
            server,
            content,
        };
        let sent = run.run(&["copy", "a", "drive:"]);
        assert!(sent.status.success(), "{sent}");
        run
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let config = self.server.config().to_str().unwrap();
        self.acd.run(["--config", config].iter().chain(arguments))
    }

    fn assert_back(&self) {
        assert!(fs::read(self.acd.path("back/f")).unwrap() == self.content);
        let names: Vec<_> = fs::read_dir(self.acd.path("back")).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }
}

#[test]
fn download_that_is_cut_goes_on_where_it_was() {
    let run = Run::new(&["cut-reply=3MiB,path=*/content,count=2"]);
    let before = run.server.metric("acd_http_sent_bytes_total");
    let copied = run.run(&["copy", "drive:", "back"]);
    assert!(copied.status.success(), "{copied}");
    assert_eq!(run.server.hits("cut-reply"), [2]);
    run.assert_back();
    let sent = run.server.metric("acd_http_sent_bytes_total") - before;
    // What was on its way when the connection broke may not have arrived.
    assert!(sent < (SIZE + (2 << 20)) as u64, "{sent} bytes");

    let run = Run::new(&["cut-reply=3MiB,path=*/content,count=1"]);
    let cat = run.run(&["cat", "drive:f"]);
    assert!(cat.status.success(), "{}", cat.stderr);
    assert_eq!(
        cat.stdout.len(),
        String::from_utf8_lossy(&run.content).len()
    );
}

#[test]
fn wrong_byte_never_gets_the_files_name() {
    let run = Run::new(&["corrupt-download=100,count=1"]);
    let copied = run.run(&["copy", "drive:", "back"]);
    assert!(copied.status.success(), "{copied}");
    assert_eq!(run.server.hits("corrupt-download"), [1]);
    run.assert_back();

    let run = Run::new(&["corrupt-download=100"]);
    let copied = run.run(&["copy", "drive:", "back"]);
    assert!(!copied.status.success(), "{copied}");
    assert!(!run.acd.path("back/f").exists(), "{copied}");
}

#[test]
fn content_that_the_service_refuses_comes_by_a_link() {
    let run = Run::new(&["download-refused=1MiB"]);
    let copied = run.run(&["copy", "-v", "drive:", "back"]);
    assert!(copied.status.success(), "{copied}");
    assert!(run.server.hits("download-refused")[0] > 0);
    run.assert_back();
    assert!(!copied.stderr.contains("templink/"), "{copied}");
}

#[test]
fn large_file_comes_by_a_link_that_no_output_shows() {
    let run = Run::new(&["download-refused=1MiB"]);
    let copied = run.run(&[
        "copy",
        "-vv",
        "--acd-templink-threshold",
        "8M",
        "drive:",
        "back",
    ]);
    assert!(copied.status.success(), "{copied}");
    assert_eq!(run.server.hits("download-refused"), [0]);
    run.assert_back();
    assert!(!copied.stderr.contains("templink/"), "{copied}");
}

#[test]
fn large_file_that_comes_slowly_comes_over_several_connections() {
    let acd = Acd::new();
    // Each reply is late, and so is each connection.
    let server = acd.serve_with_faults("data", &["latency=1,path=*/content,method=GET"]);
    fs::create_dir(acd.path("a")).unwrap();
    Tree::write_large(&acd.path("a"), "f", 72 << 20);
    let config = server.config().to_str().unwrap().to_owned();
    acd.ok(["--config", &config, "copy", "a", "drive:"]);
    acd.ok(["--config", &config, "copy", "drive:", "back"]);
    assert_eq!(Tree::of(&acd.path("back")), Tree::of(&acd.path("a")));
    let parts = server.hits("latency")[0];
    assert_eq!(parts, 1 + 7);

    let one = ["--multi-thread-streams", "1"];
    let copy = ["--config", &config, "copy", "drive:", "again"];
    acd.ok(copy.into_iter().chain(one));
    assert_eq!(Tree::of(&acd.path("again")), Tree::of(&acd.path("a")));
    assert_eq!(server.hits("latency")[0], parts + 1);
}
