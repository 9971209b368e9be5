//! Timelines and summaries of sessions, whatever the order of their events and whichever are missing.

use crate::support::now;
use outbound_events::event::{OutboundEvent, Timestamp};
use outbound_events::folding::fold;
use outbound_events::identity::{Id, Site};
use outbound_events::parse::parse;
use outbound_events::record::Record;
use outbound_events::session::{SessionState, Summary, Timeline, event_order};
use proptest::prelude::*;
use serde_json::{Value, json};

const LSID: &str = "c69a8e10bea9428f816cfababe9815fe";

/// The events of one session: second, name, and further variables.
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
    // Of events in one second, joining comes before the departure.
    (36, "member_departed", "&type=representative&name=Bo&user_id=2&external_key=INC-1"),
    (36, "member_added", "&type=representative&name=Bo&user_id=2&external_key=INC-1"),
];

fn event((second, name, more): &(u64, &str, &str)) -> OutboundEvent {
    let time = 1_700_000_000 + second;
    let form = format!("event=support_conference_{name}&version=1&timestamp={time}&lsid={LSID}{more}");
    parse(form.as_bytes()).unwrap()
}

/// The timeline of these events, as JSON.
fn timeline(mut events: Vec<OutboundEvent>) -> Value {
    // With the same delivery for all events, their kind decides the order.
    events.sort_by_key(|event| event_order(&Record::new(event.clone(), Site::default(), now()).0, 0));
    serde_json::to_value(Timeline::new(events.iter().map(|event| (event, 0)))).unwrap()
}

fn timeline_of(names: &[usize]) -> Value {
    timeline(names.iter().map(|index| event(&SESSION[*index])).collect())
}

fn time(second: u64) -> String {
    Timestamp::from_seconds(1_700_000_000 + second).unwrap().rfc3339()
}

#[test]
fn members_of_other_roles_take_part() {
    let steps = [
        (0, "begin", ""),
        (1, "member_added", "&type=external_representative&name=Eve&user_id=7"),
        (2, "member_added", "&type=Representative&display_name=Eve"),
        (9, "member_departed", "&type=external_representative&name=Eve&user_id=7"),
    ];
    let events: Vec<_> = steps.iter().map(event).collect();
    assert_eq!(
        timeline(events.clone())["participants"],
        json!([
            {"type": "external_representative", "name": "Eve", "user_id": "7", "joined": time(1), "left": time(9)},
            {"type": "Representative", "name": "Eve", "joined": time(2), "left": null},
        ])
    );
    let summary = events
        .into_iter()
        .map(|event| {
            let (key, _) = Record::new(event.clone(), Site::default(), now());
            Summary::from_event(&event, 0, key.id).unwrap()
        })
        .reduce(|mut all, one| {
            all.join(one);
            all
        })
        .unwrap();
    assert!(summary.contains_text(&fold("Eve")), "a search finds them");
    assert_eq!((summary.customers(), summary.representative_joined), (vec![], None), "they are neither");
    let stored: Summary = serde_json::from_value(serde_json::to_value(&summary).unwrap()).unwrap();
    assert_eq!(stored, summary);
}

