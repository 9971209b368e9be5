//! A GET that a command of the host sends, such as the health check: to any address, and never through a proxy.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::guest::outgoing::authorities::Authorities;
use crate::guest::outgoing::client::Client;
use crate::guest::outgoing::connector::Connector;
use crate::guest::outgoing::proxy::ProxyRules;
use crate::guest::outgoing::reason;
use crate::guest::outgoing::rights::Reach;

/// Why there is no answer to a GET.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// This machine's certificate authorities cannot be used.
    #[error("this machine's certificate authorities, which https needs, cannot be used: {0}")]
    Authorities(rustls::Error),
    /// The reason in words. It names no URL.
    #[error("{0}")]
    NoAnswer(String),
}

/// Sends a GET and returns the answer as soon as its head has arrived. Does not follow redirects. https trusts
/// `authorities` in addition to this machine's.
pub async fn get(uri: Uri, authorities: &Authorities) -> Result<Response<Incoming>, GetError> {
    // A machine without authorities can still ask over http.
    let is_https = uri.scheme_str() == Some("https");
    let tls = if is_https { authorities.tls() } else { trusting_nothing() }.map_err(GetError::Authorities)?;
    let client = Client::new(Connector::new(Reach::Any, Arc::new(ProxyRules::default()), tls));
    let mut request = Request::new(Full::new(Bytes::new()));
    *request.uri_mut() = uri;
    client.send(request).await.map_err(|error| GetError::NoAnswer(reason::describe(&reason::classify(&error))))
}

fn trusting_nothing() -> Result<TlsConnector, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(TlsConnector::from(Arc::new(tls.with_root_certificates(RootCertStore::empty()).with_no_client_auth())))
}
