//! What the project can say about its own component: which sources and which compiler
//! it was made from, and what it imports.
//!
//! Reads files and bytes and runs nothing; the `xtask` program builds.

mod sources;
mod wasm;

pub use sources::sources_digest;
pub use wasm::{BuildRecord, build_record, encode, imports};

/// The guest's package name.
pub const GUEST: &str = "amazon-drive-backend";

/// Where the built component is kept, relative to the workspace.
pub const COMPONENT: &str = "guest/amazon-drive.wasm";
