//! The body of a request, read up to a limit before an instance is taken, so that slow clients occupy no instances.
//! Bodies of unauthenticated clients share a limited amount of memory.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, timeout};
use wasmtime_wasi_http::{Error, WasiBody};

/// How many bytes are read ahead. The rest of a larger body is handed on as it arrives.
pub const READ_AHEAD: usize = 256 * 1024;

/// The most bytes of buffers for all unauthenticated clients together.
pub const ROOM: usize = 64 << 20;

/// How long a client can take for the next part of a body.
pub const PROGRESS_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a body cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Nothing arrived for [`PROGRESS_TIMEOUT`].
    #[error("the body stalled")]
    Stalled,
    /// It arrived too slowly.
    #[error("the body took too long")]
    Slow,
    /// The connection was closed, or the body is not valid HTTP.
    #[error("the body broke off: {0}")]
    BrokenOff(hyper::Error),
    /// Bodies of unauthenticated clients have used up [`ROOM`].
    #[error("too many bodies of unauthenticated clients at once; send it again")]
    NoRoom,
}

/// How far a body is read before an instance is taken.
#[derive(Clone, Debug)]
pub enum ReadAhead {
    /// Not at all: the guest will refuse the request by its head.
    Nothing,
    /// Up to [`READ_AHEAD`], as long as a permit is available for each byte of the buffer.
    Shared(Arc<Semaphore>),
    /// Up to [`READ_AHEAD`].
    Unlimited,
}

/// Reads a body as far as `ahead` says, within `time`. Without `time`, a client that sends a byte every few seconds
/// could go on forever.
pub async fn read_body(incoming: Incoming, ahead: ReadAhead, time: Duration) -> Result<WasiBody, BodyError> {
    timeout(time, read_ahead(incoming, ahead)).await.unwrap_or(Err(BodyError::Slow))
}

