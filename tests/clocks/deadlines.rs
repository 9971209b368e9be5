//! How long a deadline holds, and how often a POST reads its clocks.

use std::cell::Cell;
use std::time::Duration;

use crate::support::{Memory, now};
use chrono::{DateTime, TimeDelta, Utc};
use outbound_events::deadline::{Deadline, Waited};
use outbound_events::http_client::NoHttpClient;
use outbound_events::platform::Platform;
use outbound_events::service::{FollowUp, Service};
use outbound_events::settings::SettingVariables;

#[test]
fn a_deadline_holds_from_its_writing_for_its_wait() {
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

/// A platform that counts the readings of its clocks.
struct Counting {
    store: Memory,
    asked: Cell<(usize, usize)>,
}

impl Platform for Counting {
    type Store = Memory;
    type HttpClient = NoHttpClient;

    fn store(&self) -> &Memory {
        &self.store
    }

    fn http_client(&self) -> &NoHttpClient {
        &NoHttpClient
    }

    fn now(&self) -> DateTime<Utc> {
        self.asked.set((self.asked.get().0 + 1, self.asked.get().1));
        now()
    }

    fn random(&self) -> u64 {
        0
    }

    fn monotonic(&self) -> Duration {
        self.asked.set((self.asked.get().0, self.asked.get().1 + 1));
        Duration::ZERO
    }
}

/// In a component, each reading is a call to its host.
#[test]
fn a_post_reads_the_clock_once_and_calls_the_store_twice() {
    let platform = Counting { store: Memory::default(), asked: Cell::default() };
    let variable = |name: &str| Ok((name == "ingest_open").then(|| "true".to_owned()));
    let variables = SettingVariables::new(&variable);
    let service = Service { platform: &platform, variables: &variables };
    let head = http::Request::post("/events/hq").body(()).unwrap().into_parts().0;
    let mut body = Some(crate::support::BEGIN.as_bytes().to_vec());
    let answer = pollster::block_on(service.handle(Ok(head), async || Ok(body.take())));
    assert_eq!(answer.response.status(), 200);
    assert_eq!((platform.asked.get(), platform.store.calls.take()), ((1, 0), vec!["exists", "set"]));
    // The work after the answer, without destinations and wrong clocks.
    let follow_up = FollowUp { compaction: false, ..answer.follow_up };
    assert!(pollster::block_on(service.follow_up(follow_up)).is_empty());
    assert_eq!((platform.asked.get().1, platform.store.calls.take()), (0, Vec::new()));
}
