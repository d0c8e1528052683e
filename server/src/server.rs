//! The server as its user sees it: bound, asked for its address, run, stopped.

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::{JoinSet, spawn_blocking},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use url::Url;

use crate::{
    Error, Limits,
    accounts::Drives,
    api::{self, Admin, Listening, Metrics, Peer, Site},
    client_config,
    clock::Clock,
    connection::{Shared, answer},
    data_dir::storage,
    durability::Durability,
    fault::{self, Faults, InvalidFault},
    ids, janitor,
    peers::Peers,
    tls,
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
    /// The certificate, with those that vouch for it behind it, and its key, as PEM files:
    /// connections are encrypted then, and only then.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// `https://NAME` by which clients reach the server, where that is not an address of this
    /// machine: all addresses it gives out begin like this.
    pub public_url: Option<String>,
    /// What clients may take up.
    pub limits: Limits,
    clock: Clock,
    faults: Vec<String>,
    fault_admin: bool,
    metrics_token: Option<[u8; 32]>,
}

impl Options {
    /// A server over this directory that listens here.
    pub fn new(data_dir: impl Into<PathBuf>, listen: SocketAddr) -> Self {
        Self {
            data_dir: data_dir.into(),
            listen,
            durability: Durability::default(),
            trash_retention: Some(janitor::RETENTION),
            tls: None,
            public_url: None,
            limits: Limits::default(),
            clock: Clock::default(),
            faults: Vec::new(),
            fault_admin: false,
            metrics_token: None,
        }
    }

    /// Takes the time from here in place of the system: dates of nodes, the expiry of tokens
    /// and of pages. For tests that cannot wait an hour.
    #[must_use]
    pub fn with_clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    /// Has these fault rules in force from the start, behind those given before: see
    /// [`fault`].
    ///
    /// # Errors
    /// The first that is no rule.
    pub fn with_faults<R: Into<String>>(
        mut self,
        rules: impl IntoIterator<Item = R>,
    ) -> Result<Self, InvalidFault> {
        let first = self.faults.len();
        self.faults.extend(rules.into_iter().map(Into::into));
        fault::check(self.faults[first..].iter().map(String::as_str))?;
        Ok(self)
    }

    /// Lets who has the token change fault rules by calls of `/admin/faults`, from this
    /// machine: see [`Server::fault_admin`].
    #[must_use]
    pub fn with_fault_admin(mut self) -> Self {
        self.fault_admin = true;
        self
    }

    /// Lets whoever sends this bearer token read `/metrics`, from anywhere. Those on the same
    /// machine need none, unless they ask for another, as a reverse proxy does.
    #[must_use]
    pub fn with_metrics_token(mut self, token: &str) -> Self {
        self.metrics_token = Some(ids::digest(token));
        self
    }
}

/// A server that has its port and its data directory. Clients can connect already; they are
/// answered once [`serve`](Self::serve) runs.
pub struct Server {
    data_dir: PathBuf,
    listener: TcpListener,
    listening: Listening,
    tls: Option<TlsAcceptor>,
    limits: Arc<Limits>,
    site: Site,
    metrics: Arc<Metrics>,
    faults: Faults,
    admin: Option<Admin>,
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
    /// - [`Error::Tls`], [`Error::PublicUrl`]: they cannot be used.
    pub async fn bind(options: Options) -> Result<Self, Error> {
        let Options {
            data_dir,
            listen,
            durability,
            trash_retention,
            tls,
            public_url,
            limits,
            clock,
            faults: rules,
            fault_admin,
            metrics_token,
        } = options;
        let public = public_url.as_deref().map(origin).transpose()?;
        let tls = match tls {
            Some((certificate, key)) => {
                let reading = spawn_blocking(move || tls::acceptor(&certificate, &key));
                Some(reading.await.expect("reading files does not panic")?)
            }
            None => None,
        };
        let bind = |source| Error::Bind {
            address: listen,
            source,
        };
        let listener = TcpListener::bind(listen).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let faults = Faults::new(clock.clone());
        for rule in rules {
            // Each was checked when it was given.
            let _ = faults.add(&rule);
        }
        let drives = Drives::open(&data_dir, clock.clone(), durability, trash_retention).await?;
        Ok(Self {
            data_dir,
            listener,
            listening: Listening {
                address,
                encrypted: tls.is_some(),
                public,
            },
            tls,
            limits: Arc::new(limits),
            site: Site::new(drives, clock),
            metrics: Arc::new(Metrics::new(metrics_token)),
            faults,
            admin: fault_admin.then(Admin::new),
        })
    }

