//! A running instance: one thread, one store, many calls in flight.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    task::Poll,
    thread,
};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use wasmtime::component::Accessor;

use super::{
    Clashes, Component, Decision, Encoding, Error, Item, Limits, NameRule, PlanOptions, Remote,
    RemoteOptions, Settings,
    bindings::{Backend, sync},
    http::Egress,
    origin::AllowList,
    state::State,
};

/// One running instance of a component. Cheap to clone; it ends with its last clone.
///
/// Its pure calls (names, plans) need no remote. When the component traps, or computes
/// too long, the calls in flight fail with [`Error::Lost`] and the next one gets a fresh
/// instance.
#[derive(Clone)]
pub struct Sandbox {
    jobs: mpsc::UnboundedSender<Job>,
    calls: Arc<Semaphore>,
    deaths: watch::Receiver<Deaths>,
}

/// One call, told the running instance and its generation.
type Job = Box<dyn for<'a> FnOnce(&'a Instance<'a>) -> BoxFuture<'a, ()> + Send>;

/// The instance a call runs in.
pub(super) struct Instance<'a> {
    pub(super) accessor: &'a Accessor<State>,
    pub(super) backend: &'a Backend,
    /// Resources of another generation are gone.
    pub(super) generation: u64,
}

/// How many instances have died, and what the last one died of.
#[derive(Clone, Default)]
struct Deaths {
    count: u64,
    cause: String,
}

impl Sandbox {
    /// Starts an instance on a thread of its own.
    ///
    /// # Errors
    /// A certificate file of the settings cannot be used, or there is no thread.
    pub fn start(component: &Component, settings: Settings) -> Result<Self, Error> {
        let limits = settings.limits;
        let egress = Arc::new(Egress::new(
            AllowList::new(settings.origins),
            settings.credentials,
            &settings.http,
        )?);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::Other(format!("no runtime: {error}")))?;
        let (jobs, queue) = mpsc::unbounded_channel();
        let (obituaries, deaths) = watch::channel(Deaths::default());
        let component = component.clone();
        thread::Builder::new()
            .name("acd-component".to_owned())
            .spawn(move || {
                runtime.block_on(live(&component, &egress, &limits, queue, &obituaries));
                // A name lookup may still hold one of the runtime's threads.
                runtime.shutdown_background();
            })
            .map_err(|error| Error::Other(format!("no thread: {error}")))?;
        Ok(Self {
            jobs,
            calls: Arc::new(Semaphore::new(limits.calls)),
            deaths,
        })
    }

    /// Opens a remote: discovers its endpoints and finds its root, in two requests. An
    /// instance is meant for one remote, since its settings are.
    ///
    /// # Errors
    /// The service cannot be reached, or refuses the token.
    pub async fn connect(&self, options: RemoteOptions) -> Result<Remote, Error> {
        Remote::connect(self.clone(), options).await
    }

    /// Reads rclone's text form of an encoding: `Slash,InvalidUtf8,Dot`.
    ///
    /// # Errors
    /// `Other`, with the unknown word and the known ones.
    pub async fn parse_encoding(&self, text: &str) -> Result<Encoding, Error> {
        let text = text.to_owned();
        self.call(move |at| {
            async move {
                let names = at.backend.amazon_drive_backend_names();
                names.call_parse(at.accessor, text).await
            }
            .boxed()
        })
        .await?
        .map(Encoding)
        .map_err(Error::Other)
    }

    /// Raw names as people see and type them. In the order given.
    pub async fn display(&self, names: Vec<Vec<u8>>) -> Result<Vec<String>, Error> {
        self.call(move |at| {
            async move {
                let exports = at.backend.amazon_drive_backend_names();
                exports.call_display(at.accessor, names).await
            }
            .boxed()
        })
        .await
    }

    /// Raw names for what a person typed. In the order given.
    pub async fn from_display(&self, names: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Error> {
        self.call(move |at| {
            async move {
                let exports = at.backend.amazon_drive_backend_names();
                exports.call_from_display(at.accessor, names).await
            }
            .boxed()
        })
        .await
    }

    /// What decides whether two names are the same under a rule, or with
    /// [`Clashes::Rename`] whether one plan must see both. In the order given.
    pub async fn match_keys(
        &self,
        names: Vec<Vec<u8>>,
        rule: NameRule,
        clashes: Clashes,
    ) -> Result<Vec<Vec<u8>>, Error> {
        self.call(move |at| {
            async move {
                let exports = at.backend.amazon_drive_backend_sync();
                exports
                    .call_match_keys(at.accessor, names, rule.into(), clashes.into())
                    .await
            }
            .boxed()
        })
        .await
    }

    /// Decides about the items of one folder's two sides; see `wit/sync.wit`.
    pub async fn plan(
        &self,
        source: Vec<Item>,
        destination: Vec<Item>,
        options: PlanOptions,
    ) -> Result<Vec<Decision>, Error> {
        let own = |items: Vec<Item>| items.into_iter().map(sync::Item::from).collect::<Vec<_>>();
        let (source, destination) = (own(source), own(destination));
        let decisions = self
            .call(move |at| {
                async move {
                    let exports = at.backend.amazon_drive_backend_sync();
                    exports
                        .call_plan(at.accessor, source, destination, options.into())
                        .await
                }
                .boxed()
            })
            .await?;
        Ok(decisions.into_iter().map(Decision::from).collect())
    }

    /// Runs one call in the instance. The call goes on when this future is dropped; what
    /// can take long has a `cancel` argument for that.
    pub(super) async fn call<T, F>(&self, call: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a Instance<'a>) -> BoxFuture<'a, wasmtime::Result<T>> + Send + 'static,
    {
        let Ok(permit) = Arc::clone(&self.calls).acquire_owned().await else {
            return Err(Error::Lost("it has ended".to_owned()));
        };
        let mut deaths = self.deaths.clone();
        let seen = deaths.borrow_and_update().count;
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |instance| {
            let outcome = call(instance);
            async move {
                // The caller may have gone; the call has ended all the same.
                let _ = reply.send(outcome.await);
                drop(permit);
            }
            .boxed()
        });
        if self.jobs.send(job).is_err() {
            return Err(Error::Lost("it has ended".to_owned()));
        }
        match answer.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Error::Lost(error.root_cause().to_string())),
            Err(_) => Err(Error::Lost(
                match deaths.wait_for(|it| it.count > seen).await {
                    Ok(deaths) => deaths.cause.clone(),
                    Err(_) => "its thread has ended".to_owned(),
                },
            )),
        }
    }
}

