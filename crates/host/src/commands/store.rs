//! `outbound-events-host store …`: works on a store file, also while a host uses it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use chrono::{TimeDelta, Utc};
use clap::Subcommand;
use indicatif::DecimalBytes;
use outbound_events::archive::check::{self, Checked};
use outbound_events::archive::compaction::{self, Bound, Policy};
use outbound_events::archive::{Listing, removal};
use outbound_events::event::Timestamp;
use outbound_events::forward::backlogs::Backlogs;
use outbound_events::forward::destination::Destination;
use outbound_events::identity::DestinationName;
use outbound_events::keys::Forwards;
use outbound_events::platform::Platform as _;
use outbound_events_host::backup::backup;
use outbound_events_host::port::{NativePlatform, NativeStore};
use outbound_events_host::snapshot::Snapshot;
use outbound_events_host::store::KeyValueStore;
use tokio::runtime::{Builder, Runtime};

use crate::commands::progress::CommandProgress;

#[derive(Subcommand)]
pub enum StoreCommand {
    /// Creates an empty store file in WAL mode, which makes Spin's own store several times faster.
    Init {
        /// The file to create.
        path: PathBuf,
    },
    /// Packs loose events, merges small packs and deletes erased events. Works while a host uses the file.
    ///
    /// The newest events stay loose. Events are deleted only after their pack was written and read back, so the command
    /// can be stopped at any time. Run it again to continue.
    Pack {
        /// The store file.
        path: PathBuf,
        /// The number of events that stay loose: the host's setting `loose_events`.
        #[arg(long, default_value_t = Policy::default().loose_events)]
        loose_events: usize,
        /// A file with the host's setting `destinations`: events pending for them stay loose. Without it, every event
        /// without a receipt of a destination known to the store stays loose.
        #[arg(long, value_name = "FILE")]
        destinations: Option<PathBuf>,
    },
    /// Removes events older than an age, and bodies set aside that were first seen before. Works while a host uses the
    /// file.
    ///
    /// An event's age counts from its own time. The command removes what it finds now, not what arrives later. Removed
    /// events disappear from all reads at once, and their data is deleted after that; if the command is stopped,
    /// compaction deletes the rest. Events recorded later than this machine's clock are skipped and counted.
    Prune {
        /// The store file.
        path: PathBuf,
        /// The age, such as `365d`, `18months` or `2y`.
        #[arg(long, value_parser = age)]
        older_than: Duration,
    },
    /// Checks every record, pack and index against its key and lists the faults. Changes nothing.
    ///
    /// Exit code 0 without faults, 1 with faults.
    Check {
        /// The store file.
        path: PathBuf,
    },
    /// Copies a store file. Works while a host uses it: the copy has every event that was answered 200 before.
    ///
    /// The copy gets its name after it was checked and synced to disk. Until then it is NEW.….unfinished, which you can
    /// delete if the command was stopped. To restore a copy, stop the host, move the store file and the files beside it
    /// (….db-wal, ….db-shm) away, and rename the copy.
    Backup {
        /// The file to copy.
        path: PathBuf,
        /// The file to create.
        new: PathBuf,
    },
}

