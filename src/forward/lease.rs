//! The lease of a delivery run: two runs to one destination at once send events twice. It loses nothing where it fails.
//!
//! No platform can compare and set. So a run writes its lease with a random owner, waits a moment, and looks whether the lease is still its
//! own. While it sends it renews the lease, and looks first. What may never happen:
//!
//! 1. Two runs have one owner, however exactly they begin together.
//! 2. A lease that is known to be alive is overwritten, or given back by a run that does not have it, also where a run breaks off.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::commands;
use super::state::{DestinationState, Lease};
use crate::archive::Listing;
use crate::clock_faults::{self, ClockFault, Kind};
use crate::deadline::Deadline;
use crate::http_client::HttpClient as _;
use crate::identity::DestinationName;
use crate::keys::Forwards;
use crate::platform::Platform;
use crate::store::{Store, StoreError};

/// For how long no other run begins, unless the lease is renewed: for so long a run is missed that died.
const LEASE: Duration = Duration::from_secs(5);

/// How often a run renews its lease.
pub(super) const RENEWAL: Duration = Duration::from_secs(1);

/// How long a run that wrote its lease waits before it looks whether the lease is its own.
const SETTLE: Duration = Duration::from_millis(40);

/// What became of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    NotDue,
    Renewed,
    /// Another run has the lease: nothing may be sent.
    Lost,
}

/// The lease of this run, and the state of the destination, which this run writes.
#[derive(Debug)]
pub(super) struct HeldLease {
    pub(super) state: DestinationState,
    owner: u64,
    /// When it was written last, by the monotonic clock.
    renewed: Duration,
}

impl HeldLease {
    /// Takes the lease, unless another run has it, the destination rests or is paused. Lines for the log go to `log`.
    pub(super) async fn take<P: Platform>(
        platform: &P,
        name: &DestinationName,
        log: &mut Vec<String>,
    ) -> Result<Option<Self>, StoreError> {
        let store = platform.store();
        let state = DestinationState::read(store, name).await?;
        let now = platform.now();
        if state.has_live_lease(now) || state.rests(now) || commands::paused(store, name).await?.is_some() {
            return Ok(None);
        }
        let deadlines = [state.rest, state.lease.map(|lease| lease.held)];
        if deadlines.into_iter().flatten().any(|deadline| deadline.is_ahead(now)) {
            let fault = ClockFault::of_recipient(Kind::DeadlineAhead);
            log.extend(clock_faults::report(store, now, vec![fault]).await?);
        }
        let mut held = Self { state, owner: platform.random(), renewed: platform.monotonic() };
        held.write(platform, name).await?;
        // Another run that read the state when this one did writes its own lease meanwhile.
        platform.http_client().wait(SETTLE).await;
        Ok(held.is_own(store, name).await?.then_some(held))
    }

    /// Whether the lease is still this run's: another run takes it from one that is slow, and an administrator from one that waits.
    async fn is_own(&self, store: &impl Store, name: &DestinationName) -> Result<bool, StoreError> {
        let stored = DestinationState::read(store, name).await?;
        Ok(stored.lease.is_some_and(|lease| lease.owner == self.owner))
    }

    async fn write<P: Platform>(&mut self, platform: &P, name: &DestinationName) -> Result<(), StoreError> {
        self.renewed = platform.monotonic();
        self.state.lease = Some(Lease { owner: self.owner, held: Deadline::new(platform.now(), LEASE) });
        self.state.write(platform.store(), name).await
    }

    /// Renews the lease if that is due.
    pub(super) async fn renew_if_due<P: Platform>(
        &mut self,
        platform: &P,
        name: &DestinationName,
    ) -> Result<Renewal, StoreError> {
        if platform.elapsed(self.renewed) < RENEWAL {
            return Ok(Renewal::NotDue);
        }
        if !self.is_own(platform.store(), name).await? {
            return Ok(Renewal::Lost);
        }
        self.write(platform, name).await?;
        Ok(Renewal::Renewed)
    }

    /// Gives the lease back and stores the state, if the lease is still this run's.
    pub(super) async fn give_back(&mut self, store: &impl Store, name: &DestinationName) -> Result<bool, StoreError> {
        let is_own = self.is_own(store, name).await?;
        if is_own {
            self.state.lease = None;
            self.state.write(store, name).await?;
        }
        Ok(is_own)
    }
}

/// The destinations with a lease that is alive, and their states.
pub async fn live(
    store: &impl Store,
    now: DateTime<Utc>,
) -> Result<Vec<(DestinationName, DestinationState)>, StoreError> {
    let mut live = Vec::new();
    for known in Listing::load(store).await?.forwards {
        if known.what == Forwards::State {
            let state = DestinationState::read(store, &known.destination).await?;
            if state.has_live_lease(now) {
                live.push((known.destination, state));
            }
        }
    }
    Ok(live)
}

/// Gives back those leases whose runs have not renewed them since, so that the next start need not wait until they expire. For a host
/// that has ended its runs: a run renews its lease each second.
pub async fn give_back(store: &impl Store, leases: Vec<(DestinationName, DestinationState)>) -> Result<(), StoreError> {
    for (destination, state) in leases {
        if DestinationState::read(store, &destination).await? == state {
            DestinationState { lease: None, ..state }.write(store, &destination).await?;
        }
    }
    Ok(())
}
