//! The authorities that the host trusts for destinations, and its reasons for a destination that it cannot reach.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;

use crate::authority::Authority;
use crate::receiver::Receiver;
use crate::support::{OPEN, Recipient, TOKEN, component, host, numbered, to_its_end};
use crate::tls::wait_until;

const READING: &str = "read_tokens=a-token-of-24-characters";
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A host with one destination, and an event for it.
fn start(receiver: &Receiver, change: impl FnOnce(&mut Command)) -> Recipient {
    let recipient = Recipient::start_host(&[OPEN, READING, &receiver.setting()], |mut host| {
        change(&mut host);
        host
    });
    assert_eq!(recipient.post("/", numbered(1)).result(), "stored");
    recipient
}

/// The answer of `/api/destinations`.
fn state(recipient: &Recipient) -> String {
    let mut connection = recipient.connect();
    connection.send(format!("GET /api/destinations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"));
    String::from_utf8(connection.receive().body).unwrap()
}

/// A file with the certificates of several authorities, each with a byte order mark, as files of an editor that were
/// joined.
fn joined(folder: &Path, authorities: &[&Authority]) -> std::path::PathBuf {
    let path = folder.join("several.pem");
    let text: String = authorities.iter().map(|authority| format!("\u{feff}{}", authority.issuer().pem())).collect();
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn log_and_api_report_an_untrusted_authority() {
    let receiver = Receiver::start(HERE, &Authority::new("An authority of the test"));
    let recipient = start(&receiver, |_| {});
    const REASON: &str = "certificate not trusted: unknown issuer";
    wait_until("the API has the reason", || state(&recipient).contains(REASON));
    let log = recipient.log();
    assert!(log.contains(&format!("no answer: {REASON}")), "{log}");
    assert_eq!(receiver.taken(), 0);
}

#[test]
fn authorities_of_files_and_of_the_environment_are_trusted() {
    let (ours, other) = (Authority::new("An authority of the test"), Authority::new("Another authority"));
    let folder = tempfile::tempdir().unwrap();
    let (ours_file, other_file) = (ours.file(folder.path(), "ours.pem"), other.file(folder.path(), "other.pem"));
    let several = joined(folder.path(), &[&other, &ours]);
    // OpenSSL names the files of such a folder by a hash and a number.
    let hashed = folder.path().join("hashed");
    fs::create_dir(&hashed).unwrap();
    ours.file(&hashed, "0123abcd.0");
    let changes: [&dyn Fn(&mut Command); 5] = [
        &|host| {
            host.arg("--ca-certificate").arg(&ours_file);
        },
        &|host| {
            host.arg("--ca-certificate").arg(&other_file).arg("--ca-certificate").arg(&ours_file);
        },
        &|host| {
            host.arg("--ca-certificate").arg(&several);
        },
        &|host| {
            host.env("SSL_CERT_FILE", &ours_file).arg("--ca-certificate").arg(&other_file);
        },
        &|host| {
            host.env("SSL_CERT_DIR", &hashed);
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let receiver = Receiver::start(HERE, &ours);
        let recipient = start(&receiver, change);
        wait_until(&format!("case {number} is delivered"), || receiver.taken() == 1);
        drop(recipient);
    }
}

#[test]
fn an_unusable_authority_or_proxy_is_an_error_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let authority = Authority::new("An authority of the test");
    let good = authority.file(folder.path(), "good.pem").display().to_string();
    let text = file("text.pem", "no certificate");
    let key = file("key.pem", &authority.certificate().1.serialize_pem());
    let torn = file("torn.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    let empty = file(
        "empty.pem",
        &format!("{}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", authority.issuer().pem()),
    );
    let utf_16 = folder.path().join("utf-16.pem");
    let text_16 = authority.issuer().pem().encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    fs::write(&utf_16, text_16).unwrap();
    let utf_16 = utf_16.display().to_string();
    let component = component();
    let ends = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut host = host();
        host.args(["serve", "--listen", "127.0.0.1:0", "--store", "memory", "--variable", OPEN, "--component"]);
        host.arg(&component).args(["--variable", r#"destinations=[{"name": "a", "url": "https://desk.example/in"}]"#]);
        host.args(arguments).envs(environment.iter().copied());
        let output = to_its_end(host);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (arguments, environment, expected) in [
        (
            &["--ca-certificate", "nowhere.pem"][..],
            &[][..],
            "the CA certificate nowhere.pem cannot be read: No such file",
        ),
        (&["--ca-certificate", &text], &[], "text.pem contains no CA certificate in PEM (-----BEGIN CERTIFICATE-----)"),
        (&["--ca-certificate", &key], &[], "key.pem contains no CA certificate in PEM"),
        (&["--ca-certificate", &torn], &[], "torn.pem is not valid PEM"),
        (&["--ca-certificate", &utf_16], &[], "utf-16.pem is encoded as UTF-16; save it as UTF-8 or ASCII"),
        (&["--ca-certificate", &good, "--ca-certificate", &empty], &[], "empty.pem: certificate 2 of 2 is not valid"),
        (&[], &[("ALL_PROXY", "socks5://user:secret@proxy:1080")], "ALL_PROXY in the environment names a SOCKS proxy"),
        (
            &[],
            &[("https_proxy", "ftp://user:secret@proxy")],
            "https_proxy in the environment is not the URL of a proxy",
        ),
    ] {
        let (code, says) = ends(arguments, environment);
        assert_eq!(code, Some(2), "{arguments:?} {environment:?}: {says}");
        assert!(says.contains(expected) && !says.contains("secret"), "{arguments:?} {environment:?}: {says}");
    }
}
