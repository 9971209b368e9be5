//! The body of an answer, buffered as far as there is room before the client reads it. So slow clients occupy no
//! instances, and the time limit of an instance does not depend on its client.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime_wasi_http::{Error, WasiBody};

/// The most bytes buffered for all clients together: about a dozen of the largest answers.
pub const ROOM: usize = 64 << 20;

/// The body of an answer: the buffered part, then the rest from the instance.
pub struct AnswerBody {
    taken: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    /// The part that the instance still has. `None` after the end.
    rest: Option<WasiBody>,
    room: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl AnswerBody {
    /// Nothing is buffered yet. `room` has a permit for each byte that can be buffered.
    pub fn new(body: WasiBody, room: &Arc<Semaphore>) -> Self {
        Self { taken: VecDeque::new(), trailers: None, rest: Some(body), room: Arc::clone(room), permit: None }
    }

    /// Buffers the body until its end or until there is no more room. Cancelling this loses nothing.
    pub async fn take(&mut self) -> Result<(), Error> {
        while let Some(rest) = &mut self.rest {
            let Some(frame) = rest.frame().await.transpose()? else {
                self.rest = None;
                return Ok(());
            };
            match frame.into_data() {
                Ok(bytes) => {
                    let has_room = self.make_room(bytes.len());
                    self.taken.push_back(bytes);
                    if !has_room {
                        return Ok(());
                    }
                }
                Err(frame) => self.trailers = frame.into_trailers().ok(),
            }
        }
        Ok(())
    }

    /// Whether the whole body is buffered.
    pub fn is_whole(&self) -> bool {
        self.rest.is_none()
    }

    fn make_room(&mut self, bytes: usize) -> bool {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let Ok(more) = Arc::clone(&self.room).try_acquire_many_owned(bytes) else { return false };
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        true
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(bytes) = self.taken.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_whole() && self.taken.is_empty() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let taken = self.taken.iter().map(|bytes| bytes.len() as u64).sum();
        match &self.rest {
            None => SizeHint::with_exact(taken),
            Some(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use http::HeaderMap;
    use http_body_util::{BodyExt as _, StreamBody};
    use hyper::body::Frame;
    use tokio::sync::Semaphore;
    use wasmtime_wasi_http::Error;

    use super::AnswerBody;

    type Frames = Vec<Result<Frame<Bytes>, Error>>;

    fn frames(texts: &[&'static str]) -> Frames {
        texts.iter().map(|text| Ok(Frame::data(Bytes::from(*text)))).collect()
    }

    fn answer(frames: Frames, room: &Arc<Semaphore>) -> AnswerBody {
        AnswerBody::new(StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync(), room)
    }

    #[tokio::test]
    async fn the_client_gets_the_whole_body_however_much_of_it_was_buffered() {
        for (room, whole, free) in [(12, true, 0), (11, false, 4), (5, false, 5), (0, false, 0)] {
            let room = Arc::new(Semaphore::new(room));
            let mut given = frames(&["It was ", "given"]);
            let mut trailers = HeaderMap::new();
            trailers.insert("x", "y".parse().unwrap());
            given.push(Ok(Frame::trailers(trailers.clone())));
            let mut answer = answer(given, &room);
            answer.take().await.unwrap();
            assert_eq!((answer.is_whole(), room.available_permits()), (whole, free));
            let sent = answer.collect().await.unwrap();
            assert_eq!(sent.trailers(), Some(&trailers));
            assert_eq!(sent.to_bytes(), "It was given");
        }
    }

    #[tokio::test]
    async fn room_is_returned_when_the_answer_is_dropped() {
        let room = Arc::new(Semaphore::new(8));
        let mut first = answer(frames(&["1234", "5678"]), &room);
        first.take().await.unwrap();
        assert_eq!((first.is_whole(), room.available_permits()), (true, 0));
        drop(first);
        assert_eq!(room.available_permits(), 8);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_an_error_before_any_of_it_is_sent() {
        let mut given = frames(&["half"]);
        given.push(Err(Error::ConnectionTerminated));
        let mut answer = answer(given, &Arc::new(Semaphore::new(100)));
        assert!(answer.take().await.is_err());
    }
}
