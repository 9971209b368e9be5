//! Caddy and nginx, behind which the host is tried with the files of `deploy/`.

use crate::command::{Command, is_on_path, root};
use crate::debian;

/// Each with what it says its version to, and where its package has it.
const PROXIES: [(&str, &str, &str); 2] =
    [("caddy", "version", "target/debian/usr/bin/caddy"), ("nginx", "-v", "target/debian/usr/sbin/nginx")];

/// Takes each out of its package, unless it is there. To install them would start two web servers on the user's machine. Where
/// one is not to be had, its tests are skipped.
pub fn proxies() {
    for (program, version, unpacked) in PROXIES {
        let runs = || Command::new(root().join(unpacked)).arg(version).output().is_some();
        if is_on_path(program) || runs() {
            continue;
        }
        if !debian::is_here() {
            eprintln!("==> there is no {program} on PATH: the tests behind it are skipped");
            continue;
        }
        match debian::unpack(program) {
            Ok(()) if runs() => {}
            Ok(()) => {
                eprintln!("    it does not run, perhaps for want of a library: the tests behind {program} are skipped")
            }
            Err(error) => eprintln!("    {error:#}: the tests behind {program} are skipped"),
        }
    }
}
