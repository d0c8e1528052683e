//! The pure interfaces: `names`, `policy` and `sync`.

use std::time::Duration;

use super::{
    Component,
    bindings::exports::amazon_drive::backend::{
        names as wit_names, policy as wit_policy, sync as wit_sync,
    },
};
use crate::{names, policy, sync};

impl wit_names::Guest for Component {
    fn parse(text: String) -> Result<wit_names::Encoding, String> {
        text.parse::<names::Encoding>().map(Into::into)
    }

    fn format(encoding: wit_names::Encoding) -> String {
        names::Encoding::from(encoding).to_string()
    }

    fn encode(raw: Vec<Vec<u8>>, encoding: wit_names::Encoding) -> Vec<String> {
        let encoding = encoding.into();
        raw.iter()
            .map(|name| names::encode(name, encoding))
            .collect()
    }

    fn decode(service: Vec<String>, encoding: wit_names::Encoding) -> Vec<Vec<u8>> {
        let encoding = encoding.into();
        let decode = |name: &String| names::decode(name, encoding);
        service.iter().map(decode).collect()
    }

    fn display(raw: Vec<Vec<u8>>) -> Vec<String> {
        raw.iter().map(|name| names::display(name)).collect()
    }

    fn from_display(typed: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        typed.iter().map(|name| names::from_display(name)).collect()
    }
}

impl wit_policy::Guest for Component {
    fn classify(outcome: wit_policy::Outcome) -> wit_policy::Class {
        let class = policy::classify(&policy::Outcome {
            status: outcome.status,
            message: &outcome.message,
            retry_after: outcome.retry_after.map(Duration::from_nanos),
            progress: match outcome.progress {
                wit_policy::Progress::Unsent => policy::Progress::Unsent,
                wit_policy::Progress::Partial => policy::Progress::Partial,
                wit_policy::Progress::Sent => policy::Progress::Sent,
            },
            idempotent: outcome.idempotent,
        });
        match class {
            policy::Class::Done => wit_policy::Class::Done,
            policy::Class::Retry => wit_policy::Class::Retry,
            policy::Class::RetryAfter(wait) => wit_policy::Class::RetryAfter(nanos(wait)),
            policy::Class::RefreshCredentials => wit_policy::Class::RefreshCredentials,
            policy::Class::LookFirst => wit_policy::Class::LookFirst,
            policy::Class::GiveUp => wit_policy::Class::GiveUp,
        }
    }

    fn next_wait(
        state: wit_policy::State,
        budget: wit_policy::Budget,
        retry_after: Option<u64>,
        random: u64,
    ) -> Option<u64> {
        let state = policy::State {
            attempts: state.attempts,
            elapsed: Duration::from_nanos(state.elapsed),
        };
        let retry_after = retry_after.map(Duration::from_nanos);
        policy::next_wait(state, budget.into(), retry_after, random).map(nanos)
    }

    fn upload_wait(size: u64, per_gb: u64) -> u64 {
        nanos(policy::upload_wait(size, Duration::from_nanos(per_gb)))
    }

    fn download_route(size: u64, templink_threshold: Option<u64>) -> wit_policy::Route {
        match policy::download_route(size, templink_threshold) {
            policy::Route::Content => wit_policy::Route::Content,
            policy::Route::TemporaryLink => wit_policy::Route::TemporaryLink,
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl wit_sync::Guest for Component {
    fn match_keys(
        names: Vec<Vec<u8>>,
        rule: wit_sync::NameRule,
        clashes: wit_sync::Clashes,
    ) -> Vec<Vec<u8>> {
        sync::match_keys(&names, rule.into(), clashes.into())
    }

    fn plan(
        source: Vec<wit_sync::Item>,
        destination: Vec<wit_sync::Item>,
        options: wit_sync::Options,
    ) -> Vec<wit_sync::Decision> {
        let own = |items: Vec<wit_sync::Item>| -> Vec<sync::Item> {
            items.into_iter().map(Into::into).collect()
        };
        let decisions = sync::plan(&own(source), &own(destination), options.into());
        decisions.into_iter().map(Into::into).collect()
    }

    fn same_content(a: wit_sync::Item, b: wit_sync::Item) -> bool {
        sync::same_content(&a.into(), &b.into())
    }
}
