//! A rule in force: when it applies, and how often it did.

use super::{
    conditions::{Conditions, Facts},
    effect::{Effect, Remembered},
    table::Definition,
};

pub(crate) struct Rule {
    pub(crate) id: u64,
    /// As it was given.
    pub(crate) text: String,
    pub(crate) definition: &'static Definition,
    pub(crate) effect: Effect,
    conditions: Conditions,
    often: Often,
    progress: Remembered<Progress>,
}

/// How often a rule applies, of the times it could.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Often {
    /// `None`: for ever.
    pub(crate) count: Option<u64>,
    /// Times that are let pass first.
    pub(crate) after: u64,
    /// Of the others, from 0 to 1.
    pub(crate) probability: f64,
    pub(crate) seed: u64,
}

#[derive(Clone, Debug)]
struct Progress {
    matched: u64,
    /// Times it began to apply: what `count` is about.
    begun: u64,
    /// Those, and what went on under one of them.
    hits: u64,
    random: fastrand::Rng,
}

impl Rule {
    pub(crate) fn new(
        id: u64,
        text: String,
        definition: &'static Definition,
        effect: Effect,
        conditions: Conditions,
        often: Often,
    ) -> Self {
        let progress = Progress {
            matched: 0,
            begun: 0,
            hits: 0,
            random: fastrand::Rng::with_seed(often.seed),
        };
        Self {
            id,
            text,
            definition,
            effect,
            conditions,
            often,
            progress: Remembered::new(progress),
        }
    }

    /// Whether the rule is about such a request. Counts nothing.
    pub(crate) fn is_about(&self, facts: &Facts) -> bool {
        self.is_about_size(facts, facts.size)
    }

    fn is_about_size(&self, facts: &Facts, size: Option<u64>) -> bool {
        self.definition.scope.covers(&facts.call) && self.conditions.hold(facts, size)
    }

    /// Whether the rule applies now. Asked where it can take effect and nowhere else, since
    /// it counts: each yes is one of `count`.
    pub(crate) fn applies(&self, facts: &Facts) -> bool {
        self.applies_to_size(facts, facts.size)
    }

    /// The same where the size of the content is known by now.
    pub(crate) fn applies_to_size(&self, facts: &Facts, size: Option<u64>) -> bool {
        if !self.is_about_size(facts, size) {
            return false;
        }
        let mut progress = self.progress.lock();
        progress.matched += 1;
        if progress.matched <= self.often.after
            || self
                .often
                .count
                .is_some_and(|count| progress.begun >= count)
        {
            return false;
        }
        // Drawn each time, so that a seed gives the same series whatever else is asked.
        if progress.random.f64() >= self.often.probability {
            return false;
        }
        progress.begun += 1;
        progress.hits += 1;
        drop(progress);
        self.log(facts);
        true
    }

    /// One more that an effect which has begun concerns.
    pub(crate) fn goes_on(&self, facts: &Facts) {
        self.progress.lock().hits += 1;
        self.log(facts);
    }

    fn log(&self, facts: &Facts) {
        tracing::info!(
            target: "amazon_drive_server::fault",
            rule = self.text,
            request = facts.request,
            "applied"
        );
    }

    /// Times it could have applied, and times it did.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let progress = self.progress.lock();
        (progress.matched, progress.hits)
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::{
        super::{call::Call, parse},
        *,
    };

    fn series(text: &str, length: usize) -> Vec<bool> {
        let rule = parse::rule(1, text).unwrap();
        let facts = Facts {
            call: Call::Create,
            method: Method::POST,
            path: "/cdproxy/nodes".into(),
            query: String::new(),
            size: Some(10),
            request: String::new(),
        };
        (0..length).map(|_| rule.applies(&facts)).collect()
    }

    #[test]
    fn count_and_after_are_those_of_the_matches() {
        assert_eq!(series("500", 3), [true; 3]);
        assert_eq!(series("500,count=2", 4), [true, true, false, false]);
        assert_eq!(series("500,after=2", 4), [false, false, true, true]);
        assert_eq!(series("500,after=1,count=1", 3), [false, true, false]);
        assert_eq!(series("500,count=1,size=11", 2), [false; 2]);
        assert_eq!(series("500,count=1,size>=10", 2), [true, false]);
    }

    #[test]
    fn seed_decides_the_series() {
        let series = |seed| series(&format!("500,probability=0.3,seed={seed}"), 1000);
        assert_eq!(series(7), series(7));
        assert_ne!(series(7), series(8));
        let hits = series(7).into_iter().filter(|hit| *hit).count();
        assert!((200..400).contains(&hits), "{hits}");
    }

    #[test]
    fn probability_is_a_promise_at_its_ends() {
        assert_eq!(series("500,probability=1", 50), [true; 50]);
        assert_eq!(series("500,probability=0", 50), [false; 50]);
    }
}
