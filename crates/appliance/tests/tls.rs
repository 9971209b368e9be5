//! Certificates: only the given CA is trusted.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use appliance::api::{ApiOptions, ApplianceApi};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use support::authority::Authority;
use support::recipient::{GUARDED, Kind, OPEN, Recipient, TOKEN};
use support::{SendOutput, appliance, send, stored_ids, wait_until};
use tokio_rustls::TlsAcceptor;

/// Starts a proxy that terminates TLS in front of a recipient, with a certificate of `authority` for 127.0.0.1.
async fn terminate_tls(authority: &Authority, recipient: SocketAddr) -> SocketAddr {
    let (certificate, key) = authority.certificate();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Fails if the sender does not trust the certificate.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut onward = tokio::net::TcpStream::connect(recipient).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn the_given_ca_is_trusted_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    let (own_file, other_file) = (own.file(folder.path(), "own.pem"), other.file(folder.path(), "other.pem"));
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    let url = format!("https://{}/events", terminate_tls(&own, recipient.address).await);
    let arguments = ["--sessions", "1", "--retry-interval", "10ms", "--retry-duration", "20ms"];
    let with_ca = |file: &Path| send(&url, &[&arguments[..], &["--ca-certificate", file.to_str().unwrap()]].concat());
    for refused in [with_ca(&other_file), send(&url, &arguments)] {
        assert_eq!((refused.code, refused.figure("accepted")), (Some(1), 0), "{refused:?}");
        assert!(refused.stderr.contains("cannot connect: invalid peer certificate: UnknownIssuer"), "{refused:?}");
    }
    assert!(stored_ids(&recipient).is_empty());
    let useless = send("http://127.0.0.1:1/", &["--ca-certificate", own_file.to_str().unwrap()]);
    assert_eq!(useless.code, Some(2), "{useless:?}");
    assert!(
        useless.stderr.contains("a CA certificate works with https: only, and the URL begins with http:"),
        "{useless:?}"
    );
    let accepted = with_ca(&own_file);
    assert_eq!(accepted.code, Some(0), "{accepted:?}");
    assert_eq!(stored_ids(&recipient).len() as u64, accepted.figure("stored"));
}

/// As in the host: the authority is trusted besides the machine's, and loopback addresses bypass proxies.
#[tokio::test(flavor = "multi_thread")]
async fn check_destinations_trusts_a_given_authority_and_bypasses_proxies_for_loopback() {
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    let (own_file, other_file) = (own.file(folder.path(), "own.pem"), other.file(folder.path(), "other.pem"));
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    let url = format!("https://{}/events", terminate_tls(&own, recipient.address).await);
    let file = folder.path().join("destinations.json");
    std::fs::write(&file, format!(r#"[{{"name": "desk", "url": "{url}", "format": "form", "private": true}}]"#))
        .unwrap();
    let check = |arguments: &[&Path]| {
        let mut command = appliance();
        command.arg("check-destinations").arg(&file).arg("--send");
        // Nothing listens on this port.
        command.env("HTTPS_PROXY", "http://127.0.0.1:9").env("ALL_PROXY", "http://127.0.0.1:9");
        for authority in arguments {
            command.arg("--ca-certificate").arg(authority);
        }
        SendOutput::new(command.output().unwrap())
    };
    for arguments in [&[][..], &[other_file.as_path()]] {
        let refused = check(arguments);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stdout.contains("cannot connect: invalid peer certificate: UnknownIssuer"), "{refused:?}");
    }
    for arguments in [&[own_file.as_path()][..], &[&other_file, &own_file]] {
        let taken = check(arguments);
        assert_eq!(taken.code, Some(0), "{taken:?}");
        assert!(taken.stdout.contains("desk: 200 support_conference_begin"), "{taken:?}");
    }
    let missing = check(&[Path::new("nowhere.pem")]);
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.stderr.contains("nowhere.pem cannot be read"), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_appliances_says_whether_the_certificate_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    let (own_file, other_file) = (own.file(folder.path(), "own.pem"), other.file(folder.path(), "other.pem"));
    let api = ApplianceApi::start(SocketAddr::from(([127, 0, 0, 1], 0)), ApiOptions::default()).unwrap();
    let url = format!("https://{}", terminate_tls(&own, api.address()).await);
    let (id, secret) = (ApiOptions::CLIENT_ID, ApiOptions::CLIENT_SECRET);
    let file = folder.path().join("appliances.json");
    let setting = format!(
        r#"[{{"site": "hq", "url": "{url}", "client_id": "{id}", "client_secret": "{secret}", "private": true}}]"#
    );
    std::fs::write(&file, setting).unwrap();
    let check = |authority: &Path| {
        let mut command = appliance();
        command.arg("check-appliances").arg(&file).arg("--ca-certificate").arg(authority);
        SendOutput::new(command.output().unwrap())
    };
    let refused = check(&other_file);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stdout.starts_with("hq: its certificate is not trusted: "), "{refused:?}");
    let trusted = check(&own_file);
    assert_eq!(trusted.code, Some(0), "{trusted:?}");
    assert!(trusted.stdout.starts_with("hq: ok, 0 sessions ended in the last hour"), "{trusted:?}");
    assert_eq!(check(Path::new("nowhere.pem")).code, Some(2));
}

