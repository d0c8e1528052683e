//! `serve`: an Amazon Drive for other programs.

use amazon_drive_server::{Options, Server};
use tracing::Level;

use super::{
    App, args,
    exit::Exit,
    failure::Failure,
    output::{Output, Stop},
};
use crate::files::shown;

/// Serves until interrupted.
pub(super) async fn run(app: &App, serve: &args::Serve) -> Result<Exit, Stop> {
    if !serve.listen.ip().is_loopback() && !serve.allow_remote {
        let what = format!("{} can be reached from other machines", serve.listen);
        return Err(Failure::new("not-loopback", Exit::Usage, what)
            .hint("tokens and files would travel unencrypted: listen on 127.0.0.1, or say --allow-remote behind something that encrypts")
            .into());
    }
    let server = Server::bind(Options::new(serve.data_dir.clone(), serve.listen)).await?;
    let address = server.local_addr();
    let config = server.client_config().await?;
    let mut output = Output::new();
    output.write(format!("http://{address}/\n").as_bytes())?;
    output.flush()?;
    app.console_line(
        Level::WARN,
        &format!(
            "serving {} on http://{address}/; try: acd --config {} lsd drive:",
            shown(&serve.data_dir),
            shown(&config),
        ),
    );
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
