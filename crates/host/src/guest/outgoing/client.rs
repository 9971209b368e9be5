//! An HTTP/1.1 client that keeps connections, and repeats a request that a closed connection has lost.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::{self, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::guest::outgoing::connection::was_closed_while_idle;
use crate::guest::outgoing::connector::Connector;

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(30);

/// The most bytes of an answer buffered for each connection; the last read can add as many again. A longer head is
/// refused. Hyper's default is 408 KiB; its limit of 100 headers stays.
const MOST_BUFFERED: usize = 64 << 10;

type HyperClient = legacy::Client<Connector, Full<Bytes>>;

/// Sends requests. Cheap to clone.
#[derive(Clone)]
pub(super) struct Client {
    /// Reuses connections.
    kept: HyperClient,
    /// Makes a connection for each request.
    fresh: HyperClient,
}

impl Client {
    pub(super) fn new(connector: Connector) -> Self {
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).http1_max_buf_size(MOST_BUFFERED);
        let kept = builder.build(connector.clone());
        let fresh = builder.pool_max_idle_per_host(0).build(connector);
        Self { kept, fresh }
    }

    /// Sends a request. If the server closed a kept connection without any answer, the request is repeated once on a
    /// new one. Hyper itself does that only before it has written anything.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Error> {
        let again = request.clone();
        match self.kept.request(request).await {
            Err(error) if was_closed_while_idle(&error) => {
                tracing::debug!("the server closed an idle connection; sending again on a new one");
                self.fresh.request(again).await
            }
            answer => answer,
        }
    }
}