#[test]
fn a_timeline_has_everything_that_the_events_say() {
    let all = timeline(SESSION.iter().map(event).collect());
    assert_eq!(
        all,
        json!({
            "state": "ended",
            "start": time(0),
            "end": time(40),
            "duration_seconds": 40,
            "announced": true,
            "owners": [
                {"kind": "team", "id": "5", "name": "Desk", "since": time(0)},
                {"kind": "rep", "id": "1", "name": "Ann", "since": time(9)},
            ],
            "participants": [
                {"type": "customer", "name": "Zoë", "joined": time(0), "left": time(20)},
                {
                    "type": "representative", "name": "Ann", "user_id": "1", "username": "ann",
                    "joined": time(9), "left": time(40)
                },
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
fn missing_events_leave_the_rest_of_a_timeline_unchanged() {
    let open = timeline_of(&[0, 2]);
    assert_eq!((&open["state"], &open["start"], &open["end"]), (&json!("open"), &json!(time(0)), &Value::Null));
    let incomplete = timeline_of(&[9]);
    assert_eq!((&incomplete["state"], &incomplete["start"]), (&json!("incomplete"), &Value::Null));
    assert_eq!(incomplete["duration_seconds"], Value::Null);
    // A participant whose joining is not known is listed too.
    let gone = timeline_of(&[0, 8]);
    assert_eq!(gone["participants"][0]["joined"], Value::Null);
    assert_eq!(gone["participants"][0]["left"], json!(time(40)));
    assert_eq!(timeline_of(&[])["state"], json!("incomplete"));
}

#[test]
fn two_participants_of_one_name_are_listed_as_two() {
    let joins = event(&(1, "member_added", "&type=customer&name=A"));
    let again = event(&(2, "member_added", "&type=customer&name=A"));
    let leaves = event(&(3, "member_departed", "&type=customer&name=A"));
    let both = timeline(vec![joins, again, leaves]);
    assert_eq!(both["participants"].as_array().unwrap().len(), 2);
    assert_eq!((&both["participants"][0]["left"], &both["participants"][1]["left"]), (&json!(time(3)), &Value::Null));
}

/// Regression: if an appliance sends an empty `user_id=`, the departure of one representative was shown for another.
#[test]
fn an_empty_user_id_does_not_identify_a_participant() {
    let member = |second, event_name, name| {
        event(&(second, event_name, &format!("&type=representative&name={name}&user_id=&username=")))
    };
    let timeline = timeline(vec![
        member(1, "member_added", "Alice"),
        member(2, "member_added", "Bob"),
        member(3, "member_departed", "Bob"),
    ]);
    let left = |at: usize| (timeline["participants"][at]["name"].clone(), timeline["participants"][at]["left"].clone());
    assert_eq!([left(0), left(1)], [(json!("Alice"), Value::Null), (json!("Bob"), json!(time(3)))]);
    assert_eq!(timeline["participants"][0]["user_id"], "", "it is kept unchanged");
}

/// The joined summary of the events of `SESSION` that `filter` selects.
fn summary(filter: impl Fn(usize) -> bool) -> Option<Summary> {
    let events = SESSION.iter().enumerate().filter(|(number, _)| filter(*number));
    let summaries = events.map(|(number, step)| {
        let id = Id::of_value(number.to_string().as_bytes());
        Summary::from_event(&event(step), (1_000 + number as u64) * 1_000, id).unwrap()
    });
    summaries.reduce(|mut one, other| {
        one.join(other);
        one
    })
}

#[test]
fn a_summary_has_what_a_row_of_a_list_needs() {
    let summary = summary(|_| true).unwrap();
    assert_eq!((summary.state(), summary.ids.len()), (SessionState::Ended, SESSION.len()));
    assert_eq!(summary.recorded, (1_000, 1_000 + SESSION.len() as u64 - 1));
    assert!(summary.customers().contains(&"Zo\u{eb}") && !summary.customers().contains(&"Ann"));
    assert!(summary.contains_text("ann") && summary.contains_text(&fold("zo\u{eb}")) && summary.contains_text("c69a"));
    assert!(!summary.contains_text("desk of nobody"));
    let read: Summary = serde_json::from_str(&serde_json::to_string(&summary).unwrap()).unwrap();
    assert_eq!(read, summary);
}

#[test]
fn of_two_owners_in_one_second_the_one_delivered_last_counts() {
    let owner = |delivered, name: &str| {
        let changed = format!("&conference_id=rep:{name}&conference_name={name}");
        let event =
            parse(format!("event=support_conference_owner_changed&version=1&timestamp=9&lsid=x{changed}").as_bytes());
        Summary::from_event(&event.unwrap(), delivered, Id::of_value(name.as_bytes())).unwrap()
    };
    for ((first, second), later) in [("a", "b"), ("b", "a")].into_iter().flat_map(|two| [(two, 1), (two, 1_000)]) {
        let (mut one, mut other) = (owner(1, first), owner(1 + later, second));
        one.join(owner(1 + later, second));
        other.join(owner(1, first));
        assert_eq!([one.owner().unwrap().name.as_str(), other.owner().unwrap().name.as_str()], [second; 2]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: "20231114".parse().unwrap(),
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
        // Two events of one kind in one second are ordered by id. So participants are sorted before they are compared.
        prop_assert_eq!(sorted(kept(&shuffled)), sorted(kept(&SESSION)));
    }

    #[test]
    fn parts_join_to_the_whole_even_if_they_overlap(
        in_one in proptest::collection::vec(any::<bool>(), SESSION.len()),
        in_both in proptest::collection::vec(any::<bool>(), SESSION.len()),
    ) {
        let (one, other) = (summary(|n| in_one[n] || in_both[n]), summary(|n| !in_one[n] || in_both[n]));
        let join = |one: &Option<Summary>, other: &Option<Summary>| {
            one.iter().chain(other).cloned().reduce(|mut one, other| { one.join(other); one })
        };
        prop_assert_eq!(join(&one, &other), summary(|_| true));
        prop_assert_eq!(join(&other, &one), summary(|_| true));
    }
}

/// Sorts the participants: two departed in the same second.
fn sorted(mut timeline: Value) -> Value {
    if let Some(participants) = timeline["participants"].as_array_mut() {
        participants.sort_by_key(ToString::to_string);
    }
    timeline
}
