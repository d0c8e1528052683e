//! Users, their drives, and the programs they may let in: what the owner of a data directory
//! decides, beside any server that runs over it.

mod drives;
mod password;
mod redirect;
mod throttle;

use std::{
    fmt,
    path::{Path, PathBuf},
};

pub(crate) use self::{
    drives::Drives, password::Passwords, redirect::matches as redirect_matches, throttle::Throttle,
};
use crate::{
    Error,
    clock::Clock,
    data_dir::{open_store, storage},
    durability::Durability,
    ids,
    store::{Account, AddClient, AddUser, Failure, RemoveUser, SetPassword, Store},
};

/// The users and programs of a data directory. Servers may run over it meanwhile, in this
/// process or in others, and see each change at once.
pub struct Accounts {
    data_dir: PathBuf,
    store: Store,
    passwords: Passwords,
    clock: Clock,
}

/// A user of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// What they sign in with, in lower case.
    pub name: String,
    /// What programs know them by: `amzn1.account.…`.
    pub user_id: String,
    /// The directory their drive is in. It may be missing until the drive is first used.
    pub drive: PathBuf,
}

/// A program that may ask users for leave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Program {
    /// `amzn1.application-oa2-client.…`.
    pub client_id: String,
    /// What users are told, and `createdBy` of the nodes it makes.
    pub name: String,
    /// Where it may have users sent back to.
    pub redirect_uris: Vec<String>,
}

/// A program's secret: 64 hex digits.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret(String);

impl ClientSecret {
    /// To be shown to whoever sets the program up. It cannot be had again.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret")
    }
}

impl Accounts {
    /// Opens the data directory, creating or migrating it where needed. Needs a Tokio runtime.
    ///
    /// # Errors
    /// Those of [`Server::bind`](crate::Server::bind), but for the address.
    pub async fn open(data_dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let data_dir = data_dir.into();
        let clock = Clock::default();
        Ok(Self {
            store: open_store(&data_dir, clock.now(), Durability::default()).await?,
            data_dir,
            passwords: Passwords::new(),
            clock,
        })
    }

    /// Makes a user, who owns the drive that the directory has itself if nobody did before;
    /// else the drive that a removed user of this name had, or a new one.
    ///
    /// # Errors
    /// [`Error::UserName`], [`Error::Password`]: they cannot be used.
    /// [`Error::UserExists`]; [`Error::Storage`].
    pub async fn add_user(&self, name: &str, password: &str) -> Result<User, Error> {
        let name = user_name(name)?;
        let add = AddUser {
            name: name.clone(),
            password: self.passwords.hash(password).await?,
            now: self.clock.now(),
        };
        let added = self.store.write(add).await;
        let added = added.map_err(|error| self.failed(error))?;
        self.user(added).ok_or(Error::UserExists { name })
    }

    /// All users, by name.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn users(&self) -> Result<Vec<User>, Error> {
        let found = self.store.users().await;
        let found = found.map_err(|error| self.failed(error))?;
        Ok(found
            .into_iter()
            .filter_map(|account| self.user(Some(account)))
            .collect())
    }

    /// Gives a user another password. They have to sign in again; programs they let in stay.
    ///
    /// # Errors
    /// [`Error::NoSuchUser`]; [`Error::Password`]: it cannot be used; [`Error::Storage`].
    pub async fn set_password(&self, name: &str, password: &str) -> Result<User, Error> {
        let name = name.to_lowercase();
        let set = SetPassword {
            name: name.clone(),
            password: self.passwords.hash(password).await?,
        };
        let changed = self.store.write(set).await;
        let changed = changed.map_err(|error| self.failed(error))?;
        self.user(changed).ok_or(Error::NoSuchUser { name })
    }

    /// Removes a user: their sessions end, and the tokens of the programs they let in. Their
    /// drive stays where it was, as the reply says, and is theirs again if they are added
    /// again.
    ///
    /// # Errors
    /// [`Error::NoSuchUser`]; [`Error::Storage`].
    pub async fn remove_user(&self, name: &str) -> Result<User, Error> {
        let name = name.to_lowercase();
        let remove = RemoveUser { name: name.clone() };
        let removed = self.store.write(remove).await;
        let removed = removed.map_err(|error| self.failed(error))?;
        self.user(removed).ok_or(Error::NoSuchUser { name })
    }

    /// Makes a program known, with a secret that is told this once.
    ///
    /// Users are sent back to exactly one of the addresses: `https://…`, or `http://…` on this
    /// machine, where `:*` for the port is any port.
    ///
    /// # Errors
    /// [`Error::RedirectUri`]; [`Error::Storage`].
    pub async fn add_program(
        &self,
        name: &str,
        redirect_uris: &[String],
    ) -> Result<(Program, ClientSecret), Error> {
        for uri in redirect_uris {
            redirect::check(uri).map_err(|reason| Error::RedirectUri {
                uri: uri.clone(),
                reason,
            })?;
        }
        let secret = ids::client_secret();
        let add = AddClient {
            id: ids::client_id(),
            name: name.to_owned(),
            secret: ids::digest(&secret),
            redirects: redirect_uris.to_vec(),
            now: self.clock.now(),
        };
        let program = Program {
            client_id: add.id.clone(),
            name: add.name.clone(),
            redirect_uris: add.redirects.clone(),
        };
        let added = self.store.write(add).await;
        added.map_err(|error| self.failed(error))?;
        Ok((program, ClientSecret(secret)))
    }

    /// All programs, by name.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn programs(&self) -> Result<Vec<Program>, Error> {
        let found = self.store.clients().await;
        let found = found.map_err(|error| self.failed(error))?;
        Ok(found
            .into_iter()
            .map(|client| Program {
                client_id: client.id,
                name: client.name,
                redirect_uris: client.redirects,
            })
            .collect())
    }

    /// Lets the directory go. What was changed is on the disk already.
    pub async fn close(self) {
        self.store.close().await;
    }

    fn user(&self, account: Option<Account>) -> Option<User> {
        let account = account?;
        Some(User {
            name: account.name?,
            drive: drive(&self.data_dir, &account.id, account.is_first),
            user_id: account.id,
        })
    }

    fn failed(&self, error: Failure) -> Error {
        storage(&self.data_dir, error)
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Accounts");
        shown.field("data_dir", &self.data_dir);
        shown.finish_non_exhaustive()
    }
}

/// The directory of an account's drive.
fn drive(data_dir: &Path, account: &str, is_first: bool) -> PathBuf {
    match is_first {
        true => data_dir.to_owned(),
        false => data_dir.join("accounts").join(account),
    }
}

/// The name as it is kept: in lower case, since nobody remembers which letters were large.
fn user_name(name: &str) -> Result<String, Error> {
    let known = |letter: char| letter.is_ascii_alphanumeric() || "._-+@".contains(letter);
    if (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(known) {
        return Ok(name.to_lowercase());
    }
    Err(Error::UserName {
        name: name.to_owned(),
    })
}

/// Bytes of a user name: most addresses of mail fit.
pub(crate) const LONGEST_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_simple_and_in_lower_case() {
        assert_eq!(user_name("Anna@Example.org").unwrap(), "anna@example.org");
        for wrong in ["", "a b", "zoë", "a\n", "a/b", &"x".repeat(65)] {
            assert!(matches!(user_name(wrong), Err(Error::UserName { .. })));
        }
    }
}
