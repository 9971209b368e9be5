//! The body of a request: read before an instance is taken, as far as a limit, so that slow senders cost no instances.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep, timeout};
use wasmtime_wasi_http::{Error, WasiBody};

/// How much is read ahead. A larger body is handed on as it arrives; a guest may refuse it by then.
pub const READ_AHEAD: usize = 256 * 1024;

/// How long a sender may take for the next part of a body.
pub const PROGRESS_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a body is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// Nothing came for [`PROGRESS_TIMEOUT`].
    #[error("the body stalled")]
    Stalled,
    /// It came, but too slowly.
    #[error("the body took too long")]
    Slow,
    /// The connection broke, or what came was no HTTP.
    #[error("the body broke off: {0}")]
    BrokenOff(hyper::Error),
}

/// Reads a body up to [`READ_AHEAD`], which may take `time`: who sends a byte now and then never stalls.
pub async fn read(incoming: Incoming, time: Duration) -> Result<WasiBody, Unread> {
    timeout(time, read_ahead(incoming)).await.unwrap_or(Err(Unread::Slow))
}

/// One that announces more is not touched: it may well be refused for that.
async fn read_ahead(mut incoming: Incoming) -> Result<WasiBody, Unread> {
    let mut ahead = BytesMut::new();
    if incoming.size_hint().lower() > READ_AHEAD as u64 {
        return Ok(Rest::new(ahead.freeze(), incoming).boxed_unsync());
    }
    while ahead.len() <= READ_AHEAD {
        match timeout(PROGRESS_TIMEOUT, incoming.frame()).await.map_err(|_| Unread::Stalled)? {
            None => return Ok(Full::new(ahead.freeze()).map_err(|never| match never {}).boxed_unsync()),
            Some(Err(error)) => return Err(Unread::BrokenOff(error)),
            Some(Ok(frame)) => ahead.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new())),
        }
    }
    Ok(Rest::new(ahead.freeze(), incoming).boxed_unsync())
}

/// What was read ahead, then the rest as it arrives, unless it stalls.
struct Rest {
    ahead: Bytes,
    incoming: Incoming,
    stalled: Pin<Box<Sleep>>,
}

impl Rest {
    fn new(ahead: Bytes, incoming: Incoming) -> Self {
        Self { ahead, incoming, stalled: Box::pin(sleep(PROGRESS_TIMEOUT)) }
    }
}

impl Body for Rest {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if !self.ahead.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.ahead)))));
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            self.stalled.as_mut().reset(Instant::now() + PROGRESS_TIMEOUT);
            return Poll::Ready(frame.map(|frame| frame.map_err(Error::from)));
        }
        self.stalled.as_mut().poll(cx).map(|()| Some(Err(Error::ConnectionReadTimeout)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
