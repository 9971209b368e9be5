//! The certificate authorities that the host trusts for destinations: this machine's and those of `--ca-certificate`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;

use crate::pem_file;

/// Certificate authorities trusted in addition to this machine's. None by default.
#[derive(Clone, Debug, Default)]
pub struct Authorities(Vec<CertificateDer<'static>>);

/// Why a file of authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The file cannot be read.
    #[error("the CA certificate {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is saved as UTF-16.
    #[error("the CA certificate {} is encoded as UTF-16; save it as UTF-8 or ASCII", .0.display())]
    Utf16(PathBuf),
    /// The file is not valid PEM.
    #[error("the CA certificate {} is not valid PEM: {source}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: pem::Error,
    },
    /// The file has no certificate.
    #[error("{} contains no CA certificate in PEM (-----BEGIN CERTIFICATE-----)", .0.display())]
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
        source: rustls::Error,
    },
}

impl Authorities {
    /// Loads the certificates of these files: PEM, at least one certificate each.
    pub fn load(files: &[PathBuf]) -> Result<Self, AuthorityError> {
        let mut all = Vec::new();
        for file in files {
            all.extend(certificates(file)?);
        }
        Ok(Self(all))
    }

    /// TLS that trusts these and this machine's authorities. On Linux, the machine's are the files that OpenSSL uses,
    /// or the files that `SSL_CERT_FILE` and `SSL_CERT_DIR` name. An error if there are no authorities at all.
    pub(super) fn tls(&self) -> Result<TlsConnector, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Verifier::new_with_extra_roots(self.0.iter().cloned(), Arc::clone(&provider))?;
        let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let tls = tls.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
        Ok(TlsConnector::from(Arc::new(tls)))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
    let file = std::fs::read(path).map_err(|source| AuthorityError::Unreadable { path: path.to_owned(), source })?;
    let pem = pem_file::text(&file).map_err(|_| AuthorityError::Utf16(path.to_owned()))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = read.map_err(|source| AuthorityError::Pem { path: path.to_owned(), source })?;
    if certificates.is_empty() {
        return Err(AuthorityError::NoCertificate(path.to_owned()));
    }
    for (index, certificate) in certificates.iter().enumerate() {
        RootCertStore::empty().add(certificate.clone()).map_err(|source| AuthorityError::Certificate {
            path: path.to_owned(),
            number: index + 1,
            of: certificates.len(),
            source,
        })?;
    }
    Ok(certificates)
}
