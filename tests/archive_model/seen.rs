//! The store, the clock and the destinations as one actor sees them.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::given::{DAY, DESTINATIONS, is_refused};
use super::world::ArchiveWorld;
use crate::support::Given;
use chrono::{DateTime, TimeDelta, Utc};
use http::{Request, Response};
use outbound_events::http_client::{HttpClient, NotSent};
use outbound_events::platform::Platform;
use outbound_events::store::{Store, StoreError};

/// The store as one actor sees it. Each call waits for its turn.
#[derive(Clone, Copy)]
pub(super) struct ActorView<'w> {
    pub(super) world: &'w ArchiveWorld,
    pub(super) actor: usize,
}

pub(super) struct ActorTurn<'w>(pub(super) &'w ArchiveWorld);

impl Future for ActorTurn<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0.turn.replace(false) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Store for ActorView<'_> {
    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        ActorTurn(self.world).await;
        Ok(self.world.seen(self.actor, false).contains_key(key))
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        ActorTurn(self.world).await;
        Ok(self.world.seen(self.actor, false).remove(key))
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        ActorTurn(self.world).await;
        self.world.write(self.actor, key, Some(value));
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        ActorTurn(self.world).await;
        self.world.write(self.actor, key, None);
        Ok(())
    }

    async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        ActorTurn(self.world).await;
        let keys: Vec<_> = self.world.seen(self.actor, true).into_keys().collect();
        self.world.listed.borrow_mut().insert(self.actor, keys.clone());
        Ok(keys)
    }
}

impl Platform for ActorView<'_> {
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
        Duration::from_millis((self.world.time.get() + 50 * DAY).unsigned_abs())
    }
}

impl HttpClient for ActorView<'_> {
    type Body = Given;

    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Given>, NotSent> {
        ActorTurn(self.world).await;
        let number = usize::from(request.uri().host() == Some(DESTINATIONS[1]));
        let id = request.headers()["webhook-id"].to_str().unwrap().to_owned();
        self.world.sends(self.actor, number, &id);
        let moody = number == 1 && !self.world.calm.get();
        let mood = if moody { self.world.random.borrow_mut().u8(..10) } else { 9 };
        let status = match mood {
            _ if is_refused(number, &id) => 404,
            0 => 503,
            1 => return Err(NotSent("connection refused".to_owned())),
            // The destination got the event, and its answer is lost.
            2 => {
                self.world.sent.borrow_mut().push((number, id));
                return std::future::pending().await;
            }
            3 => return std::future::pending().await,
            4 => {
                for _ in 0..8 {
                    ActorTurn(self.world).await;
                }
                200
            }
            _ => 200,
        };
        if status == 200 {
            self.world.sent.borrow_mut().push((number, id));
        }
        Ok(Response::builder().status(status).body(Given::default()).unwrap())
    }

    async fn wait(&self, time: Duration) {
        let turns = if time.as_secs() > 0 { 40 } else { 1 };
        for _ in 0..turns {
            ActorTurn(self.world).await;
        }
    }
}
