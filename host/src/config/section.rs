//! One section of a config file: a remote.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use url::Url;

use super::{Error, ini::Section};
use crate::{
    auth::Token,
    component::{Access, Origin, RemoteOptions},
};

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
    /// Where a person logs in; Amazon's by default.
    pub auth_url: Url,
    /// Where tokens are refreshed; Amazon's by default.
    pub token_url: Url,
    /// The token, or `None` before the first login.
    pub token: Option<Token>,
    /// Base of the discovery call, with its trailing `/`; Amazon's by default.
    pub endpoint: Url,
    /// Whether `endpoint` is Amazon's.
    pub is_amazon: bool,
    /// More servers that are part of the service and may be sent the token, such as one
    /// of its own for content. (A redirect to another server is followed without it.)
    pub origins: Vec<Origin>,
    /// Servers that downloads may be led to, which are never sent the token.
    pub download_origins: Vec<Origin>,
    /// Where `changes` begins, as the service named it; `None` is the beginning.
    pub checkpoint: Option<String>,
    /// More certificate authorities to trust, a PEM file.
    pub ca_cert: Option<PathBuf>,
    /// The encoding's words, or `None` for the default.
    pub encoding: Option<String>,
    /// What differs from the defaults.
    pub service: ServiceOptions,
}

/// How the service is dealt with; what is `None` is as by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServiceOptions {
    /// How long an upload without a clear answer is looked for, for each GiB.
    pub upload_wait_per_gb: Option<Duration>,
    /// Files of at least so many bytes are read by a temporary link; the inner `None` is
    /// never.
    pub templink_threshold: Option<Option<u64>>,
    /// The most bytes of one file; the inner `None` is no limit.
    pub max_file_size: Option<Option<u64>>,
}

impl ServiceOptions {
    /// Puts them into a remote's options; what they leave open stays as it is there.
    pub fn apply(self, options: &mut RemoteOptions) {
        if let Some(wait) = self.upload_wait_per_gb {
            options.upload_wait_per_gb = wait;
        }
        if let Some(threshold) = self.templink_threshold {
            options.templink_threshold = threshold;
        }
        if let Some(most) = self.max_file_size {
            options.largest_file = most;
        }
    }
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
    pub(super) fn parse(path: &Path, name: &str, keys: &Section) -> Result<Self, Error> {
        // rclone writes options that are not set as empty ones.
        let value = |key: &str| {
            let value = keys.get(key)?.text.trim();
            (!value.is_empty()).then_some(value)
        };
        let bad = |key, what: String| Error::BadValue {
            path: path.to_owned(),
            line: keys.get(key).map_or(0, |value| value.line),
            name: name.to_owned(),
            key,
            what,
        };
        let kind = value("type").unwrap_or_default();
        if kind != TYPE {
            return Err(Error::UnsupportedType {
                path: path.to_owned(),
                name: name.to_owned(),
                kind: kind.to_owned(),
            });
        }
        let url = |key, default: &str| {
            let text = value(key).unwrap_or(default);
            Url::parse(text)
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
                .ok_or_else(|| {
                    let what = format!("{text:?} is not a URL such as https://drive.example/v1/");
                    bad(key, what)
                })
        };
        let mut endpoint = url("endpoint", ENDPOINT)?;
        if !endpoint.path().ends_with('/') {
            endpoint.set_path(&format!("{}/", endpoint.path()));
        }
        let size = |key| {
            let size = value(key).map(super::value::size).transpose();
            size.map_err(|what| bad(key, what))
        };
        let wait = value("upload_wait_per_gb")
            .map(super::value::duration)
            .transpose()
            .map_err(|what| bad("upload_wait_per_gb", what))?;
        let token = value("token").map(Token::parse).transpose();
        let origins = |key, access| {
            let origins = value(key).unwrap_or_default().split(',');
            origins
                .map(str::trim)
                .filter(|origin| !origin.is_empty())
                .map(|origin| Origin::parse(origin, access))
                .collect::<Result<_, _>>()
                .map_err(|error| bad(key, error.to_string()))
        };
        Ok(Self {
            name: name.to_owned(),
            client_id: value("client_id").unwrap_or_default().to_owned(),
            client_secret: value("client_secret").map(Secret::new),
            auth_url: url("auth_url", AUTH_URL)?,
            token_url: url("token_url", TOKEN_URL)?,
            token: token.map_err(|error| bad("token", error.to_string()))?,
            is_amazon: endpoint.as_str() == ENDPOINT,
            endpoint,
            origins: origins("origins", Access::Credentials)?,
            download_origins: origins("download_origins", Access::Anonymous)?,
            checkpoint: value("checkpoint").map(str::to_owned),
            ca_cert: value("ca_cert").map(PathBuf::from),
            encoding: value("encoding").map(str::to_owned),
            service: ServiceOptions {
                upload_wait_per_gb: wait,
                templink_threshold: size("templink_threshold")?,
                max_file_size: size("max_file_size")?,
            },
        })
    }
}

