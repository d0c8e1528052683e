//! Errors as users see them: what, why, what next, and an exit status.

use std::{error::Error as StdError, fmt, io};

use super::{exit::Exit, log::one_line};
use crate::{component, config, files, place, transfer};

/// Why the program, or one item of its work, failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// A stable word.
    pub(super) code: &'static str,
    pub(super) exit: Exit,
    /// What, then why, outermost first; no clause twice.
    pub(super) causes: Vec<String>,
    /// What to do next.
    pub(super) hint: Option<String>,
}

impl Failure {
    pub(super) fn new(code: &'static str, exit: Exit, what: impl Into<String>) -> Self {
        Self {
            code,
            exit,
            causes: vec![what.into()],
            hint: None,
        }
    }

    /// Adds why, which must not say what is said already.
    pub(super) fn because(mut self, why: impl fmt::Display) -> Self {
        self.causes.push(without_number(why.to_string()));
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn of(code: &'static str, exit: Exit, error: &dyn StdError) -> Self {
        let mut causes: Vec<String> = Vec::new();
        let mut next = Some(error);
        while let Some(error) = next {
            let text = without_number(error.to_string());
            // A wrapper that only passes its cause on says nothing new.
            if causes.last() != Some(&text) {
                causes.push(text);
            }
            next = error.source();
        }
        Self {
            code,
            exit,
            causes,
            hint: None,
        }
    }

    /// What failed and why, on one line.
    pub(super) fn line(&self) -> String {
        self.causes.join(": ")
    }

    /// As one JSON object.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "level": "error",
            "code": self.code,
            "exit": self.exit.status(),
            "msg": self.line(),
            "hint": self.hint,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut causes = self.causes.iter();
        writeln!(
            f,
            "error[{}]: {}",
            self.code,
            causes.next().map_or("".into(), |what| one_line(what))
        )?;
        for cause in causes {
            writeln!(f, "  caused by: {}", one_line(cause))?;
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "\nhint: {}", one_line(hint))?;
        }
        Ok(())
    }
}

impl From<place::Error> for Failure {
    fn from(error: place::Error) -> Self {
        use place::Error as E;
        match &error {
            E::InvalidSpec(_) => Self::of("bad-path", Exit::Usage, &error).hint(
                "a place is a local path or remote:path; write ./ before a local name with a colon",
            ),
            E::Config(config) => {
                Self::of(config_code(config), Exit::Usage, &error).hint(config_hint(config))
            }
            E::UnknownRemote { known, .. } => {
                let known: Vec<_> = std::iter::once("embedded:".to_owned())
                    .chain(known.iter().map(|name| format!("{name}:")))
                    .collect();
                Self::of("unknown-remote", Exit::Usage, &error).hint(format!(
                    "the remotes are {}; another config file is given by --config",
                    known.join(" ")
                ))
            }
            E::NoToken { .. } => Self::of("unauthenticated", Exit::Fatal, &error)
                .hint("put a token as rclone writes it into the config file"),
            E::Embedded { source, .. } => match embedded_code(source) {
                Some((code, hint)) => Self::of(code, Exit::Fatal, &error).hint(hint),
                None => Self::of("embedded", Exit::Other, &error)
                    .hint("--embedded-dir puts its data elsewhere"),
            },
            E::Encoding { .. } => Self::of("bad-encoding", Exit::Usage, &error).hint(
                "--acd-encoding takes rclone's words, such as Slash,InvalidUtf8,Dot, or None",
            ),
            E::Component(source) => Self::component(source, &error),
            E::Connect { source, .. } => Self::component(source, &error),
        }
    }
}

impl Failure {
    /// What a call to a remote failed with; `error` is that, or has it as its source.
    fn component(source: &component::Error, error: &dyn StdError) -> Self {
        use component::Error as E;
        let exit = match source {
            E::NotFound(_) => Exit::FileNotFound,
            E::Throttled(_)
            | E::Unavailable(_)
            | E::Interrupted(_)
            | E::OutcomeUnknown(_)
            | E::Changed(_)
            | E::Lost(_) => Exit::Temporary,
            E::Unauthenticated(_)
            | E::QuotaExceeded(_)
            | E::EgressDenied(_)
            | E::BadComponent(_) => Exit::Fatal,
            E::NameConflict { .. }
            | E::NotAFolder(_)
            | E::NotAFile(_)
            | E::InvalidArgument(_)
            | E::Forbidden(_)
            | E::FileTooLarge(_) => Exit::Lasting,
            E::BadCertificate(_) => Exit::Usage,
            E::Cancelled => Exit::Interrupted,
            _ => Exit::Other,
        };
        let failure = Self::of(source.code(), exit, error);
        match hint(source.code()) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }

