//! The contract, generated from `wit/`. Everything else in this folder speaks of it
//! through `conv`.
#![expect(unreachable_pub, reason = "generated")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "backend",
    imports: { default: trappable },
    exports: { default: async | store },
    with: {
        "wasi:clocks": wasmtime_wasi::p3::bindings::clocks,
        "wasi:random": wasmtime_wasi::p3::bindings::random,
        "wasi:http": wasmtime_wasi_http::p3::bindings::http,
    },
});

pub use amazon_drive::backend::{credentials, log};
pub use exports::amazon_drive::backend::{drive, names, policy, sync};
