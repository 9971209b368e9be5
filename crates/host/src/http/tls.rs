//! TLS: a certificate and its key from files, read again when these change, and the handshake.
//!
//! A pair that cannot be used is never served: at the start it is an error, later the one before it stays. The files are looked
//! at every `LOOK_EVERY`, by what is in them: whoever renews them may write them anew, rename others over them or turn a link
//! (certbot, Kubernetes), on whatever file system. What is found changed is used when it is found the same twice, so that a
//! certificate is not taken for wrong because its key is written a moment later.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rustls::crypto::ring::{self, sign::any_supported_type};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{Error, InconsistentKeys, ServerConfig};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::http::draining::Draining;
use crate::rate_limited_log::RateLimitedLog;

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Why there is no TLS with these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What should be PEM is none.
    #[error("{} is no PEM: {source}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Where it is none.
        source: pem::Error,
    },
    /// The certificate's file has none.
    #[error("{} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)", .0.display())]
    NoCertificate(PathBuf),
    /// What is marked as a certificate is none.
    #[error("{}: certificate {number} of {of} is none: {source}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Which one, from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// Why.
        source: Error,
    },
    /// The key's file has none.
    #[error("{} holds no private key in PEM (PKCS#8, PKCS#1 or SEC1)", .0.display())]
    NoKey(PathBuf),
    /// The key needs a passphrase, for which there is nobody to ask.
    #[error("the key in {path} is encrypted; `openssl pkey -in {path} -out NEW-FILE` takes the passphrase away", path = .0.display())]
    Encrypted(PathBuf),
    /// The key is of no kind that is known.
    #[error("{} holds no key that can be used: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Error,
    },
    /// They do not belong together.
    #[error(
        "the key in {} is not that of the first certificate in {}, which must be the server's own",
        key.display(), certificate.display()
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's.
        key: PathBuf,
    },
    /// TLS itself is not to be had.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] Error),
}

/// A certificate and its key, to be served. Cheap to clone; all clones are one, and change together.
#[derive(Clone)]
pub struct Tls {
    files: Arc<Files>,
    pair: Arc<Pair>,
    config: Arc<ServerConfig>,
    mishaps: Arc<RateLimitedLog>,
}

impl Tls {
    /// Reads a certificate, with the chain above it, and its key. Both are PEM.
    pub fn read(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, TlsError> {
        let files = Files { certificate: certificate.into(), key: key.into() };
        let contents = files.read();
        let tried = contents.fingerprint();
        let pair = Arc::new(Pair(RwLock::new(Served { certified: Arc::new(contents.certified()?), tried })));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&pair) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { files: Arc::new(files), pair, config: Arc::new(config), mishaps: Arc::default() })
    }

    /// Reads both files again, and logs how that went. New connections get what is new; a pair that cannot be used changes nothing.
    pub fn renew(&self) {
        let contents = self.files.read();
        let tried = contents.fingerprint();
        let read = contents.certified();
        let certificate = self.files.certificate.display();
        match &read {
            Ok(_) => tracing::info!(%certificate, "the certificate was read again; new connections get it"),
            Err(error) => tracing::error!("the certificate in use stays in use: {error}"),
        }
        self.pair.replace(tried, read.ok());
    }

    /// Reads the files again when they have changed, for ever.
    pub(crate) async fn follow(&self) {
        let mut before = self.pair.tried();
        loop {
            sleep(LOOK_EVERY).await;
            let files = Arc::clone(&self.files);
            let look = tokio::task::spawn_blocking(move || files.read().fingerprint()).await;
            let Ok(now) = look else { continue };
            if now != self.pair.tried() && now == before {
                self.renew();
            }
            before = now;
        }
    }

    /// Shakes hands. `None` if that came to nothing, which it has logged by then.
    pub(crate) async fn accept(&self, stream: TcpStream, peer: IpAddr) -> Option<TlsStream<Draining>> {
        let shaken = match timeout(HANDSHAKE_TIMEOUT, self.shake_hands(stream)).await {
            Ok(shaken) => shaken,
            Err(_) => Err(Mishap::Slow),
        };
        match shaken {
            Ok(stream) => Some(stream),
            // Who looks whether the port is open.
            Err(Mishap::Gone) => None,
            Err(mishap) => {
                self.mishaps.say(|unsaid| tracing::info!(client = %peer, unsaid, "no TLS: {mishap}"));
                None
            }
        }
    }

    async fn shake_hands(&self, stream: TcpStream) -> Result<TlsStream<Draining>, Mishap> {
        let mut first = 0;
        match stream.peek(std::slice::from_mut(&mut first)).await {
            Ok(0) | Err(_) => return Err(Mishap::Gone),
            Ok(_) => {}
        }
        let mut stream = Draining::new(stream);
        if first.is_ascii_alphabetic() {
            // Whether it arrives is the sender's to see.
            let _ = stream.write_all(speak_https().as_bytes()).await;
            let _ = stream.shutdown().await;
            return Err(Mishap::PlainHttp);
        }
        TlsAcceptor::from(Arc::clone(&self.config)).accept(stream).await.map_err(Mishap::Failed)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

/// Why there was no handshake.
#[derive(Debug, thiserror::Error)]
enum Mishap {
    #[error("the sender was gone before it said anything")]
    Gone,
    #[error("the sender did not end the handshake within {} seconds", HANDSHAKE_TIMEOUT.as_secs())]
    Slow,
    #[error("the sender speaks http, and was told that this is https; the URL must begin with https:")]
    PlainHttp,
    #[error("the handshake failed: {0}")]
    Failed(io::Error),
}

/// What is answered to who speaks plain HTTP.
fn speak_https() -> String {
    let problem = serde_json::json!({
        "title": "Bad Request",
        "status": 400,
        "detail": "this is https, and you speak http: the URL must begin with https:",
    });
    let problem = problem.to_string();
    let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nconnection: close";
    format!("{head}\r\ncontent-length: {}\r\n\r\n{problem}", problem.len())
}

#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn read(&self) -> Contents<'_> {
        Contents { files: self, certificate: std::fs::read(&self.certificate), key: std::fs::read(&self.key) }
    }
}

