//! A wrong clock deletes and hides nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use super::recipient::{ClockedRecipient, days, month};
use crate::support::{at, compact_if_due, now};
use chrono::{DateTime, TimeDelta};
use outbound_events::archive::compaction::{Bound, Policy};
use outbound_events::deadline::Deadline;
use outbound_events::store::Store as _;
use serde_json::json;

/// Regression: one pass with a clock 400 days ahead deleted everything and hid every later event, though it was
/// answered with 200 `stored`.
#[test]
fn one_pass_with_a_clock_ahead_deletes_and_hides_nothing() {
    for behind in [400, 31, -400] {
        let recipient = ClockedRecipient::new();
        let mut sent: BTreeSet<_> = (0..20).map(|n| recipient.take(now(), &format!("s{n}"))).collect();
        // With 31 days there is a right reading before; otherwise the wrong reading is the first one.
        (behind == 31).then(|| recipient.compact(&month(0)));
        recipient.set_clock(now() + days(behind)).compact(&month(0));
        recipient.set_clock(now() + TimeDelta::minutes(1));
        sent.insert(recipient.take(now(), "later"));
        recipient.compact(&month(0));
        assert_eq!(recipient.ids(), sent, "{behind} days ahead");
    }
}

/// Regression: an event that an appliance once sent from the future confirmed a wrong reading of this clock.
#[test]
fn an_event_from_the_future_does_not_confirm_a_wrong_clock() {
    let recipient = ClockedRecipient::new();
    let sent = BTreeSet::from([recipient.take(now() + days(300), "future"), recipient.take(now(), "today")]);
    recipient.compact(&month(0));
    for _ in 0..3 {
        recipient.set_clock(now() + days(400)).compact(&month(0));
    }
    assert_eq!(recipient.set_clock(now()).ids(), sent);
    // An event recorded by the wrong clock does not confirm another event's time either.
    for (future, ahead) in [(300, 400), (35, 40)] {
        for loose_events in [0, 512] {
            let policy = month(loose_events);
            let recipient = ClockedRecipient::new();
            let own = now() + days(future);
            let mut sent = BTreeSet::from([recipient.take(own, "future"), recipient.take(now(), "today")]);
            (0..2).for_each(|_| _ = recipient.compact(&policy));
            recipient.set_clock(now() + days(ahead));
            sent.insert(recipient.take(now() + TimeDelta::minutes(1), "taken-ahead"));
            (0..3).for_each(|_| _ = recipient.compact(&policy));
            assert_eq!(recipient.set_clock(now()).ids(), sent, "{future} days from the future, {ahead} days ahead");
        }
    }
}

/// Regression: the event of an appliance without a clock was answered with 200, was not shown, and the next pass
/// deleted it.
#[test]
fn an_event_of_an_appliance_without_a_clock_is_kept_as_long_as_any_other() {
    for packed in [true, false] {
        let policy = month(if packed { 0 } else { 512 });
        let recipient = ClockedRecipient::new();
        recipient.take(now(), "today");
        (0..2).for_each(|_| _ = recipient.compact(&policy));
        let old = recipient.take(DateTime::from_timestamp(1_000_000_000, 0).unwrap(), "no-clock");
        for day in 0..40 {
            recipient.set_clock(now() + days(day));
            recipient.take(now() + days(day), &format!("day-{day}"));
            (0..2).for_each(|_| _ = recipient.compact(&policy));
            let here = recipient.ids().contains(&old);
            assert!(here || day > 30, "it is deleted after {day} days");
            assert!(!here || day <= 31, "it is still shown after {day} days");
        }
    }
}

/// Regression: events recorded while the clock was ahead could not be erased, and `remaining` was false.
#[test]
fn events_recorded_by_a_clock_ahead_can_be_erased() {
    for ahead in [TimeDelta::hours(1), TimeDelta::seconds(10), days(400)] {
        for packed in [true, false] {
            let recipient = ClockedRecipient::new();
            recipient.take(now(), "one");
            recipient
                .set_clock(now() + ahead)
                .send(&format!("event=support_conference_end&version=1&timestamp={}&lsid=one", now().timestamp() + 5));
            packed.then(|| recipient.compact(&Policy::packs(0)));
            let erased = recipient.set_clock(now()).delete("/api/sessions/hq/one");
            assert_eq!((&erased["events"], &erased["remaining"]), (&json!(2), &json!(false)), "{ahead}");
            assert_eq!(recipient.call("GET", "/api/sessions/hq/one").status, 404, "{ahead}");
            assert_eq!(recipient.call("DELETE", "/api/sessions/hq/one").status, 404, "{ahead}");
            let left =
                recipient.store.keys().into_iter().filter(|key| key.starts_with("event.") || key.starts_with("pack."));
            assert_eq!(left.count(), 0, "{ahead}");
        }
    }
}

/// Regression: a session erased while the clock was ahead hid its later events; repeats were answered `duplicate`.
#[test]
fn events_that_arrive_after_the_erasing_are_shown_whatever_the_clock_reads() {
    for (recorded, erased, later) in [
        (0, 400 * 86_400, 60),
        // The same clock recorded the event: recording times do not say what came first.
        (400 * 86_400, 400 * 86_400, 60),
        (3_600, 3_600, 60),
        // Another machine's clock is behind.
        (0, 10, -3_600),
    ] {
        let recipient = ClockedRecipient::new();
        let time = |seconds: i64| now() + TimeDelta::seconds(seconds);
        recipient.set_clock(time(recorded)).take(now(), "one");
        recipient.set_clock(time(erased)).delete("/api/sessions/hq/one");
        let id = recipient.set_clock(time(later)).take(now() + TimeDelta::seconds(30), "one");
        assert_eq!(recipient.ids(), BTreeSet::from([id.clone()]), "{recorded}, {erased}, {later}");
        recipient.compact(&Policy::packs(0));
        assert_eq!(recipient.ids(), BTreeSet::from([id]), "{recorded}, {erased}, {later}: packed");
    }
}

