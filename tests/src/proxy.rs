//! A proxy that stands in for `drive.amazonaws.com`.
//!
//! rclone's first address is fixed, so its way there must lead here: the proxy takes
//! `CONNECT drive.amazonaws.com:443`, shows a certificate made for that name a moment ago,
//! and hands what comes to a server of ours. All later addresses are in that server's
//! answers.

use std::{net::SocketAddr, path::Path, sync::Arc, thread};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig, crypto,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

/// A running proxy. Ends when dropped.
pub struct Proxy {
    address: SocketAddr,
    certificate: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Proxy {
    /// Starts one on a free loopback port, in front of the server that listens here.
    pub fn start(server: SocketAddr) -> Self {
        let made = rcgen::generate_simple_self_signed([HOST.to_owned()])
            .expect("a certificate can be made");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())
            .expect("the key was made in this form");
        let acceptor = acceptor(made.cert.der().clone(), key);
        let (ready, started) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build()
                .expect("a runtime can be made");
            runtime.block_on(async {
                let listener = TcpListener::bind(("127.0.0.1", 0))
                    .await
                    .expect("loopback has a free port");
                let address = listener.local_addr().expect("it is bound");
                let _ = ready.send(address);
                let serving = async {
                    while let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(tunnel(stream, acceptor.clone(), server));
                    }
                };
                tokio::select! {
                    () = serving => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address: started.recv().expect("the thread says where it listens"),
            certificate: made.cert.pem(),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// For `HTTPS_PROXY`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Writes the certificate to trust, in PEM.
    pub fn write_certificate(&self, path: &Path) {
        std::fs::write(path, &self.certificate).expect("a file can be written");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn acceptor(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> TlsAcceptor {
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("key and certificate belong together");
    TlsAcceptor::from(Arc::new(config))
}

/// One connection. Its end, of whatever kind, is the two peers' affair.
async fn tunnel(stream: TcpStream, acceptor: TlsAcceptor, server: SocketAddr) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    stream.read_line(&mut request).await.ok()?;
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await.ok()?;
        if header.trim().is_empty() {
            break;
        }
    }
    if !request.starts_with(&format!("CONNECT {HOST}:443 ")) {
        let refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
        return stream.get_mut().write_all(refusal).await.ok();
    }
    let granted = b"HTTP/1.1 200 Connection established\r\n\r\n";
    stream.get_mut().write_all(granted).await.ok()?;
    let mut client = acceptor.accept(stream).await.ok()?;
    let mut server = TcpStream::connect(server).await.ok()?;
    copy_bidirectional(&mut client, &mut server).await.ok()?;
    Some(())
}

/// Where the service's discovery was.
const HOST: &str = "drive.amazonaws.com";
