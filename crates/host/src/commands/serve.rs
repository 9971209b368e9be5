//! `outbound-events-host serve`: serves the component over HTTP, with a durable store.

use std::net::SocketAddr;
use std::num::NonZeroU32;
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
use crate::commands::variables::{self, SettingFiles};

#[derive(Args)]
pub struct ServeCommand {
    /// The address or name to listen on, and the port. Port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:3000", value_name = "ADDRESS:PORT")]
    listen: String,
    /// The component. Default: the file beside this program, or the output of `cargo xtask build`.
    #[arg(long, default_value_os_t = component())]
    component: PathBuf,
    /// The store file, created if it does not exist; `memory` keeps events only until the process ends.
    #[arg(long, default_value = ".spin/sqlite_key_value.db")]
    store: PathBuf,
    /// Allows another host to serve from the same store file. Both see all events; each applies its own limits.
    #[arg(long)]
    shared: bool,
    /// A setting, such as `ingest_open=true`. Overrides the environment variable `SPIN_VARIABLE_INGEST_OPEN`, which
    /// overrides `--env-file`. Can be given several times. Other users of this machine can see it: keep tokens in
    /// `--env-file`.
    #[arg(long = "variable", value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// A file with lines such as `SPIN_VARIABLE_INGEST_TOKENS=…`, which keeps secrets out of the command line. Write
    /// values without quotes and backslashes.
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// A file with the setting `destinations`, a JSON array. Overrides the environment and `--env-file`.
    #[arg(long, value_name = "FILE")]
    destinations: Option<PathBuf>,

    /// A file with the setting `appliances`, a JSON array. Overrides the environment and `--env-file`.
    #[arg(long, value_name = "FILE")]
    appliances: Option<PathBuf>,
    /// A reverse proxy, or a network of proxies, such as 127.0.0.1 or 10.0.0.0/8, whose X-Forwarded-For header is
    /// trusted. Separate several with commas.
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', value_parser = client::parse_network)]
    trust_forwarded: Vec<IpNet>,
    /// Serves https with the certificate in this PEM file: the server's own first, then its chain. The host reloads
    /// both files when they change and on SIGHUP.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate: PEM, in PKCS#8, PKCS#1 or SEC1.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// A PEM file of certificate authorities to trust for destinations and appliances, in addition to this machine's. Can be given
    /// several times. Read once, at the start.
    #[arg(long, value_name = "FILE")]
    ca_certificate: Vec<PathBuf>,
    #[command(flatten)]
    limits: ClientLimits,
    /// Lets an instance of the component serve this many events, one after the other. With more than 1, events cost
    /// less, and SECURITY.md describes what is given up. Instances of readers and ticks always serve one request.
    #[arg(long, value_name = "NUMBER", default_value_t = NonZeroU32::MIN)]
    reuse_instances: NonZeroU32,
    /// Assumes that memory can be swapped out, which makes clearing instance memory slower. Set it if swap will be
    /// added while the host runs. Without it, the host checks at its start.
    #[arg(long)]
    assume_swap: bool,
    /// Serves Prometheus metrics at `/metrics` on a separate listener, such as 127.0.0.1:9464, without authentication.
    /// Bind it to loopback or a private network. Default: no metrics.
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<String>,
    /// Writes log lines as JSON.
    #[arg(long)]
    log_json: bool,
}

/// The component beside the program, as the archive has it, or the output of a build. Links to the program are
/// followed.
fn component() -> PathBuf {
    let beside = std::env::current_exe().map(|program| program.with_file_name("outbound-events.component.wasm"));
    match beside {
        Ok(path) if path.is_file() => path,
        _ => PathBuf::from("target/outbound-events.component.wasm"),
    }
}

impl ServeCommand {
    /// Serves until a signal stops the host.
    pub fn run(self) -> Result<()> {
        // Dropped last, since everything below can log.
        let _log = log_queue::start(self.log_json);
        let runtime = tokio::runtime::Runtime::new()?;
        let served = runtime.block_on(serve_until_stopped(self));
        // Work that was not finished in time is not waited for much longer.
        runtime.shutdown_timeout(LAST_WORK);
        served
    }
}

/// How long blocking work can take at the very end, when the store is closed.
const LAST_WORK: Duration = Duration::from_secs(3);

