//! `client.conf`: how a client reaches this server, in rclone's format.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tokio::task;

use crate::{
    Error,
    api::{ACCESS_SECONDS, AUTHORIZE, METADATA, TOKEN},
    clock::{Clock, iso8601},
    data_dir::storage,
    ids,
    scopes::Scopes,
    store::{AddClient, Failure, IssueAccess, IssueRefresh, Store},
};

/// Writes the file for a server at this base address and says where it is.
pub(crate) async fn write(
    data_dir: &Path,
    base: &str,
    store: &Store,
    clock: &Clock,
) -> Result<PathBuf, Error> {
    let path = data_dir.join("client.conf");
    let failed = |source| Error::DataDirectory {
        path: path.clone(),
        source,
    };
    let existing = match tokio::fs::read_to_string(&path).await {
        Ok(text) => parse(&text),
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    let now = clock.now();
    let credentials = credentials(existing, store, now).await;
    let credentials = credentials.map_err(|error| storage(data_dir, error))?;
    let (credentials, grant_id) = credentials;
    let access_token = ids::access_token();
    let expires = now + ACCESS_SECONDS * 1000;
    let issue = IssueAccess {
        grant_id,
        token: ids::digest(&access_token),
        expires,
        now,
    };
    store
        .write(issue)
        .await
        .map_err(|error| storage(data_dir, error))?;
    let token = Token {
        access_token,
        token_type: "bearer".into(),
        refresh_token: credentials.refresh_token.clone(),
        expiry: iso8601(expires),
    };
    write_secret(&path, format(base, &credentials, &token)).await?;
    Ok(path)
}

/// Writes a file that only its owner can read, all at once.
pub(crate) async fn write_secret(path: &Path, text: String) -> Result<(), Error> {
    let target = path.to_owned();
    let written = task::spawn_blocking(move || replace(&target, &text)).await;
    written
        .unwrap_or_else(|panic| Err(panic.into()))
        .map_err(|source| Error::DataDirectory {
            path: path.to_owned(),
            source,
        })
}

struct Credentials {
    client_id: String,
    client_secret: String,
    refresh_token: String,
}

/// rclone's JSON of a token.
#[derive(Serialize, Deserialize)]
struct Token {
    access_token: String,
    token_type: String,
    refresh_token: String,
    expiry: String,
}

/// Those of the file if they are good, else new ones; and the grant of the refresh token.
async fn credentials(
    existing: Option<Credentials>,
    store: &Store,
    now: i64,
) -> Result<(Credentials, String), Failure> {
    if let Some(existing) = existing
        && store
            .verify_client(&existing.client_id, ids::digest(&existing.client_secret))
            .await?
        && let Some(refresh) = store.refresh(ids::digest(&existing.refresh_token)).await?
        && refresh.client == existing.client_id
    {
        // One that was made before users could let clients in has no redirect yet.
        store.write(client(&existing, now)).await?;
        return Ok((existing, refresh.grant_id));
    }
    let new = Credentials {
        client_id: ids::client_id(),
        client_secret: ids::client_secret(),
        refresh_token: ids::refresh_token(),
    };
    store.write(client(&new, now)).await?;
    let issue = IssueRefresh {
        client: new.client_id.clone(),
        account: store.first_account().await?.id,
        scopes: Scopes::drive().to_string(),
        token: ids::digest(&new.refresh_token),
        now,
    };
    let grant_id = store.write(issue).await?;
    Ok((new, grant_id))
}

fn client(credentials: &Credentials, now: i64) -> AddClient {
    AddClient {
        id: credentials.client_id.clone(),
        name: CLIENT_NAME.into(),
        secret: ids::digest(&credentials.client_secret),
        redirects: vec![RCLONE_REDIRECT.into()],
        now,
    }
}

fn format(base: &str, credentials: &Credentials, token: &Token) -> String {
    let Credentials {
        client_id,
        client_secret,
        ..
    } = credentials;
    let token = serde_json::to_string(token).expect("plain data always serializes");
    format!(
        "[{SECTION}]\n\
         type = amazon cloud drive\n\
         client_id = {client_id}\n\
         client_secret = {client_secret}\n\
         auth_url = {base}{AUTHORIZE}\n\
         token_url = {base}{TOKEN}\n\
         token = {token}\n\
         endpoint = {base}{METADATA}\n"
    )
}

/// What [`format`] wrote, also after rclone has: it keeps order and spaces.
fn parse(text: &str) -> Option<Credentials> {
    let lines = text.lines().map(str::trim);
    let section = lines
        .skip_while(|line| *line != format!("[{SECTION}]"))
        .skip(1);
    let section: Vec<_> = section.take_while(|line| !line.starts_with('[')).collect();
    let value = |key: &str| {
        let mut pairs = section.iter().filter_map(|line| line.split_once('='));
        pairs
            .find(|(found, _)| found.trim() == key)
            .map(|(_, value)| value.trim())
    };
    let token: Token = serde_json::from_str(value("token")?).ok()?;
    Some(Credentials {
        client_id: value("client_id")?.to_owned(),
        client_secret: value("client_secret")?.to_owned(),
        refresh_token: token.refresh_token,
    })
}

/// Puts the text under this name: a reader sees the old file or the new one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let temporary = path.with_extension(format!("{}.tmp", ids::object()));
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        path.parent()
            .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// The section's name, and so the remote's.
const SECTION: &str = "drive";

/// Where rclone has users sent back to.
const RCLONE_REDIRECT: &str = "http://127.0.0.1:53682/";

/// `createdBy` of nodes made with this client.
const CLIENT_NAME: &str = "acd";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_found_in_what_was_written() {
        let credentials = Credentials {
            client_id: "id".into(),
            client_secret: "secret".into(),
            refresh_token: "Atzr|x=y".into(),
        };
        let token = Token {
            access_token: "Atza|x".into(),
            token_type: "bearer".into(),
            refresh_token: "Atzr|x=y".into(),
            expiry: "2030-01-01T00:00:00.000Z".into(),
        };
        let text = format("http://127.0.0.1:1", &credentials, &token);
        let found = parse(&format!(
            "[other]\nclient_id = no\n{text}\n[more]\nclient_id = no\n"
        ))
        .unwrap();
        assert_eq!(found.client_id, "id");
        assert_eq!(found.client_secret, "secret");
        assert_eq!(found.refresh_token, "Atzr|x=y");
        assert!(parse("").is_none());
    }
}
