//! Items that a call hands out while it goes on.

use futures::{FutureExt as _, StreamExt as _, channel::mpsc, future::BoxFuture};
use wasmtime::component::{FutureReader, Lift, ResourceAny, StreamReader};

use super::{
    Error, Remote,
    bindings::drive,
    remote::{End, Guard},
    sandbox::Instance,
    stream::{IncomingItems, value},
};

/// What such a call of the component answers with: the items, and how they end.
type Called<T> = Result<(StreamReader<T>, FutureReader<Result<(), drive::Error>>), drive::Error>;

/// Items that come batch by batch, and then an end that says whether it was all.
pub(super) struct Batches<T> {
    batches: mpsc::Receiver<Vec<T>>,
    /// `None` once it was all.
    end: Option<End>,
    _guard: Guard,
}

impl<T> Batches<T> {
    /// The next items, never none. `Ok(None)` is the only sign that it was all. Cancel
    /// safe.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<T>>, Error> {
        let Some(end) = &mut self.end else {
            return Ok(None);
        };
        if let Some(batch) = self.batches.next().await {
            return Ok(Some(batch));
        }
        std::future::poll_fn(|context| end.poll(context)).await?;
        self.end = None;
        Ok(None)
    }
}

impl Remote {
    /// Makes such a call.
    pub(super) async fn batches<T, F>(&self, call: F) -> Result<Batches<T>, Error>
    where
        T: Lift + Send + 'static,
        F: for<'a> FnOnce(
                &'a Instance<'a>,
                ResourceAny,
                FutureReader<bool>,
            ) -> BoxFuture<'a, wasmtime::Result<Called<T>>>
            + Send
            + 'static,
    {
        let ((batches, end), guard) = self
            .call(move |at, remote, cancel| {
                async move {
                    let (items, end) = match call(at, remote, cancel).await? {
                        Ok(parts) => parts,
                        Err(error) => return Ok(Err(error.into())),
                    };
                    at.accessor.with(|mut access| {
                        let (consumer, batches) = IncomingItems::new();
                        items.pipe(&mut access, consumer)?;
                        Ok(Ok((batches, value(end, &mut access)?)))
                    })
                }
                .boxed()
            })
            .await?;
        Ok(Batches {
            batches,
            end: Some(End::new(end)),
            _guard: guard,
        })
    }
}
