//! Guessing passwords is slow work: who fails often must wait.

use std::{
    net::IpAddr,
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lru::LruCache;

use crate::peers::network;

/// Counts failed attempts, by user name and by peer, in this process's memory.
///
/// An attempt that has to wait is not looked at and does not make the wait longer. Where a
/// user has signed in before, since this server started, neither guesses made elsewhere nor
/// those at other names count; where not, who guesses without a pause can keep the user
/// waiting.
pub(crate) struct Throttle(Mutex<Tables>);

struct Tables {
    attempts: LruCache<Key, Attempts>,
    /// Users and the peers they have signed in from.
    known: LruCache<(String, IpAddr), ()>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    User(String),
    Peer(IpAddr),
    /// A user where they have signed in before.
    Known(String, IpAddr),
}

#[derive(Clone, Copy, Default)]
struct Attempts {
    failed: u32,
    /// Milliseconds since 1970.
    last: i64,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Tables {
            attempts: LruCache::new(REMEMBERED),
            known: LruCache::new(REMEMBERED),
        }))
    }

    /// Counts an attempt as failed until [`succeeded`](Self::succeeded) says otherwise, so that
    /// many at once gain nothing.
    ///
    /// # Errors
    /// How long to wait before the next attempt. This one must not be made.
    pub(crate) fn attempt(&self, user: &str, peer: IpAddr, now: i64) -> Result<(), Duration> {
        let peer = network(peer);
        let mut tables = self.tables();
        let keys = match tables.known.get(&(user.to_owned(), peer)) {
            Some(()) => vec![Key::Known(user.to_owned(), peer)],
            None => vec![Key::Peer(peer), Key::User(user.to_owned())],
        };
        let wait = keys.iter().map(|key| tables.wait(key, now)).max();
        match wait.unwrap_or_default() {
            0 => {
                for key in keys {
                    let attempts = tables.attempts.get_or_insert_mut(key, Attempts::default);
                    attempts.failed = attempts.failed.saturating_add(1);
                    attempts.last = now;
                }
                Ok(())
            }
            wait => Err(Duration::from_millis(wait.unsigned_abs())),
        }
    }

    /// The last attempt was the user's own.
    pub(crate) fn succeeded(&self, user: &str, peer: IpAddr) {
        let peer = network(peer);
        let mut tables = self.tables();
        tables.attempts.pop(&Key::User(user.to_owned()));
        tables.attempts.pop(&Key::Known(user.to_owned(), peer));
        let was_known = tables.known.put((user.to_owned(), peer), ()).is_some();
        // Not forgotten whole, and only what this attempt itself had counted: a guesser with an
        // account of its own would start anew each time.
        if !was_known && let Some(attempts) = tables.attempts.get_mut(&Key::Peer(peer)) {
            attempts.failed = attempts.failed.saturating_sub(1);
        }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// Milliseconds.
    fn wait(&mut self, key: &Key, now: i64) -> i64 {
        let Some(attempts) = self.attempts.get(key).copied() else {
            return 0;
        };
        if now - attempts.last > FORGOTTEN {
            self.attempts.pop(key);
            return 0;
        }
        let Some(more) = attempts.failed.checked_sub(FREE) else {
            return 0;
        };
        let wait = (1000_i64 << more.min(16)).min(LONGEST_WAIT);
        (attempts.last + wait - now).clamp(0, LONGEST_WAIT)
    }
}

/// Failures before there is any wait: then 1 s, 2 s, 4 s and so on.
const FREE: u32 = 10;

/// Milliseconds. A guesser gets 1,440 a day, and a user who is guessed at one in a minute.
const LONGEST_WAIT: i64 = 60_000;

/// Milliseconds after which failures no longer count.
const FORGOTTEN: i64 = 60 * 60 * 1000;

/// Names and peers remembered, the latest: a few megabytes.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn elsewhere(number: u8) -> IpAddr {
        [198, 51, 100, number].into()
    }

    #[test]
    fn waits_double_up_to_a_minute_and_end() {
        let throttle = Throttle::new();
        let mut now = 0;
        for _ in 0..FREE {
            throttle.attempt("anna", HOME, now).unwrap();
        }
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            for _ in 0..3 {
                let wait = throttle.attempt("anna", HOME, now).unwrap_err();
                assert_eq!(wait, Duration::from_secs(seconds));
            }
            now += i64::try_from(seconds).unwrap() * 1000;
            throttle.attempt("anna", HOME, now).unwrap();
        }
        now += FORGOTTEN + 1;
        for _ in 0..FREE {
            throttle.attempt("anna", HOME, now).unwrap();
        }
    }

    #[test]
    fn names_are_guessed_at_slowly_from_anywhere() {
        let throttle = Throttle::new();
        for number in 0..10 {
            throttle.attempt("anna", elsewhere(number), 0).unwrap();
        }
        throttle.attempt("anna", elsewhere(99), 0).unwrap_err();
        throttle.attempt("bert", elsewhere(99), 0).unwrap();
    }

    #[test]
    fn peers_try_many_names_slowly() {
        let throttle = Throttle::new();
        for number in 0..10 {
            throttle.attempt(&format!("user{number}"), HOME, 0).unwrap();
        }
        throttle.attempt("anna", HOME, 0).unwrap_err();
        throttle.attempt("anna", elsewhere(1), 0).unwrap();
    }

    #[test]
    fn guesses_elsewhere_do_not_keep_a_user_out_at_home() {
        let throttle = Throttle::new();
        throttle.attempt("anna", HOME, 0).unwrap();
        throttle.succeeded("anna", HOME);
        for number in 0..10 {
            throttle.attempt("anna", elsewhere(number), 0).unwrap();
        }
        throttle.attempt("anna", elsewhere(1), 0).unwrap_err();
        throttle.attempt("anna", HOME, 0).unwrap();
    }

    #[test]
    fn own_account_does_not_wash_a_guesser_clean() {
        let throttle = Throttle::new();
        for _ in 0..FREE {
            throttle.attempt("anna", HOME, 0).unwrap();
            if throttle.attempt("mallory", HOME, 0).is_ok() {
                throttle.succeeded("mallory", HOME);
            }
        }
        throttle.attempt("anna", HOME, 0).unwrap_err();
    }

    #[test]
    fn own_account_does_not_help_to_try_many_names() {
        let throttle = Throttle::new();
        for number in 0..FREE {
            throttle.attempt(&format!("user{number}"), HOME, 0).unwrap();
            if throttle.attempt("mallory", HOME, 0).is_ok() {
                throttle.succeeded("mallory", HOME);
            }
        }
        throttle.attempt("anna", HOME, 0).unwrap_err();
    }

    #[test]
    fn made_up_names_do_not_keep_a_user_out_behind_the_same_proxy() {
        let throttle = Throttle::new();
        throttle.attempt("anna", HOME, 0).unwrap();
        throttle.succeeded("anna", HOME);
        for number in 0..FREE {
            throttle.attempt(&format!("user{number}"), HOME, 0).unwrap();
        }
        throttle.attempt("other", HOME, 0).unwrap_err();
        throttle.attempt("anna", HOME, 0).unwrap();
    }

    #[test]
    fn ipv6_peers_are_networks() {
        let parse = |text: &str| network(text.parse().unwrap());
        assert_eq!(parse("2001:db8:1:2:3:4:5:6"), parse("2001:db8:1:2::1"));
        assert_ne!(parse("2001:db8:1:2::1"), parse("2001:db8:1:3::1"));
        assert_eq!(parse("::ffff:192.0.2.1"), HOME);
    }
}
