//! The host of the Amazon Drive backend component, and the parts of the `acd` program.
//!
//! Knows the machine and no Amazon Drive: everything about the service is asked of the
//! component ([`component`]), which runs in a sandbox and speaks HTTP through this crate.
//! Other programs can use [`component`] alone; [`transfer`] moves folders between
//! [`place`]s, and [`cli`] is the program.

pub mod auth;
pub mod cli;
pub mod component;
pub mod config;
pub mod files;
pub mod place;
pub mod transfer;
