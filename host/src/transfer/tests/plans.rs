//! A component can be wrong; then nothing is done.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;

use super::{ends_of, memory::Memory};
use crate::{
    component::{Action, Clashes, Decision, Error, Item, NameRule, PlanOptions},
    transfer::{Mode, Options, Severity, Summary, drive, side::Decider},
};

/// Always decides the same, after failing some times.
struct Stubborn {
    decisions: Vec<Decision>,
    failures: AtomicUsize,
    error: Error,
}

impl Stubborn {
    fn answer<T>(&self, value: T) -> Result<T, Error> {
        let left = self.failures.load(Ordering::SeqCst);
        if left > 0 {
            self.failures.store(left - 1, Ordering::SeqCst);
            return Err(self.error.clone());
        }
        Ok(value)
    }
}

#[async_trait]
impl Decider for Stubborn {
    async fn plan(
        &self,
        _: Vec<Item>,
        _: Vec<Item>,
        _: PlanOptions,
    ) -> Result<Vec<Decision>, Error> {
        self.answer(self.decisions.clone())
    }

    async fn match_keys(
        &self,
        names: Vec<Vec<u8>>,
        _: NameRule,
        _: Clashes,
    ) -> Result<Vec<Vec<u8>>, Error> {
        Ok(names)
    }

    async fn display(&self, names: Vec<Vec<u8>>) -> Result<Vec<String>, Error> {
        let shown = |name| String::from_utf8(name).unwrap();
        Ok(names.into_iter().map(shown).collect())
    }
}

/// Source: file 0 `f`, folder 1 `g`. Destination: file 0 `f`, file 1 `x`.
async fn run(mode: Mode, decider: Stubborn) -> (Summary, Arc<Memory>) {
    let source = Memory::new(NameRule::Exact, &[("f", "1"), ("g/", "")]);
    let destination = Memory::new(NameRule::Exact, &[("f", "2"), ("x", "3")]);
    let destination = Arc::new(destination);
    let ends = ends_of(&Arc::new(source), &destination);
    let options = Options::default();
    let summary = drive::drive(ends, mode, options, Arc::new(decider), Arc::new(())).await;
    (summary, destination)
}

fn deciding(decisions: &[(Action, Option<u32>, Option<u32>)]) -> Stubborn {
    let decision = |&(action, source, destination)| Decision {
        action,
        source,
        destination,
        winner: None,
        new_name: None,
    };
    Stubborn {
        decisions: decisions.iter().map(decision).collect(),
        failures: AtomicUsize::new(0),
        error: Error::Cancelled,
    }
}

/// The right plan for what `run` sets up.
const RIGHT: [(Action, Option<u32>, Option<u32>); 3] = [
    (Action::Overwrite, Some(0), Some(0)),
    (Action::MakeFolder, Some(1), None),
    (Action::Keep, None, Some(1)),
];

#[tokio::test]
async fn impossible_plans_are_refused_whole() {
    let with = |index: usize, wrong| {
        let mut plan = RIGHT.to_vec();
        plan[index] = wrong;
        plan
    };
    let remove = (Action::Remove, None, Some(1));
    for (what, plan) in [
        (
            "an index too large",
            with(0, (Action::Overwrite, Some(2), Some(0))),
        ),
        ("an item twice", with(2, (Action::Keep, None, Some(0)))),
        ("an item forgotten", RIGHT[..2].to_vec()),
        ("nothing", Vec::new()),
        (
            "a folder as a file",
            with(1, (Action::Create, Some(1), None)),
        ),
        (
            "a file as a folder",
            with(0, (Action::Descend, Some(0), Some(0))),
        ),
        ("a removal in a copy", with(2, remove)),
        (
            "a removal of what the source has",
            with(0, (Action::Remove, Some(0), Some(0))),
        ),
        (
            "a clash without a winner",
            with(1, (Action::NameClash, Some(1), None)),
        ),
        (
            "about nothing",
            [&RIGHT[..], &[(Action::Keep, None, None)]].concat(),
        ),
    ] {
        let (summary, destination) = run(Mode::Copy, deciding(&plan)).await;
        let codes: Vec<_> = summary.errors.iter().map(|it| it.error.code()).collect();
        assert_eq!(codes, ["bad-plan"], "{what}");
        assert_eq!(destination.calls(), ["list "], "{what}");
    }
    let with_removal = with(2, remove);
    let (summary, destination) = run(Mode::Sync, deciding(&with_removal)).await;
    // The folder `g` gets the same plan, which is not possible there.
    assert_eq!(summary.errors[0].name, "g");
    assert!(destination.tree().contains_key("x"));
}

#[tokio::test]
async fn plan_lost_with_its_instance_is_asked_for_again() {
    for (failures, code) in [(3, "bad-plan"), (4, "component-lost")] {
        let decider = Stubborn {
            failures: AtomicUsize::new(failures),
            error: Error::Lost("trap".to_owned()),
            ..deciding(&[])
        };
        let (summary, _) = run(Mode::Copy, decider).await;
        assert_eq!(summary.errors[0].error.code(), code);
        assert!(summary.severity < Some(Severity::Fatal));
    }
}
