//! Delivery runs: next item, deliver, record. A run sends a destination its pending events, oldest first and one
//! request at a time; then refused events that an administrator retries; then replays.
//!
//! Runs to several destinations go side by side, so a destination that hangs delays no other. A run is bounded, and
//! any process can begin one: it continues where the last one ended, because deliveries are written down. It checks
//! its budget (`budget.rs`) before **every** item, whatever the outcome of the one before.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use futures_util::future::join_all;

use super::budget::{Budget, OutOf};
use super::commands;
use super::destination::{Authentication, DeliveryMode, Destination, Push};
use super::lease::{HeldLease, Renewal};
use super::outcome::DeliveryFailure;
use super::pending::{Pending, Queue, QueueStep};
use super::receipts::{self, Receipt};
use super::refused;
use super::wanted;
use crate::archive::pack::RecordEntry;
use crate::archive::{self, Listing};
use crate::http_client::HttpClient as _;
use crate::identity::Id;
use crate::platform::Platform;
use crate::store::StoreError;

/// The wait before a run lists pending events again: events that arrive together are then written down together.
const GATHER: Duration = Duration::from_millis(100);

/// A run to each destination.
#[derive(Debug)]
pub struct DeliveryRuns<'r, P> {
    /// The store, the HTTP client and the clocks.
    pub platform: &'r P,
    /// The destinations.
    pub destinations: &'r [Destination],
    /// The number of requests that the platform allows in an hour, for all destinations together.
    pub max_requests_per_hour: Option<u32>,
}

impl<P: Platform> DeliveryRuns<'_, P> {
    /// Runs to each destination that has no run, does not wait and is not paused. Returns log lines.
    pub async fn run(&self) -> Vec<String> {
        let sends = |destination: &&Destination| matches!(destination.mode, DeliveryMode::Push(_));
        let senders = u32::try_from(self.destinations.iter().filter(sends).count()).unwrap_or(u32::MAX);
        // Equal shares: destinations need not count together.
        let share = self.max_requests_per_hour.map_or(u32::MAX, |most| most / senders.max(1));
        let runs = self.destinations.iter().filter_map(|destination| match &destination.mode {
            DeliveryMode::Push(push) => Some(self.run_one(destination, push, share.max(least_requests(push)))),
            DeliveryMode::Pull => None,
        });
        join_all(runs).await.into_iter().flatten().collect()
    }

    async fn run_one(&self, destination: &Destination, push: &Push, allowed: u32) -> Vec<String> {
        let mut log = Vec::new();
        loop {
            let begun = DeliveryRun::begin(self.platform, destination, push, allowed, &mut log).await;
            let is_another_due = match begun {
                Ok(Some(run)) => run.finish(&mut log).await,
                Ok(None) => false,
                Err(error) => {
                    log.push(format!("destination {}: a delivery run could not begin: {error}", destination.name));
                    false
                }
            };
            if !is_another_due {
                return log;
            }
        }
    }
}

/// The number of requests in an hour without which a destination gets nothing: an event; and for OAuth 2.0 a token,
/// and both again if the token is rejected.
fn least_requests(push: &Push) -> u32 {
    if matches!(push.authentication, Authentication::OAuth2(_)) { 4 } else { 1 }
}

/// A run to one destination. It has the lease.
pub(super) struct DeliveryRun<'r, P> {
    pub(super) platform: &'r P,
    pub(super) destination: &'r Destination,
    pub(super) push: &'r Push,
    pub(super) lease: HeldLease,
    pub(super) budget: Budget,
    pub(super) receipt: Receipt,
    /// The access token, if the destination needs one and the run has one.
    pub(super) token: Option<String>,
    /// Whether the destination has rejected a token, so that the next one must be new.
    pub(super) needs_fresh_token: bool,
    /// The refused events of the destination: those listed, and those of this run.
    pub(super) refused: HashSet<Id>,
    pub(super) log: Vec<String>,
}

/// The reason why a run stops.
pub(super) enum Stop {
    /// There is nothing left to send.
    Idle,
    /// The budget is used up.
    OutOf(OutOf),
    /// The destination is paused.
    Paused,
    /// The destination fails; this request failed last.
    Failing(FailedRequest),
    /// The store failed.
    Store(StoreError),
}

