//! The programs that check the files.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{deploy, is_root, python};

/// What a test needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// A program on PATH.
    Program(&'static str),
    /// A program of the Python environment that `cargo xtask test` makes.
    Python(&'static str),
    /// The rights of root.
    Root,
}

impl Needs {
    pub(super) fn program(self) -> PathBuf {
        match self {
            Self::Program(name) => name.into(),
            Self::Python(name) => python(name),
            Self::Root => "id".into(),
        }
    }

    /// Why it is missing. `None` if it is available.
    pub(super) fn missing(self) -> Option<String> {
        if self == Self::Root {
            return (!is_root()).then(|| "not run by root".to_owned());
        }
        let program = self.program();
        let runs = Command::new(&program).arg("--version").output().is_ok_and(|output| output.status.success());
        (!runs).then(|| format!("{} is not installed", program.file_name().unwrap_or_default().to_string_lossy()))
    }
}

pub(super) const ANALYZE: Needs = Needs::Program("systemd-analyze");
pub(super) const STRACE: Needs = Needs::Program("strace");
pub(super) const SETPRIV: Needs = Needs::Program("setpriv");
pub(super) const KUBERNETES_VALIDATE: Needs = Needs::Python("kubernetes-validate");
pub(super) const HADOLINT: Needs = Needs::Python("hadolint");

pub(super) fn deploy_text(file: &str) -> String {
    fs::read_to_string(deploy(file)).unwrap()
}

/// Whether a command succeeds, and its output.
pub(super) fn output_of(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}
