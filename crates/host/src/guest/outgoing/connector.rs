//! Makes connections: TCP to the destination or a tunnel through a proxy, then TLS.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use crate::guest::outgoing::connection::{Observed, Stream};
use crate::guest::outgoing::proxy::{Proxy, ProxyError, ProxyRules};
use crate::guest::outgoing::resolver::Resolver;
use crate::guest::outgoing::rights::Reach;
use crate::guest::outgoing::tunnel::{TunnelError, tunnel};

/// How long making a connection can take, including proxy and TLS. Shorter than the component's timeout, so that the
/// component gets the reason.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// No TCP connection to the destination. Its name can be unknown.
    #[error(transparent)]
    Tcp(BoxError),
    /// No TCP connection, or no TLS, to the proxy.
    #[error(transparent)]
    Proxy(Box<Self>),
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    /// The proxy cannot be used. The host reports this at its start, so that no request fails with it.
    #[error(transparent)]
    Rules(#[from] ProxyError),
    /// TLS failed. The error contains the error of rustls.
    #[error(transparent)]
    Tls(io::Error),
    #[error("the host of the URL is not a valid name for a certificate")]
    Name,
    #[error("no {0} within {time} s", time = CONNECT_TIME.as_secs())]
    Slow(ConnectStep),
}

type BoxError = Box<dyn Error + Send + Sync>;

/// The step that took too long.
#[derive(Clone, Copy, Debug)]
pub(super) enum ConnectStep {
    Tcp,
    Tunnel,
    Tls,
}

impl std::fmt::Display for ConnectStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tcp => "connection",
            Self::Tunnel => "answer of the proxy",
            Self::Tls => "end of the TLS handshake",
        })
    }
}

/// Makes connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connector {
    direct: HttpConnector<Resolver>,
    /// To proxies. The administrator chose them, so any address is allowed.
    to_proxy: HttpConnector<Resolver>,
    proxies: Arc<ProxyRules>,
    tls: TlsConnector,
}

impl Connector {
    /// Makes connections to addresses within `reach`.
    pub(super) fn new(reach: Reach, proxies: Arc<ProxyRules>, tls: TlsConnector) -> Self {
        let tcp = |private| {
            let mut connector = HttpConnector::new_with_resolver(Resolver { private });
            connector.enforce_http(false);
            connector.set_nodelay(true);
            // Hyper divides it between the addresses of a name.
            connector.set_connect_timeout(Some(CONNECT_TIME));
            connector
        };
        Self { direct: tcp(reach == Reach::Any), to_proxy: tcp(true), proxies, tls }
    }

    async fn connect(mut self, uri: Uri) -> Result<TokioIo<Observed>, ConnectError> {
        let until = Instant::now() + CONNECT_TIME;
        let mut stream = match self.proxies.proxy_of(&uri)? {
            None => tcp(&mut self.direct, &uri, until).await?,
            Some(proxy) => self.through(&proxy, &uri, until).await?,
        };
        if uri.scheme_str() == Some("https") {
            stream = self.with_tls(stream, &uri, until).await?;
        }
        Ok(TokioIo::new(Observed::new(stream)))
    }

    async fn through(&mut self, proxy: &Proxy, uri: &Uri, until: Instant) -> Result<Box<dyn Stream>, ConnectError> {
        let of_proxy = |error| ConnectError::Proxy(Box::new(error));
        let mut stream = tcp(&mut self.to_proxy, proxy.uri(), until).await.map_err(of_proxy)?;
        if proxy.uri().scheme_str() == Some("https") {
            stream = self.with_tls(stream, proxy.uri(), until).await.map_err(of_proxy)?;
        }
        match timeout_at(until, tunnel(stream, uri, proxy.authorization())).await {
            Ok(tunnel) => Ok(tunnel?),
            Err(_) => Err(ConnectError::Slow(ConnectStep::Tunnel)),
        }
    }

    async fn with_tls(
        &self,
        stream: Box<dyn Stream>,
        uri: &Uri,
        until: Instant,
    ) -> Result<Box<dyn Stream>, ConnectError> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|_| ConnectError::Name)?;
        match timeout_at(until, self.tls.connect(name, stream)).await {
            Ok(connected) => Ok(Box::new(connected.map_err(ConnectError::Tls)?)),
            Err(_) => Err(ConnectError::Slow(ConnectStep::Tls)),
        }
    }
}

async fn tcp(
    connector: &mut HttpConnector<Resolver>,
    uri: &Uri,
    until: Instant,
) -> Result<Box<dyn Stream>, ConnectError> {
    match timeout_at(until, connector.call(uri.clone())).await {
        Ok(connected) => Ok(Box::new(connected.map_err(|error| ConnectError::Tcp(error.into()))?.into_inner())),
        Err(_) => Err(ConnectError::Slow(ConnectStep::Tcp)),
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Observed>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}