async fn serve_until_stopped(arguments: ServeCommand) -> Result<()> {
    // First of all: without a handler, the signal would end the host.
    #[cfg(unix)]
    let hangups = signals::hangups()?;
    let files =
        SettingFiles { destinations: arguments.destinations.as_deref(), appliances: arguments.appliances.as_deref() };
    let variables = variables::load(arguments.env_file.as_deref(), files, &arguments.variables)?;
    let settings = Settings::from_variables(|name| Ok(variables.get(name).cloned()))?;
    // The component reads its settings for each request, so it cannot afford these checks.
    let faults = trial::faults(&settings.destinations);
    let faults: Vec<_> = faults.iter().map(|fault| format!("{} {}", fault.place, fault.reason)).collect();
    ensure!(faults.is_empty(), "the setting destinations {}", faults.join("; "));
    ensure!(settings.bucket == Bucket::default(), "the setting bucket must be default: this host has no other store");
    let tls = match (&arguments.tls_cert, &arguments.tls_key) {
        (Some(certificate), Some(key)) => Some(Tls::load(certificate, key)?),
        _ => None,
    };
    let authorities = Authorities::load(&arguments.ca_certificate)?;
    let outgoing = OutgoingOptions { authorities, proxies: ProxyRules::from_environment() };
    let mut options = Options { tls, proxies: Proxies::new(arguments.trust_forwarded.clone()), ..Options::default() };
    arguments.limits.set(&mut options, &settings.ingest)?;
    let component = std::fs::read(&arguments.component)
        .with_context(|| format!("{} cannot be read; `cargo xtask build` creates it", arguments.component.display()))?;
    let (store, _lock) = if arguments.store.as_os_str() == "memory" {
        tracing::warn!("the store is in memory: all events are lost when this process ends");
        (KeyValueStore::memory(), None)
    } else {
        // Opened before the lock, so that a fault of the file is reported first.
        let store = KeyValueStore::sqlite(&arguments.store)?;
        let lock = HostLock::take(&arguments.store, arguments.shared)?;
        if let Err(error) = store.keep_reserve() {
            tracing::warn!("the reserve for removal cannot be made on the store's disk: {error}");
        }
        (store, lock)
    };
    let swap = if arguments.assume_swap { Swap::ASSUMED } else { Swap::look() };
    tracing::info!(possible = swap.possible, reason = swap.reason, "swap");
    let limits = Limits { swap, reuse_instances: arguments.reuse_instances, ..Limits::default() };
    let guest = Guest::with_outgoing(&component, store, variables, limits, outgoing)
        .map_err(anyhow::Error::from)
        .with_context(|| format!("{} cannot be served", arguments.component.display()))?;
    guest.instantiate().await.with_context(|| format!("{} cannot be started", arguments.component.display()))?;
    let listener = TcpListener::bind(&arguments.listen).await.with_context(|| {
        format!("cannot listen on {}; --listen takes an address or a name, and a port", arguments.listen)
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
    let address = listener.local_addr()?;
    if settings.ingest == Ingest::Open && !address.ip().to_canonical().is_loopback() {
        tracing::warn!(
            "ingest is open: anyone who can reach {address} can store events without a token; set ingest_tokens, or \
             listen on 127.0.0.1"
        );
    }
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    greet(scheme, address, &settings);
    server::serve(listener, guest, options, stop).await
}

/// Counts from now on, and serves the metrics at `address`.
async fn serve_metrics(address: &str, guest: &Guest) -> Result<Metrics> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address} for metrics; --metrics takes an address or a name, and a port")
    })?;
    let metrics = Metrics::new(guest);
    tracing::info!("metrics are at http://{}/metrics", listener.local_addr()?);
    tokio::spawn(metrics::serve(listener, metrics.clone()));
    Ok(metrics)
}

/// Prints the address and the first steps to standard output. All later output goes to the log.
fn greet(scheme: &str, address: SocketAddr, settings: &Settings) {
    let (taking, token) = match settings.ingest {
        Ingest::Guarded(_) => (", taking events", "?outbound_event_token=YOUR-TOKEN"),
        Ingest::Open => (", taking events from anyone", ""),
        Ingest::Shut => ("; not taking events", ""),
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
    // A supervisor that waits for this text finds the earlier log lines written, such as the address of the metrics.
    log_queue::flush();
    write_or_give_up(std::io::stdout(), lines.join("\n") + "\n\n");
}

const EXAMPLE: &str =
    "event=support_conference_begin&version=1&timestamp=1700000000&lsid=c69a8e10bea9428f816cfababe9815fe";

const SHUT: &str = "\
To take events, set ingest_tokens: SPIN_VARIABLE_INGEST_TOKENS=… in the environment or in --env-file.
`openssl rand -hex 24` makes a token. To take events from anyone, for a trial: --variable ingest_open=true";
