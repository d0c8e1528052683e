//! One section of a config file: a remote.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use url::Url;

use super::Error;
use crate::{auth::Token, component::Origin};

/// A remote of type `amazon cloud drive`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RemoteConfig {
    /// Its name, without the colon.
    pub name: String,
    /// OAuth client id; empty where none is set.
    pub client_id: String,
    /// OAuth client secret.
    pub client_secret: Option<Secret>,
    /// Where tokens are refreshed; Amazon's by default.
    pub token_url: Url,
    /// The token, or `None` before the first login.
    pub token: Option<Token>,
    /// Base of the discovery call, with its trailing `/`; Amazon's by default.
    pub endpoint: Url,
    /// Whether `endpoint` is Amazon's.
    pub is_amazon: bool,
    /// More servers that may be reached without a token, such as one that downloads are
    /// redirected to.
    pub origins: Vec<Origin>,
    /// More certificate authorities to trust, a PEM file.
    pub ca_cert: Option<PathBuf>,
    /// The encoding's words, or `None` for the default.
    pub encoding: Option<String>,
}

/// Text that shows itself nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

impl RemoteConfig {
    pub(super) fn parse(name: &str, keys: &BTreeMap<String, String>) -> Result<Self, Error> {
        // rclone writes options that are not set as empty ones.
        let value = |key: &str| {
            let value = keys.get(key)?.trim();
            (!value.is_empty()).then_some(value)
        };
        let bad = |key, what: String| Error::BadValue {
            name: name.to_owned(),
            key,
            what,
        };
        let kind = value("type").unwrap_or_default();
        if kind != TYPE {
            return Err(Error::UnsupportedType {
                name: name.to_owned(),
                kind: kind.to_owned(),
            });
        }
        let url = |key, default: &str| {
            let text = value(key).unwrap_or(default);
            let url = Url::parse(text).map_err(|error| bad(key, format!("{text:?}: {error}")))?;
            if matches!(url.scheme(), "http" | "https") && url.has_host() {
                Ok(url)
            } else {
                Err(bad(key, format!("{text:?} is not an http or https URL")))
            }
        };
        let mut endpoint = url("endpoint", ENDPOINT)?;
        if !endpoint.path().ends_with('/') {
            endpoint.set_path(&format!("{}/", endpoint.path()));
        }
        let token = value("token").map(Token::parse).transpose();
        let origins = value("origins").unwrap_or_default().split(',');
        let origins = origins
            .map(str::trim)
            .filter(|origin| !origin.is_empty())
            .map(|origin| Origin::parse(origin, crate::component::Access::Anonymous));
        Ok(Self {
            name: name.to_owned(),
            client_id: value("client_id").unwrap_or_default().to_owned(),
            client_secret: value("client_secret").map(Secret::new),
            token_url: url("token_url", TOKEN_URL)?,
            token: token.map_err(|error| bad("token", error.to_string()))?,
            is_amazon: endpoint.as_str() == ENDPOINT,
            endpoint,
            origins: origins
                .collect::<Result<_, _>>()
                .map_err(|error| bad("origins", error.to_string()))?,
            ca_cert: value("ca_cert").map(PathBuf::from),
            encoding: value("encoding").map(str::to_owned),
        })
    }
}

/// rclone's name of the backend.
const TYPE: &str = "amazon cloud drive";

/// Where the service was discovered.
const ENDPOINT: &str = "https://drive.amazonaws.com/drive/v1/";

/// Where Login with Amazon refreshes tokens.
const TOKEN_URL: &str = "https://api.amazon.com/auth/o2/token";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<RemoteConfig, Error> {
        let mut keys: BTreeMap<String, String> = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        keys.entry("type".to_owned()).or_insert(TYPE.to_owned());
        RemoteConfig::parse("drive", &keys)
    }

    #[test]
    fn defaults_are_amazons() {
        let remote = parse(&[("client_id", ""), ("token_url", "")]).unwrap();
        assert!(remote.is_amazon);
        assert_eq!(remote.token_url.as_str(), TOKEN_URL);
        assert!(remote.token.is_none() && remote.client_secret.is_none());
    }

    #[test]
    fn endpoint_gets_its_trailing_slash() {
        for text in ["http://127.0.0.1:1/drive/v1", "http://127.0.0.1:1/drive/v1/"] {
            let remote = parse(&[("endpoint", text)]).unwrap();
            assert_eq!(remote.endpoint.as_str(), "http://127.0.0.1:1/drive/v1/");
            assert!(!remote.is_amazon);
        }
    }

    #[test]
    fn bad_values_name_their_key_and_show_no_secret() {
        for (key, value) in [
            ("endpoint", "nowhere"),
            ("endpoint", "ftp://host/"),
            ("token_url", "not a url"),
            ("token", "{\"access_token\":\"canary"),
            ("origins", "https://a.example, nonsense"),
        ] {
            let error = parse(&[(key, value)]).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains(key), "{text}");
            assert!(!text.contains("canary"), "{text}");
        }
        let secret = parse(&[("client_secret", "canary")]).unwrap();
        assert!(!format!("{secret:?}").contains("canary"));
    }
}
