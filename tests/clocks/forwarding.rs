//! Nothing is put off and no destination is paused because of a wrong clock.

use std::time::Duration;

use super::recipient::{SETTINGS, days};
use crate::support::{Call, Memory, Reply, Says, TOKEN, Ways, call, now, post};
use chrono::TimeDelta;
use outbound_events::deadline::Deadline;
use outbound_events::store::Store as _;
use serde_json::{Value, json};

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
        assert_eq!(
            (&ticked["pending"], &ticked["destinations"][0]["state"]),
            (&json!(0), &json!("working")),
            "{wrong}"
        );
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
