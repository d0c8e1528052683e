//! Tokens refreshed at an OAuth token endpoint.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};
use url::Url;

use super::Token;
use crate::{
    component::{AccessToken, HttpOptions, TokenError, TokenSource, http_client},
    config::Secret,
};

/// What refreshes a token.
#[derive(Debug, Clone)]
pub struct OAuthOptions {
    /// The remote's name, for messages.
    pub remote: String,
    /// The token endpoint.
    pub token_url: Url,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: Option<Secret>,
    /// How requests are sent.
    pub http: HttpOptions,
}

/// Hands out a token and refreshes it ahead of its expiry, or when the service refuses
/// it. However many callers wait, there is one refresh, and all of them get its outcome.
/// A refresh goes on when those who wait for it leave: the provider would go on, too.
///
/// While the provider is away, a token that is still good is handed out.
pub struct OAuth(Arc<Inner>);

struct Inner {
    options: OAuthOptions,
    /// Refreshes that have failed so far.
    failures: AtomicU64,
    /// Locked during a refresh, so that all others wait for it.
    state: Mutex<State>,
}

struct State {
    token: Token,
    /// How long before its expiry the token is refreshed.
    margin: Duration,
    /// The service refused the access token.
    refused: bool,
    /// Why the last refresh failed, and when, if it did.
    failed: Option<(TokenError, Instant)>,
}

impl State {
    /// The token, if there is no need for another.
    fn good(&self) -> Option<AccessToken> {
        let is_good = !self.refused && self.token.is_good(SystemTime::now(), self.margin);
        is_good.then(|| self.token.access.clone())
    }

    /// The token, if it will do where there is no other.
    fn last(&self) -> Option<AccessToken> {
        let will_do = !self.refused && self.token.is_good(SystemTime::now(), Duration::ZERO);
        will_do.then(|| self.token.access.clone())
    }
}

impl OAuth {
    /// A source that starts with `token`.
    pub fn new(token: Token, options: OAuthOptions) -> Self {
        Self(Arc::new(Inner {
            options,
            failures: AtomicU64::new(0),
            state: Mutex::new(State {
                token,
                margin: MARGIN,
                refused: false,
                failed: None,
            }),
        }))
    }
}

impl Inner {
    /// A token, refreshed if there is need to; `failures` is how many refreshes had failed
    /// when it was asked for.
    async fn refreshed(&self, failures: u64) -> Result<AccessToken, TokenError> {
        let mut state = self.state.lock().await;
        if let Some(token) = state.good() {
            return Ok(token);
        }
        // A refusal for good is good for all time; any other failure is good for those
        // who were waiting for the refresh that failed. They must not each wait for one
        // of their own.
        let failed = match &state.failed {
            Some((error @ TokenError::LoginNeeded(_), _)) => return Err(error.clone()),
            Some((error, _)) if failures != self.failures.load(Ordering::Relaxed) => {
                Some(error.clone())
            }
            Some((error, at)) if at.elapsed() < PAUSE && state.last().is_some() => {
                Some(error.clone())
            }
            _ => None,
        };
        let error = match failed {
            Some(error) => error,
            None => match self.refresh(&state.token).await {
                Ok((token, margin)) => {
                    tracing::debug!("token of {:?} refreshed", self.options.remote);
                    *state = State {
                        token,
                        margin,
                        refused: false,
                        failed: None,
                    };
                    return Ok(state.token.access.clone());
                }
                Err(error) => {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                    state.failed = Some((error.clone(), Instant::now()));
                    error
                }
            },
        };
        match (error, state.last()) {
            (error @ TokenError::LoginNeeded(_), _) | (error, None) => Err(error),
            (_, Some(token)) => Ok(token),
        }
    }

