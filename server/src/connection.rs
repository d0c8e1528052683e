//! One connection: encrypted or not, and all the requests that come over it.

use std::{convert::Infallible, pin::pin, sync::Arc};

use axum::{Router, body::Body};
use http::{Request, Uri};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

use crate::{
    Limits,
    api::{Listening, LocalAddress, Peer},
    fault::{self, Control},
    pace::{Drained, Paced},
};

/// What all connections of a server share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) router: Router,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) listening: Listening,
    pub(crate) stopping: watch::Receiver<()>,
}

/// Answers the requests of one connection, until it ends or the server stops.
pub(crate) async fn answer(stream: TcpStream, peer: Peer, mut shared: Shared) {
    let Ok(address) = stream.local_addr() else {
        return;
    };
    shared.listening.address = address;
    // Small replies must not wait for a full packet.
    let _ = stream.set_nodelay(true);
    let (stream, control) = fault::watch(stream, address.ip());
    let ending = control.clone();
    let stream = Drained::new(stream, &shared.limits);
    tokio::select! {
        () = secured(stream, peer, control, shared) => {}
        // A fault rule has it end: the stream is dropped here.
        () = ending.ended() => {}
    }
}

/// Encrypts the connection first, if this server does.
async fn secured(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: Peer,
    control: Control,
    shared: Shared,
) {
    let Some(tls) = shared.tls.clone() else {
        return requests(stream, peer, control, shared).await;
    };
    let mut stopping = shared.stopping.clone();
    let encrypted = tokio::select! {
        encrypted = timeout(shared.limits.handshake_time, tls.accept(stream)) => encrypted,
        _ = stopping.changed() => return,
    };
    match encrypted {
        Ok(Ok(stream)) => requests(stream, peer, control, shared).await,
        Ok(Err(error)) => {
            tracing::debug!(target: "amazon_drive_server", %error, "connection was not encrypted");
        }
        Err(_) => {
            tracing::debug!(target: "amazon_drive_server", "connection took too long to be encrypted");
        }
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: Peer,
    control: Control,
    shared: Shared,
) {
    let Shared {
        router,
        limits,
        listening,
        mut stopping,
        ..
    } = shared;
    let header_time = limits.header_time;
    let requests = service_fn(move |request: Request<Incoming>| {
        let mut router = router.clone();
        let mut request = request.map(|body| Body::new(Paced::new(body, &limits)));
        collapse_slashes(request.uri_mut());
        request
            .extensions_mut()
            .insert(LocalAddress(listening.clone()));
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(control.clone());
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
        .header_read_timeout(header_time);
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
