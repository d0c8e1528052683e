//! Building the component and comparing it with the one in the tree.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use xtask::{BuildRecord, GUEST};

use crate::toolchain::{TARGET, Toolchain};

/// Builds the component and writes it to `output`.
pub(crate) fn write(root: &Path, output: &Path) -> Result<()> {
    let (component, record) = build(root, &target_dir(root)?)?;
    replace(output, &component)?;
    eprintln!(
        "{}: {} bytes, {}",
        output.display(),
        component.len(),
        record.compiler
    );
    Ok(())
}

/// Builds the component again and compares it with `kept`. The answer is none when they
/// are equal, and the path of the new one when other tools made `kept`.
///
/// # Errors
///
/// When `kept` is of other sources, or differs although the same tools made it.
pub(crate) fn check(root: &Path, kept: &Path) -> Result<Option<PathBuf>> {
    let old = fs::read(kept)
        .with_context(|| format!("{}: run `cargo xtask component`", kept.display()))?;
    let old_record = xtask::build_record(&old).with_context(|| {
        format!(
            "{} does not say what it was made from: run `cargo xtask component`",
            kept.display()
        )
    })?;
    // Before the build, which takes a minute where this takes none.
    ensure!(
        old_record.sources == xtask::sources_digest(root)?,
        "{} was made from other sources: run `cargo xtask component`",
        kept.display()
    );
    let target_dir = target_dir(root)?;
    let (new, new_record) = build(root, &target_dir)?;
    if new == old {
        eprintln!("{}: rebuilt, identical", kept.display());
        return Ok(None);
    }
    let rebuilt = target_dir.join("rebuilt.wasm");
    replace(&rebuilt, &new)?;
    if new_record.same_tools(&old_record) {
        bail!(
            "{} and {} differ, although the same tools made them from the same sources",
            kept.display(),
            rebuilt.display()
        );
    }
    eprintln!(
        "{}: not compared, as other tools made it:\n  then: {}, {}\n  now:  {}, {}",
        kept.display(),
        old_record.compiler,
        old_record.linker,
        new_record.compiler,
        new_record.linker
    );
    Ok(Some(rebuilt))
}

fn build(root: &Path, target_dir: &Path) -> Result<(Vec<u8>, BuildRecord)> {
    let toolchain = Toolchain::find()?;
    let record = BuildRecord {
        compiler: toolchain.compiler()?,
        linker: toolchain.linker()?,
        sources: xtask::sources_digest(root)?,
    };
    let status = toolchain
        .cargo()
        .current_dir(root)
        // The crate type is named here, for the component alone: cargo does not optimise
        // across crates when a library is also built as an rlib, and native builds have
        // no use for a cdylib.
        .args(["rustc", "--lib", "--crate-type", "cdylib"])
        .args(["--locked", "--profile", PROFILE])
        .args(["--target", TARGET, "--package", GUEST])
        .arg("--target-dir")
        .arg(target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", remap(root, &toolchain)?)
        .status()
        .context("cargo cannot be run")?;
    ensure!(status.success(), "the guest does not build");
    let module = target_dir
        .join(TARGET)
        .join(PROFILE)
        .join(format!("{}.wasm", GUEST.replace('-', "_")));
    let module = fs::read(&module).with_context(|| module.display().to_string())?;
    Ok((xtask::encode(&module, &record)?, record))
}

/// A directory of its own below cargo's: other flags than those of ordinary builds
/// would make each throw away what the other built.
fn target_dir(root: &Path) -> Result<PathBuf> {
    let shared = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(path) => std::path::absolute(path)?,
        None => root.join("target"),
    };
    Ok(shared.join("component"))
}

/// The flags (separated as cargo wants them) that keep this machine's directories out
/// of panic messages, so that the same component comes out anywhere.
fn remap(root: &Path, toolchain: &Toolchain) -> Result<OsString> {
    let cargo_home = match std::env::var_os("CARGO_HOME") {
        Some(path) => PathBuf::from(path),
        None => std::env::home_dir()
            .context("neither CARGO_HOME nor a home directory")?
            .join(".cargo"),
    };
    let mut flags = OsString::new();
    for (from, to) in [
        (root, "/src"),
        (&cargo_home.join("registry/src"), "/cargo"),
        (&toolchain.library_source(), "/rustc"),
    ] {
        // rustc sees a path as it was given or without links, by where it came from.
        let real = fs::canonicalize(from).ok();
        for from in std::iter::once(from).chain(real.as_deref()) {
            if !flags.is_empty() {
                flags.push("\x1f");
            }
            flags.push("--remap-path-prefix=");
            flags.push(from);
            flags.push("=");
            flags.push(to);
        }
    }
    Ok(flags)
}

/// Writes a file that is either the old or the new one, never half of it: the host's
/// build reads it and may run at the same time.
fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let part = path.with_extension("wasm.part");
    fs::write(&part, content).with_context(|| part.display().to_string())?;
    fs::rename(&part, path).with_context(|| path.display().to_string())
}

/// The guest's profile in the workspace's manifest.
const PROFILE: &str = "component";