/// One instance after another, for as long as there are calls to come.
async fn live(
    component: &Component,
    egress: &Arc<Egress>,
    limits: &Limits,
    mut queue: mpsc::UnboundedReceiver<Job>,
    obituaries: &watch::Sender<Deaths>,
) {
    let mut generation = 0;
    while let Some(first) = queue.recv().await {
        generation += 1;
        let (mut store, busy) = State::store(component.pre.engine(), egress, limits);
        let life = async {
            let backend = component.pre.instantiate_async(&mut store).await?;
            store
                .run_concurrent(async |accessor| {
                    let instance = Instance {
                        accessor,
                        backend: &backend,
                        generation,
                    };
                    serve(&instance, first, &mut queue).await;
                })
                .await
        };
        // Each poll that ends is a pause in computing.
        let mut life = pin!(life);
        let outcome = poll_fn(|context| {
            busy.store(0, Ordering::Relaxed);
            life.as_mut().poll(context)
        })
        .await;
        if let Err(error) = outcome {
            let cause = cause_of_death(&error);
            tracing::error!("the backend component stopped: {cause}");
            obituaries.send_modify(|deaths| {
                deaths.count += 1;
                deaths.cause = cause;
            });
        }
    }
}

/// Runs calls until there will be no more and all have ended.
async fn serve(instance: &Instance<'_>, first: Job, queue: &mut mpsc::UnboundedReceiver<Job>) {
    let mut running = FuturesUnordered::new();
    running.push(first(instance));
    let mut open = true;
    poll_fn(|context| {
        loop {
            let mut idle = true;
            while open {
                match queue.poll_recv(context) {
                    Poll::Ready(Some(job)) => running.push(job(instance)),
                    Poll::Ready(None) => open = false,
                    Poll::Pending => break,
                }
            }
            while let Poll::Ready(Some(())) = running.poll_next_unpin(context) {
                idle = false;
            }
            if !open && running.is_empty() {
                return Poll::Ready(());
            }
            if idle {
                return Poll::Pending;
            }
        }
    })
    .await;
}

fn cause_of_death(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<wasmtime::Trap>() {
        Some(wasmtime::Trap::Interrupt) => "it computed for too long".to_owned(),
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    }
}
