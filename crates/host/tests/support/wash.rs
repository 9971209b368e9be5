//! wasmCloud on one machine: `wash` runs the component, NATS is its store. `cargo xtask test` installs both from
//! Python's package index, which has them for Linux.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::files::{python, wasi_component};
use super::nats::{self, Nats};

/// Why it cannot run here.
pub fn missing() -> Option<String> {
    let runs = Command::new(python("wash")).arg("--version").output().is_ok_and(|output| output.status.success());
    if runs { nats::missing() } else { Some("wash is not in target/python".to_owned()) }
}

/// The command without the user's configuration. At a higher log level, it logs the URI of each failed request, with
/// the token.
pub fn wash(home: &Path) -> Command {
    let mut command = Command::new(python("wash"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("WASH_")) {
        command.env_remove(name);
    }
    command.env("HOME", home).env_remove("XDG_CONFIG_HOME").env_remove("XDG_CACHE_HOME").env_remove("RUST_LOG");
    command.args(["--non-interactive", "--log-level", "warn"]);
    command
}

/// Runs the component with settings, without a cluster and a registry.
pub fn dev(folder: &Path, address: SocketAddr, nats: &Nats, settings: &[String]) -> Command {
    let project = folder.join("project");
    std::fs::create_dir_all(project.join(".wash")).unwrap();
    let settings: Map<String, Value> = settings
        .iter()
        .map(|setting| setting.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let config = json!({
        // It requires a build command.
        "build": {"command": "true", "component_path": wasi_component()},
        "dev": {"address": address, "wasi_keyvalue_nats_url": nats.url()},
        "workload": {"config": settings},
    });
    // JSON is YAML, too.
    std::fs::write(project.join(".wash/config.yaml"), config.to_string()).unwrap();
    let mut command = wash(folder);
    command.arg("-C").arg(project).arg("dev");
    command
}

/// Whether the component answers. wash listens before it has the component.
pub fn answers(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut answer = Vec::new();
    let asked = stream.write_all(b"GET /health HTTP/1.1\r\nHost: recipient\r\nConnection: close\r\n\r\n");
    let answered = asked.and_then(|()| stream.read_to_end(&mut answer));
    answered.is_ok() && String::from_utf8_lossy(&answer).contains("{\"ready\":")
}
