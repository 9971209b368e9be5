//! Retention: what has been here for longer than `retention_days` is deleted by compaction. It writes no cutoff and hides nothing: until
//! a pass deletes it, a record is visible.
//!
//! A single reading of the clock must not decide that, or one pass on a machine whose clock is a year ahead deletes everything. So ages
//! are told by an *effective now*, which is never later than the latest event's own time plus the days that were seen to pass since that
//! event came: each of them by a reading of its own. An appliance and this clock must both be wrong, in the same way, for anything to go
//! too early.
//!
//! - `newest` is the latest own time among all keys that is not after the reading; but of each event no later than a day after it was
//!   recorded: one that an appliance sent from the future, long ago, must not make a wrong reading look right.
//! - The effective now is the earlier of the reading and `newest` plus `steps` days, `steps` being those from before this reading.
//! - Then, where `newest` has changed, `steps` is 0; where the reading is a day or more after the last that was kept, however far, there
//!   is one step more; where it is before that, one less. The reading is kept in these three cases.
//!
//! So the clock of a store that takes events follows those, and that of one that takes none follows the days, one reading a day. How a
//! record's age is told by the effective now is at [`Aging`]. The first reading of all makes nothing age.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::listing::Listing;
use super::pack::{Pack, RecordEntry};
use crate::event::Timestamp;
use crate::keys::{self, KeyParts, PackKey};
use crate::record::SetAside;
use crate::store::{Store, StoreError};

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// How many records are read, on either side of the reading, to find one that confirms `newest`.
const MOST_CONFIRMED: usize = 16;

/// By how much the effective now is behind a reading before that is reported.
const BEHIND: u64 = 2 * DAY;

/// What stands under [`keys::RETENTION_CLOCK`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct RetentionClock {
    /// The latest own time, in Unix seconds. `None` where there was no event.
    newest: Option<u64>,
    /// How many days were seen to pass since it came.
    steps: u32,
    /// The reading that was kept last, in Unix seconds.
    reading: u64,
    /// How far readings agree, in Unix seconds: it follows them by at most a day each.
    #[serde(default)]
    agreed: u64,
    /// What was recorded before this, in Unix seconds, was looked at by a pass that came to its end.
    #[serde(default)]
    done: u64,
    /// Where a pass that did not come to its end goes on: after this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

impl RetentionClock {
    /// Takes a reading. The effective now in Unix seconds, and whether anything is to be kept.
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

/// What has aged. All times are Unix seconds.
///
/// An age counts from the later of a record's own time and its time of recording. An own time that is more than a year after the effective
/// now and after this clock counts for nothing: an appliance's clock is ahead. One that is less is believed, and what has it stays longer, since it may be this
/// clock that is behind, as it was when the record was taken. Nor does a time of recording count that is more than a day after the effective
/// now; but since an appliance without a clock sends own times that are decades old, the own time alone must not decide:
///
/// - If the time of recording is not after this clock, the effective now is behind: no appliance's clock confirms this one. Then what is old by its own
///   time must be old by its time of recording too, as this clock tells.
/// - If it is after this clock, a clock that was ahead has written it, or this one is behind. Then an own time counts that is not too old to
///   be believed.
///
/// What has no time that counts stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aging {
    /// What was here before this has aged: a midnight, so that packs are written anew once a day at most.
    before: u64,
    /// A day after the effective now.
    latest: u64,
    /// A year after the later of the effective now and this clock's reading.
    latest_own: u64,
    /// What was recorded before this has aged by this clock, as far as it and its last reading agree.
    before_by_clock: u64,
    /// A day after the same.
    latest_by_clock: u64,
}

/// For so long before the effective now's own limit an own time alone is believed.
const BELIEVED: u64 = 90 * DAY;

