//! Forwards events to a Node server and through tinyproxy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../appliance/tests/support/authority.rs"]
mod authority;
#[path = "support/receiver.rs"]
mod receiver;
mod support;
#[path = "support/trials.rs"]
mod trials;

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use authority::Authority;
use receiver::Receiver;
use support::{OPEN, Recipient, TOKEN, free_address, numbered, root};
use tempfile::TempDir;
use trials::{promises, run_here};

const READING: &str = "read_tokens=a-token-of-24-characters";

fn main() -> ExitCode {
    let node = promises![a_node_server_that_closes_idle_connections_gets_every_event];
    let proxy = promises![events_go_through_a_proxy_with_a_password, a_refusal_of_the_proxy_is_the_reason];
    let no_node = (!runs("node".as_ref(), "--version")).then_some("node is not on PATH");
    let no_proxy = if tinyproxy().is_none() {
        Some("tinyproxy is not on PATH, and no package of it could be unpacked")
    } else {
        own_address().is_none().then_some("this machine has no address but loopback ones")
    };
    run_here(node.iter().map(|promise| (*promise, no_node)).chain(proxy.iter().map(|promise| (*promise, no_proxy))))
}

fn runs(program: &Path, version: &str) -> bool {
    Command::new(program).arg(version).output().is_ok_and(|output| output.status.success())
}

/// The tinyproxy on PATH, or the one that `cargo xtask test` has unpacked.
fn tinyproxy() -> Option<PathBuf> {
    let unpacked = root().join("target/debian/usr/bin/tinyproxy");
    ["tinyproxy".into(), unpacked].into_iter().find(|program| runs(program, "-v"))
}

/// An address of this machine that is not loopback, so that a proxy is used. Sends nothing.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback() && !address.is_unspecified())
}

fn wait_until(what: &str, happened: impl Fn() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < Duration::from_secs(60), "it never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A process that is killed when this is dropped.
struct Running {
    child: Child,
    folder: TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Prints its port, then the number of each event that it receives.
const SERVER: &str = r#"
const server = require("http").createServer((request, response) => {
    request.resume().on("end", () => { response.end("ok"); console.log("taken"); });
});
server.keepAliveTimeout = 100;
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"#;

fn a_node_server_that_closes_idle_connections_gets_every_event() {
    const EVENTS: usize = 60;
    let child = Command::new("node").args(["-e", SERVER]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut node = Running { child, folder: tempfile::tempdir().unwrap() };
    let mut said = BufReader::new(node.child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let port = said.next().unwrap();
    let (taken, took) = std::sync::mpsc::channel();
    std::thread::spawn(move || said.try_for_each(|_| taken.send(())));
    let setting = format!(r#"destinations=[{{"name": "desk", "url": "http://127.0.0.1:{port}/in"}}]"#);
    let recipient = Recipient::start_host(&[OPEN, READING, &setting], |host| host);
    for number in 0..EVENTS {
        assert_eq!(recipient.post("/", numbered(number)).result(), "stored");
        // A failed event is retried after five seconds.
        took.recv_timeout(Duration::from_secs(3)).unwrap_or_else(|_| panic!("event {number} was not delivered"));
        // Around the time when Node closes the connection. An event waits 25 ms in the host.
        std::thread::sleep(Duration::from_millis(70 + number as u64 % 20));
    }
    let log = recipient.log();
    assert!(!log.contains("gave no answer"), "{log}");
    assert!(took.try_recv().is_err(), "an event was delivered twice");
}

/// A proxy that requires a user and a password.
fn start_proxy() -> (Running, SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let configuration = folder.path().join("tinyproxy.conf");
    let log = folder.path().join("proxy.log");
    let text = format!(
        "Port {}\nListen 127.0.0.1\nTimeout 60\nAllow 127.0.0.1\nBasicAuth user s3cret\nLogFile \"{}\"\nLogLevel Connect\n",
        address.port(),
        log.display()
    );
    std::fs::write(&configuration, text).unwrap();
    let mut command = Command::new(tinyproxy().unwrap());
    command.arg("-d").arg("-c").arg(&configuration).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let proxy = Running { child: command.spawn().unwrap(), folder };
    wait_until("the proxy listens", || TcpStream::connect(address).is_ok());
    (proxy, address)
}

/// A host that uses a proxy, with an event for its destination.
fn start(receiver: &Receiver, ca: &Path, proxy: &str) -> Recipient {
    let recipient = Recipient::start_host(&[OPEN, READING, &receiver.setting()], |mut host| {
        host.arg("--ca-certificate").arg(ca).env("HTTPS_PROXY", proxy);
        host
    });
    assert_eq!(recipient.post("/", numbered(1)).result(), "stored");
    recipient
}

fn events_go_through_a_proxy_with_a_password() {
    let (proxy, address) = start_proxy();
    let authority = Authority::new("An authority of the test");
    let receiver = Receiver::start(own_address().unwrap(), &authority);
    let ca = authority.file(proxy.folder.path(), "ca.pem");
    let recipient = start(&receiver, &ca, &format!("http://user:s3cret@{address}"));
    for number in 2..=20 {
        assert_eq!(recipient.post("/", numbered(number)).result(), "stored");
    }
    wait_until("all are delivered", || receiver.taken() == 20);
    let mut log = String::new();
    std::fs::File::open(proxy.folder.path().join("proxy.log")).unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains(&format!("CONNECT {} HTTP/1.1", receiver.address)), "{log}");
    let log = recipient.log();
    assert!(log.contains(&address.to_string()), "the log tells which proxy is used: {log}");
    // In plain text and in base64.
    assert!(!log.contains("s3cret") && !log.contains("dXNlcjpzM2NyZXQ="), "{log}");
}

fn a_refusal_of_the_proxy_is_the_reason() {
    let (proxy, address) = start_proxy();
    let authority = Authority::new("An authority of the test");
    let receiver = Receiver::start(own_address().unwrap(), &authority);
    let ca = authority.file(proxy.folder.path(), "ca.pem");
    let recipient = start(&receiver, &ca, &format!("http://{address}"));
    const REASON: &str = "the proxy refused the tunnel: 407 Proxy Authentication Required";
    wait_until("the API has the reason", || {
        let mut connection = recipient.connect();
        connection.send(format!("GET /api/destinations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"));
        String::from_utf8(connection.receive().body).unwrap().contains(REASON)
    });
    assert!(recipient.log().contains(REASON), "{}", recipient.log());
    assert_eq!(receiver.taken(), 0);
}
