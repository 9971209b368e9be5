//! NATS with JetStream, the store of wasmCloud, and the part of its protocol that is needed to read the store.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::files::{deploy, python};

/// Why it cannot run here.
pub fn missing() -> Option<String> {
    let runs = program().arg("--version").output().is_ok_and(|output| output.status.success());
    (!runs).then(|| "nats-server is not in target/python".to_owned())
}

fn program() -> Command {
    Command::new(python("nats-server"))
}

/// A server that runs until it is dropped, on a store that outlives it.
pub struct Nats {
    pub address: SocketAddr,
    child: Child,
    folder: PathBuf,
}

impl Nats {
    /// With the settings of `deploy/` and the store in the folder.
    pub fn start(folder: &Path) -> Self {
        Self::start_by(folder, &deploy("wasmcloud/nats.conf"), |command| command)
    }

    /// With other settings, and a change of the command.
    pub fn start_by(folder: &Path, settings: &Path, change: impl FnOnce(Command) -> Command) -> Self {
        Self::start_on(None, folder, settings, change)
    }

    fn start_on(port: Option<u16>, folder: &Path, settings: &Path, change: impl FnOnce(Command) -> Command) -> Self {
        let folder = folder.join("nats");
        let ports = folder.join("ports");
        // Files of a killed server.
        let _ = std::fs::remove_dir_all(&ports);
        std::fs::create_dir_all(&ports).unwrap();
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let mut command = program();
        command.arg("--config").arg(settings).args(["--addr", "127.0.0.1", "--port"]);
        // Any free port, which the server then writes to a file.
        command.arg(port.map_or("-1".to_owned(), |port| port.to_string()));
        command.arg("--store_dir").arg(folder.join("store")).arg("--ports_file_dir").arg(&ports);
        let mut command = change(command);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        // In a process group, so that it is killed together with the program that runs it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().expect("NATS cannot be started");
        let mut nats = Self { address: ([127, 0, 0, 1], 0).into(), child, folder };
        nats.address = nats.wait_until_it_listens(&ports);
        nats
    }

    fn wait_until_it_listens(&mut self, ports: &Path) -> SocketAddr {
        let started = Instant::now();
        loop {
            if let Some(address) = said_address(ports).filter(|address| TcpStream::connect(address).is_ok()) {
                return address;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && started.elapsed() < Duration::from_secs(60), "{ended:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The address as clients write it.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Kills the process, as a power cut would.
    pub fn kill(&mut self) {
        if cfg!(unix) && self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let group = format!("-{}", self.child.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Restarts it at the same address, with the same store.
    pub fn start_again(&mut self) {
        self.kill();
        let folder = self.folder.parent().unwrap().to_owned();
        *self = Self::start_on(Some(self.address.port()), &folder, &deploy("wasmcloud/nats.conf"), |command| command);
    }

    /// The process, or the program that runs it.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The address of the server, from the only file in the folder, once it is complete.
fn said_address(ports: &Path) -> Option<SocketAddr> {
    let file = std::fs::read_dir(ports).ok()?.next()?.ok()?.path();
    let said: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    said["nats"][0].as_str()?.strip_prefix("nats://")?.parse().ok()
}

/// A connection to a server.
pub struct Client {
    stream: BufReader<TcpStream>,
    subscriptions: usize,
}

/// A message of a subscription.
pub struct Message {
    pub subject: String,
    headers: String,
    pub body: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let mut client = Self { stream: BufReader::new(stream), subscriptions: 0 };
        client.send(b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n");
        client
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// Sends a request and returns the answer.
    pub fn request(&mut self, subject: &str, body: &[u8]) -> Message {
        let answers = format!("answers.{}", self.subscriptions);
        let publish = format!("PUB {subject} {answers} {}\r\n", body.len());
        self.once(&answers, &[publish.as_bytes(), body, b"\r\n"].concat())
    }

    /// The next message of a subject. `*` matches a part.
    pub fn next(&mut self, subject: &str) -> Message {
        self.once(subject, b"")
    }

    /// The first message of a subject after something was sent.
    fn once(&mut self, subject: &str, sent: &[u8]) -> Message {
        self.subscriptions += 1;
        let number = self.subscriptions;
        self.send(&[format!("SUB {subject} {number}\r\nUNSUB {number} 1\r\n").as_bytes(), sent].concat());
        loop {
            if let Some(message) = self.receive() {
                return message;
            }
        }
    }

    /// The next line, unless it begins a message.
    fn receive(&mut self) -> Option<Message> {
        let mut line = String::new();
        assert!(self.stream.read_line(&mut line).unwrap() > 0, "NATS closed the connection");
        let words: Vec<_> = line.split_whitespace().collect();
        let number = |word: &str| word.parse::<usize>().unwrap();
        let (subject, headers, all) = match words[..] {
            ["MSG", subject, _, .., all] => (subject, 0, number(all)),
            ["HMSG", subject, _, .., headers, all] => (subject, number(headers), number(all)),
            ["PING"] => {
                self.send(b"PONG\r\n");
                return None;
            }
            ["INFO", ..] => return None,
            _ => panic!("NATS says {line}"),
        };
        let subject = subject.to_owned();
        let mut body = vec![0; all + 2];
        self.stream.read_exact(&mut body).unwrap();
        body.truncate(all);
        let rest = body.split_off(headers);
        Some(Message { subject, headers: String::from_utf8(body).unwrap(), body: rest })
    }

    /// Like `request`, in JSON.
    pub fn ask(&mut self, subject: &str, body: &Value) -> Value {
        let answer = self.request(subject, body.to_string().as_bytes());
        serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{subject}: {}", answer.headers))
    }

    /// The keys and values of a bucket, without the markers of deleted keys.
    pub fn bucket(&mut self, name: &str) -> BTreeMap<String, Vec<u8>> {
        let (stream, prefix) = (format!("KV_{name}"), format!("$KV.{name}."));
        let info = self.ask(&format!("$JS.API.STREAM.INFO.{stream}"), &json!({"subjects_filter": ">"}));
        // The bucket does not exist before its first use.
        if info["error"]["description"] == "stream not found" {
            return BTreeMap::new();
        }
        assert!(info["total"].as_u64() <= info["limit"].as_u64(), "more than one answer tells: {info}");
        let subjects: Vec<_> =
            info["state"]["subjects"].as_object().into_iter().flatten().map(|(s, _)| s.clone()).collect();
        let mut values = BTreeMap::new();
        for subject in subjects {
            let message = self.request(&format!("$JS.API.DIRECT.GET.{stream}.{subject}"), b"");
            assert!(message.headers.starts_with("NATS/1.0\r\n"), "{subject}: {}", message.headers);
            if !message.headers.contains("KV-Operation:") {
                values.insert(subject.strip_prefix(&prefix).unwrap().to_owned(), message.body);
            }
        }
        values
    }
}
