//! A destination with TLS and a certificate of a test's authority. It counts stored events.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::authority::Authority;

pub struct Receiver {
    pub address: SocketAddr,
    taken: Arc<AtomicUsize>,
}

impl Receiver {
    /// At an address of this machine, with a certificate for it.
    pub fn start(address: IpAddr, authority: &Authority) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([address.to_string()]).unwrap();
        let certificate = certificate.signed_by(&key, authority.issuer()).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let (config, taken) = (Arc::new(config), Arc::new(AtomicUsize::new(0)));
        let listener = TcpListener::bind((address, 0)).unwrap();
        let receiver = Self { address: listener.local_addr().unwrap(), taken: Arc::clone(&taken) };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (config, taken) = (Arc::clone(&config), Arc::clone(&taken));
                std::thread::spawn(move || answer(stream.unwrap(), config, &taken));
            }
        });
        receiver
    }

    /// The setting with this as the only destination.
    pub fn setting(&self) -> String {
        format!(r#"destinations=[{{"name": "desk", "url": "https://{}/in", "private": true}}]"#, self.address)
    }

    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }
}

/// Answers the requests of a connection until it ends.
fn answer(stream: TcpStream, config: Arc<ServerConfig>, taken: &AtomicUsize) -> Option<()> {
    let tls = ServerConnection::new(config).ok()?;
    let mut stream = BufReader::new(StreamOwned::new(tls, stream));
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().ok()?;
            }
        }
        stream.read_exact(&mut vec![0; length]).ok()?;
        taken.fetch_add(1, Ordering::SeqCst);
        stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").ok()?;
    }
}
