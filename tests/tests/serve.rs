//! What `acd serve` says: what to type next, and each request on a line.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    process::{Child, Stdio},
    thread,
};

use acd_tests::Acd;
use serde_json::Value;

/// A server that runs, and what it says.
struct Serving {
    child: Child,
    /// `HOST:PORT`.
    address: String,
    stderr: thread::JoinHandle<String>,
}

impl Serving {
    fn start(acd: &Acd, arguments: &[&str]) -> Self {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0", "--data-dir", "data"];
        all.extend(arguments);
        let mut command = acd.command(&all);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().trim_end_matches('/');
        let address = address.strip_prefix("http://").unwrap().to_owned();
        let mut pipe = child.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text).unwrap();
            text
        });
        Self {
            child,
            address,
            stderr,
        }
    }

    /// Sends a request and reads the reply to the end of the connection.
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    }

    /// Ends it, and gives back what it wrote to standard error.
    fn stop(mut self) -> String {
        let id = self.child.id().to_string();
        std::process::Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap();
        assert!(self.child.wait().unwrap().success());
        self.stderr.join().unwrap()
    }
}

#[test]
fn says_what_to_type_next_and_who_asked_for_what() {
    let acd = Acd::new();
    let serving = Serving::start(&acd, &[]);
    let address = serving.address.clone();
    assert!(serving.get("/healthz?hidden=query").contains("200 OK"));
    let stderr = serving.stop();
    for line in [
        &format!("Serving data on http://{address}/"),
        "  Look into it   acd --config data/client.conf lsd drive:",
        "                 acd serve user add NAME --data-dir data",
    ] {
        assert!(stderr.lines().any(|it| it == line), "{line} in {stderr}");
    }
    let mut lines = stderr.lines().filter(|line| line.contains("GET /healthz"));
    let line = lines.next().unwrap();
    assert!(line.contains(" INFO  : 127.0.0.1:"), "{line}");
    assert!(
        line.contains(" -: GET /healthz 200, 0 B in, 3 B out, "),
        "{line}"
    );
    assert!(!stderr.contains("hidden"), "{stderr}");
    assert_eq!(lines.next(), None);
}

#[test]
fn with_json_each_line_is_an_object() {
    let acd = Acd::new();
    for arguments in [&["--log-format", "json"][..], &["--json"]] {
        let serving = Serving::start(&acd, arguments);
        serving.get("/nowhere");
        let address = format!("http://{}/", serving.address);
        let stderr = serving.stop();
        let lines: Vec<Value> = stderr
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
            .collect();
        assert_eq!(lines[0]["msg"], "serving");
        assert_eq!(lines[0]["address"], address.as_str());
        let request = lines.iter().find(|line| line["msg"] == "request").unwrap();
        assert_eq!(request["path"], "/nowhere");
        assert_eq!(request["status"], 404);
        assert_eq!(request["end"], "complete");
        let time = request["time"].as_str().unwrap();
        assert_eq!((time.len(), &time[19..20]), (24, "."), "{time}");
    }
}

#[test]
fn quiet_server_says_nothing() {
    let acd = Acd::new();
    let serving = Serving::start(&acd, &["-q"]);
    serving.get("/healthz");
    assert_eq!(serving.stop(), "");
}

#[test]
fn log_file_has_the_requests_of_all_runs_and_is_the_owners_alone() {
    let acd = Acd::new();
    let file = acd.path("requests.log");
    for path in ["/first", "/second"] {
        let serving = Serving::start(
            &acd,
            &["--log-file", "requests.log", "--log-format", "json"],
        );
        serving.get(path);
        let stderr = serving.stop();
        assert!(!stderr.contains(path), "{stderr}");
    }
    let text = fs::read_to_string(&file).unwrap();
    let paths: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["path"].clone())
        .collect();
    assert_eq!(paths, ["/first", "/second"]);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let run = acd.run([
        "serve",
        "--data-dir",
        "data",
        "--log-file",
        "none/requests.log",
    ]);
    run.assert_error(1, "log-file");
    assert!(
        run.stderr.contains("none/requests.log cannot be written"),
        "{run}"
    );
}

#[test]
fn metrics_token_comes_from_a_file() {
    let acd = Acd::new();
    let start = |file: &str| acd.run(["serve", "--data-dir", "data", "--metrics-token-file", file]);
    start("none").assert_error(1, "metrics-token");
    for text in ["", "\n", "two words\n"] {
        fs::write(acd.path("token"), text).unwrap();
        start("token").assert_error(1, "metrics-token");
    }
    fs::write(acd.path("token"), "let-me-read\n").unwrap();
    let serving = Serving::start(&acd, &["--metrics-token-file", "token"]);
    let ask = |token: &str| {
        let path = format!(
            "/metrics HTTP/1.1\r\nVia: 1.1 proxy\r\nAuthorization: Bearer {token}\r\nX-Rest:"
        );
        serving.get(&path)
    };
    assert!(ask("let-me-read").starts_with("HTTP/1.1 200"));
    assert!(ask("let-me-in").starts_with("HTTP/1.1 401"));
    assert!(!serving.stop().contains("let-me"));
}
