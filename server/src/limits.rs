//! What a client may take up.

use std::time::Duration;

/// What a client may take up of a server. The defaults are what servers on the internet use;
/// no program of the service's days comes near them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Connections at once. More wait until one of them ends.
    pub connections: usize,
    /// Connections at once from one address, or one network of IPv6, other than this machine.
    /// More are closed.
    pub connections_of_a_peer: usize,
    /// Bytes of a request's headers, names and values. More get 431.
    pub header_bytes: usize,
    /// Bytes of a request's path and query. More get 414.
    pub uri_bytes: usize,
    /// How long a request's headers may take, and how long a connection may be idle.
    pub header_time: Duration,
    /// How long it may take until a connection is encrypted.
    pub handshake_time: Duration,
    /// A client that is waited for so long, and has not sent (or taken) [`slow_bytes`] bytes
    /// meanwhile, is cut off.
    ///
    /// [`slow_bytes`]: Self::slow_bytes
    pub slow_time: Duration,
    /// See [`slow_time`](Self::slow_time).
    pub slow_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS,
            connections_of_a_peer: CONNECTIONS_OF_A_PEER,
            header_bytes: HEADER_BYTES,
            uri_bytes: URI_BYTES,
            header_time: HEADER_TIME,
            handshake_time: HANDSHAKE_TIME,
            slow_time: SLOW_TIME,
            slow_bytes: SLOW_BYTES,
        }
    }
}

/// Each takes a descriptor and, while it uploads, another: systems give a process 1024 or more.
const CONNECTIONS: usize = 400;

/// More than any client opens, and three others are left with as many.
const CONNECTIONS_OF_A_PEER: usize = CONNECTIONS / 4;

/// An access token has some 400 bytes, and may have 2 KiB.
const HEADER_BYTES: usize = 32 * 1024;

/// A filter that names a hundred nodes has 3 KiB.
const URI_BYTES: usize = 16 * 1024;

/// hyper's own default.
const HEADER_TIME: Duration = Duration::from_secs(30);

/// Two round trips.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// As long as an upload may be silent: slow disks and other services behind a client take
/// minutes at times.
const SLOW_TIME: Duration = Duration::from_secs(300);

/// A client that sends byte by byte to hold a connection sends less, and no modem did.
const SLOW_BYTES: u64 = 16 * 1024;