/// rclone's name of the backend.
const TYPE: &str = "amazon cloud drive";

/// Where the service was discovered.
const ENDPOINT: &str = "https://drive.amazonaws.com/drive/v1/";

/// Where people logged in to Amazon.
const AUTH_URL: &str = "https://www.amazon.com/ap/oa";

/// Where Login with Amazon refreshes tokens.
const TOKEN_URL: &str = "https://api.amazon.com/auth/o2/token";

#[cfg(test)]
mod tests {
    use super::{super::ini::Value, *};

    fn parse(pairs: &[(&str, &str)]) -> Result<RemoteConfig, Error> {
        let value = |(line, (key, value)): (usize, &(&str, &str))| {
            let text = (*value).to_owned();
            let line = line + 1;
            ((*key).to_owned(), Value { text, line })
        };
        let mut pairs = pairs.to_vec();
        pairs.push(("type", TYPE));
        let keys = pairs.iter().enumerate().map(value).collect();
        RemoteConfig::parse(Path::new("my.conf"), "drive", &keys)
    }

    #[test]
    fn defaults_are_amazons() {
        let remote = parse(&[("client_id", ""), ("token_url", "")]).unwrap();
        assert!(remote.is_amazon);
        assert_eq!(remote.auth_url.as_str(), AUTH_URL);
        assert_eq!(remote.token_url.as_str(), TOKEN_URL);
        assert!(remote.token.is_none() && remote.client_secret.is_none());
    }

    #[test]
    fn service_options_are_those_given_last() {
        let remote = parse(&[
            ("upload_wait_per_gb", "3m0s"),
            ("templink_threshold", "off"),
            ("max_file_size", ""),
        ]);
        let ours = remote.unwrap().service;
        let given = ServiceOptions {
            templink_threshold: Some(Some(1)),
            ..ServiceOptions::default()
        };
        let mut options = RemoteOptions::new("http://drive.example/");
        let most = options.largest_file;
        ours.apply(&mut options);
        given.apply(&mut options);
        assert_eq!(options.upload_wait_per_gb, Duration::from_secs(180));
        assert_eq!(options.templink_threshold, Some(1));
        assert_eq!(options.largest_file, most);
        ours.apply(&mut options);
        assert_eq!(options.templink_threshold, None);
    }

    #[test]
    fn servers_for_downloads_never_get_the_token() {
        let remote = parse(&[("download_origins", "https://s3.example, http://[::1]:82")]).unwrap();
        let origin = |text| Origin::parse(text, Access::Anonymous).unwrap();
        assert_eq!(
            remote.download_origins,
            [origin("https://s3.example"), origin("http://[::1]:82")]
        );
        assert!(remote.origins.is_empty());
    }

    #[test]
    fn endpoint_gets_its_trailing_slash() {
        for text in [
            "http://127.0.0.1:1/drive/v1",
            "http://127.0.0.1:1/drive/v1/",
        ] {
            let remote = parse(&[("endpoint", text)]).unwrap();
            assert_eq!(remote.endpoint.as_str(), "http://127.0.0.1:1/drive/v1/");
            assert!(!remote.is_amazon);
        }
    }

    #[test]
    fn bad_values_name_their_key_and_line_and_show_no_secret() {
        for (key, value) in [
            ("endpoint", "nowhere"),
            ("endpoint", "ftp://host/"),
            ("auth_url", "not a url"),
            ("token_url", "not a url"),
            ("token", "{\"access_token\":\"canary"),
            ("origins", "https://a.example, nonsense"),
            ("upload_wait_per_gb", "3 minutes"),
            ("templink_threshold", "large"),
            ("max_file_size", "-1"),
            ("download_origins", "nonsense"),
        ] {
            let error = parse(&[(key, value)]).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(
                text.contains(key) && text.contains("line 1 of my.conf"),
                "{text}"
            );
            assert!(!text.contains("canary"), "{text}");
        }
        let secret = parse(&[("client_secret", "canary")]).unwrap();
        assert!(!format!("{secret:?}").contains("canary"));
    }
}
