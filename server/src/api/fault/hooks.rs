//! Faults in the middle of a call.

use std::{convert::Infallible, sync::Arc};

use axum::{extract::FromRequestParts, http::request::Parts};

use super::super::reply::{ApiError, Result};
use crate::{
    fault::{Effect, Facts, Faults, Rule, When},
    filter::{Filter, NumberField, Range, Term},
    ids,
    store::{Mutation, Query, Refusal, Scope, Store},
};

/// A request, and the rules that were in force when it came.
pub(in crate::api) struct Moment {
    pub(super) faults: Faults,
    pub(super) rules: Vec<Arc<Rule>>,
    pub(super) facts: Facts,
    /// The digest of the token it presents.
    pub(super) presented: Option<[u8; 32]>,
}

/// What a handler asks at the moments that matter. Without rules, each answer is no.
#[derive(Clone)]
pub(in crate::api) struct Hooks(Option<Arc<Moment>>);

impl<S: Sync> FromRequestParts<S> for Hooks {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<Arc<Moment>>().cloned()))
    }
}

impl Hooks {
    /// Before the content of a new file is read: refuses it for a node of this name that
    /// nobody sees.
    pub(in crate::api) async fn refuse_name(
        &self,
        store: &Store,
        name: &str,
        parents: &[String],
    ) -> Result<()> {
        let applies = self.first(|rule, facts| {
            matches!(rule.effect, Effect::ConflictBeforeBody) && rule.applies(facts)
        });
        if applies.is_none() {
            return Ok(());
        }
        let parent = match parents.first() {
            Some(parent) => parent.clone(),
            None => root(store).await?,
        };
        let refusal = Refusal::NameTaken {
            folded: crate::names::fold(name),
            parent,
            existing: ids::node_id(),
        };
        Err(refusal.into())
    }

    /// Whether a name that is taken is to be told only when the content was read.
    pub(in crate::api) fn skips_name_check(&self) -> bool {
        self.first(|rule, facts| {
            matches!(rule.effect, Effect::ConflictAfterBody) && rule.applies(facts)
        })
        .is_some()
    }

    /// Runs the mutation of an upload whose content, of this many bytes, has come: at once,
    /// unless a rule has it later or never, and another reply.
    pub(in crate::api) async fn commit<M: Mutation>(
        &self,
        store: &Store,
        size: i64,
        mutation: M,
    ) -> Result<M::Output> {
        let size = u64::try_from(size).ok();
        let applies = self.first(|rule, facts| {
            matches!(rule.effect, Effect::Commit { .. }) && rule.applies_to_size(facts, size)
        });
        let Some((moment, rule)) = applies else {
            return Ok(store.write(mutation).await?);
        };
        let Effect::Commit { when, reply } = &rule.effect else {
            return Ok(store.write(mutation).await?);
        };
        match when {
            When::Now => {
                store.write(mutation).await?;
            }
            // Its content goes with it. Off this thread: it deletes files.
            When::Never => drop(tokio::task::spawn_blocking(move || drop(mutation))),
            When::After(time) => {
                let (store, request) = (store.clone(), moment.facts.request.clone());
                let due = moment.faults.now().saturating_add(*time);
                let commit = async move {
                    match store.write(mutation).await {
                        Ok(_) => tracing::info!(
                            target: "amazon_drive_server::fault",
                            request,
                            "late upload appeared"
                        ),
                        Err(error) => tracing::warn!(
                            target: "amazon_drive_server::fault",
                            request,
                            %error,
                            "late upload did not appear"
                        ),
                    }
                };
                moment.faults.run_later(due, Box::pin(commit));
            }
        }
        Err(ApiError::from(reply))
    }

    /// Narrows what a listing shows to what is old enough.
    pub(in crate::api) fn narrow(&self, filter: Option<Filter>) -> Option<Filter> {
        let applies = self.first(|rule, facts| {
            matches!(rule.effect, Effect::ListingLag(_)) && rule.applies(facts)
        });
        let Some((moment, rule)) = applies else {
            return filter;
        };
        let Effect::ListingLag(lag) = rule.effect else {
            return filter;
        };
        let old = Term::Number(
            NumberField::Created,
            Range {
                low: i64::MIN,
                high: moment.faults.now().saturating_sub(lag),
            },
        );
        // Nothing works without the root, and at the service none was new.
        let seen = Filter::Any(vec![Filter::Term(Term::IsRoot), Filter::Term(old)]);
        Some(match filter {
            Some(filter) => Filter::All(vec![filter, seen]),
            None => seen,
        })
    }

    fn first(&self, applies: impl Fn(&Rule, &Facts) -> bool) -> Option<(&Moment, &Rule)> {
        let moment = self.0.as_deref()?;
        let rule = moment
            .rules
            .iter()
            .find(|rule| applies(rule, &moment.facts))?;
        Some((moment, rule))
    }
}

async fn root(store: &Store) -> Result<String> {
    let query = Query {
        scope: Scope::Everything,
        filter: Some(Filter::Term(Term::IsRoot)),
        sort: Vec::new(),
        limit: 1,
        after: None,
    };
    let found = store.list(&query).await?.nodes.pop();
    Ok(found.map(|root| root.id).unwrap_or_default())
}
