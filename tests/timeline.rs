//! What the events of one session tell, in whatever order they come and whichever of them are missing.

use crate::support::now;
use outbound_events::event::{Event, Timestamp};
use outbound_events::folding::fold;
use outbound_events::identity::{Id, Site};
use outbound_events::parse::parse;
use outbound_events::record::Record;
use outbound_events::session::{SessionState, Summary, Timeline, event_order};
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
    // As if all were delivered at once: what is known of that decides first.
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
    let open = timeline_of(&[0, 2]);
    assert_eq!((&open["state"], &open["start"], &open["end"]), (&json!("open"), &json!(time(0)), &Value::Null));
    let incomplete = timeline_of(&[9]);
    assert_eq!((&incomplete["state"], &incomplete["start"]), (&json!("incomplete"), &Value::Null));
    assert_eq!(incomplete["duration_seconds"], Value::Null);
    // Whose coming is not known was there all the same.
    let gone = timeline_of(&[0, 8]);
    assert_eq!(gone["participants"][0]["joined"], Value::Null);
    assert_eq!(gone["participants"][0]["left"], json!(time(40)));
    assert_eq!(timeline_of(&[])["state"], json!("incomplete"));
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

/// Two whose appliance sends `user_id=` are two: one of them went, and the other was shown as gone.
#[test]
fn an_empty_user_id_makes_nobody_the_same_as_another() {
    let member = |second, event_name, name| {
        event(&(second, event_name, &format!("&type=representative&name={name}&user_id=&username=")))
    };
    let told = timeline(vec![
        member(1, "member_added", "Alice"),
        member(2, "member_added", "Bob"),
        member(3, "member_departed", "Bob"),
    ]);
    let left = |at: usize| (told["participants"][at]["name"].clone(), told["participants"][at]["left"].clone());
    assert_eq!([left(0), left(1)], [(json!("Alice"), Value::Null), (json!("Bob"), json!(time(3)))]);
    assert_eq!(told["participants"][0]["user_id"], "", "it is kept as it came");
}

/// What the events of `SESSION` that `of` says yes of tell together, joined one by one.
fn summary(of: impl Fn(usize) -> bool) -> Option<Summary> {
    let events = SESSION.iter().enumerate().filter(|(number, _)| of(*number));
    let summaries = events.map(|(number, told)| {
        let id = Id::of_value(number.to_string().as_bytes());
        Summary::from_event(&event(told), (1_000 + number as u64) * 1_000, id).unwrap()
    });
    summaries.reduce(|mut one, other| {
        one.join(other);
        one
    })
}

#[test]
fn a_summary_is_what_a_row_of_a_list_needs() {
    let summary = summary(|_| true).unwrap();
    assert_eq!((summary.state(), summary.ids.len()), (SessionState::Ended, SESSION.len()));
    assert_eq!(summary.recorded, (1_000, 1_000 + SESSION.len() as u64 - 1));
    assert!(summary.customers().contains(&"Zo\u{eb}") && !summary.customers().contains(&"Ann"));
    assert!(summary.speaks_of("ann") && summary.speaks_of(&fold("zo\u{eb}")) && summary.speaks_of("c69a"));
    assert!(!summary.speaks_of("desk of nobody"));
    let read: Summary = serde_json::from_str(&serde_json::to_string(&summary).unwrap()).unwrap();
    assert_eq!(read, summary);
}

#[test]
fn of_two_owners_of_one_second_the_one_that_was_delivered_last_is_the_owner() {
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

    #[test]
    fn parts_join_to_the_whole_however_they_overlap(
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

/// With the participants in an order of their own: two left in the same second.
fn sorted(mut timeline: Value) -> Value {
    if let Some(participants) = timeline["participants"].as_array_mut() {
        participants.sort_by_key(ToString::to_string);
    }
    timeline
}
