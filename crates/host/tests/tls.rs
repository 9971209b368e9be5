//! https: which certificates it is spoken with, what becomes of a certificate that is replaced, and who speaks something else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../appliance/tests/support/authority.rs"]
mod authority;
mod support;

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use authority::Authority;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SignatureAlgorithm};
use rustls::pki_types::CertificateDer;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned, SupportedProtocolVersion};
use support::{Connection, OPEN, Recipient, component, host, numbered};

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A certificate for 127.0.0.1 and its key, in PEM.
fn pair(authority: &Authority) -> (String, String) {
    let (certificate, key) = authority.certificate();
    (certificate.pem(), key.serialize_pem())
}

fn write(folder: &Path, (certificate, key): &(String, String)) {
    fs::write(folder.join("cert.pem"), certificate).unwrap();
    fs::write(folder.join("key.pem"), key).unwrap();
}

/// A host that speaks https with `cert.pem` and `key.pem` of a folder.
fn start(folder: &Path, variables: &[&str]) -> Recipient {
    Recipient::start_host(variables, |mut host| {
        host.arg("--tls-cert").arg(folder.join("cert.pem")).arg("--tls-key").arg(folder.join("key.pem"));
        host
    })
}

/// A connection of one who trusts this authority, once hands are shaken.
fn connect(recipient: &Recipient, authority: &Authority) -> Connection<Stream> {
    connect_in(recipient, authority, &[&TLS13])
}

fn connect_in(
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

/// The certificate that a host shows to who connects now.
fn shown(recipient: &Recipient, authority: &Authority) -> CertificateDer<'static> {
    connect(recipient, authority).stream().conn.peer_certificates().unwrap()[0].clone().into_owned()
}

fn der(pem: &str) -> CertificateDer<'static> {
    use rustls::pki_types::pem::PemObject as _;
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// Waits for what must happen some time. How long it takes is nobody's promise; that it happens is.
fn wait_until(what: &str, happened: impl Fn() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < Duration::from_secs(60), "it never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(recipient: &Recipient, name: &str) {
    assert!(Command::new("kill").args([name, &recipient.child.id().to_string()]).status().unwrap().success());
}

#[test]
fn https_is_spoken_in_tls_1_2_and_1_3_and_is_http_1_1_on_a_connection_that_is_kept() {
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

/// What is in a PKCS#8 key: a key in the form of its kind, behind `header` bytes.
fn inner(key: &KeyPair, header: usize, label: &str) -> String {
    pem::encode(&pem::Pem::new(label, &key.serialize_der()[header..]))
}

#[test]
fn keys_of_all_kinds_and_forms_are_taken_and_the_chain_is_shown() {
    let root = Authority::new("root");
    let mut parameters = CertificateParams::new([]).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let between = CertifiedIssuer::signed_by(parameters, KeyPair::generate().unwrap(), root.issuer()).unwrap();
    let generate = |kind: &'static SignatureAlgorithm| KeyPair::generate_for(kind).unwrap();
    let p256 = generate(&rcgen::PKCS_ECDSA_P256_SHA256);
    let rsa = KeyPair::from_pem(include_str!("support/rsa.pem")).unwrap();
    // Where the form of old begins in RFC 5958's: after a version and the kind, in an octet string.
    let sec1 = inner(&p256, 29, "EC PRIVATE KEY");
    let pkcs1 = inner(&rsa, 26, "RSA PRIVATE KEY");
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let (p384, ed25519) = (generate(&rcgen::PKCS_ECDSA_P384_SHA384), generate(&rcgen::PKCS_ED25519));
    for (what, key, form) in [
        ("P-256 in PKCS#8", &p256, p256.serialize_pem()),
        ("P-256 in SEC1", &p256, sec1.clone()),
        ("P-256 in SEC1, as openssl writes it", &p256, format!("{parameters}{sec1}")),
        ("RSA in PKCS#8", &rsa, rsa.serialize_pem()),
        ("RSA in PKCS#1", &rsa, pkcs1),
        ("P-384", &p384, p384.serialize_pem()),
        ("Ed25519", &ed25519, ed25519.serialize_pem()),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let own = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(key, &between).unwrap();
        write(folder.path(), &(format!("{}{}", own.pem(), between.pem()), form));
        let recipient = start(folder.path(), &[OPEN]);
        // Who knows the root alone needs the one between.
        assert_eq!(connect(&recipient, &root).post("/", numbered(1)).result(), "stored", "{what}");
    }
}

#[test]
fn what_cannot_be_used_is_an_error_at_the_start_that_says_which_file_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("own");
    let ((certificate, key), (other, _)) = (pair(&authority), pair(&authority));
    let pem = |label: &str, bytes: &[u8]| pem::encode(&pem::Pem::new(label, bytes));
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let good = (file("good.pem", &certificate), file("good.key", &key));
    let missing = folder.path().join("missing.pem");
    let (half, _) = certificate.split_at(certificate.len() / 2);
    let cases: Vec<(PathBuf, PathBuf, &str)> = vec![
        (missing.clone(), good.1.clone(), "missing.pem cannot be read: No such file"),
        (good.0.clone(), missing, "missing.pem cannot be read: No such file"),
        (folder.path().to_owned(), good.1.clone(), "cannot be read: Is a directory"),
        (file("text.pem", "no certificate"), good.1.clone(), "text.pem holds no certificate in PEM"),
        (good.1.clone(), good.1.clone(), "good.key holds no certificate in PEM"),
        (file("half.pem", half), good.1.clone(), "half.pem is no PEM"),
        (file("noise.pem", &pem("CERTIFICATE", b"noise")), good.1.clone(), "noise.pem: certificate 1 of 1 is none"),
        (
            file("chain.pem", &format!("{certificate}{}", pem("CERTIFICATE", b"noise"))),
            good.1.clone(),
            "chain.pem: certificate 2 of 2 is none",
        ),
        (good.0.clone(), good.0.clone(), "good.pem holds no private key in PEM"),
        (good.0.clone(), file("noise.key", &pem("PRIVATE KEY", b"noise")), "noise.key holds no key that can be used"),
        (
            good.0.clone(),
            file("encrypted.key", &pem("ENCRYPTED PRIVATE KEY", b"x")),
            "the key in {}encrypted.key is encrypted; `openssl pkey -in",
        ),
        (file("other.pem", &other), good.1.clone(), "is not that of the first certificate in"),
        (
            file("upside-down.pem", &format!("{}{certificate}", authority.issuer().pem())),
            good.1.clone(),
            "is not that of the first certificate in",
        ),
    ];
    for (certificate, key, expected) in cases {
        let mut command = host();
        command.args(["serve", "--listen", "127.0.0.1:0", "--store", "memory", "--variable", OPEN, "--component"]);
        command.arg(component()).arg("--tls-cert").arg(&certificate).arg("--tls-key").arg(&key);
        let output = support::to_its_end(command);
        let says = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{expected}: {says}");
        let expected = expected.replace("{}", &format!("{}/", folder.path().display()));
        assert!(says.contains(&expected), "{expected}: {says}");
        assert!(!says.contains(&base64_line(&key)), "a key is told: {says}");
    }
    for alone in ["--tls-cert", "--tls-key"] {
        let output = host().args(["serve", alone]).arg(&good.0).output().unwrap();
        assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("--tls-"), "{output:?}");
    }
}