impl StoreCommand {
    pub fn run(self) -> Result<ExitCode> {
        match self {
            Self::Init { path } => init(&path)?,
            Self::Pack { path, loose_events, destinations } => pack(&path, loose_events, destinations.as_deref())?,
            Self::Prune { path, older_than } => prune(&path, older_than)?,
            Self::Check { path } => return check(&path),
            Self::Backup { path, new } => copy(&path, &new)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn init(path: &Path) -> Result<()> {
    if path.exists() {
        bail!("{} exists and was not changed", path.display());
    }
    KeyValueStore::sqlite(path)?;
    println!("{} is an empty store in WAL mode", path.display());
    Ok(())
}

/// The time after which one compaction or removal step of a command ends and the next begins.
const BOUND: Bound = Bound { time: Duration::from_secs(20), ..Bound::WIDE };

/// Opens the store in an existing file. A file that is not a store is not changed.
fn open(path: &Path) -> Result<NativePlatform<NativeStore>> {
    must_be_there(path)?;
    drop(Snapshot::open(path)?);
    Ok(NativePlatform::new(NativeStore(KeyValueStore::sqlite(path)?)))
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// The destinations for which events can be pending: those of the setting, or else those known to the store, for which
/// every event without a receipt counts as pending.
fn destinations(store: &NativeStore, setting: Option<&Path>) -> Result<Vec<Destination>> {
    if let Some(file) = setting {
        let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        return Destination::read_all(&text).map_err(|faults| {
            let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{}: {}", file.display(), faults.join("; "))
        });
    }
    let forwards = runtime()?.block_on(Listing::load(store))?.forwards;
    let paused =
        |name: &DestinationName| forwards.iter().any(|key| key.destination == *name && key.what == Forwards::Paused);
    let names: BTreeSet<_> = forwards.iter().map(|key| key.destination.clone()).filter(|name| !paused(name)).collect();
    Ok(names.into_iter().map(Destination::unknown).collect())
}

fn pack(path: &Path, loose_events: usize, setting: Option<&Path>) -> Result<()> {
    let platform = open(path)?;
    let destinations = destinations(platform.store(), setting)?;
    let names: Vec<_> = destinations.iter().map(|destination| destination.name.to_string()).collect();
    let policy = Policy::packs(loose_events);
    // Only the component deletes keys of former destinations, since it knows the setting.
    let mut pending = Backlogs::without_setting(&destinations);
    let progress = CommandProgress::new(&format!("packing {}", path.display()), "events");
    let (mut packed, mut merged, mut dropped, mut to_do) = (0, 0, 0, None);
    let unreadable = loop {
        let report = runtime()?.block_on(compaction::compact(&platform, &policy, &mut pending, &BOUND))?;
        packed += report.packed;
        merged += report.merged;
        dropped += report.dropped;
        let to_do = *to_do.get_or_insert(report.loose.saturating_sub(loose_events));
        progress.show(packed as u64, to_do.max(packed) as u64);
        if !report.remaining {
            break report.unreadable;
        }
    };
    drop(progress);
    let listing = runtime()?.block_on(Listing::load(platform.store()))?;
    println!("packed {packed} events, merged {merged} packs, deleted {dropped} removed events");
    println!("{} keys: {} packs, {} loose events", listing.keys, listing.packs.len(), listing.loose.len());
    if listing.loose.len() > loose_events && !names.is_empty() {
        println!("events possibly pending for {} stay loose; --destinations FILE narrows them down", names.join(", "));
    }
    for value in &unreadable {
        println!("not packed: {}: {}", value.key, value.reason);
    }
    Ok(())
}

fn age(text: &str) -> Result<Duration> {
    let age = humantime::parse_duration(text)?;
    ensure!(!age.is_zero(), "the age is zero; give one such as 365d");
    Ok(age)
}

fn prune(path: &Path, older_than: Duration) -> Result<()> {
    let now = Utc::now();
    let before = TimeDelta::from_std(older_than).ok().and_then(|age| now.checked_sub_signed(age));
    let before = before.and_then(|time| u64::try_from(time.timestamp()).ok()).and_then(Timestamp::from_seconds);
    let before = before.context("the age reaches back before 1970, and no event is older; give a lower one")?;
    let platform = open(path)?;
    let progress = CommandProgress::new(&format!("removing older events from {}", path.display()), "events");
    let (mut removed, mut set_aside) = (0, 0);
    let skipped = loop {
        let part = runtime()?.block_on(removal::remove_before(&platform, before, &BOUND))?;
        removed += part.events as u64;
        set_aside += part.set_aside;
        progress.show(removed, removed);
        if !part.remaining {
            break part.skipped;
        }
        // Without this, a step without progress would be repeated forever.
        ensure!(
            part.events + part.set_aside > 0,
            "removed {removed} events, and the others could not be removed; run `store check` to find the cause"
        );
    };
    drop(progress);
    println!("removed {removed} events before {}", before.rfc3339());
    if set_aside > 0 {
        println!("removed {set_aside} bodies set aside before that time");
    }
    if skipped > 0 {
        println!("skipped {skipped} events recorded later than this machine's clock; set the clock and try again");
    }
    Ok(())
}

fn check(path: &Path) -> Result<ExitCode> {
    must_be_there(path)?;
    let snapshot = Snapshot::open(path)?;
    snapshot.check_pages()?;
    let progress = CommandProgress::new(&format!("checking {}", path.display()), "keys");
    let checked =
        runtime()?.block_on(check::check_store(&snapshot, |done, all| progress.show(done as u64, all as u64)))?;
    drop(progress);
    for fault in &checked.faults {
        println!("{}: {}", fault.key, fault.reason);
    }
    let Checked { loose, packs, packed, indexes, faults } = &checked;
    println!(
        "checked {loose} loose records, {packed} records in {packs} packs, {indexes} indexes: {} faults",
        faults.len()
    );
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn copy(path: &Path, new: &Path) -> Result<()> {
    must_be_there(path)?;
    let progress = CommandProgress::new(&format!("copying {}", path.display()), "pages");
    backup(path, new, |done, total| progress.show(done, total))?;
    drop(progress);
    let size = DecimalBytes(std::fs::metadata(new)?.len());
    println!("{} is a copy of {}: {size}, checked and synced to disk", new.display(), path.display());
    Ok(())
}

fn must_be_there(path: &Path) -> Result<()> {
    ensure!(
        path.exists(),
        "there is no file {}; `cargo xtask run` keeps its store in .spin/sqlite_key_value.db",
        path.display()
    );
    Ok(())
}
