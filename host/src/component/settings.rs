//! What an instance is given, and how far it may go.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{Origin, TokenSource};

/// What one instance of a component may do. The default reaches nothing.
#[derive(Clone, Default)]
pub struct Settings {
    /// Servers it may reach. A request to any other is refused before a packet leaves.
    pub origins: Vec<Origin>,
    /// Where tokens come from; without one, requests go without.
    pub credentials: Option<Arc<dyn TokenSource>>,
    /// How requests are sent.
    pub http: HttpOptions,
    /// What it may use.
    pub limits: Limits,
}

/// How requests are sent.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Whether to go through proxies.
    pub proxy: Proxy,
    /// Certificate authorities to trust beside the system's, in PEM files.
    pub ca_certificates: Vec<PathBuf>,
    /// Longest time for a connection to come about.
    pub connect_timeout: Duration,
    /// Longest time without a byte of a reply, its head included.
    pub idle_timeout: Duration,
    /// The `User-Agent` header.
    pub user_agent: String,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            proxy: Proxy::Environment,
            ca_certificates: Vec::new(),
            // Both as rclone's --contimeout and --timeout.
            connect_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(300),
            user_agent: concat!("acd/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Which proxies requests go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proxy {
    /// Those of `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.
    Environment,
    /// None, whatever the environment says.
    None,
}

/// What an instance may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory. Growing past it fails inside the component.
    pub memory: usize,
    /// Longest stretch of computing without a pause for I/O. A component that computes
    /// longer hangs, and is stopped; its next instance starts afresh.
    pub busy: Duration,
    /// Most calls in flight; others wait their turn.
    pub calls: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A listing's page takes some 100 KiB, an upload's buffer 256 KiB, and a folder
            // of a million nodes, while it is listed, up to 64 MiB for their ids.
            memory: 256 << 20,
            // The longest honest stretch is a page of 200 nodes: under 1 ms.
            busy: Duration::from_secs(10),
            // Twice what the largest sensible --transfers and --checkers make together.
            calls: 256,
        }
    }
}
