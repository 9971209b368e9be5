//! Retention: compaction deletes records older than `retention_days`. Retention writes no cutoff and hides nothing: a
//! record is visible until compaction deletes it.
//!
//! A single reading of the clock must not decide, or one pass on a machine whose clock is a year ahead would delete
//! everything. So ages are measured against an *effective now*. It is never later than the latest event's own time plus
//! the days counted since that event, and each day needs a reading of its own. A record is deleted too early only if an
//! appliance and this clock are wrong in the same way.
//!
//! - `newest` is the latest own time among all keys that is not after the reading. An event's own time counts up to a
//!   day after its recording time: an event once sent from the future must not confirm a wrong reading.
//! - The effective now is the earlier of two times: the reading, and `newest` plus `steps` days, with `steps` as it was
//!   before this reading.
//! - Then `steps` changes. If `newest` has changed, `steps` becomes 0. If the reading is at least a day after the last
//!   stored one, however far, `steps` grows by one. If the reading is before the stored one, `steps` falls by one. The
//!   reading is stored in these three cases.
//!
//! So in a store that takes events, the effective now follows the events. In a store that takes none, it follows the
//! days, one reading a day. The first reading makes nothing age. [`Aging`] says how a record's age is measured.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::listing::Listing;
use super::pack::{Pack, RecordEntry};
use crate::event::Timestamp;
use crate::keys::{self, KeyParts, PackKey};
use crate::set_aside::SetAside;
use crate::store::{Store, StoreError};

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;
/// The most records read before the reading, and after it, to find one that confirms `newest`.
const MOST_CONFIRMED: usize = 16;
/// The lag of the effective now behind a reading above which it is reported.
const BEHIND: u64 = 2 * DAY;

/// The value of [`keys::RETENTION_CLOCK`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct RetentionClock {
    /// The latest own time, in Unix seconds. `None` if there was no event.
    newest: Option<u64>,
    /// The days counted since `newest`.
    steps: u32,
    /// The last stored reading, in Unix seconds.
    reading: u64,
    /// The time that readings agree on, in Unix seconds: each reading moves it by at most a day.
    #[serde(default)]
    agreed: u64,
    /// A complete pass has looked at everything recorded before this time, in Unix seconds.
    #[serde(default)]
    done: u64,
    /// The last key of an incomplete pass: the next one continues after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

impl RetentionClock {
    /// Takes a reading. Returns the effective now in Unix seconds, and whether the clock must be stored.
    fn take_reading(&mut self, newest: Option<u64>, reading: u64) -> (Option<u64>, bool) {
        let changed = newest != self.newest;
        let steps = if changed { 0 } else { self.steps };
        let effective = newest.map(|newest| reading.min(newest.saturating_add(u64::from(steps).saturating_mul(DAY))));
        self.steps = if changed {
            0
        } else if reading >= self.reading.saturating_add(DAY) {
            steps.saturating_add(1)
        } else if reading < self.reading {
            steps.saturating_sub(1)
        } else {
            return (effective, false);
        };
        (self.newest, self.reading) = (newest, reading);
        if self.agreed == 0 {
            self.agreed = reading;
        } else if reading > self.agreed {
            self.agreed = reading.min(self.agreed.saturating_add(DAY));
        }
        (effective, true)
    }
}

/// The limits that decide whether a record has aged. All times are Unix seconds.
///
/// An age counts from the later of a record's own time and its recording time. Each of them can be wrong:
///
/// - An own time more than a year after the effective now and after this clock is ignored: the appliance's clock is
///   ahead. A smaller lead is believed, and the record stays longer, since this clock can be behind.
/// - A recording time more than a day after the effective now is ignored. The own time alone must not decide then,
///   since an appliance without a clock sends own times that are decades old:
///   - If the recording time is not after this clock, the effective now is behind: no appliance's clock confirms this
///     one. Then the record has aged only if both times are old, the recording time by this clock.
///   - If the recording time is after this clock, a clock that was ahead has written it, or this clock is behind. Then
///     the own time decides, unless it is too old to be believed.
///
/// A record without a valid time stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aging {
    /// Records before this time have aged. It is a midnight, so that packs are rewritten at most once a day.
    before: u64,
    /// A day after the effective now.
    latest: u64,
    /// A year after the later of the effective now and this clock's reading.
    latest_own: u64,
    /// The same limit by this clock, as far as it agrees with its last reading.
    before_by_clock: u64,
    /// A day after this clock, as far as it agrees with its last reading.
    latest_by_clock: u64,
}

