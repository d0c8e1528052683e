//! A token as rclone keeps it: a JSON blob.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{component::AccessToken, config::Secret};

/// An access token, when it expires, and what gets the next one.
#[derive(Clone)]
pub struct Token {
    /// The access token.
    pub access: AccessToken,
    /// What gets the next one; `None` where there will be none.
    pub refresh: Option<Secret>,
    /// When the access token expires; `None` is never.
    pub expiry: Option<SystemTime>,
}

/// A blob that is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a token as rclone writes it: {what}")]
pub struct InvalidToken {
    what: String,
}

/// As Go's oauth2 package writes it. Other keys are left alone.
#[derive(Deserialize)]
struct Blob {
    access_token: String,
    #[serde(default)]
    refresh_token: String,
    #[serde(default)]
    expiry: String,
}

impl Token {
    /// Reads `{"access_token":…,"token_type":…,"refresh_token":…,"expiry":…}`; `expiry`
    /// is RFC 3339, and Go's zero time, or none, means never.
    ///
    /// # Errors
    /// It is not that. The error does not quote it.
    pub fn parse(text: &str) -> Result<Self, InvalidToken> {
        let blob: Blob = serde_json::from_str(text).map_err(|error| InvalidToken {
            what: match error.classify() {
                serde_json::error::Category::Data => "a key is missing or is no text".to_owned(),
                _ => format!("broken JSON at column {}", error.column()),
            },
        })?;
        let expiry = match blob.expiry.as_str() {
            "" | ZERO_TIME => None,
            text => Some(
                OffsetDateTime::parse(text, &Rfc3339)
                    .map_err(|_| InvalidToken {
                        what: "its expiry is not a time".to_owned(),
                    })?
                    .into(),
            ),
        };
        Ok(Self {
            access: AccessToken::new(blob.access_token),
            refresh: Some(blob.refresh_token)
                .filter(|it| !it.is_empty())
                .map(Secret::new),
            expiry,
        })
    }

    /// Whether it is good, and will be for another `margin`; one that cannot be refreshed
    /// is used to its end.
    pub(super) fn is_good(&self, now: SystemTime, margin: Duration) -> bool {
        let margin = match self.refresh {
            Some(_) => margin,
            None => Duration::ZERO,
        };
        !self.access.expose().is_empty() && self.expiry.is_none_or(|expiry| now + margin < expiry)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("expiry", &self.expiry)
            .finish_non_exhaustive()
    }
}

/// Go's zero time, which oauth2 writes for a token that does not expire.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rclones_blob_is_understood() {
        let token = Token::parse(
            r#"{"access_token":"a","token_type":"bearer","refresh_token":"r","expiry":"2015-09-06T16:07:39.658438471+01:00"}"#,
        )
        .unwrap();
        let expiry = token.expiry.unwrap();
        let since = expiry.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(since, Duration::new(1_441_552_059, 658_438_471));
        assert!(token.is_good(expiry - Duration::from_secs(61), Duration::from_secs(60)));
        assert!(!token.is_good(expiry - Duration::from_secs(60), Duration::from_secs(60)));
        assert_eq!(token.refresh.unwrap().expose(), "r");
    }

    #[test]
    fn token_without_expiry_is_good_for_ever_and_an_empty_one_never() {
        let now = SystemTime::now();
        for expiry in ["", r#","expiry":"0001-01-01T00:00:00Z""#] {
            let token = Token::parse(&format!(r#"{{"access_token":"a"{expiry}}}"#)).unwrap();
            assert!(token.is_good(now, Duration::ZERO));
            assert!(token.refresh.is_none());
        }
        let token = Token::parse(r#"{"access_token":"","refresh_token":"r"}"#).unwrap();
        assert!(!token.is_good(now, Duration::ZERO));
    }

    #[test]
    fn errors_do_not_quote_the_blob() {
        for text in [
            "canary",
            r#"{"access_token":"canary"#,
            r#"{"refresh_token":"canary"}"#,
            r#"{"access_token":"canary","expiry":"canary"}"#,
            r#"{"access_token":["canary"]}"#,
        ] {
            let error = Token::parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
    }
}
