//! A drive, opened in a sandbox.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::SystemTime,
};

use bytes::Bytes;
use futures::{
    FutureExt as _, Stream, StreamExt as _,
    channel::{mpsc, oneshot},
    future::BoxFuture,
};
use tokio::sync::Mutex;
use wasmtime::component::{FutureReader, ResourceAny, StreamReader};

use super::{
    Detail, Error, Node, NodePath, ReadOptions, RemoteOptions, Sandbox, Target, Unconfirmed,
    WriteOptions,
    batches::Batches,
    bindings::drive,
    conv,
    sandbox::Instance,
    stream::{IncomingBytes, Outgoing, cancellation, value},
};

/// An open remote. Cheap to clone.
///
/// Dropping a call's future, a listing or a content cancels what the component does for
/// it, and aborts its requests.
#[derive(Clone)]
pub struct Remote {
    sandbox: Sandbox,
    options: Arc<RemoteOptions>,
    root: Arc<str>,
    /// The component's handle, good for one generation of instances.
    handle: Arc<Mutex<Handle>>,
}

#[derive(Clone, Copy)]
struct Handle {
    generation: u64,
    resource: ResourceAny,
}

impl Remote {
    pub(super) async fn connect(sandbox: Sandbox, options: RemoteOptions) -> Result<Self, Error> {
        let (handle, root) = open(&sandbox, &options).await?;
        Ok(Self {
            sandbox,
            options: Arc::new(options),
            root: root.into(),
            handle: Arc::new(Mutex::new(handle)),
        })
    }

    /// The instance it lives in.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The root folder's id, which tells accounts apart.
    pub fn root_id(&self) -> &str {
        &self.root
    }

    /// The nodes of a folder, as they arrive, in no order.
    ///
    /// # Errors
    /// `NotFound`, `NotAFolder`, or as the service and the network have it.
    pub async fn list(&self, folder: Target) -> Result<NodeListing, Error> {
        let batches = self.batches(move |at, remote, cancel| {
            async move {
                let exports = at.backend.amazon_drive_backend_drive();
                exports
                    .remote()
                    .call_list(at.accessor, remote, folder.into(), cancel)
                    .await
            }
            .boxed()
        });
        batches.await.map(NodeListing)
    }

    /// One node.
    ///
    /// # Errors
    /// `NotFound`, or as the service and the network have it.
    pub async fn stat(&self, target: Target) -> Result<Node, Error> {
        self.call(move |at, remote, cancel| {
            async move {
                let exports = at.backend.amazon_drive_backend_drive();
                let node = exports
                    .remote()
                    .call_stat(at.accessor, remote, target.into(), cancel)
                    .await?;
                Ok(node.map(Node::from).map_err(Error::from))
            }
            .boxed()
        })
        .await
        .map(|(value, _)| value)
    }

    /// A file's content, or a range of it.
    ///
    /// # Errors
    /// `NotFound`, `NotAFile`, `InvalidArgument` for a range that starts past the end,
    /// `Changed` where the options say what the content must be.
    pub async fn read(&self, file: Target, options: ReadOptions) -> Result<Content, Error> {
        let ((bytes, end), guard) = self
            .call(move |at, remote, cancel| {
                async move {
                    let exports = at.backend.amazon_drive_backend_drive();
                    let called = exports
                        .remote()
                        .call_read(at.accessor, remote, file.into(), options.into(), cancel)
                        .await?;
                    let (content, end): (StreamReader<_>, FutureReader<_>) = match called {
                        Ok(parts) => parts,
                        Err(error) => return Ok(Err(error.into())),
                    };
                    at.accessor.with(|mut access| {
                        let (consumer, bytes) = IncomingBytes::new();
                        content.pipe(&mut access, consumer)?;
                        Ok(Ok((bytes, value(end, &mut access)?)))
                    })
                }
                .boxed()
            })
            .await?;
        Ok(Content {
            bytes,
            end: Some(End(Some(end))),
            _guard: guard,
        })
    }

