//! The programs inside an archive: the host and the components.

use anyhow::{Context as _, Result};

use crate::command::Command;
use crate::setup;

/// The project's, which is every package's.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The host's package and program.
pub const HOST: &str = "outbound-events-host";

/// A program that is inside, with what others gave for it.
#[derive(Clone, Copy)]
pub enum Contents {
    /// The host.
    Host,
    /// The components.
    Components,
}

impl Contents {
    /// Its package.
    pub fn package(self) -> &'static str {
        match self {
            Self::Host => HOST,
            Self::Components => "outbound-events",
        }
    }

    /// Where its manifest is.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Host => "crates/host",
            Self::Components => ".",
        }
    }

    /// What it is compiled for.
    pub fn target(self) -> Result<String> {
        match self {
            Self::Host => host_target(),
            Self::Components => Ok(setup::TARGET.to_owned()),
        }
    }

    /// Those of both components.
    pub fn features(self) -> &'static [&'static str] {
        match self {
            Self::Host => &[],
            Self::Components => &["--features", "wasi"],
        }
    }
}

/// What the host is compiled for: this machine.
pub fn host_target() -> Result<String> {
    Command::new("rustc").args(["--print", "host-tuple"]).output().context("rustc does not tell for what it compiles")
}
