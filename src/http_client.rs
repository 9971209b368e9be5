//! The port for outgoing requests: what forwarding needs of a platform's HTTP client.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use http::{Request, Response};

/// The port that sends a request, and waits.
#[expect(async_fn_in_trait, reason = "components are single-threaded, native hosts name their type")]
pub trait HttpClient {
    /// A response's body as it comes.
    type Body: ResponseBody;

    /// Sends a request and gives its response as soon as its head is there. Follows no redirect.
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Self::Body>, NotSent>;

    /// Waits.
    async fn wait(&self, time: Duration);
}

/// A response's body. Dropping it ends the exchange: a connection that has more of the body to give is closed.
#[expect(async_fn_in_trait, reason = "components are single-threaded, native hosts name their type")]
pub trait ResponseBody {
    /// The next part, or `None` at the end and where it breaks off. The future may be dropped at any time.
    async fn chunk(&mut self) -> Option<Vec<u8>>;
}

/// How much of a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimit {
    /// At most so many bytes.
    pub bytes: usize,
    /// For so long at most, all chunks together.
    pub time: Duration,
}

/// Reads the beginning of a body, and drops the rest with its connection. A body that is all there asks for no timer.
pub async fn read_at_most<C: HttpClient>(client: &C, mut body: C::Body, limit: BodyLimit) -> Vec<u8> {
    let mut read = Vec::new();
    let mut left = limit.bytes;
    let mut time_is_up = pin!(client.wait(limit.time));
    while left > 0 {
        match select(pin!(body.chunk()), time_is_up.as_mut()).await {
            Either::Left((Some(chunk), _)) => {
                read.extend(chunk.iter().take(left));
                // An empty chunk counts too: a body that is nothing else would never end.
                left = left.saturating_sub(chunk.len().max(1));
            }
            Either::Left((None, _)) | Either::Right(_) => break,
        }
    }
    read
}

/// A request that got no response. What it says holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotSent(pub String);

/// A platform without outgoing requests: nothing is ever sent.
#[derive(Clone, Copy, Debug)]
pub struct NoHttpClient;

impl HttpClient for NoHttpClient {
    type Body = Infallible;

    async fn send(&self, _request: Request<Vec<u8>>) -> Result<Response<Infallible>, NotSent> {
        Err(NotSent("this platform sends no requests".to_owned()))
    }

    async fn wait(&self, _time: Duration) {}
}

/// The body of responses that there are none of.
impl ResponseBody for Infallible {
    async fn chunk(&mut self) -> Option<Vec<u8>> {
        None
    }
}
