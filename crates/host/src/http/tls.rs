//! TLS: the certificate and its key from files, reloaded when the files change, and the handshake.
//!
//! An unusable pair is never served: at the start it is an error, later the previous pair stays in use. The host
//! compares the content of the files every `CHECK_EVERY`. So every kind of renewal works on every file system:
//! overwritten files, renamed files, changed links (certbot, Kubernetes). A change is used once two checks in a row
//! find the same content: a certificate whose key is written a moment later is not reported as wrong.

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

use crate::http::draining::DrainingStream;
use crate::pem_file;
use crate::rate_limited_log::RateLimitedLog;

/// How long a handshake can take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The interval between two checks of the files.
const CHECK_EVERY: Duration = Duration::from_secs(2);

/// Why TLS cannot use these files.
#[derive(Debug, thiserror::Error)]
pub enum ServerTlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file is saved as UTF-16.
    #[error("{} is encoded as UTF-16; save it as UTF-8 or ASCII", .0.display())]
    Utf16(PathBuf),
    /// A file is not valid PEM.
    #[error("{} is not valid PEM: {source}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: pem::Error,
    },
    /// The certificate file has no certificate.
    #[error("{} contains no certificate in PEM (-----BEGIN CERTIFICATE-----)", .0.display())]
    NoCertificate(PathBuf),
    /// A PEM section is labelled as a certificate and is not one.
    #[error("{}: certificate {number} of {of} is not valid: {source}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Its position, from 1.
        number: usize,
        /// The number of certificates in the file.
        of: usize,
        /// The cause.
        source: Error,
    },
    /// The key file has no private key.
    #[error("{} contains no private key in PEM (PKCS#8, PKCS#1 or SEC1)", .0.display())]
    NoKey(PathBuf),
    /// The key needs a passphrase, and nobody can enter one.
    #[error(
        "the key in {path} is encrypted; remove the passphrase with `openssl pkey -in {path} -out NEW-FILE`",
        path = .0.display()
    )]
    Encrypted(PathBuf),
    /// The key has an unsupported type.
    #[error("the key in {} cannot be used: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Error,
    },
    /// Key and certificate do not belong together.
    #[error(
        "the key in {} does not match the first certificate in {}; put the server's own certificate first",
        key.display(), certificate.display()
    )]
    Mismatch {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// The TLS library cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] Error),
}

/// The certificate and key that the server uses. Cheap to clone; all clones share them and change together.
#[derive(Clone)]
pub struct Tls {
    files: Arc<PairFiles>,
    pair: Arc<Pair>,
    config: Arc<ServerConfig>,
    failed_handshakes: Arc<RateLimitedLog>,
}

impl Tls {
    /// Loads a certificate with its chain, and its key. Both files are PEM.
    pub fn load(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, ServerTlsError> {
        let files = PairFiles { certificate: certificate.into(), key: key.into() };
        let contents = files.load();
        let tried = contents.fingerprint();
        let pair = Arc::new(Pair(RwLock::new(Served { certified: Arc::new(contents.certified()?), tried })));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&pair) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { files: Arc::new(files), pair, config: Arc::new(config), failed_handshakes: Arc::default() })
    }

    /// Reloads both files and logs the result. New connections use the new pair; an unusable pair changes nothing.
    pub fn renew(&self) {
        let contents = self.files.load();
        let tried = contents.fingerprint();
        let read = contents.certified();
        let certificate = self.files.certificate.display();
        match &read {
            Ok(_) => tracing::info!(%certificate, "the certificate was reloaded; new connections use it"),
            Err(error) => tracing::error!("the certificate in use stays in use: {error}"),
        }
        self.pair.replace(tried, read.ok());
    }

    /// Reloads the files whenever they change. Never returns.
    pub(crate) async fn follow(&self) {
        let mut before = self.pair.tried();
        loop {
            sleep(CHECK_EVERY).await;
            let files = Arc::clone(&self.files);
            let look = tokio::task::spawn_blocking(move || files.load().fingerprint()).await;
            let Ok(now) = look else { continue };
            if now != self.pair.tried() && now == before {
                self.renew();
            }
            before = now;
        }
    }

    /// Performs the handshake. `None` if it failed, after logging why.
    pub(crate) async fn accept(&self, stream: TcpStream, peer: IpAddr) -> Option<TlsStream<DrainingStream>> {
        let shaken = match timeout(HANDSHAKE_TIMEOUT, self.shake_hands(stream)).await {
            Ok(shaken) => shaken,
            Err(_) => Err(HandshakeError::Slow),
        };
        match shaken {
            Ok(stream) => Some(stream),
            // A port check, not worth a line.
            Err(HandshakeError::Gone) => None,
            Err(error) => {
                self.failed_handshakes.say(|unsaid| tracing::info!(client = %peer, unsaid, "TLS handshake: {error}"));
                None
            }
        }
    }

    async fn shake_hands(&self, stream: TcpStream) -> Result<TlsStream<DrainingStream>, HandshakeError> {
        let mut first = 0;
        match stream.peek(std::slice::from_mut(&mut first)).await {
            Ok(0) | Err(_) => return Err(HandshakeError::Gone),
            Ok(_) => {}
        }
        let mut stream = DrainingStream::new(stream);
        if first.is_ascii_alphabetic() {
            // Whether this arrives does not matter here.
            let _ = stream.write_all(speak_https().as_bytes()).await;
            let _ = stream.shutdown().await;
            return Err(HandshakeError::PlainHttp);
        }
        TlsAcceptor::from(Arc::clone(&self.config)).accept(stream).await.map_err(HandshakeError::Failed)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
enum HandshakeError {
    #[error("the client closed the connection without sending anything")]
    Gone,
    #[error("the client did not finish the handshake within {} seconds", HANDSHAKE_TIMEOUT.as_secs())]
    Slow,
    #[error("the client sent http to the https port and was answered 400; its URL must begin with https:")]
    PlainHttp,
    #[error("the handshake failed: {0}")]
    Failed(io::Error),
}

/// The answer to a client that sends plain HTTP.
fn speak_https() -> String {
    let problem = serde_json::json!({
        "title": "Bad Request",
        "status": 400,
        "detail": "this port serves https, and the request is http: the URL must begin with https:",
    });
    let problem = problem.to_string();
    let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nconnection: close";
    format!("{head}\r\ncontent-length: {}\r\n\r\n{problem}", problem.len())
}

#[derive(Debug)]
struct PairFiles {
    certificate: PathBuf,
    key: PathBuf,
}

impl PairFiles {
    fn load(&self) -> PairContents<'_> {
        PairContents { files: self, certificate: std::fs::read(&self.certificate), key: std::fs::read(&self.key) }
    }
}