/// How far before the limit an own time is believed on its own.
const BELIEVED: u64 = 90 * DAY;

/// How much of a pack has aged, according to its key and head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aged {
    All,
    /// Perhaps some: only the records can say.
    Perhaps,
    Nothing,
}

impl Aging {
    fn new(effective: u64, reading: u64, agreed: u64, days: u32) -> Option<Self> {
        let before = |now: u64| Some((now / DAY).checked_sub(u64::from(days))? * DAY);
        Some(Self {
            before: before(effective)?,
            latest: effective.saturating_add(DAY),
            latest_own: effective.max(reading).saturating_add(366 * DAY),
            before_by_clock: before(agreed).unwrap_or(0),
            latest_by_clock: agreed.saturating_add(DAY),
        })
    }

    /// Whether a record with these times has aged. `recorded` is in Unix milliseconds.
    fn has_aged(&self, own: Option<Timestamp>, recorded: u64) -> bool {
        let (own, recorded) = (own.map(Timestamp::seconds), recorded / 1_000);
        if recorded <= self.latest {
            let own = own.filter(|own| *own <= self.latest_own);
            return recorded.max(own.unwrap_or(0)) < self.before;
        }
        let own_is_old = own.is_some_and(|own| own < self.before);
        if recorded <= self.latest_by_clock {
            own_is_old && recorded < self.before_by_clock
        } else {
            own_is_old && own.is_some_and(|own| own.saturating_add(BELIEVED) >= self.before)
        }
    }

    pub(super) fn has_aged_entry(&self, entry: &RecordEntry) -> bool {
        self.has_aged(Some(entry.key.timestamp), entry.recorded)
    }

    /// Whether a set-aside body has aged. Its age counts from `seen`, in Unix milliseconds.
    pub(super) fn has_aged_set_aside(&self, seen: u64) -> bool {
        self.has_aged(None, seen)
    }

    /// Whether a record can have aged, by its own time alone.
    pub(super) fn suspects(&self, own: Timestamp) -> bool {
        own.seconds() < self.before || own.seconds() > self.latest_own
    }

    /// How much of a pack has aged. `recorded` is its first and last recording time, in Unix milliseconds.
    pub(super) fn of_pack(&self, key: &PackKey, recorded: Option<(u64, u64)>) -> Aged {
        let Some((first, last)) = recorded.map(|(first, last)| (first / 1_000, last / 1_000)) else {
            return Aged::Perhaps;
        };
        if key.last.seconds() < self.before && last < self.before {
            Aged::All
        } else if first >= self.before && last <= self.latest {
            Aged::Nothing
        } else {
            Aged::Perhaps
        }
    }
}

/// The time at which a set-aside body was first seen, in Unix milliseconds.
pub fn first_seen(value: &[u8]) -> Result<u64, String> {
    let set_aside: SetAside = serde_json::from_slice(value).map_err(|error| error.to_string())?;
    let time = DateTime::parse_from_rfc3339(&set_aside.firstseen).map_err(|error| error.to_string())?;
    u64::try_from(time.timestamp_millis()).map_err(|_| "it was first seen before 1970".to_owned())
}

/// Retention as one pass sees it.
#[derive(Clone, Debug)]
pub struct Retention {
    clock: RetentionClock,
    /// The limits. `None` if nothing can have aged yet.
    pub aging: Option<Aging>,
    /// Whether the effective now lags more than two days behind the clock.
    pub is_behind: bool,
}