    /// Writes a file: creates it, or replaces the content of the one there. The parent
    /// folder must exist. The content streams through and is never collected; an error in
    /// it ends the call as [`Error::Interrupted`], and nothing is stored.
    ///
    /// Success is the service's word: compare the node's MD5 with that of what was sent.
    ///
    /// # Errors
    /// `NameConflict` where the options said there is none; `OutcomeUnknown` when all was
    /// sent and no clear answer came.
    pub async fn write<S, E>(
        &self,
        path: NodePath,
        content: S,
        options: WriteOptions,
    ) -> Result<Node, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
        E: Send + Unpin + std::fmt::Display + 'static,
    {
        let (outgoing, ended, mut failure) = Outgoing::new(content);
        let written = self
            .call(move |at, remote, cancel| {
                async move {
                    let (content, complete) = at.accessor.with(|mut access| {
                        let content = StreamReader::new(&mut access, outgoing)?;
                        let complete = ended.map(|end| wasmtime::error::Ok(end.unwrap_or(false)));
                        let complete = FutureReader::new(&mut access, complete)?;
                        wasmtime::error::Ok((content, complete))
                    })?;
                    let exports = at.backend.amazon_drive_backend_drive();
                    let node = exports
                        .remote()
                        .call_write(
                            at.accessor,
                            remote,
                            path,
                            content,
                            complete,
                            options.into(),
                            cancel,
                        )
                        .await?;
                    Ok(node.map(Node::from).map_err(Error::from))
                }
                .boxed()
            })
            .await
            .map(|(node, _)| node);
        match (written, failure.try_recv()) {
            // The component only knows that the content broke off; this side knows why.
            (Err(Error::Interrupted(mut detail)), Ok(Some(cause))) => {
                detail.message = cause.to_string();
                Err(Error::Interrupted(detail))
            }
            (written, _) => written,
        }
    }

    /// Looks for what a write without a clear answer wrote, whose content had this MD5,
    /// until it is there or the time for it is over; `None` where it is not there.
    ///
    /// # Errors
    /// As the service and the network have it.
    pub async fn confirm(&self, write: Unconfirmed, md5: String) -> Result<Option<Node>, Error> {
        self.call(move |at, remote, cancel| {
            async move {
                let exports = at.backend.amazon_drive_backend_drive();
                let found = exports
                    .remote()
                    .call_confirm(at.accessor, remote, write.into(), md5, cancel)
                    .await?;
                Ok(found.map(|node| node.map(Node::from)).map_err(Error::from))
            }
            .boxed()
        })
        .await
        .map(|(value, _)| value)
    }

    /// Keeps a file's own time with its node, whose content stays.
    ///
    /// # Errors
    /// `Forbidden` where the service has not told this program's name yet;
    /// `InvalidArgument` where the node has as many properties as it can have, and for
    /// years without four digits.
    pub async fn set_original_time(&self, target: Target, time: SystemTime) -> Result<(), Error> {
        self.call(move |at, remote, cancel| {
            async move {
                let exports = at.backend.amazon_drive_backend_drive();
                let time = conv::instant(time);
                let done = exports
                    .remote()
                    .call_set_original_time(at.accessor, remote, target.into(), time, cancel)
                    .await?;
                Ok(done.map_err(Error::from))
            }
            .boxed()
        })
        .await
        .map(|(value, _)| value)
    }

    /// Makes a folder and the parents it needs; the one that is there already is fine.
    ///
    /// # Errors
    /// `NotAFolder` where a file has the name, or one on the way.
    pub async fn make_directory(&self, path: NodePath) -> Result<Node, Error> {
        self.call(move |at, remote, cancel| {
            async move {
                let exports = at.backend.amazon_drive_backend_drive();
                let node = exports
                    .remote()
                    .call_make_directory(at.accessor, remote, path, cancel)
                    .await?;
                Ok(node.map(Node::from).map_err(Error::from))
            }
            .boxed()
        })
        .await
        .map(|(value, _)| value)
    }

