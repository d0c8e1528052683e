//! The server as its user sees it: bound, asked for its address, run, stopped.

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::Router;
use http::{Request, Uri};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tower_service::Service as _;

use crate::{
    Error,
    api::{self, Local, LocalAddress, Service},
    client_config,
    clock::Clock,
    data_dir::DataDir,
    durability::Durability,
    janitor,
};

/// What a server is to work on, and where it is to listen.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The data directory. Created if it is missing, with all folders above it.
    pub data_dir: PathBuf,
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// When acknowledged changes are on the disk.
    pub durability: Durability,
    /// How long a node stays in the trash before it is purged: 30 days, as at the service,
    /// if nothing else is said. `None`: for ever.
    pub trash_retention: Option<Duration>,
    clock: Clock,
}

impl Options {
    /// A server over this directory that listens here.
    pub fn new(data_dir: impl Into<PathBuf>, listen: SocketAddr) -> Self {
        Self {
            data_dir: data_dir.into(),
            listen,
            durability: Durability::default(),
            trash_retention: Some(janitor::RETENTION),
            clock: Clock::default(),
        }
    }

    /// Takes the time from here in place of the system: dates of nodes, the expiry of tokens
    /// and of pages. For tests that cannot wait an hour.
    #[must_use]
    pub fn with_clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }
}

/// A server that has its port and its data directory. Clients can connect already; they are
/// answered once [`serve`](Self::serve) runs.
pub struct Server {
    data_dir: PathBuf,
    listener: TcpListener,
    address: SocketAddr,
    service: Service,
    collector: JoinHandle<()>,
    /// Ends when it is dropped.
    janitor: JoinSet<()>,
}

impl Server {
    /// Opens the data directory, creating or migrating it where needed, removes what servers
    /// that were killed left in it, and takes the port. Needs a Tokio runtime.
    ///
    /// # Errors
    /// - [`Error::NewerSchema`]: the directory belongs to a newer version; nothing changed.
    /// - [`Error::NotADirectory`], [`Error::DataDirectory`], [`Error::Storage`]: it cannot
    ///   be used.
    /// - [`Error::Bind`]: the address cannot be had.
    pub async fn bind(options: Options) -> Result<Self, Error> {
        let Options {
            data_dir,
            listen,
            durability,
            trash_retention,
            clock,
        } = options;
        let bind = |source| Error::Bind {
            address: listen,
            source,
        };
        let listener = TcpListener::bind(listen).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let opened = DataDir::open(&data_dir, clock.now(), durability).await?;
        let (garbage, collected) = mpsc::unbounded_channel();
        for object in opened.garbage {
            let _ = garbage.send(object);
        }
        let collector = opened
            .objects
            .clone()
            .collect_garbage(opened.store.clone(), collected);
        let mut janitor = JoinSet::new();
        if let Some(retention) = trash_retention {
            janitor.spawn(janitor::purge_trash(
                opened.store.clone(),
                clock.clone(),
                garbage.clone(),
                retention,
            ));
        }
        Ok(Self {
            data_dir,
            listener,
            address,
            service: Service {
                store: opened.store,
                objects: opened.objects,
                garbage,
                clock,
                local: Arc::new(Local::new()),
            },
            collector: tokio::spawn(collector),
            janitor,
        })
    }

    /// The address listened on, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// `http://ADDRESS/drive/v1/`: what a client calls `account/endpoint` of, to learn all
    /// other addresses.
    pub fn endpoint(&self) -> String {
        format!("{}{}", self.base(), api::METADATA)
    }

    /// A bearer token for all calls, good for as long as this server runs. It is kept in
    /// memory only.
    pub fn local_token(&self) -> String {
        self.service.local.token().to_owned()
    }

