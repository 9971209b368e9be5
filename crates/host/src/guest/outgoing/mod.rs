//! Outgoing requests: to the origins of `destinations`, and nowhere else.
//!
//! A public name may lead to a private address, by mistake or by design (SSRF). So the host resolves names itself, leaves out what is
//! not public unless the destination says `private`, and connects to the addresses that it checked. Through a proxy it sees no
//! addresses: there the proxy decides where a name leads to, and a URL with an address that is not public still needs `private`.
//!
//! | file | what lives there |
//! |---|---|
//! | `mod` | [`Outgoing`]: sends a request |
//! | `rights` | which origins there are, and who may reach addresses that are not public |
//! | `address` | which addresses are public |
//! | `resolver` | resolves names to such addresses |
//! | `connector` | makes connections: TCP, a tunnel, TLS |
//! | `proxy` | which proxy is for which destination |
//! | `tunnel` | asks a proxy for a tunnel |
//! | `authorities` | the certificate authorities that are trusted |
//! | `connection` | knows whether anything of an answer came on a connection |
//! | `client` | keeps connections, and sends again what a closed one has lost |
//! | `body` | an answer's body, given to the guest as it comes |
//! | `reason` | why a request had no answer |

mod address;
mod authorities;
mod body;
mod client;
mod connection;
mod connector;
mod proxy;
mod reason;
mod resolver;
mod rights;
mod tunnel;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use outbound_events::forward::destination::Destination;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::guest::outgoing::address::{is_public, literal};
use crate::guest::outgoing::client::Client;
use crate::guest::outgoing::connector::Connector;
use crate::guest::outgoing::rights::{Reach, Rights};

pub use self::authorities::{Authorities, AuthorityError};
pub use self::proxy::{ProxyError, ProxyRules};

/// How long the head of an answer may take, whatever the component waits for.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long its body may take after that. A guest that reads slowly holds no connection for longer.
const BODY_TIME: Duration = Duration::from_secs(30);

/// The most bytes of a request's body.
const MOST_REQUEST: usize = 1 << 20;

/// How destinations are reached.
#[derive(Debug, Default)]
pub struct OutgoingOptions {
    /// Trusted besides this machine's authorities.
    pub authorities: Authorities,
    /// The proxies.
    pub proxies: ProxyRules,
}

/// Where requests may go, and how they get there. Cheap to clone.
#[derive(Clone)]
pub(super) struct Outgoing {
    rights: Arc<Rights>,
    /// To public addresses, and to any. None without destinations. They keep their connections apart.
    clients: Option<Clients>,
}

#[derive(Clone)]
struct Clients {
    public: Client,
    any: Client,
}

/// Why destinations cannot be reached at all.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// This machine's certificate authorities cannot be used.
    #[error("this machine's certificate authorities cannot be used, which https destinations need: {0}")]
    Authorities(#[from] rustls::Error),
    /// A destination would be reached through a proxy that cannot be used.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
}

impl Outgoing {
    /// To these destinations.
    pub(super) fn new(destinations: &[Destination], options: OutgoingOptions) -> Result<Self, OutgoingError> {
        let rights = Arc::new(Rights::new(destinations));
        if rights.is_empty() {
            return Ok(Self { rights, clients: None });
        }
        for destination in destinations {
            let Some(uri) = destination.origin().and_then(|origin| origin.parse::<Uri>().ok()) else { continue };
            if let Some(proxy) = options.proxies.proxy_of(&uri)? {
                let variable = options.proxies.variable();
                tracing::info!(destination = %destination.name, proxy = %proxy.uri(), variable, "goes through a proxy");
            }
        }
        let (proxies, tls) = (Arc::new(options.proxies), options.authorities.tls()?);
        let client = |reach| Client::new(Connector::new(reach, Arc::clone(&proxies), tls.clone()));
        Ok(Self { rights, clients: Some(Clients { public: client(Reach::Public), any: client(Reach::Any) }) })
    }

    /// Sends a request, and gives the answer as soon as its head is there. Follows no redirect.
    pub(super) async fn send(&self, request: Request<WasiBody>) -> Result<Response<WasiBody>, Error> {
        let uri = request.uri().clone();
        let (Some(origin), Some(clients)) = (self.rights.origin(&uri), &self.clients) else {
            tracing::warn!(origin = rights::origin(&uri), "the component asked for what is no destination's origin");
            return Err(Error::HttpRequestDenied);
        };
        let answer = send_within(origin.reach(&uri), clients, request).await;
        if let Err(error) = &answer {
            let reason = reason::told(error);
            origin.failures.say(|unsaid| {
                tracing::warn!(origin = rights::origin(&uri), unsaid, "a destination gave no answer: {reason}");
            });
        }
        answer
    }
}

async fn send_within(reach: Reach, clients: &Clients, request: Request<WasiBody>) -> Result<Response<WasiBody>, Error> {
    let (mut head, body) = request.into_parts();
    let address = head.uri.host().and_then(literal);
    if reach == Reach::Public && address.is_some_and(|address| !is_public(address)) {
        return Err(Error::DestinationIpProhibited);
    }
    let client = match reach {
        Reach::Public => &clients.public,
        Reach::Any => &clients.any,
    };
    // Hyper writes it as the connection needs it.
    head.headers.remove(header::HOST);
    let body = Limited::new(body, MOST_REQUEST).collect().await;
    let body = body.map_err(|_| Error::HttpRequestBodySize(None))?.to_bytes();
    let answer = tokio::time::timeout(TIMEOUT, client.send(Request::from_parts(head, Full::new(body)))).await;
    let (head, body) = match answer {
        Ok(answer) => answer.map_err(|error| reason::of(&error))?.into_parts(),
        Err(_) => return Err(Error::ConnectionReadTimeout),
    };
    Ok(Response::from_parts(head, body::timed(body, BODY_TIME)))
}
