//! The browser for the tests of the page: Chromium and its driver.

use anyhow::{Result, bail};

use crate::command::is_on_path;
use crate::debian;

/// Installs Chromium and its driver if they are missing.
pub fn browser() -> Result<()> {
    if is_on_path("chromedriver") {
        return Ok(());
    }
    if !debian::has_apt() {
        bail!(
            "the tests need Chromium or Chrome with its driver, `chromedriver`, on PATH; install them, then try again"
        );
    }
    debian::install(&["chromium", "chromium-driver"], "installing a browser")
}
