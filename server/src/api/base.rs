//! The server's own address, as a client can use it.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, header, uri::Authority};

/// Where a connection came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// `http://HOST:PORT` for the reply to this request. The `Host` a client sent is what it
/// reaches the server by, so it is kept, but only where it names this machine: an address
/// given out is one that a client sends its token to.
pub(super) fn url(headers: &HeaderMap, local: SocketAddr) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let authority = host.and_then(|host| host.parse::<Authority>().ok());
    match authority {
        Some(authority) if is_ours(&authority, local) => format!("http://{authority}"),
        _ => format!("http://{local}"),
    }
}

/// The address to reach a server by that listens here: where that is every address of the
/// machine, the loopback one.
pub(crate) fn reachable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listening.port())
}

fn is_ours(authority: &Authority, local: SocketAddr) -> bool {
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse::<IpAddr>()
        .is_ok_and(|ip| ip.is_loopback() || ip == local.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_kept_only_if_it_names_this_machine() {
        let local: SocketAddr = "192.168.1.5:8000".parse().unwrap();
        for (host, expected) in [
            ("localhost:8000", "http://localhost:8000"),
            ("127.0.0.1:9", "http://127.0.0.1:9"),
            ("[::1]:8000", "http://[::1]:8000"),
            ("192.168.1.5:8000", "http://192.168.1.5:8000"),
            ("evil.example:8000", "http://192.168.1.5:8000"),
            ("localhost@evil.example", "http://192.168.1.5:8000"),
            ("x@localhost", "http://192.168.1.5:8000"),
            ("192.168.1.6:8000", "http://192.168.1.5:8000"),
            ("", "http://192.168.1.5:8000"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            assert_eq!(url(&headers, local), expected, "{host}");
        }
        assert_eq!(url(&HeaderMap::new(), local), "http://192.168.1.5:8000");
    }

    #[test]
    fn every_address_is_reached_by_loopback() {
        for (listening, expected) in [
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("10.0.0.1:1", "10.0.0.1:1"),
        ] {
            assert_eq!(
                reachable(listening.parse().unwrap()),
                expected.parse().unwrap()
            );
        }
    }
}
