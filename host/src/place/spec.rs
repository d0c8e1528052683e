//! rclone's path syntax: `remote:path`, or a local path.

use std::{ffi::OsStr, path::PathBuf};

use super::{bytes, os_string};
use crate::files::shown;

/// What was typed, taken apart and not looked up yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// A path on this machine.
    Local(PathBuf),
    /// A path on a remote.
    Remote {
        /// The remote's name.
        name: String,
        /// The names on the way, as typed: `display`'s form.
        path: Vec<Vec<u8>>,
    },
}

/// What was typed is no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSpec {
    /// Nothing at all.
    #[error("a path is empty")]
    Empty,
    /// `:backend:path`, or `name,key=value:path`.
    #[error("{spec} is a connection string, which this version does not know")]
    ConnectionString {
        /// What was typed.
        spec: String,
    },
    /// The text before the colon cannot be a remote's name.
    #[error("{name:?} in {spec} cannot be the name of a remote")]
    BadName {
        /// What was typed.
        spec: String,
        /// Its name.
        name: String,
    },
    /// `..` on a remote: there is nothing above its root, and rclone refuses it as well.
    #[error("{spec} has `..` in it, which a remote does not know")]
    ParentFolder {
        /// What was typed.
        spec: String,
    },
}

impl Spec {
    /// Takes apart `name:path`. Text without a colon, or with a `/` before its first one,
    /// is a local path.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &OsStr) -> Result<Self, InvalidSpec> {
        let all = bytes(text);
        if all.is_empty() {
            return Err(InvalidSpec::Empty);
        }
        let Some(colon) = all.iter().position(|byte| matches!(byte, b':' | b'/')) else {
            return Ok(Self::Local(text.into()));
        };
        if all[colon] == b'/' {
            return Ok(Self::Local(text.into()));
        }
        let spec = || shown(text).to_string();
        let (name, path) = (&all[..colon], &all[colon + 1..]);
        if name.is_empty() || name.contains(&b',') {
            return Err(InvalidSpec::ConnectionString { spec: spec() });
        }
        let name = std::str::from_utf8(name)
            .ok()
            .filter(|name| is_name(name))
            .ok_or_else(|| InvalidSpec::BadName {
                spec: spec(),
                name: os_string(name).to_string_lossy().into_owned(),
            })?;
        let names = path
            .split(|byte| *byte == b'/')
            .filter(|name| !matches!(*name, b"" | b"."));
        let path: Vec<_> = names.map(<[u8]>::to_vec).collect();
        if path.iter().any(|name| name == b"..") {
            return Err(InvalidSpec::ParentFolder { spec: spec() });
        }
        Ok(Self::Remote {
            name: name.to_owned(),
            path,
        })
    }
}

/// Whether rclone takes this for a remote's name: letters, digits, `_`, `-`, `.`, `+`,
/// `@` and space, the first not `-` or space, the last not space.
fn is_name(name: &str) -> bool {
    name.chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '@' | ' '))
        && !name.starts_with(['-', ' '])
        && !name.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(name: &str, path: &[&str]) -> Spec {
        Spec::Remote {
            name: name.to_owned(),
            path: path.iter().map(|name| name.as_bytes().to_vec()).collect(),
        }
    }

    #[test]
    fn places_are_told_apart_as_rclone_does() {
        for (text, spec) in [
            ("embedded:", remote("embedded", &[])),
            ("embedded:a/b", remote("embedded", &["a", "b"])),
            ("embedded:/a//b/", remote("embedded", &["a", "b"])),
            ("embedded:./a/.", remote("embedded", &["a"])),
            ("my drive@2.0+x:a:b", remote("my drive@2.0+x", &["a:b"])),
            ("Größe:a", remote("Größe", &["a"])),
            ("local", Spec::Local("local".into())),
            ("./a:b", Spec::Local("./a:b".into())),
            ("/a:b/c", Spec::Local("/a:b/c".into())),
            ("a/b:c", Spec::Local("a/b:c".into())),
            ("..", Spec::Local("..".into())),
        ] {
            assert_eq!(Spec::parse(OsStr::new(text)), Ok(spec), "{text}");
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in [
            "",
            ":acd:x",
            "a,b=c:x",
            "-a:x",
            "a :x",
            "a*b:x",
            "embedded:..",
            "embedded:a/../b",
        ] {
            assert!(Spec::parse(OsStr::new(text)).is_err(), "{text}");
        }
    }
}
