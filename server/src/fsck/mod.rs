//! Proof that a data directory's metadata and contents agree.
//!
//! It looks at one moment's metadata, and may do so beside running servers. What these do
//! meanwhile to contents could pass for damage, so a suspect is looked at once more, in the
//! present, before it is told of. Memory does not grow with the drive.

mod finding;
mod objects;

use std::path::Path;

use futures::{Stream, StreamExt, pin_mut};

pub use self::finding::{Finding, Problem};
use crate::{
    Error,
    backup::{ACCOUNTS, accounts, unopened},
    data_dir::{Paths, storage},
    store::{Mending, OpenError, Reading, SCHEMA, Suspect, Use},
};

/// How thoroughly to look, and what to do about what is found.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct FsckOptions {
    /// Leave the contents' bytes unread: sizes are compared, digests are not.
    pub quick: bool,
    /// Put right what can be without a loss: delete objects nothing refers to, correct what
    /// folders say of nodes and their numbers. Never takes away a node, or what one refers to.
    pub repair: bool,
}

/// What a check has looked at so far, and in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FsckSummary {
    /// Accounts: 1 where there are no further ones.
    pub drives: u64,
    /// Nodes, roots and trash included.
    pub nodes: u64,
    /// Contents looked at.
    pub contents: u64,
    /// Bytes of contents read.
    pub bytes: u64,
    /// Things found to be wrong.
    pub findings: u64,
    /// Those of them that were put right.
    pub repaired: u64,
}

impl FsckSummary {
    /// Whether nothing is wrong, or nothing any more.
    pub fn is_clean(&self) -> bool {
        self.findings == self.repaired
    }
}

/// What a check tells while it runs.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum FsckEvent<'a> {
    /// Something is wrong.
    Found(&'a Finding),
    /// It has come so far.
    Progress(&'a FsckSummary),
}

/// Checks a data directory with the drives of all its accounts. Servers may be running on it.
///
/// # Errors
/// [`Error::NoDrive`], [`Error::NewerSchema`], [`Error::OlderSchema`], [`Error::Storage`],
/// [`Error::DataDirectory`]: it cannot be looked at, not even to find it damaged.
pub async fn fsck(
    data_dir: &Path,
    options: FsckOptions,
    mut told: impl FnMut(FsckEvent<'_>),
) -> Result<FsckSummary, Error> {
    let mut summary = FsckSummary::default();
    let further = accounts(data_dir)?;
    let further = further.into_iter().map(Some);
    for account in std::iter::once(None).chain(further) {
        let root = match &account {
            None => data_dir.to_owned(),
            Some(account) => data_dir.join(ACCOUNTS).join(account),
        };
        let account = account.map(|account| account.to_string_lossy().into_owned());
        let mut check = Check::open(&root, account, options, &mut summary, &mut told).await?;
        let metadata = check.metadata().await;
        // A database too damaged to be read on is a finding; its contents are not looked for.
        match metadata {
            Ok(()) => check.contents().await?,
            Err(error) => check.unreadable(&error),
        }
        check.close().await?;
    }
    Ok(summary)
}

/// The check of one drive.
struct Check<'a, F> {
    paths: Paths,
    account: Option<String>,
    options: FsckOptions,
    summary: &'a mut FsckSummary,
    told: &'a mut F,
    /// One moment's state.
    then: Reading,
    /// The present one.
    now: Reading,
    mending: Option<Mending>,
    /// Whether the numbers of nodes have been counted anew.
    recounted: bool,
}

impl<'a, F: FnMut(FsckEvent<'_>)> Check<'a, F> {
    async fn open(
        root: &Path,
        account: Option<String>,
        options: FsckOptions,
        summary: &'a mut FsckSummary,
        told: &'a mut F,
    ) -> Result<Self, Error> {
        let paths = Paths::new(root);
        if !paths.database.is_file() {
            return Err(Error::NoDrive {
                path: root.to_owned(),
            });
        }
        let failed = |error: OpenError| unopened(root, error);
        let (mut then, found) = Reading::open(&paths.database, Use::Shared)
            .await
            .map_err(failed)?;
        if found < SCHEMA {
            return Err(Error::OlderSchema {
                path: root.to_owned(),
                found,
                supported: SCHEMA,
            });
        }
        let (now, _) = Reading::open(&paths.database, Use::Shared)
            .await
            .map_err(failed)?;
        let mending = match options.repair {
            true => Some(
                Mending::open(&paths.database)
                    .await
                    .map_err(|error| storage(root, error))?,
            ),
            false => None,
        };
        then.hold_snapshot()
            .await
            .map_err(|error| storage(root, error))?;
        Ok(Self {
            paths,
            account,
            options,
            summary,
            told,
            then,
            now,
            mending,
            recounted: false,
        })
    }

    /// Whether the metadata agree with themselves.
    async fn metadata(&mut self) -> Result<(), sqlx::Error> {
        self.summary.drives += 1;
        self.summary.nodes += u64::try_from(self.then.nodes().await?).unwrap_or_default();
        self.progress();
        let Self {
            account,
            summary,
            told,
            then,
            now,
            mending,
            recounted,
            ..
        } = self;
        let mut reporter = Reporter {
            account: account.as_deref(),
            summary,
            told,
            now,
            mending: mending.as_mut(),
            recounted,
        };
        for check in Reading::checks() {
            reporter.tell_all(then.suspects(check)).await?;
        }
        reporter.tell_all(then.wrong_lower_case()).await?;
        then.find_cycles().await?;
        reporter.tell_all(then.cycles()).await
    }

    fn unreadable(&mut self, error: &sqlx::Error) {
        let finding = Finding {
            problem: Problem::DamagedDatabase,
            account: self.account.clone(),
            node: None,
            path: None,
            detail: format!("it cannot be read on: {error}"),
            repaired: false,
        };
        self.found(&finding);
    }

    fn found(&mut self, finding: &Finding) {
        self.summary.findings += 1;
        self.summary.repaired += u64::from(finding.repaired);
        (self.told)(FsckEvent::Found(finding));
    }

    fn progress(&mut self) {
        (self.told)(FsckEvent::Progress(self.summary));
    }

    fn storage(&self, error: sqlx::Error) -> Error {
        storage(&self.paths.root, error)
    }

    async fn close(self) -> Result<(), Error> {
        let root = &self.paths.root;
        let closed = async {
            self.then.close().await?;
            self.now.close().await?;
            match self.mending {
                Some(mending) => mending.close().await,
                None => Ok(()),
            }
        };
        closed.await.map_err(|error| storage(root, error))
    }
}