/// A request that failed.
pub(super) struct FailedRequest {
    /// The first of its events.
    pub(super) first: Id,
    /// The number of its events.
    pub(super) events: usize,
    pub(super) failure: DeliveryFailure,
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The result of one step of a run, unless the run stops.
pub(super) type RunResult<T = ()> = Result<T, Stop>;

impl<'r, P: Platform> DeliveryRun<'r, P> {
    /// Begins a run, unless there is one or the destination waits or is paused.
    async fn begin(
        platform: &'r P,
        destination: &'r Destination,
        push: &'r Push,
        allowed: u32,
        log: &mut Vec<String>,
    ) -> Result<Option<Self>, StoreError> {
        let Some(mut lease) = HeldLease::take(platform, &destination.name, log).await? else { return Ok(None) };
        let of_request = push.batch.map_or(1, |limits| limits.max_events);
        let budget = Budget::begin(platform, allowed, of_request, &mut lease.state);
        let receipt = lease.state.receipt.as_ref().and_then(|id| id.parse().ok());
        let receipt = Receipt::resumed(platform.store(), destination.name.clone(), receipt).await?;
        let (refused, log) = (HashSet::new(), Vec::new());
        let (token, needs_fresh_token) = (None, false);
        Ok(Some(Self { platform, destination, push, lease, budget, receipt, token, needs_fresh_token, refused, log }))
    }

    /// Runs to its end. Returns whether another run must begin at once.
    async fn finish(mut self, log: &mut Vec<String>) -> bool {
        let stop = match self.work().await {
            Ok(never) => match never {},
            Err(stop) => stop,
        };
        let is_idle = matches!(stop, Stop::Idle);
        let ended = self.end(stop).await;
        // An event may have arrived after the last listing, and the run that it began found this one under way.
        let more = match ended {
            Ok(true) if is_idle => self.queue().await.map(|(_, queue)| !queue.is_empty()),
            Ok(_) => Ok(false),
            Err(error) => Err(error),
        };
        if let Err(error) = &more {
            self.log_line(&format!("a delivery run was interrupted: {error}"));
        }
        log.append(&mut self.log);
        more.unwrap_or(false)
    }

    pub(super) fn log_line(&mut self, words: &str) {
        self.log.push(format!("destination {}: {words}", self.destination.name));
    }

    async fn queue(&self) -> Result<(Listing, Queue), StoreError> {
        let store = self.platform.store();
        // An erased event is not sent, also if its bytes are still there.
        let listing = archive::list_visible(store, self.platform.now()).await?;
        let queue = Pending::load(store, self.destination, &listing).await?.queue(&listing);
        Ok((listing, queue))
    }

    async fn work(&mut self) -> RunResult<std::convert::Infallible> {
        let mut has_waited = false;
        loop {
            let (listing, mut queue) = self.queue().await?;
            if let Some(limits) = self.push.batch.filter(|_| !queue.is_empty() && !has_waited) {
                self.wait_for_more(&queue, limits).await?;
                has_waited = true;
                continue;
            }
            has_waited = false;
            self.refused = refused::ids(&self.destination.name, &listing).collect();
            if queue.is_empty() {
                if !self.resend(&listing).await? {
                    return Err(Stop::Idle);
                }
            } else {
                self.send_pending(&mut queue).await?;
            }
            self.write_receipt().await?;
            receipts::tidy(self.platform.store(), &listing, self.platform.now()).await?;
            self.platform.http_client().wait(GATHER).await;
        }
    }

    async fn send_pending(&mut self, queue: &mut Queue) -> RunResult {
        if let Some(limits) = self.push.batch {
            return self.send_batches(queue, limits).await;
        }
        while let Some(entry) = self.next(queue).await? {
            self.send_alone(entry, &mut VecDeque::new(), queue).await?;
        }
        Ok(())
    }