/// A removal by age covers the events found. It skips and counts those recorded by a clock ahead.
#[test]
fn a_removal_by_age_removes_what_it_finds_and_counts_what_it_skips() {
    let recipient = ClockedRecipient::new();
    let old = now() - days(100);
    recipient.take(old, "found");
    let ahead = recipient.set_clock(now() + TimeDelta::hours(1)).take(old, "ahead");
    recipient.set_clock(now()).compact(&Policy::packs(0));
    let before = (now() - days(50)).format("%Y-%m-%d").to_string();
    let uri = format!("/api/events?before={before}");
    assert_eq!(recipient.delete(&uri), json!({"events": 1, "set_aside": 0, "skipped": 1, "remaining": false}));
    // An old event that arrives a second later.
    let later = recipient.set_clock(now() + TimeDelta::seconds(1)).take(old, "later");
    let sent = BTreeSet::from([ahead, later.clone()]);
    assert_eq!(recipient.ids(), sent);
    recipient.compact(&Policy::packs(0));
    assert_eq!(recipient.ids(), sent);
    // A removal with a clock ahead, of events that this clock recorded, does not cover later events.
    let recipient = ClockedRecipient::new();
    recipient.set_clock(now() + days(400)).take(now(), "one");
    recipient.delete(&format!("/api/events?before={}", (now() + days(100)).format("%Y-%m-%d")));
    let id = recipient.set_clock(now()).take(now(), "two");
    recipient.compact(&Policy::packs(0));
    assert_eq!(recipient.ids(), BTreeSet::from([id]));
}

/// A cutoff is deleted when passes have known it for two days, however far a clock jumps.
#[test]
fn a_cutoff_is_deleted_after_two_days_of_passes_and_not_by_one_wrong_clock() {
    let recipient = ClockedRecipient::new();
    recipient.take(now() - days(100), "old");
    recipient.delete("/api/events?before=2025-12-01");
    let cutoffs = || recipient.store.keys().iter().filter(|key| key.starts_with("cutoff.")).count();
    let after = |hours: i64| {
        let platform = at(&recipient.store, now() + TimeDelta::hours(hours));
        pollster::block_on(compact_if_due(&platform, &Policy::packs(512), &Bound::default())).unwrap()
    };
    assert!(after(400 * 24).report.is_some());
    assert_eq!(cutoffs(), 1);
    (1..46).for_each(|hour| _ = after(hour));
    assert_eq!(cutoffs(), 1);
    (46..60).for_each(|hour| _ = after(hour));
    assert_eq!(cutoffs(), 0);
    assert_eq!(after(100).report, None, "without a marker, no pass is due");
}

/// Regression: the lease of a pass with a clock 400 days ahead silently blocked every later pass until then.
#[test]
fn the_lease_of_a_clock_ahead_does_not_block_compaction() {
    let recipient = ClockedRecipient::new();
    for n in 0..20 {
        recipient.take(now(), &format!("s{n}"));
    }
    let due = |time| {
        pollster::block_on(compact_if_due(&at(&recipient.store, time), &Policy::packs(4), &Bound::default())).unwrap()
    };
    let lease = Deadline::new(now() + days(400), Duration::from_secs(600));
    pollster::block_on(recipient.store.set("lease.pass", &serde_json::to_vec(&lease).unwrap())).unwrap();
    let passed = due(now());
    assert!(passed.report.is_some_and(|report| report.packed > 0));
    assert!(!passed.clock_faults.is_empty(), "the wrong clock is reported");
    // A valid lease blocks other passes.
    let lease = Deadline::new(now(), Duration::from_secs(600));
    pollster::block_on(recipient.store.set("lease.pass", &serde_json::to_vec(&lease).unwrap())).unwrap();
    assert_eq!(due(now() + TimeDelta::seconds(599)).report, None);
}

/// Regression: set-aside bodies stayed for ever, despite retention and removal by age.
#[test]
fn the_age_of_a_set_aside_body_counts_from_when_it_was_first_seen() {
    let recipient = ClockedRecipient::new();
    let set_aside = || recipient.json("/api/set-aside")["set_aside"].as_array().unwrap().len();
    assert_eq!(recipient.set_clock(now() - days(400)).send("lsid=one").result(), "set-aside");
    assert_eq!(recipient.set_clock(now()).send("lsid=two").result(), "set-aside");
    recipient.take(now(), "today");
    let removed = recipient.delete("/api/events?before=2025-06-01");
    assert_eq!(removed, json!({"events": 0, "set_aside": 1, "skipped": 0, "remaining": false}));
    assert_eq!(set_aside(), 1);
    for (day, left) in [(0, 1), (29, 1), (32, 0)] {
        recipient.set_clock(now() + days(day)).take(now() + days(day), &format!("day-{day}"));
        let dropped: usize = (0..2).map(|_| recipient.compact(&month(0)).dropped_set_aside).sum();
        assert_eq!((set_aside(), dropped), (left, 1 - left), "day {day}");
    }
}
