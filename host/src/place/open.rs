//! From what was typed to an open place.

use std::{
    collections::HashMap,
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::{Mutex, OnceCell};

use super::{
    Place,
    embedded::{Embedded, EmbeddedError},
    join_shown,
    spec::{InvalidSpec, Spec},
};
use crate::{
    auth::{Fixed, OAuth, OAuthOptions},
    component::{
        self, Access, Budget, Component, Encoding, HttpOptions, Origin, Proxy, Remote,
        RemoteOptions, Sandbox, Settings,
    },
    config::{self, Config, RemoteConfig, ServiceOptions},
};

/// What opening places takes.
#[derive(Debug, Clone)]
pub struct Options {
    /// The config file, and whether it must be there.
    pub config: (PathBuf, bool),
    /// Where `embedded:` keeps its data.
    pub embedded_dir: PathBuf,
    /// How names are written on all remotes, in rclone's words; goes before their own.
    pub encoding: Option<String>,
    /// The component to run instead of the one built in.
    pub component: Option<PathBuf>,
    /// How requests are sent.
    pub http: HttpOptions,
    /// How long each request is retried.
    pub retry: Budget,
    /// What goes before the config file's options.
    pub service: ServiceOptions,
}

/// Opens places, each remote once.
pub struct Context {
    options: Options,
    component: OnceCell<Component>,
    config: OnceCell<Config>,
    pure: OnceCell<Sandbox>,
    remotes: Mutex<HashMap<String, Remote>>,
    // Last, so that all that speaks to it is gone before it stops.
    embedded: OnceCell<Embedded>,
}

/// A place cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was typed is no place.
    #[error(transparent)]
    InvalidSpec(#[from] InvalidSpec),
    /// The config file, or the remote's section in it.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// No remote has this name.
    #[error("there is no remote named {name:?} in {}", crate::files::shown(.config))]
    UnknownRemote {
        /// What was asked for.
        name: String,
        /// The config file.
        config: PathBuf,
        /// The names of all remotes.
        known: Vec<String>,
    },
    /// Nobody has logged in to this remote yet.
    #[error("the remote {name:?} has no token")]
    NoToken {
        /// The remote.
        name: String,
    },
    /// The embedded drive does not start.
    #[error("the embedded drive in {} cannot be used", crate::files::shown(.data_dir))]
    Embedded {
        /// Its data.
        data_dir: PathBuf,
        /// Why.
        source: EmbeddedError,
    },
    /// There is no component to run.
    #[error(transparent)]
    Component(component::Error),
    /// The encoding for all remotes has words that are none.
    #[error("{what}")]
    Encoding {
        /// What is wrong with it.
        what: String,
    },
    /// The remote cannot be opened.
    #[error("cannot open {name}:")]
    Connect {
        /// The remote.
        name: String,
        /// Why.
        source: component::Error,
    },
}

/// The remote that needs no configuration.
const EMBEDDED: &str = "embedded";

impl Context {
    /// Nothing is read or started before it is needed.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            component: OnceCell::new(),
            config: OnceCell::new(),
            pure: OnceCell::new(),
            remotes: Mutex::new(HashMap::new()),
            embedded: OnceCell::new(),
        }
    }

    /// Where `embedded:` keeps its data.
    pub fn embedded_dir(&self) -> &Path {
        &self.options.embedded_dir
    }

    /// An instance that reaches nothing, for decisions that need no remote.
    ///
    /// # Errors
    /// `Component`.
    pub async fn sandbox(&self) -> Result<&Sandbox, Error> {
        self.pure
            .get_or_try_init(|| async {
                let component = self.component().await?;
                Sandbox::start(component, Settings::default()).map_err(Error::Component)
            })
            .await
    }

    /// Where the config file has the changes of a remote begin.
    ///
    /// # Errors
    /// `Config`.
    pub async fn checkpoint(&self, name: &str) -> Result<Option<String>, Error> {
        if name == EMBEDDED {
            return Ok(None);
        }
        let remote = self.config().await?.remote(name)?;
        Ok(remote.and_then(|remote| remote.checkpoint))
    }

    async fn config(&self) -> Result<&Config, Error> {
        let read = || async {
            let (path, required) = &self.options.config;
            Config::read(path, *required)
        };
        Ok(self.config.get_or_try_init(read).await?)
    }

    async fn component(&self) -> Result<&Component, Error> {
        self.component
            .get_or_try_init(|| async {
                match &self.options.component {
                    Some(path) => Component::load(path),
                    None => Component::built_in(),
                }
                .map_err(Error::Component)
            })
            .await
    }

    async fn remote(&self, name: &str) -> Result<Remote, Error> {
        let mut remotes = self.remotes.lock().await;
        if let Some(remote) = remotes.get(name) {
            return Ok(remote.clone());
        }
        let remote = if name == EMBEDDED {
            self.embedded().await?
        } else {
            self.configured(name).await?
        };
        remotes.insert(name.to_owned(), remote.clone());
        Ok(remote)
    }

    async fn embedded(&self) -> Result<Remote, Error> {
        // A component that cannot be run is told before anything is started.
        self.component().await?;
        let data_dir = &self.options.embedded_dir;
        let embedded = self
            .embedded
            .get_or_try_init(|| Embedded::start(data_dir))
            .await
            .map_err(|source| Error::Embedded {
                data_dir: data_dir.clone(),
                source,
            })?;
        let settings = Settings {
            credentials: Some(Arc::new(Fixed::new(embedded.token.as_str()))),
            http: HttpOptions {
                // It is in this process; no proxy can reach it.
                proxy: Proxy::None,
                ..self.options.http.clone()
            },
            ..Settings::default()
        };
        let own = (embedded.endpoint.as_str(), Access::Credentials);
        let sandbox = self.start(EMBEDDED, settings, &[own]).await?;
        let options = RemoteOptions {
            encoding: self.encoding().await?.unwrap_or_default(),
            ..RemoteOptions::new(&embedded.endpoint)
        };
        self.connect(EMBEDDED, &sandbox, options).await
    }

    /// The one for all remotes.
    async fn encoding(&self) -> Result<Option<Encoding>, Error> {
        let Some(words) = &self.options.encoding else {
            return Ok(None);
        };
        match self.sandbox().await?.parse_encoding(words).await {
            Ok(encoding) => Ok(Some(encoding)),
            Err(component::Error::Other(what)) => Err(Error::Encoding { what }),
            Err(error) => Err(Error::Component(error)),
        }
    }

    async fn configured(&self, name: &str) -> Result<Remote, Error> {
        let config = self.config().await?;
        let Some(remote) = config.remote(name)? else {
            return Err(Error::UnknownRemote {
                name: name.to_owned(),
                config: config.path().to_owned(),
                known: config.names().map(str::to_owned).collect(),
            });
        };
        let encoding = match (self.encoding().await?, &remote.encoding) {
            (Some(encoding), _) => encoding,
            (None, Some(words)) => match self.sandbox().await?.parse_encoding(words).await {
                Ok(encoding) => encoding,
                Err(component::Error::Other(why)) => {
                    return Err(config.bad_value(name, "encoding", why).into());
                }
                Err(error) => return Err(Error::Component(error)),
            },
            (None, None) => Encoding::default(),
        };
        let mut http = self.options.http.clone();
        http.ca_certificates.extend(remote.ca_cert.clone());
        let Some(token) = remote.token.clone() else {
            return Err(Error::NoToken { name: remote.name });
        };
        let tokens = OAuth::new(
            token,
            OAuthOptions {
                remote: remote.name.clone(),
                token_url: remote.token_url.clone(),
                client_id: remote.client_id.clone(),
                client_secret: remote.client_secret.clone(),
                http: http.clone(),
            },
        );
        let settings = Settings {
            origins: [&remote.origins[..], &remote.download_origins[..]].concat(),
            credentials: Some(Arc::new(tokens)),
            http,
            ..Settings::default()
        };
        let sandbox = self.start(name, settings, &origins(&remote)).await?;
        let mut options = RemoteOptions {
            encoding,
            ..RemoteOptions::new(remote.endpoint.as_str())
        };
        remote.service.apply(&mut options);
        self.connect(name, &sandbox, options).await
    }

    /// Starts an instance for one remote, which may reach these servers.
    async fn start(
        &self,
        name: &str,
        mut settings: Settings,
        origins: &[(&str, Access)],
    ) -> Result<Sandbox, Error> {
        let failed = |source| Error::Connect {
            name: name.to_owned(),
            source,
        };
        for (origin, access) in origins {
            let origin = Origin::parse(origin, *access)
                .map_err(|error| failed(component::Error::Other(error.to_string())))?;
            settings.origins.push(origin);
        }
        Sandbox::start(self.component().await?, settings).map_err(failed)
    }

    async fn connect(
        &self,
        name: &str,
        sandbox: &Sandbox,
        mut options: RemoteOptions,
    ) -> Result<Remote, Error> {
        options.retry = self.options.retry;
        self.options.service.apply(&mut options);
        sandbox
            .connect(options)
            .await
            .map_err(|source| Error::Connect {
                name: name.to_owned(),
                source,
            })
    }
}

