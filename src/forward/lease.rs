//! The lease of a delivery run. It keeps two runs from sending the same events at once. Where it fails, events are
//! sent twice, and none is lost.
//!
//! No platform can compare and set. So a run writes its lease with a random owner, waits a moment, and reads whether
//! the lease is still its own. It checks this again before each renewal. Invariants:
//!
//! 1. Two runs never have the same owner, even if they begin at the same moment.
//! 2. A run never overwrites a live lease of another run, and never gives it back, even if the run breaks off.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::commands;
use super::state::{DestinationState, Lease};
use crate::archive::Listing;
use crate::clock_faults::{self, ClockFault, ClockFaultKind};
use crate::deadline::Deadline;
use crate::http_client::HttpClient as _;
use crate::identity::DestinationName;
use crate::keys::Forwards;
use crate::platform::Platform;
use crate::store::{Store, StoreError};

/// A lease holds for this long after its last renewal; after a crash, no run begins before that.
const LEASE: Duration = Duration::from_secs(5);

pub(super) const RENEWAL: Duration = Duration::from_secs(1);

/// The time between writing a lease and checking that no other run overwrote it.
const SETTLE: Duration = Duration::from_millis(40);

/// The result of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    NotDue,
    Renewed,
    /// Another run has the lease: send nothing more.
    Lost,
}

/// The lease of this run, and the state of the destination. Only the run that has the lease writes the state.
#[derive(Debug)]
pub(super) struct HeldLease {
    pub(super) state: DestinationState,
    owner: u64,
    /// The last renewal, by the monotonic clock.
    renewed: Duration,
}

impl HeldLease {
    /// Takes the lease, unless another run has it or the destination waits or is paused. Log lines go to `log`.
    pub(super) async fn take<P: Platform>(
        platform: &P,
        name: &DestinationName,
        log: &mut Vec<String>,
    ) -> Result<Option<Self>, StoreError> {
        let store = platform.store();
        let state = DestinationState::load(store, name).await?;
        let now = platform.now();
        if state.has_live_lease(now) || state.rests(now) || commands::paused(store, name).await?.is_some() {
            return Ok(None);
        }
        let deadlines = [state.rest, state.lease.map(|lease| lease.held)];
        if deadlines.into_iter().flatten().any(|deadline| deadline.is_ahead(now)) {
            let fault = ClockFault::of_recipient(ClockFaultKind::DeadlineAhead);
            log.extend(clock_faults::report(store, now, vec![fault]).await?);
        }
        let mut held = Self { state, owner: platform.random(), renewed: platform.monotonic() };
        held.write(platform, name).await?;
        // Another run that read the state at the same time writes its own lease meanwhile.
        platform.http_client().wait(SETTLE).await;
        Ok(held.is_own(store, name).await?.then_some(held))
    }

    /// Whether the lease is still this run's. Another run can take it if this one is too slow to renew it.
    async fn is_own(&self, store: &impl Store, name: &DestinationName) -> Result<bool, StoreError> {
        let stored = DestinationState::load(store, name).await?;
        Ok(stored.lease.is_some_and(|lease| lease.owner == self.owner))
    }

    async fn write<P: Platform>(&mut self, platform: &P, name: &DestinationName) -> Result<(), StoreError> {
        self.renewed = platform.monotonic();
        self.state.lease = Some(Lease { owner: self.owner, held: Deadline::new(platform.now(), LEASE) });
        self.state.save(platform.store(), name).await
    }

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

    /// Gives the lease back and stores the state, if the lease is still this run's. Returns whether it was.
    pub(super) async fn give_back(&mut self, store: &impl Store, name: &DestinationName) -> Result<bool, StoreError> {
        let is_own = self.is_own(store, name).await?;
        if is_own {
            self.state.lease = None;
            self.state.save(store, name).await?;
        }
        Ok(is_own)
    }
}

/// The destinations whose lease is live, with their states.
pub async fn live_leases(
    store: &impl Store,
    now: DateTime<Utc>,
) -> Result<Vec<(DestinationName, DestinationState)>, StoreError> {
    let mut live = Vec::new();
    for known in Listing::load(store).await?.forwards {
        if known.what == Forwards::State {
            let state = DestinationState::load(store, &known.destination).await?;
            if state.has_live_lease(now) {
                live.push((known.destination, state));
            }
        }
    }
    Ok(live)
}

/// Gives back the leases that have not been renewed since they were read, so that the next start need not wait until
/// they expire. For a host that has ended its runs: a live run renews its lease each second.
pub async fn give_back_leases(
    store: &impl Store,
    leases: Vec<(DestinationName, DestinationState)>,
) -> Result<(), StoreError> {
    for (destination, state) in leases {
        if DestinationState::load(store, &destination).await? == state {
            DestinationState { lease: None, ..state }.save(store, &destination).await?;
        }
    }
    Ok(())
}
