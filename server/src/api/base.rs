//! The server's own address, as a client can use it.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use http::{HeaderMap, header, uri::Authority};

/// Where a connection came in, of which discovery makes the addresses it gives out.
#[derive(Clone, Debug)]
pub(crate) struct LocalAddress(pub(crate) Listening);

/// Where it came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Where the server can be reached.
#[derive(Clone, Debug)]
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    /// Connections are encrypted here.
    pub(crate) encrypted: bool,
    /// The origin that clients know the server by, if its owner says so.
    pub(crate) public: Option<Arc<str>>,
}

impl Listening {
    #[cfg(test)]
    fn new(address: SocketAddr) -> Self {
        Self {
            address,
            encrypted: false,
            public: None,
        }
    }

    /// Whether clients see an encrypted connection.
    pub(crate) fn is_secure(&self) -> bool {
        match &self.public {
            Some(public) => public.starts_with("https:"),
            None => self.encrypted,
        }
    }

    /// The origin for one who asks on this machine.
    pub(crate) fn url(&self) -> String {
        match &self.public {
            Some(public) => public.to_string(),
            None => format!("{}://{}", self.scheme(), reachable(self.address)),
        }
    }

    fn scheme(&self) -> &'static str {
        match self.encrypted {
            true => "https",
            false => "http",
        }
    }
}

/// `http://HOST:PORT` for the reply to this request. The `Host` a client sent is what it
/// reaches the server by, so it is kept, but only where it names this machine: an address
/// given out is one that a client sends its token to. A public origin goes before.
pub(super) fn url(headers: &HeaderMap, local: &Listening) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let authority = host.and_then(|host| host.parse::<Authority>().ok());
    match authority {
        Some(authority) if local.public.is_none() && is_ours(&authority, local.address) => {
            format!("{}://{authority}", local.scheme())
        }
        _ => local.url(),
    }
}

/// The address to reach a server by that listens here: where that is every address of the
/// machine, the loopback one.
fn reachable(listening: SocketAddr) -> SocketAddr {
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
        let mut local = Listening::new("192.168.1.5:8000".parse().unwrap());
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
            assert_eq!(url(&headers, &local), expected, "{host}");
        }
        assert_eq!(url(&HeaderMap::new(), &local), "http://192.168.1.5:8000");
        local.encrypted = true;
        assert_eq!(url(&HeaderMap::new(), &local), "https://192.168.1.5:8000");
    }

    #[test]
    fn public_origin_goes_before_all_else() {
        let mut local = Listening::new("192.168.1.5:8000".parse().unwrap());
        local.public = Some("https://drive.example".into());
        let mut headers = HeaderMap::new();
        for host in ["localhost:8000", "evil.example", "drive.example"] {
            headers.insert(header::HOST, host.parse().unwrap());
            assert_eq!(url(&headers, &local), "https://drive.example", "{host}");
        }
        assert!(local.is_secure());
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
