//! Outgoing requests to the origins of `destinations` and `appliances`. All other requests are refused.
//!
//! A public name can resolve to a private address, by mistake or in an attack (SSRF). So the host resolves names
//! itself, drops addresses that are not public unless the destination sets `private`, and connects to the checked
//! addresses. Through a proxy the host sees no addresses: the proxy resolves names, and a URL with an address that is
//! not public still needs `private`.
//!
//! | file | what lives there |
//! |---|---|
//! | `mod` | [`Outgoing`]: sends a request |
//! | `rights` | the allowed origins, and which requests can reach addresses that are not public |
//! | `address` | classifies addresses |
//! | `resolver` | resolves names to allowed addresses |
//! | `connector` | makes connections: TCP, a tunnel, TLS |
//! | `proxy` | the proxy for each destination |
//! | `tunnel` | asks a proxy for a tunnel |
//! | `authorities` | the trusted certificate authorities |
//! | `connection` | records whether any byte of an answer arrived |
//! | `tokens` | keeps access tokens of destinations |
//! | `client` | keeps connections, and repeats a request that a closed connection has lost |
//! | `body` | the body of an answer, passed to the guest as it arrives |
//! | `direct` | a GET of the host's own commands |
//! | `reason` | why a request had no answer |

mod address;
mod authorities;
mod body;
mod client;
mod connection;
mod connector;
mod direct;
mod proxy;
mod reason;
mod resolver;
mod rights;
mod tokens;
mod tunnel;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use outbound_events::appliance_api::Appliance;
use outbound_events::forward::destination::Destination;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::guest::outgoing::address::{is_public, literal};
use crate::guest::outgoing::client::Client;
use crate::guest::outgoing::connector::Connector;
use crate::guest::outgoing::rights::{Reach, Rights};
use crate::guest::outgoing::tokens::{KeptTokens, TokenRequest};

pub use self::authorities::{Authorities, AuthorityError};
pub use self::direct::{GetError, get};
pub use self::proxy::{ProxyError, ProxyRules};

/// How long the head of an answer can take, whatever timeout the component sets.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long the body can take after that. A guest that reads slowly cannot hold a connection longer.
const BODY_TIME: Duration = Duration::from_secs(30);

/// The most bytes in the body of a request.
const MOST_REQUEST: usize = 1 << 20;

/// Options for outgoing requests.
#[derive(Debug, Default)]
pub struct OutgoingOptions {
    /// Trusted in addition to this machine's authorities.
    pub authorities: Authorities,
    /// The proxies of the environment.
    pub proxies: ProxyRules,
}

/// Sends requests to allowed origins. Cheap to clone.
#[derive(Clone)]
pub(super) struct Outgoing {
    rights: Arc<Rights>,
    tokens: Arc<KeptTokens>,
    /// `None` without destinations.
    clients: Option<Clients>,
}

/// Two clients with separate connections: to public addresses only, and to any address.
#[derive(Clone)]
struct Clients {
    public: Client,
    any: Client,
}

/// Why outgoing requests cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// This machine's certificate authorities cannot be used.
    #[error("this machine's certificate authorities, which https destinations need, cannot be used: {0}")]
    Authorities(#[from] rustls::Error),
    /// A destination needs a proxy that cannot be used.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
}

impl Outgoing {
    pub(super) fn new(
        destinations: &[Destination],
        appliances: &[Appliance],
        options: OutgoingOptions,
    ) -> Result<Self, OutgoingError> {
        let rights = Arc::new(Rights::new(destinations, appliances));
        if rights.is_empty() {
            return Ok(Self { rights, tokens: Arc::default(), clients: None });
        }
        let of_destinations =
            destinations.iter().flat_map(|one| one.origins().map(|origin| (one.name.as_str(), origin)));
        let of_appliances = appliances.iter().map(|one| (one.site.as_str(), one.url.origin()));
        for (name, origin) in of_destinations.chain(of_appliances) {
            let Ok(uri) = origin.parse::<Uri>() else { continue };
            if let Some(proxy) = options.proxies.proxy_of(&uri)? {
                let (proxy, variable) = (proxy.uri(), options.proxies.variable());
                tracing::info!(name, %proxy, variable, "requests to it use a proxy");
            }
        }
        let (proxies, tls) = (Arc::new(options.proxies), options.authorities.tls()?);
        let client = |reach| Client::new(Connector::new(reach, Arc::clone(&proxies), tls.clone()));
        let clients = Some(Clients { public: client(Reach::Public), any: client(Reach::Any) });
        Ok(Self { rights, tokens: Arc::default(), clients })
    }

    /// Sends a request and returns the answer as soon as its head has arrived. Does not follow redirects.
    pub(super) async fn send(&self, request: Request<WasiBody>) -> Result<Response<WasiBody>, Error> {
        let uri = request.uri().clone();
        let (Some(origin), Some(clients)) = (self.rights.origin(&uri), &self.clients) else {
            let origin = rights::origin(&uri);
            tracing::warn!(origin, "refused a request to an origin that no destination and no appliance has");
            return Err(Error::HttpRequestDenied);
        };
        let mut request = request;
        if origin.closes(&uri) {
            request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let answer = if origin.gives_tokens(&uri) {
            self.send_for_token(origin.reach(&uri), clients, request).await
        } else {
            send_within(origin.reach(&uri), clients, request).await
        };
        if let Err(error) = &answer {
            let reason = reason::describe(error);
            origin.failures.say(|unsaid| {
                tracing::warn!(origin = rights::origin(&uri), unsaid, "no answer: {reason}");
            });
        }
        answer
    }

    async fn send_for_token(
        &self,
        reach: Reach,
        clients: &Clients,
        request: Request<WasiBody>,
    ) -> Result<Response<WasiBody>, Error> {
        let (head, body) = request.into_parts();
        let form = read_whole(body).await?;
        let for_token = TokenRequest::new(&head, &form);
        if let Some(kept) = self.tokens.answer(&head, &for_token, Instant::now()) {
            return Ok(kept);
        }
        let body = Full::new(form).map_err(|never| match never {}).boxed_unsync();
        let answer = send_within(reach, clients, Request::from_parts(head, body)).await?;
        self.tokens.keep(for_token, answer, Instant::now()).await
    }
}

/// Reads the body of a request.
async fn read_whole(body: WasiBody) -> Result<Bytes, Error> {
    let body = Limited::new(body, MOST_REQUEST).collect().await;
    Ok(body.map_err(|_| Error::HttpRequestBodySize(None))?.to_bytes())
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
    // Hyper adds it in the form that the connection needs.
    head.headers.remove(header::HOST);
    let body = read_whole(body).await?;
    let answer = tokio::time::timeout(TIMEOUT, client.send(Request::from_parts(head, Full::new(body)))).await;
    let (head, body) = match answer {
        Ok(answer) => answer.map_err(|error| reason::classify(&error))?.into_parts(),
        Err(_) => return Err(Error::ConnectionReadTimeout),
    };
    Ok(Response::from_parts(head, body::timed(body, BODY_TIME)))
}
