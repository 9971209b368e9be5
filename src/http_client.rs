//! The port for outgoing requests: what forwarding needs of a platform's HTTP client.

use std::time::Duration;

use http::{Request, Response};

/// The port that sends a request, and waits.
#[expect(async_fn_in_trait, reason = "components are single-threaded, native hosts name their type")]
pub trait Deliver {
    /// Sends a request and gives the head of its response. Follows no redirect, and reads no body.
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<()>, NotSent>;

    /// Waits.
    async fn wait(&self, time: Duration);
}

/// A request that got no response. What it says holds no URL and no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotSent(pub String);

/// A platform without outgoing requests: nothing is ever sent.
#[derive(Clone, Copy, Debug)]
pub struct NoWayOut;

impl Deliver for NoWayOut {
    async fn send(&self, _request: Request<Vec<u8>>) -> Result<Response<()>, NotSent> {
        Err(NotSent("there is no way out of here".to_owned()))
    }

    async fn wait(&self, _time: Duration) {}
}