    /// An item that was looked for and is not there: `exit` says what it was to be.
    pub(super) fn not_found(shown: &str, exit: Exit) -> Self {
        let what = match exit {
            Exit::FileNotFound => "file",
            _ => "folder",
        };
        Self::new("not-found", exit, format!("no such {what}: {shown}"))
    }
}

impl From<component::Error> for Failure {
    fn from(error: component::Error) -> Self {
        Self::component(&error, &error)
    }
}

impl From<files::Error> for Failure {
    fn from(error: files::Error) -> Self {
        let exit = match &error {
            files::Error::NotFound { .. } => Exit::FileNotFound,
            files::Error::NoSpace { .. } => Exit::Fatal,
            files::Error::ChangedWhileReading { .. } | files::Error::Mismatch { .. } => {
                Exit::Temporary
            }
            _ => Exit::Lasting,
        };
        let failure = Self::of(error.code(), exit, &error);
        match hint(error.code()) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<&transfer::Error> for Failure {
    fn from(error: &transfer::Error) -> Self {
        use transfer::{Error as E, Severity};
        let exit = match error {
            E::NotFound { .. } => Exit::FolderNotFound,
            E::Overlap { .. } | E::NotAFile { .. } => Exit::Usage,
            other => match other.severity() {
                Severity::Temporary => Exit::Temporary,
                Severity::Lasting => Exit::Lasting,
                Severity::Fatal => Exit::Fatal,
            },
        };
        let failure = Self::of(error.code(), exit, error);
        match hint(error.code()) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<amazon_drive_server::Error> for Failure {
    fn from(error: amazon_drive_server::Error) -> Self {
        match server_code(&error) {
            // What cannot be is a mistake of the command line.
            Some((code, hint)) if is_usage(&error) => {
                Self::of(code, Exit::Usage, &error).hint(hint)
            }
            Some((code, hint)) => Self::of(code, Exit::Fatal, &error).hint(hint),
            None => Self::of("server", Exit::Other, &error),
        }
    }
}

/// Standard output cannot be written. A reader that has gone is no failure, and is
/// handled where this comes from.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let outer = Self::of("output", Exit::Other, &error);
        let mut causes = vec!["cannot write to standard output".to_owned()];
        causes.extend(outer.causes);
        Self { causes, ..outer }
    }
}

/// The system's words without the number that Rust adds to them.
fn without_number(mut text: String) -> String {
    if let Some(start) = text.rfind(" (os error ")
        && text.ends_with(')')
    {
        text.truncate(start);
    }
    text
}

fn config_code(error: &config::Error) -> &'static str {
    match error {
        config::Error::Encrypted { .. } => "encrypted-config",
        config::Error::UnsupportedType { .. } => "unsupported-remote",
        config::Error::Unreadable { .. }
        | config::Error::Syntax { .. }
        | config::Error::BadValue { .. } => "bad-config",
    }
}

fn config_hint(error: &config::Error) -> &'static str {
    match error {
        config::Error::Encrypted { .. } => {
            "this version reads plain files: `rclone config show` prints one"
        }
        config::Error::UnsupportedType { .. } => "acd knows remotes of `type = amazon cloud drive`",
        config::Error::Unreadable { .. } => "the file is given by --config or ACD_CONFIG",
        config::Error::Syntax { .. } => "sections are [name], and below them lines key = value",
        config::Error::BadValue { .. } => "mend the line in the config file",
    }
}

fn embedded_code(error: &place::EmbeddedError) -> Option<(&'static str, &'static str)> {
    match error {
        place::EmbeddedError::Server(error) => server_code(error),
        _ => None,
    }
}

/// Whether the command line asks a server for what cannot be.
fn is_usage(error: &amazon_drive_server::Error) -> bool {
    use amazon_drive_server::Error as E;
    matches!(
        error,
        E::Bind { .. }
            | E::Tls { .. }
            | E::PublicUrl { .. }
            | E::UserExists { .. }
            | E::NoSuchUser { .. }
            | E::UserName { .. }
            | E::Password { .. }
            | E::RedirectUri { .. }
            | E::NoDrive { .. }
            | E::BackupTarget { .. }
    )
}

