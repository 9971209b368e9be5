//! wasmtime: its configuration, what it offers to a component, and the clock by which guests are interrupted.

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
use crate::guest::pool::READY;
use crate::guest::state::State;

/// How long a guest may compute before others get a turn.
const TICK: Duration = Duration::from_millis(10);

/// Compiles a component, or finds it compiled in the cache. An error says what the component wants that is not offered.
pub(super) fn load(component: &[u8], limits: &Limits) -> wasmtime::Result<ProxyPre<State>> {
    let engine = Engine::new(&config(limits)).context("this machine cannot run components")?;
    let component = Component::new(&engine, component).context("this is no component that can be run")?;
    let pre = linker(&engine)?.instantiate_pre(&component).context("the component wants what is not offered")?;
    let pre = ProxyPre::new(pre).context("the component does not take HTTP requests")?;
    keep_time(&engine).context("no thread can be started")?;
    Ok(pre)
}

/// How much of each instance's memory stays with the pool, in bytes: what an event touches, and its neighbourhood.
const KEPT_MEMORY: usize = 2 << 20;

/// The same of each table.
const KEPT_TABLE: usize = 64 << 10;

fn config(limits: &Limits) -> Config {
    // A component is made of a few core instances: the module, its adapter, and what joins them.
    const PARTS: u32 = 8;
    let instances = limits.instances.saturating_add(READY);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(PARTS))
        .total_memories(instances)
        .max_memories_per_component(1)
        .total_tables(instances.saturating_mul(PARTS))
        .total_stacks(instances)
        .max_memory_size(limits.memory_bytes);
    // Where the kernel tells which pages were written, they stay with the pool, which clears them: to give them back and to fault them in
    // again costs a third of an event.
    if limits.swap.possible {
        // A page that was swapped out is missed there. And to clear pages that were never written costs more than to give back those that were.
        pool.linear_memory_keep_resident(0).table_keep_resident(KEPT_TABLE).pagemap_scan(Enabled::No);
    } else {
        pool.linear_memory_keep_resident(KEPT_MEMORY).table_keep_resident(KEPT_TABLE).pagemap_scan(Enabled::Auto);
    }
    let mut config = Config::new();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config.epoch_interruption(true);
    config.consume_fuel(limits.measure);
    if limits.perf_map {
        config.profiler(ProfilingStrategy::PerfMap);
    }
    match Cache::new(CacheConfig::new()) {
        Ok(cache) => _ = config.cache(Some(cache)),
        Err(error) => tracing::warn!("compiled components are not kept, so every start is slow: {error:#}"),
    }
    config
}

/// Offers what the component's adapter needs, and one thing that reaches out: requests. No files, no sockets.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(&mut linker)?;
    types::add_to_linker::<_, WasiHttp>(&mut linker, &LinkOptions::default().into(), State::http)?;
    outgoing_handler::add_to_linker::<_, WasiHttp>(&mut linker, State::http)?;
    offer::add_to_linker(&mut linker, State::offer)?;
    Ok(linker)
}

/// Moves the engine's clock, as long as there is an engine.
fn keep_time(engine: &Engine) -> std::io::Result<()> {
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
