//! Which servers a component may reach.

use std::{fmt, str::FromStr};

use http::Uri;

/// What requests to an origin may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The remote's token.
    Credentials,
    /// No token, ever.
    Anonymous,
}

/// A server (scheme, host and port), or a family of servers, that a component may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: Scheme,
    /// Lower-case host; `*` in it stands for one or more characters of `a-z 0-9 - .`.
    host: String,
    port: u16,
    access: Access,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Text that names no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an origin such as https://drive.example:8443")]
pub struct InvalidOrigin {
    text: String,
}

impl Origin {
    /// Reads `scheme://host[:port]`; a path after it is ignored. In the host, `*` stands
    /// for one or more characters, dots included: `https://*.example.com` is every host
    /// below `example.com` and not that host itself.
    ///
    /// # Errors
    /// Another scheme than `http` or `https`, a user name, or no host.
    pub fn parse(text: &str, access: Access) -> Result<Self, InvalidOrigin> {
        let invalid = || InvalidOrigin {
            text: text.to_owned(),
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(invalid)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(invalid()),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, u16::from_str(port).map_err(|_| invalid())?)
            }
            _ => (authority, scheme.default_port()),
        };
        if host.is_empty() || host.contains('@') {
            return Err(invalid());
        }
        Ok(Self {
            scheme,
            host: host.to_ascii_lowercase(),
            port,
            access,
        })
    }

    fn covers(&self, request: &Self) -> bool {
        self.scheme == request.scheme
            && self.port == request.port
            && host_matches(&self.host, &request.host)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.text(), self.host)?;
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

/// The origins a component may reach. What none of them covers is refused.
#[derive(Debug, Clone, Default)]
pub(super) struct AllowList(Vec<Origin>);

impl AllowList {
    pub(super) fn new(origins: Vec<Origin>) -> Self {
        Self(origins)
    }

    /// What a request to `uri` may carry; `None` when it must not be sent at all. Where
    /// several origins cover it, the most permissive one counts.
    pub(super) fn access(&self, uri: &Uri) -> Option<Access> {
        let request = Self::origin(uri)?;
        self.0
            .iter()
            .filter(|origin| origin.covers(&request))
            .map(|origin| origin.access)
            .reduce(|a, b| match (a, b) {
                (Access::Anonymous, Access::Anonymous) => Access::Anonymous,
                _ => Access::Credentials,
            })
    }

    /// The origin of a URL as text without path, query or user name, for messages.
    pub(super) fn shown(uri: &Uri) -> String {
        Self::origin(uri).map_or_else(|| "an invalid URL".to_owned(), |it| it.to_string())
    }

    fn origin(uri: &Uri) -> Option<Origin> {
        let scheme = uri.scheme_str()?;
        let authority = uri.authority()?.as_str();
        let origin = Origin::parse(&format!("{scheme}://{authority}"), Access::Anonymous).ok()?;
        // What is asked for is a host and not a pattern.
        (!origin.host.contains('*')).then_some(origin)
    }
}

/// Whether `host` fits `pattern`, in which `*` stands for one or more characters of a
/// host's name.
fn host_matches(pattern: &str, host: &str) -> bool {
    let Some((front, back)) = pattern.split_once('*') else {
        return pattern == host;
    };
    let Some(rest) = host.strip_prefix(front) else {
        return false;
    };
    // Every way to end what the star stands for; hosts are short.
    (1..=rest.len()).any(|end| {
        rest.is_char_boundary(end)
            && rest[..end]
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
            && host_matches(back, &rest[end..])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(origins: &[(&str, Access)]) -> AllowList {
        AllowList::new(
            origins
                .iter()
                .map(|(text, access)| Origin::parse(text, *access).unwrap())
                .collect(),
        )
    }

    #[test]
    fn only_listed_origins_are_reached() {
        use Access::{Anonymous, Credentials};
        let list = list(&[
            ("https://drive.amazonaws.com/drive/v1/", Credentials),
            ("https://cdws.*.amazonaws.com", Credentials),
            ("https://*.amazonaws.com", Anonymous),
            ("http://127.0.0.1:81", Credentials),
            ("http://[::1]:82", Credentials),
        ]);
        for (url, access) in [
            (
                "https://drive.amazonaws.com/drive/v1/nodes",
                Some(Credentials),
            ),
            ("https://DRIVE.amazonaws.com:443/", Some(Credentials)),
            ("https://drive.amazonaws.com:444/", None),
            ("http://drive.amazonaws.com/", None),
            ("https://cdws.eu-west-1.amazonaws.com/", Some(Credentials)),
            ("https://bucket.s3-eu.amazonaws.com/x?y", Some(Anonymous)),
            ("https://amazonaws.com/", None),
            ("https://amazonaws.com.evil.example/", None),
            ("https://evil.example/drive.amazonaws.com", None),
            ("http://127.0.0.1:81/x", Some(Credentials)),
            ("http://127.0.0.1/x", None),
            ("http://127.0.0.1:82/x", None),
            ("http://localhost:81/x", None),
            ("http://[::1]:82/x", Some(Credentials)),
            ("http://user@127.0.0.1:81/x", None),
            ("ftp://127.0.0.1:81/x", None),
            ("https://*.amazonaws.com/", None),
        ] {
            let uri: Uri = url.parse().unwrap();
            assert_eq!(list.access(&uri), access, "{url}");
        }
    }

    #[test]
    fn text_that_names_no_origin_is_refused() {
        for text in [
            "",
            "drive.example",
            "ftp://drive.example",
            "https://",
            "https://user@drive.example",
            "https://drive.example:port",
        ] {
            assert!(Origin::parse(text, Access::Anonymous).is_err(), "{text}");
        }
    }
}
