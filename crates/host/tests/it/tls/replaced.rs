//! Replaces the certificate while the host runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::harness::{connect, der, pair, shown, signal, start, wait_until, write};
use crate::authority::Authority;
use crate::support::{OPEN, numbered};

type Replace = fn(&Path, &(String, String));

/// The ways to replace a pair. `folder` has the paths that the host was given.
const WAYS: [(&str, Replace); 4] = [
    ("written over", write),
    ("others are renamed over them", |folder, pair| {
        let new = tempfile::tempdir_in(folder).unwrap();
        write(new.path(), pair);
        for name in ["cert.pem", "key.pem"] {
            fs::rename(new.path().join(name), folder.join(name)).unwrap();
        }
    }),
    // As certbot does: the files in `live` are links into `archive`.
    ("their links are turned, one after the other", |folder, pair| {
        let archive = folder.join("archive").join(fs::read_dir(folder).unwrap().count().to_string());
        fs::create_dir_all(&archive).unwrap();
        write(&archive, pair);
        for name in ["cert.pem", "key.pem"] {
            let _ = fs::remove_file(folder.join(name));
            symlink(archive.join(name), folder.join(name)).unwrap();
        }
    }),
    // As Kubernetes does: the files are links through `..data`, which is itself a link and is replaced.
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
fn new_connections_get_a_replaced_pair_and_open_connections_stay() {
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
fn sighup_reloads_the_pair_at_once() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("own"));
    write(folder.path(), &pair(&authority));
    let recipient = start(folder.path(), &[OPEN]);
    let mut there = connect(&recipient, &authority);
    // Only the signal reloads an unchanged pair.
    for n in 1..=3 {
        signal(&recipient, "-HUP");
        wait_until("it is read again", || recipient.log().matches("the certificate was reloaded").count() == n);
        assert_eq!(there.post("/", numbered(n)).result(), "stored");
        assert_eq!(connect(&recipient, &authority).post("/", numbered(n)).result(), "duplicate");
    }
}

#[test]
fn an_unusable_new_pair_is_logged_once_and_the_old_one_stays_in_use() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("own"));
    let (old, new) = (pair(&authority), pair(&authority));
    write(folder.path(), &old);
    let recipient = start(folder.path(), &[OPEN]);
    let says = |what: &str| recipient.log().matches(&format!("the certificate in use stays in use: {what}")).count();
    let cert = folder.path().join("cert.pem");
    for (replace, expected) in [
        (
            &(|| fs::write(&cert, "nonsense").unwrap()) as &dyn Fn(),
            format!("{} contains no certificate", cert.display()),
        ),
        (&|| fs::write(&cert, &new.0).unwrap(), "the key in".to_owned()),
        (&|| fs::remove_file(&cert).unwrap(), format!("{} cannot be read", cert.display())),
    ] {
        replace();
        wait_until(&expected, || says(&expected) == 1);
        assert_eq!(shown(&recipient, &authority), der(&old.0));
        // SIGHUP logs the error again.
        signal(&recipient, "-HUP");
        wait_until(&expected, || says(&expected) == 2);
        assert_eq!(shown(&recipient, &authority), der(&old.0));
    }
    write(folder.path(), &new);
    wait_until("the new certificate is shown", || shown(&recipient, &authority) == der(&new.0));
    assert_eq!(says(""), 6, "{}", recipient.log());
}
