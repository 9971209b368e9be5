//! Events are kept, erased and packed, whatever the clock reads.

use std::collections::BTreeSet;

use super::machine::{DAY, Machine, THREE_MINUTES, ask, count, event_ids, now, pass, take, taken, value, wait_until};
use crate::support;
use crate::support::{numbered, stored};
use serde_json::json;

/// Retention must not trust a single wrong reading of the clock, even if earlier readings were right.
pub(super) fn one_pass_on_a_clock_that_is_400_days_ahead_deletes_nothing() {
    for passes_before in [0, 2] {
        let machine = Machine::start(&["retention_days=30"]);
        let recipient = &machine.recipient;
        let mut ids: BTreeSet<_> = (0..20).map(|n| take(recipient, now(), &format!("{n:032x}"))).collect();
        (0..passes_before).for_each(|_| pass(recipient));
        machine.set_clock("+400d");
        pass(recipient);
        assert_eq!(event_ids(recipient), ids, "while the clock is ahead, after {passes_before} passes before");
        machine.set_clock("+0");
        assert_eq!(event_ids(recipient), ids, "after {passes_before} passes before");
        ids.insert(take(recipient, now(), "a-session"));
        assert_eq!(event_ids(recipient), ids);
        pass(recipient);
        assert_eq!(event_ids(recipient), ids);
    }
}

/// An appliance without a clock sends old times. The age of such an event counts from its arrival.
pub(super) fn an_old_event_that_arrives_now_is_kept_as_long_as_a_new_one() {
    let machine = Machine::start(&["retention_days=30"]);
    let recipient = &machine.recipient;
    let mut ids = BTreeSet::from([take(recipient, now(), "first")]);
    (0..2).for_each(|_| pass(recipient));
    ids.insert(take(recipient, 1_000_000_000, "old"));
    assert_eq!(event_ids(recipient), ids);
    for _ in 0..2 {
        pass(recipient);
        assert_eq!(event_ids(recipient), ids);
    }
    machine.set_clock("+32d");
    let last = take(recipient, now() + 32 * DAY, "last");
    (0..3).for_each(|_| pass(recipient));
    assert_eq!(event_ids(recipient), [last].into(), "32 days later, what is 30 days old is gone");
}

/// By the right clock, the records of the session are in the future.
pub(super) fn a_session_that_was_recorded_while_the_clock_was_ahead_is_erased() {
    is_erased("+1h", "+0");
}

/// The clock is off by a few seconds, as when a time daemon steps it back.
pub(super) fn a_session_that_was_recorded_before_the_clock_stepped_back_is_erased() {
    is_erased("+0", "-10");
}

/// Records a session with one clock and erases it with another, with loose and with packed records.
fn is_erased(recorded: &str, erased: &str) {
    for packs in [false, true] {
        // The host itself does not pack this few events, so no compaction runs in parallel.
        let machine = Machine::start(&[]);
        let recipient = &machine.recipient;
        machine.set_clock(recorded);
        let time = now();
        (0..5).for_each(|n| _ = take(recipient, time + n, "erased"));
        let other = take(recipient, time, "other");
        if packs {
            let mut pack = support::host();
            pack.args(["store", "pack", "--loose-events", "1"]).arg(recipient.store_path());
            assert!(support::succeeds(&mut pack));
            assert!(count(recipient, "pack.") > 0);
        }
        machine.set_clock(erased);
        let session = "/api/sessions/hq/erased";
        assert_eq!(ask(recipient, "GET", session).0, 200);
        let (status, removed) = ask(recipient, "DELETE", session);
        assert_eq!((status, &removed["events"], &removed["remaining"]), (200, &json!(5), &json!(false)), "{removed}");
        assert_eq!(ask(recipient, "GET", session).0, 404);
        assert_eq!(event_ids(recipient), [other].into(), "and nothing else is gone");
        let left =
            recipient.stored().into_iter().filter(|(key, _)| key.starts_with("event.") && key.contains(".erased."));
        assert_eq!(left.count(), 0, "its bytes are gone too");
    }
}

/// A tombstone made with a clock that was ahead must not cover later events.
pub(super) fn a_session_erased_while_the_clock_was_ahead_accepts_new_events() {
    let machine = Machine::start(&[]);
    let recipient = &machine.recipient;
    machine.set_clock("+400d");
    let time = now();
    take(recipient, time, "session");
    let session = "/api/sessions/hq/session";
    let (status, removed) = ask(recipient, "DELETE", session);
    assert_eq!((status, &removed["remaining"]), (200, &json!(false)), "{removed}");
    assert_eq!(ask(recipient, "GET", session).0, 404);
    machine.set_clock("+0");
    // A new event, and the erased one, sent again.
    let ids = [take(recipient, time + 1, "session"), take(recipient, time, "session")].into();
    let is_shown = || {
        assert_eq!(event_ids(recipient), ids);
        let (status, shown) = ask(recipient, "GET", session);
        assert_eq!((status, shown["events"].as_array().map(Vec::len)), (200, Some(2)), "{shown}");
        let (status, all) = ask(recipient, "GET", "/api/sessions");
        assert_eq!((status, all["sessions"].as_array().map(Vec::len)), (200, Some(1)), "{all}");
    };
    is_shown();
    pass(recipient);
    is_shown();
}

/// The lease of a compaction must not block others until the time that the clock showed.
pub(super) fn packing_goes_on_after_a_pass_while_the_clock_was_ahead() {
    let machine = Machine::start(&["loose_events=16"]);
    let recipient = &machine.recipient;
    let mut connection = recipient.connect();
    // The ids of events decide when compaction runs, and they are the same in each run.
    let mut send = |numbers: std::ops::Range<usize>| {
        numbers.for_each(|n| _ = taken(&connection.post("/events/hq", numbered(n))));
    };
    machine.set_clock("+400d");
    send(0..200);
    let is_ahead = || {
        let at = value(recipient, "lease.pass")["at"].as_u64().unwrap_or(0);
        at / 1_000 > now() + 399 * DAY
    };
    wait_until("a pass packs", THREE_MINUTES, || count(recipient, "pack.") > 0 && is_ahead());
    machine.set_clock("+0");
    send(200..600);
    // 16 events stay loose, and compaction is due with 8 more.
    wait_until("the others are packed", THREE_MINUTES, || count(recipient, "event.") < 16 + 8);
    let events = stored(&recipient.store_path()).into_iter().filter(|(key, _)| key.starts_with("event."));
    assert_eq!(events.count(), 600, "none is lost");
}
