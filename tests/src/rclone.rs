//! The real rclone, with a home of its own and its way to the service bent to a server.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{Finished, Proxy, Serve};

/// rclone as a client of one server, with the remote `drive:`.
pub struct Rclone {
    home: PathBuf,
    proxy: Proxy,
}

impl Rclone {
    /// The remote is as the server's own `client.conf` has it.
    ///
    /// # Panics
    /// rclone is not installed, or is a newer one, which cannot speak to Amazon Drive any
    /// more: see [`Rclone::is_skipped`].
    pub fn new(home: PathBuf, server: &Serve) -> Self {
        check();
        fs::create_dir_all(&home).expect("a folder can be made");
        let address = server.url.trim_start_matches("http://");
        let proxy = Proxy::start(address.parse().expect("a server says where it listens"));
        proxy.write_certificate(&home.join("ca.pem"));
        fs::copy(server.config(), home.join("rclone.conf")).expect("a file can be copied");
        Self { home, proxy }
    }

    /// Whether the one who runs the tests wants to do without rclone: these tests then have
    /// nothing to say.
    pub fn is_skipped() -> bool {
        std::env::var_os(SKIP).is_some()
    }

    /// The config file with the remote.
    pub fn config(&self) -> PathBuf {
        self.home.join("rclone.conf")
    }

    /// A run that has not started.
    pub fn command<I, S>(&self, arguments: I) -> Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = Command::new(PROGRAM);
        command
            .args(["--ca-cert", "ca.pem", "--config", "rclone.conf"])
            .args(["--cache-dir", "cache", "--retries", "1"])
            .args(["--low-level-retries", "3"])
            .args(arguments)
            .current_dir(&self.home)
            .env_clear()
            .env("HOME", &self.home)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TZ", "UTC")
            .env("HTTPS_PROXY", self.proxy.url())
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

    /// Runs to the end, expects success, and gives what was written to standard output.
    #[track_caller]
    pub fn ok<I, S>(&self, arguments: I) -> String
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let finished = self.run(arguments);
        assert!(finished.status.success(), "{finished}");
        finished.stdout
    }

    /// The lines of a run that succeeds, sorted: rclone lists folders at once, and says
    /// nothing of their order.
    #[track_caller]
    pub fn lines<I, S>(&self, arguments: I) -> Vec<String>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut lines: Vec<_> = self.ok(arguments).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// A path of this machine, beside rclone's own files.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.home.join(name)
    }
}

fn check() {
    let version = Command::new(PROGRAM).args(["help", "backends"]).output();
    let knows = version
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("Amazon Drive"));
    assert!(
        knows,
        "these tests need rclone 1.60, the last that can speak to Amazon Drive: on Debian 12, \
         `apt-get install rclone`; {SKIP}=1 does without them"
    );
}

const PROGRAM: &str = "rclone";

const SKIP: &str = "ACD_TESTS_WITHOUT_RCLONE";
