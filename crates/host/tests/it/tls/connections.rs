//! TLS versions, http on the https port, slow handshakes, and a stop.

use std::net::TcpStream;
use std::sync::Arc;

use super::harness::{connect, connect_in, pair, signal, start, write};
use crate::authority::Authority;
use crate::support::{Connection, OPEN, Recipient, numbered};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore};

#[test]
fn https_uses_tls_1_2_or_1_3_and_keeps_connections() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("own"));
    write(folder.path(), &pair(&authority));
    let recipient = start(folder.path(), &[OPEN]);
    for (n, (version, expected)) in
        [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)].into_iter().enumerate()
    {
        let mut connection = connect_in(&recipient, &authority, &[version]);
        for result in ["stored", "duplicate"] {
            assert_eq!(connection.post("/events/hq", numbered(n)).result(), result);
        }
        let tls = &connection.stream().conn;
        assert_eq!((tls.protocol_version(), tls.alpn_protocol()), (Some(expected), Some(&b"http/1.1"[..])));
    }
    let log = recipient.log();
    assert!(log.contains(&format!("The page:              https://{}/", recipient.address)), "{log}");
}

#[test]
fn http_on_the_https_port_is_answered_400() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("own"));
    write(folder.path(), &pair(&authority));
    let recipient = start(folder.path(), &[OPEN]);
    // A body that is still arriving does not keep the answer from the client.
    for body in [numbered(1), "x".repeat(2_000_000)] {
        let mut plain = recipient.connect();
        let answer = plain.try_post("/events", &body).unwrap();
        assert_eq!((answer.status, answer.header("connection")), (400, "close"));
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!(problem["status"], 400);
        assert!(problem["detail"].as_str().unwrap().contains("must begin with https:"), "{problem}");
        assert!(plain.is_at_its_end());
    }
    let log = recipient.log();
    assert!(log.contains("the client sent http to the https port"), "{log}");
    assert!(recipient.stored().is_empty());
    assert_eq!(connect(&recipient, &authority).post("/", numbered(1)).result(), "stored");
}

#[test]
fn https_on_the_http_port_is_explained_in_the_log() {
    let recipient = Recipient::start_host(&[OPEN], |host| host);
    let mut plain = recipient.connect();
    assert_eq!(plain.post("/", numbered(1)).result(), "stored");
    assert!(!recipient.log().contains("a client sent https"), "{}", recipient.log());
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(recipient.address).unwrap();
        let mut tls = ClientConnection::new(Arc::new(config.clone()), "127.0.0.1".try_into().unwrap()).unwrap();
        assert!(tls.complete_io(&mut stream).is_err());
    }
    let log = recipient.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("a client sent https to the http port")).collect();
    assert!(!lines.is_empty() && lines.len() < 10, "one line now and then, not one each: {log}");
    assert!(lines[0].contains("127.0.0.1") && lines[0].contains("--tls-cert"), "{log}");
}

#[test]
fn slow_handshakes_delay_nobody_and_time_out() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("own"));
    write(folder.path(), &pair(&authority));
    let recipient = start(folder.path(), &[OPEN]);
    // Silent clients, and clients that send half of the first message.
    let mut slow: Vec<_> = (0..200)
        .map(|n| {
            let mut connection = recipient.connect();
            if n % 2 == 0 {
                connection.send([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]);
            }
            connection
        })
        .collect();
    // Neither TLS nor HTTP.
    let mut noise = recipient.connect();
    noise.send([0x80, 0x00, 0x00, 0xff]);
    assert_eq!(connect(&recipient, &authority).post("/", numbered(1)).result(), "stored");
    assert!(slow.iter_mut().all(Connection::is_at_its_end), "a handshake has no timeout");
    // After an alert of seven bytes.
    assert!((0..8).any(|_| noise.is_at_its_end()));
    let log = recipient.log();
    assert!(log.contains("did not finish the handshake within") || log.contains("handshake failed"), "{log}");
}

#[test]
fn a_stop_finishes_accepted_requests_and_closes_idle_connections() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("own"));
    write(folder.path(), &pair(&authority));
    let mut recipient = start(folder.path(), &[OPEN]);
    let mut shaking = recipient.connect();
    shaking.send([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]);
    let mut idle = connect(&recipient, &authority);
    assert_eq!(idle.post("/", numbered(1)).status, 200);
    let (mut half, body) = (connect(&recipient, &authority), numbered(2));
    half.send(format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\nevent", body.len()));
    // An answer on a later connection shows that the incomplete request was accepted, too.
    assert_eq!(connect(&recipient, &authority).post("/", numbered(3)).status, 200);
    signal(&recipient, "-TERM");
    assert!(idle.is_at_its_end() && shaking.is_at_its_end(), "a connection that waits for nothing is closed");
    while TcpStream::connect(recipient.address).is_ok() {
        std::thread::yield_now();
    }
    half.send(&body.as_bytes()[5..]);
    assert_eq!(half.receive().result(), "stored");
    assert!(half.is_at_its_end());
    assert!(recipient.child.wait().unwrap().success(), "{}", recipient.log());
    assert_eq!(recipient.stored().len(), 3);
}
