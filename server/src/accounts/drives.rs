//! The drives of all accounts, opened when they are first used.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use tokio::{
    sync::{OnceCell, mpsc},
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use crate::{
    Error,
    api::Service,
    clock::Clock,
    data_dir::DataDir,
    durability::Durability,
    janitor,
    store::{Account, Store},
};

/// All drives of a data directory. The first is open from the start, others from their first
/// use on.
pub(crate) struct Drives {
    data_dir: PathBuf,
    how: How,
    first: Service,
    others: Mutex<HashMap<String, Arc<OnceCell<Service>>>>,
}

/// How each of them is opened.
#[derive(Clone)]
struct How {
    clock: Clock,
    durability: Durability,
    trash_retention: Option<Duration>,
    running: Running,
}

/// What runs for the drives that are open, to be ended when nothing uses them any more.
#[derive(Clone, Default)]
pub(crate) struct Running(Arc<Mutex<Vec<Open>>>);

struct Open {
    store: Store,
    /// Deletes the objects that the database lists as garbage.
    collector: JoinHandle<()>,
    /// Ends when it is dropped.
    janitor: JoinSet<()>,
}

impl Drives {
    /// Opens the directory and its own drive. What has been in a drive's trash for longer than
    /// `trash_retention` is purged.
    pub(crate) async fn open(
        data_dir: &Path,
        clock: Clock,
        durability: Durability,
        trash_retention: Option<Duration>,
    ) -> Result<Self, Error> {
        let how = How {
            clock,
            durability,
            trash_retention,
            running: Running::default(),
        };
        Ok(Self {
            data_dir: data_dir.to_owned(),
            first: open(data_dir, &how).await?,
            how,
            others: Mutex::default(),
        })
    }

    /// The drive that the directory has itself. Its database knows all accounts.
    pub(crate) fn first(&self) -> &Service {
        &self.first
    }

    /// The drives that were used since the start, each under a name: `first`, or its
    /// account's id.
    pub(crate) fn in_use(&self) -> Vec<(String, Service)> {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let others = others
            .iter()
            .filter_map(|(account, drive)| Some((account.clone(), drive.get()?.clone())));
        std::iter::once(("first".to_owned(), self.first.clone()))
            .chain(others)
            .collect()
    }

    pub(crate) fn running(&self) -> Running {
        self.how.running.clone()
    }

    pub(crate) async fn of(&self, account: &Account) -> Result<Service, Error> {
        self.by_id(&account.id, account.is_first).await
    }

    pub(crate) async fn by_id(&self, account: &str, is_first: bool) -> Result<Service, Error> {
        if is_first {
            return Ok(self.first.clone());
        }
        let cell = {
            let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
            others.entry(account.to_owned()).or_default().clone()
        };
        let folder = super::drive(&self.data_dir, account, false);
        let opened = cell.get_or_try_init(|| open(&folder, &self.how));
        Ok(opened.await?.clone())
    }
}

impl Running {
    /// Waits until deleted objects are gone, then closes the databases. The first ends when
    /// the last that could delete any is gone, but not later than `longest`.
    pub(crate) async fn close(self, longest: Duration) {
        let running = std::mem::take(&mut *self.lock());
        let ends = running.into_iter().map(|open| async move {
            drop(open.janitor);
            let _ = timeout(longest, open.collector).await;
            open.store.close().await;
        });
        join_all(ends).await;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn open(folder: &Path, how: &How) -> Result<Service, Error> {
    let How {
        clock,
        durability,
        trash_retention,
        running,
    } = how;
    let opened = DataDir::open(folder, clock.now(), *durability).await?;
    let (garbage, collected) = mpsc::unbounded_channel();
    for object in opened.garbage {
        let _ = garbage.send(object);
    }
    let collector = opened
        .objects
        .clone()
        .collect_garbage(opened.store.clone(), collected);
    let mut janitor = JoinSet::new();
    if let Some(retention) = *trash_retention {
        janitor.spawn(janitor::purge_trash(
            opened.store.clone(),
            clock.clone(),
            garbage.clone(),
            retention,
        ));
    }
    running.lock().push(Open {
        store: opened.store.clone(),
        collector: tokio::spawn(collector),
        janitor,
    });
    Ok(Service {
        store: opened.store,
        objects: opened.objects,
        garbage,
        clock: clock.clone(),
    })
}
