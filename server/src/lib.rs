//! An Amazon Drive of one's own: a server that speaks the REST API the service had, over a
//! local directory.
//!
//! [`Server::bind`] opens the directory and the port, [`Server::serve`] answers requests:
//! metadata below `/drive/v1/`, content below `/cdproxy/`, tokens at `/auth/o2/token`, and
//! for people the pages `/signin` and `/ap/oa`, where they let a program in.
//!
//! [`Accounts`] says who the users are. Each has a drive of their own; the first has the one
//! that is there from the start, which the process itself and `client.conf` use as well.
//! What lies in the directory belongs to whoever may read it.
//!
//! # The data directory
//!
//! ```text
//! metadata.sqlite3   nodes, users, clients, and digests of tokens (SQLite, write-ahead log)
//! content/a/b/ab…    the bytes of files, one object each, never changed once there
//! staging/           uploads in flight: a folder per running server, and its lock
//! client.conf        a remote for this server, if it was asked for one
//! fault-admin.token  what changes its fault rules, if they may be changed
//! accounts/ID/       the drives of further users, each a directory like this one
//! ```
//!
//! Directories are made with mode 0700, files with 0600.
//!
//! # Promises
//!
//! - What was acknowledged is on the disk, unless [`Durability`] says otherwise: content
//!   first, then the metadata that refers to it. A server killed at any point leaves no node
//!   without its whole content.
//! - What it leaves besides, content that no node refers to, the next start removes.
//! - Any number of servers, in one process or in many, may work on one directory at the
//!   same time. None holds anything in memory that another could change. Only failed
//!   attempts to sign in are counted by each for itself.
//! - A directory written by a newer version is refused and not touched.
//!
//! # Faults
//!
//! What the real service did wrong can be had by rules such as `429,count=3`, for the tests
//! of clients: see [`fault`]. Without rules the server does none of it.
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
//! except in `client.conf` and `fault-admin.token`. Passwords are kept as Argon2id hashes.
//! Tokens and queries do not get into the log, which goes to [`tracing`] under the target
//! `amazon_drive_server`.

mod accounts;
mod api;
mod backup;
mod client_config;
mod clock;
mod connection;
mod content;
mod data_dir;
mod durability;
mod error;
pub mod fault;
mod filter;
mod fsck;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
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
    backup::{BackupSummary, backup},
    durability::Durability,
    error::Error,
    fault::{FaultRule, Faults, InvalidFault},
    fsck::{Finding, FsckEvent, FsckOptions, FsckSummary, Problem, fsck},
    limits::Limits,
    server::{Options, Server},
};
