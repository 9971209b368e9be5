//! An HTTP/1.1 client that keeps connections, and sends again what a closed one has lost.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::{self, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::guest::outgoing::connection::was_closed_while_idle;
use crate::guest::outgoing::connector::Connector;

/// How long a connection is kept that nothing is sent on.
const IDLE: Duration = Duration::from_secs(30);

/// How much of an answer may wait in memory to be read before nothing more is read, for each connection. The last read may bring as much
/// again. A head that is longer is refused. Hyper's own limit is 408 KiB; its limit of 100 headers stays.
const MOST_BUFFERED: usize = 64 << 10;

type Pool = legacy::Client<Connector, Full<Bytes>>;

/// Sends requests. Cheap to clone.
#[derive(Clone)]
pub(super) struct Client {
    /// Uses connections again.
    kept: Pool,
    /// Makes a connection for each request.
    fresh: Pool,
}

impl Client {
    pub(super) fn new(connector: Connector) -> Self {
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).http1_max_buf_size(MOST_BUFFERED);
        let kept = builder.build(connector.clone());
        let fresh = builder.pool_max_idle_per_host(0).build(connector);
        Self { kept, fresh }
    }

    /// Sends a request. Where a server closed the connection that was kept for it, and answered nothing, it is sent once more on a
    /// new one. Hyper does so by itself only if it has written nothing yet.
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