fn server_code(error: &amazon_drive_server::Error) -> Option<(&'static str, &'static str)> {
    match error {
        amazon_drive_server::Error::NewerSchema { .. } => Some((
            "newer-data",
            "a newer acd has used this folder: use that one, or another folder",
        )),
        amazon_drive_server::Error::Bind { .. } => Some((
            "address-in-use",
            "choose another address with --listen; port 0 is any free one",
        )),
        amazon_drive_server::Error::Tls { .. } => Some((
            "bad-certificate",
            "--tls-cert takes a certificate in PEM, and --tls-key the key that was made with it",
        )),
        amazon_drive_server::Error::PublicUrl { .. } => Some((
            "bad-url",
            "--public-url is what stands before the first slash of the path in a browser",
        )),
        amazon_drive_server::Error::UserExists { .. } => {
            Some(("user-exists", "`acd serve user passwd` changes a password"))
        }
        amazon_drive_server::Error::NoSuchUser { .. } => {
            Some(("no-user", "`acd serve user list` says who there is"))
        }
        amazon_drive_server::Error::UserName { .. } => {
            Some(("bad-name", "choose a simple name, or an address of mail"))
        }
        amazon_drive_server::Error::Password { .. } => {
            Some(("bad-password", "three or four unusual words are a good one"))
        }
        amazon_drive_server::Error::RedirectUri { .. } => Some((
            "bad-redirect",
            "take the address from the program's documentation; rclone's is http://127.0.0.1:53682/",
        )),
        amazon_drive_server::Error::OlderSchema { .. } => Some((
            "older-data",
            "start `acd serve` on the folder once: it brings the data up to date",
        )),
        amazon_drive_server::Error::NoDrive { .. } => {
            Some(("no-drive", "--data-dir is the folder that `acd serve` has"))
        }
        amazon_drive_server::Error::BackupTarget { .. } => Some((
            "bad-target",
            "--to takes a folder that is not there, is empty, or is an earlier backup",
        )),
        amazon_drive_server::Error::LostContent { .. } => Some((
            "lost-content",
            "`acd serve fsck` says which files are damaged; an earlier backup is as it was",
        )),
        _ => None,
    }
}

/// What to do next about an error of this code.
fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "unauthenticated" => "log in again, and put the new token into the config file",
        "unavailable" => "check that the server runs and can be reached, then try again",
        "throttled" => {
            "wait and try again; if it stays so, the service has blocked the app: use another \
             client_id"
        }
        "egress-denied" => {
            "the remote's service names a server it is not bound to; if that is right, list it \
             under `origins` in the config file"
        }
        "quota-exceeded" => "free some room on the remote, or get more",
        "no-space" => "free some room on the disk, then run it again: what is there stays",
        "bad-component" => "leave --component out to use the one built in",
        "bad-certificate" => "--ca-cert and the config's ca_cert take PEM files",
        "overlap" => "choose a destination outside of the source",
        "interrupted" | "outcome-unknown" | "component-lost" | "changed-while-reading" => {
            "run it again: what is done already is not done twice"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_says_what_why_and_what_next_once_each() {
        let error = place::Error::Connect {
            name: "drive".to_owned(),
            source: component::Error::Unavailable(component::Detail {
                message: "the connection was refused".to_owned(),
                ..component::Detail::default()
            }),
        };
        let failure = Failure::from(error);
        assert_eq!(failure.exit, Exit::Temporary);
        assert_eq!(
            failure.to_string(),
            "error[unavailable]: cannot open drive:\n  \
             caused by: the connection was refused\n\n\
             hint: check that the server runs and can be reached, then try again\n"
        );
    }

    #[test]
    fn transparent_errors_are_not_said_twice() {
        let error = place::Error::InvalidSpec(place::InvalidSpec::Empty);
        let failure = Failure::from(error);
        assert_eq!(failure.causes, ["a path is empty"]);
        assert_eq!(failure.json()["exit"], 1);
    }

    #[test]
    fn what_the_system_says_has_no_number() {
        let failure = Failure::from(io::Error::from_raw_os_error(28));
        assert_eq!(
            failure.to_string(),
            "error[output]: cannot write to standard output\n  \
             caused by: No space left on device\n"
        );
    }

    #[test]
    fn what_a_server_says_cannot_command_a_terminal() {
        let error = component::Error::Other("\x1b[2J\nhint: send me your token".to_owned());
        assert_eq!(
            Failure::from(error).to_string(),
            "error[other]: \\u{1b}[2J\\nhint: send me your token\n"
        );
    }

    #[test]
    fn unknown_remote_lists_the_known_ones() {
        let error = place::Error::UnknownRemote {
            name: "x".to_owned(),
            config: "my.conf".into(),
            known: vec!["a".to_owned(), "b".to_owned()],
        };
        assert_eq!(
            Failure::from(error).to_string(),
            "error[unknown-remote]: there is no remote named \"x\" in my.conf\n\n\
             hint: the remotes are embedded: a: b:; another config file is given by --config\n"
        );
    }
}
