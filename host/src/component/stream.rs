//! Streams and futures across the boundary: content on its way in and out.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use futures::{
    Stream, StreamExt as _,
    channel::{mpsc, oneshot},
};
use wasmtime::{
    StoreContextMut,
    component::{
        Destination, FutureConsumer, FutureReader, Lift, Source, StreamConsumer, StreamProducer,
        StreamResult,
    },
};

use super::state::State;

/// Content from this side for the component to read.
///
/// Whether it was all is told apart from the stream: `complete` resolves to true only
/// after the last byte was taken.
pub(super) struct Outgoing<S, E> {
    content: S,
    /// What the component had no room for yet.
    rest: Bytes,
    end: Option<oneshot::Sender<bool>>,
    /// Where an error of the content goes.
    failed: Option<oneshot::Sender<E>>,
}

impl<S, E> Outgoing<S, E> {
    /// The producer; what becomes of `complete`; and the content's error, if any.
    pub(super) fn new(content: S) -> (Self, oneshot::Receiver<bool>, oneshot::Receiver<E>) {
        let (end, ended) = oneshot::channel();
        let (failed, failure) = oneshot::channel();
        let outgoing = Self {
            content,
            rest: Bytes::new(),
            end: Some(end),
            failed: Some(failed),
        };
        (outgoing, ended, failure)
    }

    fn end(&mut self, complete: bool) {
        if let Some(end) = self.end.take() {
            // The component may be gone, and then nobody asks.
            let _ = end.send(complete);
        }
    }
}

impl<S, E> StreamProducer<State> for Outgoing<S, E>
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
    E: Send + Unpin + 'static,
{
    type Item = u8;
    type Buffer = Option<u8>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'a, State>,
        destination: Destination<'a, u8, Self::Buffer>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let this = self.get_mut();
        // Only asks whether there is something to read; the read itself will wait.
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let mut written = 0;
        let mut destination = destination.as_direct(store, CHUNK);
        loop {
            let room = &mut destination.remaining()[written..];
            let count = room.len().min(this.rest.len());
            room[..count].copy_from_slice(&this.rest[..count]);
            this.rest.advance(count);
            written += count;
            if count == room.len() {
                break;
            }
            match this.content.poll_next_unpin(context) {
                Poll::Ready(Some(Ok(bytes))) => this.rest = bytes,
                Poll::Ready(Some(Err(error))) => {
                    if let Some(failed) = this.failed.take() {
                        let _ = failed.send(error);
                    }
                    this.end(false);
                    destination.mark_written(written);
                    return Poll::Ready(Ok(StreamResult::Dropped));
                }
                Poll::Ready(None) => {
                    this.end(true);
                    destination.mark_written(written);
                    return Poll::Ready(Ok(StreamResult::Dropped));
                }
                Poll::Pending if written > 0 => break,
                Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                Poll::Pending => return Poll::Pending,
            }
        }
        destination.mark_written(written);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// Bytes from the component, for this side to read.
pub(super) struct IncomingBytes {
    out: mpsc::Sender<Bytes>,
}

impl IncomingBytes {
    pub(super) fn new() -> (Self, mpsc::Receiver<Bytes>) {
        let (out, bytes) = mpsc::channel(CHUNKS_AHEAD);
        (Self { out }, bytes)
    }
}

impl StreamConsumer<State> for IncomingBytes {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        store: StoreContextMut<'_, State>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        if let Err(result) = ready!(room(&mut self.out, context, finish)) {
            return Poll::Ready(Ok(result));
        }
        let mut source = source.as_direct(store);
        let bytes = Bytes::copy_from_slice(source.remaining());
        if bytes.is_empty() {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        source.mark_read(bytes.len());
        Poll::Ready(Ok(hand_on(&mut self.out, bytes)))
    }
}

/// Waits until there is room for more; an error is what to answer the component instead.
fn room<T>(
    out: &mut mpsc::Sender<T>,
    context: &mut Context<'_>,
    finish: bool,
) -> Poll<Result<(), StreamResult>> {
    match out.poll_ready(context) {
        Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
        Poll::Ready(Err(_)) => Poll::Ready(Err(StreamResult::Dropped)),
        Poll::Pending if finish => Poll::Ready(Err(StreamResult::Cancelled)),
        Poll::Pending => Poll::Pending,
    }
}

/// Hands on what there was [`room`] for.
fn hand_on<T>(out: &mut mpsc::Sender<T>, value: T) -> StreamResult {
    match out.start_send(value) {
        Ok(()) => StreamResult::Completed,
        Err(_) => StreamResult::Dropped,
    }
}

/// Items from the component, in batches.
pub(super) struct IncomingItems<T> {
    out: mpsc::Sender<Vec<T>>,
}

impl<T> IncomingItems<T> {
    pub(super) fn new() -> (Self, mpsc::Receiver<Vec<T>>) {
        // One batch waits while one is worked on; the component has a page ahead itself.
        let (out, items) = mpsc::channel(0);
        (Self { out }, items)
    }
}

impl<T: Lift + Send + 'static> StreamConsumer<State> for IncomingItems<T> {
    type Item = T;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'_, State>,
        mut source: Source<'_, T>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        if let Err(result) = ready!(room(&mut self.out, context, finish)) {
            return Poll::Ready(Ok(result));
        }
        let mut items = Vec::with_capacity(source.remaining(&mut store));
        source.read(&mut store, &mut items)?;
        if items.is_empty() {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        Poll::Ready(Ok(hand_on(&mut self.out, items)))
    }
}

/// The one value of a future of the component. The receiver fails when the component
/// drops the future without one.
pub(super) fn value<T>(
    future: FutureReader<T>,
    store: impl wasmtime::AsContextMut<Data = State>,
) -> wasmtime::Result<oneshot::Receiver<T>>
where
    T: Lift + Send + 'static,
{
    let (out, value) = oneshot::channel();
    future.pipe(store, Value { out: Some(out) })?;
    Ok(value)
}

struct Value<T> {
    out: Option<oneshot::Sender<T>>,
}

impl<T: Lift + Send + 'static> FutureConsumer<State> for Value<T> {
    type Item = T;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'_, State>,
        mut source: Source<'_, T>,
        _finish: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let mut value = None;
        source.read(store, &mut value)?;
        if let (Some(value), Some(out)) = (value, self.out.take()) {
            // Nobody may be waiting any more.
            let _ = out.send(value);
        }
        Poll::Ready(Ok(()))
    }
}

/// A `cancel` argument: resolves when the guard is dropped.
pub(super) fn cancellation(
    store: impl wasmtime::AsContextMut<Data = State>,
    ended: oneshot::Receiver<std::convert::Infallible>,
) -> wasmtime::Result<FutureReader<bool>> {
    FutureReader::new(store, Resolved(ended))
}

/// True once the sender is gone.
struct Resolved(oneshot::Receiver<std::convert::Infallible>);

impl Future for Resolved {
    type Output = wasmtime::Result<bool>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let _ = ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(Ok(true))
    }
}

/// Room offered to a producer when the reader is this side's own, as large as the
/// component's buffers.
const CHUNK: usize = 256 * 1024;

/// Chunks of a download on their way to its reader. They are as large as the network
/// hands them over, some 64 KiB at most.
const CHUNKS_AHEAD: usize = 8;
