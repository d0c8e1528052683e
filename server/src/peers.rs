//! How many connections each peer has, so that no one of them takes all there are.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The connections of each network that has any. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Peers {
    most: usize,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection. Dropping it makes room for another.
pub(crate) struct Slot {
    peers: Peers,
    network: IpAddr,
}

impl Peers {
    /// `most`: connections of one network at once.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            open: Arc::default(),
        }
    }

    /// `None`: it has as many as it may. This machine may have any number: a proxy comes for
    /// all its clients.
    pub(crate) fn enter(&self, peer: IpAddr) -> Option<Slot> {
        let network = network(peer);
        let mut open = self.open();
        let count = open.entry(network).or_default();
        if *count >= self.most && !network.is_loopback() {
            return None;
        }
        *count += 1;
        drop(open);
        Some(Slot {
            peers: self.clone(),
            network,
        })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.peers.open();
        if let Some(count) = open.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.network);
            }
        }
    }
}

/// What one customer of a provider has: an IPv4 address, or 2^64 of IPv6.
pub(crate) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_peer_takes_more_than_its_share() {
        let peers = Peers::new(2);
        let enter = |peer: &str| peers.enter(peer.parse().unwrap());
        let first = enter("192.0.2.1").unwrap();
        let _second = enter("::ffff:192.0.2.1").unwrap();
        assert!(enter("192.0.2.1").is_none());
        let _other = enter("192.0.2.2").unwrap();
        drop(first);
        let _third = enter("192.0.2.1").unwrap();
        let _one = enter("2001:db8::1").unwrap();
        let _two = enter("2001:db8::ffff:1").unwrap();
        assert!(enter("2001:db8::2").is_none(), "of the same network");
        let here: Vec<_> = (0..10).map(|_| enter("127.0.0.1").unwrap()).collect();
        let here6: Vec<_> = (0..10).map(|_| enter("::1").unwrap()).collect();
        drop((here, here6));
        assert_eq!(peers.open().len(), 3, "those without any are forgotten");
    }
}
