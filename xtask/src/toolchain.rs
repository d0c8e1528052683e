//! Finding a Rust that can build WebAssembly.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

/// What the guest is built for. It names no system, so the module imports nothing but
/// what the WIT world has.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// A cargo and rustc that can build for [`TARGET`].
pub(crate) struct Toolchain {
    source: Source,
    sysroot: PathBuf,
    /// The linker's directory.
    lld: PathBuf,
}

/// Where the toolchain comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The one that runs this program; it has the target's standard library.
    Active,
    /// Debian's, which has the standard library's source only.
    Debian,
}

impl Toolchain {
    /// The active toolchain when it has the target, else Debian's.
    ///
    /// # Errors
    ///
    /// When neither can build for the target; the text says how to get each.
    pub(crate) fn find() -> Result<Self> {
        let active = Source::Active.sysroot();
        let library = print(&mut Source::Active.rustc(), &["target-libdir"]);
        let source = if library.is_ok_and(|path| Path::new(&path).exists()) {
            Source::Active
        } else if Path::new(DEBIAN_CARGO).exists()
            && Source::Debian.sysroot().is_ok_and(|sysroot| {
                sysroot
                    .join(LIBRARY_SOURCE)
                    .join("library/Cargo.lock")
                    .exists()
            })
        {
            Source::Debian
        } else {
            bail!(NO_TOOLCHAIN);
        };
        let sysroot = source.sysroot()?;
        // Debian leaves the linker out; rustup's is an LLD like any other.
        let lld = [Some(&sysroot), active.as_ref().ok()]
            .into_iter()
            .flatten()
            .flat_map(|sysroot| linker_dirs(sysroot))
            .chain(std::env::split_paths(
                &std::env::var_os("PATH").unwrap_or_default(),
            ))
            .find(|dir| dir.join(LLD).exists())
            .context(NO_LINKER)?;
        Ok(Self {
            source,
            sysroot,
            lld,
        })
    }

    /// The first line of `rustc -Vv`.
    pub(crate) fn compiler(&self) -> Result<String> {
        first_line(self.source.rustc().arg("-Vv"))
    }

    /// The linker's name and version.
    pub(crate) fn linker(&self) -> Result<String> {
        let line = first_line(Command::new(self.lld.join(LLD)).args(["-flavor", "wasm", "-V"]))?;
        // What follows in brackets is where it was built.
        let version = line.split(" (").next().unwrap_or(&line);
        Ok(version.to_owned())
    }

    /// Where the sources of the standard library are, or would be.
    pub(crate) fn library_source(&self) -> PathBuf {
        self.sysroot.join(LIBRARY_SOURCE)
    }

    /// A cargo ready for a subcommand that builds for [`TARGET`] and only does what its
    /// arguments say, whatever the environment asks of ordinary builds.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = match self.source {
            Source::Active => Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into())),
            Source::Debian => Command::new(DEBIAN_CARGO),
        };
        for (name, _) in std::env::vars_os() {
            let known = name.to_string_lossy();
            if known == "RUSTFLAGS" || UNWANTED.iter().any(|it| known.starts_with(it)) {
                cargo.env_remove(name);
            }
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::split_paths(&path).chain([self.lld.clone()]);
        if let Ok(path) = std::env::join_paths(path) {
            cargo.env("PATH", path);
        }
        if self.source == Source::Debian {
            clear(&mut cargo);
            cargo
                .env("RUSTC", DEBIAN_RUSTC)
                // Building the standard library is not a stable thing to do. With the
                // source from the same package as the compiler it is a safe one.
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort");
        }
        cargo
    }
}

impl Source {
    fn rustc(self) -> Command {
        match self {
            Self::Active => Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into())),
            Self::Debian => {
                let mut rustc = Command::new(DEBIAN_RUSTC);
                clear(&mut rustc);
                rustc
            }
        }
    }

    fn sysroot(self) -> Result<PathBuf> {
        Ok(print(&mut self.rustc(), &["sysroot"])?.into())
    }
}

/// What a rustc answers to `--print`.
fn print(rustc: &mut Command, what: &[&str]) -> Result<OsString> {
    first_line(rustc.args(["--target", TARGET, "--print"]).args(what)).map(Into::into)
}

fn first_line(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_os_string();
    let output = command
        .output()
        .with_context(|| format!("{} cannot be run", name.display()))?;
    ensure!(
        output.status.success(),
        "{}: {}",
        name.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let text = String::from_utf8(output.stdout)
        .with_context(|| format!("{} does not speak UTF-8", name.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// The directories for tools in a sysroot, one for each host it serves.
fn linker_dirs(sysroot: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(sysroot.join("lib/rustlib"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
}

/// Takes away what rustup and an outer `cargo run` say about the active toolchain, for
/// a program of another one.
fn clear(command: &mut Command) {
    for name in [
        "CARGO",
        "LD_LIBRARY_PATH",
        "RUSTC",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTDOC",
        "RUSTUP_TOOLCHAIN",
    ] {
        command.env_remove(name);
    }
}

/// Beginnings of the names of cargo's variables that change what a build makes.
const UNWANTED: [&str; 4] = [
    "CARGO_BUILD_",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
    "CARGO_UNSTABLE_",
];

const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Where a sysroot keeps the sources of the standard library.
const LIBRARY_SOURCE: &str = "lib/rustlib/src/rust";

#[cfg(windows)]
const LLD: &str = "rust-lld.exe";
#[cfg(not(windows))]
const LLD: &str = "rust-lld";

const NO_TOOLCHAIN: &str = "\
no Rust here can build for wasm32-unknown-unknown. Either of these changes that:
  rustup target add wasm32-unknown-unknown
  apt-get install rustc-web cargo-web rust-web-src    (Debian 12)";

const NO_LINKER: &str = "\
the linker rust-lld is missing. Every rustup toolchain has one: install one with rustup \
and let its cargo run this";
