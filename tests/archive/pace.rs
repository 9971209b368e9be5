//! How often compaction lists the store, and that it packs everything in the end.

use std::cell::Cell;
use std::time::Duration;

use super::finding::loose;
use super::harness::{ALL, all_events, later, take};
use crate::support::{Memory, at, by, compact, compact_if_due, now, seven};
use chrono::TimeDelta;
use outbound_events::archive::compaction::{Bound, DueOutcome, Policy};
use outbound_events::store::{Store, StoreError};

/// A store whose list takes 100 ms and then succeeds or fails.
#[derive(Default)]
struct Slow {
    store: Memory,
    refuses: bool,
    millis: Cell<i64>,
}

impl Store for Slow {
    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        self.store.exists(key).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(key).await
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.store.set(key, value).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.store.delete(key).await
    }

    async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        self.millis.set(self.millis.get() + 100);
        let keys = self.store.get_keys().await;
        if self.refuses { Err(StoreError::Other("too many keys".to_owned())) } else { keys }
    }
}

impl Slow {
    /// Counts the lists within `seconds`, if compaction can run after an answer every 10 ms.
    fn lists(&self, policy: &Policy, seconds: i64) -> usize {
        let calls = self.store.calls.borrow().iter().filter(|call| **call == "get_keys").count();
        let end = self.millis.get() + seconds * 1_000;
        while self.millis.get() < end {
            self.millis.set(self.millis.get() + 10);
            let platform = by(self, || now() + TimeDelta::milliseconds(self.millis.get()));
            let due = pollster::block_on(compact_if_due(&platform, policy, &Bound::default()));
            assert_eq!(due.is_err(), self.refuses && due != Ok(DueOutcome::default()));
        }
        self.store.calls.borrow().iter().filter(|call| **call == "get_keys").count() - calls
    }
}

#[test]
fn compaction_after_answers_takes_at_most_a_tenth_of_the_time() {
    // Regression: 100,000 loose events took a second to list, and every 48th event listed them. The recipient took 150
    // events a second instead of 7,000.
    let store = Slow::default();
    let nothing_due = Policy { loose_events: 512, ..ALL };
    assert!(store.lists(&nothing_due, 60) <= 60);
    assert!(store.lists(&nothing_due, 60) >= 50);
    for (_, body) in seven() {
        take(&store, "hq", &body, 0);
    }
    // A pass that packs few events lists twice: before it begins, and before it deletes.
    assert!(store.lists(&ALL, 60) <= 62);
    assert!(store.store.keys().iter().all(|key| !key.starts_with("event.")), "the events are packed");
    // A store with few keys is listed quickly and fills quickly: compaction does not rest.
    let few_keys = Policy { key_budget: Some(1_024), ..nothing_due };
    store.store.values.borrow_mut().clear();
    assert!(store.lists(&few_keys, 60) > 500);
}

#[test]
fn a_store_is_packed_even_if_a_list_takes_longer_than_a_pass() {
    // Regression, seen with 34,000 loose events on NATS. A pass lists again before it deletes: every pass wrote its
    // pack, and none deleted.
    let store = Slow::default();
    for (_, body) in seven() {
        take(&store, "hq", &body, 0);
    }
    let short = Bound { time: Duration::from_millis(50), ..Bound::default() };
    let clock = || now() + TimeDelta::milliseconds(store.millis.get());
    let report = pollster::block_on(compact(&by(&store, clock), &ALL, &short)).unwrap();
    assert_eq!(report.packed, 7);
    assert!(store.store.keys().iter().all(|key| !key.starts_with("event.")));
}

/// Regression: if more than twice as many events stay loose as one pass packs, nothing was ever packed.
#[test]
fn repeated_passes_pack_everything_that_must_not_stay_loose() {
    let bound = Bound { events: 8, loose: 40, ..Bound::WIDE };
    for (sites, loose_events) in [(1, 100), (1, 0), (3, 30)] {
        let store = Memory::default();
        for n in 0..300 {
            let event = format!("event=support_conference_begin&version=1&lsid=one&timestamp={}", 1_700_000_000 + n);
            assert_eq!(take(&store, ["a", "b", "c"][n % sites], &event, 0).header("event-result"), "stored");
        }
        let before = all_events(&store, 100);
        compact_until_done(&store, &Policy::packs(loose_events), &bound);
        let still_loose = loose(&store);
        assert!(
            still_loose >= loose_events && still_loose <= loose_events + loose_events / 2 + 8 * sites,
            "{still_loose} of {loose_events}"
        );
        assert_eq!(all_events(&store, 100), before);
    }
}

/// Regression: passes tried the same oldest events again and again.
#[test]
fn events_that_cannot_be_packed_do_not_block_newer_ones() {
    let (store, bound) = (Memory::default(), Bound { events: 8, loose: 20, ..Bound::WIDE });
    // Thirty sites have too few events for a pack each, and thirty values are unreadable.
    for n in 0..30 {
        let event = format!("event=support_conference_begin&version=1&lsid=one&timestamp={}", 1_600_000_000 + n);
        assert_eq!(take(&store, &format!("site-{n}"), &event, 0).header("event-result"), "stored");
        let key = format!("event.default.{:012}.one.begin.{n:032x}", 1_600_000_000 + n);
        store.values.borrow_mut().insert(key, Vec::new());
    }
    for n in 0..100 {
        let event = format!("event=support_conference_begin&version=1&lsid=one&timestamp={}", 1_700_000_000 + n);
        assert_eq!(take(&store, "hq", &event, 0).header("event-result"), "stored");
    }
    compact_until_done(&store, &Policy::packs(16), &bound);
    // Loose are these 60, the 16 that stay loose, and fewer than a pack needs.
    assert!((60 + 16..60 + 16 + 8).contains(&loose(&store)), "{}", loose(&store));
}

/// Runs compaction until nothing remains.
fn compact_until_done(store: &impl Store, policy: &Policy, bound: &Bound) {
    for _ in 0..100 {
        if !pollster::block_on(compact(&at(store, later()), policy, bound)).unwrap().remaining {
            return;
        }
    }
    panic!("work still remains after 100 passes");
}

#[test]
fn a_store_that_refuses_a_list_is_not_listed_again_for_minutes() {
    // Regression: with 1,000,000 loose events the recipient took 37 events a second, since every 48th one listed the
    // store in vain.
    let store = Slow { refuses: true, ..Slow::default() };
    assert!(store.lists(&ALL, 600) <= 3);
}
