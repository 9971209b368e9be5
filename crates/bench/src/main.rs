//! `bench`: the benchmark, and one of its contenders. `cargo xtask bench` builds everything that it needs, and runs it.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use bench::contender::RECIPIENT;
use bench::report::record;
use bench::run::{BenchExtent, measure};
use bench::{cost, filled, native};
use clap::{Args, Parser, Subcommand};

/// Measures the recipient. Run it with `cargo xtask bench`, which builds everything that it needs.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures everything and prints tables in Markdown.
    Run(RunArguments),
    /// Creates a store with many loose events in a new file.
    Fill {
        /// The file to create.
        #[arg(long)]
        store: PathBuf,
        /// The number of events: seven per session, one per second.
        #[arg(long, default_value_t = 800_000)]
        events: u64,
        /// Stores the events in packs, as after compaction.
        #[arg(long)]
        packed: bool,
    },
    /// Processes events in a component on a store in memory, for `perf record`.
    Take {
        /// The component, from the project's top folder.
        #[arg(long)]
        component: String,
        /// The number of events.
        #[arg(long, default_value_t = 100_000)]
        events: u64,
    },
    /// Prints the cost of an event in a component: instructions of each of the guide's seven, and microseconds of each
    /// step.
    Cost {
        /// The component, from the project's top folder.
        #[arg(long, default_value = RECIPIENT)]
        component: String,
    },
    /// Counts what an event demands in a component: pages of memory, calls to the host by name, bytes that pass.
    Demand {
        /// The component, from the project's top folder.
        #[arg(long, default_value = RECIPIENT)]
        component: String,
    },
    /// Serves the library without wasm: one of the contenders.
    Native {
        /// The store's file.
        #[arg(long)]
        store: PathBuf,
    },
}

#[derive(Args)]
struct RunArguments {
    /// Measures less.
    #[arg(long)]
    quick: bool,
    /// A page whose tables are replaced.
    #[arg(long)]
    record: Option<PathBuf>,
}

/// Sends from one thread, like an appliance, so that the recipients get the other processors.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(arguments) => run(arguments).await,
        Command::Fill { store, events, packed: true } => filled::packed(&store, events, |_| ()).await,
        Command::Fill { store, events, packed: false } => filled::fill(&store, events, |_| ()),
        Command::Take { component, events } => cost::process_events(&component, events).await,
        Command::Cost { component } => costs(&component).await,
        Command::Demand { component } => demands(&component).await,
        Command::Native { store } => {
            tracing_subscriber::fmt().with_target(false).with_writer(std::io::stderr).with_ansi(false).init();
            native::serve(&store).await
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn costs(component: &str) -> Result<()> {
    for cost in cost::event_costs(component).await? {
        println!("{:>8} instructions: {}", cost.used.map_or(0, |used| used.fuel), cost.event);
    }
    for (step, microseconds) in cost::step_times(component, 2_000).await? {
        println!("{microseconds:>8.1} µs: {step}");
    }
    Ok(())
}

#[cfg(target_os = "linux")]
async fn demands(component: &str) -> Result<()> {
    for demand in bench::demand::event_demands(component).await? {
        let bench::demand::EventDemand { event, pages, calls, moved_bytes } = demand;
        let called = calls.values().sum::<u64>();
        println!("{event}: {} pages touched, {} of them written", pages.touched, pages.written.len());
        println!("    written, by number: {:?}", pages.written);
        println!("    {moved_bytes} bytes moved, {called} calls:");
        calls.iter().for_each(|(name, times)| println!("    {times:>4} {name}"));
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
async fn demands(_: &str) -> Result<()> {
    anyhow::bail!("pages of memory are counted on Linux only")
}

async fn run(arguments: RunArguments) -> Result<()> {
    let extent = if arguments.quick { BenchExtent::QUICK } else { BenchExtent::FULL };
    let started = Instant::now();
    let figures = measure(&extent).await?;
    let tables = figures.markdown(&described(&arguments, &extent, started.elapsed()));
    println!("{tables}");
    arguments.record.map_or(Ok(()), |page| record(&page, &tables))
}

/// A sentence about the run and the machine.
fn described(arguments: &RunArguments, extent: &BenchExtent, took: Duration) -> String {
    let memory = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let kib = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix(" kB")?;
        Some(format!(", {} GiB of memory", kib.trim().parse::<u64>().ok()?.div_ceil(1 << 20)))
    });
    format!(
        "`cargo xtask bench{}` of {}: {} rounds of {} s per contender, {} s in total,\non {} {} with {} processors{}; the sender shares them.",
        if arguments.quick { " --quick" } else { "" },
        chrono::Utc::now().format("%Y-%m-%d"),
        extent.turns.rounds,
        extent.turns.time.as_secs_f64(),
        took.as_secs(),
        std::env::consts::OS,
        std::env::consts::ARCH,
        std::thread::available_parallelism().map_or(0, usize::from),
        memory.unwrap_or_default()
    )
}
