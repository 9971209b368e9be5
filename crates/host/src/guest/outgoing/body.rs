//! The body of an answer, passed to the guest as it arrives.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};
use wasmtime_wasi_http::{Error, WasiBody};

/// A body that ends at its deadline, however slowly it is read. Its connection is reused after the last byte was read,
/// and closed if the body is dropped before.
struct TimedBody {
    /// `None` after the deadline.
    body: Option<Incoming>,
    deadline: Pin<Box<Sleep>>,
}

/// Limits the time in which the guest can read a body.
pub(super) fn timed(body: Incoming, time: Duration) -> WasiBody {
    TimedBody { body: Some(body), deadline: Box::pin(sleep(time)) }.boxed_unsync()
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(context);
        // Checked even while more of the body is always available.
        if self.deadline.as_mut().poll(context).is_ready() {
            self.body = None;
            return Poll::Ready(Some(Err(Error::HttpResponseTimeout)));
        }
        frame.map_err(|_| Error::HttpResponseIncomplete)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use http::Request;
    use http_body_util::Empty;
    use hyper::client::conn::http1;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn a_body_that_does_not_end_is_cut_off_and_its_connection_closed() {
        let (near, mut far) = duplex(1 << 10);
        let (mut requests, connection) = http1::handshake(TokioIo::new(near)).await.unwrap();
        tokio::spawn(connection);
        let server = tokio::spawn(async move {
            far.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
            // Always sends more.
            while far.write_all(b"1\r\nx\r\n").await.is_ok() {}
            far.read_to_end(&mut Vec::new()).await
        });
        let answer = requests.send_request(Request::new(Empty::<Bytes>::new())).await.unwrap();
        let began = Instant::now();
        let mut body = timed(answer.into_body(), Duration::from_millis(200));
        let error = loop {
            match body.frame().await.unwrap() {
                Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::HttpResponseTimeout), "{error}");
        assert!(began.elapsed() < Duration::from_secs(5));
        assert!(body.frame().await.is_none());
        drop(requests);
        tokio::time::timeout(Duration::from_secs(5), server).await.unwrap().unwrap().unwrap();
    }
}
