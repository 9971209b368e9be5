//! `outbound-events-host`: serves the component from one command, on a durable store.
#![forbid(unsafe_code)]

mod commands;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, Parser, Subcommand};
use commands::health::Health;
use commands::store::StoreCommand;
use ipnet::IpNet;
use outbound_events::settings::{self, Bucket, Ingest, Settings};
use outbound_events_host::client::{self, Proxies};
use outbound_events_host::error::told;
use outbound_events_host::guest::{Guest, Limits};
use outbound_events_host::lock::HostLock;
use outbound_events_host::log_queue::{self, write_or_give_up};
use outbound_events_host::metrics::{self, Metrics};
use outbound_events_host::server::{self, Options};
use outbound_events_host::store::KeyValueStore;
use outbound_events_host::swap::Swap;
use outbound_events_host::tls::Tls;
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Receives BeyondTrust outbound events, and keeps every one that it answers 200.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the component over HTTP.
    Serve(Serve),
    /// Asks a host that runs how it is; succeeds if it is ready.
    Health(Health),
    /// Works on store files.
    Store {
        #[command(subcommand)]
        command: StoreCommand,
    },
}

#[derive(Args)]
struct Serve {
    /// The address to listen on, or a name and a port. Port 0 takes any that is free.
    #[arg(long, default_value = "127.0.0.1:3000", value_name = "ADDRESS:PORT")]
    listen: String,
    /// The component: without this the one beside this program, or else where `cargo xtask build` puts it.
    #[arg(long, default_value_os_t = component())]
    component: PathBuf,
    /// The store's file, made if it is not there, or `memory` for one that is gone with the process.
    #[arg(long, default_value = ".spin/sqlite_key_value.db")]
    store: PathBuf,
    /// Serves from a store's file that another host serves from already. Both see all events; each has its own limits.
    #[arg(long)]
    shared: bool,
    /// A setting, such as `ingest_open=true`. It goes before the environment's `SPIN_VARIABLE_INGEST_OPEN`, which goes
    /// before the file's.
    #[arg(long = "variable", value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// A file of lines such as `SPIN_VARIABLE_INGEST_TOKENS=…`, so that no secret stands in a command.
    #[arg(long)]
    env_file: Option<PathBuf>,
    /// A proxy in front, or a network of them, such as 127.0.0.1 or 10.0.0.0/8: where its X-Forwarded-For says that a request
    /// comes from is believed. Several are joined by commas.
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', value_parser = client::network)]
    trust_forwarded: Vec<IpNet>,
    /// Speaks https with the certificate of this file: PEM, the server's own first, then those above it. Both files are read
    /// again at SIGHUP, and when they change.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key: PEM, in PKCS#8, PKCS#1 or SEC1.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    #[command(flatten)]
    limits: commands::limits::Limits,
    /// Clears the memory of instances as if it could be swapped out, which is slower. Without this option the host looks at
    /// its start whether that can be. For a machine to which swap will be added while the host runs.
    #[arg(long)]
    assume_swap: bool,
    /// An address for `/metrics`, such as 127.0.0.1:9464, for who may know them: no token is asked for there. None by default.
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<String>,
    /// Writes log lines as JSON.
    #[arg(long)]
    log_json: bool,
}

/// Beside the program, where it was unpacked from an archive. The folder is the program's own, also if a link leads to it.
fn component() -> PathBuf {
    let beside = std::env::current_exe().map(|program| program.with_file_name("outbound-events.component.wasm"));
    match beside {
        Ok(path) if path.is_file() => path,
        _ => PathBuf::from("target/outbound-events.component.wasm"),
    }
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Serve(arguments) => serve(arguments).map(|()| ExitCode::SUCCESS),
        Command::Health(health) => health.run(),
        Command::Store { command } => command.run(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            write_or_give_up(std::io::stderr(), format!("error: {}\n", told(&error)));
            // 1 is for what was done and is not well.
            ExitCode::from(2)
        }
    }
}

