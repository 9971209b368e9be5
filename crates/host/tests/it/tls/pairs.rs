//! Accepted certificates and keys, and errors at the start.

use std::fs;
use std::path::{Path, PathBuf};

use super::harness::{connect, pair, start, write};
use crate::authority::Authority;
use crate::support;
use crate::support::{OPEN, component, host, numbered};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SignatureAlgorithm};

/// The key inside a PKCS#8 key, in the form of its type, after `header` bytes.
fn inner(key: &KeyPair, header: usize, label: &str) -> String {
    pem::encode(&pem::Pem::new(label, &key.serialize_der()[header..]))
}

#[test]
fn keys_of_all_types_and_forms_are_accepted_and_the_chain_is_sent() {
    let root = Authority::new("root");
    let mut parameters = CertificateParams::new([]).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let between = CertifiedIssuer::signed_by(parameters, KeyPair::generate().unwrap(), root.issuer()).unwrap();
    let generate = |kind: &'static SignatureAlgorithm| KeyPair::generate_for(kind).unwrap();
    let p256 = generate(&rcgen::PKCS_ECDSA_P256_SHA256);
    let rsa = KeyPair::from_pem(include_str!("../../support/rsa.pem")).unwrap();
    // The older form is inside that of RFC 5958, in an octet string after version and type.
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
        ("with byte order marks", &ed25519, format!("\u{feff}{}", ed25519.serialize_pem())),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let own = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(key, &between).unwrap();
        // Both certificates have the mark of the key, as files of an editor that were joined.
        let mark = if form.starts_with('\u{feff}') { "\u{feff}" } else { "" };
        write(folder.path(), &(format!("{mark}{}{mark}{}", own.pem(), between.pem()), form));
        let recipient = start(folder.path(), &[OPEN]);
        // A client that trusts only the root needs the intermediate certificate.
        assert_eq!(connect(&recipient, &root).post("/", numbered(1)).result(), "stored", "{what}");
    }
}

#[test]
fn an_unusable_file_is_an_error_at_the_start_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("own");
    let ((certificate, key), (other, _)) = (pair(&authority), pair(&authority));
    let pem = |label: &str, bytes: &[u8]| pem::encode(&pem::Pem::new(label, bytes));
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let utf_16 = |name: &str, text: &str| {
        let path = folder.path().join(name);
        let bytes: Vec<_> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        fs::write(&path, bytes).unwrap();
        path
    };
    let good = (file("good.pem", &certificate), file("good.key", &key));
    let missing = folder.path().join("missing.pem");
    let (half, _) = certificate.split_at(certificate.len() / 2);
    let cases: Vec<(PathBuf, PathBuf, &str)> = vec![
        (missing.clone(), good.1.clone(), "missing.pem cannot be read: No such file"),
        (good.0.clone(), missing, "missing.pem cannot be read: No such file"),
        (folder.path().to_owned(), good.1.clone(), "cannot be read: Is a directory"),
        (file("text.pem", "no certificate"), good.1.clone(), "text.pem contains no certificate in PEM"),
        (good.1.clone(), good.1.clone(), "good.key contains no certificate in PEM"),
        (file("half.pem", half), good.1.clone(), "half.pem is not valid PEM"),
        (
            file("noise.pem", &pem("CERTIFICATE", b"noise")),
            good.1.clone(),
            "noise.pem: certificate 1 of 1 is not valid",
        ),
        (
            file("chain.pem", &format!("{certificate}{}", pem("CERTIFICATE", b"noise"))),
            good.1.clone(),
            "chain.pem: certificate 2 of 2 is not valid",
        ),
        (utf_16("utf-16.pem", &certificate), good.1.clone(), "utf-16.pem is encoded as UTF-16; save it as UTF-8"),
        (good.0.clone(), utf_16("utf-16.key", &key), "utf-16.key is encoded as UTF-16; save it as UTF-8"),
        (good.0.clone(), good.0.clone(), "good.pem contains no private key in PEM"),
        (good.0.clone(), file("noise.key", &pem("PRIVATE KEY", b"noise")), "noise.key cannot be used"),
        (
            good.0.clone(),
            file("encrypted.key", &pem("ENCRYPTED PRIVATE KEY", b"x")),
            "the key in {}encrypted.key is encrypted; remove the passphrase with `openssl pkey -in",
        ),
        (file("other.pem", &other), good.1.clone(), "does not match the first certificate in"),
        (
            file("upside-down.pem", &format!("{}{certificate}", authority.issuer().pem())),
            good.1.clone(),
            "does not match the first certificate in",
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
        assert!(!says.contains(&base64_line(&key)), "the error contains a key: {says}");
    }
    for alone in ["--tls-cert", "--tls-key"] {
        let output = host().args(["serve", alone]).arg(&good.0).output().unwrap();
        assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("--tls-"), "{output:?}");
    }
}

/// A line of a key file, which no output may contain.
fn base64_line(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().nth(1).filter(|line| line.len() > 16).unwrap_or("no such line").to_owned()
}
