//! What the project does to itself: `cargo xtask component` builds the guest and keeps
//! it as `guest/amazon-drive.wasm`, `cargo xtask imports` lists what a component asks
//! of its host.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that talks to a terminal or a script"
)]

mod component;
mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

/// What the project does to itself.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the guest and make it a component.
    Component {
        /// Write nothing: build again and compare with the component in the tree. When
        /// that was made by another compiler, bytes cannot be compared, and the path of
        /// the one built now goes to standard output, to be tested in its place.
        #[arg(long, conflicts_with = "output")]
        check: bool,
        /// Where to write it, instead of guest/amazon-drive.wasm.
        #[arg(long, value_name = "PATH")]
        output: Option<PathBuf>,
    },
    /// List what a component imports, one name a line.
    Imports {
        /// The component, instead of guest/amazon-drive.wasm.
        path: Option<PathBuf>,
    },
}

fn main() -> Result<()> {
    // The directory above this package, as it was when cargo built this program.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in no workspace")?;
    let kept = root.join(xtask::COMPONENT);
    match Cli::parse().command {
        Command::Component { check: true, .. } => {
            if let Some(rebuilt) = component::check(root, &kept)? {
                println!("{}", rebuilt.display());
            }
        }
        Command::Component { output, .. } => {
            component::write(root, &output.unwrap_or(kept))?;
        }
        Command::Imports { path } => {
            let path = path.unwrap_or(kept);
            let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
            for name in xtask::imports(&bytes)? {
                println!("{name}");
            }
        }
    }
    Ok(())
}
