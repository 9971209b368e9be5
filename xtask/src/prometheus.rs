//! Prometheus, which the tests have ask the host for its metrics, and `promtool`, which checks rules and metrics.

use crate::command::{Command, is_on_path, root};
use crate::debian;

/// Where the package has it.
const UNPACKED: &str = "target/debian/usr/bin/promtool";

/// Takes both out of their package, unless they are there. To install them would start a service. Where they are not to be had, their
/// tests are skipped.
pub fn prometheus() {
    let runs = || Command::new(root().join(UNPACKED)).arg("--version").output().is_some();
    if (is_on_path("promtool") && is_on_path("prometheus")) || runs() {
        return;
    }
    if !debian::is_here() {
        eprintln!("==> there is no Prometheus on PATH: its tests are skipped");
        return;
    }
    match debian::unpack("prometheus") {
        Ok(()) if runs() => {}
        Ok(()) => eprintln!("    it does not run: its tests are skipped"),
        Err(error) => eprintln!("    {error:#}: its tests are skipped"),
    }
}
