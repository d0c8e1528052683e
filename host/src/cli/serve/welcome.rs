//! What is said when a server has started: what to type next.

use std::{fmt, path::Path};

use serde_json::json;

use crate::{cli::log::one_line, files::shown};

/// A server that has just started.
pub(super) struct Welcome<'a> {
    pub(super) data_dir: &'a Path,
    /// `http://HOST:PORT`.
    pub(super) base: &'a str,
    /// The file with the remote `drive:`.
    pub(super) config: &'a Path,
    /// Whether anybody can sign in.
    pub(super) has_users: bool,
}

impl Welcome<'_> {
    /// The same for programs.
    pub(super) fn json(&self) -> serde_json::Value {
        json!({
            "level": "info",
            "msg": "serving",
            "address": format!("{}/", self.base),
            "data_dir": self.data_dir.to_string_lossy(),
            "client_config": self.config.to_string_lossy(),
            "has_users": self.has_users,
        })
    }
}

impl fmt::Display for Welcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base, .. } = self;
        let config = word(self.config);
        let data_dir = word(self.data_dir);
        writeln!(f, "Serving {} on {base}/", shown(self.data_dir))?;
        writeln!(f)?;
        writeln!(f, "  Look into it   acd --config {config} lsd drive:")?;
        writeln!(
            f,
            "  Copy into it   acd --config {config} copy FOLDER drive:"
        )?;
        match self.has_users {
            true => writeln!(f, "  In a browser   {base}/")?,
            false => writeln!(
                f,
                "  In a browser   {base}/ once there is a user:\n                 \
                 acd serve user add NAME --data-dir {data_dir}"
            )?,
        }
        writeln!(
            f,
            "  With rclone    type = amazon cloud drive, and client_id, client_secret,"
        )?;
        writeln!(
            f,
            "                 auth_url, token_url and token as they are in [drive] of"
        )?;
        writeln!(f, "                 {config}")?;
        writeln!(f, "  End it         Ctrl-C")?;
        writeln!(f)
    }
}

/// A path as a shell reads it back.
fn word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "/._-+@%:,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.into_owned(),
        false => format!("'{}'", one_line(&text).replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn welcome(has_users: bool) -> Welcome<'static> {
        Welcome {
            data_dir: Path::new("/srv/my drive"),
            base: "http://127.0.0.1:8181",
            config: Path::new("/srv/my drive/client.conf"),
            has_users,
        }
    }

    #[test]
    fn says_what_to_type_next() {
        let text = welcome(false).to_string();
        for line in [
            "Serving /srv/my drive on http://127.0.0.1:8181/",
            "  Look into it   acd --config '/srv/my drive/client.conf' lsd drive:",
            "                 acd serve user add NAME --data-dir '/srv/my drive'",
            "  With rclone    type = amazon cloud drive, and client_id, client_secret,",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in {text}");
        }
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        let text = welcome(true).to_string();
        assert!(!text.contains("user add"), "{text}");
        assert!(
            text.contains("  In a browser   http://127.0.0.1:8181/\n"),
            "{text}"
        );
    }

    #[test]
    fn paths_can_be_typed_as_they_are_shown() {
        for (path, typed) in [
            ("/srv/drive/client.conf", "/srv/drive/client.conf"),
            ("/srv/my drive", "'/srv/my drive'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
        ] {
            assert_eq!(word(Path::new(path)), typed);
        }
    }
}