/// Turns suspects of the metadata into findings, mended where that is wanted.
struct Reporter<'a, F> {
    account: Option<&'a str>,
    summary: &'a mut FsckSummary,
    told: &'a mut F,
    now: &'a mut Reading,
    mending: Option<&'a mut Mending>,
    recounted: &'a mut bool,
}

impl<F: FnMut(FsckEvent<'_>)> Reporter<'_, F> {
    async fn tell_all(
        &mut self,
        suspects: impl Stream<Item = Result<Suspect, sqlx::Error>>,
    ) -> Result<(), sqlx::Error> {
        pin_mut!(suspects);
        while let Some(suspect) = suspects.next().await {
            let suspect = suspect?;
            let repaired = self.mend(&suspect).await;
            let path = match &suspect.node {
                Some(node) => self.now.path(node).await?,
                None => None,
            };
            let finding = Finding {
                problem: suspect.problem,
                account: self.account.map(str::to_owned),
                node: suspect.node,
                path,
                detail: suspect.detail,
                repaired,
            };
            self.summary.findings += 1;
            self.summary.repaired += u64::from(repaired);
            (self.told)(FsckEvent::Found(&finding));
        }
        Ok(())
    }

    async fn mend(&mut self, suspect: &Suspect) -> bool {
        let Some(mending) = &mut self.mending else {
            return false;
        };
        match (suspect.problem, &suspect.node) {
            (Problem::WrongLiveFlag, Some(node)) => mending.live_flag(node).await.is_ok(),
            (Problem::MissingChange, Some(node)) => mending.change(node).await.is_ok(),
            (Problem::UsedGarbage, Some(node)) => mending.keep_object(node).await.is_ok(),
            // Twice is no harm: there are five categories at most.
            (Problem::WrongUsage, _) => mending.usage().await.is_ok(),
            // All at once, with the first.
            (Problem::WrongCount, _) if !*self.recounted => {
                *self.recounted = mending.counts().await.is_ok();
                *self.recounted
            }
            (Problem::WrongCount, _) => true,
            _ => false,
        }
    }
}
