//! The store, the appliance and the clocks, as each actor sees them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::plan::PlannedSession;
use crate::support::{Given, SimulatedAppliance, now};
use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use http::{Request, Response};
use outbound_events::http_client::{HttpClient, NotSent};
use outbound_events::platform::Platform;
use outbound_events::store::{Store, StoreError};

/// The actors, each with a clock.
pub(super) const ACTORS: usize = 6;

/// Seconds by which a clock is wrong: a few, an hour, ten days and a year either way.
const WRONG_BY: [i64; 8] = [0, 0, -10, 3_600, -3_600, 864_000, 400 * 86_400, -300 * 86_400];

/// Seconds by which the appliance's clock is wrong: less than the overlap of windows.
const APPLIANCE_WRONG_BY: [i64; 5] = [0, 0, 10, 50 * 60, -50 * 60];

pub(super) struct AccountWorld {
    pub(super) sessions: Vec<PlannedSession>,
    pub(super) appliance: SimulatedAppliance,
    pub(super) values: RefCell<BTreeMap<String, Vec<u8>>>,
    /// The right time, in milliseconds from the start.
    pub(super) time: Cell<i64>,
    /// Seconds by which the clock of each actor is wrong.
    wrong_by: RefCell<[i64; ACTORS]>,
    pub(super) clocks_are_wrong: bool,
    pub(super) random: RefCell<Rng>,
    /// Whether the current actor can still make a call.
    pub(super) turn: Cell<bool>,
    /// The sessions that began and ended at the appliance, with these times by its clock.
    pub(super) labels: RefCell<BTreeMap<(String, &'static str), i64>>,
    /// When an event of a session arrived last.
    pub(super) arrived: RefCell<BTreeMap<String, i64>>,
}

impl AccountWorld {
    pub(super) fn new(sessions: Vec<PlannedSession>, clocks_are_wrong: bool, random: Rng) -> Self {
        Self {
            sessions,
            appliance: SimulatedAppliance::default(),
            values: RefCell::default(),
            time: Cell::new(0),
            wrong_by: RefCell::default(),
            clocks_are_wrong,
            random: RefCell::new(random),
            turn: Cell::new(false),
            labels: RefCell::default(),
            arrived: RefCell::default(),
        }
    }

    /// The right time.
    pub(super) fn now(&self) -> DateTime<Utc> {
        now() + TimeDelta::milliseconds(self.time.get())
    }

    /// Lets time pass: sessions begin and end at the appliance.
    pub(super) fn pass(&self, millis: i64) {
        let until = self.time.get() + millis;
        loop {
            let next = self.sessions.iter().flat_map(|session| {
                let of = |what, at| ((session.lsid.clone(), what), at, session);
                [of("begin", session.begins), of("end", session.ends)]
            });
            let is_next = |(label, at, _): &((String, &'static str), i64, &PlannedSession)| {
                *at <= until && !self.labels.borrow().contains_key(label)
            };
            let Some((label, at, session)) = next.filter(is_next).min_by_key(|(_, at, _)| *at) else { break };
            self.time.set(self.time.get().max(at));
            let by_appliance = self.appliance.now(self.now());
            if label.1 == "end" {
                self.appliance.adds(&session.lsid, by_appliance, session.lag / 1_000);
            }
            self.labels.borrow_mut().insert(label, by_appliance);
        }
        self.time.set(until);
    }

    /// Sets a clock wrong: that of an actor, or the appliance's.
    pub(super) fn set_clock(&self, random: &mut Rng) {
        if self.clocks_are_wrong {
            self.wrong_by.borrow_mut()[random.usize(..ACTORS)] = *random.choice(&WRONG_BY).unwrap();
            if random.u8(..4) == 0 {
                self.appliance.ahead.set(*random.choice(&APPLIANCE_WRONG_BY).unwrap());
            }
        }
    }

    pub(super) fn set_all_clocks_right(&self) {
        *self.wrong_by.borrow_mut() = [0; ACTORS];
        self.appliance.ahead.set(0);
    }
}

/// The world as one actor sees it. Each call waits for its turn.
#[derive(Clone, Copy)]
pub(super) struct AccountView<'w> {
    pub(super) world: &'w AccountWorld,
    pub(super) actor: usize,
}

pub(super) struct AccountTurn<'w>(pub(super) &'w AccountWorld);

impl Future for AccountTurn<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0.turn.replace(false) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Store for AccountView<'_> {
    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        AccountTurn(self.world).await;
        Ok(self.world.values.borrow().contains_key(key))
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        AccountTurn(self.world).await;
        Ok(self.world.values.borrow().get(key).cloned())
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        AccountTurn(self.world).await;
        self.world.values.borrow_mut().insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        AccountTurn(self.world).await;
        self.world.values.borrow_mut().remove(key);
        Ok(())
    }

    async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        AccountTurn(self.world).await;
        Ok(self.world.values.borrow().keys().cloned().collect())
    }
}

impl Platform for AccountView<'_> {
    type Store = Self;
    type HttpClient = Self;

    fn store(&self) -> &Self {
        self
    }

    fn http_client(&self) -> &Self {
        self
    }

    fn now(&self) -> DateTime<Utc> {
        self.world.now() + TimeDelta::seconds(self.world.wrong_by.borrow()[self.actor])
    }

    fn random(&self) -> u64 {
        self.world.random.borrow_mut().u64(..)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.world.time.get().unsigned_abs())
    }
}

impl HttpClient for AccountView<'_> {
    type Body = Given;

    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Given>, NotSent> {
        AccountTurn(self.world).await;
        self.world.appliance.answers(&request, self.world.now())
    }

    async fn wait(&self, time: Duration) {
        // A wait for an answer that is there is never waited for.
        for _ in 0..if time.as_secs() > 0 { 40 } else { 1 } {
            AccountTurn(self.world).await;
        }
    }
}
