//! The pass: what is loose is packed, small packs are merged, what is gone is dropped, indexes are made.
//!
//! Any number of passes may run at once, and each may die anywhere. What keeps that harmless is [`Pass::replace`]: it writes packs,
//! reads them back, and only then deletes what they hold. Everything else here decides what to hand to it.
//!
//! A pass is bounded, and says whether anything remains. It runs after an answer ([`pass_if_due`]), when a store is found full
//! ([`make_room`]), and when it is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use crate::clock_faults::{self, ClockFault, ClockFaults, Kind};
use crate::deadline::{Deadline, is_ahead, millis};
use crate::forward::destination::Destination;
use crate::forward::owed::{self, Debts};
use crate::forward::standing;
use crate::gather::gather;
use crate::identity::Site;
use crate::keys::{self, Finds, IndexKey, KeyParts, PackKey};
use crate::platform::Platform;
use crate::store::{Store, StoreError};

use super::covers::Covers;
use super::delete::delete;
use super::index::{self, Tells, Told};
use super::listing::Listing;
use super::pack::{self, Entries, Entry, Head, MAX_PACK_EVENTS, Pack};
use super::retention::Retention;
use super::unreadable::Unreadable;
use super::{clearing, events};

/// What decides what a pass does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many events stay loose.
    pub loose_events: usize,
    /// How many keys the store takes, where it is known to take few.
    pub key_budget: Option<usize>,
    /// For how many days events are kept. `None`: for ever.
    pub retention_days: Option<u32>,
    /// How long a record stays loose after it was packed: for stores whose lists and reads are late.
    pub grace: Duration,
    /// Whom events are pushed on to: what they are owed stays loose.
    pub destinations: Vec<Destination>,
}

impl Default for Policy {
    fn default() -> Self {
        Self::packs(512)
    }
}

impl Policy {
    /// Lets so many events stay loose, owes none, and keeps everything.
    pub const fn packs(loose_events: usize) -> Self {
        Self { loose_events, key_budget: None, retention_days: None, grace: Duration::ZERO, destinations: Vec::new() }
    }

    /// How many keys are left free where there are few: what arrives while a pass is on its way, and its own new keys.
    const SPARE_KEYS: usize = 96;

    /// How many events stay loose in a store of that many keys.
    fn stay_loose(&self, listing: &Listing) -> usize {
        let others = listing.keys.saturating_sub(listing.loose.len());
        let room = self.key_budget.map(|budget| budget.saturating_sub(others + Self::SPARE_KEYS));
        room.map_or(self.loose_events, |room| room.min(self.loose_events))
    }

    /// How many more there must be before they are packed: a pack of a few is hardly better than the few.
    fn batch(&self, listing: &Listing) -> usize {
        if self.is_pressed(listing) { 2 } else { (self.loose_events / 2).max(1) }
    }

    /// Whether keys are about to run out.
    fn is_pressed(&self, listing: &Listing) -> bool {
        self.key_budget.is_some_and(|budget| listing.keys + Self::SPARE_KEYS >= budget)
    }

    /// Whether there are enough loose events for a pass.
    fn is_due(&self, listing: &Listing) -> bool {
        let excess = listing.loose.len().saturating_sub(self.stay_loose(listing));
        excess >= self.batch(listing)
    }
}

/// How far a pass goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// How many loose events one of its packs is made of, at most.
    pub events: usize,
    /// How many loose events it packs at most. So many keys it keeps while it lists all of them again, for which a component has room.
    pub loose: usize,
    /// After which it begins nothing new.
    pub time: Duration,
}

impl Default for Bound {
    /// What fits every platform beside a request: well under ten seconds.
    fn default() -> Self {
        Self { events: 2_048, loose: 32_768, time: Duration::from_secs(3) }
    }
}

impl Bound {
    /// For who has the time and the memory: a pack is made of as many as it holds.
    pub const WIDE: Self = Self { events: MAX_PACK_EVENTS, loose: usize::MAX, time: Duration::from_secs(3) };
}

