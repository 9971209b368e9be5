//! A wrong clock delays no delivery and pauses no destination.

use std::time::Duration;

use super::recipient::{SETTINGS, days};
use crate::support::{Call, Memory, Reply, Says, TOKEN, Ways, call, now, post};
use chrono::TimeDelta;
use outbound_events::deadline::Deadline;
use outbound_events::store::Store as _;
use serde_json::{Value, json};

/// A recipient with a destination and an adjustable clock.
struct ForwardingRecipient {
    store: Memory,
    ways: Ways,
}

impl ForwardingRecipient {
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

/// Regression: a destination that failed once while the clock was 400 days ahead was not tried again for 400 days.
#[test]
fn a_destination_that_failed_with_a_clock_ahead_is_tried_again_at_once() {
    for wrong in [days(400), TimeDelta::hours(2), days(-400)] {
        let forwarding = ForwardingRecipient::new();
        forwarding.ways.step(wrong);
        forwarding.ways.say([Says::Status(503)]);
        forwarding.take(1);
        assert_eq!(forwarding.state(), "failing");
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

/// The same for the lease of a killed process, and for the hourly allowance.
#[test]
fn deadlines_of_a_clock_ahead_are_ignored() {
    let forwarding = ForwardingRecipient::new();
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

/// Regression: a clock ten days behind at the first failure and right at the second paused a destination at once.
#[test]
fn a_destination_is_paused_after_three_days_of_waiting_whatever_the_clock_reads() {
    let forwarding = ForwardingRecipient::new();
    *forwarding.ways.always.borrow_mut() = Says::Status(503);
    forwarding.ways.step(days(-10));
    forwarding.take(1);
    forwarding.ways.step(days(10));
    assert_eq!(forwarding.state(), "failing");
    // It is tried every hour from then on, and paused about three days later.
    let mut hours = 0;
    while forwarding.state() == "failing" {
        forwarding.ways.pass_time(Duration::from_secs(3_601));
        // A step of the clock counts as at most two of these hours.
        (hours % 20 == 7).then(|| forwarding.ways.step(days(30)));
        (hours % 20 == 9).then(|| forwarding.ways.step(days(-30)));
        hours += 1;
        assert!(hours < 100);
    }
    assert!((60..=80).contains(&hours), "paused after {hours} hours");
    assert_eq!(forwarding.state(), "paused");
}
