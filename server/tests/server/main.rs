//! The server over real HTTP, through its public interface only.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod auth;
mod backup;
mod changes;
mod common;
mod content;
mod data_dir;
mod extras;
mod fsck;
mod listing;
mod nodes;
mod races;