/// How much of a pack has aged, as far as its key and head tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aged {
    All,
    /// Perhaps some: its records tell.
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

    /// Whether a record of these times has aged. `recorded` is in Unix milliseconds.
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

    /// Whether a record has aged.
    pub(super) fn has_aged_entry(&self, entry: &RecordEntry) -> bool {
        self.has_aged(Some(entry.key.timestamp), entry.recorded)
    }

    /// Whether a body that was set aside has aged: it counts from when it was first seen, in Unix milliseconds.
    pub(super) fn has_aged_set_aside(&self, seen: u64) -> bool {
        self.has_aged(None, seen)
    }

    /// Whether a record may have aged, by its own time alone.
    pub(super) fn suspects(&self, own: Timestamp) -> bool {
        own.seconds() < self.before || own.seconds() > self.latest_own
    }

    /// How much of a pack has aged, by its key and when its records were recorded, in Unix milliseconds.
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

/// When a body was first seen, in Unix milliseconds.
pub fn first_seen(value: &[u8]) -> Result<u64, String> {
    let set_aside: SetAside = serde_json::from_slice(value).map_err(|error| error.to_string())?;
    let time = DateTime::parse_from_rfc3339(&set_aside.firstseen).map_err(|error| error.to_string())?;
    u64::try_from(time.timestamp_millis()).map_err(|_| "it was first seen before 1970".to_owned())
}

/// Retention as one pass sees it.
#[derive(Clone, Debug)]
pub struct Retention {
    clock: RetentionClock,
    /// What has aged, if anything can have.
    pub aging: Option<Aging>,
    /// Whether the effective now is further behind the clock than can be right.
    pub is_behind: bool,
}

