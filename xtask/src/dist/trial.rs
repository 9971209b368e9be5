//! Tries the archive: unpacks it into an empty folder and runs the host without an environment.

use std::collections::BTreeSet;
use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::archive::{CHECKSUMS, PackedFiles, sha256};
use super::contents::{HOST, VERSION};
use crate::command::Command;

/// An event that is sent twice and stored once.
const EVENT: &str =
    "event=support_conference_begin&version=1&timestamp=1700000000&lsid=c69a8e10bea9428f816cfababe9815fe";

/// An error unless all files are there, match their checksums, and work.
pub fn trial(archive: &Path, folder: &str, files: &PackedFiles) -> Result<()> {
    let temporary = tempfile::tempdir()?;
    Command::new("tar")
        .args(["--extract", "--gzip", "--file"])
        .arg(archive)
        .arg("--directory")
        .arg(temporary.path())
        .run("unpacking the archive, to try it")?;
    let folder = temporary.path().join(folder);
    check_files(&folder, files)?;
    check_checksums(&folder)?;
    let unpacked = Unpacked(folder);
    unpacked.check_version()?;
    unpacked.send_event(&[])?;
    unpacked.send_event(&["--component", "outbound-events.wasi.component.wasm", "--store", "memory"])
}

fn check_files(folder: &Path, files: &PackedFiles) -> Result<()> {
    let mut found = BTreeSet::new();
    let mut next = vec![folder.to_owned()];
    while let Some(inner) = next.pop() {
        for entry in fs::read_dir(&inner)? {
            let path = entry?.path();
            if path.is_dir() {
                next.push(path);
            } else {
                found.insert(path.strip_prefix(folder)?.to_string_lossy().into_owned());
            }
        }
    }
    let packed: BTreeSet<_> = files.0.keys().cloned().collect();
    ensure!(
        found == packed,
        "the unpacked files differ from the packed ones: {:?}",
        found.symmetric_difference(&packed)
    );
    Ok(())
}

fn check_checksums(folder: &Path) -> Result<()> {
    for line in fs::read_to_string(folder.join(CHECKSUMS))?.lines() {
        let (sum, path) = line.split_once("  ").with_context(|| format!("{CHECKSUMS} has a line {line:?}"))?;
        ensure!(sha256(&fs::read(folder.join(path))?) == sum, "{path} does not match {CHECKSUMS}");
    }
    Ok(())
}

struct Unpacked(PathBuf);

/// A host that is killed when it is dropped.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Unpacked {
    /// The host, run in its folder with an empty environment.
    fn host(&self, arguments: &[&str]) -> std::process::Command {
        let mut host = std::process::Command::new(self.0.join(format!("{HOST}{EXE_SUFFIX}")));
        host.args(arguments).current_dir(&self.0).env_clear().stdin(Stdio::null());
        host
    }

    fn check_version(&self) -> Result<()> {
        let output = self.host(&["--version"]).output().context("the unpacked host cannot be started")?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(said.trim() == format!("{HOST} {VERSION}"), "the unpacked host prints {said:?} for --version");
        Ok(())
    }

    fn send_event(&self, arguments: &[&str]) -> Result<()> {
        let serve = ["serve", "--listen", "127.0.0.1:0", "--variable", "ingest_open=true"];
        eprintln!("    ./{HOST} {} {}", serve.join(" "), arguments.join(" "));
        let mut host = self.host(&serve);
        let mut serving = Serving(host.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?);
        let stdout = serving.0.stdout.take().context("the host has no standard output")?;
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let Some(address) = lines.find_map(|line| parse_address(&line)) else { bail!("the unpacked host ended early") };
        for result in ["stored", "duplicate"] {
            let answer = post(&address)?;
            let expected = format!("event-result: {result}\r\n");
            ensure!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(&expected), "the answer is {answer:?}");
        }
        Ok(())
    }
}

/// Finds the address in `Listening on http://127.0.0.1:40000, …`.
fn parse_address(line: &str) -> Option<String> {
    let address = line.strip_prefix("Listening on http://")?.split([',', ' ', '/']).next()?;
    Some(address.to_owned())
}

fn post(address: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    write!(
        stream,
        "POST /events HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{EVENT}",
        EVENT.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
