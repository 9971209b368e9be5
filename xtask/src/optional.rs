//! Optional programs, and a library, for some tests. Where one is not available, its tests are skipped with a reason.

use std::fs;
use std::iter::once;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::command::{Command, is_on_path, root};
use crate::debian;

/// A program or a library, and its source if it is missing.
struct Program {
    name: &'static str,
    /// Its package in Debian.
    package: &'static str,
    source: Source,
}

enum Source {
    /// The package is installed.
    Installed,
    /// The package is unpacked. Its installation would start a service on the user's machine.
    Unpacked {
        /// The path in the package.
        path: &'static str,
        /// The argument that prints the version, to check that the program runs.
        version: &'static str,
    },
    /// The library [`FAKETIME`]. Its package is unpacked, which needs no root.
    Faketime,
}

/// libfaketime for multi-threaded programs, below a folder for libraries. The tests load it themselves: the program
/// `faketime` finds it only in an installed package.
const FAKETIME: &str = "faketime/libfaketimeMT.so.1";

const PROGRAMS: [Program; 8] = [
    // For the order of writes, syncs and answers.
    Program::installed("strace", "strace"),
    // Without `systemd-sysv`, systemd does not become the init process.
    Program::installed("systemd-analyze", "systemd"),
    // Reverse proxies for the files of `deploy/`.
    Program::unpacked("caddy", "caddy", "usr/bin/caddy", "version"),
    Program::unpacked("nginx", "nginx", "usr/sbin/nginx", "-v"),
    // A forward proxy for outgoing events.
    Program::unpacked("tinyproxy", "tinyproxy-bin", "usr/bin/tinyproxy", "-v"),
    // The package also contains `prometheus`.
    Program::unpacked("promtool", "prometheus", "usr/bin/promtool", "--version"),
    // The registry from which wasmCloud loads the component.
    Program::unpacked("docker-registry", "docker-registry", "usr/bin/docker-registry", "--version"),
    // Sets the host's wall clock while it runs.
    Program { name: "libfaketime", package: "libfaketime", source: Source::Faketime },
];

/// Installs or unpacks missing programs.
pub fn programs() {
    for program in PROGRAMS.iter().filter(|program| !program.is_available()) {
        if !debian::has_apt() {
            eprintln!("==> {} is not available: its tests are skipped", program.name);
            continue;
        }
        match program.fetch() {
            Ok(()) if matches!(program.source, Source::Installed) || program.is_available() => {}
            Ok(()) => {
                eprintln!(
                    "    {} does not run, perhaps because a library is missing: its tests are skipped",
                    program.name
                )
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

    /// Whether it is installed, or is unpacked and runs.
    fn is_available(&self) -> bool {
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

/// Possible paths of [`FAKETIME`]. `crates/host/tests/clocks/machine.rs` searches the same folders.
fn faketimes() -> impl Iterator<Item = PathBuf> {
    let unpacked = root().join(debian::UNPACKED).join("usr/lib");
    let folders = ["/usr/lib".into(), "/usr/lib64".into(), "/usr/local/lib".into(), unpacked];
    // Debian has a subfolder for each architecture.
    let below = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    folders.into_iter().flat_map(move |folder| below(&folder).chain(once(folder))).map(|folder| folder.join(FAKETIME))
}

/// Whether the library changes a program's clock. The loader ignores libraries that it cannot load.
fn fakes_time(library: &Path) -> bool {
    let date =
        || Command::new("date").arg("+%Y").env("LD_PRELOAD", library).env("FAKETIME", "2001-02-03 04:05:06").output();
    library.is_file() && date().is_some_and(|year| year == "2001")
}