/// A line of what is in a key's file, to be looked for where it must not be; a file without one has nothing to tell.
fn base64_line(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().nth(1).filter(|line| line.len() > 16).unwrap_or("no such line").to_owned()
}

type Replace = fn(&Path, &(String, String));

/// How others put a new pair in the place of an old one. `folder` is what the host was told of.
const WAYS: [(&str, Replace); 4] = [
    ("written over", write),
    ("others are renamed over them", |folder, pair| {
        let new = tempfile::tempdir_in(folder).unwrap();
        write(new.path(), pair);
        for name in ["cert.pem", "key.pem"] {
            fs::rename(new.path().join(name), folder.join(name)).unwrap();
        }
    }),
    // As certbot does: what is in `live` are links into `archive`.
    ("their links are turned, one after the other", |folder, pair| {
        let archive = folder.join("archive").join(fs::read_dir(folder).unwrap().count().to_string());
        fs::create_dir_all(&archive).unwrap();
        write(&archive, pair);
        for name in ["cert.pem", "key.pem"] {
            let _ = fs::remove_file(folder.join(name));
            symlink(archive.join(name), folder.join(name)).unwrap();
        }
    }),
    // As Kubernetes does: the files are links through `..data`, which is a link that is turned.
    ("the link of their folder is turned", |folder, pair| {
        let data = tempfile::tempdir_in(folder).unwrap().keep();
        write(&data, pair);
        symlink(&data, folder.join("..new")).unwrap();
        fs::rename(folder.join("..new"), folder.join("..data")).unwrap();
        for name in ["cert.pem", "key.pem"] {
            if !folder.join(name).is_symlink() {
                let _ = fs::remove_file(folder.join(name));
                symlink(Path::new("..data").join(name), folder.join(name)).unwrap();
            }
        }
    }),
];

#[test]
fn a_pair_that_is_replaced_in_whatever_way_is_shown_to_who_comes_and_who_is_there_stays() {
    std::thread::scope(|scope| {
        for (way, replace) in WAYS {
            scope.spawn(move || {
                let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("own"));
                let (old, new, newest) = (pair(&authority), pair(&authority), pair(&authority));
                replace(folder.path(), &old);
                let recipient = start(folder.path(), &[OPEN]);
                let mut there = connect(&recipient, &authority);
                for (n, new) in [new, newest].iter().enumerate() {
                    replace(folder.path(), new);
                    let is_shown = || shown(&recipient, &authority) == der(&new.0);
                    wait_until(&format!("{way}: the new certificate is shown"), is_shown);
                    assert_eq!(there.post("/", numbered(n)).result(), "stored", "{way}");
                }
                assert!(!recipient.log().contains("ERROR"), "{way}: {}", recipient.log());
            });
        }
    });
}

