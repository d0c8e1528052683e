//! Compiles the component to machine code, so that the program need not at start-up.
//!
//! `ACD_COMPONENT_WASM` names another component to build in than the one in the tree.

use std::{env, fs, path::PathBuf};

use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, Result, error::Context as _};

include!("engine_config.rs");

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=engine_config.rs");
    println!("cargo::rerun-if-env-changed={CHOSEN}");
    let path = env::var_os(CHOSEN).map_or_else(|| PathBuf::from(IN_TREE), PathBuf::from);
    println!("cargo::rerun-if-changed={}", path.display());
    let component = fs::read(&path).with_context(|| path.display().to_string())?;

    let mut config = engine_config();
    // Machine code for every machine of the target's kind, not only for this one.
    config.target(&env::var("TARGET")?)?;
    let compiled = Engine::new(&config)?
        .precompile_component(&component)
        .with_context(|| path.display().to_string())?;
    let output = PathBuf::from(env::var("OUT_DIR")?).join("backend.cwasm");
    fs::write(&output, compiled).with_context(|| output.display().to_string())?;

    println!(
        "cargo::rustc-env=ACD_COMPONENT_SHA256={}",
        hex::encode(Sha256::digest(&component))
    );
    Ok(())
}

const CHOSEN: &str = "ACD_COMPONENT_WASM";
const IN_TREE: &str = "../guest/amazon-drive.wasm";
