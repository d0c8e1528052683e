//! `serve`: an Amazon Drive for other programs.

mod watch;
mod welcome;

use amazon_drive_server::{Options, Server};

pub(super) use self::watch::requests;
use self::welcome::Welcome;
use super::{
    App, args,
    exit::Exit,
    failure::Failure,
    output::{Output, Stop},
};

/// Serves until interrupted.
pub(super) async fn run(app: &App, serve: &args::Serve) -> Result<Exit, Stop> {
    if !serve.listen.ip().is_loopback() && !serve.allow_remote {
        let what = format!("{} can be reached from other machines", serve.listen);
        return Err(Failure::new("not-loopback", Exit::Usage, what)
            .hint("tokens and files would travel unencrypted: listen on 127.0.0.1, or say --allow-remote behind something that encrypts")
            .into());
    }
    let options = Options::new(serve.data_dir.clone(), serve.listen);
    let options = watch::add(options, &serve.watch)?;
    let server = Server::bind(options).await?;
    let base = server.base();
    let config = server.client_config().await?;
    let has_users = server.has_users().await?;
    let mut output = Output::new();
    output.write(format!("{base}/\n").as_bytes())?;
    output.flush()?;
    if !app.options.quiet {
        let welcome = Welcome {
            data_dir: &serve.data_dir,
            base: &base,
            config: &config,
            has_users,
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
