//! The drive in a folder: its server, run in this process for as long as it is used.

use std::{io, net::Ipv4Addr, path::Path, thread};

use amazon_drive_server::{Options, Server};
use tokio::sync::oneshot;

/// Why it does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// The server says why.
    #[error(transparent)]
    Server(#[from] amazon_drive_server::Error),
    /// This machine gives it no thread.
    #[error("no thread for it")]
    Thread(#[from] io::Error),
}

/// A server on a thread of its own. Dropping it stops it and waits until it has.
pub(super) struct Embedded {
    /// Base of the discovery call.
    pub(super) endpoint: String,
    /// A token for this server and no other.
    pub(super) token: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Embedded {
    /// Starts one over `data_dir`, on a free loopback port.
    pub(super) async fn start(data_dir: &Path) -> Result<Self, EmbeddedError> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, started) = oneshot::channel();
        let options = Options::new(data_dir.to_owned(), (Ipv4Addr::LOCALHOST, 0).into());
        let thread = thread::Builder::new()
            .name("acd-embedded".to_owned())
            .spawn(move || {
                let runtime = match tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                {
                    Ok(runtime) => runtime,
                    Err(error) => {
                        let _ = ready.send(Err(EmbeddedError::from(error)));
                        return;
                    }
                };
                runtime.block_on(async {
                    let server = match Server::bind(options).await {
                        Ok(server) => server,
                        Err(error) => {
                            let _ = ready.send(Err(error.into()));
                            return;
                        }
                    };
                    let address = (server.endpoint(), server.local_token());
                    if ready.send(Ok(address)).is_err() {
                        return;
                    }
                    let shutdown = async {
                        // An error is a sender that is gone, which means the same.
                        let _ = stopped.await;
                    };
                    if let Err(error) = server.serve(shutdown).await {
                        tracing::error!("the embedded drive stopped: {error}");
                    }
                });
            })?;
        let (endpoint, token) = match started.await {
            Ok(outcome) => outcome?,
            Err(_) => return Err(io::Error::other("its thread has ended").into()),
        };
        Ok(Self {
            endpoint,
            token,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has told its error, if any.
            let _ = thread.join();
        }
    }
}
