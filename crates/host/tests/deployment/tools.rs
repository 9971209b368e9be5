//! The programs that the files are held to.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{deploy, python};

/// What a promise needs to be looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// On PATH.
    Program(&'static str),
    /// In the environment that `cargo xtask test` makes for Python.
    Python(&'static str),
}

impl Needs {
    pub(super) fn program(self) -> PathBuf {
        match self {
            Self::Program(name) => name.into(),
            Self::Python(name) => python(name),
        }
    }

    /// What is missing, if something is.
    pub(super) fn missing(self) -> Option<String> {
        let program = self.program();
        let runs = Command::new(&program).arg("--version").output().is_ok_and(|output| output.status.success());
        (!runs).then(|| format!("{} is not here", program.file_name().unwrap_or_default().to_string_lossy()))
    }
}

pub(super) const ANALYZE: Needs = Needs::Program("systemd-analyze");
pub(super) const STRACE: Needs = Needs::Program("strace");
pub(super) const KUBERNETES_VALIDATE: Needs = Needs::Python("kubernetes-validate");
pub(super) const HADOLINT: Needs = Needs::Python("hadolint");

pub(super) fn read(file: &str) -> String {
    fs::read_to_string(deploy(file)).unwrap()
}

/// What it prints, and whether it is content.
pub(super) fn said(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}