/// What a pass did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Loose events that are in packs now.
    pub packed: usize,
    /// Packs that were merged into others.
    pub merged: usize,
    /// Packs that were written.
    pub written: usize,
    /// Events that were removed before, or have aged, and of which nothing is left now.
    pub dropped: usize,
    /// Bodies that were set aside, have aged, and are deleted now.
    pub dropped_set_aside: usize,
    /// Whether there is more to do.
    pub remaining: bool,
    /// How many loose events were there when it began.
    pub loose: usize,
    /// What it could not read, and left where it is: the first [`Unreadable::MOST`].
    pub unreadable: BTreeSet<Unreadable>,
    /// Clocks that it saw to be wrong.
    pub clock_faults: ClockFaults,
}

/// Runs a pass.
pub async fn pass<P: Platform>(platform: &P, policy: &Policy, bound: &Bound) -> Result<Report, StoreError> {
    let listing = Listing::of(platform.store()).await?;
    let retention = retention(platform, policy, &listing).await?;
    Pass::new(platform, policy, bound, listing, retention).await?.run().await
}

/// What became of a pass that may have been due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// What it did, if it was.
    pub report: Option<Report>,
    /// Clocks that were seen to be wrong, also where it was not.
    pub clock_faults: ClockFaults,
}

/// Runs a pass if one is due and none is known to be under way or to have been a moment ago. Costs one read in that case, and
/// otherwise a list, the lease's two writes, and with retention some reads and sometimes a write more.
pub async fn pass_if_due<P: Platform>(platform: &P, policy: &Policy, bound: &Bound) -> Result<Due, StoreError> {
    let (store, began, now) = (platform.store(), platform.monotonic(), platform.now());
    let mut due = Due::default();
    if let Some(lease) = lease(store).await? {
        if lease.holds(now) {
            return Ok(due);
        }
        if lease.is_ahead(now) {
            clock_faults::note(&mut due.clock_faults, ClockFault::of_recipient(Kind::DeadlineAhead));
        }
    }
    // Longer than a pass takes; the next one waits no longer than that for one that died. A store without room for a lease needs
    // its pass the more.
    let leased = set_lease(store, Deadline::new(now, Duration::from_secs(10) + bound.time)).await.is_ok();
    let report = pass_on_lease(platform, policy, bound, &mut due.clock_faults).await;
    let rest = rest(policy, &report, platform.elapsed(began).min(LONGEST_MEASURED));
    if rest >= Duration::from_millis(1) {
        set_lease(store, Deadline::new(platform.now(), rest)).await?;
    } else if leased {
        store.delete(keys::LEASE).await?;
    }
    due.report = report?;
    Ok(due)
}

/// A duration that was measured counts as this at most: a machine may have slept meanwhile.
const LONGEST_MEASURED: Duration = Duration::from_secs(30);

async fn pass_on_lease<P: Platform>(
    platform: &P,
    policy: &Policy,
    bound: &Bound,
    clock_faults: &mut ClockFaults,
) -> Result<Option<Report>, StoreError> {
    let listing = Listing::of(platform.store()).await?;
    let retention = retention(platform, policy, &listing).await?;
    if retention.as_ref().is_some_and(|retention| retention.is_behind) {
        clock_faults::note(clock_faults, ClockFault::of_recipient(Kind::RetentionBehind));
    }
    let has_aged = retention.as_ref().is_some_and(Retention::is_due);
    if !has_aged && !policy.is_due(&listing) && !clearing::is_due(platform, &listing).await? {
        return Ok(None);
    }
    let mut report = Pass::new(platform, policy, bound, listing, retention).await?.run().await?;
    report.clock_faults.iter().for_each(|fault| clock_faults::note(clock_faults, fault.clone()));
    report.clock_faults.clone_from(clock_faults);
    Ok(Some(report))
}

/// Retention as this pass sees it, if events are not kept for ever.
async fn retention<P: Platform>(
    platform: &P,
    policy: &Policy,
    listing: &Listing,
) -> Result<Option<Retention>, StoreError> {
    match policy.retention_days {
        Some(days) => Retention::of(platform.store(), days, listing, platform.now()).await.map(Some),
        None => Ok(None),
    }
}

