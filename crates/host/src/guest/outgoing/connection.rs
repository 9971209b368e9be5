//! A connection to a destination that records whether any byte of an answer arrived.

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

/// A stream and its record. TLS, if used, is below it, so that bytes of TLS itself do not count as an answer.
pub(super) struct Observed {
    stream: Box<dyn Stream>,
    exchanges: Exchanges,
}

/// The longest time between making a connection and its first request if the connection was made for that request.
const AT_ONCE: Duration = Duration::from_millis(100);

/// The record of requests and answers on a connection. Cheap to clone; all clones share it.
#[derive(Clone, Debug)]
pub(super) struct Exchanges(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    made: Instant,
    /// Whether it was idle before its first request: hyper also makes connections for requests that then use another
    /// one.
    waited: AtomicBool,
    /// The number of requests: the first write, and each write after a read.
    begun: AtomicU32,
    /// Whether anything was read since the last request began.
    answered: AtomicBool,
}

impl Exchanges {
    fn new(made: Instant) -> Self {
        let (waited, begun, answered) = Default::default();
        Self(Arc::new(Counted { made, waited, begun, answered }))
    }

    /// The record of the connection on which a request failed.
    fn from_error(error: &Error) -> Option<Self> {
        let mut extensions = http::Extensions::new();
        error.connect_info()?.get_extras(&mut extensions);
        extensions.remove()
    }

    fn note_write(&self) {
        let is_first = self.0.begun.load(Ordering::Relaxed) == 0;
        if is_first && self.0.made.elapsed() > AT_ONCE {
            self.0.waited.store(true, Ordering::Relaxed);
        }
        if self.0.answered.swap(false, Ordering::Relaxed) || is_first {
            self.0.begun.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn note_read(&self) {
        self.0.answered.store(true, Ordering::Relaxed);
    }

    /// Whether the last request was sent on an idle connection and nothing arrived since.
    fn is_unanswered_after_idleness(&self) -> bool {
        let was_idle = self.0.begun.load(Ordering::Relaxed) > 1 || self.0.waited.load(Ordering::Relaxed);
        was_idle && !self.0.answered.load(Ordering::Relaxed)
    }
}

/// Whether a request failed because the server had closed a kept connection: no byte of an answer arrived. The server
/// has most probably not seen the request, since servers close idle connections.
pub(super) fn was_closed_while_idle(error: &Error) -> bool {
    Exchanges::from_error(error).is_some_and(|exchanges| exchanges.is_unanswered_after_idleness())
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
            self.exchanges.note_read();
        }
        read
    }
}

impl AsyncWrite for Observed {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // Noted before the write, since a write to a closed connection fails.
        self.exchanges.note_write();
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.exchanges.note_write();
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
    fn only_a_request_on_an_idle_connection_counts_as_lost() {
        let used_at_once = Exchanges::new(Instant::now());
        let kept = Exchanges::new(Instant::now().checked_sub(2 * AT_ONCE).unwrap());
        for (exchanges, expected) in [(used_at_once, false), (kept, true)] {
            assert!(!exchanges.is_unanswered_after_idleness());
            exchanges.note_write();
            exchanges.note_write();
            assert_eq!(exchanges.is_unanswered_after_idleness(), expected);
            exchanges.note_read();
            assert!(!exchanges.is_unanswered_after_idleness());
            // The next request.
            exchanges.note_write();
            assert!(exchanges.is_unanswered_after_idleness());
        }
    }
}
