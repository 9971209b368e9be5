//! A tunnel through an HTTP proxy (RFC 9110, 9.3.6).

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::guest::outgoing::connection::Stream;

/// Why a proxy makes no tunnel.
#[derive(Debug, thiserror::Error)]
pub(super) enum TunnelError {
    /// The proxy refuses, or cannot reach the destination.
    #[error("the proxy refused the tunnel: {0}")]
    Refused(StatusCode),
    /// The proxy closed the connection, or its answer is not HTTP.
    #[error("the proxy made no tunnel: {0}")]
    Broken(#[from] hyper::Error),
    /// The host of the URL cannot be written in a request.
    #[error("the proxy cannot be asked for this host")]
    Host(#[from] http::Error),
}

/// Asks a proxy for a tunnel to the host and port of a URL.
pub(super) async fn tunnel(
    proxy: Box<dyn Stream>,
    uri: &Uri,
    authorization: Option<&HeaderValue>,
) -> Result<Box<dyn Stream>, TunnelError> {
    let target = format!("{}:{}", uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(443));
    let mut request = Request::connect(&target).header(header::HOST, &target).body(Empty::<Bytes>::new())?;
    if let Some(authorization) = authorization {
        request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization.clone());
    }
    let (mut requests, connection) = http1::handshake(TokioIo::new(proxy)).await?;
    // Ends with the tunnel, or when `requests` is dropped.
    tokio::spawn(connection.with_upgrades());
    let answer = requests.send_request(request).await?;
    if !answer.status().is_success() {
        return Err(TunnelError::Refused(answer.status()));
    }
    Ok(Box::new(TokioIo::new(hyper::upgrade::on(answer).await?)))
}
