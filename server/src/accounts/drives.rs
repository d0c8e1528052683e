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
    task::JoinHandle,
    time::timeout,
};

use crate::{
    Error,
    api::Service,
    clock::Clock,
    data_dir::DataDir,
    store::{Account, Store},
};

/// All drives of a data directory. The first is open from the start, others from their first
/// use on.
pub(crate) struct Drives {
    data_dir: PathBuf,
    clock: Clock,
    first: Service,
    others: Mutex<HashMap<String, Arc<OnceCell<Service>>>>,
    running: Running,
}

/// What runs for the drives that are open, to be ended when nothing uses them any more.
#[derive(Clone, Default)]
pub(crate) struct Running(Arc<Mutex<Vec<Open>>>);

/// A database and the task that deletes what it has listed.
type Open = (Store, JoinHandle<()>);

impl Drives {
    /// Opens the directory and its own drive.
    pub(crate) async fn open(data_dir: &Path, clock: Clock) -> Result<Self, Error> {
        let running = Running::default();
        Ok(Self {
            data_dir: data_dir.to_owned(),
            first: open(data_dir, &clock, &running).await?,
            clock,
            others: Mutex::default(),
            running,
        })
    }

    /// The drive that the directory has itself. Its database knows all accounts.
    pub(crate) fn first(&self) -> &Service {
        &self.first
    }

    pub(crate) fn running(&self) -> Running {
        self.running.clone()
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
        let opened = cell.get_or_try_init(|| open(&folder, &self.clock, &self.running));
        Ok(opened.await?.clone())
    }
}

impl Running {
    /// Waits until deleted objects are gone, then closes the databases. The first ends when
    /// the last that could delete any is gone, but not later than `longest`.
    pub(crate) async fn close(self, longest: Duration) {
        let running = std::mem::take(&mut *self.lock());
        let ends = running.into_iter().map(|(store, collector)| async move {
            let _ = timeout(longest, collector).await;
            store.close().await;
        });
        join_all(ends).await;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn open(folder: &Path, clock: &Clock, running: &Running) -> Result<Service, Error> {
    let opened = DataDir::open(folder, clock.now()).await?;
    let (garbage, collected) = mpsc::unbounded_channel();
    for object in opened.garbage {
        let _ = garbage.send(object);
    }
    let collector = opened
        .objects
        .clone()
        .collect_garbage(opened.store.clone(), collected);
    let collector = tokio::spawn(collector);
    running.lock().push((opened.store.clone(), collector));
    Ok(Service {
        store: opened.store,
        objects: opened.objects,
        garbage,
        clock: clock.clone(),
    })
}
