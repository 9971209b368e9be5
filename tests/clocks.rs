//! Clocks that are wrong, by any amount, either way, and right again: nothing that was answered 200 is lost, hidden or held up.
//!
//! What many of them do at once is in `archive_model.rs`; the same on the running host in `crates/host/tests/clocks.rs`.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use outbound_events::archive::compaction::{Bound, Policy, Report};
use outbound_events::archive::pack::Pack;
use outbound_events::clock_faults::ClockFaults;
use outbound_events::deadline::{Deadline, Waited};
use outbound_events::event::{Event, Timestamp};
use outbound_events::http_client::NoWayOut;
use outbound_events::keys::PackKey;
use outbound_events::parse::parse;
use outbound_events::platform::Platform;
use outbound_events::service::{After, Service};
use outbound_events::session::{Summary, Timeline};
use outbound_events::settings::Variables;
use outbound_events::store::Store as _;
use serde_json::{Value, json};

use crate::support::{Call, Memory, Reply, Says, TOKEN, Ways, at, call, now, pass, pass_if_due, post};

const SETTINGS: &[(&str, &str)] =
    &[("ingest_tokens", TOKEN), ("read_tokens", TOKEN), ("admin_tokens", TOKEN), ("tick_token", TOKEN)];

/// Keeps 30 days, and packs all but so many events.
fn month(loose_events: usize) -> Policy {
    Policy { retention_days: Some(30), ..Policy::packs(loose_events) }
}

fn days(days: i64) -> TimeDelta {
    TimeDelta::days(days)
}

/// A store, and a clock that can be set.
struct Recipient {
    store: Memory,
    clock: Cell<DateTime<Utc>>,
}

impl Recipient {
    fn new() -> Self {
        Self { store: Memory::default(), clock: Cell::new(now()) }
    }

    /// Sets the clock.
    fn at(&self, time: DateTime<Utc>) -> &Self {
        self.clock.set(time);
        self
    }

    fn send(&self, body: &str) -> Reply {
        let reply = post(&format!("/events/hq?outbound_event_token={TOKEN}"))
            .body(body)
            .at(self.clock.get())
            .answer(&self.store, SETTINGS);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply
    }

    /// Takes an event of a session; its id.
    fn take(&self, own: DateTime<Utc>, lsid: &str) -> String {
        let form = format!("event=support_conference_begin&version=1&timestamp={}&lsid={lsid}", own.timestamp());
        let reply = self.send(&form);
        assert_eq!(reply.result(), "stored");
        reply.header("event-id").to_owned()
    }

    fn call(&self, method: &str, uri: &str) -> Reply {
        let call: Call = call(method, uri).header("authorization", format!("Bearer {TOKEN}"));
        call.at(self.clock.get()).answer(&self.store, SETTINGS)
    }

    fn json(&self, uri: &str) -> Value {
        let reply = self.call("GET", uri);
        assert_eq!(reply.status, 200, "{reply:?}");
        serde_json::from_str(&reply.body).unwrap()
    }

    fn delete(&self, uri: &str) -> Value {
        let reply = self.call("DELETE", uri);
        assert_eq!(reply.status, 200, "{reply:?}");
        serde_json::from_str(&reply.body).unwrap()
    }

    fn pass(&self, policy: &Policy) -> Report {
        pollster::block_on(pass(&at(&self.store, self.clock.get()), policy, &Bound::WIDE)).unwrap()
    }