impl Retention {
    /// Loads the stored clock, takes the reading `now`, and stores a changed clock. Events are kept for `days`.
    pub async fn load(
        store: &impl Store,
        days: u32,
        listing: &Listing,
        now: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        let kept = store.get(keys::RETENTION_CLOCK).await?;
        // An unreadable clock starts from nothing: aged records stay a while longer.
        let mut clock: RetentionClock = kept.and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or_default();
        let reading = u64::try_from(now.timestamp()).unwrap_or(0);
        let newest = newest(store, listing, reading).await?;
        let before = clock.agreed;
        let (effective, changed) = clock.take_reading(newest, reading);
        let agreed = reading.min(before.saturating_add(DAY));
        let aging = effective.filter(|_| before > 0).and_then(|effective| Aging::new(effective, reading, agreed, days));
        let behind = effective.map(|effective| reading.saturating_sub(effective));
        let retention = Self { clock, aging, is_behind: behind.is_some_and(|behind| behind > BEHIND) };
        if changed {
            retention.keep(store).await;
        }
        Ok(retention)
    }

    /// Whether a record can have aged since the last complete pass. Also true if the clock of that pass was ahead.
    pub fn is_due(&self) -> bool {
        self.aging.is_some_and(|aging| aging.before != self.clock.done)
    }

    /// Sorts the keys, and drops those that an incomplete pass has looked at.
    pub(super) fn unseen(&self, mut keys: Vec<String>) -> Vec<String> {
        keys.retain(|key| self.clock.after.as_ref().is_none_or(|after| key > after));
        keys.sort_unstable();
        keys
    }

    /// Writes down that the next pass continues after this key.
    pub(super) async fn pause(&mut self, store: &impl Store, after: Option<String>) {
        if after.is_some() {
            self.clock.after = after;
            self.keep(store).await;
        }
    }

    /// Writes down that all aged records are deleted.
    pub(super) async fn finish(&mut self, store: &impl Store) {
        if let Some(aging) = self.aging {
            (self.clock.done, self.clock.after) = (aging.before, None);
            self.keep(store).await;
        }
    }

    /// Stores the clock. A full store refuses it: then the next pass repeats this work, which is better than failing.
    async fn keep(&self, store: &impl Store) {
        let value = serde_json::to_vec(&self.clock).unwrap_or_default();
        store.set(keys::RETENTION_CLOCK, &value).await.ok();
    }
}

/// The latest own time up to the reading that a recording time confirms: it counts up to a day after the recording.
async fn newest(store: &impl Store, listing: &Listing, reading: u64) -> Result<Option<u64>, StoreError> {
    let Some((latest, _)) = latest_until(listing, reading, reading) else { return Ok(None) };
    let mut confirmed = None;
    // The latest events of an appliance whose clock is right, and of one whose clock is ahead.
    for end in [reading, u64::MAX] {
        let mut next = latest_until(listing, reading, end);
        for _ in 0..MOST_CONFIRMED {
            let Some((time, location)) = next.filter(|(time, _)| Some(*time) > confirmed) else { break };
            confirmed = confirmed.max(location.confirmed(store, reading).await?);
            let further = time.checked_sub(1).filter(|before| end == reading || *before > reading);
            next = further.and_then(|before| latest_until(listing, reading, before));
        }
    }
    // If everything was recorded later than the clock reads, the clock is not ahead.
    Ok(Some(confirmed.map_or(latest, |confirmed| confirmed.min(latest))))
}

/// The latest time up to `end`, and the location of its event.
fn latest_until(listing: &Listing, reading: u64, end: u64) -> Option<(u64, EventLocation<'_>)> {
    let loose = listing
        .loose
        .iter()
        .filter_map(|key| Some((KeyParts::split(key)?.time()?.seconds(), EventLocation::Loose(key))));
    // A pack that ends after the reading counts by its first time.
    let until = |key: &PackKey| Some(key.last.seconds()).filter(|last| *last <= reading).unwrap_or(key.first.seconds());
    let packed = listing.packs.iter().map(|key| (until(key), EventLocation::Packed(key)));
    loose.chain(packed).filter(|(time, _)| *time <= end).max_by_key(|(time, _)| *time)
}

