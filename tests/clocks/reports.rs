//! Times in answers, and reports of wrong clocks.

use std::collections::BTreeSet;

use super::recipient::{ClockedRecipient, SETTINGS, days, month};
use crate::support::{TOKEN, at, compact_if_due, now, post};
use chrono::{DateTime, TimeDelta};
use outbound_events::archive::compaction::{Bound, Policy};
use outbound_events::archive::pack::Pack;
use outbound_events::clock_faults::ClockFaults;
use outbound_events::event::{OutboundEvent, Timestamp};
use outbound_events::keys::PackKey;
use outbound_events::parse::parse;
use outbound_events::session::{Summary, Timeline};
use serde_json::{Value, json};

/// The last event of a site in the API is the one recorded last, not one from the future.
#[test]
fn the_last_event_of_a_site_is_the_one_recorded_last() {
    let recipient = ClockedRecipient::new();
    for n in 0..20 {
        recipient.take(now() + days(10 + n), &format!("s{n}"));
    }
    let last = |recipient: &ClockedRecipient| recipient.json("/api/stats")["sites"][0]["last_event"].clone();
    assert_eq!(last(&recipient), "2026-01-02T03:04:05.678Z");
    recipient.set_clock(now() + TimeDelta::hours(1)).take(now(), "right");
    assert_eq!(last(&recipient), "2026-01-02T04:04:05.678Z");
    recipient.compact(&Policy::packs(0));
    assert_eq!(last(&recipient), "2026-01-02T04:04:05.678Z");
}

fn participants(events: &[(u64, &str, &str, u64)]) -> Vec<Value> {
    let event = |(second, event, more, _): &(u64, &str, &str, u64)| -> OutboundEvent {
        let time = 1_700_000_000 + second;
        parse(format!("event=support_conference_{event}&version=1&timestamp={time}&lsid=one{more}").as_bytes()).unwrap()
    };
    let events: Vec<_> = events.iter().map(|given| (event(given), given.3)).collect();
    let timeline =
        serde_json::to_value(Timeline::new(events.iter().map(|(event, delivered)| (event, *delivered)))).unwrap();
    timeline["participants"].as_array().unwrap().clone()
}

/// Regression: if a clock stepped back within a session, a participant was shown twice, once departed and once joined.
#[test]
fn a_participant_is_shown_once_whichever_clock_stepped_back() {
    const ANN: &str = "&type=customer&name=Ann";
    let time = |second: u64| Timestamp::from_seconds(1_700_000_000 + second).unwrap().rfc3339();
    for (what, events, expected) in [
        // In the order of the session's events: second, name, variables, delivery.
        (
            "the appliance's",
            vec![(10, "member_departed", ANN, 200), (20, "member_added", ANN, 100)],
            vec![(Some(20), Some(10))],
        ),
        (
            "the recipient's",
            vec![(20, "member_departed", ANN, 100), (20, "member_added", ANN, 200)],
            vec![(Some(20), Some(20))],
        ),
        // A participant who departed and joined again is listed again: the first joining is not known.
        (
            "no",
            vec![(10, "member_departed", ANN, 100), (20, "member_added", ANN, 200)],
            vec![(None, Some(10)), (Some(20), None)],
        ),
    ] {
        let participants = participants(&events);
        let seen: Vec<_> = participants.iter().map(|one| (one["joined"].clone(), one["left"].clone())).collect();
        let text = |second: Option<u64>| second.map_or(Value::Null, |second| json!(time(second)));
        let expected: Vec<_> = expected.into_iter().map(|(joined, left)| (text(joined), text(left))).collect();
        assert_eq!(seen, expected, "{what} clock stepped back");
    }
}

/// A wrong clock is reported in the log once an hour, and by `/health`, the API and `/tick` for a day.
#[test]
fn wrong_clocks_are_reported_and_events_are_stored() {
    let recipient = ClockedRecipient::new();
    let send = |minutes: i64, days_ahead: i64| {
        recipient.set_clock(now() + TimeDelta::minutes(minutes));
        let own = now() + days(days_ahead);
        recipient.send(&format!("event=x&version=1&timestamp={}&n={minutes}", own.timestamp())).log.unwrap_or_default()
    };
    assert_eq!(send(0, 0), "");
    assert!(recipient.json("/health").get("detail").is_none());
    assert!(send(1, 10).contains("clock: site hq"), "the first fault is logged");
    assert_eq!(send(2, 10), "", "the second one is not");
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
    assert!(send(65, 10).contains("clock"), "it is logged again after an hour");
    recipient.set_clock(now() + days(3));
    assert!(recipient.json("/health").get("detail").is_none(), "the report ends when the clock is right");
}

/// Packing finds records with recording times after now, and retention finds that its effective now lags.
#[test]
fn compaction_reports_clocks_that_stepped_back_and_retention_that_lags() {
    let recipient = ClockedRecipient::new();
    recipient.set_clock(now() + TimeDelta::hours(1)).take(now(), "one");
    recipient.set_clock(now());
    let faults = |faults: ClockFaults| faults.into_iter().map(|one| (one.fault, one.site)).collect::<Vec<_>>();
    let seen = faults(recipient.compact(&Policy::packs(0)).clock_faults);
    assert_eq!(seen, [("recorded-ahead", Some("hq".to_owned()))]);
    let due =
        |time| pollster::block_on(compact_if_due(&at(&recipient.store, time), &month(0), &Bound::default())).unwrap();
    let behind = faults(due(now() + days(10)).clock_faults);
    assert!(behind.contains(&("retention-behind", None)), "{behind:?}");
}

/// Heads have fields for statistics, which are absent in packs of an earlier version.
#[test]
fn heads_have_recording_times_and_what_statistics_need() {
    let recipient = ClockedRecipient::new();
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
        recipient.set_clock(now() + TimeDelta::seconds(n as i64));
        recipient.send(&format!("event={more}&version=1&timestamp={}&lsid=one", own + n as i64));
    }
    recipient.compact(&Policy::packs(0));
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
    assert_eq!((session.surveys, &session.reported), (Summary::CUSTOMER_SURVEY, &None));
    let mut earlier = session.clone();
    (earlier.owner_changes, earlier.representative_owners) = (None, None);
    let earlier = session.clone().of_version_of(&earlier);
    let mut joined = session.clone();
    joined.join(earlier);
    let unknown = (joined.owner_changes, joined.representative_owners);
    assert_eq!(unknown, (None, None), "unknown for a part means unknown for the whole");
}

/// A clock can read any year: its records can be read back.
#[test]
fn records_stamped_by_any_clock_can_be_read() {
    for time in ["1960-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "+12026-01-01T00:00:00Z"] {
        let recipient = ClockedRecipient::new();
        recipient.set_clock(
            DateTime::parse_from_rfc3339(time)
                .map_or_else(|_| DateTime::from_timestamp(317_000_000_000, 0).unwrap(), |time| time.to_utc()),
        );
        let form = "event=support_conference_begin&version=1&timestamp=1767000000&lsid=one";
        let reply = post(&format!("/events/hq?outbound_event_token={TOKEN}"))
            .body(form)
            .at(recipient.clock.get())
            .answer_alone(&recipient.store, SETTINGS);
        assert_eq!(reply.result(), "stored", "{time}");
        assert_eq!(recipient.set_clock(now()).ids().len(), 1, "{time}");
        recipient.compact(&Policy::packs(0));
        assert_eq!(recipient.ids().len(), 1, "{time}");
    }
}
