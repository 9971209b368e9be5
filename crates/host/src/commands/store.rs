//! `outbound-events-host store …`: what can be done to a store's file, whether or not a host runs on it.

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

use crate::commands::progress::Progress;

/// What to do to a store's file.
#[derive(Subcommand)]
pub enum StoreCommand {
    /// Makes an empty store file in WAL mode, in which Spin's own store is several times faster.
    Init {
        /// The file to make.
        path: PathBuf,
    },
    /// Puts loose events into packs, merges small packs, and clears what was erased; also while a host runs on the file.
    ///
    /// The newest events stay loose. Nothing is deleted before a pack that holds it was written and read back: it may be stopped at
    /// any time, and goes on where it was.
    Pack {
        /// The store's file.
        path: PathBuf,
        /// How many events stay loose: the host's setting `loose_events`.
        #[arg(long, default_value_t = Policy::default().loose_events)]
        loose_events: usize,
        /// A file with the host's setting `destinations`: what is pending for them stays loose. Without it, all that may be pending for a
        /// destination that the store knows of does.
        #[arg(long, value_name = "FILE")]
        destinations: Option<PathBuf>,
    },
    /// Removes the events that are older than so long, by their own times, and what was set aside and first seen before; also while a
    /// host runs on the file.
    ///
    /// Removed is what is found now, not what arrives later. It disappears from all reads at once, then its bytes are deleted; if the
    /// command is stopped, the next pass deletes the rest. Events that were recorded later than this machine's clock reads are left, and
    /// their number is told.
    Prune {
        /// The store's file.
        path: PathBuf,
        /// How old, such as `365d`, `18months` or `2y`.
        #[arg(long, value_parser = age)]
        older_than: Duration,
    },
    /// Looks at every record, pack and index, and names each that is not what its key says. Changes nothing.
    ///
    /// Exit code 0 if all is well, 1 if something is not.
    Check {
        /// The store's file.
        path: PathBuf,
    },
    /// Copies a store file, also while a host runs on it: the copy holds all that was answered 200 before.
    ///
    /// The copy is checked, and stands under its name only when it is whole and on disk. Until then it is NEW.….unfinished,
    /// which may be deleted if this was stopped. To put a copy in place of a store, stop the host, take away the store's file
    /// and what stands beside it (….db-wal, ….db-shm), and give the copy its name.
    Backup {
        /// The file to copy.
        path: PathBuf,
        /// The file to make.
        new: PathBuf,
    },
}

impl StoreCommand {
    /// Does it, and says how it ended.
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
        bail!("{} is there already; it was not touched", path.display());
    }
    KeyValueStore::sqlite(path)?;
    println!("{} is an empty store in WAL mode", path.display());
    Ok(())
}

/// A pass of a command begins nothing new after so long; another one follows.
const BOUND: Bound = Bound { time: Duration::from_secs(20), ..Bound::WIDE };

/// A store in a file that is there. One that is no store is left as it is.
fn open(path: &Path) -> Result<NativePlatform<NativeStore>> {
    must_be_there(path)?;
    drop(Snapshot::open(path)?);
    Ok(NativePlatform::new(NativeStore(KeyValueStore::sqlite(path)?)))
}

/// What the store's thread is waited for with.
fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// The destinations that events may be pending for: those of a setting; or else those that the store knows of, which may want all that
/// they have no receipt for.
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
    // What is kept of a destination is for the component to delete, which knows the setting.
    let mut pending = Backlogs::without_setting(&destinations);
    let progress = Progress::new(&format!("packing {}", path.display()), "events");
    let (mut packed, mut merged, mut dropped, mut to_do) = (0, 0, 0, None);
    let unreadable = loop {
        let report = runtime()?.block_on(compaction::compact(&platform, &policy, &mut pending, &BOUND))?;
        packed += report.packed;
        merged += report.merged;
        dropped += report.dropped;
        let to_do = *to_do.get_or_insert(report.loose.saturating_sub(loose_events));
        progress.at(packed as u64, to_do.max(packed) as u64);
        if !report.remaining {
            break report.unreadable;
        }
    };
    drop(progress);
    let listing = runtime()?.block_on(Listing::load(platform.store()))?;
    println!("packed {packed} events, merged {merged} packs, cleared {dropped} events that were removed");
    println!("{} keys: {} packs, {} loose events", listing.keys, listing.packs.len(), listing.loose.len());
    if listing.loose.len() > loose_events && !names.is_empty() {
        println!("what may be pending for {} stays loose; --destinations FILE says what they want", names.join(", "));
    }
    for one in &unreadable {
        println!("left where it is: {}: {}", one.key, one.reason);
    }
    Ok(())
}

fn age(text: &str) -> Result<Duration> {
    let age = humantime::parse_duration(text)?;
    ensure!(!age.is_zero(), "nothing is older than no time at all; say how old, such as 365d");
    Ok(age)
}

fn prune(path: &Path, older_than: Duration) -> Result<()> {
    let now = Utc::now();
    let before = TimeDelta::from_std(older_than).ok().and_then(|age| now.checked_sub_signed(age));
    let before = before.and_then(|time| u64::try_from(time.timestamp()).ok()).and_then(Timestamp::from_seconds);
    let before = before.context("no event is as old as that: times begin in 1970")?;
    let platform = open(path)?;
    let progress = Progress::new(&format!("removing from {} what is older", path.display()), "events");
    let (mut removed, mut set_aside) = (0, 0);
    let skipped = loop {
        let part = runtime()?.block_on(removal::remove_before(&platform, before, &BOUND))?;
        removed += part.events as u64;
        set_aside += part.set_aside;
        progress.at(removed, removed);
        if !part.remaining {
            break part.skipped;
        }
        // A call that comes no further would be followed by another for ever.
        ensure!(
            part.events + part.set_aside > 0,
            "removed {removed} events, and there are more that could not be reached"
        );
    };
    drop(progress);
    println!("removed {removed} events before {}", before.rfc3339());
    if set_aside > 0 {
        println!("removed {set_aside} bodies that were set aside before");
    }
    if skipped > 0 {
        println!(
            "left {skipped} events that were recorded later than this machine's clock reads; set the clock, and try again"
        );
    }
    Ok(())
}

fn check(path: &Path) -> Result<ExitCode> {
    must_be_there(path)?;
    let snapshot = Snapshot::open(path)?;
    snapshot.check_pages()?;
    let progress = Progress::new(&format!("checking {}", path.display()), "keys");
    let checked =
        runtime()?.block_on(check::check_store(&snapshot, |done, all| progress.at(done as u64, all as u64)))?;
    drop(progress);
    for fault in &checked.faults {
        println!("{}: {}", fault.key, fault.reason);
    }
    let Checked { loose, packs, packed, indexes, faults } = &checked;
    println!(
        "looked at {loose} loose records, {packed} records in {packs} packs, {indexes} indexes: {} faults",
        faults.len()
    );
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn copy(path: &Path, new: &Path) -> Result<()> {
    must_be_there(path)?;
    let progress = Progress::new(&format!("copying {}", path.display()), "pages");
    backup(path, new, |done, total| progress.at(done, total))?;
    drop(progress);
    let size = DecimalBytes(std::fs::metadata(new)?.len());
    println!("{} is a copy of {}: {size}, checked, on disk", new.display(), path.display());
    Ok(())
}

fn must_be_there(path: &Path) -> Result<()> {
    ensure!(
        path.exists(),
        "there is no file {}, and none was made; `cargo xtask run` keeps its store in .spin/sqlite_key_value.db",
        path.display()
    );
    Ok(())
}
