//! The body of a request: read before an instance is taken, as far as a limit, so that slow senders cost no instances. Bodies of
//! unauthenticated clients share a limited amount of memory.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, timeout};
use wasmtime_wasi_http::{Error, WasiBody};

/// How much is read ahead. A larger body is handed on as it arrives; a guest may refuse it by then.
pub const READ_AHEAD: usize = 256 * 1024;

/// How many bytes of bodies are kept for unauthenticated clients, all together. A buffer grows by doubling, so they may take twice
/// that.
pub const ROOM: usize = 64 << 20;

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
    /// Bodies of unauthenticated clients have used up [`ROOM`].
    #[error("too many bodies of unauthenticated clients at once; send it again")]
    NoRoom,
}

/// How far a body is read before an instance is taken.
#[derive(Clone, Debug)]
pub enum Ahead {
    /// Not at all: the guest refuses the request by its head.
    Nothing,
    /// Up to [`READ_AHEAD`], while a permit is available for each byte.
    Shared(Arc<Semaphore>),
    /// Up to [`READ_AHEAD`].
    Unlimited,
}

/// Reads a body as far as `ahead` says. This may take `time`: a client that sends a byte now and then never stalls.
pub async fn read(incoming: Incoming, ahead: Ahead, time: Duration) -> Result<WasiBody, Unread> {
    timeout(time, read_ahead(incoming, ahead)).await.unwrap_or(Err(Unread::Slow))
}

/// A body that announces more than [`READ_AHEAD`] is not touched: the guest may well refuse it for that.
async fn read_ahead<B>(mut incoming: B, ahead: Ahead) -> Result<WasiBody, Unread>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Send + Unpin + 'static,
{
    let mut buffer = match ahead {
        _ if incoming.is_end_stream() => return Ok(Buffer::default().whole()),
        Ahead::Nothing => return Ok(Buffer::default().before(incoming)),
        Ahead::Shared(room) => Buffer { room: Some(room), ..Buffer::default() },
        Ahead::Unlimited => Buffer::default(),
    };
    if incoming.size_hint().lower() > READ_AHEAD as u64 {
        return Ok(buffer.before(incoming));
    }
    while buffer.bytes.len() <= READ_AHEAD {
        match timeout(PROGRESS_TIMEOUT, incoming.frame()).await.map_err(|_| Unread::Stalled)? {
            None => return Ok(buffer.whole()),
            Some(Err(error)) => return Err(Unread::BrokenOff(error)),
            Some(Ok(frame)) => buffer.add(frame.data_ref().unwrap_or(&Bytes::new()))?,
        }
    }
    Ok(buffer.before(incoming))
}

