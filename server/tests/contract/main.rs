//! The contract suite: what the reference says of the service, said to a server.
//!
//! Its functions know a server's addresses and a token and nothing else. With
//! `CONTRACT_ENDPOINT` (the address `account/endpoint` is asked below) and `CONTRACT_TOKEN`
//! they judge the server there; without, each starts a server of this crate over a directory
//! of its own. A function works in a new folder below the root, so that a drive in use can be
//! judged as well; a few create something beside it, and put that into the trash.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
// A function that no list names is never called: that must not go unnoticed.
#![deny(dead_code)]

use std::{env, path::Path, sync::Once};

use amazon_drive_server::{Options, Server};
use reqwest::{Client, redirect};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};

use crate::drive::{Drive, Login, send};

/// Makes tests of functions that judge a drive by an empty folder of theirs in it.
macro_rules! contract {
    ($($function:ident),* $(,)?) => {
        mod holds {
            $(
                #[tokio::test]
                async fn $function() {
                    crate::judge(super::$function).await;
                }
            )*
        }
    };
}

mod account;
mod assets;
mod basics;
mod changes;
mod concurrency;
mod download;
mod drive;
mod errors;
mod feed;
mod filters;
mod listing;
mod login;
mod model;
mod multipart;
mod names;
mod nodes;
mod oauth;
mod overwrite;
mod parents;
mod patch;
mod properties;
mod raw;
mod retries;
mod shape;
mod templink;
mod trash;
mod upload;

/// Runs one function of the suite.
async fn judge(function: impl AsyncFnOnce(&Drive, &str)) {
    let place = Place::open().await;
    let home = place.drive.home().await;
    function(&place.drive, &home).await;
    place.leave(&home).await;
}

/// Where functions run: a server somewhere, or one of this crate for as long as this lives.
struct Place {
    drive: Drive,
    started: Option<Started>,
}

struct Started {
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    _dir: TempDir,
}

impl Place {
    async fn open() -> Self {
        let Some(endpoint) = env::var("CONTRACT_ENDPOINT").ok() else {
            return Self::start().await;
        };
        let token = env::var("CONTRACT_TOKEN").expect("CONTRACT_TOKEN, for CONTRACT_ENDPOINT");
        let endpoint = format!("{}/", endpoint.trim_end_matches('/'));
        Self {
            drive: discover(&endpoint, token, None).await,
            started: None,
        }
    }

    async fn start() -> Self {
        let dir = scratch();
        let options = Options::new(dir.path(), ([127, 0, 0, 1], 0).into());
        let server = Server::bind(options).await.unwrap();
        let config = server.client_config().await.unwrap();
        let login = login(&std::fs::read_to_string(config).unwrap());
        let (endpoint, token) = (server.endpoint(), server.local_token());
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            server.serve(shutdown).await.unwrap();
        });
        Self {
            drive: discover(&endpoint, token, Some(login)).await,
            started: Some(Started {
                stop,
                serving,
                _dir: dir,
            }),
        }
    }

    /// Puts away what is left on a server that goes on living, or ends the server.
    async fn leave(self, home: &str) {
        match self.started {
            None => drop(self.drive.trash(home).await.expect(200)),
            Some(started) => {
                drop((self.drive, started.stop));
                started.serving.await.unwrap();
            }
        }
    }
}

/// A new directory, in memory where the system has a place for that: hundreds of servers are
/// started, and what they keep need not outlast them.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir());
    made.unwrap()
}

/// A drive by what discovery says of it.
async fn discover(endpoint: &str, token: String, login: Option<Login>) -> Drive {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let http = Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .build()
        .unwrap();
    let request = http.get(format!("{endpoint}account/endpoint"));
    let found = send(request.bearer_auth(&token)).await.expect(200).json();
    let address = |key: &str| found[key].as_str().unwrap().to_owned();
    Drive {
        metadata_url: address("metadataUrl"),
        content_url: address("contentUrl"),
        token,
        http,
        login,
    }
}

/// What an rclone section says of the token endpoint.
fn login(section: &str) -> Login {
    let value = |key: &str| {
        let lines = section.lines().filter_map(|line| line.split_once('='));
        let mut values = lines.filter(|(name, _)| name.trim() == key);
        values.next().unwrap().1.trim().to_owned()
    };
    let token: Value = serde_json::from_str(&value("token")).unwrap();
    Login {
        token_url: value("token_url"),
        client_id: value("client_id"),
        client_secret: value("client_secret"),
        refresh_token: token["refresh_token"].as_str().unwrap().to_owned(),
    }
}