fn serve(arguments: Serve) -> Result<()> {
    // Dropped last: all of the below may log.
    let _log = log_queue::start(arguments.log_json);
    let runtime = tokio::runtime::Runtime::new()?;
    let served = runtime.block_on(serve_until_stopped(arguments));
    // What was not finished in time is hardly waited for.
    runtime.shutdown_timeout(LAST_WORK);
    served
}

/// How long what is still under way may take at the very end: the store is closed with it.
const LAST_WORK: Duration = Duration::from_secs(3);

async fn serve_until_stopped(arguments: Serve) -> Result<()> {
    // From the start: without a handler the signal would end the host.
    #[cfg(unix)]
    let hangups = signal(SignalKind::hangup())?;
    let variables = variables(&arguments)?;
    let settings = Settings::read(|name| Ok(variables.get(name).cloned()))?;
    ensure!(settings.bucket == Bucket::default(), "the setting bucket: this host has one store, default");
    let tls = match (&arguments.tls_cert, &arguments.tls_key) {
        (Some(certificate), Some(key)) => Some(Tls::read(certificate, key)?),
        _ => None,
    };
    let mut options = Options { tls, proxies: Proxies::new(arguments.trust_forwarded.clone()), ..Options::default() };
    arguments.limits.set(&mut options, &settings.ingest)?;
    let component = std::fs::read(&arguments.component)
        .with_context(|| format!("{} cannot be read; `cargo xtask build` makes it", arguments.component.display()))?;
    let (store, _lock) = if arguments.store.as_os_str() == "memory" {
        tracing::warn!("the store is in memory: no event outlives this process");
        (KeyValueStore::memory(), None)
    } else {
        // What is wrong with the file is told before whose it is.
        let store = KeyValueStore::sqlite(&arguments.store)?;
        let lock = HostLock::take(&arguments.store, arguments.shared)?;
        if let Err(error) = store.keep_reserve() {
            tracing::warn!("no room can be kept for removal on the store's disk: {error}");
        }
        (store, lock)
    };
    let swap = if arguments.assume_swap { Swap::ASSUMED } else { Swap::look() };
    tracing::info!(possible = swap.possible, reason = swap.reason, "swap");
    let guest = Guest::new(&component, store, variables, Limits { swap, ..Limits::default() })
        .map_err(anyhow::Error::from)
        .with_context(|| format!("{} cannot be served", arguments.component.display()))?;
    guest.instantiate().await.with_context(|| format!("{} cannot be started", arguments.component.display()))?;
    let listener = TcpListener::bind(&arguments.listen).await.with_context(|| {
        format!("{} cannot be listened on; --listen takes an address or a name, and a port", arguments.listen)
    })?;
    if let Some(address) = &arguments.metrics {
        options.metrics = Some(serve_metrics(address, &guest).await?);
    }
    let stop = stop_signal()?;
    #[cfg(unix)]
    tokio::spawn(renew_on_hangup(hangups, options.tls.clone()));
    tracing::info!(
        component = %arguments.component.display(),
        store = %arguments.store.display(),
        ingest = settings.ingest.as_str(),
        "serving"
    );
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    greet(scheme, listener.local_addr()?, &settings);
    server::serve(listener, guest, options, stop).await
}

/// Counts from now on, and tells it to who asks at that address.
async fn serve_metrics(address: &str, guest: &Guest) -> Result<Metrics> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("{address} cannot be listened on for metrics; --metrics takes an address or a name, and a port")
    })?;
    let metrics = Metrics::of(guest);
    tracing::info!("metrics are at http://{}/metrics", listener.local_addr()?);
    tokio::spawn(metrics::serve(listener, metrics.clone()));
    Ok(metrics)
}

