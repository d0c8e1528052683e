//! What the tests of the whole project share. They go through public doors only: the
//! program `acd`, HTTP, the built component, and the host library's documented API.
//!
//! - `main_job`: folders go up, come back, and nothing is sent twice
//! - `listing`: what the listing commands print
//! - `bad_input`: one clear error and the documented exit status each
//! - `remotes`: configured remotes, tokens, refresh
//! - `resilience_listing`: listings and changes, whatever the service does to them
//! - `resilience_downloads`: downloads that are led elsewhere or refused, links, the account
//! - `sandbox`: what a component cannot do
//! - `kill`: processes that die at any moment
//! - `moves`: moves and the trash, with faults at every step
//! - `rclone`: the real rclone, which knew the real service, as a client of our server
//! - `server_kill`: a server that dies fifty times under load
//! - `serve_data`: `acd serve backup` and `acd serve fsck`
//! - `resilience_uploads`, `resilience_downloads` and others: what the service did wrong, one by
//!   one (docs/resilience.md says which)
//! - `resilience_model`: many of them at once, against a model
//! - `documents`: what documents name exists
//! - `component`: the component in the tree belongs to the sources, and asks for no more
//!   than it may
//!
//! The program is the one `cargo test --workspace` builds beside the tests.

mod client;
mod peers;
mod program;
mod proxy;
mod rclone;
mod tree;

pub use client::{Answer, Client};
pub use peers::{Exchange, Reply, Stub};
pub use program::{Acd, Finished, Serve};
pub use proxy::Proxy;
pub use rclone::Rclone;
pub use tree::{Entry, Tree, md5_of};
