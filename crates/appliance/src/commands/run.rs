//! `appliance run`: runs an appliance with the settings of a file until it is stopped.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use appliance::run::{self, RunChaos};
use clap::Args;

use super::api::ApiArguments;
use super::stop::stop_requested;

#[derive(Args)]
pub struct ApplianceArguments {
    /// The settings: crates/appliance/appliance.toml documents them.
    #[arg(long)]
    config: PathBuf,
    #[command(flatten)]
    api: ApiArguments,
}

pub async fn run_appliance(ApplianceArguments { config, api }: ApplianceArguments) -> Result<bool> {
    let stopped = stop_requested();
    let appliance = Arc::new(run::open(&config, RunChaos { drops: api.drops(), clock_skew: api.clock_skew() })?);
    let _served = api.serve(appliance.sessions(), appliance.seed())?;
    tokio::select! {
        result = Arc::clone(&appliance).run() => result?,
        () = stopped => {}
    }
    appliance.close_board();
    if let Some(summary) = appliance.unannounced().summary() {
        eprintln!("{summary}");
    }
    let (queued, kept) = appliance.remaining()?;
    eprintln!("stopped; {queued} queued for the next start");
    if kept > 0 {
        eprintln!("{kept} more are kept for recipients that are disabled or removed");
    }
    Ok(true)
}
