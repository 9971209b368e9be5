//! Logs the standard output and standard error of a guest.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::{Mutex, MutexGuard};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

/// The most bytes of a line. A longer line is logged in parts, so that a guest cannot fill the host's memory.
const MAX_LINE: usize = 8 * 1024;

/// Collects the output of one guest and logs it line by line; an incomplete line when this is dropped.
#[derive(Clone, Default)]
pub struct GuestLog(Arc<Mutex<Line>>);

impl GuestLog {
    /// Whether there is no incomplete line.
    pub(super) fn is_empty(&self) -> bool {
        self.line().0.is_empty()
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock()
    }
}

#[derive(Default)]
struct Line(Vec<u8>);

impl Line {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|&b| b == b'\n') {
            self.0.extend_from_slice(part);
            if self.0.ends_with(b"\n") || self.0.len() >= MAX_LINE {
                self.log();
            }
        }
    }

    fn log(&mut self) {
        let line = String::from_utf8_lossy(&self.0);
        let line = line.trim_end();
        if !line.is_empty() {
            tracing::warn!(target: "outbound_events_host::guest", "the component says: {line}");
        }
        self.0.clear();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.log();
    }
}

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for GuestLog {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.line().write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