    /// Moves a node to the trash, a folder with all it holds.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` for the root.
    pub async fn trash(&self, target: Target) -> Result<(), Error> {
        self.call(move |at, remote, cancel| {
            async move {
                let exports = at.backend.amazon_drive_backend_drive();
                let done = exports
                    .remote()
                    .call_trash(at.accessor, remote, target.into(), cancel)
                    .await?;
                Ok(done.map_err(Error::from))
            }
            .boxed()
        })
        .await
        .map(|(value, _)| value)
    }

    /// Moves a node to another folder, renames it, or both, on the service's side. The
    /// folder of `to` must exist.
    ///
    /// After a failure the node is where it was, or the error says where it is; the same
    /// move again goes on from wherever an earlier one was cut off, by the end of this
    /// process as well.
    ///
    /// # Errors
    /// `NotFound`; `NameConflict` where another node has the name; `Forbidden` for the root;
    /// `InvalidArgument` for a folder into itself, and for a node in several folders that
    /// would get a new name or is not named by its path.
    pub async fn move_node(&self, source: Target, to: NodePath) -> Result<Node, Error> {
        self.call(move |at, remote, cancel| {
            async move {
                let exports = at.backend.amazon_drive_backend_drive();
                let node = exports
                    .remote()
                    .call_move(at.accessor, remote, source.into(), to, cancel)
                    .await?;
                Ok(node.map(Node::from).map_err(Error::from))
            }
            .boxed()
        })
        .await
        .map(|(value, _)| value)
    }

    /// What was moved to the trash, as it arrives, in no order: of a folder only the folder
    /// itself.
    ///
    /// # Errors
    /// As the service and the network have it.
    pub async fn list_trash(&self) -> Result<NodeListing, Error> {
        let batches = self.batches(move |at, remote, cancel| {
            async move {
                let exports = at.backend.amazon_drive_backend_drive();
                exports
                    .remote()
                    .call_list_trash(at.accessor, remote, cancel)
                    .await
            }
            .boxed()
        });
        batches.await.map(NodeListing)
    }

    /// Takes a node out of the trash, back to where it was, with all that went there with
    /// it. One that is not in the trash is fine.
    ///
    /// # Errors
    /// `NotFound`; `NameConflict` where another node has its name by now;
    /// `InvalidArgument` where its folder is in the trash too.
    pub async fn restore(&self, id: String) -> Result<Node, Error> {
        self.call(move |at, remote, cancel| {
            async move {
                let exports = at.backend.amazon_drive_backend_drive();
                let node = exports
                    .remote()
                    .call_restore(at.accessor, remote, id, cancel)
                    .await?;
                Ok(node.map(Node::from).map_err(Error::from))
            }
            .boxed()
        })
        .await
        .map(|(value, _)| value)
    }

    /// Never works: the service lets only its own programs purge nodes.
    ///
    /// # Errors
    /// Always `Forbidden`, which says why. No request is made.
    pub async fn purge(&self, _: Target) -> Result<(), Error> {
        let message = self
            .sandbox
            .call(|at| {
                async move {
                    let exports = at.backend.amazon_drive_backend_drive();
                    exports.remote().call_purge_refused(at.accessor).await
                }
                .boxed()
            })
            .await?;
        Err(Error::Forbidden(Detail {
            message,
            ..Detail::default()
        }))
    }

    /// Runs a call on the component's handle, with its `cancel` argument. The guard is
    /// what keeps it from being cancelled.
    pub(super) async fn call<T, F>(&self, call: F) -> Result<(T, Guard), Error>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(
                &'a Instance<'a>,
                ResourceAny,
                FutureReader<bool>,
            ) -> BoxFuture<'a, wasmtime::Result<Result<T, Error>>>
            + Send
            + 'static,
    {
        let mut call = call;
        loop {
            let handle = *self.handle.lock().await;
            let (guard, ended) = oneshot::channel();
            let outcome = self
                .sandbox
                .call(move |at| {
                    async move {
                        if at.generation != handle.generation {
                            return Ok(Err(call));
                        }
                        let cancel = at.accessor.with(|access| cancellation(access, ended))?;
                        call(at, handle.resource, cancel).await.map(Ok)
                    }
                    .boxed()
                })
                .await?;
            call = match outcome {
                Ok(outcome) => return Ok((outcome?, Guard(guard))),
                Err(call) => call,
            };
            self.reopen(handle.generation).await?;
        }
    }