#[derive(Clone, Copy)]
enum EventLocation<'k> {
    Loose(&'k str),
    Packed(&'k PackKey),
}

impl EventLocation<'_> {
    /// The latest own time that its recording time confirms, in Unix seconds. `None` if that is later than the reading.
    async fn confirmed(self, store: &impl Store, reading: u64) -> Result<Option<u64>, StoreError> {
        let mut confirmed = None;
        let mut add = |own: Timestamp, recorded: u64| {
            if recorded / 1_000 <= reading {
                confirmed = confirmed.max(Some(own.seconds().min((recorded / 1_000).saturating_add(DAY))));
            }
        };
        match self {
            Self::Loose(key) => {
                if let Some(Ok(entry)) = store.get(key).await?.map(|value| RecordEntry::under(key, value)) {
                    add(entry.key.timestamp, entry.recorded);
                }
            }
            Self::Packed(key) => {
                let Some(value) = store.get(&key.to_string()).await? else { return Ok(None) };
                let Ok(Pack { head, .. }) = Pack::open(key, &value) else { return Ok(None) };
                for session in head.sessions {
                    add(session.last, session.recorded.0);
                    add(session.last, session.recorded.1);
                }
                // A head has no times of events without a session: the first recording time confirms the last time.
                if let Some((first, _)) = head.recorded {
                    add(key.last, first);
                }
            }
        }
        Ok(confirmed)
    }
}

#[cfg(test)]
mod tests {
    use super::{Aging, DAY, RetentionClock};
    use crate::event::Timestamp;

    /// Whether a record has aged after 30 days. All arguments are days.
    fn aged(effective: u64, clock: u64, own: u64, recorded: u64) -> bool {
        let aging = Aging::new(effective * DAY + 5, clock * DAY + 5, clock * DAY + 5, 30).unwrap();
        aging.has_aged(Timestamp::from_seconds(own * DAY), recorded * DAY * 1_000)
    }

    #[test]
    fn an_age_counts_from_the_later_of_the_believable_times() {
        for (own, recorded, expected) in [
            (969, 969, true),
            (970, 970, false),
            // The event arrived late.
            (10, 999, false),
            (10, 969, true),
            // The appliance's clock was ahead.
            (1_500, 969, true),
            (1_500, 970, false),
            // This clock was ahead.
            (969, 1_500, true),
            (970, 1_500, false),
            // This clock was ahead, and the appliance had none.
            (10, 1_500, false),
            // This clock was behind when the event arrived, and is now.
            (1_010, 969, false),
            (1_366, 969, false),
            (1_367, 969, true),
            // Neither time is believable.
            (1_500, 1_500, false),
        ] {
            assert_eq!(aged(1_000, 1_000, own, recorded), expected, "own time day {own}, recorded day {recorded}");
        }
    }

    #[test]
    fn if_no_appliance_confirms_the_clock_both_times_must_be_old() {
        // No sending appliance has a clock: the effective now is long ago.
        for (own, recorded, expected) in [
            (69, 999, false),
            (69, 969, true),
            (70, 969, false),
            // The appliance restarted and its clock began again: its events are new.
            (1, 999, false),
        ] {
            assert_eq!(aged(100, 1_000, own, recorded), expected, "own time day {own}, recorded day {recorded}");
        }
    }

    #[test]
    fn nothing_ages_before_the_retention_days_have_passed() {
        assert_eq!(Aging::new(29 * DAY, 1_000 * DAY, 1_000 * DAY, 30), None);
    }

    #[test]
    fn a_reading_is_stored_on_a_change_and_steps_count_the_days() {
        let mut clock = RetentionClock::default();
        let day = |day: u64| day * DAY;
        for (newest, reading, effective, steps) in [
            (1_000, day(20), 1_000, 0),
            (1_000, day(20) + 60, 1_000, 0),
            // The clock is a year ahead: one step, and the effective now does not change yet.
            (1_000, day(385), 1_000, 1),
            // The clock is right again.
            (1_000, day(21), 1_000 + DAY, 0),
            (1_000, day(22), 1_000, 1),
            (1_000, day(23), 1_000 + DAY, 2),
            // A new event resets the steps.
            (day(23), day(23) + 60, day(23), 0),
        ] {
            let (now, _) = clock.take_reading(Some(newest), reading);
            assert_eq!((now, clock.steps), (Some(effective), steps), "newest {newest}, reading {reading}");
        }
    }
}