/// How long none looks for work after one that took so long: events are taken meanwhile, and that comes first.
fn rest(policy: &Policy, report: &Result<Option<Report>, StoreError>, spent: Duration) -> Duration {
    match report {
        // Such a store is soon listed, and soon full: also after a pass that broke off.
        _ if policy.key_budget.is_some() => Duration::ZERO,
        // The store may have more keys than it can list, and would try in vain for each of some dozens of events.
        Err(_) => Duration::from_secs(5 * 60),
        // Unless it is packed, it will have more keys than it can list.
        Ok(Some(report)) if report.remaining && report.loose > MANY_LOOSE => spent,
        Ok(_) => spent * 9,
    }
}

/// How many loose events are on the way to more than can be listed in a component's memory.
const MANY_LOOSE: usize = 200_000;

/// What stands under [`keys::LEASE`]: while it holds no other pass is to begin after an answer. Only that; to be right, passes do not
/// depend on it.
async fn lease(store: &impl Store) -> Result<Option<Deadline>, StoreError> {
    let lease = store.get(keys::LEASE).await?;
    Ok(lease.and_then(|lease| serde_json::from_slice(&lease).ok()))
}

async fn set_lease(store: &impl Store, lease: Deadline) -> Result<(), StoreError> {
    store.set(keys::LEASE, &serde_json::to_vec(&lease).unwrap_or_default()).await
}

/// Packs half of what may stay loose, in a store that has no key left. Indexes and the lease give up theirs: they can be made
/// again. Whether any record was packed.
pub async fn make_room<P: Platform>(platform: &P, policy: &Policy, bound: &Bound) -> Result<bool, StoreError> {
    let store = platform.store();
    let listing = Listing::of(store).await?;
    if listing.loose.len() < FEW {
        return Ok(false);
    }
    let spare: Vec<_> = listing.indexes.iter().map(IndexKey::to_string).chain([keys::LEASE.to_owned()]).collect();
    let loose_events = (policy.loose_events / 2).min(listing.loose.len() / 2);
    let pressed = Policy { loose_events, key_budget: Some(listing.keys), ..policy.clone() };
    delete(store, &spare, || true).await?;
    let listing = Listing { keys: listing.keys - listing.indexes.len(), indexes: Vec::new(), ..listing };
    let pass = Pass::new(platform, &pressed, bound, listing, None).await?;
    pass.run().await.map(|report| report.packed > 0)
}

/// How many loose events are too few to make room by packing them.
const FEW: usize = 16;

/// From how many bytes on a value is of the next tier. Eight of one tier are merged, so that an event is written again about as
/// often as there are tiers.
const TIERS: [usize; 2] = [60_000, 350_000];

/// How many of one tier there may be before they are merged.
const MERGED_AT_ONCE: usize = 8;

/// The tier of a value; `None` if it is as good as full.
fn tier(bytes: usize) -> Option<usize> {
    TIERS.iter().position(|most| bytes < *most)
}

/// Of loose events, keeps those that are the oldest but for the first few, up to the end: before anything is deleted, all keys are listed
/// again, and there may be no room for two lists of them.
fn keep_oldest(keys: &mut Vec<String>, first: usize, end: usize) {
    let by_time = |one: &String, other: &String| KeyParts::of(one).cmp(&KeyParts::of(other));
    if end < keys.len() {
        keys.select_nth_unstable_by(end, by_time);
        keys.truncate(end);
    }
    if first > 0 {
        keys.select_nth_unstable_by(first, by_time);
        keys.drain(..first);
    }
    keys.shrink_to_fit();
}

/// The site of an event's key.
fn site(key: &str) -> Option<&str> {
    key.split('.').nth(1)
}

/// How many heads one pass reads to see whether what is loose was packed before.
const MAX_OVERLAPS: usize = 16;

