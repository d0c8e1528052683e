//! One digest over everything the guest is made from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use cargo_lock::Lockfile;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::GUEST;

/// The SHA-256 (64 hex digits) of what the guest of the workspace at `root` is made
/// from: its manifest and sources, `wit/`, what it takes from the workspace's manifest,
/// and the resolved versions and checksums of its own dependencies. Changes elsewhere,
/// such as a new version of something only the host uses, leave it as it is.
///
/// The dependencies of all targets count, as `Cargo.lock` does not tell them apart;
/// dev-dependencies do not.
///
/// # Errors
///
/// When a file cannot be read or parsed, or the guest depends on another package of the
/// workspace, whose sources the digest would miss.
pub fn sources_digest(root: &Path) -> Result<String> {
    let workspace: Node = read_toml(&root.join("Cargo.toml"))?;
    let guest: Node = read_toml(&root.join("guest/Cargo.toml"))?;
    let lock = fs::read_to_string(root.join("Cargo.lock")).context("Cargo.lock")?;
    let lock: Lockfile = lock.parse().context("Cargo.lock")?;

    let shared = workspace.path(&["workspace", "dependencies"]);
    let dependencies = dependencies(&guest, shared);
    let package = workspace.path(&["workspace", "package"]);
    let from_workspace = BTreeMap::from([
        ("edition", package.and_then(|it| it.key("edition")).cloned()),
        ("version", package.and_then(|it| it.key("version")).cloned()),
        ("profile", Some(profile(&workspace)?)),
        (
            "dependencies",
            Some(Node::Table(
                dependencies
                    .iter()
                    .filter_map(|it| Some((it.key.clone(), shared?.key(&it.key)?.clone())))
                    .collect(),
            )),
        ),
    ]);

    // Sorted by name: the order of a directory's entries must not matter.
    let mut parts = BTreeMap::new();
    parts.insert("Cargo.lock".to_owned(), closure(&lock, &dependencies)?);
    parts.insert(
        "Cargo.toml".to_owned(),
        serde_json::to_vec(&from_workspace)?,
    );
    for name in ["guest/Cargo.toml", "guest/build.rs", "guest/src", "wit"] {
        if root.join(name).exists() {
            add(&mut parts, root, name)?;
        }
    }
    let mut digest = Sha256::new();
    for (name, content) in &parts {
        // Lengths first, so that no content can pass for another name.
        for field in [name.as_bytes(), content] {
            digest.update((field.len() as u64).to_le_bytes());
            digest.update(field);
        }
    }
    Ok(hex::encode(digest.finalize()))
}

/// A manifest's value. Tables are sorted whatever features the TOML crate was built
/// with, so that the text made of one is always the same.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(untagged)]
enum Node {
    Bool(bool),
    Integer(i64),
    Text(String),
    List(Vec<Self>),
    Table(BTreeMap<String, Self>),
}

impl Node {
    fn key(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Table(table) => table.get(key),
            _ => None,
        }
    }

    fn path(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().try_fold(self, |node, key| node.key(key))
    }

    fn entries(&self) -> impl Iterator<Item = (&String, &Self)> {
        match self {
            Self::Table(table) => Some(table.iter()),
            _ => None,
        }
        .into_iter()
        .flatten()
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A dependency as the guest's manifest names it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Dependency {
    /// Its key in the manifest.
    key: String,
    /// Its package's name, which differs from the key when it was renamed.
    package: String,
}

fn read_toml(path: &Path) -> Result<Node> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    toml::from_str(&text).with_context(|| path.display().to_string())
}

/// The guest's dependencies of every target, without the dev-dependencies.
fn dependencies(guest: &Node, shared: Option<&Node>) -> BTreeSet<Dependency> {
    let targets = guest.key("target").into_iter().flat_map(Node::entries);
    std::iter::once(guest)
        .chain(targets.map(|(_, target)| target))
        .flat_map(|node| [node.key("dependencies"), node.key("build-dependencies")])
        .flatten()
        .flat_map(Node::entries)
        .map(|(key, own)| {
            let package = [Some(own), shared.and_then(|it| it.key(key))]
                .into_iter()
                .flatten()
                .find_map(|it| it.key("package")?.text());
            Dependency {
                package: package.unwrap_or(key).to_owned(),
                key: key.clone(),
            }
        })
        .collect()
}

/// The component's profile with what it inherits. What only speaks of build scripts is
/// left out: it changes how long a build takes and not what comes out.
fn profile(workspace: &Node) -> Result<Node> {
    let profiles = workspace.key("profile").context("no [profile]")?;
    let mut merged = BTreeMap::new();
    let mut name = Some("component");
    while let Some(this) = name {
        let Some(Node::Table(profile)) = profiles.key(this) else {
            // The built-in ones need not be written down.
            ensure!(this != "component", "no [profile.component] in Cargo.toml");
            break;
        };
        for (key, value) in profile {
            merged.entry(key.clone()).or_insert_with(|| value.clone());
        }
        name = profile.get("inherits").and_then(Node::text);
    }
    merged.remove("build-override");
    Ok(Node::Table(merged))
}

/// A line of name, version and checksum for every package the guest needs, directly or
/// not.
fn closure(lock: &Lockfile, dependencies: &BTreeSet<Dependency>) -> Result<Vec<u8>> {
    let find = |name: &str, version: Option<&cargo_lock::Version>| {
        lock.packages.iter().find(|package| {
            package.name.as_str() == name && version.is_none_or(|it| *it == package.version)
        })
    };
    let guest = find(GUEST, None).with_context(|| format!("Cargo.lock has no {GUEST}"))?;
    let mut open: Vec<_> = guest
        .dependencies
        .iter()
        .filter(|it| {
            dependencies
                .iter()
                .any(|own| own.package == it.name.as_str())
        })
        .collect();
    ensure!(
        open.len() >= dependencies.len(),
        "Cargo.lock does not know all dependencies of {GUEST}: run `cargo check`"
    );
    let mut lines = BTreeSet::new();
    while let Some(dependency) = open.pop() {
        let name = &dependency.name;
        let package = find(name.as_str(), Some(&dependency.version))
            .with_context(|| format!("Cargo.lock has no {name} {}", dependency.version))?;
        let Some(checksum) = &package.checksum else {
            bail!("{GUEST} depends on {name}, whose sources the digest does not cover");
        };
        if lines.insert(format!("{name} {} {checksum}\n", package.version)) {
            open.extend(&package.dependencies);
        }
    }
    Ok(lines.into_iter().collect::<String>().into_bytes())
}

/// Adds the file `name`, or every file below the directory `name`, under its path from
/// `root` with `/` on every system.
fn add(parts: &mut BTreeMap<String, Vec<u8>>, root: &Path, name: &str) -> Result<()> {
    let path = root.join(name);
    if !path.is_dir() {
        let content = fs::read(&path).with_context(|| name.to_owned())?;
        parts.insert(name.to_owned(), content);
        return Ok(());
    }
    for entry in fs::read_dir(&path).with_context(|| name.to_owned())? {
        let entry = entry?.file_name();
        let entry = entry
            .to_str()
            .with_context(|| format!("a name in {name} is not UTF-8"))?;
        add(parts, root, &format!("{name}/{entry}"))?;
    }
    Ok(())
}
