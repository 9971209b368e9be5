//! What a connection is read from and written to.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_io_timeout::TimeoutWriter;

/// Is told once.
type Told = Box<dyn FnOnce() + Send>;

/// How a TLS handshake begins: a handshake's record, of whatever version 3.
const HELLO: [u8; 2] = [0x16, 0x03];

/// How long a client may read so little that nothing more can be sent to it: the kernel says that there is room again when a part of what it
/// keeps was read, a megabyte at most. A page that is kept for it takes memory.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection that reads on for a moment when it is shut down.
///
/// A body that is refused without being read is still on its way. To close at once would reset the connection, and the
/// sender might never see why. So what it still sends is dropped, within bounds.
pub struct Draining {
    stream: Pin<Box<TimeoutWriter<TcpStream>>>,
    hello: Option<Told>,
    until: Option<Pin<Box<Sleep>>>,
    left: usize,
}

impl Draining {
    const TIME: Duration = Duration::from_secs(2);
    const BYTES: usize = 4 << 20;

    pub fn new(stream: TcpStream) -> Self {
        let mut stream = TimeoutWriter::new(stream);
        stream.set_timeout(Some(UNREAD_TIMEOUT));
        Self { stream: Box::pin(stream), hello: None, until: None, left: Self::BYTES }
    }

    /// The same. `told` is told if it begins with a TLS handshake, which here nobody answers.
    pub fn plain(stream: TcpStream, told: impl FnOnce() + Send + 'static) -> Self {
        Self { hello: Some(Box::new(told)), ..Self::new(stream) }
    }
}

impl AsyncRead for Draining {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(self.stream.as_mut().poll_read(cx, buffer));
        // Scraped at as it is read: nobody waits for it.
        if let Some(told) = self.hello.take()
            && buffer.filled().get(before..).is_some_and(|first| first.starts_with(&HELLO))
        {
            told();
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Draining {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.until.is_none() {
            ready!(this.stream.as_mut().poll_shutdown(cx))?;
        }
        let until = this.until.get_or_insert_with(|| Box::pin(sleep(Self::TIME)));
        let mut dropped = [0; 16 * 1024];
        while this.left > 0 && until.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut dropped);
            match this.stream.as_mut().poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    this.left = this.left.saturating_sub(buffer.filled().len());
                }
                // The sender is done, or gone.
                Poll::Ready(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
