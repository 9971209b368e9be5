//! Programs that some tests use, and nothing else: where one is not to be had, its tests are skipped, and say so.

use anyhow::Result;

use crate::command::{Command, is_on_path, root};
use crate::debian;

/// A program, and where it comes from where it is not on PATH.
struct Program {
    name: &'static str,
    /// Debian's package of it.
    package: &'static str,
    /// Where the package has it, if it is unpacked. To install it would start a service on the user's machine, and leave it running.
    unpacked: Option<Unpacked>,
}

struct Unpacked {
    path: &'static str,
    /// What it tells its version to, by which it is seen to run.
    version: &'static str,
}

const PROGRAMS: [Program; 6] = [
    // The order of writes, syncs and answers.
    Program::installed("strace", "strace"),
    // Without `systemd-sysv` it is nobody's init, and starts nothing.
    Program::installed("systemd-analyze", "systemd"),
    // Caddy and nginx, behind which the host is tried with the files of `deploy/`.
    Program::unpacked("caddy", "caddy", "usr/bin/caddy", "version"),
    Program::unpacked("nginx", "nginx", "usr/sbin/nginx", "-v"),
    // With it comes `prometheus` itself, which asks the host for its metrics.
    Program::unpacked("promtool", "prometheus", "usr/bin/promtool", "--version"),
    // From which wasmCloud takes the component.
    Program::unpacked("docker-registry", "docker-registry", "usr/bin/docker-registry", "--version"),
];

/// Installs or unpacks each, unless it is there.
pub fn programs() {
    for program in PROGRAMS.iter().filter(|program| !is_on_path(program.name) && !program.runs()) {
        if !debian::is_here() {
            eprintln!("==> there is no {} on PATH: its tests are skipped", program.name);
            continue;
        }
        match program.fetch() {
            Ok(()) if program.unpacked.is_none() || program.runs() => {}
            Ok(()) => {
                eprintln!("    {} does not run, perhaps for want of a library: its tests are skipped", program.name)
            }
            Err(error) => eprintln!("    {error:#}: the tests of {} are skipped", program.name),
        }
    }
}

impl Program {
    const fn installed(name: &'static str, package: &'static str) -> Self {
        Self { name, package, unpacked: None }
    }

    const fn unpacked(name: &'static str, package: &'static str, path: &'static str, version: &'static str) -> Self {
        Self { name, package, unpacked: Some(Unpacked { path, version }) }
    }

    /// Whether it was unpacked, and runs.
    fn runs(&self) -> bool {
        let output = |unpacked: &Unpacked| {
            Command::new(root().join(debian::UNPACKED).join(unpacked.path)).arg(unpacked.version).output()
        };
        self.unpacked.as_ref().is_some_and(|unpacked| output(unpacked).is_some())
    }

    fn fetch(&self) -> Result<()> {
        match self.unpacked {
            Some(_) => debian::unpack(self.package),
            None => debian::install(&[self.package], &format!("installing {}", self.name)),
        }
    }
}