    /// The ids of all events that are shown.
    fn ids(&self) -> BTreeSet<String> {
        let events = self.json("/api/events?limit=500");
        events.as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// Row 2: one pass 400 days ahead deleted everything, and swallowed every later event: 200 `stored`, and never shown.
#[test]
fn one_pass_by_a_clock_that_is_ahead_deletes_nothing_and_hides_nothing() {
    for behind in [400, 31, -400] {
        let recipient = Recipient::new();
        let mut sent: BTreeSet<_> = (0..20).map(|n| recipient.take(now(), &format!("s{n}"))).collect();
        // One reading before it, or none: the wrong one may be the first of all.
        (behind == 31).then(|| recipient.pass(&month(0)));
        recipient.at(now() + days(behind)).pass(&month(0));
        recipient.at(now() + TimeDelta::minutes(1));
        sent.insert(recipient.take(now(), "later"));
        recipient.pass(&month(0));
        assert_eq!(recipient.ids(), sent, "{behind} days ahead");
    }
}

/// An event that a wrong appliance sent from the future, long ago, made a wrong reading of this clock look right.
#[test]
fn an_event_from_the_future_does_not_make_a_wrong_clock_look_right() {
    let recipient = Recipient::new();
    let sent = BTreeSet::from([recipient.take(now() + days(300), "future"), recipient.take(now(), "today")]);
    recipient.pass(&month(0));
    for _ in 0..3 {
        recipient.at(now() + days(400)).pass(&month(0));
    }
    assert_eq!(recipient.at(now()).ids(), sent);
    // Nor does what is taken by the wrong clock confirm another event's time.
    for (future, ahead) in [(300, 400), (35, 40)] {
        for loose_events in [0, 512] {
            let policy = month(loose_events);
            let recipient = Recipient::new();
            let own = now() + days(future);
            let mut sent = BTreeSet::from([recipient.take(own, "future"), recipient.take(now(), "today")]);
            (0..2).for_each(|_| _ = recipient.pass(&policy));
            recipient.at(now() + days(ahead));
            sent.insert(recipient.take(now() + TimeDelta::minutes(1), "taken-ahead"));
            (0..3).for_each(|_| _ = recipient.pass(&policy));
            assert_eq!(recipient.at(now()).ids(), sent, "{future} days from the future, {ahead} days ahead");
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
        (0..2).for_each(|_| _ = recipient.pass(&policy));
        let old = recipient.take(DateTime::from_timestamp(1_000_000_000, 0).unwrap(), "no-clock");
        for day in 0..40 {
            recipient.at(now() + days(day));
            recipient.take(now() + days(day), &format!("day-{day}"));
            (0..2).for_each(|_| _ = recipient.pass(&policy));
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
                .at(now() + ahead)
                .send(&format!("event=support_conference_end&version=1&timestamp={}&lsid=one", now().timestamp() + 5));
            packed.then(|| recipient.pass(&Policy::packs(0)));
            let erased = recipient.at(now()).delete("/api/sessions/hq/one");
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
        recipient.at(time(recorded)).take(now(), "one");
        recipient.at(time(erased)).delete("/api/sessions/hq/one");
        let id = recipient.at(time(later)).take(now() + TimeDelta::seconds(30), "one");
        assert_eq!(recipient.ids(), BTreeSet::from([id.clone()]), "{recorded}, {erased}, {later}");
        recipient.pass(&Policy::packs(0));
        assert_eq!(recipient.ids(), BTreeSet::from([id]), "{recorded}, {erased}, {later}: packed");
    }
}

/// The same of a removal by age: it covers what is found, and what a clock that was ahead recorded is left and told of.
#[test]
fn a_removal_by_age_takes_what_is_found_and_tells_what_it_leaves() {
    let recipient = Recipient::new();
    let old = now() - days(100);
    recipient.take(old, "found");
    let ahead = recipient.at(now() + TimeDelta::hours(1)).take(old, "ahead");
    recipient.at(now()).pass(&Policy::packs(0));
    let before = (now() - days(50)).format("%Y-%m-%d").to_string();
    let uri = format!("/api/events?before={before}");
    assert_eq!(recipient.delete(&uri), json!({"events": 1, "set_aside": 0, "skipped": 1, "remaining": false}));
    // A second later, and by a clock that is behind.
    let later = recipient.at(now() + TimeDelta::seconds(1)).take(old, "later");
    let sent = BTreeSet::from([ahead, later.clone()]);
    assert_eq!(recipient.ids(), sent);
    recipient.pass(&Policy::packs(0));
    assert_eq!(recipient.ids(), sent);
    // A removal by a clock that is ahead, of what that clock recorded, covers nothing that is to come.
    let recipient = Recipient::new();
    recipient.at(now() + days(400)).take(now(), "one");
    recipient.delete(&format!("/api/events?before={}", (now() + days(100)).format("%Y-%m-%d")));
    let id = recipient.at(now()).take(now(), "two");
    recipient.pass(&Policy::packs(0));
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
        pollster::block_on(pass_if_due(&platform, &Policy::packs(512), &Bound::default())).unwrap()
    };
    assert!(after(400 * 24).report.is_some());
    assert_eq!(cutoffs(), 1);
    (1..46).for_each(|hour| _ = after(hour));
    assert_eq!(cutoffs(), 1);
    (46..60).for_each(|hour| _ = after(hour));
    assert_eq!(cutoffs(), 0);
    assert_eq!(after(100).report, None, "where nothing tells of a removal, nothing is due");
}

/// A recipient with a destination, and a clock that can be set.
struct Forwarding {
    store: Memory,
    ways: Ways,
}

impl Forwarding {
    fn new() -> Self {
        Self { store: Memory::default(), ways: Ways::default() }
    }

    fn call(&self, call: Call) -> Reply {
        let settings = [SETTINGS, &[("destinations", r#"[{"name":"desk","url":"https://desk.example/in"}]"#)]].concat();
        call.answer_with(&self.store, &self.ways, &settings)
    }

    fn take(&self, number: u64) {
        let form =
            format!("event=support_conference_begin&version=1&timestamp={}&lsid=s{number}", 1_767_000_000 + number);
        let reply = self.call(post(&format!("/events/hq?outbound_event_token={TOKEN}")).body(form));
        assert_eq!(reply.result(), "stored");
    }

    fn tick(&self) -> Value {
        let reply = self.call(call("GET", &format!("/tick?tick_token={TOKEN}")));
        serde_json::from_str(&reply.body).unwrap()
    }

    fn state(&self) -> Value {
        self.tick()["destinations"][0]["state"].clone()
    }
}

/// Row 6: a destination that failed once while the clock was 400 days ahead was not tried again until those had passed.
#[test]
fn a_destination_that_failed_while_the_clock_was_ahead_is_tried_again_at_once() {
    for wrong in [days(400), TimeDelta::hours(2), days(-400)] {
        let forwarding = Forwarding::new();
        forwarding.ways.step(wrong);
        forwarding.ways.say([Says::Status(503)]);
        forwarding.take(1);
        assert_eq!(forwarding.state(), "failing");
        // Or the process was killed while it had the lease.
        forwarding.ways.step(-wrong);
        forwarding.ways.pass_time(Duration::from_secs(6));
        let ticked = forwarding.tick();
        assert_eq!((&ticked["owed"], &ticked["destinations"][0]["state"]), (&json!(0), &json!("working")), "{wrong}");
    }
}

/// The same of a lease whose process was killed, and of the hourly allowance.
#[test]
fn what_a_clock_that_was_ahead_has_put_off_counts_for_nothing() {
    let forwarding = Forwarding::new();
    let ahead = now() + days(400);
    let state = json!({
        "rest": Deadline::new(ahead, Duration::from_secs(5)),
        "window": Deadline::new(ahead, Duration::from_secs(3_600)),
        "requests": 1_000_000,
        "owner": 1,
    });
    pollster::block_on(forwarding.store.set("round.desk", state.to_string().as_bytes())).unwrap();
    forwarding.take(1);
    assert_eq!(forwarding.ways.ids().len(), 1);
}

/// Row 7: the lease of a pass that ran 400 days ahead kept every later one away until then, silently.
#[test]
fn a_pass_that_ran_while_the_clock_was_ahead_keeps_no_other_away() {
    let recipient = Recipient::new();
    for n in 0..20 {
        recipient.take(now(), &format!("s{n}"));
    }
    let due = |time| {
        pollster::block_on(pass_if_due(&at(&recipient.store, time), &Policy::packs(4), &Bound::default())).unwrap()
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

/// Row 8: a clock ten days behind at the first failure and right at the second paused a destination at once.
#[test]
fn a_destination_is_paused_after_three_days_that_were_waited_whatever_the_clock_did() {
    let forwarding = Forwarding::new();
    *forwarding.ways.always.borrow_mut() = Says::Status(503);
    forwarding.ways.step(days(-10));
    forwarding.take(1);
    forwarding.ways.step(days(10));
    assert_eq!(forwarding.state(), "failing");
    // It is tried every hour from then on: three days later it is paused, and not much sooner.
    let mut hours = 0;
    while forwarding.state() == "failing" {
        forwarding.ways.pass_time(Duration::from_secs(3_601));
        // A clock that steps either way adds no more than two of these hours.
        (hours % 20 == 7).then(|| forwarding.ways.step(days(30)));
        (hours % 20 == 9).then(|| forwarding.ways.step(days(-30)));
        hours += 1;
        assert!(hours < 100);
    }
    assert!((60..=80).contains(&hours), "paused after {hours} hours");
    assert_eq!(forwarding.state(), "paused");
}

/// Row 18: a body that was set aside stayed for ever, whatever was asked for.
#[test]
fn bodies_that_were_set_aside_age_by_when_they_were_first_seen() {
    let recipient = Recipient::new();
    let set_aside = || recipient.json("/api/set-aside")["set_aside"].as_array().unwrap().len();
    assert_eq!(recipient.at(now() - days(400)).send("lsid=one").result(), "set-aside");
    assert_eq!(recipient.at(now()).send("lsid=two").result(), "set-aside");
    recipient.take(now(), "today");
    let removed = recipient.delete("/api/events?before=2025-06-01");
    assert_eq!(removed, json!({"events": 0, "set_aside": 1, "skipped": 0, "remaining": false}));
    assert_eq!(set_aside(), 1);
    for (day, left) in [(0, 1), (29, 1), (32, 0)] {
        recipient.at(now() + days(day)).take(now() + days(day), &format!("day-{day}"));
        let dropped: usize = (0..2).map(|_| recipient.pass(&month(0)).dropped_set_aside).sum();
        assert_eq!((set_aside(), dropped), (left, 1 - left), "day {day}");
    }
}

/// Row 19, of the API: the last event of a site is the one that was taken last, not the one from the future.
#[test]
fn the_last_event_of_a_site_is_the_one_that_was_taken_last() {
    let recipient = Recipient::new();
    for n in 0..20 {
        recipient.take(now() + days(10 + n), &format!("s{n}"));
    }
    let last = |recipient: &Recipient| recipient.json("/api/stats")["sites"][0]["last_event"].clone();
    assert_eq!(last(&recipient), "2026-01-02T03:04:05.678Z");
    recipient.at(now() + TimeDelta::hours(1)).take(now(), "right");
    assert_eq!(last(&recipient), "2026-01-02T04:04:05.678Z");
    recipient.pass(&Policy::packs(0));
    assert_eq!(last(&recipient), "2026-01-02T04:04:05.678Z");
}

fn told(events: &[(u64, &str, &str, u64)]) -> Vec<Value> {
    let event = |(second, event, more, _): &(u64, &str, &str, u64)| -> Event {
        let time = 1_700_000_000 + second;
        parse(format!("event=support_conference_{event}&version=1&timestamp={time}&lsid=one{more}").as_bytes()).unwrap()
    };
    let events: Vec<_> = events.iter().map(|told| (event(told), told.3)).collect();
    let timeline =
        serde_json::to_value(Timeline::new(events.iter().map(|(event, delivered)| (event, *delivered)))).unwrap();
    timeline["participants"].as_array().unwrap().clone()
}

/// Row 20: a clock that stepped back within a session showed a participant twice, once gone and once joined.
#[test]
fn a_participant_is_shown_once_whichever_clock_stepped_back() {
    const ANN: &str = "&type=customer&name=Ann";
    let time = |second: u64| Timestamp::from_seconds(1_700_000_000 + second).unwrap().rfc3339();
    for (what, events, expected) in [
        // In the order in which a session's events are told, with when each was delivered.
        (
            "the appliance's",
            vec![(10, "member_departed", ANN, 200), (20, "member_added", ANN, 100)],
            vec![(Some(20), Some(10))],
        ),
        (
            "this one's",
            vec![(20, "member_departed", ANN, 100), (20, "member_added", ANN, 200)],
            vec![(Some(20), Some(20))],
        ),
        // Whoever left and came again is there again: the first joining is not known.
        (
            "none",
            vec![(10, "member_departed", ANN, 100), (20, "member_added", ANN, 200)],
            vec![(None, Some(10)), (Some(20), None)],
        ),
    ] {
        let participants = told(&events);
        let seen: Vec<_> = participants.iter().map(|one| (one["joined"].clone(), one["left"].clone())).collect();
        let text = |second: Option<u64>| second.map_or(Value::Null, |second| json!(time(second)));
        let expected: Vec<_> = expected.into_iter().map(|(joined, left)| (text(joined), text(left))).collect();
        assert_eq!(seen, expected, "{what} clock stepped back");
    }
}

/// A clock that is visibly wrong is told of in the log, once an hour, and by `/health`, the API and ticks for a day.
#[test]
fn clocks_that_are_visibly_wrong_are_told_of_and_events_are_taken() {
    let recipient = Recipient::new();
    let send = |minutes: i64, days_ahead: i64| {
        recipient.at(now() + TimeDelta::minutes(minutes));
        let own = now() + days(days_ahead);
        recipient.send(&format!("event=x&version=1&timestamp={}&n={minutes}", own.timestamp())).log.unwrap_or_default()
    };
    assert_eq!(send(0, 0), "");
    assert!(recipient.json("/health").get("detail").is_none());
    assert!(send(1, 10).contains("clock: site hq"), "the first is told");
    assert_eq!(send(2, 10), "", "and not each");
    let health = recipient.json("/health");
    assert_eq!(health["ready"], true);
    let detail = health["detail"].as_str().unwrap();
    assert!(detail.contains("clock") && !detail.contains("hq"), "{detail}");
    let stats = recipient.json("/api/stats");
    assert_eq!(
        (&stats["clock_faults"][0]["fault"], &stats["clock_faults"][0]["site"]),
        (&json!("event-ahead"), &json!("hq"))
    );
    assert_eq!(recipient.json(&format!("/tick?tick_token={TOKEN}"))["clock_faults"][0]["site"], "hq");
    assert!(send(65, 10).contains("clock"), "an hour later it is told again");
    recipient.at(now() + days(3));
    assert!(recipient.json("/health").get("detail").is_none(), "and forgotten when it is right");
}

/// Records that are stamped later than the clock reads are found when they are packed, and retention that lags when it looks.
#[test]
fn passes_tell_of_clocks_that_went_back_and_of_retention_that_lags() {
    let recipient = Recipient::new();
    recipient.at(now() + TimeDelta::hours(1)).take(now(), "one");
    recipient.at(now());
    let faults = |faults: ClockFaults| faults.into_iter().map(|one| (one.fault, one.site)).collect::<Vec<_>>();
    let seen = faults(recipient.pass(&Policy::packs(0)).clock_faults);
    assert_eq!(seen, [("recorded-ahead", Some("hq".to_owned()))]);
    let due =
        |time| pollster::block_on(pass_if_due(&at(&recipient.store, time), &month(0), &Bound::default())).unwrap();
    let behind = faults(due(now() + days(10)).clock_faults);
    assert!(behind.contains(&("retention-behind", None)), "{behind:?}");
}

/// Years of a store, a pass or more a day, by clocks of all kinds: nothing goes before it was here for 30 days, and what was goes in time.
#[test]
fn in_simulated_years_nothing_goes_too_early_and_all_goes_in_time() {
    /// What a day is like: by how many days the clock of a pass is wrong, and whether an event comes, and with which own time.
    struct Year {
        name: &'static str,
        /// How many days are simulated.
        days: i64,
        wrong_by: fn(i64) -> Vec<i64>,
        own: fn(i64) -> Option<i64>,
        /// After how many days the last of those that were taken in the first days must be gone; none: that is not promised.
        latest: Option<i64>,
    }
    let years = [
        Year { name: "busy", days: 400, wrong_by: |_| vec![0], own: Some, latest: Some(32) },
        Year { name: "busy, many passes", days: 100, wrong_by: |_| vec![0; 4], own: Some, latest: Some(32) },
        Year {
            name: "quiet after ten days",
            days: 400,
            wrong_by: |_| vec![0; 2],
            own: |day| (day < 10).then_some(day),
            latest: Some(33),
        },
        Year {
            name: "an event a month",
            days: 400,
            wrong_by: |_| vec![0; 2],
            own: |day| (day % 30 == 0).then_some(day),
            latest: Some(33),
        },
        Year {
            name: "a flapping clock",
            days: 200,
            wrong_by: |day| if day % 3 == 0 { vec![0, 400, 0, -400] } else { vec![0] },
            own: Some,
            latest: Some(33),
        },
        Year {
            name: "a quiet store, a flapping clock",
            days: 200,
            wrong_by: |day| if day % 7 == 0 { vec![0, 400, 0] } else { vec![0] },
            own: |day| (day < 10).then_some(day),
            latest: Some(80),
        },
        Year {
            name: "two machines, one a year ahead",
            days: 100,
            wrong_by: |_| vec![0, 365, 0, 365],
            own: Some,
            latest: Some(33),
        },
        Year {
            name: "at 1970 for ten days",
            days: 100,
            wrong_by: |day| if (20..30).contains(&day) { vec![-20_454] } else { vec![0] },
            own: Some,
            latest: Some(42),
        },
        Year {
            name: "an appliance without a clock beside others",
            days: 100,
            wrong_by: |_| vec![0; 2],
            own: |day| Some(if day % 2 == 0 { day } else { -9_000 + day }),
            latest: Some(33),
        },
        Year {
            name: "an appliance without a clock alone",
            days: 100,
            wrong_by: |_| vec![0; 2],
            own: |day| Some(-9_000 + day),
            latest: Some(33),
        },
        Year {
            name: "one that begins again each week",
            days: 100,
            wrong_by: |_| vec![0; 2],
            own: |day| Some(-20_000 + day % 7),
            latest: None,
        },
        Year {
            name: "an appliance ten days ahead",
            days: 100,
            wrong_by: |_| vec![0; 2],
            own: |day| Some(day + 10),
            latest: None,
        },
        Year {
            name: "an appliance in 2040",
            days: 100,
            wrong_by: |_| vec![0; 2],
            own: |day| Some(if day % 2 == 0 { day } else { 5_000 }),
            latest: Some(33),
        },
        Year {
            name: "nobody looks for 100 days",
            days: 200,
            wrong_by: |day| if (20..120).contains(&day) { vec![] } else { vec![0; 2] },
            own: |day| (day < 10).then_some(day),
            latest: Some(133),
        },
    ];
    for Year { name, days: length, wrong_by, own, latest } in years {
        let recipient = Recipient::new();
        let mut sent: Vec<(i64, String)> = Vec::new();
        for day in 0..length {
            let today = now() + days(day);
            let form = |own: i64| format!("event=x&version=1&timestamp={}&n={day}", (now() + days(own)).timestamp());
            if let Some(own) = own(day) {
                // A recipient that is at 1970 stamps so too.
                let wrong = wrong_by(day).first().copied().filter(|wrong| *wrong < -1_000).unwrap_or(0);
                sent.push((day, recipient.at(today + days(wrong)).send(&form(own)).header("event-id").to_owned()));
            }
            for wrong in wrong_by(day) {
                recipient.at(today + days(wrong)).pass(&month(0));
            }
            if day % 5 == 0 || day > length - 3 {
                let here = recipient.at(today).ids();
                for (taken, id) in &sent {
                    assert!(here.contains(id) || day - taken >= 30, "{name}: of day {taken}, gone on day {day}");
                    let late = latest.is_some_and(|latest| day - taken > latest);
                    assert!(!here.contains(id) || !late, "{name}: of day {taken}, still there on day {day}");
                }
            }
        }
    }
}

/// What heads have of each session for those who count: written once, and read where an earlier version wrote none.
#[test]
fn heads_tell_when_records_were_recorded_and_what_statistics_need() {
    let recipient = Recipient::new();
    let own = now().timestamp();
    for (n, more) in [
        "support_conference_begin",
        "support_conference_owner_changed&conference_id=team:5&conference_name=Desk",
        "support_conference_member_added&type=representative&name=Ann",
        "support_conference_owner_changed&conference_id=rep:1&conference_name=Ann",
        "support_conference_customer_exit_survey_completed",
    ]
    .iter()
    .enumerate()
    {
        recipient.at(now() + TimeDelta::seconds(n as i64));
        recipient.send(&format!("event={more}&version=1&timestamp={}&lsid=one", own + n as i64));
    }
    recipient.pass(&Policy::packs(0));
    let (key, value) = recipient
        .store
        .values
        .borrow()
        .iter()
        .find(|(key, _)| key.starts_with("pack."))
        .map(|(k, v)| (k.clone(), v.clone()))
        .unwrap();
    let key: PackKey = key.parse().unwrap();
    let head = Pack::open(&key, &value).unwrap().head;
    let millis = now().timestamp_millis().unsigned_abs();
    assert_eq!(head.recorded, Some((millis, millis + 4_000)));
    let session = &head.sessions[0];
    assert_eq!(session.representative_joined.map(Timestamp::seconds), Some(own.unsigned_abs() + 2));
    assert_eq!(session.owner_changes.as_ref().map(BTreeSet::len), Some(2));
    assert_eq!((session.surveys, session.has_report), (Summary::CUSTOMER_SURVEY, false));
    let earlier = session.clone().of_earlier_version();
    let mut joined = session.clone();
    joined.join(earlier);
    assert_eq!(joined.owner_changes, None, "what is not known of a part is not known of all");
}

/// A clock may read any year; what it stamps can be read back.
#[test]
fn what_is_stamped_by_any_clock_can_be_read() {
    for time in ["1960-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "+12026-01-01T00:00:00Z"] {
        let recipient = Recipient::new();
        recipient.at(DateTime::parse_from_rfc3339(time)
            .map_or_else(|_| DateTime::from_timestamp(317_000_000_000, 0).unwrap(), |time| time.to_utc()));
        let form = "event=support_conference_begin&version=1&timestamp=1767000000&lsid=one";
        let reply = post(&format!("/events/hq?outbound_event_token={TOKEN}"))
            .body(form)
            .at(recipient.clock.get())
            .answer_alone(&recipient.store, SETTINGS);
        assert_eq!(reply.result(), "stored", "{time}");
        assert_eq!(recipient.at(now()).ids().len(), 1, "{time}");
        recipient.pass(&Policy::packs(0));
        assert_eq!(recipient.ids().len(), 1, "{time}");
    }
}

#[test]
fn a_deadline_holds_from_when_it_was_written_for_as_long_as_it_says() {
    let deadline = Deadline::new(now(), Duration::from_secs(60));
    for (seconds, holds) in [(0, true), (59, true), (60, false), (-1, false), (-86_400, false), (86_400, false)] {
        assert_eq!(deadline.holds(now() + TimeDelta::seconds(seconds)), holds, "{seconds}");
    }
    let mut waited = Waited::since(now());
    for (hours, expected) in [(1, 1), (2, 2), (500, 4), (3, 4), (4, 5), (-900, 5), (5, 7)] {
        waited.add(now() + TimeDelta::hours(hours), Duration::from_secs(3_600));
        assert_eq!(waited.waited, expected * 3_600_000, "after {hours} hours");
    }
}

/// A platform that counts what it is asked.
struct Counting {
    store: Memory,
    asked: Cell<(usize, usize)>,
}

impl Platform for Counting {
    type Store = Memory;
    type Deliver = NoWayOut;

    fn store(&self) -> &Memory {
        &self.store
    }

    fn deliver(&self) -> &NoWayOut {
        &NoWayOut
    }

    fn now(&self) -> DateTime<Utc> {
        self.asked.set((self.asked.get().0 + 1, self.asked.get().1));
        now()
    }

    fn monotonic(&self) -> Duration {
        self.asked.set((self.asked.get().0, self.asked.get().1 + 1));
        Duration::ZERO
    }
}

/// In a component each is a call to its host.
#[test]
fn a_post_asks_once_for_the_time_and_its_store_for_one_read_and_one_write() {
    let platform = Counting { store: Memory::default(), asked: Cell::default() };
    let variable = |name: &str| Ok((name == "ingest_open").then(|| "true".to_owned()));
    let variables = Variables::new(&variable);
    let service = Service { platform: &platform, variables: &variables };
    let head = http::Request::post("/events/hq").body(()).unwrap().into_parts().0;
    let mut body = Some(crate::support::BEGIN.as_bytes().to_vec());
    let answer = pollster::block_on(service.handle(Ok(head), async || Ok(body.take())));
    assert_eq!(answer.response.status(), 200);
    assert_eq!((platform.asked.get(), platform.store.calls.take()), ((1, 0), vec!["exists", "set"]));
    // What is left to do where there are no destinations and no clock is wrong.
    let after = After { pass: false, ..answer.after };
    assert!(pollster::block_on(service.go_on(after)).is_empty());
    assert_eq!((platform.asked.get().1, platform.store.calls.take()), (0, Vec::new()));
}
