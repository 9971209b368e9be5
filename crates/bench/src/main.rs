//! `bench`: one run of everything, or one contender. `cargo xtask bench` builds what it needs and calls it.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use bench::contender::RECIPIENT;
use bench::report::record;
use bench::run::{Extent, measure};
use bench::{cost, filled, native};
use clap::{Args, Parser, Subcommand};

/// Measures the recipient. `cargo xtask bench` builds what this needs first.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures everything, and prints tables in Markdown.
    Run(Run),
    /// Makes a store of many events in a new file: loose, as they were stored before there were packs.
    Fill {
        /// The file to make.
        #[arg(long)]
        store: PathBuf,
        /// How many events: seven a session, a second apart.
        #[arg(long, default_value_t = 800_000)]
        events: u64,
        /// In packs, as passes leave them in the end.
        #[arg(long)]
        packed: bool,
    },
    /// Has a component take events, one after the other on a store in memory, for `perf record` to look at.
    Take {
        /// The component, from the project's top folder.
        #[arg(long)]
        component: String,
        /// How many events.
        #[arg(long, default_value_t = 100_000)]
        events: u64,
    },
    /// Tells what an event costs a component: instructions of each of the guide's seven, and microseconds.
    Cost {
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
struct Run {
    /// Fewer and shorter turns, a shorter backlog, fewer kills.
    #[arg(long)]
    quick: bool,
    /// A page whose tables are replaced by those of this run.
    #[arg(long)]
    record: Option<PathBuf>,
}

/// Sends from one thread, as an appliance does, and leaves the others to who receives.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(arguments) => run(arguments).await,
        Command::Fill { store, events, packed: true } => filled::packed(&store, events, |_| ()).await,
        Command::Fill { store, events, packed: false } => filled::fill(&store, events, |_| ()),
        Command::Take { component, events } => cost::under_perf(&component, events).await,
        Command::Cost { component } => costs(&component).await,
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
    for cost in cost::of_kinds(component).await? {
        println!("{:>8} instructions: {}", cost.used.map_or(0, |used| used.fuel), cost.event);
    }
    for (step, microseconds) in cost::of_steps(component, 2_000).await? {
        println!("{microseconds:>8.1} µs: {step}");
    }
    Ok(())
}

async fn run(arguments: Run) -> Result<()> {
    let extent = if arguments.quick { Extent::QUICK } else { Extent::FULL };
    let started = Instant::now();
    let figures = measure(&extent).await?;
    let tables = figures.markdown(&described(&arguments, &extent, started.elapsed()));
    println!("{tables}");
    arguments.record.map_or(Ok(()), |page| record(&page, &tables))
}

/// The run in a sentence, its machine in general terms.
fn described(arguments: &Run, extent: &Extent, took: Duration) -> String {
    let memory = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let kib = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix(" kB")?;
        Some(format!(", {} GiB of memory", kib.trim().parse::<u64>().ok()?.div_ceil(1 << 20)))
    });
    format!(
        "`cargo xtask bench{}` of {}: {} rounds of {} s a contender, {} s in all, on {} {} with {} processors{}, which also send.",
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
