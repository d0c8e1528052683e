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
            self, Error, Guest, GuestRemote, Node, Options, ReadOptions, Target, Unconfirmed,
            WriteOptions,
        },
        wasi::clocks::system_clock::Instant,
        wit_future, wit_stream,
    },
    wasi::{Body, Incoming, Wasi, report_panics, told},
};
use crate::{error, listing::Listing, service::Service};

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

/// Runs a flow, unless it is cancelled first; then all it has under way is dropped.
async fn until<T>(
    flow: impl Future<Output = Result<T, error::Error>>,
    cancel: &mut Cancelled,
) -> Result<T, Error> {
    match select(Box::pin(flow), cancel).await {
        Either::Left((outcome, _)) => outcome.map_err(Error::from),
        Either::Right(_) => Err(Error::Cancelled),
    }
}

impl GuestRemote for Remote {
    async fn connect(options: Options, cancel: FutureReader<bool>) -> Result<drive::Remote, Error> {
        report_panics();
        let flow = Service::connect(Wasi, options.into());
        let service = Rc::new(until(flow, &mut cancelled(cancel)).await?);
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
        let mut cancel = cancelled(cancel);
        let service = Rc::clone(&self.service);
        let first = async {
            let mut listing = Listing::open(service, &folder.into()).await?;
            let page = listing.next_page().await?;
            Ok((listing, page))
        };
        let (mut listing, mut page) = until(first, &mut cancel).await?;
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
            let outcome = until(pages, &mut cancel).await;
            drop(nodes);
            // Nobody may be waiting for it.
            let _ = end.write(outcome).await;
        });
        Ok((reader, outcome))
    }

    async fn stat(&self, target: Target, cancel: FutureReader<bool>) -> Result<Node, Error> {
        let target = target.into();
        let flow = self.service.stat(&target);
        until(flow, &mut cancelled(cancel)).await.map(Node::from)
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
        } = until(flow, &mut cancel).await?.body;
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
            let outcome = until(ended, &mut cancel).await;
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
        until(flow, &mut cancelled(cancel)).await.map(Node::from)
    }

    async fn confirm(
        &self,
        write: Unconfirmed,
        md5: String,
        cancel: FutureReader<bool>,
    ) -> Result<Option<Node>, Error> {
        let write = write.into();
        let flow = self.service.confirm(&write, &md5);
        let found = until(flow, &mut cancelled(cancel)).await?;
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
        until(flow, &mut cancelled(cancel)).await
    }

    async fn make_directory(
        &self,
        path: Vec<Vec<u8>>,
        cancel: FutureReader<bool>,
    ) -> Result<Node, Error> {
        let flow = self.service.make_directory(&path);
        until(flow, &mut cancelled(cancel)).await.map(Node::from)
    }

    async fn trash(&self, target: Target, cancel: FutureReader<bool>) -> Result<(), Error> {
        let target = target.into();
        let flow = self.service.trash(&target);
        until(flow, &mut cancelled(cancel)).await
    }
}
