//! The port for outgoing requests.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use http::{Request, Response};

/// A client that sends requests, and waits.
#[expect(async_fn_in_trait, reason = "components are single-threaded, native hosts name their type")]
pub trait HttpClient {
    /// The body of a response, as a stream.
    type Body: ResponseBody;

    /// Sends a request, and returns the response as soon as its head has arrived. Follows no redirects.
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Self::Body>, NotSent>;

    /// Waits for this time.
    async fn wait(&self, time: Duration);
}

/// The body of a response. Dropping it ends the exchange: the connection is closed if it has more of the body.
#[expect(async_fn_in_trait, reason = "components are single-threaded, native hosts name their type")]
pub trait ResponseBody {
    /// The next part, or `None` at the end or if the body is cut off. The future can be dropped at any time.
    async fn chunk(&mut self) -> Option<Vec<u8>>;
}

/// Limits for reading a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimit {
    /// The largest number of bytes.
    pub bytes: usize,
    /// The longest time, for all chunks together.
    pub time: Duration,
}

/// Reads the beginning of a body, and drops the rest with its connection. Starts no timer if the body is already
/// there.
pub async fn read_at_most<C: HttpClient>(client: &C, mut body: C::Body, limit: BodyLimit) -> Vec<u8> {
    let mut read = Vec::new();
    let mut left = limit.bytes;
    let mut time_is_up = pin!(client.wait(limit.time));
    while left > 0 {
        match select(pin!(body.chunk()), time_is_up.as_mut()).await {
            Either::Left((Some(chunk), _)) => {
                read.extend(chunk.iter().take(left));
                // An empty chunk counts as a byte: a body of empty chunks might never end.
                left = left.saturating_sub(chunk.len().max(1));
            }
            Either::Left((None, _)) | Either::Right(_) => break,
        }
    }
    read
}

/// The reason why a request got no response. Contains no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotSent(pub String);

/// The client of a platform without outgoing requests: every request fails.
#[derive(Clone, Copy, Debug)]
pub struct NoHttpClient;

impl HttpClient for NoHttpClient {
    type Body = Infallible;

    async fn send(&self, _request: Request<Vec<u8>>) -> Result<Response<Infallible>, NotSent> {
        Err(NotSent("this platform sends no requests".to_owned()))
    }

    async fn wait(&self, _time: Duration) {}
}

/// [`NoHttpClient`] has no responses, and so no bodies.
impl ResponseBody for Infallible {
    async fn chunk(&mut self) -> Option<Vec<u8>> {
        None
    }
}
