//! A connection that can be broken off from within a request.

use std::{
    io,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::{Context, Poll, Waker},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::Notify,
};

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// As at the end of a program: what was sent arrives, then the end.
    Close,
    /// At once, by a reset; what was sent last may not arrive.
    Reset,
}

/// The connection a request came by. An extension of each request.
#[derive(Clone)]
pub(crate) struct Control(Arc<State>);

struct State {
    local: IpAddr,
    reset: AtomicBool,
    ended: Notify,
    /// [`IDLE`], [`ASKED`] or [`FLUSHED`].
    flush: AtomicU8,
    waker: Mutex<Option<Waker>>,
}

const IDLE: u8 = 0;
const ASKED: u8 = 1;
const FLUSHED: u8 = 2;

/// The connection's stream, and the way to end it.
/// `local`: the address it came in at.
pub(crate) fn watch(stream: TcpStream, local: IpAddr) -> (Watched, Control) {
    let control = Control(Arc::new(State {
        local,
        reset: AtomicBool::new(false),
        ended: Notify::new(),
        flush: AtomicU8::new(IDLE),
        waker: Mutex::new(None),
    }));
    let watched = Watched {
        stream,
        control: control.clone(),
    };
    (watched, control)
}

impl Control {
    /// The server's address, as the client reached it.
    pub(crate) fn local_ip(&self) -> IpAddr {
        self.0.local
    }

    /// Ends the connection. The request's task is dropped at its next await.
    pub(crate) async fn end(&self, how: How) -> std::convert::Infallible {
        self.ask_end(how);
        std::future::pending().await
    }

    /// The same from where nothing can be awaited: the caller is not to be ready again.
    pub(crate) fn ask_end(&self, how: How) {
        if how == How::Reset {
            self.0.reset.store(true, Ordering::Relaxed);
        }
        self.0.ended.notify_one();
    }

    /// Returns when the connection is to be ended: by dropping its stream.
    pub(crate) async fn ended(&self) {
        self.0.ended.notified().await;
    }

    /// Ready when all that was written before the first call is the system's.
    pub(crate) fn poll_flushed(&self, cx: &Context<'_>) -> Poll<()> {
        match self.0.flush.load(Ordering::Acquire) {
            FLUSHED => Poll::Ready(()),
            _ => {
                *self.waker() = Some(cx.waker().clone());
                self.0.flush.store(ASKED, Ordering::Release);
                Poll::Pending
            }
        }
    }

    fn flushed(&self) {
        let asked =
            self.0
                .flush
                .compare_exchange(ASKED, FLUSHED, Ordering::AcqRel, Ordering::Relaxed);
        if asked.is_ok()
            && let Some(waker) = self.waker().take()
        {
            waker.wake();
        }
    }

    fn waker(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.0.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Control")
    }
}

/// A stream that ends as its [`Control`] says.
pub(crate) struct Watched {
    stream: TcpStream,
    control: Control,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.control.0.reset.load(Ordering::Relaxed) {
            // If it fails, the connection is gone already.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            self.control.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
