//! Places: what a person names on the command line, opened.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::PathBuf,
};

mod embedded;
mod open;
mod spec;

pub use embedded::EmbeddedError;
pub use open::{Context, Error, Options, open};
pub use spec::{InvalidSpec, Spec};

use crate::{
    component::{NodePath, Remote},
    files,
};

/// A folder or file, or where one is to be.
#[derive(Clone)]
pub enum Place {
    /// On this machine.
    Local(PathBuf),
    /// On a remote.
    Remote {
        /// The remote.
        remote: Remote,
        /// Raw names from its root down.
        path: NodePath,
        /// As people see it: `embedded:backup`.
        shown: String,
    },
}

impl Place {
    /// The place of a name below this one. `display` is the name as people see it.
    #[must_use]
    pub fn join(&self, raw_name: &[u8], display: &str) -> Self {
        match self {
            Self::Local(path) => Self::Local(path.join(files::local_name(raw_name))),
            Self::Remote {
                remote,
                path,
                shown,
            } => {
                let mut path = path.clone();
                path.push(raw_name.to_vec());
                Self::Remote {
                    remote: remote.clone(),
                    path,
                    shown: join_shown(shown, display),
                }
            }
        }
    }

    /// As people see it.
    pub fn shown(&self) -> String {
        match self {
            Self::Local(path) => files::shown(path).to_string(),
            Self::Remote { shown, .. } => shown.clone(),
        }
    }
}

/// A path as people see it, with a name added.
fn join_shown(above: &str, name: &str) -> String {
    if above.is_empty() || above.ends_with([':', '/']) {
        format!("{above}{name}")
    } else {
        format!("{above}/{name}")
    }
}

/// Bytes as this system's text.
fn os_string(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

/// This system's text as bytes.
fn bytes(text: &std::ffi::OsStr) -> &[u8] {
    text.as_bytes()
}
