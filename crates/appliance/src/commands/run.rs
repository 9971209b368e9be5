//! `appliance run`: runs an appliance with the settings of a file until it is stopped.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use appliance::run;

use super::stop::stop_requested;

pub async fn run_appliance(config: &Path) -> Result<bool> {
    let appliance = Arc::new(run::open(config)?);
    tokio::select! {
        result = Arc::clone(&appliance).run() => result?,
        () = stop_requested() => {}
    }
    appliance.close_board();
    let (queued, kept) = appliance.remaining()?;
    eprintln!("stopped; {queued} queued for the next start");
    if kept > 0 {
        eprintln!("{kept} more are kept for recipients that are disabled or removed");
    }
    Ok(true)
}
