//! The one that writes: a task with a connection of its own, which takes all mutations that
//! are waiting, runs them in one transaction, each in its own savepoint, and answers them
//! after the commit. With 16 uploads in flight one wait for the disk serves up to 16 of
//! them; with one, none waits for company.

use std::sync::Arc;

use futures::future::BoxFuture;
use sqlx::{Connection, SqliteConnection};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task::JoinHandle,
};

use super::Failure;

/// A change of the metadata: all of it happens, or nothing.
pub(crate) trait Mutation: Send + 'static {
    type Output: Send + 'static;

    /// Does it, in a transaction. May run again from the start if the transaction failed
    /// for another's sake. A [`Failure`] undoes what was done.
    fn apply(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> impl Future<Output = Result<Self::Output, Failure>> + Send;

    /// Told once, when it is known what came of it, in a place where blocking is allowed.
    /// The answer does not wait for this.
    fn settled(self, fate: Fate)
    where
        Self: Sized,
    {
        let _ = fate;
    }
}

/// What came of a mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    Undone,
    /// The commit failed, and the disk may or may not have it.
    Unknown,
}

#[derive(Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Queued>>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
    /// Dropped to end the task while clones of `queue` are still about.
    stop: Arc<std::sync::Mutex<Option<oneshot::Sender<()>>>>,
}

impl Writer {
    pub(super) fn start(connection: SqliteConnection) -> Self {
        let (queue, waiting) = mpsc::channel(BATCH);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(write(connection, waiting, stopped));
        Self {
            queue,
            task: Arc::new(Mutex::new(Some(task))),
            stop: Arc::new(std::sync::Mutex::new(Some(stop))),
        }
    }

    pub(super) async fn run<M: Mutation>(&self, mutation: M) -> Result<M::Output, Failure> {
        let (reply, answer) = oneshot::channel();
        let entry = Entry {
            mutation,
            outcome: None,
            reply,
        };
        let stopping = || Failure::NotWritten("the server is stopping".into());
        self.queue.send(Box::new(entry)).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }

    /// Waits for the mutations that are queued; later ones fail.
    pub(super) async fn close(&self) {
        if let Ok(mut stop) = self.stop.lock() {
            stop.take();
        }
        if let Some(task) = self.task.lock().await.take() {
            let _ = task.await;
        }
    }
}

/// A mutation of any type, with what came of it so far.
trait Queued: Send {
    fn apply<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> BoxFuture<'a, Applied>;

    /// Answers. `lost`: why the transaction as a whole did not happen.
    fn answer(self: Box<Self>, lost: Option<&str>, fate: Fate) -> Box<dyn FnOnce() + Send>;
}

#[derive(PartialEq, Eq)]
enum Applied {
    Done,
    /// Refused by a rule; the transaction is sound.
    Refused,
    /// The database failed, and with it perhaps the transaction.
    Failed,
}

struct Entry<M: Mutation> {
    mutation: M,
    outcome: Option<Result<M::Output, Failure>>,
    reply: oneshot::Sender<Result<M::Output, Failure>>,
}

impl<M: Mutation> Queued for Entry<M> {
    fn apply<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> BoxFuture<'a, Applied> {
        Box::pin(async move {
            let outcome = self.mutation.apply(connection).await;
            let applied = match &outcome {
                Ok(_) => Applied::Done,
                Err(Failure::Refused(_)) => Applied::Refused,
                Err(_) => Applied::Failed,
            };
            self.outcome = Some(outcome);
            applied
        })
    }

    fn answer(self: Box<Self>, lost: Option<&str>, fate: Fate) -> Box<dyn FnOnce() + Send> {
        let Self {
            mutation,
            outcome,
            reply,
        } = *self;
        let (answer, fate) = match (lost, outcome) {
            (None, Some(Ok(output))) => (Ok(output), fate),
            (None, Some(Err(failure))) => (Err(failure), Fate::Undone),
            // A refusal as well: it may be for the sake of a mutation that did not happen.
            (lost, _) => (Err(Failure::NotWritten(lost.unwrap_or("it did not run").into())), fate),
        };
        // Nobody may be waiting any more: the change stands all the same.
        let _ = reply.send(answer);
        Box::new(move || mutation.settled(fate))
    }
}

async fn write(
    mut connection: SqliteConnection,
    mut waiting: mpsc::Receiver<Box<dyn Queued>>,
    mut stop: oneshot::Receiver<()>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            biased;
            _ = &mut stop, if !waiting.is_closed() => waiting.close(),
            taken = waiting.recv_many(&mut batch, BATCH) => {
                if taken == 0 {
                    break;
                }
                run(&mut connection, &mut batch).await;
            }
        }
    }
    // What is in the log by now need not be read from there at the next start. Passive:
    // does not wait for other processes.
    let _ = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut connection).await;
    let _ = connection.close().await;
}

/// Runs and answers the whole batch.
async fn run(connection: &mut SqliteConnection, batch: &mut Vec<Box<dyn Queued>>) {
    while !batch.is_empty() {
        match attempt(connection, batch).await {
            Attempt::Committed => settle(batch.drain(..).map(|entry| entry.answer(None, Fate::Done))),
            // The others start again without it.
            Attempt::Spoiled(index) => {
                let culprit = batch.remove(index);
                settle([culprit.answer(None, Fate::Undone)]);
            }
            Attempt::Lost(reason, fate) => {
                tracing::error!(target: "amazon_drive_server", reason, "metadata transaction failed");
                settle(batch.drain(..).map(|entry| entry.answer(Some(&reason), fate)));
            }
        }
    }
}

enum Attempt {
    Committed,
    /// The database failed at the mutation with this index: nothing of the batch happened.
    Spoiled(usize),
    Lost(String, Fate),
}

async fn attempt(connection: &mut SqliteConnection, batch: &mut [Box<dyn Queued>]) -> Attempt {
    // IMMEDIATE: a transaction that begins by reading and then finds that another process
    // wrote could only give up.
    let mut transaction = match connection.begin_with("BEGIN IMMEDIATE").await {
        Ok(transaction) => transaction,
        Err(error) => return Attempt::Lost(error.to_string(), Fate::Undone),
    };
    for (index, entry) in batch.iter_mut().enumerate() {
        let kept = async {
            let mut savepoint = transaction.begin().await?;
            match entry.apply(&mut savepoint).await {
                Applied::Done => savepoint.commit().await.map(|()| true),
                Applied::Refused => savepoint.rollback().await.map(|()| true),
                // A full disk, for one, makes SQLite give up the whole transaction: what
                // ran on after that would not be in any.
                Applied::Failed => Ok(false),
            }
        };
        match kept.await {
            Ok(true) => {}
            Ok(false) => {
                let _ = transaction.rollback().await;
                return Attempt::Spoiled(index);
            }
            Err(error) => {
                let _ = transaction.rollback().await;
                return Attempt::Lost(error.to_string(), Fate::Undone);
            }
        }
    }
    match transaction.commit().await {
        Ok(()) => Attempt::Committed,
        Err(error) => Attempt::Lost(error.to_string(), Fate::Unknown),
    }
}

fn settle(entries: impl IntoIterator<Item = Box<dyn FnOnce() + Send>>) {
    let settle: Vec<_> = entries.into_iter().collect();
    tokio::task::spawn_blocking(move || settle.into_iter().for_each(|settle| settle()));
}

/// Mutations of one transaction, at most. Bounds how long other processes wait for theirs:
/// 128 take some 10 ms.
const BATCH: usize = 128;
