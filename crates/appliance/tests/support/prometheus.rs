//! A real Prometheus with the project's configuration and rules that scrapes a recipient of the tests.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::recipient::root;
use super::wait_until;

/// The folder into which `cargo xtask test` unpacks Debian's package.
const UNPACKED: &str = "target/debian/usr/bin";

/// The path of one of Prometheus's programs, from [`UNPACKED`] or PATH.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(root().join(UNPACKED)).chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// The project's files for Prometheus.
pub fn files() -> PathBuf {
    root().join("deploy/prometheus")
}

/// A Prometheus that is killed when it is dropped.
pub struct Prometheus {
    address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts with the project's configuration, except for the address and a shorter interval.
    pub fn start(program: &Path, metrics: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for file in fs::read_dir(files()).unwrap().map(Result::unwrap) {
            let text = fs::read_to_string(file.path()).unwrap();
            let text =
                text.replace("127.0.0.1:9464", &metrics.to_string()).replace("_interval: 15s", "_interval: 250ms");
            fs::write(folder.path().join(file.file_name()), text).unwrap();
        }
        let log = folder.path().join("log");
        let child = Command::new(program)
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:0"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut started = Self { address: metrics, child, _folder: folder };
        let said = || {
            let log = fs::read_to_string(&log).unwrap();
            let address = log.split("\"Listening on\" address=").nth(1)?.lines().next()?.parse().ok();
            address.filter(|_| log.contains("ready to receive web requests"))
        };
        wait_until("Prometheus is ready", || said().is_some());
        started.address = said().unwrap();
        started
    }

    /// The values of an expression, by labels.
    pub fn query(&self, expression: &str) -> BTreeMap<String, f64> {
        let query = serde_urlencoded::to_string([("query", expression)]).unwrap();
        let answer = self.api(&format!("/api/v1/query?{query}"));
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        let series = answer["data"]["result"].as_array().unwrap().iter();
        let value = |series: &Value| series["value"][1].as_str().unwrap().parse().unwrap();
        series.map(|series| (series["metric"].to_string(), value(series))).collect()
    }

    /// The single value of an expression.
    pub fn value(&self, expression: &str) -> Option<f64> {
        let all = self.query(expression);
        assert!(all.len() <= 1, "{expression} has several values: {all:?}");
        all.into_values().next()
    }

    pub fn api(&self, path: &str) -> Value {
        serde_json::from_str(&get(self.address, path)).unwrap()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The body of the answer to a GET request.
pub fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200"), "{head}\n{body}");
    body.to_owned()
}
