//! The certificate authorities that are trusted. For recipients, as on an appliance: those of a file alone, or this
//! machine's. For trials of destinations, as in the host: this machine's, and others besides.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::Url;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::{BuilderVerifierExt as _, Verifier};

/// Why certificate authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaCertificateError {
    /// The file cannot be read.
    #[error("the CA certificate {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file has no certificate.
    #[error("{} has no CA certificate in PEM (-----BEGIN CERTIFICATE-----)", .0.display())]
    NoCertificate(PathBuf),
    /// A certificate in the file is not valid.
    #[error("{} has a certificate that is not a valid CA certificate", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: rustls::Error,
    },
    /// The URL does not use TLS.
    #[error("a CA certificate works with https: only, and the URL begins with http:")]
    NoTls,
    /// This machine's certificates cannot be used.
    #[error("this machine's certificate authorities cannot be used")]
    Machine(#[from] rustls::Error),
}

/// Loads the certificates of a PEM file, at least one.
pub fn load_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, CaCertificateError> {
    let pem = std::fs::read(path).map_err(|source| CaCertificateError::Unreadable { path: path.to_owned(), source })?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.unwrap_or_default();
    if certificates.is_empty() {
        return Err(CaCertificateError::NoCertificate(path.to_owned()));
    }
    for certificate in &certificates {
        RootCertStore::empty()
            .add(certificate.clone())
            .map_err(|source| CaCertificateError::Invalid { path: path.to_owned(), source })?;
    }
    Ok(certificates)
}

/// An error if there are authorities and the URL does not use TLS.
pub fn check_scheme(url: &Url, authorities: &[CertificateDer<'static>]) -> Result<(), CaCertificateError> {
    if authorities.is_empty() || url.scheme() == "https" { Ok(()) } else { Err(CaCertificateError::NoTls) }
}

/// For connections to `url`: trusts `authorities` alone, or this machine's if there are none.
pub fn client_config(url: &Url, authorities: &[CertificateDer<'static>]) -> Result<ClientConfig, CaCertificateError> {
    let provider: Arc<CryptoProvider> = rustls::crypto::ring::default_provider().into();
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    // A machine without authorities can still send over plain HTTP.
    if authorities.is_empty() && url.scheme() == "https" {
        return Ok(builder.with_platform_verifier()?.with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone())?;
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// For connections to `url`: trusts `authorities` besides this machine's.
pub fn client_config_with_extra(
    url: &Url,
    authorities: &[CertificateDer<'static>],
) -> Result<ClientConfig, CaCertificateError> {
    if authorities.is_empty() || url.scheme() != "https" {
        return client_config(url, &[]);
    }
    let provider: Arc<CryptoProvider> = rustls::crypto::ring::default_provider().into();
    let verifier = Verifier::new_with_extra_roots(authorities.iter().cloned(), Arc::clone(&provider))?;
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}
