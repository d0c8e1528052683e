//! Remotes as the user configured them: rclone's INI format, read and never written.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

mod ini;
mod section;
pub mod value;

pub use section::{RemoteConfig, Secret, ServiceOptions};

use crate::files::shown;

/// The remotes of one config file, unread until asked for: one bad section does not
/// stand in the way of the others.
#[derive(Debug, Default)]
pub struct Config {
    path: PathBuf,
    sections: ini::Sections,
}

/// A config file cannot be used. `Display` is one clause that names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It cannot be read.
    #[error("cannot read the config file {}", shown(.path))]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is encrypted, as `rclone config` does on request.
    #[error("the config file {} is encrypted", shown(.path))]
    Encrypted {
        /// Where.
        path: PathBuf,
    },
    /// It is not in the format.
    #[error("the config file {} has an error in line {line}: {what}", shown(.path))]
    Syntax {
        /// Where.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A section is of a kind this program does not know.
    #[error("the remote {name:?} is of type {kind:?} ({})", shown(.path))]
    UnsupportedType {
        /// The file.
        path: PathBuf,
        /// The section.
        name: String,
        /// Its type; empty where it has none.
        kind: String,
    },
    /// A value cannot be used.
    #[error(
        "the remote {name:?} has a bad value for {key} in line {line} of {}: {what}",
        shown(.path)
    )]
    BadValue {
        /// The file.
        path: PathBuf,
        /// From 1; 0 where the section does not have the key.
        line: usize,
        /// The section.
        name: String,
        /// The key.
        key: &'static str,
        /// What is wrong with the value, without the value where it is secret.
        what: String,
    },
}

impl Config {
    /// Reads a file. One that is not there is an error if `required`, else no remotes.
    ///
    /// # Errors
    /// `Unreadable`, `Encrypted`, `Syntax`.
    pub fn read(path: &Path, required: bool) -> Result<Self, Error> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(missing) if missing.kind() == io::ErrorKind::NotFound && !required => {
                return Ok(Self {
                    path: path.to_owned(),
                    ..Self::default()
                });
            }
            Err(source) => {
                return Err(Error::Unreadable {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        Self::parse(path, &String::from_utf8_lossy(&text))
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let first = ini::lines(text).next();
        if first.is_some_and(|(_, line)| line.starts_with(ENCRYPTED)) {
            return Err(Error::Encrypted {
                path: path.to_owned(),
            });
        }
        let sections = ini::parse(text).map_err(|mistake| Error::Syntax {
            path: path.to_owned(),
            line: mistake.line,
            what: mistake.what.to_owned(),
        })?;
        Ok(Self {
            path: path.to_owned(),
            sections,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of all remotes, sorted, of types this program does not know as well.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sections.keys().map(String::as_str)
    }

    /// A remote by its name; `None` where the file has no such section.
    ///
    /// # Errors
    /// `UnsupportedType`, `BadValue`.
    pub fn remote(&self, name: &str) -> Result<Option<RemoteConfig>, Error> {
        self.sections
            .get(name)
            .map(|keys| RemoteConfig::parse(&self.path, name, keys))
            .transpose()
    }

    /// The error for a value that turned out bad later, such as one that only the
    /// component can judge. `what` says what is allowed.
    pub fn bad_value(&self, name: &str, key: &'static str, what: impl Into<String>) -> Error {
        let value = self.sections.get(name).and_then(|keys| keys.get(key));
        Error::BadValue {
            path: self.path.clone(),
            line: value.map_or(0, |value| value.line),
            name: name.to_owned(),
            key,
            what: what.into(),
        }
    }
}

/// The line that starts the content of an encrypted file.
const ENCRYPTED: &str = "RCLONE_ENCRYPT_V";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, Error> {
        Config::parse(Path::new("my.conf"), text)
    }

    #[test]
    fn sections_become_remotes_by_name() {
        let config = parse(
            "# a comment\n[b]\ntype = s3\n\n[a]\ntype = amazon cloud drive\n\
             client_secret = a\"b\\c#d\n",
        )
        .unwrap();
        assert_eq!(config.names().collect::<Vec<_>>(), ["a", "b"]);
        let remote = config.remote("a").unwrap().unwrap();
        assert_eq!(remote.client_secret.unwrap().expose(), "a\"b\\c#d");
        assert!(config.remote("c").unwrap().is_none());
        let error = config.remote("b").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the remote \"b\" is of type \"s3\" (my.conf)"
        );
        let error = config.bad_value("a", "client_secret", "it is odd");
        assert!(
            error.to_string().contains("in line 7 of my.conf"),
            "{error}"
        );
    }

    #[test]
    fn encrypted_file_is_told_from_a_broken_one() {
        let error = parse("# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nAAA=\n");
        assert!(matches!(error, Err(Error::Encrypted { .. })), "{error:?}");
        // A value may say what it likes.
        assert!(parse("[a]\nRCLONE_ENCRYPT_V0:\n").is_ok());
        let error = parse("[a]\ntype = x\n[open\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the config file my.conf has an error in line 3: a section's name ends with ]"
        );
    }

    #[test]
    fn missing_file_is_fine_unless_it_was_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("none.conf");
        assert_eq!(Config::read(&path, false).unwrap().names().count(), 0);
        let error = Config::read(&path, true).unwrap_err();
        assert!(matches!(error, Error::Unreadable { .. }), "{error:?}");
    }
}
