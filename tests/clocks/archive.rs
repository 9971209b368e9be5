//! Nothing is deleted or hidden because of a wrong clock.

use std::collections::BTreeSet;
use std::time::Duration;

use super::recipient::{Recipient, days, month};
use crate::support::{at, compact_if_due, now};
use chrono::{DateTime, TimeDelta};
use outbound_events::archive::compaction::{Bound, Policy};
use outbound_events::deadline::Deadline;
use outbound_events::store::Store as _;
use serde_json::json;

/// Row 2: one pass 400 days ahead deleted everything, and swallowed every later event: 200 `stored`, and never shown.
#[test]
fn one_pass_by_a_clock_that_is_ahead_deletes_nothing_and_hides_nothing() {
    for behind in [400, 31, -400] {
        let recipient = Recipient::new();
        let mut sent: BTreeSet<_> = (0..20).map(|n| recipient.take(now(), &format!("s{n}"))).collect();
        // One reading before it, or none: the wrong one may be the first of all.
        (behind == 31).then(|| recipient.compact(&month(0)));
        recipient.set_clock(now() + days(behind)).compact(&month(0));
        recipient.set_clock(now() + TimeDelta::minutes(1));
        sent.insert(recipient.take(now(), "later"));
        recipient.compact(&month(0));
        assert_eq!(recipient.ids(), sent, "{behind} days ahead");
    }
}

/// An event that a wrong appliance sent from the future, long ago, made a wrong reading of this clock look right.
#[test]
fn an_event_from_the_future_does_not_make_a_wrong_clock_look_right() {
    let recipient = Recipient::new();
    let sent = BTreeSet::from([recipient.take(now() + days(300), "future"), recipient.take(now(), "today")]);
    recipient.compact(&month(0));
    for _ in 0..3 {
        recipient.set_clock(now() + days(400)).compact(&month(0));
    }
    assert_eq!(recipient.set_clock(now()).ids(), sent);
    // Nor does what is taken by the wrong clock confirm another event's time.
    for (future, ahead) in [(300, 400), (35, 40)] {
        for loose_events in [0, 512] {
            let policy = month(loose_events);
            let recipient = Recipient::new();
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

/// Row 3: the event of an appliance without a clock was answered 200, not to be read, and deleted by the next pass.
#[test]
fn an_event_of_an_appliance_without_a_clock_is_kept_for_as_long_as_any_other() {
    for packed in [true, false] {
        let policy = month(if packed { 0 } else { 512 });
        let recipient = Recipient::new();
        recipient.take(now(), "today");
        (0..2).for_each(|_| _ = recipient.compact(&policy));
        let old = recipient.take(DateTime::from_timestamp(1_000_000_000, 0).unwrap(), "no-clock");
        for day in 0..40 {
            recipient.set_clock(now() + days(day));
            recipient.take(now() + days(day), &format!("day-{day}"));
            (0..2).for_each(|_| _ = recipient.compact(&policy));
            let here = recipient.ids().contains(&old);
            assert!(here || day > 30, "it is gone after {day} days");
            assert!(!here || day <= 31, "it is there after {day} days");
        }
    }
}

/// Row 4: what was recorded while the clock was ahead could not be erased, and `remaining` said nothing of it.
#[test]
fn what_a_clock_that_was_ahead_recorded_is_erased_all_the_same() {
    for ahead in [TimeDelta::hours(1), TimeDelta::seconds(10), days(400)] {
        for packed in [true, false] {
            let recipient = Recipient::new();
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

/// Row 5: a session that was erased while the clock was ahead swallowed its later events; repeats were `duplicate`.
#[test]
fn what_a_session_records_after_it_was_erased_is_shown_whatever_the_clock_read() {
    for (recorded, erased, later) in [
        (0, 400 * 86_400, 60),
        // Recorded by that clock too: its times are no measure of what came first.
        (400 * 86_400, 400 * 86_400, 60),
        (3_600, 3_600, 60),
        // Another machine's clock is behind.
        (0, 10, -3_600),
    ] {
        let recipient = Recipient::new();
        let time = |seconds: i64| now() + TimeDelta::seconds(seconds);
        recipient.set_clock(time(recorded)).take(now(), "one");
        recipient.set_clock(time(erased)).delete("/api/sessions/hq/one");
        let id = recipient.set_clock(time(later)).take(now() + TimeDelta::seconds(30), "one");
        assert_eq!(recipient.ids(), BTreeSet::from([id.clone()]), "{recorded}, {erased}, {later}");
        recipient.compact(&Policy::packs(0));
        assert_eq!(recipient.ids(), BTreeSet::from([id]), "{recorded}, {erased}, {later}: packed");
    }
}

/// The same of a removal by age: it covers what is found, and what a clock that was ahead recorded is left and told of.
#[test]
fn a_removal_by_age_takes_what_is_found_and_tells_what_it_leaves() {
    let recipient = Recipient::new();
    let old = now() - days(100);
    recipient.take(old, "found");
    let ahead = recipient.set_clock(now() + TimeDelta::hours(1)).take(old, "ahead");
    recipient.set_clock(now()).compact(&Policy::packs(0));
    let before = (now() - days(50)).format("%Y-%m-%d").to_string();
    let uri = format!("/api/events?before={before}");
    assert_eq!(recipient.delete(&uri), json!({"events": 1, "set_aside": 0, "skipped": 1, "remaining": false}));
    // A second later, and by a clock that is behind.
    let later = recipient.set_clock(now() + TimeDelta::seconds(1)).take(old, "later");
    let sent = BTreeSet::from([ahead, later.clone()]);
    assert_eq!(recipient.ids(), sent);
    recipient.compact(&Policy::packs(0));
    assert_eq!(recipient.ids(), sent);
    // A removal by a clock that is ahead, of what that clock recorded, covers nothing that is to come.
    let recipient = Recipient::new();
    recipient.set_clock(now() + days(400)).take(now(), "one");
    recipient.delete(&format!("/api/events?before={}", (now() + days(100)).format("%Y-%m-%d")));
    let id = recipient.set_clock(now()).take(now(), "two");
    recipient.compact(&Policy::packs(0));
    assert_eq!(recipient.ids(), BTreeSet::from([id]));
}

/// A cutoff goes when passes have known it for two days, however far a clock jumps.
#[test]
fn a_cutoff_goes_after_two_days_of_passes_and_not_after_one_wrong_one() {
    let recipient = Recipient::new();
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
    assert_eq!(after(100).report, None, "where nothing tells of a removal, nothing is due");
}

/// Row 7: the lease of a pass that ran 400 days ahead kept every later one away until then, silently.
#[test]
fn a_pass_that_ran_while_the_clock_was_ahead_keeps_no_other_away() {
    let recipient = Recipient::new();
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
    assert!(!passed.clock_faults.is_empty(), "and it is told");
    // A lease that holds does keep others away.
    let lease = Deadline::new(now(), Duration::from_secs(600));
    pollster::block_on(recipient.store.set("lease.pass", &serde_json::to_vec(&lease).unwrap())).unwrap();
    assert_eq!(due(now() + TimeDelta::seconds(599)).report, None);
}

/// Row 18: a body that was set aside stayed for ever, whatever was asked for.
#[test]
fn bodies_that_were_set_aside_age_by_when_they_were_first_seen() {
    let recipient = Recipient::new();
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
