//! Instances: fresh ones, some of them made ahead of their requests, and ones that have served and can serve again.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wasmtime::Store;
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};

use crate::guest::error::GuestError;
use crate::guest::state::{InstanceState, Supplies};

/// The most instances made ahead of their requests.
const AHEAD: u32 = 4;

/// The most instances that wait to serve again.
const REUSABLE: u32 = 32;

/// The most instances that wait for requests, if each can serve this many.
pub(super) fn waiting(reuse: NonZeroU32) -> u32 {
    if reuse.get() > 1 { AHEAD + REUSABLE } else { AHEAD }
}

/// An instance.
pub(super) struct Instance {
    pub(super) store: Store<InstanceState>,
    pub(super) proxy: Proxy,
    /// How many requests it has served.
    served: u32,
}

/// An instance made ahead, with its permit until a request takes it.
type Ready = (Instance, OwnedSemaphorePermit);

/// Makes instances. Cheap to clone; all clones share the instances made ahead.
#[derive(Clone)]
pub(super) struct InstancePool {
    pre: ProxyPre<InstanceState>,
    supplies: Supplies,
    /// How long making an instance can take.
    time: Duration,
    ready: Arc<Mutex<Vec<Ready>>>,
    /// Permits for instances made ahead. They are separate from those of requests, so that no request waits for them.
    ahead: Arc<Semaphore>,
    created: Arc<AtomicU64>,
    /// How many requests an instance can serve.
    reuse: NonZeroU32,
    /// Instances that have served events, and can serve more of them.
    reusable: Arc<Mutex<Vec<Instance>>>,
}

impl InstancePool {
    pub(super) fn new(pre: ProxyPre<InstanceState>, supplies: Supplies, time: Duration, reuse: NonZeroU32) -> Self {
        let ahead = Arc::new(Semaphore::new(AHEAD as usize));
        Self {
            pre,
            supplies,
            time,
            ready: Arc::default(),
            ahead,
            created: Arc::default(),
            reuse,
            reusable: Arc::default(),
        }
    }

    /// The number of instances created so far.
    pub(super) fn created(&self) -> u64 {
        self.created.load(Ordering::Relaxed)
    }

    /// The number of instances that wait for requests.
    pub(super) fn ready(&self) -> usize {
        self.ready.lock().len() + self.reusable.lock().len()
    }

    /// Takes an instance that has served events.
    pub(super) fn take_reusable(&self) -> Option<Instance> {
        // In its own statement, so that the lock is free afterwards.
        let reusable = self.reusable.lock().pop();
        reusable.map(|mut instance| {
            Supplies::begin(&mut instance.store);
            instance
        })
    }

    /// Keeps an instance that has served an event, so that it serves another. Returns it if it cannot: it has served
    /// enough, something of the request remains in it, or enough instances are waiting.
    pub(super) fn keep(&self, mut instance: Instance) -> Result<(), Instance> {
        instance.served = instance.served.saturating_add(1);
        if instance.served >= self.reuse.get() || !instance.store.data().is_reusable() {
            return Err(instance);
        }
        let mut reusable = self.reusable.lock();
        if reusable.len() >= REUSABLE as usize {
            return Err(instance);
        }
        reusable.push(instance);
        Ok(())
    }

    /// Takes an instance made ahead, or makes one. No request has seen it.
    pub(super) async fn take(&self) -> Result<Instance, GuestError> {
        let ready = self.ready.lock().pop();
        match ready {
            Some((mut instance, _permit)) => {
                Supplies::begin(&mut instance.store);
                Ok(instance)
            }
            None => self.make().await,
        }
    }

    /// Makes an instance. An error if that fails, such as a trap before the first request.
    pub(super) async fn make(&self) -> Result<Instance, GuestError> {
        self.created.fetch_add(1, Ordering::Relaxed);
        let mut store = self.instance_store();
        match timeout(self.time, self.pre.instantiate_async(&mut store)).await {
            Ok(made) => Ok(Instance { proxy: made.map_err(GuestError::Trap)?, store, served: 0 }),
            Err(_) => Err(GuestError::Slow),
        }
    }

    /// Makes an instance for a future request, unless enough are ready. Called outside the path of a request: making an
    /// instance takes as long as serving an event.
    pub(super) async fn make_ahead(&self) {
        let Ok(permit) = Arc::clone(&self.ahead).try_acquire_owned() else { return };
        // If this fails, the next request that makes an instance reports the error.
        if let Ok(instance) = self.make().await {
            self.ready.lock().push((instance, permit));
        }
    }

    fn instance_store(&self) -> Store<InstanceState> {
        self.supplies.instance_store(self.pre.engine())
    }
}