    /// The address listened on, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.listening.address
    }

    /// Where clients find the server: `http://ADDRESS`, or the public address, without a slash
    /// at the end.
    pub fn base(&self) -> String {
        self.listening.url()
    }

    /// `http://ADDRESS/drive/v1/`: what a client calls `account/endpoint` of, to learn all
    /// other addresses.
    pub fn endpoint(&self) -> String {
        format!("{}{}", self.base(), api::METADATA)
    }

    /// A bearer token for all calls, good for as long as this server runs. It is kept in
    /// memory only.
    pub fn local_token(&self) -> String {
        self.site.local.token().to_owned()
    }

    /// The fault rules in force: to be added, removed and counted while the server runs. When
    /// it has stopped there are none.
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// Writes `fault-admin.token` into the data directory, with mode 0600 and all at once, and
    /// says where it is: the bearer token for `/admin/faults`, good for as long as this server
    /// runs. `None` if the options do not ask for that.
    ///
    /// # Errors
    /// [`Error::DataDirectory`]: the file cannot be written.
    pub async fn fault_admin(&self) -> Result<Option<PathBuf>, Error> {
        let Some(admin) = &self.admin else {
            return Ok(None);
        };
        let path = self.data_dir.join("fault-admin.token");
        client_config::write_secret(&path, format!("{}\n", admin.token())).await?;
        Ok(Some(path))
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
            self.site.accounts(),
            &self.site.clock,
        )
        .await
    }

    /// Whether anybody can sign in.
    ///
    /// # Errors
    /// [`Error::Storage`]: the metadata cannot be read.
    pub async fn has_users(&self) -> Result<bool, Error> {
        let users = self.site.accounts().users().await;
        let users = users.map_err(|error| storage(&self.data_dir, error))?;
        Ok(!users.is_empty())
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
            listening,
            tls,
            limits,
            site,
            metrics,
            faults,
            admin,
            ..
        } = self;
        let running = site.drives.running();
        // Aborted with this future.
        let mut late = JoinSet::new();
        late.spawn(faults.clone().run_late());
        let (stop, stopping) = watch::channel(());
        let peers = Peers::new(limits.connections_of_a_peer);
        let slots = Arc::new(Semaphore::new(limits.connections));
        let shared = Shared {
            router: api::router(site, limits.clone(), metrics.clone(), faults.clone(), admin),
            tls,
            limits,
            listening,
            stopping,
        };
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                (slot, accepted) = accept(&listener, &slots) => match accepted {
                    Ok((stream, peer)) => {
                        let Some(share) = peers.enter(peer.ip()) else {
                            continue;
                        };
                        let open = metrics.connection();
                        let answer = answer(stream, Peer(peer), shared.clone());
                        connections.spawn(async move {
                            answer.await;
                            drop((slot, share, open));
                        });
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
        drop((listener, stop, shared));
        faults.stop();
        let ended = timeout(GRACE, async {
            while connections.join_next().await.is_some() {}
        });
        if ended.await.is_err() {
            connections.shutdown().await;
        }
        // What waits to appear late appears now. The writes take milliseconds.
        late.join_all().await;
        faults.finish().await;
        // Uploads cut off above may still be on their way through the writer.
        running.close(GRACE).await;
        Ok(())
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Server");
        shown
            .field("data_dir", &self.data_dir)
            .field("address", &self.listening.address);
        shown.finish_non_exhaustive()
    }
}

/// The next connection, when there is room for one. Those that wait, wait in the system.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (
    Option<OwnedSemaphorePermit>,
    io::Result<(TcpStream, SocketAddr)>,
) {
    let slot = slots.clone().acquire_owned().await.ok();
    (slot, listener.accept().await)
}

/// The address as an origin: clients put paths behind it.
fn origin(public_url: &str) -> Result<Arc<str>, Error> {
    let url = Url::parse(public_url).ok();
    let origin = url.filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    match origin {
        Some(url) => Ok(url.origin().ascii_serialization().into()),
        None => Err(Error::PublicUrl {
            url: public_url.to_owned(),
        }),
    }
}

/// How long requests may go on once the server is to stop.
const GRACE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_address_is_an_origin() {
        for (url, expected) in [
            ("https://Drive.example", "https://drive.example"),
            ("https://drive.example:443/", "https://drive.example"),
            ("http://drive.example:8080", "http://drive.example:8080"),
        ] {
            assert_eq!(&*origin(url).unwrap(), expected);
        }
        for wrong in [
            "drive.example",
            "ftp://drive.example",
            "https://drive.example/below",
            "https://drive.example/?x",
            "https://user@drive.example",
            "",
        ] {
            let refused = origin(wrong);
            assert!(matches!(refused, Err(Error::PublicUrl { .. })), "{wrong}");
        }
    }
}