/// Does not touch a body that announces more than [`READ_AHEAD`]: the guest will probably refuse it by its length.
async fn read_ahead<B>(mut incoming: B, ahead: ReadAhead) -> Result<WasiBody, BodyError>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Send + Unpin + 'static,
{
    let mut buffer = match ahead {
        _ if incoming.is_end_stream() => return Ok(ReadAheadBuffer::default().whole()),
        ReadAhead::Nothing => return Ok(ReadAheadBuffer::default().before(incoming)),
        ReadAhead::Shared(room) => ReadAheadBuffer { room: Some(room), ..ReadAheadBuffer::default() },
        ReadAhead::Unlimited => ReadAheadBuffer::default(),
    };
    let announced = usize::try_from(incoming.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > READ_AHEAD {
        return Ok(buffer.before(incoming));
    }
    let expected = if announced == 0 { READ_AHEAD } else { announced };
    while buffer.bytes.len() <= READ_AHEAD {
        match timeout(PROGRESS_TIMEOUT, incoming.frame()).await.map_err(|_| BodyError::Stalled)? {
            None => return Ok(buffer.whole()),
            Some(Err(error)) => return Err(BodyError::BrokenOff(error)),
            Some(Ok(frame)) => buffer.add(frame.data_ref().unwrap_or(&Bytes::new()), expected)?,
        }
    }
    Ok(buffer.before(incoming))
}

#[derive(Default)]
struct ReadAheadBuffer {
    bytes: Vec<u8>,
    /// Has a permit for each byte that can be allocated. `None`: no limit.
    room: Option<Arc<Semaphore>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl ReadAheadBuffer {
    /// `expected`: the size of the whole body, if nothing more is known. The buffer grows by doubling up to there.
    fn add(&mut self, bytes: &[u8], expected: usize) -> Result<(), BodyError> {
        let needed = self.bytes.len() + bytes.len();
        if needed > self.bytes.capacity() {
            let capacity = needed.max(expected.min(2 * self.bytes.capacity()));
            self.pay_for(capacity - self.bytes.capacity())?;
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn pay_for(&mut self, bytes: usize) -> Result<(), BodyError> {
        let Some(room) = &self.room else { return Ok(()) };
        let count = u32::try_from(bytes).unwrap_or(u32::MAX);
        let more = Arc::clone(room).try_acquire_many_owned(count).map_err(|_| BodyError::NoRoom)?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        Ok(())
    }

    /// The body has ended.
    fn whole(self) -> WasiBody {
        self.body(None::<Incoming>)
    }

    /// The rest of the body has not arrived yet.
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
        BufferedBody { ahead: self.bytes.into(), rest, _permit: self.permit }.boxed_unsync()
    }
}

/// The buffered part, then the rest as it arrives, unless it stalls.
struct BufferedBody<B> {
    ahead: Bytes,
    rest: Option<(B, Pin<Box<Sleep>>)>,
    /// Returned when this is dropped.
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

    use super::{BodyError, READ_AHEAD, ReadAhead, read_ahead};

    /// A body of these parts. Then it ends, or waits forever.
    fn body(parts: &[&str], ends: bool) -> impl Body<Data = Bytes, Error = hyper::Error> + Send + Unpin + use<> {
        let parts: Vec<_> = parts.iter().map(|part| Ok(Frame::data(Bytes::copy_from_slice(part.as_bytes())))).collect();
        let waits = usize::from(!ends);
        let more = futures_util::stream::iter(0..waits).then(|_| std::future::pending());
        StreamBody::new(futures_util::stream::iter(parts).chain(more).boxed())
    }

    #[tokio::test]
    async fn bodies_share_room_until_they_are_dropped_and_a_body_without_room_is_refused() {
        let room = Arc::new(Semaphore::new(10));
        let shared = || ReadAhead::Shared(Arc::clone(&room));
        let first = read_ahead(body(&["123", "456"], true), shared()).await.unwrap();
        assert_eq!((room.available_permits(), first.size_hint().exact()), (4, Some(6)));
        let refused = read_ahead(body(&["123", "45"], false), shared()).await;
        assert!(matches!(refused, Err(BodyError::NoRoom)));
        assert_eq!(room.available_permits(), 4);
        let second = read_ahead(body(&["1234"], true), shared()).await.unwrap();
        // Authenticated clients need no room.
        let third = read_ahead(body(&["123456"], true), ReadAhead::Unlimited).await.unwrap();
        for (body, expected) in [(first, "123456"), (second, "1234"), (third, "123456")] {
            assert_eq!(body.collect().await.unwrap().to_bytes(), expected);
        }
        assert_eq!(room.available_permits(), 10);
    }

    /// Until buffers were charged by their capacity, they could take twice the room.
    #[tokio::test]
    async fn a_buffer_pays_for_what_it_allocates() {
        let part = "x".repeat(1_000);
        for (count, allocated) in [(1, 1_000), (2, 2_000), (3, 4_000), (130, 256_000), (260, READ_AHEAD)] {
            let room = Arc::new(Semaphore::new(READ_AHEAD));
            let body = body(&vec![part.as_str(); count], true);
            let body = read_ahead(body, ReadAhead::Shared(Arc::clone(&room))).await.unwrap();
            assert_eq!(room.available_permits(), READ_AHEAD - allocated, "{count}");
            assert_eq!(body.collect().await.unwrap().to_bytes().len(), count * 1_000);
            assert_eq!(room.available_permits(), READ_AHEAD, "{count}");
        }
    }

    #[tokio::test]
    async fn a_body_beyond_the_read_ahead_limit_keeps_its_room_while_the_rest_is_handed_on() {
        let room = Arc::new(Semaphore::new(READ_AHEAD + 100));
        let large = "x".repeat(READ_AHEAD + 10);
        let body = read_ahead(
            body(&[&large, "there is no room for this: it is not kept"], true),
            ReadAhead::Shared(Arc::clone(&room)),
        );
        let body = body.await.unwrap();
        assert_eq!((room.available_permits(), body.size_hint().exact()), (90, None));
        assert!(body.collect().await.unwrap().to_bytes().ends_with(b"it is not kept"));
        assert_eq!(room.available_permits(), READ_AHEAD + 100);
    }

    #[tokio::test]
    async fn without_read_ahead_nothing_waits_for_the_body() {
        let mut body = read_ahead(body(&["first"], false), ReadAhead::Nothing).await.unwrap();
        let first = body.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "first");
    }
}
