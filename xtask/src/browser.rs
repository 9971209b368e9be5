//! The browser that the tests of the page drive: Chromium, and its driver.

use anyhow::{Result, bail};

use crate::command::is_on_path;
use crate::debian;

/// Installs them, unless they are there.
pub fn browser() -> Result<()> {
    if is_on_path("chromedriver") {
        return Ok(());
    }
    if !debian::is_here() {
        bail!(
            "the tests need Chromium or Chrome with its driver, `chromedriver`, on PATH; install them, then try again"
        );
    }
    debian::install(&["chromium", "chromium-driver"], "installing a browser")
}
