//! The command of our host, run by other programs and to its end.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::files::component;
use super::stored::store_path;

/// The child processes of a process. Linux only.
pub fn children(process: &str) -> Vec<String> {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    children.split_whitespace().map(str::to_owned).collect()
}

pub fn host_command(folder: &Path, component: &Path) -> Command {
    let mut command = host();
    command.args(["serve", "--listen", "127.0.0.1:0", "--component"]).arg(component);
    command.arg("--store").arg(store_path(folder));
    command
}

/// The host without settings, proxies and authorities from the environment of the tests.
pub fn host() -> Command {
    let mut command = Command::new(host_binary());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SPIN_VARIABLE_")) {
        command.env_remove(name);
    }
    for name in ["HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
        command.env_remove(name).env_remove(name.to_ascii_lowercase());
    }
    command.env_remove("RUST_LOG");
    command
}

pub fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// The host, started by another program.
pub fn run_by(program: &str, arguments: &[&str], host: &Command) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).arg(host.get_program()).args(host.get_args());
    command
}

pub fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// The store path in the host's arguments.
pub fn store_of(host: &Command) -> PathBuf {
    host.get_args().skip_while(|argument| *argument != "--store").nth(1).unwrap().into()
}

/// Runs a host that must end by itself. If it serves, it is killed, so that the test ends.
pub fn to_its_end(mut host: Command) -> Output {
    let mut child =
        host.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it cannot be started");
    let mut said = Vec::new();
    BufReader::new(child.stdout.take().unwrap()).read_until(b'\n', &mut said).unwrap();
    if !said.is_empty() {
        child.kill().unwrap();
    }
    Output { stdout: said, ..child.wait_with_output().unwrap() }
}

/// Cargo sets the path for the host's own tests. Other packages find the host in the folder above the test program.
fn host_binary() -> PathBuf {
    let beside = || {
        let test = std::env::current_exe().unwrap();
        let folder = test.parent().and_then(Path::parent).unwrap();
        let path = folder.join(format!("outbound-events-host{}", std::env::consts::EXE_SUFFIX));
        assert!(path.is_file(), "{} is not there; `cargo xtask test` builds it", path.display());
        path
    };
    option_env!("CARGO_BIN_EXE_outbound-events-host").map_or_else(beside, PathBuf::from)
}
