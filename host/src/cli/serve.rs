//! `serve`: an Amazon Drive for other programs.

mod client;
mod faults;
mod user;

use std::{fmt, fs, path::Path};

use amazon_drive_server::{Options, Server};
use serde_json::json;

use super::{
    App,
    args::{self, ServeCommand},
    exit::Exit,
    failure::Failure,
    log::{Console, one_line},
    output::{Output, Stop},
    requests::Requests,
};
use crate::files::shown;

/// Where the lines of requests go.
pub(super) fn requests(serve: &args::Serve, console: &Console) -> Result<Requests, Failure> {
    match &serve.options.log_file {
        Some(path) => Requests::to_file(path, console.format()),
        None => Ok(Requests::to_console(console.clone())),
    }
}

/// Serves until interrupted, or does something else with a server's data.
pub(super) async fn run(app: &App, serve: &args::Serve) -> Result<Exit, Stop> {
    match &serve.command {
        None => serve_on(app, &serve.options).await,
        Some(ServeCommand::User(asked)) => user::run(app, &asked.command).await,
        Some(ServeCommand::Client(asked)) => client::run(app, &asked.command).await,
    }
}

async fn serve_on(app: &App, serve: &args::ServeOptions) -> Result<Exit, Stop> {
    if serve.faults.list_faults {
        return faults::list(&serve.faults);
    }
    // The command line is not read without it.
    let data_dir = serve.data_dir.clone().unwrap_or_default();
    let tls = serve.tls_cert.clone().zip(serve.tls_key.clone());
    if !serve.listen.ip().is_loopback() && !serve.allow_remote && tls.is_none() {
        let what = format!("{} can be reached from other machines", serve.listen);
        return Err(Failure::new("not-loopback", Exit::Usage, what)
            .hint("tokens and files would travel unencrypted: listen on 127.0.0.1, or give --tls-cert and --tls-key, or say --allow-remote behind something that encrypts")
            .into());
    }
    let mut options = faults::add(Options::new(&data_dir, serve.listen), &serve.faults)?;
    if let Some(path) = &serve.metrics_token_file {
        options = options.with_metrics_token(&metrics_token(path)?);
    }
    options.tls = tls;
    options.public_url = serve.public_url.clone();
    let server = Server::bind(options).await?;
    let base = server.base();
    let config = server.client_config().await?;
    let admin = server.fault_admin().await?;
    let mut output = Output::new();
    output.write(format!("{base}/\n").as_bytes())?;
    output.flush()?;
    if !app.options.quiet {
        let welcome = Welcome {
            data_dir: &data_dir,
            base: &base,
            config: &config,
            admin: admin.as_deref(),
        };
        match app.console.is_json() {
            true => app.console.write_json(&welcome.json()),
            false => app.console.write(&welcome.to_string()),
        }
    }
    server.serve(stopped()).await?;
    Ok(Exit::Done)
}

/// Refuses a folder that no server has used: most likely it was mistyped.
fn used(data_dir: &Path) -> Result<(), Failure> {
    match data_dir.join("metadata.sqlite3").exists() {
        true => Ok(()),
        false => {
            let what = format!("{} holds no server's data", shown(data_dir));
            Err(Failure::new("no-drive", Exit::Usage, what)
                .hint("--data-dir is the folder that `acd serve` has"))
        }
    }
}

/// Resolves when the program is asked to end.
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = signal(SignalKind::interrupt());
    let terminate = signal(SignalKind::terminate());
    match (interrupt, terminate) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        // Without handlers the signals end the program by themselves.
        _ => std::future::pending().await,
    }
}

/// The token in the file, which holds nothing else.
fn metrics_token(path: &Path) -> Result<String, Failure> {
    let failed = || {
        let what = format!("{} holds no token", shown(path));
        Failure::new("metrics-token", Exit::Usage, what)
    };
    let text = fs::read_to_string(path).map_err(|error| failed().because(error))?;
    let token = text.trim();
    match !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(token.to_owned()),
        false => Err(failed().hint("put one line of letters and digits into it")),
    }
}

/// What to do with a server that has just started.
struct Welcome<'a> {
    data_dir: &'a Path,
    base: &'a str,
    config: &'a Path,
    /// Where the token is that may change fault rules, if anybody may.
    admin: Option<&'a Path>,
}

impl Welcome<'_> {
    fn json(&self) -> serde_json::Value {
        json!({
            "level": "info",
            "msg": "serving",
            "address": format!("{}/", self.base),
            "data_dir": self.data_dir.to_string_lossy(),
            "client_config": self.config.to_string_lossy(),
            "fault_admin_token": self.admin.map(Path::to_string_lossy),
        })
    }
}

impl fmt::Display for Welcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = word(self.config);
        writeln!(f, "Serving {} on {}/", shown(self.data_dir), self.base)?;
        writeln!(f)?;
        writeln!(f, "  Look into it   acd --config {config} lsd drive:")?;
        writeln!(
            f,
            "  Copy into it   acd --config {config} copy FOLDER drive:"
        )?;
        writeln!(
            f,
            "  Other clients  client_id, client_secret, auth_url, token_url and token"
        )?;
        writeln!(f, "                 are in {config},")?;
        writeln!(
            f,
            "                 section [drive], as rclone's \"amazon cloud drive\" has them"
        )?;
        if let Some(token) = self.admin {
            writeln!(
                f,
                "  Fault rules    {}/admin/faults, by the token in {}",
                self.base,
                word(token)
            )?;
        }
        writeln!(f, "  Stop it        Ctrl-C")?;
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
