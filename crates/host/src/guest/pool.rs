//! Instances: a fresh one for each request, some of them made ahead of it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wasmtime::Store;
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};

use crate::guest::error::GuestError;
use crate::guest::state::{InstanceState, Supplies};

/// The most instances made ahead of their requests.
pub(super) const READY: u32 = 4;

/// An instance that no request has seen.
pub(super) struct Instance {
    pub(super) store: Store<InstanceState>,
    pub(super) proxy: Proxy,
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
}

impl InstancePool {
    pub(super) fn new(pre: ProxyPre<InstanceState>, supplies: Supplies, time: Duration) -> Self {
        Self { pre, supplies, time, ready: Arc::default(), ahead: Arc::new(Semaphore::new(READY as usize)) }
    }

    pub(super) fn ready(&self) -> usize {
        self.ready.lock().len()
    }

    /// Takes an instance made ahead, or makes one.
    pub(super) async fn take(&self) -> Result<Instance, GuestError> {
        let ready = self.ready.lock().pop();
        match ready {
            Some((mut instance, _permit)) => {
                instance.store.set_epoch_deadline(1);
                Ok(instance)
            }
            None => self.make().await,
        }
    }

    /// Makes an instance. An error if that fails, such as a trap before the first request.
    pub(super) async fn make(&self) -> Result<Instance, GuestError> {
        let mut store = self.instance_store();
        match timeout(self.time, self.pre.instantiate_async(&mut store)).await {
            Ok(made) => Ok(Instance { proxy: made.map_err(GuestError::Trap)?, store }),
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

    pub(super) fn instance_store(&self) -> Store<InstanceState> {
        self.supplies.instance_store(self.pre.engine())
    }
}
