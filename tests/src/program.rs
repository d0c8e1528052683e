//! The program under test, in a private home.

use std::{
    ffi::OsStr,
    fmt, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
};

use tempfile::TempDir;

/// A home of its own for runs of `acd`: nothing of the user's is read or written.
pub struct Acd {
    home: TempDir,
}

impl Acd {
    /// A fresh home: nothing configured, nothing stored.
    pub fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        Self { home }
    }

    /// A path in the home.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.home.path().join(name)
    }

    /// A run that has not started, in this home, with the given arguments.
    pub fn command<I, S>(&self, arguments: I) -> Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = Command::new(program());
        command
            .args(arguments)
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path())
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        command
    }

    /// Runs to the end.
    pub fn run<I, S>(&self, arguments: I) -> Finished
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        Finished::of(&mut self.command(arguments))
    }

    /// Runs to the end and expects success.
    pub fn ok<I, S>(&self, arguments: I) -> Finished
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let finished = self.run(arguments);
        assert!(finished.status.success(), "{finished}");
        finished
    }

    /// Starts `acd serve` over a data folder of this home, on a free port.
    pub fn serve(&self, data_dir: &str) -> Serve {
        Serve::start(self, data_dir, &[])
    }

    /// The same with these fault rules, as after `--fault`. How often they applied is told
    /// by [`Serve::hits`].
    pub fn serve_with_faults(&self, data_dir: &str, rules: &[&str]) -> Serve {
        let mut arguments = vec!["--fault-admin"];
        arguments.extend(rules.iter().flat_map(|rule| ["--fault", rule]));
        Serve::start(self, data_dir, &arguments)
    }
}

impl Default for Acd {
    fn default() -> Self {
        Self::new()
    }
}

/// A run that has ended.
pub struct Finished {
    command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Finished {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().expect("the program can be started");
        Self {
            command: format!("{command:?}"),
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The exit status, or 128 and the signal.
    pub fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    /// Expects an exit status and one error with this code.
    pub fn assert_error(&self, status: i32, code: &str) {
        assert_eq!(self.code(), status, "{self}");
        assert!(self.stderr.contains(&format!("error[{code}]: ")), "{self}");
        for debug in ["panicked", "Error {", "Some(", "Os {", "RUST_BACKTRACE"] {
            assert!(!self.stderr.contains(debug), "{debug} in {self}");
        }
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\n{}\n--- stdout\n{}\n--- stderr\n{}",
            self.command, self.status, self.stdout, self.stderr
        )
    }
}

/// A running `acd serve`, killed when dropped.
pub struct Serve {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub url: String,
    config: PathBuf,
}

impl Serve {
    fn start(acd: &Acd, data_dir: &str, more: &[&str]) -> Self {
        let mut child = acd
            .command(["serve", "--listen", "127.0.0.1:0", "--data-dir", data_dir])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server can be started");
        let mut stdout = BufReader::new(child.stdout.take().expect("it was asked for"));
        let mut url = String::new();
        stdout.read_line(&mut url).expect("the server speaks UTF-8");
        let url = url.trim().trim_end_matches('/').to_owned();
        if !url.starts_with("http://") {
            let mut stderr = String::new();
            if let Some(mut pipe) = child.stderr.take() {
                let _ = pipe.read_to_string(&mut stderr);
            }
            panic!("the server did not start: {url:?}\n{stderr}");
        }
        // Nobody reads on: a full pipe must not stop it.
        if let Some(stderr) = child.stderr.take() {
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut BufReader::new(stderr), &mut std::io::sink());
            });
        }
        Self {
            child,
            stdout,
            url,
            config: acd.path(data_dir).join("client.conf"),
        }
    }

    /// The value of a metric without labels, such as `acd_http_received_bytes_total`, or the
    /// sum over its labels.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.ask("GET", "/metrics", None, "");
        let values = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            (labels.is_empty() || labels.starts_with('{')).then(|| value.parse::<f64>().ok())?
        });
        values.sum::<f64>() as u64
    }

    /// How often the rules of a fault applied, one after the other as they were given.
    pub fn hits(&self, fault: &str) -> Vec<u64> {
        let text = self.admin("GET", "");
        let rules: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        let rules = rules["faults"].as_array().expect("it is a list");
        let named = |rule: &&serde_json::Value| rule["name"] == fault;
        rules
            .iter()
            .filter(named)
            .filter_map(|rule| rule["hits"].as_u64())
            .collect()
    }

    /// Adds a fault rule to a server that was started with faults, or with none of them.
    pub fn add_fault(&self, rule: &str) {
        let body = serde_json::json!({ "rule": rule });
        self.admin("POST", &body.to_string());
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.admin("DELETE", "");
    }

    fn admin(&self, method: &str, body: &str) -> String {
        let folder = self.config.parent().expect("it is in the data folder");
        let token = fs::read_to_string(folder.join("fault-admin.token"))
            .expect("the server was started with faults");
        self.ask(method, "/admin/faults", Some(token.trim()), body)
    }

    fn ask(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> String {
        let authority = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(authority).expect("the server runs");
        let authorization = token.map_or(String::new(), |token| {
            format!("Authorization: Bearer {token}\r\n")
        });
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: {authority}\r\n{authorization}\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream
            .write_all(request.as_bytes())
            .expect("the server reads");
        let mut reply = String::new();
        stream
            .read_to_string(&mut reply)
            .expect("the server answers");
        let (head, body) = reply.split_once("\r\n\r\n").expect("it is HTTP");
        let status = head.split(' ').nth(1).unwrap_or_default();
        assert!(status.starts_with('2'), "{head}\n{body}");
        body.to_owned()
    }

    /// The config file it wrote, with the remote `drive:`.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as an operator would, and waits until it is gone.
    pub fn stop(mut self) -> ExitStatus {
        let _ = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        let mut rest = String::new();
        let _ = self.stdout.read_to_string(&mut rest);
        self.child.wait().expect("the server was started")
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program cargo built in the same run as these tests.
fn program() -> PathBuf {
    let mut path = std::env::current_exe().expect("this system tells a program its path");
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path.push("acd");
    assert!(
        fs::metadata(&path).is_ok_and(|it| it.is_file()),
        "{} is missing: `cargo test --workspace` builds it",
        path.display()
    );
    path
}
