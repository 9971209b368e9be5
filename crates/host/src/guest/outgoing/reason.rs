//! Why a request had no answer, as an error of `wasi:http`: with its own code if there is one, else as text.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};

use chrono::DateTime;
use hyper_util::client::legacy;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error as RustlsError};
use wasmtime_wasi_http::Error;

use crate::guest::outgoing::connector::{ConnectError, ConnectStep};
use crate::guest::outgoing::resolver::ResolveError;
use crate::guest::outgoing::tunnel::TunnelError;

/// Why a request had no answer. Names no URL and no secret.
pub(super) fn classify(error: &legacy::Error) -> Error {
    if let Some(error) = find::<ConnectError>(error) {
        return of_connection(error);
    }
    if let Some(error) = find::<hyper::Error>(error) {
        if error.is_parse_too_large() {
            return Error::HttpResponseHeaderSectionSize(None);
        }
        if error.is_parse() {
            return in_words("the answer is not HTTP/1.1");
        }
    }
    // TLS can also fail after the handshake.
    match find::<RustlsError>(error) {
        Some(error) => in_words(tls(error)),
        None => Error::ConnectionTerminated,
    }
}

/// An error for which `wasi:http` has no code.
fn in_words(reason: impl Into<String>) -> Error {
    Error::InternalError(Some(reason.into()))
}

/// The reason as text for the log.
pub(super) fn describe(error: &Error) -> String {
    match error {
        Error::InternalError(Some(reason)) => reason.clone(),
        Error::DestinationIpProhibited => ResolveError::Prohibited.to_string(),
        other => other.to_string(),
    }
}

fn of_connection(error: &ConnectError) -> Error {
    match error {
        ConnectError::Tcp(error) => tcp(error.as_ref()),
        ConnectError::Proxy(error) => {
            in_words(format!("the proxy cannot be reached: {}", describe(&of_connection(error))))
        }
        ConnectError::Tunnel(TunnelError::Broken(error)) if error.is_parse() => {
            in_words("the proxy made no tunnel: its answer is not HTTP/1.1")
        }
        ConnectError::Tls(error) => match find::<RustlsError>(error) {
            Some(error) => in_words(tls(error)),
            None => in_words("the server closed the connection during the TLS handshake"),
        },
        ConnectError::Tunnel(_) | ConnectError::Rules(_) | ConnectError::Name => in_words(error.to_string()),
        ConnectError::Slow(ConnectStep::Tcp) => Error::ConnectionTimeout,
        ConnectError::Slow(_) => in_words(error.to_string()),
    }
}

fn tcp(error: &(dyn StdError + 'static)) -> Error {
    match find::<ResolveError>(error) {
        Some(ResolveError::Prohibited) => return Error::DestinationIpProhibited,
        Some(ResolveError::Unknown(error)) => {
            let said = error.to_string();
            let said = said.strip_prefix("failed to lookup address information: ").unwrap_or(&said);
            return Error::DnsError { rcode: Some(said.to_owned()), info_code: None };
        }
        None => {}
    }
    match find::<io::Error>(error).map(io::Error::kind) {
        Some(ErrorKind::ConnectionRefused) => Error::ConnectionRefused,
        Some(ErrorKind::TimedOut) => Error::ConnectionTimeout,
        Some(ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable) => Error::DestinationIpUnroutable,
        _ => Error::DestinationUnavailable,
    }
}

/// Why TLS failed.
fn tls(error: &RustlsError) -> String {
    match error {
        RustlsError::InvalidCertificate(error) => certificate(error),
        RustlsError::InvalidMessage(_) => {
            "the server does not speak TLS on this port; does it speak plain HTTP there?".to_owned()
        }
        RustlsError::PeerIncompatible(_)
        | RustlsError::AlertReceived(
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity,
        ) => "the server has no TLS version or cipher suite in common with this host (TLS 1.2 or 1.3)".to_owned(),
        RustlsError::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server asks for a client certificate, which this host cannot show".to_owned()
        }
        RustlsError::AlertReceived(alert) => format!("the server ended TLS: {alert:?}"),
        other => format!("TLS failed: {other}"),
    }
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => "certificate not trusted: unknown issuer".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => format!("certificate expired on {}", date(*not_after)),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("certificate is not valid before {}; is this machine's clock right?", date(*not_before))
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<_> = presented.iter().map(|name| bare(name)).collect();
            let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
            format!("certificate is for {names}, not {}", expected.to_str())
        }
        CertificateError::Revoked => "certificate not trusted: revoked".to_owned(),
        other => format!("certificate not trusted: {other}"),
    }
}

/// The name in rustls' form `DnsName("desk.example")` or `IpAddress(127.0.0.1)`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"')
}

fn date(time: UnixTime) -> String {
    let time = i64::try_from(time.as_secs()).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    time.map_or_else(|| "an unknown day".to_owned(), |time| time.format("%Y-%m-%d %H:%M UTC").to_string())
}

/// The first error of type `E` among an error, its causes, and the errors inside `io::Error`, which are not its causes.
fn find<'e, E: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = held.map(|held| held as &(dyn StdError + 'static)).or_else(|| error.source());
    }
    None
}