    /// Sends one event. The probe takes its other event from `waiting`, or else from the queue.
    pub(super) async fn send_alone(
        &mut self,
        entry: RecordEntry,
        waiting: &mut VecDeque<RecordEntry>,
        queue: &mut Queue,
    ) -> RunResult {
        let mut outcome = self.deliver(std::slice::from_ref(&entry)).await?;
        if self.is_probe_due(&entry, &outcome) {
            let other = match waiting.pop_front() {
                Some(other) => Ok(Some(other)),
                None => self.next(queue).await,
            };
            let probed = match other {
                Ok(Some(other)) => self.probe(&entry, &other).await,
                Ok(None) => Ok(None),
                Err(stop) => Err(stop),
            };
            outcome = self.after_probe(outcome, probed)?;
        }
        self.record(std::slice::from_ref(&entry), outcome).await
    }

    /// The next event of the queue that the destination wants.
    pub(super) async fn next(&mut self, queue: &mut Queue) -> RunResult<Option<RecordEntry>> {
        loop {
            self.check_budget().await?;
            match queue.next(self.platform.store(), self.destination).await? {
                QueueStep::Event(entry) => match wanted::is_wanted(self.platform, self.destination, &entry).await? {
                    Ok(true) => return Ok(Some(*entry)),
                    Ok(false) => self.receipt.add(entry.key.id),
                    Err(reason) => self.refuse(&entry, reason).await?,
                },
                QueueStep::Empty => return Ok(None),
                QueueStep::Read => {}
                QueueStep::Unwanted(id) => self.receipt.add(id),
                QueueStep::Unreadable(key, reason) => self.skip_unreadable(&key, &reason).await?,
            }
        }
    }

    async fn skip_unreadable(&mut self, key: &str, reason: &str) -> RunResult {
        let (store, name, now) = (self.platform.store(), &self.destination.name, self.platform.now());
        self.log.push(refused::write_unreadable(store, name, key, reason, now).await?);
        Ok(())
    }

    /// Checks the budget. Call it before every item, whatever the outcome of the one before.
    pub(super) async fn check_budget(&mut self) -> RunResult {
        let (platform, name) = (self.platform, &self.destination.name);
        if !self.budget.has_time(platform) {
            return Err(Stop::OutOf(OutOf::Time));
        }
        if self.budget.is_receipt_due(platform, &self.receipt) {
            self.write_receipt().await?;
        }
        match self.lease.renew_if_due(platform, name).await? {
            Renewal::NotDue => Ok(()),
            Renewal::Lost => Err(Stop::OutOf(OutOf::Lease)),
            // An administrator paused it meanwhile.
            Renewal::Renewed if commands::paused(platform.store(), name).await?.is_some() => Err(Stop::Paused),
            Renewal::Renewed => Ok(()),
        }
    }

    /// Writes down the deliveries since the last time.
    pub(super) async fn write_receipt(&mut self) -> Result<(), StoreError> {
        self.receipt.write(self.platform.store(), self.platform.now()).await?;
        self.budget.receipt_written(self.platform);
        Ok(())
    }

    /// Stores the state, with the wait before the next attempt, and gives the lease back. Returns false if another
    /// run has the lease by now.
    async fn end(&mut self, stop: Stop) -> Result<bool, StoreError> {
        if matches!(stop, Stop::OutOf(OutOf::Lease)) {
            // The other run continues the same stored receipt.
            self.receipt.split_off();
            self.write_receipt().await?;
            return Ok(false);
        }
        // Deliveries are written down even if the run breaks off.
        let written = self.write_receipt().await;
        self.lease.state.receipt = self.receipt.id().map(|id| id.to_string());
        let (store, name, now) = (self.platform.store(), &self.destination.name, self.platform.now());
        let state = &mut self.lease.state;
        state.rest = None;
        let mut error = None;
        match stop {
            Stop::OutOf(OutOf::Requests) => state.rest = Some(Budget::until_next_hour(state, now)),
            Stop::Failing(failed) => self.fail(failed).await?,
            Stop::Store(failed) => error = Some(failed),
            Stop::Idle => state.failing = None,
            Stop::Paused | Stop::OutOf(OutOf::Time | OutOf::Lease) => {}
        }
        let is_own = self.lease.give_back(store, name).await?;
        written?;
        error.map_or(Ok(is_own), Err)
    }
}
