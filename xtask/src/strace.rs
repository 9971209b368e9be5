//! strace, with which the tests of durability see the order of writes, syncs and answers.

use anyhow::Result;

use crate::command::is_on_path;
use crate::debian;

/// Installs it, unless it is there. Where there are no such packages those tests say that they look at nothing.
pub fn strace() -> Result<()> {
    if is_on_path("strace") || !debian::is_here() {
        return Ok(());
    }
    debian::install(&["strace"], "installing strace")
}
