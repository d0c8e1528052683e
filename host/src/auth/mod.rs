//! Access tokens: from a config file, refreshed where they expire, or fixed.

use std::sync::Arc;

use async_trait::async_trait;

mod oauth;
mod token;

pub use oauth::{OAuth, OAuthOptions};
pub use token::{InvalidToken, Token};

use crate::component::{AccessToken, TokenError, TokenSource};

/// One token that never changes, for a server that made it for this process.
pub struct Fixed(AccessToken);

impl Fixed {
    /// A source that only ever hands out this one.
    pub fn new(token: impl Into<Arc<str>>) -> Self {
        Self(AccessToken::new(token))
    }
}

#[async_trait]
impl TokenSource for Fixed {
    async fn token(&self) -> Result<AccessToken, TokenError> {
        Ok(self.0.clone())
    }

    async fn refused(&self, _: &AccessToken) {}
}
