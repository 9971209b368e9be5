//! The reasons of requests without an answer.

use rcgen::date_time_ymd;
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use tokio::io::AsyncWriteExt as _;

use super::*;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A server with TLS that answers 200.
async fn with_tls(tls: TlsAcceptor) -> TestServer {
    let answer = move |_, stream| {
        let tls = tls.clone();
        async move {
            let Ok(mut stream) = tls.accept(stream).await else { return };
            while request(&mut stream).await.is_some() {
                stream.write_all(OK).await.unwrap();
            }
        }
    };
    TestServer::start(answer).await
}

/// A server that sends these bytes after the client has sent something.
async fn with(bytes: &'static [u8]) -> TestServer {
    let answer = move |_, mut stream: TcpStream| async move {
        let mut buffer = [0; 1 << 14];
        let _ = stream.read(&mut buffer).await;
        let _ = stream.write_all(bytes).await;
        // Reads first: closing with unread data would be a reset.
        let _ = stream.shutdown().await;
        while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    };
    TestServer::start(answer).await
}

async fn reason_of(url: &str, authorities: Authorities) -> String {
    let options = OutgoingOptions { authorities, ..OutgoingOptions::default() };
    let outgoing = to_all(&format!(r#"[{{"name": "a", "url": "{url}", "private": true}}]"#), options);
    outcome(&outgoing, url).await
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_refused_with_its_reason() {
    let authority = Authority::new("An authority of the test");
    let other = Authority::new("Another authority");
    let here = || certificate_for("127.0.0.1");
    let mut expired = here();
    (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 1, 31));
    let mut early = here();
    (early.not_before, early.not_after) = (date_time_ymd(2100, 1, 1), date_time_ymd(2100, 1, 31));
    let two_names = CertificateParams::new(["a.example".to_owned(), "*.b.example".to_owned()]).unwrap();
    for (certificate, trusted, host, expected) in [
        (here(), &authority, "127.0.0.1", "200"),
        (here(), &other, "127.0.0.1", "certificate not trusted: unknown issuer"),
        (expired, &authority, "127.0.0.1", "certificate expired on 2020-01-31 00:00 UTC"),
        (
            early,
            &authority,
            "127.0.0.1",
            "certificate is not valid before 2100-01-01 00:00 UTC; is this machine's clock right?",
        ),
        (certificate_for("other.example"), &authority, "localhost", "certificate is for other.example, not localhost"),
        (two_names, &authority, "127.0.0.1", "certificate is for a.example, *.b.example, not 127.0.0.1"),
        (here(), &authority, "localhost", "certificate is for 127.0.0.1, not localhost"),
        (CertificateParams::new([]).unwrap(), &authority, "localhost", "certificate is for no name, not localhost"),
    ] {
        let server = with_tls(acceptor(&authority, certificate)).await;
        let url = format!("https://{host}:{}/in", server.address.port());
        assert_eq!(reason_of(&url, trusting(trusted)).await, expected);
    }
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_none() {
    let authority = Authority::new("An authority of the test");
    let mut roots = RootCertStore::empty();
    roots.add(authority.issuer().der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = certificate_for("127.0.0.1").signed_by(&key, authority.issuer()).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let config = config.with_protocol_versions(&[version]).unwrap().with_client_cert_verifier(verifier.clone());
        let config = config.with_single_cert(vec![certificate.der().clone()], key.clone_key()).unwrap();
        let server = with_tls(TlsAcceptor::from(Arc::new(config))).await;
        let reason = reason_of(&format!("https://{}/in", server.address), trusting(&authority)).await;
        let expected = "the server asks for a client certificate, which this host cannot show";
        assert_eq!(reason, expected, "{version:?}");
    }
}

/// A fatal TLS alert with this number.
const fn alert(number: u8) -> [u8; 7] {
    [0x15, 3, 3, 0, 2, 2, number]
}

#[tokio::test]
async fn a_server_with_another_protocol_is_recognised() {
    const NOTHING_IN_COMMON: &str =
        "the server has no TLS version or cipher suite in common with this host (TLS 1.2 or 1.3)";
    const NO_TLS: &str = "the server does not speak TLS on this port; does it speak plain HTTP there?";
    const NO_HTTP: &str = "the answer is not HTTP/1.1";
    const VERSION: [u8; 7] = alert(70);
    const HANDSHAKE: [u8; 7] = alert(40);
    const NAME: [u8; 7] = alert(112);
    for (scheme, bytes, expected) in [
        ("https", &VERSION[..], NOTHING_IN_COMMON),
        ("https", &HANDSHAKE, NOTHING_IN_COMMON),
        ("https", &NAME, "the server ended TLS: UnrecognisedName"),
        ("https", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", NO_TLS),
        ("https", b"", "the server closed the connection during the TLS handshake"),
        ("http", &VERSION, NO_HTTP),
        ("http", b"SSH-2.0-OpenSSH_9.2p1\r\n", NO_HTTP),
        ("http", b"", "connection terminated"),
        ("http", b"HTTP/1.1 200 OK\r\nContent-", "connection terminated"),
    ] {
        let server = with(bytes).await;
        let reason = reason_of(&format!("{scheme}://{}/in", server.address), Authorities::default()).await;
        assert_eq!(reason, expected, "{scheme}: {:?}", String::from_utf8_lossy(bytes));
    }
}

#[tokio::test]
async fn an_answers_head_has_a_limit() {
    let long: &'static str = Box::leak(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(140 << 10)).into());
    let many: &'static str = Box::leak(format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(101)).into());
    let fits: &'static str =
        Box::leak(format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: {}\r\n\r\n", "x".repeat(60 << 10)).into());
    for (answer, is_taken) in [(long, false), (many, false), (fits, true)] {
        let server = with(answer.as_bytes()).await;
        let answered = post(&outgoing_to(&server.url()), &server.url()).await;
        let fits = matches!(&answered, Ok(answer) if answer.status() == 200);
        let refused = matches!(&answered, Err(Error::HttpResponseHeaderSectionSize(None)));
        assert_eq!((fits, refused), (is_taken, !is_taken), "{} bytes", answer.len());
    }
}

#[tokio::test]
async fn errors_that_have_a_name_keep_it() {
    let unresolved = post(&outgoing_to("https://nowhere.invalid/"), "https://nowhere.invalid/").await;
    assert!(matches!(&unresolved, Err(Error::DnsError { rcode: Some(_), .. })), "{unresolved:?}");
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("https://{closed}/");
    let refused = post(&outgoing_to(&url), &url).await;
    assert!(matches!(refused, Err(Error::ConnectionRefused)), "{refused:?}");
}
