//! What belongs to one instance: WASI's side of it, and what it is offered besides.

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
use crate::guest::offer::{Offer, OfferView, Turn};
use crate::guest::outgoing::Outgoing;
use crate::store::KeyValueStore;

/// What every instance is given. Cheap to clone.
#[derive(Clone)]
pub(super) struct Supplies {
    pub(super) store: KeyValueStore,
    /// The settings.
    pub(super) variables: Arc<HashMap<String, String>>,
    pub(super) outgoing: Outgoing,
    /// The most memory that a list of all keys may take in the guest, in bytes.
    pub(super) list_bytes: usize,
}

impl Supplies {
    /// What wasmtime keeps of one instance, in which no request was seen.
    pub(super) fn instance_store(&self, engine: &Engine) -> Store<State> {
        let log = GuestLog::default();
        let state = State {
            table: ResourceTable::new(),
            wasi: WasiCtx::builder().stdout(log.clone()).stderr(log).build(),
            http: WasiHttpCtx::new(),
            hooks: WayOut(self.outgoing.clone()),
            offer: Offer {
                store: self.store.clone(),
                variables: Arc::clone(&self.variables),
                list_bytes: self.list_bytes,
                turn: Turn::Nobodys,
            },
            most_memory: MostMemory(0),
        };
        let mut store = Store::new(engine, state);
        // Without fuel to measure with, this is refused, and nothing is counted.
        if store.set_fuel(u64::MAX).is_ok() {
            store.limiter(|state| &mut state.most_memory);
        }
        // A guest that computes lets others run at every tick; when its time is up, it is not resumed.
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
        store
    }
}

/// `None` where it is not counted.
pub(super) fn used(store: &Store<State>) -> Option<Used> {
    let left = store.get_fuel().ok()?;
    Some(Used { fuel: u64::MAX - left, memory_bytes: store.data().most_memory.0 })
}

/// What belongs to one instance.
pub(super) struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: WayOut,
    pub(super) offer: Offer,
    most_memory: MostMemory,
}

impl State {
    pub(super) fn offer(&mut self) -> OfferView<'_> {
        OfferView { offer: &mut self.offer, table: &mut self.table }
    }
}

/// The most linear memory that an instance has had, in bytes. It watches and refuses nothing: the pool does.
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

/// What a component can send requests through.
struct WayOut(Outgoing);

type Sent = (Response<WasiBody>, Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send>);

impl WasiHttpHooks for WayOut {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send>,
    ) -> Box<dyn Future<Output = wasmtime_wasi_http::Result<Sent>> + Send> {
        let outgoing = self.0.clone();
        Box::new(async move {
            let response = outgoing.send(request).await?;
            let nothing: Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send> = Box::new(async { Ok(()) });
            Ok((response, nothing))
        })
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}
