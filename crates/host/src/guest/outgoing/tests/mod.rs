//! Requests to servers that misbehave at the level of bytes.
//!
//! | file | what is tried |
//! |---|---|
//! | `mod` | origins and addresses; the servers |
//! | `answers` | answers and bodies that do not end, or end badly |
//! | `idle` | connections that a server closes while they are idle |
//! | `reasons` | the reason of a request without an answer |
//! | `tunnels` | proxies |

mod answers;
#[path = "../../../../../appliance/tests/support/authority.rs"]
mod authority;
mod idle;
mod reasons;
mod tunnels;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use self::authority::Authority;
use super::*;

/// A server that counts its connections.
struct TestServer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl TestServer {
    /// Serves each connection with `answer`, which gets the number of the connection, from 0.
    async fn start<F: Future<Output = ()> + Send + 'static>(
        answer: impl Fn(usize, TcpStream) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(answer(counted.fetch_add(1, Ordering::SeqCst), stream));
            }
        });
        Self { address, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn url(&self) -> String {
        format!("http://{}/in", self.address)
    }
}

/// Reads a whole request and returns its head. `None` at the end of the connection.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.to_ascii_lowercase();
    let length = length.split_once("content-length: ").map_or("0", |(_, rest)| rest.lines().next().unwrap());
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    Some(head)
}

/// Outgoing requests to one destination.
fn outgoing_to(url: &str) -> Outgoing {
    to_all(&format!(r#"[{{"name": "a", "url": "{url}", "private": true}}]"#), OutgoingOptions::default())
}

fn to_all(setting: &str, options: OutgoingOptions) -> Outgoing {
    Outgoing::new(&Destination::read_all(setting).unwrap(), &[], options).unwrap()
}

async fn post(outgoing: &Outgoing, url: &str) -> Result<Response<WasiBody>, Error> {
    let body = Full::new(Bytes::from_static(b"{}")).map_err(|never| match never {}).boxed_unsync();
    outgoing.send(Request::post(url).header(header::CONTENT_LENGTH, 2).body(body).unwrap()).await
}

/// Sends a POST and reads the body. Returns the status, or why there is no answer.
async fn outcome(outgoing: &Outgoing, url: &str) -> String {
    match post(outgoing, url).await {
        Ok(answer) => {
            let status = answer.status().as_u16().to_string();
            answer.into_body().collect().await.map(|_| status).unwrap_or_else(|error| error.to_string())
        }
        Err(error) => reason::describe(&error),
    }
}

/// The TLS of a server with a certificate of this authority.
fn acceptor(authority: &Authority, certificate: CertificateParams) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let certificate = certificate.signed_by(&key, authority.issuer()).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn certificate_for(name: &str) -> CertificateParams {
    CertificateParams::new([name.to_owned()]).unwrap()
}

/// Authorities with this one.
fn trusting(authority: &Authority) -> Authorities {
    let folder = tempfile::tempdir().unwrap();
    Authorities::load(&[authority.file(folder.path(), "ca.pem")]).unwrap()
}

#[tokio::test]
async fn only_requests_to_origins_of_destinations_are_sent() {
    let setting = r#"[{"name": "a", "url": "http://127.0.0.1:9/x"}, {"name": "b", "url": "https://b.invalid"}]"#;
    let outgoing = to_all(setting, OutgoingOptions::default());
    assert!(matches!(post(&outgoing, "http://127.0.0.1:9/other/path").await, Err(Error::ConnectionRefused)));
    for other in [
        "http://127.0.0.1:10/x",
        "https://127.0.0.1:9/x",
        "http://localhost:9/x",
        "http://127.0.0.2:9/x",
        "http://b.invalid/",
        "https://b.invalid:444/",
        "https://a.b.invalid/",
    ] {
        assert!(matches!(post(&outgoing, other).await, Err(Error::HttpRequestDenied)), "{other}");
    }
    let nowhere = to_all("[]", OutgoingOptions::default());
    assert!(matches!(post(&nowhere, "http://127.0.0.1:9/x").await, Err(Error::HttpRequestDenied)));
}

#[tokio::test]
async fn a_private_address_is_reached_only_by_a_destination_that_says_so() {
    // `localhost` stands for a public name that resolves to a private address.
    for url in ["https://localhost:9/", "https://127.0.0.1:9/", "https://[::1]:9/", "https://169.254.169.254/"] {
        let setting = |private| format!(r#"[{{"name": "a", "url": "{url}", "private": {private}}}]"#);
        let public = post(&to_all(&setting(false), OutgoingOptions::default()), url).await;
        assert!(matches!(public, Err(Error::DestinationIpProhibited)), "{url}: {public:?}");
        if !url.contains("169") {
            let private = post(&to_all(&setting(true), OutgoingOptions::default()), url).await;
            assert!(matches!(private, Err(Error::ConnectionRefused)), "{url}: {private:?}");
        }
    }
}

/// The two clients have separate connections.
#[tokio::test]
async fn of_two_destinations_of_one_origin_only_the_private_one_reaches_private_addresses() {
    let setting = r#"[{"name": "a", "url": "https://localhost:9/private", "private": true},
        {"name": "b", "url": "https://localhost:9/public"}]"#;
    let outgoing = to_all(setting, OutgoingOptions::default());
    let private = post(&outgoing, "https://localhost:9/private").await;
    assert!(matches!(private, Err(Error::ConnectionRefused)), "{private:?}");
    for path in ["public", "other"] {
        let public = post(&outgoing, &format!("https://localhost:9/{path}")).await;
        assert!(matches!(public, Err(Error::DestinationIpProhibited)), "{path}: {public:?}");
    }
}