    /// Opens the remote in the instance that has replaced the one of generation `lost`,
    /// unless another call has done so already.
    async fn reopen(&self, lost: u64) -> Result<(), Error> {
        let mut handle = self.handle.lock().await;
        if handle.generation == lost {
            let (new, root) = open(&self.sandbox, &self.options).await?;
            if *root != *self.root {
                return Err(Error::Other(
                    "the account behind this remote has changed".to_owned(),
                ));
            }
            *handle = new;
        }
        Ok(())
    }
}

async fn open(sandbox: &Sandbox, options: &RemoteOptions) -> Result<(Handle, String), Error> {
    let options = drive::Options::from(options.clone());
    // Held until the end: dropping it is what cancels.
    let (_guard, ended) = oneshot::channel();
    sandbox
        .call(move |at| {
            async move {
                let cancel = at.accessor.with(|access| cancellation(access, ended))?;
                let exports = at.backend.amazon_drive_backend_drive();
                let remote = exports.remote();
                let resource = match remote.call_connect(at.accessor, options, cancel).await? {
                    Ok(resource) => resource,
                    Err(error) => return Ok(Err(Error::from(error))),
                };
                let root = remote.call_root(at.accessor, resource).await?;
                let generation = at.generation;
                Ok(Ok((
                    Handle {
                        generation,
                        resource,
                    },
                    root,
                )))
            }
            .boxed()
        })
        .await?
}

/// Cancels a call when dropped.
pub(super) struct Guard(
    #[expect(dead_code, reason = "held for its drop")] oneshot::Sender<Infallible>,
);

/// How a stream of the component ends: like a cut one, unless this says otherwise.
pub(super) struct End(Option<oneshot::Receiver<Result<(), drive::Error>>>);

impl End {
    pub(super) fn new(outcome: oneshot::Receiver<Result<(), drive::Error>>) -> Self {
        Self(Some(outcome))
    }

    /// The outcome, once the stream has ended; afterwards always the same as the first
    /// time, except that an error is told once and then only that there was one.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Some(outcome) = &mut self.0 else {
            return Poll::Ready(Err(Error::Lost("the stream has ended".to_owned())));
        };
        let outcome = ready!(outcome.poll_unpin(context));
        self.0 = None;
        Poll::Ready(match outcome {
            Ok(outcome) => outcome.map_err(Error::from),
            Err(_) => Err(Error::Lost("in the middle of a stream".to_owned())),
        })
    }
}

/// The nodes of a folder, batch by batch.
pub struct NodeListing(Batches<drive::Node>);

impl NodeListing {
    /// The next nodes, never an empty batch. `Ok(None)` is the only sign of a complete
    /// listing, and only after it may anything be concluded from a name's absence.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// The listing broke off; so does every call after.
    pub async fn next_batch(&mut self) -> Result<Option<Vec<Node>>, Error> {
        let batch = self.0.next().await?;
        Ok(batch.map(|batch| batch.into_iter().map(Node::from).collect()))
    }
}

/// A file's content as a stream of blocks, none of them empty. A connection that was cut
/// ends it with an error; a plain end is the whole content, by length and not by MD5.
pub struct Content {
    bytes: mpsc::Receiver<Bytes>,
    end: Option<End>,
    _guard: Guard,
}

impl Stream for Content {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(bytes) = ready!(self.bytes.poll_next_unpin(context)) {
            return Poll::Ready(Some(Ok(bytes)));
        }
        let Some(end) = &mut self.end else {
            return Poll::Ready(None);
        };
        let outcome = ready!(end.poll(context));
        self.end = None;
        Poll::Ready(outcome.err().map(Err))
    }
}
