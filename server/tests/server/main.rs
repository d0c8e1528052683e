//! The server over real HTTP, through its public interface only.

mod auth;
mod common;
mod content;
mod data_dir;
mod listing;
mod nodes;
