//! The component in the tree belongs to the sources, and asks for no more than it may.

use std::path::Path;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The component these tests run: the one in the tree, or the one named to be built in.
fn component() -> Vec<u8> {
    let path =
        option_env!("ACD_COMPONENT_WASM").map_or_else(|| root().join(xtask::COMPONENT), Into::into);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn component_was_made_from_these_sources() {
    let record = xtask::build_record(&component()).expect("the component says what it is");
    assert_eq!(
        record.sources,
        xtask::sources_digest(root()).unwrap(),
        "run `cargo xtask component`"
    );
}

#[test]
fn component_imports_what_the_world_lists_and_nothing_else() {
    let allowed = [
        "amazon-drive:backend/credentials@0.1.0",
        "amazon-drive:backend/log@0.1.0",
        "wasi:clocks/monotonic-clock@0.3.0",
        "wasi:clocks/system-clock@0.3.0",
        "wasi:clocks/types@0.3.0",
        "wasi:http/client@0.3.0",
        "wasi:http/types@0.3.0",
        "wasi:random/random@0.3.0",
    ];
    for import in xtask::imports(&component()).unwrap() {
        assert!(
            allowed.contains(&import.as_str()),
            "{import} is not allowed"
        );
    }
}

#[test]
fn component_stays_small() {
    // Half a megabyte is what an embedder can be asked to load without a thought.
    assert!(
        component().len() < 500 * 1024,
        "{} bytes",
        component().len()
    );
}
