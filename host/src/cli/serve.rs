//! `serve`: an Amazon Drive for other programs.

mod faults;

use std::{fmt, fs, net::SocketAddr, path::Path};

use amazon_drive_server::{Options, Server};
use serde_json::json;

use super::{
    App, args,
    exit::Exit,
    failure::Failure,
    log::{Console, one_line},
    output::{Output, Stop},
    requests::Requests,
};
use crate::files::shown;

/// Where the lines of requests go.
pub(super) fn requests(serve: &args::Serve, console: &Console) -> Result<Requests, Failure> {
    match &serve.log_file {
        Some(path) => Requests::to_file(path, console.format()),
        None => Ok(Requests::to_console(console.clone())),
    }
}

/// Serves until interrupted.
pub(super) async fn run(app: &App, serve: &args::Serve) -> Result<Exit, Stop> {
    if serve.faults.list_faults {
        return faults::list(&serve.faults);
    }
    // The command line is not read without it.
    let data_dir = serve.data_dir.clone().unwrap_or_default();
    if !serve.listen.ip().is_loopback() && !serve.allow_remote {
        let what = format!("{} can be reached from other machines", serve.listen);
        return Err(Failure::new("not-loopback", Exit::Usage, what)
            .hint("tokens and files would travel unencrypted: listen on 127.0.0.1, or say --allow-remote behind something that encrypts")
            .into());
    }
    let mut options = faults::add(Options::new(&data_dir, serve.listen), &serve.faults)?;
    if let Some(path) = &serve.metrics_token_file {
        options = options.with_metrics_token(&metrics_token(path)?);
    }
    let server = Server::bind(options).await?;
    let address = server.local_addr();
    let config = server.client_config().await?;
    let admin = server.fault_admin().await?;
    let mut output = Output::new();
    output.write(format!("http://{address}/\n").as_bytes())?;
    output.flush()?;
    if !app.options.quiet {
        let welcome = Welcome {
            data_dir: &data_dir,
            address,
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
    address: SocketAddr,
    config: &'a Path,
    /// Where the token is that may change fault rules, if anybody may.
    admin: Option<&'a Path>,
}

impl Welcome<'_> {
    fn json(&self) -> serde_json::Value {
        json!({
            "level": "info",
            "msg": "serving",
            "address": format!("http://{}/", self.address),
            "data_dir": self.data_dir.to_string_lossy(),
            "client_config": self.config.to_string_lossy(),
            "fault_admin_token": self.admin.map(Path::to_string_lossy),
        })
    }
}

impl fmt::Display for Welcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = word(self.config);
        writeln!(
            f,
            "Serving {} on http://{}/",
            shown(self.data_dir),
            self.address
        )?;
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
                "  Fault rules    http://{}/admin/faults, by the token in {}",
                self.address,
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
