//! The platform of a run or an administrator.

use std::time::Duration;

use super::given::{DESTINATIONS, MILLISECOND, ModelEvent, SECOND};
use super::history::{Moment, RunNumber};
use super::receiver::ReceiverReply;
use super::world::ForwardingWorld;
use chrono::{DateTime, Utc};
use http::{Request, Response};
use outbound_events::http_client::{HttpClient, NotSent, ResponseBody};
use outbound_events::platform::Platform;
use outbound_events::store::{Store, StoreError};
use serde_json::Value;

/// The actor that uses the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// A run to one destination.
    Run(RunNumber, usize),
    Administrator,
}

#[derive(Clone, Copy)]
pub(super) struct SimulatedPlatform<'w> {
    pub(super) world: &'w ForwardingWorld,
    pub(super) who: Who,
    /// The machine whose clock it reads.
    pub(super) machine: usize,
}

impl<'w> SimulatedPlatform<'w> {
    /// A call to the store takes time, and happens at any moment of it: an actor that dies meanwhile may have done it
    /// or not.
    async fn call<T>(&self, does: impl FnOnce() -> T) -> T {
        let (before, after) = {
            let random = &mut *self.world.random.borrow_mut();
            let (one, whole) = (random.bool(), self.world.scenario.pace.call(random));
            if one { (0, whole) } else { (whole, 0) }
        };
        self.world.time.sleep(before).await;
        let done = does();
        self.world.time.sleep(after).await;
        done
    }

    /// The run, if the actor is one, and if `key` is `begins` followed by its destination.
    fn of_run(&self, key: &str, begins: &str) -> Option<Moment<'w>> {
        let Who::Run(run, destination) = self.who else { return None };
        let rest = key.strip_prefix(begins)?.strip_prefix(DESTINATIONS[destination])?;
        (rest.is_empty() || rest.starts_with('.')).then(|| self.world.moment(run, destination, self.machine))
    }

    fn writes(&self, key: &str, value: &[u8]) {
        let mut history = self.world.history.borrow_mut();
        if let Some(moment) = self.of_run(key, "round.") {
            history.writes_state(moment, value);
        }
        if let Some(moment) = self.of_run(key, "paused.") {
            history.pauses(moment, &self.world.receivers.borrow()[moment.destination], value);
        }
        if let Some(moment) = self.of_run(key, "refused.") {
            let event = self.world.event(key.rsplit('.').next().unwrap());
            history.refuses(moment, event, &self.world.receivers.borrow()[moment.destination]);
        }
        if let (Who::Administrator, Some(rest)) = (self.who, key.strip_prefix("refused.")) {
            let (name, id) = rest.split_once('.').unwrap();
            let destination = DESTINATIONS.iter().position(|of| *of == name).unwrap();
            history.skipped.insert((destination, id.to_owned()));
        }
        if let Some(name) = key.strip_prefix("round.") {
            let destination = DESTINATIONS.iter().position(|of| *of == name).unwrap();
            self.world.receivers.borrow_mut()[destination].is_said_to(value, self.world.time.now());
        }
        self.world.values.borrow_mut().insert(key.to_owned(), value.to_vec());
    }
}

impl Store for SimulatedPlatform<'_> {
    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.call(|| self.world.values.borrow().contains_key(key)).await)
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let read = || {
            let value = self.world.values.borrow().get(key).cloned();
            if let Some(moment) = self.of_run(key, "round.") {
                self.world.history.borrow_mut().reads_state(moment, value.as_deref());
            }
            value
        };
        Ok(self.call(read).await)
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.call(|| self.writes(key, value)).await;
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.call(|| _ = self.world.values.borrow_mut().remove(key)).await;
        Ok(())
    }

    async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        let list = || {
            if let Who::Run(run, _) = self.who {
                self.world.history.borrow_mut().lists(run, self.world.time.now());
            }
            self.world.values.borrow().keys().cloned().collect()
        };
        Ok(self.call(list).await)
    }
}

