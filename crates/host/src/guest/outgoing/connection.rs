//! A connection to a destination that knows whether anything of an answer came.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

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

/// For how long a connection waits that is used as soon as it is made.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Requests and answers on one connection. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(super) struct Exchanges(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    /// When the connection was made.
    made: Instant,
    /// Whether it waited for its first request: hyper has a connection made also for a request that then gets another one.
    waited: AtomicBool,
    /// How often a request began: the first write, and each one after a read.
    begun: AtomicU32,
    /// Whether anything was read since the last of them began.
    answered: AtomicBool,
}

impl Exchanges {
    fn new(made: Instant) -> Self {
        let (waited, begun, answered) = Default::default();
        Self(Arc::new(Counted { made, waited, begun, answered }))
    }

    /// Those of the connection on which a request failed.
    fn of(error: &Error) -> Option<Self> {
        let mut extensions = http::Extensions::new();
        error.connect_info()?.get_extras(&mut extensions);
        extensions.remove()
    }

    fn write(&self) {
        let is_first = self.0.begun.load(Ordering::Relaxed) == 0;
        if is_first && self.0.made.elapsed() > AT_ONCE {
            self.0.waited.store(true, Ordering::Relaxed);
        }
        if self.0.answered.swap(false, Ordering::Relaxed) || is_first {
            self.0.begun.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn read(&self) {
        self.0.answered.store(true, Ordering::Relaxed);
    }

    /// Whether the last request was sent on a connection that had been idle, and nothing came since.
    fn is_unanswered_after_idleness(&self) -> bool {
        let was_idle = self.0.begun.load(Ordering::Relaxed) > 1 || self.0.waited.load(Ordering::Relaxed);
        was_idle && !self.0.answered.load(Ordering::Relaxed)
    }
}

/// Whether a request failed because the server had closed a connection that was kept: not one byte of an answer came. The server has
/// most probably not seen the request, since it closes connections that are idle.
pub(super) fn was_closed_while_idle(error: &Error) -> bool {
    Exchanges::of(error).is_some_and(|exchanges| exchanges.is_unanswered_after_idleness())
}

impl Observed {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, exchanges: Exchanges::new(Instant::now()) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_connection_that_was_idle_may_have_been_closed_for_that() {
        let used_at_once = Exchanges::new(Instant::now());
        let kept = Exchanges::new(Instant::now().checked_sub(2 * AT_ONCE).unwrap());
        for (exchanges, expected) in [(used_at_once, false), (kept, true)] {
            assert!(!exchanges.is_unanswered_after_idleness());
            exchanges.write();
            exchanges.write();
            assert_eq!(exchanges.is_unanswered_after_idleness(), expected);
            exchanges.read();
            assert!(!exchanges.is_unanswered_after_idleness());
            // The next request.
            exchanges.write();
            assert!(exchanges.is_unanswered_after_idleness());
        }
    }
}
