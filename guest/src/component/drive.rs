//! The interface `drive`: each call runs its flow until it ends or is cancelled.

use std::{future::pending, pin::Pin, rc::Rc};

use futures::future::{Either, join, select};
use wit_bindgen::{
    rt::async_support::{FutureReader, StreamReader},
    spawn_local,
};

use super::{
    Component,
    bindings::{
        exports::amazon_drive::backend::drive::{
            self, Account, ChangeSet, Error, Found, Guest, GuestRemote, Node, Options, ReadOptions,
            Target, Unconfirmed, WriteOptions,
        },
        wasi::clocks::system_clock::Instant,
        wit_future, wit_stream,
    },
    wasi::{Body, Incoming, Wasi, report_panics, told},
};
use crate::{
    changes::Changes, error, listing::Listing, service::Service, trash::PURGE_REFUSED, walk::Walk,
    wire,
};

/// An open remote.
pub(super) struct Remote {
    service: Rc<Service<Wasi>>,
}

impl Guest for Component {
    type Remote = Remote;
}

/// Resolves when a call is to end.
type Cancelled = Pin<Box<dyn Future<Output = ()>>>;

fn cancelled(cancel: FutureReader<bool>) -> Cancelled {
    Box::pin(async move {
        if !cancel.await {
            pending::<()>().await;
        }
    })
}

/// A flow on its way. It is boxed so that what is made around it is made once in the
/// component, and not for each call.
type Flow<'a, T> = Pin<Box<dyn Future<Output = Result<T, error::Error>> + 'a>>;

/// Runs a flow, unless it is cancelled first; then all it has under way is dropped.
async fn until<T>(flow: Flow<'_, T>, cancel: &mut Cancelled) -> Result<T, Error> {
    match select(flow, cancel).await {
        Either::Left((outcome, _)) => outcome.map_err(Error::from),
        Either::Right(_) => Err(Error::Cancelled),
    }
}

/// The same for a flow that ends in one node.
async fn node(flow: Flow<'_, wire::Node>, cancel: FutureReader<bool>) -> Result<Node, Error> {
    until(flow, &mut cancelled(cancel)).await.map(Node::from)
}

/// Nodes as they come, and how they end.
type Nodes = (StreamReader<Node>, FutureReader<Result<(), Error>>);

impl Remote {
    /// Lists a folder, or the trash.
    async fn listed(
        &self,
        folder: Option<Target>,
        cancel: FutureReader<bool>,
    ) -> Result<Nodes, Error> {
        let mut cancel = cancelled(cancel);
        let service = Rc::clone(&self.service);
        let first = async {
            let mut listing = match folder {
                Some(folder) => Listing::open(service, &folder.into()).await?,
                None => Listing::of_trash(service),
            };
            let page = listing.next_page().await?;
            Ok((listing, page))
        };
        let (mut listing, mut page) = until(Box::pin(first), &mut cancel).await?;
        let (mut nodes, reader) = wit_stream::new();
        let (end, outcome) = wit_future::new(|| Err(Error::Cancelled));
        spawn_local(async move {
            let pages = async {
                while let Some(ready) = page {
                    let ready: Vec<Node> = ready.into_iter().map(Node::from).collect();
                    // The next page comes while this one is taken.
                    let (left, next) = join(nodes.write_all(ready), listing.next_page()).await;
                    if !left.is_empty() {
                        return Err(error::Error::Cancelled);
                    }
                    page = next?;
                }
                Ok(())
            };
            let outcome = until(Box::pin(pages), &mut cancel).await;
            drop(nodes);
            // Nobody may be waiting for it.
            let _ = end.write(outcome).await;
        });
        Ok((reader, outcome))
    }
}

impl GuestRemote for Remote {
    async fn connect(options: Options, cancel: FutureReader<bool>) -> Result<drive::Remote, Error> {
        report_panics();
        let flow = Service::connect(Wasi, options.into());
        let service = Rc::new(until(Box::pin(flow), &mut cancelled(cancel)).await?);
        Ok(drive::Remote::new(Self { service }))
    }

    fn root(&self) -> String {
        self.service.root.clone()
    }

    async fn list(
        &self,
        folder: Target,
        cancel: FutureReader<bool>,
    ) -> Result<(StreamReader<Node>, FutureReader<Result<(), Error>>), Error> {
        self.listed(Some(folder), cancel).await
    }

    async fn walk(
        &self,
        folder: Target,
        cancel: FutureReader<bool>,
    ) -> Result<(StreamReader<Found>, FutureReader<Result<(), Error>>), Error> {
        let mut cancel = cancelled(cancel);
        let service = Rc::clone(&self.service);
        let folder = folder.into();
        let mut walk = until(Box::pin(Walk::open(service, &folder)), &mut cancel).await?;
        let (mut items, reader) = wit_stream::new();
        let (end, outcome) = wit_future::new(|| Err(Error::Cancelled));
        spawn_local(async move {
            let all = async {
                while let Some(some) = walk.next().await? {
                    let some = some.into_iter().map(Found::from).collect();
                    if !items.write_all(some).await.is_empty() {
                        return Err(error::Error::Cancelled);
                    }
                }
                Ok(())
            };
            let outcome = until(Box::pin(all), &mut cancel).await;
            drop(items);
            // Nobody may be waiting for it.
            let _ = end.write(outcome).await;
        });
        Ok((reader, outcome))
    }