#[test]
fn a_hangup_has_the_pair_read_again_at_once() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("own"));
    write(folder.path(), &pair(&authority));
    let recipient = start(folder.path(), &[OPEN]);
    let mut there = connect(&recipient, &authority);
    // What has not changed is not read again but for this.
    for n in 1..=3 {
        signal(&recipient, "-HUP");
        wait_until("it is read again", || recipient.log().matches("the certificate was read again").count() == n);
        assert_eq!(there.post("/", numbered(n)).result(), "stored");
        assert_eq!(connect(&recipient, &authority).post("/", numbered(n)).result(), "duplicate");
    }
}

#[test]
fn a_new_pair_that_cannot_be_used_is_logged_once_and_the_old_one_stays_in_use() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("own"));
    let (old, new) = (pair(&authority), pair(&authority));
    write(folder.path(), &old);
    let recipient = start(folder.path(), &[OPEN]);
    let says = |what: &str| recipient.log().matches(&format!("the certificate in use stays in use: {what}")).count();
    let cert = folder.path().join("cert.pem");
    for (replace, expected) in [
        (&(|| fs::write(&cert, "nonsense").unwrap()) as &dyn Fn(), format!("{} holds no certificate", cert.display())),
        (&|| fs::write(&cert, &new.0).unwrap(), "the key in".to_owned()),
        (&|| fs::remove_file(&cert).unwrap(), format!("{} cannot be read", cert.display())),
    ] {
        replace();
        wait_until(&expected, || says(&expected) == 1);
        assert_eq!(shown(&recipient, &authority), der(&old.0));
        // The one that is asked for by hand is told again.
        signal(&recipient, "-HUP");
        wait_until(&expected, || says(&expected) == 2);
        assert_eq!(shown(&recipient, &authority), der(&old.0));
    }
    write(folder.path(), &new);
    wait_until("the new certificate is shown", || shown(&recipient, &authority) == der(&new.0));
    assert_eq!(says(""), 6, "{}", recipient.log());
}

#[test]
fn who_speaks_http_where_https_is_spoken_is_told_so() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("own"));
    write(folder.path(), &pair(&authority));
    let recipient = start(folder.path(), &[OPEN]);
    // A body that is still on its way does not keep the answer from the sender.
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
    assert!(log.contains("the sender speaks http, and was told that this is https"), "{log}");
    assert!(recipient.stored().is_empty());
    assert_eq!(connect(&recipient, &authority).post("/", numbered(1)).result(), "stored");
}

#[test]
fn who_speaks_https_where_http_is_spoken_is_explained_in_the_log() {
    let recipient = Recipient::start_host(&[OPEN], |host| host);
    let mut plain = recipient.connect();
    assert_eq!(plain.post("/", numbered(1)).result(), "stored");
    assert!(!recipient.log().contains("a sender speaks https"), "{}", recipient.log());
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
    let lines: Vec<_> = log.lines().filter(|line| line.contains("a sender speaks https, and this is http")).collect();
    assert!(!lines.is_empty() && lines.len() < 10, "one line now and then, not one each: {log}");
    assert!(lines[0].contains("127.0.0.1") && lines[0].contains("--tls-cert"), "{log}");
}

#[test]
fn handshakes_that_are_slow_or_none_hold_up_nobody_and_are_given_up() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("own"));
    write(folder.path(), &pair(&authority));
    let recipient = start(folder.path(), &[OPEN]);
    // Silence, and a half of how a handshake begins.
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
    assert!(slow.iter_mut().all(Connection::is_at_its_end), "a handshake may take for ever");
    // Behind an alert of seven bytes.
    assert!((0..8).any(|_| noise.is_at_its_end()));
    let log = recipient.log();
    assert!(log.contains("did not end the handshake within") || log.contains("the handshake failed"), "{log}");
}

#[test]
fn told_to_stop_it_finishes_what_it_accepted_and_closes_what_waits() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("own"));
    write(folder.path(), &pair(&authority));
    let mut recipient = start(folder.path(), &[OPEN]);
    let mut shaking = recipient.connect();
    shaking.send([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]);
    let mut idle = connect(&recipient, &authority);
    assert_eq!(idle.post("/", numbered(1)).status, 200);
    let (mut half, body) = (connect(&recipient, &authority), numbered(2));
    half.send(format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\nevent", body.len()));
    // An answer on a later connection shows that the half request has been accepted too.
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