impl Retention {
    /// Takes the reading `now` for events that are kept for so many `days`.
    pub async fn load(
        store: &impl Store,
        days: u32,
        listing: &Listing,
        now: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        let kept = store.get(keys::RETENTION_CLOCK).await?;
        // One that cannot be read is made anew: what has aged stays a while longer.
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

    /// Whether there may be something that has aged and was not looked at yet. Also where a clock that was ahead has looked: what it did
    /// counts for nothing now.
    pub fn is_due(&self) -> bool {
        self.aging.is_some_and(|aging| aging.before != self.clock.done)
    }

    /// What is yet to be looked at, in the order of keys.
    pub(super) fn unseen(&self, mut keys: Vec<String>) -> Vec<String> {
        keys.retain(|key| self.clock.after.as_ref().is_none_or(|after| key > after));
        keys.sort_unstable();
        keys
    }

    /// The time is up: the next pass goes on after this key.
    pub(super) async fn pause(&mut self, store: &impl Store, after: Option<String>) {
        if after.is_some() {
            self.clock.after = after;
            self.keep(store).await;
        }
    }

    /// All that has aged is gone.
    pub(super) async fn finish(&mut self, store: &impl Store) {
        if let Some(aging) = self.aging {
            (self.clock.done, self.clock.after) = (aging.before, None);
            self.keep(store).await;
        }
    }

    /// A store that is full does not take it. Then the next pass does the same again, which is better than none.
    async fn keep(&self, store: &impl Store) {
        let value = serde_json::to_vec(&self.clock).unwrap_or_default();
        store.set(keys::RETENTION_CLOCK, &value).await.ok();
    }
}

/// The latest own time that is not after the reading, as far as the time of recording beside it confirms it: an own time counts until a
/// day after the event was recorded.
async fn newest(store: &impl Store, listing: &Listing, reading: u64) -> Result<Option<u64>, StoreError> {
    let Some((latest, _)) = latest_until(listing, reading, reading) else { return Ok(None) };
    let mut confirmed = None;
    // Those that came last, of an appliance whose clock is right, and of one whose clock is ahead.
    for end in [reading, u64::MAX] {
        let mut next = latest_until(listing, reading, end);
        for _ in 0..MOST_CONFIRMED {
            let Some((time, location)) = next.filter(|(time, _)| Some(*time) > confirmed) else { break };
            confirmed = confirmed.max(location.confirmed(store, reading).await?);
            let further = time.checked_sub(1).filter(|before| end == reading || *before > reading);
            next = further.and_then(|before| latest_until(listing, reading, before));
        }
    }
    // Where all was recorded later than the clock reads, it is not ahead.
    Ok(Some(confirmed.map_or(latest, |confirmed| confirmed.min(latest))))
}

/// The latest time that is not after `end`, and what has it.
fn latest_until(listing: &Listing, reading: u64, end: u64) -> Option<(u64, EventLocation<'_>)> {
    let loose =
        listing.loose.iter().filter_map(|key| Some((KeyParts::of(key)?.time()?.seconds(), EventLocation::Loose(key))));
    // A pack that ends after the reading has begun before.
    let until = |key: &PackKey| Some(key.last.seconds()).filter(|last| *last <= reading).unwrap_or(key.first.seconds());
    let packed = listing.packs.iter().map(|key| (until(key), EventLocation::Packed(key)));
    loose.chain(packed).filter(|(time, _)| *time <= end).max_by_key(|(time, _)| *time)
}

/// Where an event of a time stands.
#[derive(Clone, Copy)]
enum EventLocation<'k> {
    Loose(&'k str),
    Packed(&'k PackKey),
}

impl EventLocation<'_> {
    /// The latest own time that its time of recording confirms, in Unix seconds. Nothing where that is later than the reading.
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
                // Of events without a session, their pack's first time of recording confirms what it can.
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

    /// For 30 days, where the effective now and this clock are on these days.
    fn aged(effective: u64, clock: u64, own: u64, recorded: u64) -> bool {
        let aging = Aging::new(effective * DAY + 5, clock * DAY + 5, clock * DAY + 5, 30).unwrap();
        aging.has_aged(Timestamp::from_seconds(own * DAY), recorded * DAY * 1_000)
    }

    #[test]
    fn an_age_counts_from_the_later_time_of_those_that_can_be_right() {
        for (own, recorded, expected) in [
            (969, 969, true),
            (970, 970, false),
            // It came late: it has been here for a short time.
            (10, 999, false),
            (10, 969, true),
            // Its appliance's clock was ahead when it came.
            (1_500, 969, true),
            (1_500, 970, false),
            // This one was.
            (969, 1_500, true),
            (970, 1_500, false),
            // And its appliance had none.
            (10, 1_500, false),
            // Or this one was behind, twice.
            (1_010, 969, false),
            (1_366, 969, false),
            (1_367, 969, true),
            // Nothing tells.
            (1_500, 1_500, false),
        ] {
            assert_eq!(aged(1_000, 1_000, own, recorded), expected, "own time day {own}, recorded day {recorded}");
        }
    }

    #[test]
    fn where_no_appliance_confirms_the_clock_both_times_must_be_old() {
        // Every appliance that sends is without a clock: the effective now is long ago.
        for (own, recorded, expected) in [
            (69, 999, false),
            (69, 969, true),
            (70, 969, false),
            // It was started anew, and begins again: what it sends is not old.
            (1, 999, false),
        ] {
            assert_eq!(aged(100, 1_000, own, recorded), expected, "own time day {own}, recorded day {recorded}");
        }
    }

    #[test]
    fn nothing_ages_before_as_many_days_have_been() {
        assert_eq!(Aging::new(29 * DAY, 1_000 * DAY, 1_000 * DAY, 30), None);
    }

    #[test]
    fn a_reading_is_kept_where_something_is_new_and_steps_follow_the_days_one_by_one() {
        let mut clock = RetentionClock::default();
        let day = |day: u64| day * DAY;
        for (newest, reading, effective, steps) in [
            // An event of today.
            (1_000, day(20), 1_000, 0),
            (1_000, day(20) + 60, 1_000, 0),
            // A year ahead: one step, and nothing yet.
            (1_000, day(385), 1_000, 1),
            // Right again.
            (1_000, day(21), 1_000 + DAY, 0),
            (1_000, day(22), 1_000, 1),
            (1_000, day(23), 1_000 + DAY, 2),
            // An event, and the days begin anew.
            (day(23), day(23) + 60, day(23), 0),
        ] {
            let (now, _) = clock.take_reading(Some(newest), reading);
            assert_eq!((now, clock.steps), (Some(effective), steps), "newest {newest}, reading {reading}");
        }
    }
}
