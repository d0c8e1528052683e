//! `serve`: an Amazon Drive for other programs.

mod faults;

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
    let options = faults::add(Options::new(&data_dir, serve.listen), &serve.faults)?;
    let server = Server::bind(options).await?;
    let address = server.local_addr();
    let config = server.client_config().await?;
    let admin = server.fault_admin().await?;
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
    if let Some(token) = admin {
        app.console_line(
            Level::WARN,
            &format!(
                "fault rules: http://{address}/admin/faults, by the token in {}",
                shown(&token)
            ),
        );
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