/// A pass under way.
pub(super) struct Pass<'p, P> {
    pub(super) platform: &'p P,
    policy: &'p Policy,
    pub(super) bound: &'p Bound,
    /// By the monotonic clock.
    pub(super) began: Duration,
    pub(super) listing: Listing,
    pub(super) covers: Covers,
    pub(super) retention: Option<Retention>,
    /// The packs that can be read.
    pub(super) packs: BTreeMap<PackKey, Known>,
    /// What to tell of packs that no index speaks of yet.
    fresh: Tells,
    /// Short ids of those packs.
    fresh_ids: BTreeMap<PackKey, BTreeSet<u64>>,
    session_indexes: Vec<(IndexKey, index::Sessions)>,
    pub(super) report: Report,
}

/// What a pass knows of a pack that can be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    bytes: usize,
    /// When its records were recorded, in Unix milliseconds, as far as that is known.
    pub(super) recorded: Option<(u64, u64)>,
}

impl<'p, P: Platform> Pass<'p, P> {
    pub(super) async fn new(
        platform: &'p P,
        policy: &'p Policy,
        bound: &'p Bound,
        listing: Listing,
        retention: Option<Retention>,
    ) -> Result<Self, StoreError> {
        let mut report = Report { loose: listing.loose.len(), ..Report::default() };
        if retention.as_ref().is_some_and(|retention| retention.is_behind) {
            report.clock_faults.push(ClockFault::of_recipient(Kind::RetentionBehind));
        }
        let covers = Covers::of(platform.store(), &listing, platform.now(), &mut report.unreadable).await?;
        Ok(Self {
            platform,
            policy,
            bound,
            began: platform.monotonic(),
            listing,
            covers,
            retention,
            packs: BTreeMap::new(),
            fresh: Tells::new(),
            fresh_ids: BTreeMap::new(),
            session_indexes: Vec::new(),
            report,
        })
    }