    async fn changes(
        &self,
        checkpoint: Option<String>,
        cancel: FutureReader<bool>,
    ) -> Result<(StreamReader<ChangeSet>, FutureReader<Result<(), Error>>), Error> {
        let mut cancel = cancelled(cancel);
        let service = Rc::clone(&self.service);
        let flow = Changes::open(service, checkpoint.as_deref());
        let mut changes = until(Box::pin(flow), &mut cancel).await?;
        let (mut items, reader) = wit_stream::new();
        let (end, outcome) = wit_future::new(|| Err(Error::Cancelled));
        spawn_local(async move {
            let all = async {
                while let Some(set) = changes.next().await? {
                    if !items.write_all(vec![set.into()]).await.is_empty() {
                        return Err(error::Error::Cancelled);
                    }
                }
                Ok(())
            };
            let outcome = until(Box::pin(all), &mut cancel).await;
            drop(items);
            // Nobody may be waiting for it.
            let _ = end.write(outcome).await;
        });
        Ok((reader, outcome))
    }

    async fn account(&self, cancel: FutureReader<bool>) -> Result<Account, Error> {
        let flow = self.service.account();
        until(Box::pin(flow), &mut cancelled(cancel))
            .await
            .map(Account::from)
    }

    async fn temporary_link(
        &self,
        file: Target,
        cancel: FutureReader<bool>,
    ) -> Result<String, Error> {
        let file = file.into();
        let flow = self.service.temporary_link_to(&file);
        until(Box::pin(flow), &mut cancelled(cancel)).await
    }

    async fn stat(&self, target: Target, cancel: FutureReader<bool>) -> Result<Node, Error> {
        let target = target.into();
        let flow = self.service.stat(&target);
        node(Box::pin(flow), cancel).await
    }

    async fn read(
        &self,
        file: Target,
        options: ReadOptions,
        cancel: FutureReader<bool>,
    ) -> Result<(StreamReader<u8>, FutureReader<Result<(), Error>>), Error> {
        let mut cancel = cancelled(cancel);
        let file = file.into();
        let flow = self.service.read(&file, options.into());
        let Body {
            stream, trailers, ..
        } = until(Box::pin(flow), &mut cancel).await?.body;
        let (end, outcome) = wit_future::new(|| Err(Error::Cancelled));
        spawn_local(async move {
            // The bytes never come by here; how they ended does.
            let ended = async {
                let ended = trailers.await.map(drop);
                ended.map_err(|code| {
                    let message = format!("could not read a file: {}", told(&code).message);
                    error::Error::Interrupted(error::Detail::new(message))
                })
            };
            let outcome = until(Box::pin(ended), &mut cancel).await;
            // Nobody may be waiting for it.
            let _ = end.write(outcome).await;
        });
        Ok((stream, outcome))
    }

    async fn write(
        &self,
        path: Vec<Vec<u8>>,
        content: StreamReader<u8>,
        complete: FutureReader<bool>,
        options: WriteOptions,
        cancel: FutureReader<bool>,
    ) -> Result<Node, Error> {
        let content = Incoming::new(content, complete);
        let flow = self.service.write(&path, content, options.into());
        node(Box::pin(flow), cancel).await
    }

    async fn confirm(
        &self,
        write: Unconfirmed,
        md5: String,
        cancel: FutureReader<bool>,
    ) -> Result<Option<Node>, Error> {
        let write = write.into();
        let flow = self.service.confirm(&write, &md5);
        let found = until(Box::pin(flow), &mut cancelled(cancel)).await?;
        Ok(found.map(Node::from))
    }

    async fn set_original_time(
        &self,
        target: Target,
        time: Instant,
        cancel: FutureReader<bool>,
    ) -> Result<(), Error> {
        let target = target.into();
        let flow = self.service.set_original_time(&target, time.into());
        until(Box::pin(flow), &mut cancelled(cancel)).await
    }

    async fn make_directory(
        &self,
        path: Vec<Vec<u8>>,
        cancel: FutureReader<bool>,
    ) -> Result<Node, Error> {
        let flow = self.service.make_directory(&path);
        node(Box::pin(flow), cancel).await
    }

    async fn trash(&self, target: Target, cancel: FutureReader<bool>) -> Result<(), Error> {
        let target = target.into();
        let flow = self.service.trash(&target);
        until(Box::pin(flow), &mut cancelled(cancel)).await
    }

    async fn move_(
        &self,
        source: Target,
        to: Vec<Vec<u8>>,
        cancel: FutureReader<bool>,
    ) -> Result<Node, Error> {
        let source = source.into();
        let flow = self.service.move_node(&source, &to);
        node(Box::pin(flow), cancel).await
    }

    async fn list_trash(&self, cancel: FutureReader<bool>) -> Result<Nodes, Error> {
        self.listed(None, cancel).await
    }

    async fn restore(&self, id: String, cancel: FutureReader<bool>) -> Result<Node, Error> {
        let flow = self.service.restore(&id);
        node(Box::pin(flow), cancel).await
    }

    fn purge_refused() -> String {
        PURGE_REFUSED.to_owned()
    }
}
