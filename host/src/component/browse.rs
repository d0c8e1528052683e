//! What a drive has, all at once or as it changes; its account; and links to its files.

use std::{collections::VecDeque, fmt};

use futures::FutureExt as _;

use super::{Account, ChangeSet, Error, Found, Remote, Target, batches::Batches, bindings::drive};

impl Remote {
    /// All that lies below a folder, in no order, but a folder before what is in it: folder
    /// by folder, or by the changes of the whole drive, whichever is fewer calls.
    ///
    /// # Errors
    /// `NotFound`, `NotAFolder`, or as the service and the network have it.
    pub async fn walk(&self, folder: Target) -> Result<Walk, Error> {
        let batches = self.batches(move |at, remote, cancel| {
            async move {
                let exports = at.backend.amazon_drive_backend_drive();
                exports
                    .remote()
                    .call_walk(at.accessor, remote, folder.into(), cancel)
                    .await
            }
            .boxed()
        });
        batches.await.map(Walk)
    }

    /// What happened on the drive since a checkpoint, or all there is.
    ///
    /// # Errors
    /// `InvalidArgument` for a checkpoint that is none, or as the service and the network
    /// have it.
    pub async fn changes(&self, checkpoint: Option<String>) -> Result<Changes, Error> {
        let batches = self.batches(move |at, remote, cancel| {
            async move {
                let exports = at.backend.amazon_drive_backend_drive();
                exports
                    .remote()
                    .call_changes(at.accessor, remote, checkpoint, cancel)
                    .await
            }
            .boxed()
        });
        Ok(Changes {
            batches: batches.await?,
            ready: VecDeque::new(),
        })
    }

    /// What the account has room for and what fills it.
    ///
    /// # Errors
    /// As the service and the network have it.
    pub async fn account(&self) -> Result<Account, Error> {
        self.call(move |at, remote, cancel| {
            async move {
                let exports = at.backend.amazon_drive_backend_drive();
                let account = exports
                    .remote()
                    .call_account(at.accessor, remote, cancel)
                    .await?;
                Ok(account.map(Account::from).map_err(Error::from))
            }
            .boxed()
        })
        .await
        .map(|(value, _)| value)
    }

    /// A URL that gives a file to whoever has it, for some two days.
    ///
    /// # Errors
    /// `NotFound`; `NotAFile` for a folder.
    pub async fn temporary_link(&self, file: Target) -> Result<TemporaryLink, Error> {
        self.call(move |at, remote, cancel| {
            async move {
                let exports = at.backend.amazon_drive_backend_drive();
                let link = exports
                    .remote()
                    .call_temporary_link(at.accessor, remote, file.into(), cancel)
                    .await?;
                Ok(link.map(TemporaryLink).map_err(Error::from))
            }
            .boxed()
        })
        .await
        .map(|(value, _)| value)
    }
}

/// A secret: it shows itself only to who asks for it.
#[derive(Clone, PartialEq, Eq)]
pub struct TemporaryLink(String);

impl TemporaryLink {
    /// The URL.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TemporaryLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TemporaryLink(redacted)")
    }
}

/// All that lies below a folder, batch by batch.
pub struct Walk(Batches<drive::Found>);

impl Walk {
    /// What was found next, never an empty batch. `Ok(None)` is the only sign that this was
    /// all.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// Not all could be found; what could is handed out before. So does every call after.
    pub async fn next_batch(&mut self) -> Result<Option<Vec<Found>>, Error> {
        let batch = self.0.next().await?;
        Ok(batch.map(|batch| batch.into_iter().map(Found::from).collect()))
    }
}

/// What happened on a drive, set by set.
pub struct Changes {
    batches: Batches<drive::ChangeSet>,
    ready: VecDeque<drive::ChangeSet>,
}

impl Changes {
    /// The next set. `Ok(None)` is the only sign that this was all.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// The service broke off: ask again from the checkpoint of the last set. So does every
    /// call after.
    pub async fn next_set(&mut self) -> Result<Option<ChangeSet>, Error> {
        while self.ready.is_empty() {
            match self.batches.next().await? {
                Some(batch) => self.ready.extend(batch),
                None => return Ok(None),
            }
        }
        Ok(self.ready.pop_front().map(ChangeSet::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_shows_itself_to_nobody_who_does_not_ask() {
        let link = TemporaryLink("https://c.example/templink/canary".to_owned());
        assert!(!format!("{link:?}").contains("canary"));
        assert!(link.expose().ends_with("canary"));
    }
}
