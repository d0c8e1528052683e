//! The one that writes: a task with a connection of its own, which takes all mutations that
//! are waiting, runs them in one transaction, each in its own savepoint, and answers them
//! after the commit. With 16 uploads in flight one wait for the disk serves up to 16 of
//! them; with one, none waits for company.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures::future::BoxFuture;
use sqlx::{Connection, SqliteConnection};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task::{JoinHandle, JoinSet},
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
    done: Arc<Done>,
}

/// What a writer has done since it started.
#[derive(Default)]
struct Done {
    batches: AtomicU64,
    mutations: AtomicU64,
    lost: AtomicU64,
}

/// What a writer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Writing {
    /// Mutations that wait; at most a batch, behind which callers wait for their place.
    pub(crate) queue: usize,
    /// Transactions committed.
    pub(crate) batches: u64,
    /// Mutations in them, refused ones included.
    pub(crate) mutations: u64,
    /// Transactions that failed as a whole.
    pub(crate) lost: u64,
}

impl Writer {
    pub(super) fn start(connection: SqliteConnection) -> Self {
        let (queue, waiting) = mpsc::channel(BATCH);
        let (stop, stopped) = oneshot::channel();
        let done = Arc::new(Done::default());
        let task = tokio::spawn(write(connection, waiting, stopped, done.clone()));
        Self {
            queue,
            task: Arc::new(Mutex::new(Some(task))),
            stop: Arc::new(std::sync::Mutex::new(Some(stop))),
            done,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    pub(super) fn writing(&self) -> Writing {
        Writing {
            queue: self.queue.max_capacity() - self.queue.capacity(),
            batches: self.done.batches.load(Ordering::Relaxed),
            mutations: self.done.mutations.load(Ordering::Relaxed),
            lost: self.done.lost.load(Ordering::Relaxed),
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
        self.queue
            .send(Box::new(entry))
            .await
            .map_err(|_| stopping())?;
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
            (lost, _) => (
                Err(Failure::NotWritten(lost.unwrap_or("it did not run").into())),
                fate,
            ),
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
    done: Arc<Done>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut settling = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = &mut stop, if !waiting.is_closed() => waiting.close(),
            taken = waiting.recv_many(&mut batch, BATCH) => {
                if taken == 0 {
                    break;
                }
                run(&mut connection, &mut batch, &mut settling, &done).await;
                while settling.try_join_next().is_some() {}
            }
        }
    }
    while settling.join_next().await.is_some() {}
    // What is in the log by now need not be read from there at the next start. Passive:
    // does not wait for other processes.
    let _ = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
        .execute(&mut connection)
        .await;
    let _ = connection.close().await;
}

/// Runs and answers the whole batch.
async fn run(
    connection: &mut SqliteConnection,
    batch: &mut Vec<Box<dyn Queued>>,
    settling: &mut JoinSet<()>,
    done: &Done,
) {
    while !batch.is_empty() {
        match attempt(connection, batch).await {
            Attempt::Committed => {
                done.batches.fetch_add(1, Ordering::Relaxed);
                done.mutations
                    .fetch_add(batch.len() as u64, Ordering::Relaxed);
                settle(
                    settling,
                    batch.drain(..).map(|entry| entry.answer(None, Fate::Done)),
                );
            }
            // The others start again without it.
            Attempt::Spoiled(index) => {
                let culprit = batch.remove(index);
                settle(settling, [culprit.answer(None, Fate::Undone)]);
            }
            Attempt::Lost(reason, fate) => {
                done.lost.fetch_add(1, Ordering::Relaxed);
                tracing::error!(target: "amazon_drive_server", reason, "metadata transaction failed");
                settle(
                    settling,
                    batch
                        .drain(..)
                        .map(|entry| entry.answer(Some(&reason), fate)),
                );
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

/// In plain SQL: sqlx's transactions count their depth, and stay wrong about it when SQLite
/// has given up a transaction by itself, as it does when the disk is full.
async fn attempt(connection: &mut SqliteConnection, batch: &mut [Box<dyn Queued>]) -> Attempt {
    // IMMEDIATE: a transaction that begins by reading and then finds that another process
    // wrote could only give up.
    if let Err(error) = execute(connection, "BEGIN IMMEDIATE").await {
        let _ = execute(connection, "ROLLBACK").await;
        return Attempt::Lost(error.to_string(), Fate::Undone);
    }
    for (index, entry) in batch.iter_mut().enumerate() {
        let applied = async {
            execute(connection, "SAVEPOINT mutation").await?;
            let applied = entry.apply(connection).await;
            match applied {
                Applied::Done => execute(connection, "RELEASE mutation").await?,
                Applied::Refused => {
                    execute(connection, "ROLLBACK TO mutation; RELEASE mutation").await?;
                }
                // The transaction may be gone: what ran on after that would not be in any.
                Applied::Failed => {}
            }
            Ok::<_, sqlx::Error>(applied)
        };
        let given_up = match applied.await {
            Ok(Applied::Done | Applied::Refused) => continue,
            Ok(Applied::Failed) => Attempt::Spoiled(index),
            Err(error) => Attempt::Lost(error.to_string(), Fate::Undone),
        };
        let _ = execute(connection, "ROLLBACK").await;
        return given_up;
    }
    let Err(error) = execute(connection, "COMMIT").await else {
        return Attempt::Committed;
    };
    // If there still was a transaction to roll back, that is certain.
    let fate = match execute(connection, "ROLLBACK").await {
        Ok(()) => Fate::Undone,
        Err(_) => Fate::Unknown,
    };
    Attempt::Lost(error.to_string(), fate)
}

async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sql).execute(connection).await.map(drop)
}

fn settle(settling: &mut JoinSet<()>, entries: impl IntoIterator<Item = Box<dyn FnOnce() + Send>>) {
    let entries: Vec<_> = entries.into_iter().collect();
    settling.spawn_blocking(move || entries.into_iter().for_each(|settle| settle()));
}

/// Mutations of one transaction, at most. Bounds how long other processes wait for theirs:
/// 128 take some 10 ms.
const BATCH: usize = 128;

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;

    use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};

    use super::*;
    use crate::store::Refusal;

    /// Writes its number, then does as told.
    struct Write {
        number: i64,
        then: Then,
        fates: Arc<StdMutex<Vec<(i64, Fate)>>>,
    }

    #[derive(Clone, Copy)]
    enum Then {
        Succeed,
        Refuse,
        /// What a full disk does: SQLite ends the transaction by itself.
        Break,
    }

    impl Mutation for Write {
        type Output = i64;

        async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<i64, Failure> {
            sqlx::query("INSERT INTO numbers (number) VALUES (?1)")
                .bind(self.number)
                .execute(&mut *connection)
                .await?;
            match self.then {
                Then::Succeed => Ok(self.number),
                Then::Refuse => Err(Refusal::Root.into()),
                Then::Break => {
                    sqlx::query("INSERT OR ROLLBACK INTO numbers (number) VALUES (?1)")
                        .bind(self.number)
                        .execute(connection)
                        .await?;
                    Ok(self.number)
                }
            }
        }

        fn settled(self, fate: Fate) {
            self.fates.lock().unwrap().push((self.number, fate));
        }
    }

    #[tokio::test]
    async fn mutations_of_one_batch_do_not_share_their_fate() {
        let dir = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(dir.path().join("db"))
            .create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql("CREATE TABLE numbers (number INTEGER PRIMARY KEY)")
            .execute(&mut connection)
            .await
            .unwrap();
        let writer = Writer::start(connection);
        let fates = Arc::new(StdMutex::new(Vec::new()));
        let all = (0..60).map(|number| {
            let then = match number % 6 {
                2 => Then::Refuse,
                4 => Then::Break,
                _ => Then::Succeed,
            };
            let fates = fates.clone();
            let writer = &writer;
            async move {
                (
                    number,
                    writer
                        .run(Write {
                            number,
                            then,
                            fates,
                        })
                        .await,
                )
            }
        });
        for (number, outcome) in futures::future::join_all(all).await {
            match number % 6 {
                2 => assert!(matches!(outcome, Err(Failure::Refused(_))), "{number}"),
                4 => assert!(
                    matches!(outcome, Err(Failure::Database(_))),
                    "{number}: {outcome:?}"
                ),
                _ => assert_eq!(outcome.unwrap(), number),
            }
        }
        writer.close().await;
        let mut fates = fates.lock().unwrap().clone();
        fates.sort_by_key(|(number, _)| *number);
        assert_eq!(
            fates.len(),
            60,
            "each is told once, and before the writer ends"
        );
        let done = |number: &i64| !matches!(number % 6, 2 | 4);
        for (number, fate) in fates {
            assert_eq!(fate == Fate::Done, done(&number), "{number}");
        }
        let mut connection = options.connect().await.unwrap();
        let written: Vec<i64> = sqlx::query_scalar("SELECT number FROM numbers ORDER BY number")
            .fetch_all(&mut connection)
            .await
            .unwrap();
        assert_eq!(written, (0..60).filter(done).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn nothing_is_taken_after_the_end() {
        let options = SqliteConnectOptions::new().in_memory(true);
        let writer = Writer::start(options.connect().await.unwrap());
        writer.close().await;
        let late = Write {
            number: 1,
            then: Then::Succeed,
            fates: Arc::default(),
        };
        assert!(matches!(
            writer.run(late).await,
            Err(Failure::NotWritten(_))
        ));
        writer.close().await;
    }
}
