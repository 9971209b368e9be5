//! The way out: to the origins of `destinations`, and nowhere else.
//!
//! A public name may lead to a private address, by mistake or by design (SSRF). So a name is resolved here, what is not public is
//! left out unless the destination says `private`, and the connection goes to what was looked at, not to what the name says next.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use outbound_events::forward::destination::Destination;
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tower_service::Service;
use wasmtime_wasi_http::{Error, WasiBody};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an answer may take, whatever the component waits for.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How much of an answer's body is read, so that its connection can be used again. The rest is dropped with it.
const MOST_BODY: usize = 64 << 10;

/// How long a connection is kept that nothing is sent on.
const IDLE: Duration = Duration::from_secs(30);

type Sends = Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>;

/// Where requests may go. Cheap to clone.
#[derive(Clone)]
pub struct Outgoing {
    /// Each origin, and whether it may be at an address that is not public.
    origins: Arc<HashMap<String, bool>>,
    public: Option<Sends>,
    private: Option<Sends>,
}

/// This machine's certificate authorities cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("this machine's certificate authorities cannot be used, which https destinations need")]
pub struct NoAuthorities(#[from] rustls::Error);

impl Outgoing {
    /// To the origins of these destinations.
    pub fn to(destinations: &[Destination]) -> Result<Self, NoAuthorities> {
        let mut origins = HashMap::new();
        for destination in destinations {
            let uri = destination.origin().and_then(|origin| origin.parse::<Uri>().ok());
            // Without TLS it is a loopback address, which the setting says in so many words.
            let origin = uri.as_ref().and_then(|uri| Some((origin(uri)?, uri.scheme_str() == Some("http"))));
            if let Some((origin, loopback)) = origin {
                *origins.entry(origin).or_default() |= destination.private || loopback;
            }
        }
        let sends = |private| (!origins.is_empty()).then(|| client(private)).transpose();
        Ok(Self { public: sends(false)?, private: sends(true)?, origins: Arc::new(origins) })
    }

    /// Sends a request. Follows no redirect.
    pub async fn send(&self, request: Request<WasiBody>) -> Result<Response<WasiBody>, Error> {
        let (mut head, body) = request.into_parts();
        let private = origin(&head.uri).and_then(|origin| self.origins.get(&origin).copied());
        let sends = match private {
            Some(true) => self.private.as_ref(),
            Some(false) => self.public.as_ref(),
            None => None,
        };
        let (Some(sends), Some(private)) = (sends, private) else {
            tracing::warn!(origin = origin(&head.uri), "the component asked for what is no destination's origin");
            return Err(Error::HttpRequestDenied);
        };
        let literal = head.uri.host().and_then(|host| bare(host).parse().ok());
        if literal.is_some_and(|address| !private && !is_public(address)) {
            tracing::warn!(
                origin = origin(&head.uri),
                "a destination's address is not public, and it does not say private"
            );
            return Err(Error::DestinationIpProhibited);
        }
        // Hyper writes them as the connection needs them.
        head.headers.remove(header::HOST);
        let body = Limited::new(body, 1 << 20).collect().await;
        let body = body.map_err(|_| Error::HttpRequestBodySize(None))?.to_bytes();
        let sending = async {
            let response =
                sends.request(Request::from_parts(head, Full::new(body))).await.map_err(|error| told(&error))?;
            let (head, body) = response.into_parts();
            // What is left unread would cost the connection.
            let body = Limited::new(body, MOST_BODY).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
            Ok(Response::from_parts(head, body))
        };
        tokio::time::timeout(TIMEOUT, sending).await.unwrap_or(Err(Error::ConnectionReadTimeout))
    }
}

fn client(private: bool) -> Result<Sends, NoAuthorities> {
    let mut connector = HttpConnector::new_with_resolver(Resolver { private });
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let tls = tls.with_platform_verifier()?.with_no_client_auth();
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(connector);
    Ok(Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).build(connector))
}

/// Scheme, host and port, in one spelling.
fn origin(uri: &Uri) -> Option<String> {
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    Some(format!("{scheme}://{}:{port}", uri.host()?.to_ascii_lowercase()))
}

fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// What is told to the component: what kind of thing went wrong.
fn told(error: &hyper_util::client::legacy::Error) -> Error {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if error.is::<Prohibited>() {
            return Error::DestinationIpProhibited;
        }
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return match tls {
                rustls::Error::InvalidCertificate(_) => Error::TlsCertificateError,
                _ => Error::TlsProtocolError,
            };
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            // TLS says what it has to say from inside.
            if let Some(inner) = error.get_ref().filter(|inner| inner.is::<rustls::Error>() || inner.is::<Prohibited>())
            {
                source = Some(inner);
                continue;
            }
            match error.kind() {
                io::ErrorKind::ConnectionRefused => return Error::ConnectionRefused,
                io::ErrorKind::TimedOut => return Error::ConnectionTimeout,
                _ => {}
            }
        }
        source = error.source();
    }
    if error.is_connect() { Error::DestinationUnavailable } else { Error::ConnectionTerminated }
}

/// Resolves names, and leaves out what is not public.
#[derive(Clone)]
struct Resolver {
    private: bool,
}

/// A name leads to no public address.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to no public address, and the destination does not say private")]
struct Prohibited;

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let private = self.private;
        Box::pin(async move {
            let all: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<_> = all.into_iter().filter(|address| private || is_public(address.ip())).collect();
            if allowed.is_empty() {
                Err(io::Error::new(io::ErrorKind::PermissionDenied, Prohibited))
            } else {
                Ok(allowed.into_iter())
            }
        })
    }
}

/// Whether an address is on the public internet (IANA's special-purpose registries).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b));
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // An IPv4 address in another dress: mapped, compatible, NAT64, 6to4.
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0 | 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => return is_public_v4(v4(g, h)),
        (0x2002, ..) => return is_public_v4(v4(b, c)),
        _ => {}
    }
    // Global unicast alone, without documentation, ORCHID and Teredo.
    (0x2000..0x4000).contains(&a) && !(a == 0x2001 && (b < 0x200 || b == 0xdb8)) && !(a == 0x3fff && b < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_public_is_known() {
        let private = [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.8",
            "240.0.0.1",
            "::1",
            "::",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "3fff::1",
            "64:ff9b:1::1",
        ];
        for address in private {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in
            ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::"]
        {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    fn to(setting: &str) -> Outgoing {
        Outgoing::to(&Destination::read_all(setting).unwrap()).unwrap()
    }

    async fn asked(outgoing: &Outgoing, url: &str) -> String {
        let body = Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync();
        let answer = outgoing.send(Request::post(url).body(body).unwrap()).await;
        format!("{:?}", answer.map(|response| response.status()).unwrap_err())
    }

    #[tokio::test]
    async fn requests_go_to_the_origins_of_destinations_and_nowhere_else() {
        let outgoing =
            to(r#"[{"name": "a", "url": "http://127.0.0.1:9/x"}, {"name": "b", "url": "https://b.invalid"}]"#);
        assert_eq!(asked(&outgoing, "http://127.0.0.1:9/other/path").await, "ConnectionRefused");
        for other in [
            "http://127.0.0.1:10/x",
            "https://127.0.0.1:9/x",
            "http://localhost:9/x",
            "http://127.0.0.2:9/x",
            "http://b.invalid/",
            "https://b.invalid:444/",
            "https://a.b.invalid/",
        ] {
            assert_eq!(asked(&outgoing, other).await, "HttpRequestDenied", "{other}");
        }
        assert_eq!(asked(&to("[]"), "http://127.0.0.1:9/x").await, "HttpRequestDenied");
    }

    #[tokio::test]
    async fn a_private_address_is_reached_only_by_who_says_so() {
        // What a public name leads to, as `localhost` does: to this machine.
        for url in ["https://localhost:9/", "https://127.0.0.1:9/", "https://[::1]:9/", "https://169.254.169.254/"] {
            let setting = |private| format!(r#"[{{"name": "a", "url": "{url}", "private": {private}}}]"#);
            assert_eq!(asked(&to(&setting(false)), url).await, "DestinationIpProhibited", "{url}");
            if !url.contains("169") {
                assert_eq!(asked(&to(&setting(true)), url).await, "ConnectionRefused", "{url}");
            }
        }
    }
}
