//! What a rule does, with what it remembers for that.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;

use super::{canned::Canned, conditions::Pattern, connection::How};
use crate::api::{Origin, OtherAccount};

/// What happens to a call that a rule applies to. Where a time is given it is in
/// milliseconds by the server's clock.
pub(crate) enum Effect {
    /// Answered in place of the server.
    Reply(Canned),
    /// Answered so when calls come faster than the budget has it.
    RateLimit {
        budget: Budget,
        reply: Canned,
    },
    /// Once it has begun, every call is answered so for a time.
    Storm {
        lasts: i64,
        ends: Remembered<Option<i64>>,
        reply: Canned,
    },
    /// Each reply waits.
    Latency(Duration),
    /// Tokens given out live so long; the digests of those that were, and their ends.
    ShortTokens {
        lives: i64,
        ends: Remembered<HashMap<[u8; 32], i64>>,
    },
    /// Tokens given out open another account.
    SwapAccount(OtherAccount),

    /// Pages have this many nodes at most.
    PageLimit(u64),
    EmptyPage,
    /// What is this young is in no listing.
    ListingLag(i64),
    /// What has left a folder is still listed in it.
    MovedTwice {
        lasts: i64,
        moved: Remembered<Vec<Ghost>>,
    },
    /// Filters by name do not find these.
    NameMiss(Pattern),
    OddNode(OddNodes),

    /// The request's body breaks off here.
    BreakRequest {
        after: u64,
        by: Break,
    },
    /// The reply's body breaks off here.
    BreakReply {
        after: u64,
        by: Break,
    },
    /// The connection ends instead of a reply, before or after the call was handled.
    NoReply {
        handled: bool,
        how: How,
    },

    /// The reply to an upload received whole.
    Commit {
        when: When,
        reply: Canned,
    },
    ConflictBeforeBody,
    ConflictAfterBody,
    /// What was overwritten is shown as it was before.
    StaleOverwrite {
        lasts: i64,
        shown: Remembered<HashMap<String, Ghost>>,
    },
    WrongMd5 {
        reply: bool,
        node: bool,
        etag: bool,
    },

    /// Whole content larger than this is not given.
    RefuseDownload {
        above: u64,
        reply: Canned,
    },
    RedirectDownload {
        above: u64,
        origin: Origin,
    },
    CorruptDownload {
        at: u64,
    },

    ChangesDuplicate,
    ChangesNoEnd,
    ChangesReset,
}

/// How a body breaks off.
#[derive(Clone, Debug)]
pub(crate) enum Break {
    End(How),
    /// Nothing for so long, then it goes on. `None`: for ever.
    Stall(Option<Duration>),
    /// Of a request: answered so.
    Reply(Canned),
}

/// When an upload takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Now,
    After(i64),
    Never,
}

/// A node as it was, shown until then.
#[derive(Clone, Debug)]
pub(crate) struct Ghost {
    pub(crate) node: Value,
    /// The folder it is shown in. Empty: wherever the node is.
    pub(crate) folder: String,
    pub(crate) until: i64,
}

/// A node in each folder that is not there.
pub(crate) struct OddNodes {
    pub(crate) kind: Odd,
    /// Empty: none.
    pub(crate) name: String,
    /// Makes ids that are the same in each listing, and different in each folder.
    pub(crate) seed: String,
    /// Those that were listed, by id: a node that is listed can be read.
    pub(crate) listed: Remembered<HashMap<String, Value>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Odd {
    Pending,
    Asset,
    BogusParent,
    Nameless,
}

/// What an effect keeps between calls.
#[derive(Debug, Default)]
pub(crate) struct Remembered<T>(Mutex<T>);

impl<T> Remembered<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A bucket of tokens, full at first: one second's worth.
#[derive(Debug)]
pub(crate) struct Budget {
    per_second: u64,
    /// Thousandths of a token, and when they were counted.
    left: Remembered<Option<(u64, i64)>>,
}

impl Budget {
    pub(crate) fn new(per_second: u64) -> Self {
        Self {
            per_second,
            left: Remembered::default(),
        }
    }

    /// Whether there is a token left.
    pub(crate) fn take(&self, now: i64) -> bool {
        let full = self.per_second.saturating_mul(1000);
        let mut left = self.left.lock();
        let (tokens, then) = left.unwrap_or((full, now));
        let passed = u64::try_from(now.saturating_sub(then)).unwrap_or_default();
        let tokens = tokens
            .saturating_add(passed.saturating_mul(self.per_second))
            .min(full);
        let taken = tokens.checked_sub(1000);
        *left = Some((taken.unwrap_or(tokens), now.max(then)));
        taken.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_is_a_seconds_worth_and_fills_evenly() {
        let budget = Budget::new(2);
        assert!(budget.take(1000));
        assert!(budget.take(1000));
        assert!(!budget.take(1000));
        assert!(!budget.take(1499));
        assert!(budget.take(1500));
        assert!(!budget.take(1500));
        assert!(budget.take(90_000));
        assert!(budget.take(90_000));
        assert!(!budget.take(90_000));
        assert!(!budget.take(80_000), "the clock was set back");
    }
}
