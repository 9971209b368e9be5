//! `systemd-analyze`, which checks the unit in `deploy/systemd`.

use crate::command::is_on_path;
use crate::debian;

/// Installs it, unless it is there: without `systemd-sysv` it is nobody's init, and starts nothing. Where it is not to be had, its
/// tests are skipped.
pub fn analyze() {
    if is_on_path("systemd-analyze") || !debian::is_here() {
        return;
    }
    if let Err(error) = debian::install(&["systemd"], "installing systemd-analyze") {
        eprintln!("    {error:#}: the tests of the unit are skipped");
    }
}
