//! wasmtime: its configuration, the imports of the component, and the clock that interrupts guests.

use std::time::Duration;

use wasmtime::component::{Component, Linker};
use wasmtime::error::Context as _;
use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, ProfilingStrategy,
};
use wasmtime_wasi_http::p2::bindings::http::{outgoing_handler, types};
use wasmtime_wasi_http::p2::bindings::{LinkOptions, ProxyPre};
use wasmtime_wasi_http::{WasiHttp, WasiHttpView as _};

use crate::guest::limits::Limits;
use crate::guest::offer;
use crate::guest::pool;
use crate::guest::state::InstanceState;

/// How long a guest can compute before it yields.
const TICK: Duration = Duration::from_millis(10);

/// Compiles a component, or loads it from the cache. An error names the imports that this host does not have.
pub(super) fn load(component: &[u8], limits: &Limits) -> wasmtime::Result<ProxyPre<InstanceState>> {
    let engine = Engine::new(&config(limits)).context("this machine cannot run components")?;
    let component = Component::new(&engine, component).context("this is not a component that can be run")?;
    let pre =
        linker(&engine)?.instantiate_pre(&component).context("the component has an import that this host lacks")?;
    let pre = ProxyPre::new(pre).context("the component does not export wasi:http/incoming-handler")?;
    start_clock(&engine).context("a thread cannot be started")?;
    Ok(pre)
}

/// How many bytes of each table stay with the pool.
const KEPT_TABLE: usize = 64 << 10;

fn config(limits: &Limits) -> Config {
    // A component consists of a few core instances: the module, its adapter, and shims.
    const PARTS: u32 = 8;
    let instances = limits.instances.saturating_add(pool::waiting(limits.reuse_instances));
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(PARTS))
        .total_memories(instances)
        .max_memories_per_component(1)
        .total_tables(instances.saturating_mul(PARTS))
        .total_stacks(instances)
        .max_memory_size(limits.memory_bytes);
    // What an event touches stays with the pool, which clears it. Returning it to the kernel and faulting it in again
    // costs a third of the time of an event. Where memory can be swapped out, the kernel's report of written pages misses
    // some, so all pages are cleared.
    let pagemap_scan = if limits.swap.possible { Enabled::No } else { Enabled::Auto };
    pool.linear_memory_keep_resident(limits.kept_memory_bytes)
        .table_keep_resident(KEPT_TABLE)
        .pagemap_scan(pagemap_scan);
    let mut config = Config::new();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config.epoch_interruption(true);
    config.consume_fuel(limits.measure);
    if limits.perf_map {
        config.profiler(ProfilingStrategy::PerfMap);
    }
    match Cache::new(CacheConfig::new()) {
        Ok(cache) => _ = config.cache(Some(cache)),
        Err(error) => tracing::warn!("compiled components are not cached, so every start is slow: {error:#}"),
    }
    config
}

/// The imports of the component: WASI for its adapter, the store, the variables and outgoing requests. No files, no
/// sockets.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<InstanceState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(&mut linker)?;
    types::add_to_linker::<_, WasiHttp>(&mut linker, &LinkOptions::default().into(), InstanceState::http)?;
    outgoing_handler::add_to_linker::<_, WasiHttp>(&mut linker, InstanceState::http)?;
    offer::add_to_linker(&mut linker, InstanceState::offer)?;
    Ok(linker)
}

/// Advances the engine's epoch until the engine is dropped.
fn start_clock(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    };
    std::thread::Builder::new().name("clock".to_owned()).spawn(tick).map(drop)
}