    /// The next token, and how long before its expiry it is to be refreshed.
    async fn refresh(&self, token: &Token) -> Result<(Token, Duration), TokenError> {
        let remote = &self.options.remote;
        let Some(refresh) = &token.refresh else {
            return Err(TokenError::LoginNeeded(format!(
                "the token of {remote:?} is no longer good and cannot be refreshed: log in again"
            )));
        };
        let mut form = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh.expose()),
            ("client_id", &self.options.client_id),
        ];
        if let Some(secret) = &self.options.client_secret {
            form.push(("client_secret", secret.expose()));
        }
        // A client of its own, made once an hour: what may reach the service and what may
        // reach the provider are different things.
        let host = self.options.token_url.host_str().unwrap_or_default();
        let unreachable = |why: String| {
            TokenError::Unavailable(format!(
                "the token of {remote:?} could not be refreshed at {host}: {why}"
            ))
        };
        let client =
            http_client(&self.options.http).map_err(|error| unreachable(error.to_string()))?;
        let response = client
            .post(self.options.token_url.clone())
            .form(&form)
            .timeout(TIMEOUT)
            .send()
            .await
            // Never its own text, which has the URL and may have more.
            .map_err(|error| unreachable(reason(&error).to_owned()))?;
        let status = response.status();
        let body = response
            .bytes()
            .await
            .map_err(|error| unreachable(reason(&error).to_owned()))?;
        if status.is_success() {
            return self.accept(token, &body);
        }
        let Refusal { error } = serde_json::from_slice(&body).unwrap_or_default();
        // RFC 6749, 5.2: these are about the grant or the client, and stay as they are.
        if status.is_client_error() && FINAL.contains(&error.as_str()) {
            return Err(TokenError::LoginNeeded(format!(
                "{host} refuses to refresh the token of {remote:?} ({error}): log in again"
            )));
        }
        Err(unreachable(format!("HTTP {}", status.as_u16())))
    }

    fn accept(&self, old: &Token, body: &[u8]) -> Result<(Token, Duration), TokenError> {
        let Grant {
            access_token,
            refresh_token,
            expires_in,
        } = serde_json::from_slice(body).map_err(|_| {
            TokenError::Unavailable(format!(
                "{} answered with something that is no token",
                self.options.token_url.host_str().unwrap_or_default()
            ))
        })?;
        let life = expires_in.map(Duration::from_secs);
        let token = Token {
            access: AccessToken::new(access_token),
            // A provider that does not send one means the old one to be kept.
            refresh: refresh_token
                .filter(|it| !it.is_empty())
                .map(Secret::new)
                .or_else(|| old.refresh.clone()),
            expiry: life.and_then(|life| SystemTime::now().checked_add(life)),
        };
        let margin = life.map_or(MARGIN, |life| MARGIN.min(life / SHARE));
        Ok((token, margin))
    }
}

#[async_trait]
impl TokenSource for OAuth {
    async fn token(&self) -> Result<AccessToken, TokenError> {
        let failures = self.0.failures.load(Ordering::Relaxed);
        if let Some(token) = self.0.state.lock().await.good() {
            return Ok(token);
        }
        let inner = Arc::clone(&self.0);
        let refreshed = tokio::spawn(async move { inner.refreshed(failures).await });
        let ended = |_| TokenError::Other("the refresh of a token was broken off".to_owned());
        refreshed.await.map_err(ended)?
    }

    async fn refused(&self, token: &AccessToken) {
        let mut state = self.0.state.lock().await;
        state.refused |= state.token.access == *token;
    }
}

#[derive(Deserialize)]
struct Grant {
    access_token: String,
    refresh_token: Option<String>,
    expires_in: Option<u64>,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: String,
}

fn reason(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "it did not answer in time"
    } else if error.is_connect() {
        "it cannot be reached"
    } else {
        "the connection broke off"
    }
}

