//! What must hold at any time.

use std::collections::BTreeSet;

use super::actors::AnswerLedger;
use super::given::is_damaged;
use super::world::{ArchiveWorld, Removed, StoreWrite, settled};
use crate::support::at;
use outbound_events::archive::events::EventsQuery;
use outbound_events::archive::pack::RecordEntry;
use outbound_events::archive::{self, View, events};
use outbound_events::keys::{CutoffKey, EventKey};

/// Everything that a reader with a right clock sees.
pub(super) fn visible(world: &ArchiveWorld) -> Vec<RecordEntry> {
    let query = EventsQuery {
        site: None,
        event: None,
        from: None,
        to: None,
        after: None,
        limit: 10_000,
        max_bytes: usize::MAX,
    };
    let store = settled(world);
    let platform = at(&store, world.now());
    let page = pollster::block_on(archive::read_view(&platform, async |view: &mut View<'_, _>| {
        let page = events::list_events(view, &query).await?;
        assert!(view.unreadable.iter().all(|one| is_damaged(&one.key)), "{:?}", view.unreadable);
        Ok(page.events)
    }));
    page.unwrap()
}

/// Without a crash and without concurrent delivery runs, no event is sent more often than it was stored.
pub(super) fn is_sent_once(world: &ArchiveWorld, seed: u64) {
    let sent = world.sent.borrow();
    for (number, id) in sent.iter().filter(|(number, _)| *number == 0) {
        let times = sent.iter().filter(|(of, other)| of == number && other == id).count();
        let written = |(_, _, key, value): &&StoreWrite| {
            value.is_some() && key.starts_with("event.") && key.ends_with(id.as_str())
        };
        let takings = world.writes.borrow().iter().filter(written).count();
        assert!(times <= takings, "seed {seed}: {id} was taken {takings} times and sent {times} times");
    }
}

/// No stored event is lost, none is shown twice, no removed record is shown, no pending event was deleted, and no
/// destination is paused.
pub(super) fn hold(world: &ArchiveWorld, ledger: &AnswerLedger, seed: u64) {
    assert_eq!(*world.broken.borrow(), Vec::<String>::new(), "seed {seed}");
    let paused: Vec<_> = world.values().keys().filter(|key| key.starts_with("paused.")).cloned().collect();
    assert!(paused.is_empty(), "seed {seed}: {paused:?}, and less than an hour has passed");
    let shown = visible(world);
    let keys: Vec<_> = shown.iter().map(|entry| entry.key.to_string()).collect();
    let unique: BTreeSet<_> = keys.iter().collect();
    assert_eq!(unique.len(), keys.len(), "seed {seed}: a record is shown twice");
    let removed = Removed::by_markers(world);
    // A cutoff written by a clock that was ahead covers nothing for a right clock.
    let now = world.now().timestamp_micros().unsigned_abs();
    let counts = |cutoff: &&CutoffKey| cutoff.until <= now;
    for entry in &shown {
        let cut =
            removed.cutoffs.iter().filter(counts).any(|c| entry.key.timestamp < c.before && entry.delivered <= c.until);
        let erased = removed.has_listed(&entry.key, entry.recorded);
        assert!(!cut && !erased, "seed {seed}: {} came back", entry.key);
    }
    let writes = world.writes.borrow();
    for (key, recorded, open) in &ledger.taken {
        let parsed: EventKey = key.parse().unwrap();
        let takings: Vec<_> = writes.iter().filter(|(_, _, of, _)| of == key).collect();
        let takings: Vec<_> =
            takings.iter().filter_map(|(.., value)| RecordEntry::under(key, value.clone()?).ok()).collect();
        let this = takings.iter().filter(|entry| entry.recorded == *recorded);
        let is_gone = this.clone().next().is_none() || this.clone().any(|entry| removed.covers(entry));
        // The other POST of the same event began before the erasing, and its write replaced this record afterwards.
        let open = (*open || takings.iter().any(|entry| removed.covers(entry)))
            && takings.len() > 1
            && removed.can_concern(&parsed);
        let shown = unique.contains(key);
        let aged = world.can_age(&parsed);
        assert!(is_gone || open || aged || shown, "seed {seed}: {key}, recorded {recorded}, is lost");
    }
}