/// What is in the files, or why that cannot be told.
struct Contents<'a> {
    files: &'a Files,
    certificate: io::Result<Vec<u8>>,
    key: io::Result<Vec<u8>>,
}

impl Contents<'_> {
    /// By which a change is seen.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.certificate.as_ref().ok(), self.key.as_ref().ok()).hash(&mut hasher);
        hasher.finish()
    }

    fn certified(self) -> Result<CertifiedKey, TlsError> {
        let Files { certificate, key } = self.files;
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            |source| TlsError::Unreadable { path, source }
        };
        let chain = chain(certificate, &self.certificate.map_err(unreadable(certificate))?)?;
        let signing = signing_key(key, &self.key.map_err(unreadable(key))?)?;
        let certified = CertifiedKey::new(chain, signing);
        match certified.keys_match() {
            // Of some kinds of keys it cannot be told.
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
            Err(_) => Err(TlsError::Mismatch { certificate: certificate.clone(), key: key.clone() }),
        }
    }
}

fn chain(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = read.map_err(|source| TlsError::Pem { path: path.to_owned(), source })?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(path.to_owned()));
    }
    for (index, certificate) in chain.iter().enumerate() {
        ParsedCertificate::try_from(certificate).map_err(|source| TlsError::Certificate {
            path: path.to_owned(),
            number: index + 1,
            of: chain.len(),
            source,
        })?;
    }
    Ok(chain)
}

fn signing_key(path: &Path, pem: &[u8]) -> Result<Arc<dyn SigningKey>, TlsError> {
    if pem.windows(ENCRYPTED.len()).any(|part| part == ENCRYPTED) {
        return Err(TlsError::Encrypted(path.to_owned()));
    }
    let key = match PrivateKeyDer::from_pem_slice(pem) {
        Ok(key) => key,
        Err(pem::Error::NoItemsFound) => return Err(TlsError::NoKey(path.to_owned())),
        Err(source) => return Err(TlsError::Pem { path: path.to_owned(), source }),
    };
    any_supported_type(&key).map_err(|source| TlsError::Key { path: path.to_owned(), source })
}

/// What a key's PEM says of it if it needs a passphrase, in the form of today or of old.
const ENCRYPTED: &[u8] = b"ENCRYPTED";

/// The pair that is served.
#[derive(Debug)]
struct Pair(RwLock<Served>);

#[derive(Debug)]
struct Served {
    certified: Arc<CertifiedKey>,
    /// The fingerprint of what was read last, whether or not it could be used.
    tried: u64,
}

impl Pair {
    fn tried(&self) -> u64 {
        self.0.read().tried
    }

    fn replace(&self, tried: u64, by: Option<CertifiedKey>) {
        let mut served = self.0.write();
        served.tried = tried;
        if let Some(certified) = by {
            served.certified = Arc::new(certified);
        }
    }
}

impl ResolvesServerCert for Pair {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().certified))
    }
}
