//! Programs, and a library, that some tests use, and nothing else: where one is not to be had, its tests are skipped, and say so.

use std::fs;
use std::iter::once;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::command::{Command, is_on_path, root};
use crate::debian;

/// A program or a library, and where it comes from where it is not here.
struct Program {
    name: &'static str,
    /// Debian's package of it.
    package: &'static str,
    source: Source,
}

enum Source {
    /// Its package is installed, and has it on PATH.
    Installed,
    /// Its package is unpacked. To install it would start a service on the user's machine, and leave it running.
    Unpacked {
        /// Where the package has it.
        path: &'static str,
        /// What it tells its version to, by which it is seen to run.
        version: &'static str,
    },
    /// The library [`FAKETIME`]. Its package is unpacked, which takes no administrator.
    Faketime,
}

/// libfaketime for programs with many threads, below a folder for libraries. The tests load it themselves: the program `faketime` would look for
/// it in the folder of an installed package alone.
const FAKETIME: &str = "faketime/libfaketimeMT.so.1";

const PROGRAMS: [Program; 8] = [
    // The order of writes, syncs and answers.
    Program::installed("strace", "strace"),
    // Without `systemd-sysv` it is nobody's init, and starts nothing.
    Program::installed("systemd-analyze", "systemd"),
    // Caddy and nginx, behind which the host is tried with the files of `deploy/`.
    Program::unpacked("caddy", "caddy", "usr/bin/caddy", "version"),
    Program::unpacked("nginx", "nginx", "usr/sbin/nginx", "-v"),
    // A proxy that only leads out, through which the host sends events.
    Program::unpacked("tinyproxy", "tinyproxy-bin", "usr/bin/tinyproxy", "-v"),
    // With it comes `prometheus` itself, which asks the host for its metrics.
    Program::unpacked("promtool", "prometheus", "usr/bin/promtool", "--version"),
    // From which wasmCloud takes the component.
    Program::unpacked("docker-registry", "docker-registry", "usr/bin/docker-registry", "--version"),
    // A wall clock for the host alone, which tests set while the host runs.
    Program { name: "libfaketime", package: "libfaketime", source: Source::Faketime },
];

/// Installs or unpacks each, unless it is there.
pub fn programs() {
    for program in PROGRAMS.iter().filter(|program| !program.is_here()) {
        if !debian::is_here() {
            eprintln!("==> there is no {} here: its tests are skipped", program.name);
            continue;
        }
        match program.fetch() {
            Ok(()) if matches!(program.source, Source::Installed) || program.is_here() => {}
            Ok(()) => {
                eprintln!("    {} does not run, perhaps for want of a library: its tests are skipped", program.name)
            }
            Err(error) => eprintln!("    {error:#}: the tests of {} are skipped", program.name),
        }
    }
}

impl Program {
    const fn installed(name: &'static str, package: &'static str) -> Self {
        Self { name, package, source: Source::Installed }
    }

    const fn unpacked(name: &'static str, package: &'static str, path: &'static str, version: &'static str) -> Self {
        Self { name, package, source: Source::Unpacked { path, version } }
    }

    /// Whether it is there, and runs if it was unpacked.
    fn is_here(&self) -> bool {
        let runs =
            |path, version| Command::new(root().join(debian::UNPACKED).join(path)).arg(version).output().is_some();
        match self.source {
            Source::Installed => is_on_path(self.name),
            Source::Unpacked { path, version } => is_on_path(self.name) || runs(path, version),
            Source::Faketime => faketimes().any(|library| fakes_time(&library)),
        }
    }

    fn fetch(&self) -> Result<()> {
        match self.source {
            Source::Installed => debian::install(&[self.package], &format!("installing {}", self.name)),
            Source::Unpacked { .. } | Source::Faketime => debian::unpack(self.package),
        }
    }
}

/// Where [`FAKETIME`] may be. `crates/host/tests/clocks/machine.rs` looks in the same folders.
fn faketimes() -> impl Iterator<Item = PathBuf> {
    let unpacked = root().join(debian::UNPACKED).join("usr/lib");
    let folders = ["/usr/lib".into(), "/usr/lib64".into(), "/usr/local/lib".into(), unpacked];
    // Debian has a folder for each architecture.
    let below = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    folders.into_iter().flat_map(move |folder| below(&folder).chain(once(folder))).map(|folder| folder.join(FAKETIME))
}

/// Whether the library changes a program's clock. The loader ignores a library that it cannot load, and runs the program without it.
fn fakes_time(library: &Path) -> bool {
    let date =
        || Command::new("date").arg("+%Y").env("LD_PRELOAD", library).env("FAKETIME", "2001-02-03 04:05:06").output();
    library.is_file() && date().is_some_and(|year| year == "2001")
}