    /// Writes `client.conf` into the data directory, with mode 0600 and all at once, and
    /// says where it is: a section `[drive]` in rclone's format by which a client can use
    /// this server. The client and refresh token of a file that is there are kept if they
    /// are still good; if not, or if there is none, new ones are made.
    ///
    /// # Errors
    /// [`Error::DataDirectory`], [`Error::Storage`]: the file or the metadata cannot be
    /// written.
    pub async fn client_config(&self) -> Result<PathBuf, Error> {
        client_config::write(
            &self.data_dir,
            &self.base(),
            &self.service.store,
            &self.service.clock,
        )
        .await
    }

    /// Answers requests until `shutdown` ends. Then takes no more connections, lets running
    /// requests end for up to ten seconds, cuts off those that have not, and closes the
    /// data directory.
    ///
    /// # Errors
    /// None so far; a failing request does not end the server.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let Self {
            listener,
            service,
            collector,
            janitor,
            ..
        } = self;
        let store = service.store.clone();
        let router = api::router(service);
        let (stop, stopping) = watch::channel(());
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(answer(stream, router.clone(), stopping.clone()));
                    }
                    // Out of descriptors, most likely: connections that end give some back.
                    Err(error) => {
                        tracing::warn!(target: "amazon_drive_server", %error, "connection was not accepted");
                        sleep(Duration::from_millis(100)).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
        drop((listener, stop, stopping, router));
        let ended = timeout(GRACE, async {
            while connections.join_next().await.is_some() {}
        });
        if ended.await.is_err() {
            connections.shutdown().await;
        }
        drop(janitor);
        // Ends when the last that could produce garbage is gone: uploads cut off above may
        // still be on their way through the writer.
        let _ = timeout(GRACE, collector).await;
        store.close().await;
        Ok(())
    }

    fn base(&self) -> String {
        format!("http://{}", api::reachable(self.address))
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Server");
        shown
            .field("data_dir", &self.data_dir)
            .field("address", &self.address);
        shown.finish_non_exhaustive()
    }
}

/// Answers the requests of one connection, until it ends or the server stops.
async fn answer(stream: TcpStream, router: Router, mut stopping: watch::Receiver<()>) {
    let Ok(local) = stream.local_addr() else {
        return;
    };
    // Small replies must not wait for a full packet.
    let _ = stream.set_nodelay(true);
    let requests = service_fn(move |request: Request<Incoming>| {
        let mut router = router.clone();
        let mut request = request.map(axum::body::Body::new);
        collapse_slashes(request.uri_mut());
        request.extensions_mut().insert(LocalAddress(local));
        async move {
            Ok::<_, Infallible>(
                router
                    .call(request)
                    .await
                    .unwrap_or_else(|never| match never {}),
            )
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), requests));
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(target: "amazon_drive_server", %error, "connection broke off");
    }
}

/// `//` counts as `/`: clients of the service append paths to addresses that end in one.
fn collapse_slashes(uri: &mut Uri) {
    if !uri.path().contains("//") {
        return;
    }
    let mut path = String::with_capacity(uri.path().len());
    for letter in uri.path().chars() {
        if letter != '/' || !path.ends_with('/') {
            path.push(letter);
        }
    }
    if let Some(query) = uri.query() {
        path.push('?');
        path.push_str(query);
    }
    if let Ok(collapsed) = path.parse() {
        *uri = collapsed;
    }
}

/// How long requests may go on once the server is to stop.
const GRACE: Duration = Duration::from_secs(10);

/// How long a request's headers may take, and how long a connection may be idle: hyper's own
/// default.
const HEADERS: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_slashes_count_as_one() {
        for (from, to) in [
            ("/drive/v1//nodes/x", "/drive/v1/nodes/x"),
            ("///nodes//?filters=a//b", "/nodes/?filters=a//b"),
            ("/nodes?x=//", "/nodes?x=//"),
        ] {
            let mut uri = from.parse().unwrap();
            collapse_slashes(&mut uri);
            assert_eq!(uri, to);
        }
    }
}
