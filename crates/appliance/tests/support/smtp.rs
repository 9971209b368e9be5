//! A real SMTP server: aiosmtpd, installed by `cargo xtask test`.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::recipient::root;
use super::wait_until;

/// A server that is killed when it is dropped. Its emails stay in a file.
pub struct SmtpServer {
    pub port: u16,
    child: Child,
    file: PathBuf,
}

impl SmtpServer {
    /// Starts a server on any free port that keeps its emails in a file of `folder`.
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, 0, &[])
    }

    pub fn start_with(folder: &Path, port: u16, arguments: &[&str]) -> Self {
        let python = root().join("target/python/bin/python");
        assert!(python.is_file(), "{} is not there; `cargo xtask test` installs it", python.display());
        let file = folder.join("emails");
        let mut child = Command::new(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/smtp_server.py"))
            .arg(port.to_string())
            .arg(&file)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.rsplit(' ').next().and_then(|port| port.trim().parse().ok());
        Self { port: port.expect("the SMTP server did not start"), child, file }
    }

    /// The accepted emails, parsed.
    pub fn emails(&self) -> Vec<serde_json::Value> {
        let lines = std::fs::read_to_string(&self.file).unwrap_or_default();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn wait_for_emails(&self, count: usize) -> Vec<serde_json::Value> {
        wait_until("emails arrive", || self.emails().len() >= count);
        self.emails()
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
