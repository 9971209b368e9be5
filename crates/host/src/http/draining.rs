//! The stream of a connection, which drains unread input before it is closed.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_io_timeout::TimeoutWriter;

/// Called once, when a client begins a TLS handshake on a plain HTTP port.
type OnTlsHello = Box<dyn FnOnce() + Send>;

/// The first two bytes of a TLS handshake: a handshake record, major version 3.
const HELLO: [u8; 2] = [0x16, 0x03];

/// How long a client can read too little for any further write. The answer that waits for it takes memory. The kernel
/// reports room again once the client has read a part of the socket buffer, at most a megabyte.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(60);

/// A TCP stream that keeps reading for a moment when it is shut down.
///
/// A refused request's body is still arriving. Closing at once would reset the connection, and the client might never
/// see the answer. So further input is read and dropped, within limits. Beyond these bytes, nothing is read, but the
/// connection stays for the rest of the time: a client that sends and reads at once can then read the answer before its
/// writing fails. To a proxy such as Caddy, a write that fails first is an answer of 502 instead of ours.
pub struct DrainingStream {
    stream: Pin<Box<TimeoutWriter<TcpStream>>>,
    hello: Option<OnTlsHello>,
    until: Option<Pin<Box<Sleep>>>,
    remaining: usize,
}

impl DrainingStream {
    const TIME: Duration = Duration::from_secs(2);
    const BYTES: usize = 4 << 20;

    pub fn new(stream: TcpStream) -> Self {
        let mut stream = TimeoutWriter::new(stream);
        stream.set_timeout(Some(UNREAD_TIMEOUT));
        Self { stream: Box::pin(stream), hello: None, until: None, remaining: Self::BYTES }
    }

    /// The same for plain HTTP. Calls `on_hello` if the client begins a TLS handshake, which nothing answers here.
    pub fn plain(stream: TcpStream, on_hello: impl FnOnce() + Send + 'static) -> Self {
        Self { hello: Some(Box::new(on_hello)), ..Self::new(stream) }
    }
}

impl AsyncRead for DrainingStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(self.stream.as_mut().poll_read(cx, buffer));
        // Inspects the first read: peeking would be one more call to the kernel.
        if let Some(on_hello) = self.hello.take()
            && buffer.filled().get(before..).is_some_and(|first| first.starts_with(&HELLO))
        {
            on_hello();
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for DrainingStream {
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
        while until.as_mut().poll(cx).is_pending() {
            if this.remaining == 0 {
                return Poll::Pending;
            }
            let mut buffer = ReadBuf::new(&mut dropped);
            match this.stream.as_mut().poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    this.remaining = this.remaining.saturating_sub(buffer.filled().len());
                }
                // The client has finished or closed the connection.
                Poll::Ready(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// A stream that stays open when it is shut down, so that its owner can do that later.
pub struct KeptOpen<'a, S>(pub &'a mut S);

impl<S: AsyncRead + Unpin> AsyncRead for KeptOpen<'_, S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for KeptOpen<'_, S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
