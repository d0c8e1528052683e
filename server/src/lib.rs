//! An Amazon Drive of one's own: a server that speaks the REST API the service had, over a
//! local directory.
//!
//! [`Server::bind`] opens the directory and the port, [`Server::serve`] answers requests:
//! metadata below `/drive/v1/`, content below `/cdproxy/`, tokens at `/auth/o2/token`. It
//! speaks plain HTTP and knows one customer with one drive; what lies in the directory
//! belongs to whoever may read it.
//!
//! # The data directory
//!
//! ```text
//! metadata.sqlite3   nodes, clients and token digests (SQLite, write-ahead log)
//! content/a/b/ab…    the bytes of files, one object each, never changed once there
//! staging/           uploads in flight: a folder per running server, and its lock
//! client.conf        a remote for this server, if it was asked for one
//! ```
//!
//! Directories are made with mode 0700, files with 0600.
//!
//! # Promises
//!
//! - What was acknowledged is on the disk: content first, then the metadata that refers to
//!   it. A server killed at any point leaves no node without its whole content.
//! - What it leaves besides, content that no node refers to, the next start removes.
//! - Any number of servers, in one process or in many, may work on one directory at the
//!   same time. None holds anything in memory that another could change.
//! - A directory written by a newer version is refused and not touched.
//!
//! # Watching it
//!
//! - `GET /healthz` says `ok` while the database answers and uploads can be written, or 503 and
//!   what is wrong. Anyone may ask; it is of the data directory's own drive.
//! - `GET /metrics` counts, in Prometheus' text format, what was asked for and what there is.
//!   Those on the same machine may read it, by an address of the machine itself and not through
//!   a proxy; others by a token ([`Options::with_metrics_token`]). A proxy on the same machine
//!   that adds no `Forwarded`, `X-Forwarded-For`, `X-Real-IP` or `Via`, and sends its own
//!   `Host`, must keep others from it by itself.
//! - Each request is one [`tracing`] event of the target `amazon_drive_server::request`, when
//!   the last byte of its reply is out or its client gone.
//! - `GET /` shows a user their drive.
//!
//! # What it never does
//!
//! It opens no connections, and it keeps no token or secret in a form that could be used,
//! except in `client.conf`. Tokens and queries do not get into the log, which goes to
//! [`tracing`] under the target `amazon_drive_server`.

mod accounts;
mod api;
mod client_config;
mod clock;
mod connection;
mod content;
mod data_dir;
mod error;
mod filter;
mod ids;
mod janitor;
mod limits;
mod media;
mod names;
mod pace;
mod picture;
mod scopes;
mod server;
mod store;
mod tls;

pub use self::{
    accounts::{Accounts, ClientSecret, Program, User},
    error::Error,
    limits::Limits,
    server::{Options, Server},
};
