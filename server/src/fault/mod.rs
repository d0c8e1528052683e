//! Faults: what the real service did wrong, at will.
//!
//! A rule such as `429,count=3` names one and says when it applies. The table of all is in
//! [`table`]; [`markdown`] is the document of it. Rules are in force in a [`Faults`], of
//! which each server has one; the code that applies them to requests is in `api::fault`.

mod call;
mod canned;
mod conditions;
mod connection;
mod effect;
mod late;
mod parse;
mod render;
mod rule;
mod table;
mod values;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use futures::future::BoxFuture;
use tokio::sync::watch;

pub(crate) use self::{
    call::{Call, parameter},
    canned::{Canned, CannedBody},
    conditions::Facts,
    connection::{Control, How, watch},
    effect::{Break, Effect, Ghost, Odd, OddNodes, Remembered, When},
    rule::Rule,
};
pub use self::{
    parse::InvalidFault,
    render::{list, markdown},
};
use crate::clock::Clock;

/// The fault rules in force on a server. Clones are handles on the same.
#[derive(Clone)]
pub struct Faults(Arc<Inner>);

struct Inner {
    clock: Clock,
    rules: Mutex<Vec<Arc<Rule>>>,
    /// Ids given out so far.
    ids: AtomicU64,
    late: late::Late,
    /// Rules, and commits to come. What costs nothing when it is 0.
    busy: AtomicUsize,
    stopping: watch::Sender<bool>,
}

/// A rule in force.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaultRule {
    /// What [`Faults::remove`] takes. Never used again.
    pub id: u64,
    /// The fault's name.
    pub name: String,
    /// The rule as it was given.
    pub rule: String,
    /// How often it could have applied.
    pub matched: u64,
    /// How often it did.
    pub hits: u64,
}

impl Faults {
    pub(crate) fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner {
            clock,
            rules: Mutex::default(),
            ids: AtomicU64::new(0),
            late: late::Late::default(),
            busy: AtomicUsize::new(0),
            stopping: watch::channel(false).0,
        }))
    }

    /// Puts a rule in force, behind those there are. Says its id.
    ///
    /// # Errors
    /// The text is no rule.
    pub fn add(&self, rule: &str) -> Result<u64, InvalidFault> {
        let id = self.0.ids.fetch_add(1, Ordering::Relaxed) + 1;
        let rule = Arc::new(parse::rule(id, rule)?);
        tracing::info!(target: "amazon_drive_server::fault", rule = rule.text, id, "in force");
        let mut rules = self.lock();
        rules.push(rule);
        self.0.busy.fetch_add(1, Ordering::Release);
        Ok(id)
    }

    /// Removes a rule; says whether there was one. Requests under way go on under it.
    pub fn remove(&self, id: u64) -> bool {
        self.remove_if(|rule| rule.id == id) > 0
    }

    /// Removes all rules of this name; says how many there were.
    pub fn remove_all(&self, name: &str) -> usize {
        self.remove_if(|rule| rule.definition.name == name)
    }

    /// Removes all rules. Uploads that are to appear late still will.
    pub fn clear(&self) {
        self.remove_if(|_| true);
    }

    fn remove_if(&self, which: impl Fn(&Rule) -> bool) -> usize {
        let mut rules = self.lock();
        let removed: Vec<_> = rules.extract_if(.., |rule| which(rule)).collect();
        self.0.busy.fetch_sub(removed.len(), Ordering::Release);
        // What they remember is dropped when nobody waits for the lock.
        drop(rules);
        removed.len()
    }

    /// How often the rules of this name in force have applied.
    pub fn hits(&self, name: &str) -> u64 {
        let rules = self.lock();
        let named = rules.iter().filter(|rule| rule.definition.name == name);
        named.map(|rule| rule.counts().1).sum()
    }

    /// The rules in force, in the order in which they apply.
    pub fn rules(&self) -> Vec<FaultRule> {
        let rules = self.lock();
        let shown = rules.iter().map(|rule| {
            let (matched, hits) = rule.counts();
            FaultRule {
                id: rule.id,
                name: rule.definition.name.to_owned(),
                rule: rule.text.clone(),
                matched,
                hits,
            }
        });
        shown.collect()
    }

    /// Whether there is anything to do for a request.
    pub(crate) fn any(&self) -> bool {
        self.0.busy.load(Ordering::Acquire) > 0
    }

    pub(crate) fn in_force(&self) -> Vec<Arc<Rule>> {
        self.lock().clone()
    }

    pub(crate) fn now(&self) -> i64 {
        self.0.clock.now()
    }

    /// Has this run once the server's clock is there, or when the server stops.
    pub(crate) fn run_later(&self, due: i64, run: BoxFuture<'static, ()>) {
        self.0.busy.fetch_add(1, Ordering::Release);
        self.0.late.add(due, run);
    }

    /// Runs what is due.
    pub(crate) async fn run_due(&self) {
        self.run_until(self.now()).await;
    }

    async fn run_until(&self, time: i64) {
        let count = self.0.late.run_due(time).await;
        self.0.busy.fetch_sub(count, Ordering::Release);
    }

    /// Runs what is late at its time, until the server stops, and then all.
    pub(crate) async fn run_late(self) {
        loop {
            self.run_due().await;
            let next = self.0.late.next(self.now());
            let sleep = async {
                match next {
                    Some(time) => tokio::time::sleep(time).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleep => {}
                () = self.0.late.added() => {}
                () = self.stopping() => break,
            }
        }
        self.run_until(i64::MAX).await;
    }

    /// Runs what is still late, and removes all rules: what they hold ends with the server.
    pub(crate) async fn finish(&self) {
        self.run_until(i64::MAX).await;
        self.clear();
    }

    /// Ends what waits: the server stops.
    pub(crate) fn stop(&self) {
        self.0.stopping.send_replace(true);
    }

    /// Returns when the server stops.
    pub(crate) fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopping = self.0.stopping.subscribe();
        async move {
            // The sender gone is an end as well.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Rule>>> {
        self.0.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.rules()).finish()
    }
}

/// Checks rules without putting them in force.
pub(crate) fn check<'a>(rules: impl IntoIterator<Item = &'a str>) -> Result<(), InvalidFault> {
    rules
        .into_iter()
        .try_for_each(|rule| parse::rule(0, rule).map(drop))
}

/// The rules in the text of a file: one a line; empty lines and those that begin with `#` are
/// none.
///
/// # Errors
/// The first line that is no rule, with its number.
pub fn rules_of(file: &str) -> Result<Vec<String>, InvalidFault> {
    parse::lines(file)
}
