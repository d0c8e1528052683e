//! Amazon Drive as a sandboxed storage backend.
//!
//! Knows the service and no machine: what it needs of the world are a few traits
//! (`platform`), which the component fills with WASI and the tests with scripts. The pure
//! parts ([`names`], [`policy`], [`sync`]) need nothing at all. Built for WebAssembly it is
//! the component of world `backend` (see `wit/`).

#![cfg_attr(
    not(target_family = "wasm"),
    expect(
        dead_code,
        reason = "the flows are for the component; elsewhere only tests run them"
    )
)]

pub mod names;
pub mod policy;
pub mod sync;

mod account;
mod changes;
#[cfg(target_family = "wasm")]
mod component;
mod error;
mod folders;
mod lenient;
mod listing;
mod lookup;
mod moves;
mod multipart;
mod odd;
mod pacer;
mod platform;
mod read;
mod retry_after;
mod service;
#[cfg(test)]
mod tests;
mod times;
mod trash;
mod upload;
mod view;
mod walk;
mod wire;
