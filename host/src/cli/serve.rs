//! `serve`: an Amazon Drive for other programs.

mod backup;
mod client;
mod faults;
mod fsck;
mod user;
mod watch;
mod welcome;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use amazon_drive_server::{Durability, Options, Server};
use tracing::Level;

pub(super) use self::watch::requests;
use self::welcome::Welcome;
use super::{
    App,
    args::{self, ServeCommand, ServeDurability},
    exit::Exit,
    failure::Failure,
    output::{Output, Stop},
};
use crate::files::shown;

/// Serves until interrupted, or does something else with a server's data.
pub(super) async fn run(app: &App, serve: &args::Serve) -> Result<Exit, Stop> {
    let work = async {
        match &serve.command {
            None => serve_on(app, &serve.options).await,
            Some(ServeCommand::User(asked)) => user::run(app, &asked.command).await,
            Some(ServeCommand::Client(asked)) => client::run(app, &asked.command).await,
            Some(ServeCommand::Backup(backup)) => backup::run(app, backup).await,
            Some(ServeCommand::Fsck(fsck)) => fsck::run(app, fsck).await,
        }
    };
    if serve.command.is_none() {
        return work.await;
    }
    tokio::select! {
        outcome = work => outcome,
        Ok(()) = tokio::signal::ctrl_c() => {
            Err(Failure::new("interrupted", Exit::Interrupted, "interrupted").into())
        }
    }
}

async fn serve_on(app: &App, serve: &args::ServeOptions) -> Result<Exit, Stop> {
    if serve.faults.list_faults {
        return faults::list(&serve.faults);
    }
    // The command line is not read without it.
    let data_dir = serve.data_dir.clone().unwrap_or_default();
    let server = Server::bind(options(&data_dir, serve)?).await?;
    let base = server.base();
    let config = server.client_config().await?;
    let fault_admin = server.fault_admin().await?;
    let has_users = server.has_users().await?;
    // Before anybody can know that it runs, and end it.
    let stopped = stopped();
    let mut output = Output::new();
    output.write(format!("{base}/\n").as_bytes())?;
    output.flush()?;
    if !app.options.quiet {
        let welcome = Welcome {
            data_dir: &data_dir,
            base: &base,
            config: &config,
            has_users,
            fault_admin: fault_admin.as_deref(),
        };
        match app.console.is_json() {
            true => app.console.write_json(&welcome.json()),
            false => app.console.write(&welcome.to_string()),
        }
    }
    server.serve(stopped).await?;
    Ok(Exit::Done)
}

fn options(data_dir: &Path, serve: &args::ServeOptions) -> Result<Options, Failure> {
    let tls = serve.tls_cert.clone().zip(serve.tls_key.clone());
    if !serve.listen.ip().is_loopback() && !serve.allow_remote && tls.is_none() {
        let what = format!("{} can be reached from other machines", serve.listen);
        return Err(Failure::new("not-loopback", Exit::Usage, what)
            .hint("tokens and files would travel unencrypted: listen on 127.0.0.1, or give --tls-cert and --tls-key, or say --allow-remote behind something that encrypts"));
    }
    let mut options = faults::add(Options::new(data_dir, serve.listen), &serve.faults)?;
    options.tls = tls;
    options.public_url = serve.public_url.clone();
    options.durability = match serve.durability {
        ServeDurability::Full => Durability::Full,
        ServeDurability::Relaxed => Durability::Relaxed,
    };
    options.trash_retention = match serve.purge_trash_after {
        0 => None,
        days => Some(DAY * days),
    };
    watch::add(options, &serve.watch)
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

/// Lines that say how far it is: where they are wanted, and not too many.
struct Pace {
    wanted: bool,
    last: Instant,
}

impl Pace {
    fn new(app: &App) -> Self {
        Self {
            wanted: app.options.progress,
            last: Instant::now(),
        }
    }

    fn line(&mut self, app: &App, line: impl FnOnce() -> String) {
        if self.wanted && self.last.elapsed() >= PACE {
            self.last = Instant::now();
            app.console_line(Level::WARN, &line());
        }
    }
}

/// Between two lines of how far it is.
const PACE: Duration = Duration::from_secs(1);

/// Resolves when the program is asked to end, from this call on.
fn stopped() -> impl Future<Output = ()> + Send {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = signal(SignalKind::interrupt());
    let terminate = signal(SignalKind::terminate());
    async move {
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
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
