//! The server over real HTTP, through its public interface only.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounts;
mod auth;
mod backup;
mod changes;
mod common;
mod connections;
mod content;
mod data_dir;
mod extras;
mod faults;
mod fsck;
mod listing;
mod nodes;
mod oauth;
mod races;
mod watch;
mod web;
