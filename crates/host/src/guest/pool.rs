//! Instances: a fresh one for each request, some of them made ahead.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wasmtime::Store;
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};

use crate::guest::error::GuestError;
use crate::guest::state::{State, Supplies};

/// How many instances are made ahead of their requests, at most.
pub(super) const READY: u32 = 4;

/// An instance that no request has seen.
pub(super) struct Instance {
    pub(super) store: Store<State>,
    pub(super) proxy: Proxy,
}

/// One that was made ahead, in a place of its own until a request takes it.
type Ready = (Instance, OwnedSemaphorePermit);

/// Makes instances. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(super) struct Pool {
    pre: ProxyPre<State>,
    supplies: Supplies,
    /// How long it may take to make one.
    time: Duration,
    ready: Arc<Mutex<Vec<Ready>>>,
    /// The places of those that are ready or being made: beside those of requests, so that no request goes without.
    ahead: Arc<Semaphore>,
}

impl Pool {
    pub(super) fn new(pre: ProxyPre<State>, supplies: Supplies, time: Duration) -> Self {
        Self { pre, supplies, time, ready: Arc::default(), ahead: Arc::new(Semaphore::new(READY as usize)) }
    }

    /// How many are ready.
    pub(super) fn ready(&self) -> usize {
        self.ready.lock().len()
    }

    /// One that was made ahead, or else a new one.
    pub(super) async fn take(&self) -> Result<Instance, GuestError> {
        let ready = self.ready.lock().pop();
        match ready {
            Some((mut instance, _place)) => {
                instance.store.set_epoch_deadline(1);
                Ok(instance)
            }
            None => self.make().await,
        }
    }

    /// A new one. An error if it traps before it has a request, say.
    pub(super) async fn make(&self) -> Result<Instance, GuestError> {
        let mut store = self.instance_store();
        match timeout(self.time, self.pre.instantiate_async(&mut store)).await {
            Ok(made) => Ok(Instance { proxy: made.map_err(GuestError::Trap)?, store }),
            Err(_) => Err(GuestError::Slow),
        }
    }

    /// Makes one for a request to come, unless as many are ready as may be. Not on the way of a request: to make one takes as long
    /// as its work.
    pub(super) async fn make_ahead(&self) {
        let Ok(place) = Arc::clone(&self.ahead).try_acquire_owned() else { return };
        // If it cannot be made, the request that needs it is told why.
        if let Ok(instance) = self.make().await {
            self.ready.lock().push((instance, place));
        }
    }

    pub(super) fn instance_store(&self) -> Store<State> {
        self.supplies.instance_store(self.pre.engine())
    }
}
