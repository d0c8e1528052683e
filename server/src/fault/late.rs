//! What is still to be committed when its reply has long been given.
//!
//! Each is a whole upload, durable on the disk, that waits for its time by the server's
//! clock. A timer sees to that; every request looks as well, so that a test that moves the
//! clock need not wait. A server that stops commits all of them at once: nothing is lost,
//! and nothing is waited for. If the process is killed, they are gone, as every upload that
//! was not acknowledged.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::sync::Notify;

#[derive(Default)]
pub(super) struct Late {
    waiting: Mutex<Vec<Commit>>,
    added: Notify,
}

struct Commit {
    /// Milliseconds since 1970.
    due: i64,
    run: BoxFuture<'static, ()>,
}

impl Late {
    pub(super) fn add(&self, due: i64, run: BoxFuture<'static, ()>) {
        self.lock().push(Commit { due, run });
        self.added.notify_one();
    }

    /// Runs what is due, in the order in which it became so. Says how many that were.
    pub(super) async fn run_due(&self, now: i64) -> usize {
        let mut due: Vec<Commit> = self
            .lock()
            .extract_if(.., |commit| commit.due <= now)
            .collect();
        due.sort_by_key(|commit| commit.due);
        let count = due.len();
        for commit in due {
            commit.run.await;
        }
        count
    }

    /// How long until the next is due; `None` if nothing waits.
    pub(super) fn next(&self, now: i64) -> Option<Duration> {
        let next = self.lock().iter().map(|commit| commit.due).min()?;
        let left = u64::try_from(next.saturating_sub(now)).unwrap_or_default();
        Some(Duration::from_millis(left))
    }

    /// Returns when something was added since this was last called.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Commit>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
