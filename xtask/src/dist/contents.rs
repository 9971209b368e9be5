//! The programs in the archive: the host and the components.

use anyhow::{Context as _, Result};

use crate::command::Command;
use crate::setup;

/// The version of all packages.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The name of the host's package and program.
pub const HOST: &str = "outbound-events-host";

/// A program of the archive, with its licences and its bill of materials.
#[derive(Clone, Copy)]
pub enum ShippedProgram {
    Host,
    Components,
}

impl ShippedProgram {
    pub fn package(self) -> &'static str {
        match self {
            Self::Host => HOST,
            Self::Components => "outbound-events",
        }
    }

    /// The folder of its manifest.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Host => "crates/host",
            Self::Components => ".",
        }
    }

    /// Its compilation target.
    pub fn target(self) -> Result<String> {
        match self {
            Self::Host => host_target(),
            Self::Components => Ok(setup::TARGET.to_owned()),
        }
    }

    /// Arguments for cargo that enable the features of both components.
    pub fn features(self) -> &'static [&'static str] {
        match self {
            Self::Host => &[],
            Self::Components => &["--features", "wasi"],
        }
    }
}

/// The compilation target of the host: this machine.
pub fn host_target() -> Result<String> {
    Command::new("rustc").args(["--print", "host-tuple"]).output().context("rustc --print host-tuple failed")
}