/// The host terminates TLS itself. Its certificate is replaced continuously while senders connect.
#[test]
fn https_of_the_host_takes_every_event_while_its_certificate_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let own = Authority::new("own");
    let ca = own.file(folder.path(), "own.pem");
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let replace = || {
        let (new, its_key) = own.certificate();
        std::fs::write(&certificate, new.pem()).unwrap();
        std::fs::write(&key, its_key.serialize_pem()).unwrap();
    };
    replace();
    let recipient = Recipient::start_host(&[GUARDED], |mut host| {
        host.arg("--tls-cert").arg(&certificate).arg("--tls-key").arg(&key);
        host
    });
    let url = format!("https://{}/events", recipient.address);
    let times_read = || recipient.log_so_far().matches("the certificate was reloaded").count();
    let (mut stored, mut reads) = (0, 0);
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let sends = (1..=8).map(|seed| {
                let seed = seed.to_string();
                let arguments = ["--sessions", "40", "--appliances", "4", "--seed", &seed, "--token", TOKEN];
                let sent = send(&url, &[&arguments[..], &["--ca-certificate", ca.to_str().unwrap()]].concat());
                assert_eq!((sent.code, sent.figure("retries")), (Some(0), 0), "{sent:?}");
                sent.figure("stored")
            });
            sends.sum::<u64>()
        });
        while !sending.is_finished() {
            replace();
            let hangup = Command::new("kill").args(["-HUP", &recipient.child.id().to_string()]).status();
            assert!(hangup.unwrap().success());
            reads += 1;
            wait_until("it is read again", || times_read() >= reads);
        }
        stored = sending.join().unwrap();
    });
    assert!(stored > 1_000 && reads > 3, "{stored} events, {reads} certificates");
    assert_eq!(stored_ids(&recipient).len() as u64, stored);
    assert!(!recipient.log().contains("ERROR"), "{}", recipient.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mismatch_of_http_and_https_is_explained_with_the_url_to_use() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("own");
    let ca = authority.file(folder.path(), "own.pem");
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    let (plain, tls) = (recipient.address, terminate_tls(&authority, recipient.address).await);
    let to_plain = format!(
        "cannot connect: the other end does not speak TLS; if it speaks plain HTTP, use http://{plain}/events?…"
    );
    let to_tls = format!("no answer: the other end does not speak HTTP; if it speaks TLS, use https://{tls}/events?…");
    for (url, more, said) in [
        (format!("https://{plain}/events"), &["--ca-certificate", ca.to_str().unwrap()][..], to_plain),
        (format!("http://{tls}/events"), &[], to_tls),
    ] {
        let arguments = ["--sessions", "1", "--token", "a-token-of-24-characters", "--retry-duration", "10ms"];
        let sent = send(&url, &[&arguments[..], &["--retry-interval", "10ms"], more].concat());
        assert_eq!((sent.code, sent.figure("accepted")), (Some(1), 0), "{sent:?}");
        assert!(sent.stderr.contains(&said), "{sent:?}");
        assert!(!sent.stderr.contains("a-token-of"), "{sent:?}");
    }
}

#[test]
fn an_invalid_ca_file_is_rejected_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.pem");
    std::fs::write(&text, "no certificate").unwrap();
    let broken = folder.path().join("broken.pem");
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n").unwrap();
    for (path, fault) in [
        (folder.path().join("missing.pem"), "missing.pem cannot be read: No such file or directory"),
        (text, "text.pem has no CA certificate in PEM"),
        (broken, "broken.pem has a certificate that is not a valid CA certificate"),
    ] {
        let sent = send("https://127.0.0.1:1/", &["--ca-certificate", path.to_str().unwrap()]);
        assert_eq!(sent.code, Some(2), "{sent:?}");
        assert!(sent.stderr.contains(fault), "{sent:?}");
    }
}