impl Platform for SimulatedPlatform<'_> {
    type Store = Self;
    type HttpClient = Self;

    fn store(&self) -> &Self {
        self
    }

    fn http_client(&self) -> &Self {
        self
    }

    fn now(&self) -> DateTime<Utc> {
        let clock = self.world.clock(self.machine);
        if let Who::Run(run, _) = self.who {
            self.world.history.borrow_mut().reads_clock(run, clock.timestamp_millis());
        }
        clock
    }

    fn random(&self) -> u64 {
        self.world.random.borrow_mut().u64(..)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.world.time.now())
    }
}

impl SimulatedPlatform<'_> {
    /// The receiver's answer to events, after the time that request and answer take.
    async fn asks(&self, destination: usize, events: &[&ModelEvent]) -> ReceiverReply {
        let way = || self.world.random.borrow_mut().u64(..20) * MILLISECOND;
        self.world.time.sleep(way()).await;
        let (says, after) = {
            let random = &mut *self.world.random.borrow_mut();
            let receiver = &mut self.world.receivers.borrow_mut()[destination];
            receiver.takes(events, destination, self.world.time.now(), random)
        };
        self.world.time.sleep(after + way()).await;
        says
    }
}

impl<'w> HttpClient for SimulatedPlatform<'w> {
    type Body = SimulatedBody<'w>;

    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<SimulatedBody<'w>>, NotSent> {
        let Who::Run(run, destination) = self.who else { panic!("an administrator sends nothing") };
        let ids: Vec<String> = match serde_json::from_slice(request.body()).unwrap() {
            Value::Array(batch) => batch.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect(),
            _ => vec![request.headers()["webhook-id"].to_str().unwrap().to_owned()],
        };
        let sent: Vec<_> = ids.iter().map(|id| self.world.event(id)).collect();
        {
            let world = self.world;
            let receiver = &mut world.receivers.borrow_mut()[destination];
            let moment = world.moment(run, destination, self.machine);
            let mut history = world.history.borrow_mut();
            history.sends(moment, &sent, &world.events, receiver, &world.values.borrow());
        }
        self.world.history.borrow_mut().hears(run, true);
        let _request = Longest { world: self.world, run, began: self.world.time.now() };
        let says = self.asks(destination, &sent).await;
        let fails = !matches!(says, ReceiverReply::Status(200 | 400 | 404 | 410 | 413 | 422));
        self.world.history.borrow_mut().hears(run, fails);
        let (status, retry_after) = match says {
            ReceiverReply::Status(status) => (status, None),
            ReceiverReply::Later(status, seconds) => (status, Some(seconds)),
            ReceiverReply::NoConnection => return Err(NotSent("nobody is there".to_owned())),
            ReceiverReply::Nothing => {
                self.world.time.sleep(u64::MAX).await;
                unreachable!("nobody waits for ever");
            }
        };
        let response = Response::builder().status(status);
        let response = match retry_after {
            Some(seconds) => response.header("retry-after", seconds),
            None => response,
        };
        let ends = self.world.random.borrow_mut().u8(..8) > 0;
        Ok(response.body(SimulatedBody { world: self.world, ends }).unwrap())
    }

    async fn wait(&self, time: Duration) {
        self.world.time.sleep(u64::try_from(time.as_micros()).unwrap()).await;
    }
}

/// An empty body, which sometimes never ends.
pub(super) struct SimulatedBody<'w> {
    world: &'w ForwardingWorld,
    ends: bool,
}

impl ResponseBody for SimulatedBody<'_> {
    async fn chunk(&mut self) -> Option<Vec<u8>> {
        if !self.ends {
            self.world.time.sleep(u64::MAX).await;
        }
        None
    }
}

/// Measures a request until it is dropped.
struct Longest<'w> {
    world: &'w ForwardingWorld,
    run: RunNumber,
    began: u64,
}

impl Drop for Longest<'_> {
    fn drop(&mut self) {
        let took = self.world.time.now() - self.began;
        // If a request is dropped later than that, the run is at fault.
        let took = took.min(17 * SECOND);
        let mut history = self.world.history.borrow_mut();
        let longest = history.longest.entry(self.run).or_default();
        *longest = took.max(*longest);
    }
}
