//! What the events of one session tell, in whatever order they come and whichever of them are missing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use outbound_events::event::{Event, Timestamp};
use outbound_events::keys::KeyParts;
use outbound_events::parse::parse;
use outbound_events::session::{State, Summary, Timeline, order};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};

const LSID: &str = "c69a8e10bea9428f816cfababe9815fe";

/// One session: the second in which it happened, what happened, and more variables.
const SESSION: [(u64, &str, &str); 15] = [
    (0, "begin", ""),
    (0, "owner_changed", "&conference_id=team:5&conference_name=Desk"),
    (0, "member_added", "&type=customer&name=Zo%C3%AB"),
    (9, "member_added", "&type=representative&name=Ann&user_id=1&username=ann"),
    (9, "owner_changed", "&conference_id=rep:1&conference_name=Ann"),
    (20, "member_departed", "&type=customer&name=Zo%C3%AB&external_key=INC-1"),
    (30, "member_added", "&type=customer&name=Zo%C3%AB&external_key=INC-1"),
    (40, "member_departed", "&type=customer&name=Zo%C3%AB&external_key=INC-2"),
    (40, "member_departed", "&type=representative&name=Ann+B&user_id=1&username=ann&external_key=INC-2"),
    (40, "end", "&external_key=INC-2"),
    (40, "customer_exit_survey_completed", "&external_key=INC-2"),
    (50, "rep_exit_survey_completed", "&external_key=INC-2"),
    (35, "screen_shared", "&external_key=INC-1"),
    // Who comes and goes in one second came first.
    (36, "member_departed", "&type=representative&name=Bo&user_id=2&external_key=INC-1"),
    (36, "member_added", "&type=representative&name=Bo&user_id=2&external_key=INC-1"),
];

fn event((second, name, more): &(u64, &str, &str)) -> Event {
    let time = 1_700_000_000 + second;
    let form = format!("event=support_conference_{name}&version=1&timestamp={time}&lsid={LSID}{more}");
    parse(form.as_bytes()).unwrap()
}

/// The timeline of these events, as JSON.
fn timeline(mut events: Vec<Event>) -> Value {
    events.sort_by_key(order);
    serde_json::to_value(Timeline::new(&events)).unwrap()
}

fn of(names: &[usize]) -> Value {
    timeline(names.iter().map(|index| event(&SESSION[*index])).collect())
}

fn time(second: u64) -> String {
    Timestamp::from_seconds(1_700_000_000 + second).unwrap().rfc3339()
}

#[test]
fn a_session_is_told_from_its_events() {
    let all = timeline(SESSION.iter().map(event).collect());
    assert_eq!(
        all,
        json!({
            "state": "ended",
            "start": time(0),
            "end": time(40),
            "duration_seconds": 40,
            "owners": [
                {"kind": "team", "id": "5", "name": "Desk", "since": time(0)},
                {"kind": "rep", "id": "1", "name": "Ann", "since": time(9)},
            ],
            "participants": [
                {"type": "customer", "name": "Zoë", "joined": time(0), "left": time(20)},
                {"type": "representative", "name": "Ann", "user_id": "1", "username": "ann", "joined": time(9), "left": time(40)},
                {"type": "customer", "name": "Zoë", "joined": time(30), "left": time(40)},
                {"type": "representative", "name": "Bo", "user_id": "2", "joined": time(36), "left": time(36)},
            ],
            "external_keys": [
                {"external_key": "INC-1", "since": time(20)},
                {"external_key": "INC-2", "since": time(40)},
            ],
            "surveys": [
                {"by": "customer", "completed": time(40)},
                {"by": "representative", "completed": time(50)},
            ],
            "other_events": [{"event": "support_conference_screen_shared", "time": time(35)}],
        })
    );
}

#[test]
fn what_is_missing_leaves_the_rest_as_it_is() {
    let open = of(&[0, 2]);
    assert_eq!((&open["state"], &open["start"], &open["end"]), (&json!("open"), &json!(time(0)), &Value::Null));
    let incomplete = of(&[9]);
    assert_eq!((&incomplete["state"], &incomplete["start"]), (&json!("incomplete"), &Value::Null));
    assert_eq!(incomplete["duration_seconds"], Value::Null);
    // Whose coming is not known was there all the same.
    let gone = of(&[0, 8]);
    assert_eq!(gone["participants"][0]["joined"], Value::Null);
    assert_eq!(gone["participants"][0]["left"], json!(time(40)));
    assert_eq!(of(&[])["state"], json!("incomplete"));
}

#[test]
fn two_of_one_name_are_two() {
    let joins = event(&(1, "member_added", "&type=customer&name=A"));
    let again = event(&(2, "member_added", "&type=customer&name=A"));
    let leaves = event(&(3, "member_departed", "&type=customer&name=A"));
    let both = timeline(vec![joins, again, leaves]);
    assert_eq!(both["participants"].as_array().unwrap().len(), 2);
    assert_eq!((&both["participants"][0]["left"], &both["participants"][1]["left"]), (&json!(time(3)), &Value::Null));
}

#[test]
fn keys_alone_tell_how_sessions_stand() {
    let event = |start: &str| format!("event.{start}.0123456789abcdef0123456789abcdef");
    let keys = [
        event("hq.000000000009.b.end"),
        event("hq.000000000002.b.added"),
        event("hq.000000000001.b.begin"),
        event("hq.000000000005.c.begin"),
        event("hq.000000000005.a.begin"),
        event("west.000000000007.b.x-new"),
        event("hq.000000000008._.x-new"),
        // None of ours.
        event("hq.9.d.begin"),
        event("h_q.000000000009.d.begin"),
        event("hq.999999999999.d.begin"),
        event("hq.000000000009.d.begin.more"),
        "event.hq.000000000009.d.begin.0".to_owned(),
        "setaside.hq.0123456789abcdef0123456789abcdef".to_owned(),
        "health".to_owned(),
    ];
    let list = |most| Summary::list(keys.iter().filter_map(|key| KeyParts::of(key)), most);
    assert!(list(3).is_none());
    let sessions = list(4).unwrap();
    let told: Vec<_> = sessions.iter().map(|s| (s.site, s.lsid, s.first, s.last, s.events, s.state())).collect();
    assert_eq!(
        told,
        [
            ("west", "b", "000000000007", "000000000007", 1, State::Incomplete),
            ("hq", "a", "000000000005", "000000000005", 1, State::Open),
            ("hq", "c", "000000000005", "000000000005", 1, State::Open),
            ("hq", "b", "000000000001", "000000000009", 3, State::Ended),
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20_231_114),
        ..ProptestConfig::with_cases(500)
    })]

    #[test]
    fn the_order_of_arrival_does_not_matter(
        shuffled in Just(SESSION.to_vec()).prop_shuffle(),
        missing in proptest::collection::vec(any::<bool>(), SESSION.len()),
    ) {
        let is_there = |e: &(u64, &str, &str)| {
            SESSION.iter().zip(&missing).any(|(known, missing)| known == e && !missing)
        };
        let kept = |events: &[(u64, &'static str, &'static str)]| {
            timeline(events.iter().filter(|e| is_there(e)).map(event).collect())
        };
        // Two of one kind in one second are in the order of their ids, which the service adds; here they have one rank each.
        prop_assert_eq!(sorted(kept(&shuffled)), sorted(kept(&SESSION)));
    }
}

/// With the participants in an order of their own: two left in the same second.
fn sorted(mut timeline: Value) -> Value {
    if let Some(participants) = timeline["participants"].as_array_mut() {
        participants.sort_by_key(ToString::to_string);
    }
    timeline
}