    pub(super) fn store(&self) -> &'p P::Store {
        self.platform.store()
    }

    async fn run(mut self) -> Result<Report, StoreError> {
        self.learn_packs().await?;
        self.clear_removed().await?;
        self.pack_loose().await?;
        self.merge().await?;
        self.drop_aged().await?;
        for finds in [Finds::Sessions, Finds::Events] {
            self.index(finds).await?;
        }
        if !self.listing.forwards.is_empty() {
            owed::tidy(self.store(), &Listing::of(self.store()).await?, self.platform.now()).await?;
        }
        Ok(self.report)
    }

    /// Whether its time is up. Then something may remain.
    pub(super) fn is_over(&mut self) -> bool {
        let over = self.platform.elapsed(self.began) >= self.bound.time;
        self.report.remaining |= over;
        over
    }

    pub(super) fn note(&mut self, key: impl ToString, reason: impl ToString) {
        Unreadable::note(&mut self.report.unreadable, key, reason);
    }

    /// Learns of every pack how many bytes it has, and when its records were recorded: from indexes, or from itself.
    pub(super) async fn learn_packs(&mut self) -> Result<(), StoreError> {
        for key in self.listing.indexes.clone() {
            if key.finds == Finds::Sessions
                && let Some(index) = self.store().get(&key.to_string()).await?.and_then(index::Sessions::read)
            {
                self.session_indexes.push((key, index));
            }
        }
        let indexed = self.session_indexes.iter().flat_map(|(_, index)| &index.packs);
        let known =
            indexed.map(|pack| (pack.key.clone(), Known { bytes: pack.bytes as usize, recorded: pack.recorded }));
        let known: BTreeMap<_, _> = gather(known);
        for key in self.listing.packs.clone() {
            match known.get(&key) {
                Some(known) => _ = self.packs.insert(key, *known),
                None => _ = self.head(&key).await?,
            }
        }
        Ok(())
    }

    /// The head of a pack, which is known from then on. `None` if it is gone, or cannot be read.
    pub(super) async fn head(&mut self, key: &PackKey) -> Result<Option<Head>, StoreError> {
        let Some(value) = self.store().get(&key.to_string()).await? else { return Ok(None) };
        match Pack::open(key, &value).map(|pack| pack.head) {
            Ok(head) => {
                let known = Known { bytes: value.len(), recorded: head.recorded };
                if self.packs.insert(key.clone(), known).is_none() {
                    self.learn(key, &head, value.len());
                }
                Ok(Some(head))
            }
            Err(fault) => {
                self.note(key, fault);
                self.packs.remove(key);
                Ok(None)
            }
        }
    }

    fn learn(&mut self, key: &PackKey, head: &Head, bytes: usize) {
        self.packs.insert(key.clone(), Known { bytes, recorded: head.recorded });
        self.fresh.insert(key.clone(), Told::of(&key.site, head, bytes));
        self.fresh_ids.insert(key.clone(), gather(head.ids()));
    }

    pub(super) fn forget(&mut self, key: &PackKey) {
        self.packs.remove(key);
        self.fresh.remove(key);
        self.fresh_ids.remove(key);
    }

    /// All records of a pack but for those that were removed or have aged, and how many those are; `None` if it is gone or not all of it
    /// can be read. One whose bytes were changed is not read for good.
    pub(super) async fn entries(&mut self, key: &PackKey) -> Result<Option<(Vec<Entry>, usize)>, StoreError> {
        let Some(value) = self.store().get(&key.to_string()).await? else { return Ok(None) };
        let read = match pack::is_named_by_its_hash(key, &value) {
            true => Pack::open(key, &value).and_then(|pack| pack.all()),
            false => Err(pack::PackFault::Hash),
        };
        match read {
            Ok(mut entries) => {
                let all = entries.len();
                let aging = self.retention.as_ref().and_then(|retention| retention.aging);
                let has_aged = |entry: &Entry| aging.is_some_and(|aging| aging.has_aged_entry(entry));
                entries.retain(|entry| !self.covers.cover(entry) && !has_aged(entry));
                let gone = all - entries.len();
                Ok(Some((entries, gone)))
            }
            Err(fault) => {
                self.note(key, fault);
                self.packs.remove(key);
                Ok(None)
            }
        }
    }

    /// The packs of a session, as indexes and what was learned in this pass tell.
    pub(super) fn packs_of(&self, site: &Site, hash: u64) -> Vec<PackKey> {
        let indexed = self.session_indexes.iter().flat_map(|(_, index)| index.find(hash).cloned());
        let fresh = self.fresh.iter().filter(|(_, told)| told.has_session(hash)).map(|(key, _)| key.clone());
        let found: BTreeSet<_> = gather(indexed.chain(fresh));
        found.into_iter().filter(|pack| pack.site == *site && self.packs.contains_key(pack)).collect()
    }

    /// Packs the oldest loose events, as many as are not to stay loose. Where none of the oldest can be packed, it is the next ones' turn.
    async fn pack_loose(&mut self) -> Result<(), StoreError> {
        let (stay, batch) = (self.policy.stay_loose(&self.listing), self.policy.batch(&self.listing));
        let mut first = 0;
        loop {
            let excess = self.listing.loose.len().saturating_sub(stay);
            if excess < batch {
                return Ok(());
            }
            let mut oldest = self.owed_to_nobody(batch).await?;
            let excess = excess.min(oldest.len());
            if excess < batch.max(first + 1) {
                return Ok(());
            }
            let end = excess.min(first.saturating_add(self.bound.loose));
            keep_oldest(&mut oldest, first, end);
            let done = |report: &Report| (report.packed, report.written, report.dropped);
            let before = done(&self.report);
            self.pack_sites(oldest, batch).await?;
            if end == excess || done(&self.report) != before || self.is_over() {
                self.report.remaining |= end < excess;
                return Ok(());
            }
            first = end;
            self.listing.loose = Listing::of(self.store()).await?.loose;
        }
    }

    /// Packs loose events, a site at a time; the sites with most first.
    async fn pack_sites(&mut self, mut keys: Vec<String>, batch: usize) -> Result<(), StoreError> {
        // So a site's are together, in the order of their times.
        keys.sort_unstable();
        let mut sites: Vec<_> = keys.chunk_by(|one, other| site(one) == site(other)).collect();
        sites.sort_by_key(|keys| std::cmp::Reverse(keys.len()));
        let few = batch.min(8);
        for keys in sites.into_iter().filter(|keys| keys.len() >= few) {
            let Some(site) = keys.first().and_then(|key| site(key)).and_then(Site::parse) else { continue };
            for some in keys.chunks(self.bound.events.max(1)) {
                if self.is_over() {
                    return Ok(());
                }
                self.pack_some(&site, some).await?;
            }
        }
        Ok(())
    }

    /// What may be packed: what no destination is owed. Where what they are owed would fill the store, the one that is owed most is
    /// paused, and the next: what came in is kept before it is pushed on.
    async fn owed_to_nobody(&mut self, batch: usize) -> Result<Vec<String>, StoreError> {
        let policy = self.policy;
        if policy.destinations.is_empty() {
            return Ok(std::mem::take(&mut self.listing.loose));
        }
        let mut debts = Debts::of(self.store(), &policy.destinations, &self.listing).await?;
        let owed = |debts: &Debts<'_>, key: &String| KeyParts::of(key).is_some_and(|parts| debts.owe(&parts));
        while policy.is_pressed(&self.listing) || self.listing.loose.len() > MANY_LOOSE {
            let free = self.listing.loose.iter().filter(|key| !owed(&debts, key)).count();
            let Some((destination, _)) = debts.greatest(&self.listing).filter(|_| free < batch.max(FEW)) else { break };
            let reason = "what it is owed would fill the store";
            standing::pause(self.store(), &destination.name, reason, self.platform.now()).await?;
            debts.forget(&destination.name);
        }
        let mut loose = std::mem::take(&mut self.listing.loose);
        loose.retain(|key| !owed(&debts, key));
        Ok(loose)
    }

    async fn pack_some(&mut self, site: &Site, keys: &[String]) -> Result<(), StoreError> {
        let mut entries = Entries::new();
        for key in keys {
            // Gone: another pass has packed it.
            let Some(value) = self.store().get(key).await? else { continue };
            match Entry::under(key, value) {
                Ok(entry) if self.covers.cover(&entry) => {}
                Ok(entry) => _ = entries.insert(key.clone(), entry),
                Err(reason) => self.note(key, reason),
            }
        }
        let is_ahead = |entry: &Entry| i64::try_from(entry.recorded).is_ok_and(|at| is_ahead(at, self.platform.now()));
        if entries.values().any(is_ahead) {
            clock_faults::note(&mut self.report.clock_faults, ClockFault::of_site(Kind::RecordedAhead, site));
        }
        self.drop_repeats(site, &mut entries).await?;
        self.replace(site, &entries, &[]).await?;
        Ok(())
    }

    /// Takes out what a pack holds already, and deletes it where it is loose: a repeat of an event that was packed, or one whose
    /// grace has passed.
    async fn drop_repeats(&mut self, site: &Site, entries: &mut Entries) -> Result<(), StoreError> {
        let packs = self.packs.keys().filter(|pack| pack.site == *site);
        let overlaps =
            |pack: &&PackKey| entries.values().any(|entry| (pack.first..=pack.last).contains(&entry.key.timestamp));
        let packs: Vec<_> = packs.filter(overlaps).take(MAX_OVERLAPS).cloned().collect();
        for pack in packs {
            let Some(head) = self.head(&pack).await? else { continue };
            let ids: BTreeSet<_> = gather(head.ids());
            if !entries.values().any(|entry| ids.contains(&entry.key.id.short())) {
                continue;
            }
            let Some((packed, _)) = self.entries(&pack).await? else { continue };
            let made = head.made.and_then(|made| i64::try_from(made.saturating_mul(1_000)).ok());
            let grace = made.map(|at| Deadline { at, wait: millis(self.policy.grace) });
            let waits = grace.is_some_and(|grace| grace.holds(self.platform.now()));
            let packed = by_key(packed);
            let is_packed =
                |key: &String, entry: &Entry| packed.get(key).is_some_and(|packed| packed.recorded <= entry.recorded);
            let repeats: Vec<_> =
                entries.iter().filter(|(key, entry)| is_packed(key, entry)).map(|(key, _)| key.clone()).collect();
            entries.retain(|key, _| !repeats.contains(key));
            if !waits {
                self.delete_packed(&packed, repeats.iter()).await?;
            }
        }
        Ok(())
    }

    /// Merges packs of a site that are of one tier, the oldest first; and those that hold the same events, which two passes that
    /// ran at once have made.
    async fn merge(&mut self) -> Result<(), StoreError> {
        let mut tried = BTreeSet::new();
        while let Some(group) = self.mergeable(&tried).await? {
            if self.is_over() {
                break;
            }
            tried.extend(group.iter().cloned());
            let (mut entries, mut old, mut gone_of_all) = (Entries::new(), Vec::new(), 0);
            for pack in &group {
                if let Some((of_pack, gone)) = self.entries(pack).await? {
                    of_pack.into_iter().for_each(|entry| events::keep_first(&mut entries, entry));
                    old.push(pack.clone());
                    gone_of_all += gone;
                }
            }
            let Some(site) = old.first().map(|pack| pack.site.clone()).filter(|_| old.len() > 1) else { continue };
            if self.replace(&site, &entries, &old).await? {
                self.report.merged += old.len();
                self.report.dropped += gone_of_all;
            }
        }
        Ok(())
    }

    /// Packs that are to be one, if there are any beside those that were tried.
    async fn mergeable(&mut self, tried: &BTreeSet<PackKey>) -> Result<Option<Vec<PackKey>>, StoreError> {
        // There are few: a list of them takes less of the component than a map.
        let mut tiers: Vec<(&Site, usize, Vec<&PackKey>)> = Vec::new();
        let pressed = self.policy.is_pressed(&self.listing);
        for (pack, known) in self.packs.iter().filter(|(pack, _)| !tried.contains(pack)) {
            if let Some(tier) = tier(known.bytes) {
                let tier = if pressed { 0 } else { tier };
                match tiers.iter_mut().find(|(site, of, _)| **site == pack.site && *of == tier) {
                    Some((_, _, group)) => group.push(pack),
                    None => tiers.push((&pack.site, tier, vec![pack])),
                }
            }
        }
        let enough = if pressed { 2 } else { MERGED_AT_ONCE };
        if let Some((.., group)) = tiers.into_iter().find(|(.., group)| group.len() >= enough) {
            return Ok(Some(group.into_iter().take(MERGED_AT_ONCE).cloned().collect()));
        }
        self.twins(tried).await
    }

    /// A pack that is new, and another that holds one of its events.
    async fn twins(&mut self, tried: &BTreeSet<PackKey>) -> Result<Option<Vec<PackKey>>, StoreError> {
        let fresh: Vec<_> = self.fresh.keys().filter(|pack| !tried.contains(pack)).cloned().collect();
        for one in fresh {
            let overlaps = |pack: &&PackKey| {
                **pack != one && pack.site == one.site && pack.first <= one.last && one.first <= pack.last
            };
            let others: Vec<_> = self.packs.keys().filter(overlaps).take(MAX_OVERLAPS).cloned().collect();
            for other in others.into_iter().filter(|other| !tried.contains(other)) {
                let ids = match self.fresh_ids.get(&other) {
                    Some(ids) => ids.clone(),
                    None => self.head(&other).await?.map(|head| gather(head.ids())).unwrap_or_default(),
                };
                if self.fresh_ids.get(&one).is_some_and(|own| !own.is_disjoint(&ids)) {
                    return Ok(Some(vec![one, other]));
                }
            }
        }
        Ok(None)
    }

    /// Puts records of a site into packs, and deletes the loose records and old packs that they stood in, in this order: packs are
    /// written, each is read back, then what they hold is deleted. With old packs all records must find a place, or nothing is
    /// done; whether it was.
    pub(super) async fn replace(
        &mut self,
        site: &Site,
        entries: &Entries,
        old: &[PackKey],
    ) -> Result<bool, StoreError> {
        let made = (self.policy.grace > Duration::ZERO).then(|| self.platform.now().timestamp().unsigned_abs());
        let packs = pack::make(site, entries, made).map_err(|error| StoreError(error.to_string()))?;
        if !old.is_empty() && packs.iter().map(|pack| pack.keys.len()).sum::<usize>() < entries.len() {
            old.iter().for_each(|pack| self.note(pack, "it holds records that no pack of today can hold"));
            return Ok(false);
        }
        for pack in packs.iter().filter(|pack| !old.contains(&pack.key)) {
            let key = pack.key.to_string();
            self.store().set(&key, &pack.value).await?;
            if self.store().get(&key).await?.as_ref() != Some(&pack.value) {
                return Err(StoreError(format!("what was written under {key} is not what is read there")));
            }
            self.learn(&pack.key, &pack.head, pack.value.len());
            self.report.written += 1;
        }
        if old.is_empty() && self.policy.grace == Duration::ZERO {
            self.delete_packed(entries, packs.iter().flat_map(|pack| &pack.keys)).await?;
        }
        for pack in old.iter().filter(|old| packs.iter().all(|pack| pack.key != **old)) {
            self.store().delete(&pack.to_string()).await?;
            self.forget(pack);
        }
        Ok(true)
    }

    /// Deletes loose records that stand in a pack as `packed` has them. Not those of a session that was erased meanwhile: one of
    /// them may have been sent and recorded again since, and that is not in the pack.
    async fn delete_packed<'k>(
        &mut self,
        packed: &Entries,
        keys: impl Iterator<Item = &'k String>,
    ) -> Result<(), StoreError> {
        let listing = Listing::of(self.store()).await?;
        self.covers = Covers::of(self.store(), &listing, self.platform.now(), &mut self.report.unreadable).await?;
        drop(listing);
        let stands = |key: &&String| packed.get(*key).is_some_and(|entry| !self.covers.cover(entry));
        let keys: Vec<_> = keys.filter(stands).cloned().collect();
        let store = self.store();
        // What is left is found to be packed by a later pass. Some goes whatever the time: where a list takes longer than a pass may,
        // nothing would ever go.
        let mut begins = true;
        self.report.packed += delete(store, &keys, || std::mem::take(&mut begins) || !self.is_over()).await?;
        Ok(())
    }

    /// Makes an index of what no index tells yet. Small ones are merged as packs are, and what tells of no pack goes.
    async fn index(&mut self, finds: Finds) -> Result<(), StoreError> {
        let (mut tiers, mut old) = ([const { Vec::<(IndexKey, Tells)>::new() }; TIERS.len()], Vec::new());
        let mut told_of = BTreeSet::new();
        let keys: Vec<_> = self.listing.indexes.iter().filter(|key| key.finds == finds).copied().collect();
        for key in keys {
            let Some(value) = self.store().get(&key.to_string()).await? else { continue };
            let bytes = value.len();
            let Some(mut tells) = index::told(finds, value) else {
                old.push(key);
                continue;
            };
            let all = tells.len();
            tells.retain(|pack, _| self.packs.contains_key(pack));
            told_of.extend(tells.keys().cloned());
            let tier = tier(if tells.len() * 2 < all { 0 } else { bytes });
            if tells.is_empty() {
                old.push(key);
            } else if let Some(group) = tier.and_then(|tier| tiers.get_mut(tier)) {
                group.push((key, tells));
            }
        }
        let mut new = Tells::new();
        for pack in self.packs.keys().filter(|pack| !told_of.contains(pack)).cloned().collect::<Vec<_>>() {
            if !self.fresh.contains_key(&pack) {
                self.packs.remove(&pack);
                self.head(&pack).await?;
            }
            new.extend(self.fresh.get(&pack).map(|told| (pack, told.clone())));
        }
        for group in tiers.into_iter().filter(|group| group.len() >= MERGED_AT_ONCE) {
            for (key, tells) in group {
                old.push(key);
                new.extend(tells);
            }
        }
        for (key, value) in index::make(finds, &new) {
            self.store().set(&key.to_string(), &value).await?;
            old.retain(|old| *old != key);
        }
        let old: Vec<_> = old.iter().map(IndexKey::to_string).collect();
        delete(self.store(), &old, || true).await?;
        Ok(())
    }
}

pub(super) fn by_key(entries: Vec<Entry>) -> Entries {
    gather(entries.into_iter().map(|entry| (entry.key.to_string(), entry)))
}
