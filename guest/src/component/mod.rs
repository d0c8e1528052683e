//! The component: the flows behind the contract's exports, on WASI.
//!
//! This folder is all that knows the WIT bindings.

#[expect(unsafe_code, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "backend",
        generate_all,
    });

    use super::Component;
    export!(Component);
}

mod conv;
mod drive;
mod pure;
mod wasi;

/// What the world's exports hang on.
struct Component;
