//! A connection to a destination that knows whether anything of an answer came.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};

use hyper_util::client::legacy::Error;
use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes in both directions: TCP, a tunnel through a proxy, TLS over one of them.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A stream, and what happened on it. Below it is TLS, if there is any: what TLS itself sends is no part of an answer.
pub(super) struct Observed {
    stream: Box<dyn Stream>,
    exchanges: Exchanges,
}

/// Requests and answers on one connection. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchanges(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    /// How often a request began: the first write, and each one after a read.
    begun: AtomicU32,
    /// Whether anything was read since the last of them began.
    answered: AtomicBool,
}

impl Exchanges {
    /// Those of the connection on which a request failed.
    fn of(error: &Error) -> Option<Self> {
        let mut extensions = http::Extensions::new();
        error.connect_info()?.get_extras(&mut extensions);
        extensions.remove()
    }

    fn write(&self) {
        if self.0.answered.swap(false, Ordering::Relaxed) || self.0.begun.load(Ordering::Relaxed) == 0 {
            self.0.begun.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn read(&self) {
        self.0.answered.store(true, Ordering::Relaxed);
    }
}

/// Whether a request failed because the server had closed a connection that was kept: it was used before, and not one byte of an answer
/// came. The server has most probably not seen the request, since it closes connections that are idle.
pub(super) fn was_closed_while_idle(error: &Error) -> bool {
    Exchanges::of(error).is_some_and(|exchanges| {
        exchanges.0.begun.load(Ordering::Relaxed) > 1 && !exchanges.0.answered.load(Ordering::Relaxed)
    })
}

impl Observed {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, exchanges: Exchanges::default() }
    }
}

impl Connection for Observed {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.exchanges.clone())
    }
}

impl AsyncRead for Observed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.exchanges.read();
        }
        read
    }
}

impl AsyncWrite for Observed {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // Before it is known whether this succeeds: a write to a closed connection fails.
        self.exchanges.write();
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.exchanges.write();
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