/// Refusals that another try will not change.
const FINAL: [&str; 5] = [
    "invalid_grant",
    "invalid_client",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// How long before its expiry a token is refreshed: the service checks it when a request
/// ends, too. acd_cli's figure.
const MARGIN: Duration = Duration::from_secs(120);

/// The share of a token's life that the margin is at most: one that lives for less than
/// twenty minutes would be refreshed again and again.
const SHARE: u32 = 10;

/// Between two tries to refresh a token that is still good.
const PAUSE: Duration = Duration::from_secs(10);

/// Longest time for a refresh: a small request, with callers waiting.
const TIMEOUT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Read as _, Write as _},
        net::TcpListener,
        sync::{Arc, Mutex as Lock},
        thread,
    };

    use super::*;

    /// A token endpoint that gives these answers in turn, and remembers the bodies.
    fn provider(answers: Vec<(u16, &'static str)>) -> (Url, Arc<Lock<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/auth/o2/token", listener.local_addr().unwrap());
        let seen = Arc::new(Lock::new(Vec::new()));
        let bodies = Arc::clone(&seen);
        thread::spawn(move || {
            for (status, answer) in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    let line = line.trim().to_ascii_lowercase();
                    if let Some(value) = line.strip_prefix("content-length: ") {
                        length = value.parse().unwrap();
                    }
                    if line.is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                bodies
                    .lock()
                    .unwrap()
                    .push(String::from_utf8(body).unwrap());
                let length = answer.len();
                write!(stream, "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{answer}").unwrap();
            }
        });
        (url.parse().unwrap(), seen)
    }

    fn source(url: Url, blob: &str) -> OAuth {
        OAuth::new(
            Token::parse(blob).unwrap(),
            OAuthOptions {
                remote: "drive".to_owned(),
                token_url: url,
                client_id: "id".to_owned(),
                client_secret: Some(Secret::new("canary-secret")),
                http: HttpOptions::default(),
            },
        )
    }

    const EXPIRED: &str =
        r#"{"access_token":"old","refresh_token":"canary-r1","expiry":"2015-01-01T00:00:00Z"}"#;
    const NEW: &str = r#"{"access_token":"new","refresh_token":"canary-r2","token_type":"bearer","expires_in":3600}"#;

    #[tokio::test]
    async fn callers_that_wait_together_cause_one_refresh() {
        let (url, seen) = provider(vec![(200, NEW)]);
        let source = source(url, EXPIRED);
        let tokens = futures::future::join_all((0..20).map(|_| source.token())).await;
        for token in tokens {
            assert_eq!(token.unwrap().expose(), "new");
        }
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 1);
        for part in [
            "grant_type=refresh_token",
            "refresh_token=canary-r1",
            "client_id=id",
            "client_secret=canary-secret",
        ] {
            assert!(seen[0].contains(part), "{}", seen[0]);
        }
    }

    #[tokio::test]
    async fn refused_token_is_refreshed_once_and_only_if_it_is_the_current_one() {
        let (url, seen) = provider(vec![
            (200, NEW),
            (200, r#"{"access_token":"newer","expires_in":3600}"#),
        ]);
        let source = source(url, r#"{"access_token":"old","refresh_token":"canary-r1"}"#);
        let old = source.token().await.unwrap();
        assert_eq!(old.expose(), "old");
        source.refused(&old).await;
        source.refused(&old).await;
        let new = source.token().await.unwrap();
        source.refused(&old).await;
        assert_eq!(source.token().await.unwrap(), new);
        source.refused(&new).await;
        assert_eq!(source.token().await.unwrap().expose(), "newer");
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 2);
        assert!(seen[1].contains("canary-r2"));
    }

    #[tokio::test]
    async fn refused_grant_is_final_and_a_failing_provider_is_not() {
        let (url, seen) = provider(vec![
            (503, ""),
            (
                400,
                r#"{"error":"invalid_grant","error_description":"canary-r1"}"#,
            ),
        ]);
        let source = source(url, EXPIRED);
        let first = source.token().await.unwrap_err();
        assert!(matches!(first, TokenError::Unavailable(_)), "{first:?}");
        for _ in 0..3 {
            let error = source.token().await.unwrap_err();
            assert!(matches!(error, TokenError::LoginNeeded(_)), "{error:?}");
            assert!(error.to_string().contains("log in again"), "{error}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
        assert_eq!(seen.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn callers_that_wait_together_share_a_failure_and_later_ones_try_again() {
        let (url, seen) = provider(vec![(500, ""), (200, NEW)]);
        let source = source(url, EXPIRED);
        let tokens = futures::future::join_all((0..20).map(|_| source.token())).await;
        for token in tokens {
            assert!(
                matches!(token, Err(TokenError::Unavailable(_))),
                "{token:?}"
            );
        }
        assert_eq!(seen.lock().unwrap().len(), 1);
        assert_eq!(source.token().await.unwrap().expose(), "new");
    }

    /// A token that ends within the margin.
    fn ending(refresh: &str) -> String {
        let soon = time::OffsetDateTime::from(SystemTime::now() + MARGIN / 2);
        let soon = soon.format(&time::format_description::well_known::Rfc3339);
        let expiry = soon.unwrap();
        format!(r#"{{"access_token":"a","refresh_token":"{refresh}","expiry":"{expiry}"}}"#)
    }

    #[tokio::test]
    async fn token_is_refreshed_ahead_of_its_end() {
        let (url, seen) = provider(vec![(200, NEW)]);
        let source = source(url, &ending("canary-r1"));
        for _ in 0..3 {
            assert_eq!(source.token().await.unwrap().expose(), "new");
        }
        assert_eq!(seen.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn token_of_a_short_life_is_refreshed_once_and_not_each_time() {
        let short = r#"{"access_token":"short","expires_in":100}"#;
        let (url, seen) = provider(vec![(200, short), (200, short)]);
        let source = source(url, EXPIRED);
        for _ in 0..3 {
            assert_eq!(source.token().await.unwrap().expose(), "short");
        }
        assert_eq!(seen.lock().unwrap().len(), 1);
        // A tenth of its life before its end it is.
        source.0.state.lock().await.token.expiry = Some(SystemTime::now() + Duration::from_secs(9));
        source.token().await.unwrap();
        assert_eq!(seen.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn good_token_is_handed_out_while_the_provider_is_away_and_a_bad_one_is_not() {
        let (url, seen) = provider(vec![(503, ""), (503, ""), (200, NEW)]);
        let source = source(url, &ending("canary-r1"));
        for _ in 0..3 {
            assert_eq!(source.token().await.unwrap().expose(), "a");
        }
        assert_eq!(
            seen.lock().unwrap().len(),
            1,
            "it is left alone for a while"
        );
        source.refused(&AccessToken::new("a")).await;
        let error = source.token().await.unwrap_err();
        assert!(matches!(error, TokenError::Unavailable(_)), "{error:?}");
        assert_eq!(source.token().await.unwrap().expose(), "new");
        assert_eq!(seen.lock().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn refused_grant_is_told_even_if_the_token_is_still_good() {
        let (url, seen) = provider(vec![(400, r#"{"error":"invalid_grant"}"#)]);
        let source = source(url, &ending("canary-r1"));
        for _ in 0..3 {
            let error = source.token().await.unwrap_err();
            assert!(matches!(error, TokenError::LoginNeeded(_)), "{error:?}");
        }
        assert_eq!(seen.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn refresh_goes_on_when_who_waits_for_it_leaves() {
        let (url, seen) = provider(vec![(200, NEW)]);
        let source = source(url, EXPIRED);
        let waiting = source.token();
        // Polled once: it is under way, and then nobody waits for it.
        assert!(futures::poll!(waiting).is_pending());
        assert_eq!(source.token().await.unwrap().expose(), "new");
        assert_eq!(seen.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn token_that_cannot_be_refreshed_is_used_to_its_end() {
        let source = source("http://127.0.0.1:9/".parse().unwrap(), &ending(""));
        let token = source.token().await.unwrap();
        source.refused(&token).await;
        let error = source.token().await.unwrap_err();
        assert!(matches!(error, TokenError::LoginNeeded(_)), "{error:?}");
    }

    #[tokio::test]
    async fn token_that_cannot_be_refreshed_asks_for_a_login() {
        let url = "http://127.0.0.1:9/".parse().unwrap();
        let source = source(
            url,
            r#"{"access_token":"a","expiry":"2015-01-01T00:00:00Z"}"#,
        );
        let error = source.token().await.unwrap_err();
        assert!(matches!(error, TokenError::LoginNeeded(_)), "{error:?}");
    }
}
