//! Tokens: where they come from, and the placeholders a component sees in their stead.

use std::{collections::VecDeque, fmt, sync::Arc};

use async_trait::async_trait;

/// An OAuth access token. Shows itself nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(Arc<str>);

impl AccessToken {
    /// Wraps the token's text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(redacted)")
    }
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Only the user can help, by logging in again.
    #[error("{0}")]
    LoginNeeded(String),
    /// None can be had now; later may be better.
    #[error("{0}")]
    Unavailable(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Where a remote's access tokens come from.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// A token that is good now, refreshed first where needed. Concurrent callers must
    /// share one refresh.
    async fn token(&self) -> Result<AccessToken, TokenError>;

    /// The service refused `token`: do not hand it out again. Called once or more for
    /// each refused token; a token that is not the current one is to be ignored.
    async fn refused(&self, token: &AccessToken);
}

/// The placeholders handed to one instance, each standing for one token.
pub(super) struct Placeholders {
    /// Newest last. Requests in flight carry at most a few generations of tokens.
    known: VecDeque<(String, AccessToken)>,
}

impl Placeholders {
    pub(super) fn new() -> Self {
        Self {
            known: VecDeque::with_capacity(KEPT),
        }
    }

    /// The `Authorization` value that stands for `token`.
    pub(super) fn stand_in(&mut self, token: &AccessToken) -> String {
        if let Some((placeholder, _)) = self.known.iter().find(|(_, known)| known == token) {
            return placeholder.clone();
        }
        if self.known.len() == KEPT {
            self.known.pop_front();
        }
        // Random, so that a component cannot know another instance's.
        let placeholder = format!("Bearer placeholder-{}", uuid::Uuid::new_v4().simple());
        self.known.push_back((placeholder.clone(), token.clone()));
        placeholder
    }

    /// The token behind a value that [`stand_in`](Self::stand_in) made.
    pub(super) fn token(&self, authorization: &str) -> Option<&AccessToken> {
        self.known
            .iter()
            .find(|(placeholder, _)| placeholder == authorization)
            .map(|(_, token)| token)
    }
}

/// Token generations remembered: a request can be as old as its upload takes, and tokens
/// last an hour.
const KEPT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholder_stands_for_its_token_and_shows_nothing_of_it() {
        let mut placeholders = Placeholders::new();
        let (a, b) = (
            AccessToken::new("Atza|secret-a"),
            AccessToken::new("Atza|secret-b"),
        );
        let for_a = placeholders.stand_in(&a);
        let for_b = placeholders.stand_in(&b);
        assert_ne!(for_a, for_b);
        assert_eq!(placeholders.stand_in(&a), for_a);
        assert!(!for_a.contains("secret"));
        assert_eq!(placeholders.token(&for_b), Some(&b));
        assert_eq!(placeholders.token("Bearer placeholder-"), None);
        assert_eq!(format!("{a:?}"), "AccessToken(redacted)");
    }

    #[test]
    fn old_placeholders_are_forgotten() {
        let mut placeholders = Placeholders::new();
        let first = placeholders.stand_in(&AccessToken::new("0"));
        for number in 1..=KEPT {
            placeholders.stand_in(&AccessToken::new(number.to_string()));
        }
        assert_eq!(placeholders.token(&first), None);
        assert_eq!(placeholders.known.len(), KEPT);
    }
}