/// The content of the two files, or why they cannot be read.
struct PairContents<'a> {
    files: &'a PairFiles,
    certificate: io::Result<Vec<u8>>,
    key: io::Result<Vec<u8>>,
}

impl PairContents<'_> {
    /// Equal as long as the content of both files is.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.certificate.as_ref().ok(), self.key.as_ref().ok()).hash(&mut hasher);
        hasher.finish()
    }

    fn certified(self) -> Result<CertifiedKey, ServerTlsError> {
        let PairFiles { certificate, key } = self.files;
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            |source| ServerTlsError::Unreadable { path, source }
        };
        let chain = chain(certificate, &self.certificate.map_err(unreadable(certificate))?)?;
        let signing = signing_key(key, &self.key.map_err(unreadable(key))?)?;
        let certified = CertifiedKey::new(chain, signing);
        match certified.keys_match() {
            // For some key types the library cannot compare them.
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
            Err(_) => Err(ServerTlsError::Mismatch { certificate: certificate.clone(), key: key.clone() }),
        }
    }
}

fn chain(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ServerTlsError> {
    let pem = pem_file::text(pem).map_err(|_| ServerTlsError::Utf16(path.to_owned()))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = read.map_err(|source| ServerTlsError::Pem { path: path.to_owned(), source })?;
    if chain.is_empty() {
        return Err(ServerTlsError::NoCertificate(path.to_owned()));
    }
    for (index, certificate) in chain.iter().enumerate() {
        ParsedCertificate::try_from(certificate).map_err(|source| ServerTlsError::Certificate {
            path: path.to_owned(),
            number: index + 1,
            of: chain.len(),
            source,
        })?;
    }
    Ok(chain)
}

fn signing_key(path: &Path, pem: &[u8]) -> Result<Arc<dyn SigningKey>, ServerTlsError> {
    let pem = pem_file::text(pem).map_err(|_| ServerTlsError::Utf16(path.to_owned()))?;
    if pem.windows(ENCRYPTED.len()).any(|part| part == ENCRYPTED) {
        return Err(ServerTlsError::Encrypted(path.to_owned()));
    }
    let key = match PrivateKeyDer::from_pem_slice(&pem) {
        Ok(key) => key,
        Err(pem::Error::NoItemsFound) => return Err(ServerTlsError::NoKey(path.to_owned())),
        Err(source) => return Err(ServerTlsError::Pem { path: path.to_owned(), source }),
    };
    any_supported_type(&key).map_err(|source| ServerTlsError::Key { path: path.to_owned(), source })
}

/// Occurs in the PEM of every key with a passphrase: in the label (PKCS#8) or in `Proc-Type` (RFC 1421).
const ENCRYPTED: &[u8] = b"ENCRYPTED";

#[derive(Debug)]
struct Pair(RwLock<Served>);

#[derive(Debug)]
struct Served {
    certified: Arc<CertifiedKey>,
    /// The fingerprint of the last content read, usable or not.
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
