//! The backend component, run in a sandbox.
//!
//! [`Component`] is code; [`Sandbox`] is one running instance of it with exactly the
//! powers its [`Settings`] name: HTTP to the listed origins through one pooled client,
//! clocks, random numbers, a log. It has no files, no environment, no sockets of its own,
//! and never sees a token: what it puts into an `Authorization` header is a placeholder,
//! and the real one takes its place on the way out, for origins that may have it.
//! [`Remote`] is a drive opened in it.
//!
//! ```no_run
//! use std::sync::Arc;
//! use acd::component::{Access, Component, Origin, RemoteOptions, Sandbox, Settings, Target};
//! # async fn example(tokens: Arc<dyn acd::component::TokenSource>) -> Result<(), Box<dyn std::error::Error>> {
//! let endpoint = "http://127.0.0.1:8181/drive/v1/";
//! let sandbox = Sandbox::start(
//!     &Component::built_in()?,
//!     Settings {
//!         origins: vec![Origin::parse(endpoint, Access::Credentials)?],
//!         credentials: Some(tokens),
//!         ..Settings::default()
//!     },
//! )?;
//! let remote = sandbox.connect(RemoteOptions::new(endpoint)).await?;
//! let mut listing = remote.list(Target::Path(Vec::new())).await?;
//! while let Some(nodes) = listing.next_batch().await? {
//!     for node in nodes {
//!         println!("{}", String::from_utf8_lossy(&node.name));
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! An instance lives on a thread of its own, and any number of calls may be in flight in
//! it. A trap ends it and fails the calls in flight with [`Error::Lost`]; the next call
//! gets a fresh instance.

mod batches;
mod bindings;
mod browse;
mod conv;
mod credentials;
mod engine;
mod error;
mod http;
mod origin;
mod remote;
mod sandbox;
mod settings;
mod state;
mod stream;
mod types;

pub use browse::{Changes, TemporaryLink, Walk};
pub use credentials::{AccessToken, TokenError, TokenSource};
pub use engine::{BUILT_IN_SHA256, Component};
pub use error::{Detail, Error};
pub use http::http_client;
pub use origin::{Access, InvalidOrigin, Origin};
pub use remote::{Content, NodeListing, Remote};
pub use sandbox::Sandbox;
pub use settings::{HttpOptions, Limits, Proxy, Settings};
pub use types::{
    Account, Action, Amount, Budget, ByteRange, Change, ChangeSet, Clashes, Decision, Encoding,
    Existing, Found, Item, Kind, NameRule, Node, NodePath, PlanOptions, ReadOptions, RemoteOptions,
    Target, Unconfirmed, Usage, WriteOptions,
};
