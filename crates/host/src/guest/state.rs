//! The data of one instance: WASI's contexts and its other imports.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use http::{Request, Response};
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, ResourceLimiter, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use crate::guest::limits::Used;
use crate::guest::log::GuestLog;
use crate::guest::offer::{ListTurn, Offer, OfferView};
use crate::guest::outgoing::Outgoing;
use crate::store::KeyValueStore;

/// Shared by all instances. Cheap to clone.
#[derive(Clone)]
pub(super) struct Supplies {
    pub(super) store: KeyValueStore,
    pub(super) variables: Arc<HashMap<String, String>>,
    pub(super) outgoing: Outgoing,
    /// The most memory in bytes that a list of all keys can take in the guest.
    pub(super) list_bytes: usize,
}

impl Supplies {
    /// The wasmtime store of a new instance.
    pub(super) fn instance_store(&self, engine: &Engine) -> Store<InstanceState> {
        let log = GuestLog::default();
        let state = InstanceState {
            table: ResourceTable::new(),
            wasi: WasiCtx::builder().stdout(log.clone()).stderr(log.clone()).build(),
            log,
            http: WasiHttpCtx::new(),
            hooks: OutgoingHooks(self.outgoing.clone()),
            offer: Offer {
                store: self.store.clone(),
                variables: Arc::clone(&self.variables),
                list_bytes: self.list_bytes,
                turn: ListTurn::Exempt,
                moved_bytes: 0,
            },
            most_memory: MostMemory(0),
        };
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.most_memory);
        // A computing guest yields at every tick of the epoch; after its time limit it is not resumed.
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
        Self::begin(&mut store);
        store
    }

    /// Prepares an instance for the next request.
    pub(super) fn begin(store: &mut Store<InstanceState>) {
        // Fails unless fuel is enabled for measuring; then nothing is measured.
        let _ = store.set_fuel(u64::MAX);
        store.set_epoch_deadline(1);
        store.data_mut().offer.moved_bytes = 0;
    }
}

/// `None` if it is not measured.
pub(super) fn used(store: &Store<InstanceState>) -> Option<Used> {
    let remaining = store.get_fuel().ok()?;
    let InstanceState { most_memory, offer, .. } = store.data();
    Some(Used { fuel: u64::MAX - remaining, memory_bytes: most_memory.0, moved_bytes: offer.moved_bytes })
}

pub(super) struct InstanceState {
    table: ResourceTable,
    wasi: WasiCtx,
    log: GuestLog,
    http: WasiHttpCtx,
    hooks: OutgoingHooks,
    pub(super) offer: Offer,
    most_memory: MostMemory,
}

impl InstanceState {
    pub(super) fn offer(&mut self) -> OfferView<'_> {
        OfferView { offer: &mut self.offer, table: &mut self.table }
    }

    /// Whether nothing of a request remains in the host, and the memory has not grown much: an instance that needed more
    /// than an event does is not worth its memory.
    pub(super) fn is_reusable(&self) -> bool {
        self.table.is_empty() && self.log.is_empty() && self.most_memory.0 <= REUSABLE_MEMORY
    }
}

/// The most bytes of linear memory of an instance that serves again: a little more than the component begins with
/// (`.cargo/config.toml`).
const REUSABLE_MEMORY: usize = 2 << 20;

/// The peak of an instance's linear memory, in bytes. This limiter only measures: the pool enforces the limit.
struct MostMemory(usize);

impl ResourceLimiter for MostMemory {
    fn memory_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_none_or(|maximum| desired <= maximum) {
            self.0 = self.0.max(desired);
        }
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

/// Sends the component's requests.
struct OutgoingHooks(Outgoing);

type HookResponse = (Response<WasiBody>, Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send>);

impl WasiHttpHooks for OutgoingHooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send>,
    ) -> Box<dyn Future<Output = wasmtime_wasi_http::Result<HookResponse>> + Send> {
        let outgoing = self.0.clone();
        Box::new(async move {
            let response = outgoing.send(request).await?;
            let nothing: Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send> = Box::new(async { Ok(()) });
            Ok((response, nothing))
        })
    }
}

impl WasiView for InstanceState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for InstanceState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}
