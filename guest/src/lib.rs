//! Amazon Drive as a sandboxed WASI 0.3 component.
#[cfg(target_family = "wasm")]
mod component;

pub mod names;
pub mod policy;
pub mod sync;