/// What was read ahead so far.
#[derive(Default)]
struct Buffer {
    bytes: BytesMut,
    /// Has a permit for each byte that may be kept. `None` without a limit.
    room: Option<Arc<Semaphore>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Buffer {
    fn add(&mut self, bytes: &[u8]) -> Result<(), Unread> {
        if let Some(room) = &self.room {
            let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let more = Arc::clone(room).try_acquire_many_owned(count).map_err(|_| Unread::NoRoom)?;
            match &mut self.permit {
                Some(permit) => permit.merge(more),
                None => self.permit = Some(more),
            }
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// There is no more of the body.
    fn whole(self) -> WasiBody {
        self.body(None::<Incoming>)
    }

    /// The rest of the body is still to come.
    fn before<B>(self, incoming: B) -> WasiBody
    where
        B: Body<Data = Bytes, Error = hyper::Error> + Send + Unpin + 'static,
    {
        self.body(Some(incoming))
    }

    fn body<B>(self, incoming: Option<B>) -> WasiBody
    where
        B: Body<Data = Bytes, Error = hyper::Error> + Send + Unpin + 'static,
    {
        let rest = incoming.map(|incoming| (incoming, Box::pin(sleep(PROGRESS_TIMEOUT))));
        BufferedBody { ahead: self.bytes.freeze(), rest, _permit: self.permit }.boxed_unsync()
    }
}

/// What was read ahead, then the rest as it arrives, unless it stalls.
struct BufferedBody<B> {
    ahead: Bytes,
    rest: Option<(B, Pin<Box<Sleep>>)>,
    /// The room is free again when this is dropped.
    _permit: Option<OwnedSemaphorePermit>,
}

impl<B> Body for BufferedBody<B>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if !self.ahead.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.ahead)))));
        }
        let Some((incoming, stalled)) = &mut self.rest else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(incoming).poll_frame(cx) {
            stalled.as_mut().reset(Instant::now() + PROGRESS_TIMEOUT);
            return Poll::Ready(frame.map(|frame| frame.map_err(Error::from)));
        }
        stalled.as_mut().poll(cx).map(|()| Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && self.ahead.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.rest {
            None => SizeHint::with_exact(self.ahead.len() as u64),
            Some(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use futures_util::StreamExt as _;
    use http_body_util::{BodyExt as _, StreamBody};
    use hyper::body::{Body, Frame};
    use tokio::sync::Semaphore;

    use super::{Ahead, READ_AHEAD, Unread, read_ahead};

    /// A body of parts, after which it ends, or waits for more for ever.
    fn body(parts: &[&str], ends: bool) -> impl Body<Data = Bytes, Error = hyper::Error> + Send + Unpin + use<> {
        let parts: Vec<_> = parts.iter().map(|part| Ok(Frame::data(Bytes::copy_from_slice(part.as_bytes())))).collect();
        let waits = usize::from(!ends);
        let more = futures_util::stream::iter(0..waits).then(|_| std::future::pending());
        StreamBody::new(futures_util::stream::iter(parts).chain(more).boxed())
    }

    #[tokio::test]
    async fn bodies_share_room_until_they_are_dropped_and_one_that_does_not_fit_is_refused() {
        let room = Arc::new(Semaphore::new(10));
        let shared = || Ahead::Shared(Arc::clone(&room));
        let first = read_ahead(body(&["123", "456"], true), shared()).await.unwrap();
        assert_eq!((room.available_permits(), first.size_hint().exact()), (4, Some(6)));
        let refused = read_ahead(body(&["123", "45"], false), shared()).await;
        assert!(matches!(refused, Err(Unread::NoRoom)));
        assert_eq!(room.available_permits(), 4);
        let second = read_ahead(body(&["1234"], true), shared()).await.unwrap();
        // Senders with a token need no room.
        let third = read_ahead(body(&["123456"], true), Ahead::Unlimited).await.unwrap();
        for (body, expected) in [(first, "123456"), (second, "1234"), (third, "123456")] {
            assert_eq!(body.collect().await.unwrap().to_bytes(), expected);
        }
        assert_eq!(room.available_permits(), 10);
    }

    #[tokio::test]
    async fn a_body_that_is_larger_than_is_read_ahead_keeps_its_room_while_the_rest_is_handed_on() {
        let room = Arc::new(Semaphore::new(READ_AHEAD + 100));
        let large = "x".repeat(READ_AHEAD + 10);
        let body = read_ahead(
            body(&[&large, "more than there is room for: it is not kept"], true),
            Ahead::Shared(Arc::clone(&room)),
        );
        let body = body.await.unwrap();
        assert_eq!((room.available_permits(), body.size_hint().exact()), (90, None));
        assert!(body.collect().await.unwrap().to_bytes().ends_with(b"it is not kept"));
        assert_eq!(room.available_permits(), READ_AHEAD + 100);
    }

    #[tokio::test]
    async fn where_nothing_is_read_ahead_a_body_is_not_waited_for() {
        let mut body = read_ahead(body(&["first"], false), Ahead::Nothing).await.unwrap();
        let first = body.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "first");
    }
}