/// Standard output says where it listens and what to try; everything after that is the log's.
fn greet(scheme: &str, address: SocketAddr, settings: &Settings) {
    let (taking, token) = match settings.ingest {
        Ingest::Guarded(_) => (", taking events", "?outbound_event_token=YOUR-TOKEN"),
        Ingest::Open => (", taking events from anyone", ""),
        Ingest::Shut => ("; it takes no events", ""),
    };
    let mut lines = vec![format!("Listening on {scheme}://{address}{taking}.\n")];
    if settings.ingest == Ingest::Shut {
        lines.push(format!("{SHUT}\n"));
    }
    let page = if settings.read_tokens.is_some() { "" } else { "  (closed until read_tokens is set)" };
    lines.push(format!("The page:              {scheme}://{address}/{page}"));
    if settings.ingest != Ingest::Shut {
        lines.push(format!("The appliance's URL:   {scheme}://{address}/events{token}"));
        lines.push(format!("Or send one yourself:  curl -i -d '{EXAMPLE}' '{scheme}://{address}/events{token}'"));
    }
    // A supervisor that waits for this text finds what the log said before it, such as where the metrics are.
    log_queue::flush();
    write_or_give_up(std::io::stdout(), lines.join("\n") + "\n\n");
}

const EXAMPLE: &str =
    "event=support_conference_begin&version=1&timestamp=1700000000&lsid=c69a8e10bea9428f816cfababe9815fe";

const SHUT: &str = "To take events, set ingest_tokens (SPIN_VARIABLE_INGEST_TOKENS=… in the environment or in an --env-file; `openssl rand -hex 24`
makes a token); to take them from anyone, for a trial on this machine: --variable ingest_open=true";

/// Ready at the first SIGTERM or Ctrl-C. The second ends the process at once.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    let mut signals = Signals::new()?;
    Ok(async move {
        signals.next().await;
        tokio::spawn(async move {
            signals.next().await;
            tracing::warn!("stopped a second time: what was accepted is left unfinished");
            // This line is the last: `exit` drops nothing, so nothing else waits for it.
            log_queue::flush();
            std::process::exit(1);
        });
    })
}

/// At each SIGHUP the certificate is read again, if there is one. The signal never ends the host.
#[cfg(unix)]
async fn renew_on_hangup(mut hangups: Signal, tls: Option<Tls>) {
    while hangups.recv().await.is_some() {
        match &tls {
            Some(tls) => tls.renew(),
            None => tracing::info!("SIGHUP ignored: there is no certificate to reload"),
        }
    }
}

/// What asks a process to stop.
struct Signals {
    #[cfg(unix)]
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}

/// How Spin names a variable in the environment.
const PREFIX: &str = "SPIN_VARIABLE_";

/// All settings that are given, the nearest to the command last.
fn variables(arguments: &Serve) -> Result<HashMap<String, String>> {
    let mut variables = HashMap::new();
    if let Some(file) = &arguments.env_file {
        let text = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        // Some editors begin every file with a byte order mark.
        for line in dotenvy::from_read_iter(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text)) {
            // The parser's own error repeats the line, which may be a secret.
            let Ok((name, value)) = line else { bail!("{} has a line that is not NAME=VALUE", file.display()) };
            variables.insert(of_environment(&name).with_context(|| format!("in {}", file.display()))?, value);
        }
    }
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        let Ok(value) = value.into_string() else { bail!("{name} in the environment is no text") };
        variables.insert(of_environment(name).context("in the environment")?, value);
    }
    // Not by the parser of the command: its error repeats the argument, which may be a secret.
    for argument in &arguments.variables {
        let (name, value) = argument.split_once('=').context("one --variable is not NAME=VALUE")?;
        variables.insert(known(name).context("--variable")?, value.to_owned());
    }
    Ok(variables)
}

/// The setting that a name in the environment, or in a file like it, stands for.
fn of_environment(name: &str) -> Result<String> {
    match name.strip_prefix(PREFIX) {
        Some(setting) if setting.bytes().any(|b| b.is_ascii_lowercase()) => bail!(
            "there is no setting {name}: names are in capitals there, such as {PREFIX}{}",
            setting.to_ascii_uppercase()
        ),
        Some(setting) => known(&setting.to_ascii_lowercase()),
        None => bail!("there is no setting {name}: there a setting's name begins with {PREFIX}"),
    }
}

/// A mistyped name would leave the setting at its default, and nobody would know.
fn known(name: &str) -> Result<String> {
    if !settings::NAMES.contains(&name) {
        bail!("there is no setting {name:?}; there are {}", settings::NAMES.join(", "));
    }
    Ok(name.to_owned())
}
