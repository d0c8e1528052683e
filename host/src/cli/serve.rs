//! `serve`: an Amazon Drive for other programs.

mod client;
mod user;

use std::path::Path;

use amazon_drive_server::{Options, Server};
use tracing::Level;

use super::{
    App,
    args::{self, ServeCommand},
    exit::Exit,
    failure::Failure,
    output::{Output, Stop},
};
use crate::files::shown;

/// Serves until interrupted, or does something else with a server's data.
pub(super) async fn run(app: &App, serve: &args::Serve) -> Result<Exit, Stop> {
    match &serve.command {
        None => serve_on(app, &serve.options).await,
        Some(ServeCommand::User(asked)) => user::run(app, &asked.command).await,
        Some(ServeCommand::Client(asked)) => client::run(app, &asked.command).await,
    }
}

async fn serve_on(app: &App, serve: &args::ServeOptions) -> Result<Exit, Stop> {
    // The command line is not read without it.
    let data_dir = serve.data_dir.clone().unwrap_or_default();
    let tls = serve.tls_cert.clone().zip(serve.tls_key.clone());
    if !serve.listen.ip().is_loopback() && !serve.allow_remote && tls.is_none() {
        let what = format!("{} can be reached from other machines", serve.listen);
        return Err(Failure::new("not-loopback", Exit::Usage, what)
            .hint("tokens and files would travel unencrypted: listen on 127.0.0.1, or give --tls-cert and --tls-key, or say --allow-remote behind something that encrypts")
            .into());
    }
    let mut options = Options::new(&data_dir, serve.listen);
    options.tls = tls;
    options.public_url = serve.public_url.clone();
    let server = Server::bind(options).await?;
    let base = server.base();
    let config = server.client_config().await?;
    let mut output = Output::new();
    output.write(format!("{base}/\n").as_bytes())?;
    output.flush()?;
    app.console_line(
        Level::WARN,
        &format!(
            "serving {} on {base}/; try: acd --config {} lsd drive:",
            shown(&data_dir),
            shown(&config),
        ),
    );
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
