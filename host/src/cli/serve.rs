//! `serve`: an Amazon Drive for other programs.

mod backup;
mod fsck;

use std::time::{Duration, Instant};

use amazon_drive_server::{Durability, Options, Server};
use tracing::Level;

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
    // The command line is not read without it.
    let data_dir = serve.data_dir.clone().unwrap_or_default();
    if !serve.listen.ip().is_loopback() && !serve.allow_remote {
        let what = format!("{} can be reached from other machines", serve.listen);
        return Err(Failure::new("not-loopback", Exit::Usage, what)
            .hint("tokens and files would travel unencrypted: listen on 127.0.0.1, or say --allow-remote behind something that encrypts")
            .into());
    }
    let mut options = Options::new(&data_dir, serve.listen);
    options.durability = match serve.durability {
        ServeDurability::Full => Durability::Full,
        ServeDurability::Relaxed => Durability::Relaxed,
    };
    let server = Server::bind(options).await?;
    let address = server.local_addr();
    let config = server.client_config().await?;
    let mut output = Output::new();
    output.write(format!("http://{address}/\n").as_bytes())?;
    output.flush()?;
    app.console_line(
        Level::WARN,
        &format!(
            "serving {} on http://{address}/; try: acd --config {} lsd drive:",
            shown(&data_dir),
            shown(&config),
        ),
    );
    server.serve(stopped()).await?;
    Ok(Exit::Done)
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
