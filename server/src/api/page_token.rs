//! `nextToken`: where a listing goes on, and of which listing.
//!
//! A token holds all of it, so that any server over the same data can go on, and the
//! server keeps nothing. It needs no signature: all it opens is what its bearer may list
//! anyway, and what it holds is parsed with the same suspicion as a query.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::reply::{ApiError, Result};
use crate::store::Cursor;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PageToken {
    /// When it was given out, in milliseconds since 1970.
    #[serde(rename = "t")]
    pub(super) issued: i64,
    #[serde(rename = "q")]
    pub(super) asked: Asked,
    #[serde(rename = "c")]
    pub(super) cursor: Cursor,
}

/// What was asked for, in the words of the query. Some clients repeat it with each page,
/// some send the token alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    /// Of everything, of a folder's children or of the trash.
    #[serde(rename = "w")]
    pub(super) within: String,
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub(super) filters: Option<String>,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub(super) sort: Option<String>,
}

impl PageToken {
    /// Letters, digits, `-` and `_` only: clients paste it into addresses as it is.
    pub(super) fn encode(&self) -> String {
        let text = serde_json::to_vec(self).expect("plain data always serializes");
        URL_SAFE_NO_PAD.encode(text)
    }

    /// The token a client sent to go on with `asked`, which may leave out what the first
    /// page was asked with.
    pub(super) fn decode(text: &str, asked: &Asked, now: i64) -> Result<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let token = bytes.and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        let token = token.ok_or_else(|| ApiError::bad_request("Next token is invalid"))?;
        let same = |own: &Option<String>, asked: &Option<String>| asked.is_none() || own == asked;
        if token.asked.within != asked.within
            || !same(&token.asked.filters, &asked.filters)
            || !same(&token.asked.sort, &asked.sort)
        {
            return Err(ApiError::bad_request(
                "Next token belongs to another request",
            ));
        }
        match now.checked_sub(token.issued) {
            Some(age) if age <= LIFE => Ok(token),
            _ => Err(ApiError::bad_request("Next token is expired")),
        }
    }
}

/// Milliseconds: 10 minutes, the service's own.
const LIFE: i64 = 10 * 60 * 1000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked(filters: Option<&str>) -> Asked {
        Asked {
            within: "nodes".into(),
            filters: filters.map(str::to_owned),
            sort: None,
        }
    }

    fn token() -> PageToken {
        PageToken {
            issued: 1_000,
            asked: asked(Some("name:ü*")),
            cursor: Cursor {
                keys: Vec::new(),
                seq: 3,
                count: 9,
            },
        }
    }

    #[test]
    fn token_comes_back_and_fits_into_an_address() {
        let text = token().encode();
        assert!(
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
            "{text}"
        );
        for again in [asked(Some("name:ü*")), asked(None)] {
            assert_eq!(PageToken::decode(&text, &again, 1_000).unwrap(), token());
        }
    }

    #[test]
    fn token_lives_ten_minutes() {
        let text = token().encode();
        assert!(PageToken::decode(&text, &asked(None), 1_000 + LIFE).is_ok());
        assert!(PageToken::decode(&text, &asked(None), 1_001 + LIFE).is_err());
    }

    #[test]
    fn token_of_another_listing_is_refused() {
        let text = token().encode();
        assert!(PageToken::decode(&text, &asked(Some("name:a")), 1_000).is_err());
        let elsewhere = Asked {
            within: "trash".into(),
            ..asked(None)
        };
        assert!(PageToken::decode(&text, &elsewhere, 1_000).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_decoding_panic(text in "\\PC{0,60}") {
            let _ = PageToken::decode(&text, &asked(None), 0);
        }
    }
}