/// The servers a remote's service consists of.
fn origins(remote: &RemoteConfig) -> Vec<(&str, Access)> {
    if remote.is_amazon {
        // Discovery, metadata and content, in all regions; and where large downloads and
        // temporary links led, which must not see the token.
        vec![
            ("https://drive.amazonaws.com", Access::Credentials),
            ("https://cdws.*.amazonaws.com", Access::Credentials),
            ("https://*.drive.amazonaws.com", Access::Credentials),
            ("https://*.amazonaws.com", Access::Anonymous),
        ]
    } else {
        vec![(remote.endpoint.as_str(), Access::Credentials)]
    }
}

/// Opens what was typed. A remote is reached; whether its path exists is not looked at.
///
/// # Errors
/// As [`Error`] lists.
pub async fn open(text: &OsStr, context: &Context) -> Result<Place, Error> {
    match Spec::parse(text)? {
        Spec::Local(path) => Ok(Place::Local(path)),
        Spec::Remote { name, path } => {
            let remote = context.remote(&name).await?;
            let sandbox = remote.sandbox();
            let path = sandbox.from_display(path).await.map_err(Error::Component)?;
            let names = sandbox
                .display(path.clone())
                .await
                .map_err(Error::Component)?;
            let shown = names
                .iter()
                .fold(format!("{name}:"), |above, name| join_shown(&above, name));
            Ok(Place::Remote {
                remote,
                path,
                shown,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(lines: &str) -> RemoteConfig {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("my.conf");
        std::fs::write(
            &path,
            format!("[drive]\ntype = amazon cloud drive\n{lines}\n"),
        )
        .unwrap();
        let config = Config::read(&path, true).unwrap();
        config.remote("drive").unwrap().unwrap()
    }

    #[test]
    fn only_amazons_own_services_may_see_its_token() {
        use Access::{Anonymous, Credentials};
        let remote = remote("");
        assert_eq!(
            origins(&remote),
            [
                ("https://drive.amazonaws.com", Credentials),
                ("https://cdws.*.amazonaws.com", Credentials),
                ("https://*.drive.amazonaws.com", Credentials),
                ("https://*.amazonaws.com", Anonymous),
            ]
        );
    }

    #[test]
    fn another_service_is_bound_to_its_endpoint_and_what_the_config_lists() {
        let remote = remote(
            "endpoint = http://127.0.0.1:81/drive/v1\norigins = https://content.example, http://[::1]:82",
        );
        assert_eq!(
            origins(&remote),
            [("http://127.0.0.1:81/drive/v1/", Access::Credentials)]
        );
        let origin = |text| Origin::parse(text, Access::Credentials).unwrap();
        assert_eq!(
            remote.origins,
            [origin("https://content.example"), origin("http://[::1]:82")]
        );
    }
}
