//! Caddy and nginx in front of a recipient, with the files of `deploy/`. Only addresses, the certificate and the paths
//! of logs are changed.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "shared by tests that use a part"
)]

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use crate::support::{Connection, free_address, root};

#[path = "../../../appliance/tests/support/authority.rs"]
mod authority;

use authority::Authority;

/// A reverse proxy that terminates TLS in front of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    Caddy,
    Nginx,
}

impl Front {
    pub const ALL: [Self; 2] = [Self::Caddy, Self::Nginx];

    pub fn name(self) -> &'static str {
        match self {
            Self::Caddy => "caddy",
            Self::Nginx => "nginx",
        }
    }

    /// Why it cannot run here.
    pub fn missing(self) -> Option<String> {
        self.program()
            .is_none()
            .then(|| format!("{} is not on PATH, and no package of it could be unpacked", self.name()))
    }

    /// The program on PATH, or the one that `cargo xtask test` has unpacked.
    fn program(self) -> Option<PathBuf> {
        let unpacked = match self {
            Self::Caddy => "target/debian/usr/bin/caddy",
            Self::Nginx => "target/debian/usr/sbin/nginx",
        };
        let version = if self == Self::Caddy { "version" } else { "-v" };
        let runs = |program: &PathBuf| Command::new(program).arg(version).output().is_ok_and(|o| o.status.success());
        [self.name().into(), root().join(unpacked)].into_iter().find(runs)
    }

    fn command(self, folder: &Path, address: SocketAddr, host: SocketAddr) -> Command {
        let mut command = Command::new(self.program().expect("asked for before"));
        match self {
            Self::Caddy => {
                command
                    .arg("run")
                    .args(["--adapter", "caddyfile", "--config"])
                    .arg(root().join("deploy/caddy/Caddyfile"));
                let tls = format!("tls {0}/certificate.pem {0}/key.pem", folder.display());
                command.env("OUTBOUND_EVENTS_NAME", "127.0.0.1").env("OUTBOUND_EVENTS_TLS", tls);
                command.env("OUTBOUND_EVENTS_PORT", address.port().to_string());
                command.env("OUTBOUND_EVENTS_BIND", address.ip().to_string());
                command.env("OUTBOUND_EVENTS_HOST", host.to_string()).env("OUTBOUND_EVENTS_READERS", "127.0.0.1");
                command.env("OUTBOUND_EVENTS_LOG", folder.join("access.log")).env("OUTBOUND_EVENTS_ADMIN", "off");
                command.env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
            }
            Self::Nginx => {
                fs::write(folder.join("outbound-events.conf"), nginx_site(folder, address, host)).unwrap();
                fs::write(folder.join("nginx.conf"), nginx_around(folder)).unwrap();
                command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf"));
                // The path before the file sets another one.
                command.arg("-e").arg(folder.join("error.log"));
            }
        }
        command
    }
}

/// The file of `deploy/` with its examples replaced. Each must occur in it.
fn nginx_site(folder: &Path, address: SocketAddr, host: SocketAddr) -> String {
    let file = fs::read_to_string(root().join("deploy/nginx/outbound-events.conf")).unwrap();
    let replaced = [
        ("listen 443 ssl default_server;", format!("listen {address} ssl default_server;")),
        ("listen [::]:443 ssl default_server;", String::new()),
        ("/etc/ssl/events.example.com/fullchain.pem", format!("{}/certificate.pem", folder.display())),
        ("/etc/ssl/events.example.com/privkey.pem", format!("{}/key.pem", folder.display())),
        ("/var/log/nginx/outbound-events.log", format!("{}/outbound-events.log", folder.display())),
        ("server 127.0.0.1:3000;", format!("server {host};")),
    ];
    replaced.into_iter().fold(file, |file, (example, here)| {
        assert_eq!(file.matches(example).count(), 1, "{example}");
        file.replace(example, &here)
    })
}

/// The relevant parts of Debian's configuration: everything that the file of `deploy/` does not turn off is logged
/// completely.
fn nginx_around(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "daemon off;
user root root;
worker_processes 2;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/outbound-events.conf;
}}
"
    )
}

/// A proxy that runs until this is dropped.
pub struct Proxy {
    pub front: Front,
    /// The address with TLS.
    pub address: SocketAddr,
    child: Child,
    folder: TempDir,
    trusted: TlsConnector,
}

impl Proxy {
    pub fn start(front: Front, host: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("An authority of the test");
        let (certificate, key) = authority.certificate();
        fs::write(folder.path().join("certificate.pem"), certificate.pem()).unwrap();
        fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        let address = free_address();
        let said = fs::File::create(folder.path().join("said.log")).unwrap();
        let mut command = front.command(folder.path(), address, host);
        command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().expect("the proxy cannot be started");
        let trusted = trusting(&authority.file(folder.path(), "authority.pem"));
        let mut proxy = Self { front, address, child, folder, trusted };
        proxy.wait_until_it_listens();
        proxy
    }

    fn wait_until_it_listens(&mut self) {
        let started = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && started.elapsed() < Duration::from_secs(60), "{ended:?}: {:?}", self.logs());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it gracefully and returns its log files.
    pub fn logs_to_the_end(&mut self) -> Vec<(String, String)> {
        let gracefully = if self.front == Front::Nginx { "-QUIT" } else { "-TERM" };
        let killed = Command::new("kill").args([gracefully, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        self.child.wait().unwrap();
        self.logs()
    }

    /// Its log files so far.
    fn logs(&self) -> Vec<(String, String)> {
        let files = fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().path());
        let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.map(|path| (path.display().to_string(), String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()))
            .collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}

/// A plain connection to a TLS proxy: forwards bytes and ends of streams as they arrive.
pub struct Way {
    address: SocketAddr,
    _running: Runtime,
}

impl Way {
    pub fn through(proxy: &Proxy) -> Self {
        Self::from(Ipv4Addr::LOCALHOST.into(), proxy)
    }

    /// From another local address.
    pub fn from(sender: IpAddr, proxy: &Proxy) -> Self {
        let running = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = running.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        running.spawn(lead(listener, sender, proxy.address, proxy.trusted.clone()));
        Self { address, _running: running }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }
}

async fn lead(listener: TcpListener, sender: IpAddr, proxy: SocketAddr, tls: TlsConnector) {
    loop {
        let (mut plain, _) = listener.accept().await.unwrap();
        let tls = tls.clone();
        tokio::spawn(async move {
            plain.set_nodelay(true)?;
            let socket = TcpSocket::new_v4()?;
            socket.bind((sender, 0).into())?;
            let stream = socket.connect(proxy).await?;
            stream.set_nodelay(true)?;
            let mut secret = tls.connect(ServerName::from(proxy.ip()), stream).await?;
            tokio::io::copy_bidirectional(&mut plain, &mut secret).await
        });
    }
}

/// A TLS client that trusts only this authority.
fn trusting(authority: &Path) -> TlsConnector {
    let mut authorities = RootCertStore::empty();
    authorities.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsConnector::from(Arc::new(config.with_root_certificates(authorities).with_no_client_auth()))
}
