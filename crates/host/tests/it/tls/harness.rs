//! A host that serves https, and a client that trusts one authority.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::authority::Authority;
use crate::support::{Connection, Recipient};
use rustls::pki_types::CertificateDer;
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A certificate for 127.0.0.1 and its key, in PEM.
pub(super) fn pair(authority: &Authority) -> (String, String) {
    let (certificate, key) = authority.certificate();
    (certificate.pem(), key.serialize_pem())
}

pub(super) fn write(folder: &Path, (certificate, key): &(String, String)) {
    fs::write(folder.join("cert.pem"), certificate).unwrap();
    fs::write(folder.join("key.pem"), key).unwrap();
}

/// A host that serves https with `cert.pem` and `key.pem` of a folder.
pub(super) fn start(folder: &Path, variables: &[&str]) -> Recipient {
    Recipient::start_host(variables, |mut host| {
        host.arg("--tls-cert").arg(folder.join("cert.pem")).arg("--tls-key").arg(folder.join("key.pem"));
        host
    })
}

/// A connection of a client that trusts this authority, after the handshake.
pub(super) fn connect(recipient: &Recipient, authority: &Authority) -> Connection<Stream> {
    connect_in(recipient, authority, &[&TLS13])
}

pub(super) fn connect_in(
    recipient: &Recipient,
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
) -> Connection<Stream> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.issuer().der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(recipient.address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut tls = ClientConnection::new(Arc::new(config), "127.0.0.1".try_into().unwrap()).unwrap();
    let mut stream = stream;
    while tls.is_handshaking() {
        tls.complete_io(&mut stream).unwrap();
    }
    Connection::over(StreamOwned::new(tls, stream))
}

/// The certificate that the host sends to a new client.
pub(super) fn shown(recipient: &Recipient, authority: &Authority) -> CertificateDer<'static> {
    connect(recipient, authority).stream().conn.peer_certificates().unwrap()[0].clone().into_owned()
}

pub(super) fn der(pem: &str) -> CertificateDer<'static> {
    use rustls::pki_types::pem::PemObject as _;
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// Waits until something happens. The minute is only a bound for failures.
pub(crate) fn wait_until(what: &str, happened: impl Fn() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < Duration::from_secs(60), "it never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(super) fn signal(recipient: &Recipient, name: &str) {
    assert!(Command::new("kill").args([name, &recipient.child.id().to_string()]).status().unwrap().success());
}
