//! `outbound-events-host serve`: the component over HTTP, on a durable store.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use ipnet::IpNet;
use outbound_events::forward::trial;
use outbound_events::settings::{Bucket, Ingest, Settings};
use outbound_events_host::client::{self, Proxies};
use outbound_events_host::guest::{Authorities, Guest, Limits, OutgoingOptions, ProxyRules};
use outbound_events_host::lock::HostLock;
use outbound_events_host::log_queue::{self, write_or_give_up};
use outbound_events_host::metrics::{self, Metrics};
use outbound_events_host::server::{self, Options};
use outbound_events_host::store::KeyValueStore;
use outbound_events_host::swap::Swap;
use outbound_events_host::tls::Tls;
use tokio::net::TcpListener;

use crate::commands::limits::ClientLimits;
use crate::commands::signals;
use crate::commands::variables;

#[derive(Args)]
pub struct Serve {
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
    /// A file of lines such as `SPIN_VARIABLE_INGEST_TOKENS=…`, so that no secret stands in a command. A value is taken as it
    /// stands, without quotes and without escapes.
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// A file with the setting `destinations`: a JSON array. It goes before the environment and `--env-file`.
    #[arg(long, value_name = "FILE")]
    destinations: Option<PathBuf>,
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
    /// Certificates of authorities to trust for destinations, besides this machine's: PEM. May be given several times. The
    /// files are read once, at the start.
    #[arg(long, value_name = "FILE")]
    ca_certificate: Vec<PathBuf>,
    #[command(flatten)]
    limits: ClientLimits,
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

impl Serve {
    /// Serves until it is told to stop.
    pub fn run(self) -> Result<()> {
        // Dropped last: all of the below may log.
        let _log = log_queue::start(self.log_json);
        let runtime = tokio::runtime::Runtime::new()?;
        let served = runtime.block_on(serve_until_stopped(self));
        // What was not finished in time is hardly waited for.
        runtime.shutdown_timeout(LAST_WORK);
        served
    }
}

/// How long what is still under way may take at the very end: the store is closed with it.
const LAST_WORK: Duration = Duration::from_secs(3);

async fn serve_until_stopped(arguments: Serve) -> Result<()> {
    // From the start: without a handler the signal would end the host.
    #[cfg(unix)]
    let hangups = signals::hangups()?;
    let variables =
        variables::read(arguments.env_file.as_deref(), arguments.destinations.as_deref(), &arguments.variables)?;
    let settings = Settings::read(|name| Ok(variables.get(name).cloned()))?;
    // Here, as the component reads its settings for each request and cannot try them each time.
    let faults = trial::faults(&settings.destinations);
    let faults: Vec<_> = faults.iter().map(|fault| format!("{} {}", fault.place, fault.reason)).collect();
    ensure!(faults.is_empty(), "the setting destinations {}", faults.join("; "));
    ensure!(settings.bucket == Bucket::default(), "the setting bucket: this host has one store, default");
    let tls = match (&arguments.tls_cert, &arguments.tls_key) {
        (Some(certificate), Some(key)) => Some(Tls::read(certificate, key)?),
        _ => None,
    };
    let authorities = Authorities::read(&arguments.ca_certificate)?;
    let outgoing = OutgoingOptions { authorities, proxies: ProxyRules::of_environment() };
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
    let limits = Limits { swap, ..Limits::default() };
    let guest = Guest::with_outgoing(&component, store, variables, limits, outgoing)
        .map_err(anyhow::Error::from)
        .with_context(|| format!("{} cannot be served", arguments.component.display()))?;
    guest.instantiate().await.with_context(|| format!("{} cannot be started", arguments.component.display()))?;
    let listener = TcpListener::bind(&arguments.listen).await.with_context(|| {
        format!("{} cannot be listened on; --listen takes an address or a name, and a port", arguments.listen)
    })?;
    if let Some(address) = &arguments.metrics {
        options.metrics = Some(serve_metrics(address, &guest).await?);
    }
    let stop = signals::stop()?;
    #[cfg(unix)]
    tokio::spawn(signals::renew_on_hangup(hangups, options.tls.clone()));
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
