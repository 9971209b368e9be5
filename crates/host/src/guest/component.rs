//! The component, and what it may do: a fresh instance a request, so much memory, so much time, and nothing but the
//! store, its variables, the clock, random numbers, a log, and requests to the origins of its destinations.

use std::collections::HashMap;
use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use outbound_events::forward::destination::Destination;
use outbound_events::service;
use outbound_events::settings::Settings;
use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::error::Context as _;
use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
    ProfilingStrategy, ResourceLimiter, Store, UpdateDeadline,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler;
use wasmtime_wasi_http::p2::bindings::http::types::{self, ErrorCode, Scheme};
use wasmtime_wasi_http::p2::bindings::{LinkOptions, Proxy, ProxyPre};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttp, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use crate::guest::answer::{self, Answer};
use crate::guest::log::GuestLog;
use crate::guest::offer::{self, Offer, OfferView, Turn};
use crate::guest::outgoing::Outgoing;
use crate::guest::ticks::{self, Nudge};
use crate::measure::{AtWork, Work};
use crate::store::KeyValueStore;
use crate::swap::Swap;

/// What all instances together, each of them, and a request on its way to one, may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a request's body may take, as far as it is read before there is an instance. An appliance sends it at once.
    pub body: Duration,
    /// How many instances there may be at once. A request beyond that waits.
    pub instances: u32,
    /// How many of them may be at the requests of readers and administrators: the others are for events.
    pub readers: u32,
    /// How long a request waits for one of them.
    pub wait: Duration,
    /// How much memory an instance may have, in bytes.
    pub memory_bytes: usize,
    /// How long an instance may take for a request.
    pub time: Duration,
    /// Whether to count what an instance uses, which makes it slower. Then [`Used`] is among the response's extensions.
    pub measure: bool,
    /// Whether `perf` is told where each function of the component is, in a file of its own.
    pub perf_map: bool,
    /// Whether this process's memory can be swapped out: then what instances leave is cleared in a way that costs more.
    pub swap: Swap,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: Duration::from_secs(60),
            instances: 128,
            readers: 4,
            wait: Duration::from_secs(5),
            memory_bytes: 128 << 20,
            // What both clouds give; and with a round's ten seconds and its last request's fifteen there is room left.
            time: Duration::from_secs(30),
            measure: false,
            perf_map: false,
            swap: Swap::look(),
        }
    }
}

/// What an instance used for a request that it had done with when its response was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// Instructions, as wasmtime's fuel counts them.
    pub fuel: u64,
    /// The most linear memory that it had, in bytes.
    pub memory_bytes: usize,
}

/// Why a guest gave no response.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// No instance became free in time.
    #[error("no instance was free in time")]
    Busy,
    /// As many read as may at once, and none of them was done in time.
    #[error("too many read at once, and none was done in time")]
    Readers,
    /// The request cannot be given to a guest: its `Host` is no text, say.
    #[error("the request cannot be handed on: {0:#}")]
    Request(wasmtime::Error),
    /// It trapped: it panicked, or wanted too much memory.
    #[error("the component failed: {0:#}")]
    Trap(wasmtime::Error),
    /// It computed or waited for too long.
    #[error("the component took too long and was stopped")]
    Slow,
    /// It ended without an answer.
    #[error("the component gave no response")]
    Silent,
    /// It gave a response that has no end.
    #[error("the component's response broke off: {0}")]
    BrokenOff(Error),
    /// It answered with an error instead of a response.
    #[error("the component gave an error: {0:?}")]
    Error(ErrorCode),
}

/// What the last tick told, for the metrics.
#[derive(Debug, Default)]
pub(crate) struct Ticked {
    /// How destinations do: a name and figures each.
    pub(crate) destinations: Vec<Value>,
    /// Clocks that were seen to be wrong within a day.
    pub(crate) clock_faults: Vec<Value>,
}

/// A component that is ready to run. Cheap to clone.
#[derive(Clone)]
pub struct Guest {
    pre: ProxyPre<State>,
    instances: Arc<Semaphore>,
    /// Places of readers, of whom each has one of the instances too.
    readers: Arc<Semaphore>,
    /// The one place of who lists very many keys.
    long_lists: Arc<Semaphore>,
    /// Bytes of answers that may wait for their clients.
    room: Arc<Semaphore>,
    ready: Arc<Mutex<Vec<Ready>>>,
    left: Arc<Mutex<Vec<Left>>>,
    /// The places of those that are ready, being made, or left: beside those of requests, so that no request goes without.
    ahead: Arc<Semaphore>,
    pub(crate) store: KeyValueStore,
    variables: Arc<HashMap<String, String>>,
    outgoing: Outgoing,
    /// Where it is measured how long instances are at work.
    pub(crate) work: Work,
    /// What `/tick` is asked with.
    pub(crate) tick_token: Arc<str>,
    /// Told when something was taken: who ticks soon, and who ticks in time.
    pub(crate) nudge: Nudge,
    pub(crate) taken: Nudge,
    /// Told when what goes on after answers, and ticks that are under way, are to end at once.
    pub(crate) cut: Nudge,
    /// Whether there are destinations.
    forwards: bool,
    /// How they do, as the last tick told.
    ticked: Arc<Mutex<Ticked>>,
    pub(crate) limits: Limits,
}

/// How many instances are made ahead of their requests, at most.
const READY: u32 = 4;

/// An instance that no request has seen.
struct Instance {
    store: Store<State>,
    proxy: Proxy,
}

/// One that was made ahead, in a place of its own until a request takes it.
type Ready = (Instance, OwnedSemaphorePermit);

/// What an event has left of one, in a place of those to come: cleared while another event waits for the disk.
type Left = (Store<State>, OwnedSemaphorePermit);

/// An instance that a request has taken. Its place is free only once it is gone: so they are dropped in this order.
struct Spent {
    store: Store<State>,
    #[expect(dead_code, reason = "held, not read")]
    permit: OwnedSemaphorePermit,
    whose: Whose,
    #[expect(dead_code, reason = "held, not read")]
    at_work: AtWork,
}

impl Spent {
    /// Whether it was an event's, or a stranger's, and no list of very many keys was made in it.
    fn is_an_events(&self) -> bool {
        matches!(self.whose, Whose::Events) && matches!(self.store.data().offer.turn, Turn::Waits(_))
    }
}

/// Whose request an instance is at.
enum Whose {
    /// An appliance's, or a stranger's.
    Events,
    /// A reader's or an administrator's, of whom few have a place.
    Readers(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit),
    /// Nobody's: what is due is done.
    Ticks,
}

/// How many instances there are.
pub(crate) struct Instances {
    /// At work.
    pub(crate) in_use: u64,
    /// Made ahead.
    pub(crate) ready: u64,
    /// How many may be at work.
    pub(crate) limit: u64,
}

/// How long a guest may compute before others get a turn.
const TICK: Duration = Duration::from_millis(10);

impl Guest {
    /// Compiles a component, or finds it compiled in the cache.
    ///
    /// `component` is a component that exports `wasi:http/incoming-handler` 0.2. `variables` are what it can read as
    /// Spin's variables, or as WASI's configuration; any other name is undefined. The component can send requests to the origins of the variable
    /// `destinations`. To `tick_token` a token is added that is made here, and `rounds` is `on-ticks` unless it is given. An error says what the component wants that is not
    /// offered.
    pub fn new(
        component: &[u8],
        store: KeyValueStore,
        mut variables: HashMap<String, String>,
        limits: Limits,
    ) -> wasmtime::Result<Self> {
        let engine = Engine::new(&config(&limits)).context("this machine cannot run components")?;
        let component = Component::new(&engine, component).context("this is no component that can be run")?;
        let pre = linker(&engine)?.instantiate_pre(&component).context("the component wants what is not offered")?;
        let pre = ProxyPre::new(pre).context("the component does not take HTTP requests")?;
        keep_time(&engine).context("no thread can be started")?;
        // What is wrong with the setting, the component says.
        let destinations = variables.get("destinations").map(|text| Destination::read_all(text).unwrap_or_default());
        let destinations = destinations.unwrap_or_default();
        let outgoing = Outgoing::to(&destinations)?;
        // One tick does for many events, and no answer costs a look at what is owed.
        variables.entry("rounds".to_owned()).or_insert_with(|| "on-ticks".to_owned());
        let tick_token = ticks::token()?;
        let tokens = variables.entry("tick_token".to_owned()).or_default();
        *tokens = if tokens.is_empty() { tick_token.clone() } else { format!("{tokens},{tick_token}") };
        Ok(Self {
            pre,
            instances: Arc::new(Semaphore::new(limits.instances as usize)),
            readers: Arc::new(Semaphore::new(limits.readers as usize)),
            long_lists: Arc::new(Semaphore::new(1)),
            room: Arc::new(Semaphore::new(answer::ROOM)),
            ready: Arc::default(),
            left: Arc::default(),
            ahead: Arc::new(Semaphore::new(READY as usize)),
            store,
            variables: Arc::new(variables),
            outgoing,
            tick_token: tick_token.into(),
            nudge: Nudge::default(),
            taken: Nudge::default(),
            cut: Nudge::default(),
            forwards: !destinations.is_empty(),
            ticked: Arc::default(),
            work: Work::default(),
            limits,
        })
    }

    /// Answers a request with an instance that no other request sees. `request` has a `Host` header or an authority in its
    /// URI.
    ///
    /// The instance may go on for a while after its response is there. Few readers have one at a time, and they compute on threads of
    /// their own: to list very many keys takes long, and events do not wait for it.
    pub async fn handle(&self, request: Request<WasiBody>) -> Result<Response<WasiBody>, GuestError> {
        let turn = Turn::Waits(Arc::clone(&self.long_lists));
        let path = request.uri().path();
        if !service::is_for_readers(path) {
            let whose = if path == ticks::PATH { Whose::Ticks } else { Whose::Events };
            return self.answer(request, whose, turn).await;
        }
        let place = free(&self.readers, self.limits.wait).await.ok_or(GuestError::Readers)?;
        let (mut sender, answer) = oneshot::channel();
        let guest = self.clone();
        beside(async move {
            tokio::select! {
                answer = guest.answer(request, Whose::Readers(place), turn) => {
                    let _ = sender.send(answer);
                }
                // Nobody waits for it any more.
                () = sender.closed() => {}
            }
        });
        answer.await.unwrap_or(Err(GuestError::Silent))
    }

    /// Has the component do what is due. It may do so for as long as a destination hangs: nobody waits for that to list very many keys.
    pub(crate) async fn tick(&self, request: Request<WasiBody>) -> Result<Response<WasiBody>, GuestError> {
        self.answer(request, Whose::Ticks, Turn::Nobodys).await
    }

    async fn answer(
        &self,
        request: Request<WasiBody>,
        whose: Whose,
        turn: Turn,
    ) -> Result<Response<WasiBody>, GuestError> {
        let permit = free(&self.instances, self.limits.wait).await.ok_or(GuestError::Busy)?;
        let Instance { mut store, proxy } = self.instance().await?;
        store.data_mut().offer.turn = turn;
        let mut spent = Spent { store, permit, whose, at_work: AtWork::new(&self.work) };
        let (sender, mut response) = oneshot::channel();
        let mut http = spent.store.data_mut().http();
        let request = http.new_incoming_request(Scheme::Http, request).map_err(GuestError::Request)?;
        let out = http.new_response_outparam(sender).map_err(GuestError::Trap)?;
        let time = self.limits.time;
        let mut run: Run = Box::pin(async move {
            let call = proxy.wasi_http_incoming_handler().call_handle(&mut spent.store, request, out);
            let ended = timeout(time, call).await;
            (Ended(ended), spent)
        });
        // The guest runs in the connection's own task: no other thread is woken on the way of a small answer. Nobody but the guest
        // gives its response: to look for it when it has run is enough, and to be woken for it would be to run again for nothing.
        let ran = poll_fn(|context| match run.as_mut().poll(context) {
            Poll::Ready(ended) => Poll::Ready(Ok(ended)),
            Poll::Pending => match response.try_recv() {
                Err(TryRecvError::Empty) => {
                    self.renew_in_a_lull();
                    Poll::Pending
                }
                early => Poll::Ready(Err(early)),
            },
        });
        let (ended, spent) = match ran.await {
            Ok(ended) => ended,
            // The guest is not done: it gives the response's body, or goes on after it.
            Err(response) => {
                let response = response.map_err(|_| GuestError::Silent)?.map_err(GuestError::Error)?;
                return self.take(response, run).await;
            }
        };
        let response = response.try_recv();
        if ended.is_failure()
            && let Ok(response) = response
        {
            return self.take(response.map_err(GuestError::Error)?, Box::pin(ready((ended, spent)))).await;
        }
        let used = used(&spent.store);
        match ended.is_failure() {
            true => self.renew_beside(spent),
            false => self.leave(spent),
        }
        let Ok(response) = response else { return Err(ended.failure().unwrap_or(GuestError::Silent)) };
        let mut response = response.map_err(GuestError::Error)?;
        if let Some(used) = used {
            response.extensions_mut().insert(used);
        }
        Ok(response)
    }

    /// Takes a response's body from a guest that is not done with it, so that it waits for no client. What goes wrong once all of the
    /// body is there does not take it back.
    async fn take(&self, response: Response<WasiBody>, mut run: Run) -> Result<Response<WasiBody>, GuestError> {
        let (head, body) = response.into_parts();
        let mut answer = Answer::new(body, &self.room);
        tokio::select! {
            biased;
            taken = answer.take() => {
                if let Err(error) = taken {
                    let (ended, _) = run.await;
                    return Err(ended.failure().unwrap_or(GuestError::BrokenOff(error)));
                }
                let (guest, is_whole) = (self.clone(), answer.is_whole());
                beside(async move {
                    tokio::select! {
                        (ended, spent) = run => {
                            ended.note(is_whole);
                            guest.renew(spent).await;
                        }
                        () = guest.cut.notified() => {}
                    }
                });
            }
            (ended, spent) = &mut run => {
                if ended.is_failure() {
                    // Once the instance is gone, a body that it did not end seems to have ended.
                    tokio::select! {
                        biased;
                        _ = answer.take() => {}
                        () = ready(()) => {}
                    }
                    if !answer.is_whole() {
                        self.renew_beside(spent);
                        return Err(ended.failure().unwrap_or(GuestError::Silent));
                    }
                }
                self.renew_beside(spent);
                answer.take().await.map_err(GuestError::BrokenOff)?;
                ended.note(answer.is_whole());
            }
        }
        Ok(Response::from_parts(head, answer.boxed_unsync()))
    }

    /// What the component is set to, if its variables are those of this one.
    pub(crate) fn settings(&self) -> Option<Settings> {
        Settings::read(|name| Ok(self.variables.get(name).cloned())).ok()
    }

    pub(crate) fn instances(&self) -> Instances {
        let limit = self.limits.instances as usize;
        let in_use = limit.saturating_sub(self.instances.available_permits());
        Instances { in_use: in_use as u64, ready: self.ready().len() as u64, limit: limit as u64 }
    }

    /// What the last tick told.
    pub(crate) fn ticked(&self) -> MutexGuard<'_, Ticked> {
        self.ticked.lock()
    }

    /// Something was taken: it may be owed to a destination.
    pub(crate) fn took(&self) {
        if self.forwards {
            self.nudge.notify_one();
            self.taken.notify_one();
        }
    }

    /// Waits until no instance is at work, as long as that may take.
    pub(crate) async fn finish(&self, time: Duration) -> bool {
        timeout(time, self.instances.acquire_many(self.limits.instances)).await.is_ok()
    }

    /// Makes an instance and lets it go. An error if there can be none: it traps before it has a request, say.
    pub async fn instantiate(&self) -> Result<(), GuestError> {
        self.make().await.map(drop)
    }

    /// One that was made ahead, or else a new one.
    async fn instance(&self) -> Result<Instance, GuestError> {
        let ready = self.ready().pop();
        match ready {
            Some((mut instance, _place)) => {
                instance.store.set_epoch_deadline(1);
                Ok(instance)
            }
            None => self.make().await,
        }
    }

    async fn make(&self) -> Result<Instance, GuestError> {
        let mut store = self.instance_store();
        match timeout(self.limits.time, self.pre.instantiate_async(&mut store)).await {
            Ok(made) => Ok(Instance { proxy: made.map_err(GuestError::Trap)?, store }),
            Err(_) => Err(GuestError::Slow),
        }
    }

    /// Lets an instance go, and makes one for a request to come. Not on the way of a request: to make an instance and
    /// to clear what it leaves take as long as its work.
    async fn renew(&self, spent: Spent) {
        drop(spent);
        let Ok(place) = Arc::clone(&self.ahead).try_acquire_owned() else { return };
        // If it cannot be made, the request that needs it is told why.
        if let Ok(instance) = self.make().await {
            self.ready().push((instance, place));
        }
    }

    /// Leaves what an event has used for a better time than now, when the sender has its answer and the next event may come at once. Only
    /// where more are ready than are left, so that nobody needs that time to come; and what others have used may be large.
    fn leave(&self, mut spent: Spent) {
        let place = Arc::clone(&self.ahead).try_acquire_owned().ok();
        let place = place.filter(|_| spent.is_an_events() && self.ready().len() > self.left().len());
        let Some(place) = place else { return self.renew_beside(spent) };
        spent.store.data_mut().end();
        self.left().push((spent.store, place));
    }

    /// Clears what an event has left, and makes an instance in its place; or makes one if none is ready. For when a guest waits, most likely
    /// for the disk.
    fn renew_in_a_lull(&self) {
        let left = self.left().pop();
        let place = match left {
            Some((store, place)) => {
                drop(store);
                place
            }
            None if self.ready().is_empty() => match Arc::clone(&self.ahead).try_acquire_owned() {
                Ok(place) => place,
                Err(_) => return,
            },
            None => return,
        };
        // One that is not made in one go is made when it is needed, or is not, and who needs it is told why.
        if let Some(Ok(instance)) = self.make().now_or_never() {
            self.ready().push((instance, place));
        }
    }

    /// What a reader or a tick has used may be large: to clear it takes a thread of its own.
    fn renew_beside(&self, spent: Spent) {
        let (guest, is_an_events) = (self.clone(), spent.is_an_events());
        let renew = async move { guest.renew(spent).await };
        if is_an_events {
            tokio::spawn(renew);
        } else {
            beside(renew);
        }
    }

    fn ready(&self) -> MutexGuard<'_, Vec<Ready>> {
        self.ready.lock()
    }

    fn left(&self) -> MutexGuard<'_, Vec<Left>> {
        self.left.lock()
    }

    fn instance_store(&self) -> Store<State> {
        let log = GuestLog::default();
        let state = State {
            table: ResourceTable::new(),
            wasi: WasiCtx::builder().stdout(log.clone()).stderr(log.clone()).build(),
            log,
            http: WasiHttpCtx::new(),
            hooks: WayOut(self.outgoing.clone()),
            offer: Offer {
                store: self.store.clone(),
                variables: Arc::clone(&self.variables),
                // An eighth is for what is done with it.
                list_bytes: self.limits.memory_bytes / 8 * 7,
                turn: Turn::Nobodys,
            },
            most_memory: MostMemory(0),
        };
        let mut store = Store::new(self.pre.engine(), state);
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
fn used(store: &Store<State>) -> Option<Used> {
    let left = store.get_fuel().ok()?;
    Some(Used { fuel: u64::MAX - left, memory_bytes: store.data().most_memory.0 })
}

/// A place, if one is free in time.
async fn free(places: &Arc<Semaphore>, time: Duration) -> Option<OwnedSemaphorePermit> {
    timeout(time, Arc::clone(places).acquire_owned()).await.ok()?.ok()
}

/// Has `work` done on a thread of its own, beside those that take events.
fn beside(work: impl Future<Output = ()> + Send + 'static) {
    spawn_blocking(move || Handle::current().block_on(work));
}

/// A guest under way.
type Run = Pin<Box<dyn Future<Output = (Ended, Spent)> + Send>>;

/// How a guest ended: by itself, by a trap, or because its time was over.
struct Ended(Result<wasmtime::Result<()>, Elapsed>);

impl Ended {
    fn is_failure(&self) -> bool {
        !matches!(self.0, Ok(Ok(())))
    }

    fn failure(self) -> Option<GuestError> {
        match self.0 {
            Ok(Ok(())) => None,
            Ok(Err(trap)) => Some(GuestError::Trap(trap)),
            Err(_) => Some(GuestError::Slow),
        }
    }

    /// Logs what went wrong after the response, of which the guest had given all, or not.
    fn note(&self, is_whole: bool) {
        match &self.0 {
            Ok(Ok(())) => {}
            Ok(Err(trap)) => tracing::error!("the component failed after its response: {trap:#}"),
            Err(_) if is_whole => tracing::error!("the component took too long after its response"),
            // Where there was no room for its answer, it could not go on before its client did.
            Err(_) => tracing::warn!(
                "an answer was cut off: clients that read slowly have left no room to keep it for its own"
            ),
        }
    }
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

/// What belongs to one instance.
struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    log: GuestLog,
    http: WasiHttpCtx,
    hooks: WayOut,
    offer: Offer,
    most_memory: MostMemory,
}

impl State {
    /// Lets go of what others may wait for: a request's body, the end of a log line.
    fn end(&mut self) {
        self.table = ResourceTable::new();
        self.log.end();
    }

    fn offer(&mut self) -> OfferView<'_> {
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

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::Arc;

    use bytes::Bytes;
    use futures_util::StreamExt as _;
    use futures_util::stream::{iter, pending};
    use http::{Request, Response};
    use http_body_util::{BodyExt as _, StreamBody};
    use hyper::body::Frame;
    use tokio::task::yield_now;
    use wasmtime_wasi_http::WasiBody;

    use super::{AtWork, Ended, Guest, GuestError, Limits, Spent, Turn, Whose, free};
    use crate::store::KeyValueStore;

    /// One that nobody calls.
    const IDLE: &str = r#"(component
        (import "wasi:http/types@0.2.0" (instance $types
            (export "incoming-request" (type (sub resource)))
            (export "response-outparam" (type (sub resource)))))
        (alias export $types "incoming-request" (type $request))
        (alias export $types "response-outparam" (type $out))
        (core module $module (func (export "handle") (param i32 i32)))
        (core instance $instance (instantiate $module))
        (func $handle (param "request" (own $request)) (param "response-out" (own $out))
            (canon lift (core func $instance "handle")))
        (instance $handler (export "handle" (func $handle)))
        (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#;

    async fn spent(guest: &Guest) -> Spent {
        let permit = free(&guest.instances, guest.limits.wait).await.unwrap();
        let mut store = guest.instance_store();
        store.data_mut().offer.turn = Turn::Waits(Arc::clone(&guest.long_lists));
        Spent { store, permit, whose: Whose::Events, at_work: AtWork::new(&guest.work) }
    }

    /// A body of which this is there. Whether it goes on, nobody knows; or that is all.
    fn body(there: &'static str, ended: bool) -> WasiBody {
        let frames = iter([Ok(Frame::data(Bytes::from(there)))]);
        match ended {
            true => StreamBody::new(frames).boxed_unsync(),
            false => StreamBody::new(frames.chain(pending())).boxed_unsync(),
        }
    }

    /// It was a 200 of half a page, which breaks off, or seems to be all of it.
    #[tokio::test]
    async fn a_component_that_fails_before_its_response_is_whole_has_failed_and_after_that_it_has_answered() {
        let guest = idle();
        for ended in [false, true] {
            let trap = || Ended(Ok(Err(wasmtime::Error::msg("a trap"))));
            let run = Box::pin(ready((trap(), spent(&guest).await)));
            match guest.take(Response::new(body("half", ended)), run).await {
                Ok(response) => {
                    assert!(ended);
                    assert_eq!(response.collect().await.unwrap().to_bytes(), "half");
                }
                Err(error) => assert!(!ended && matches!(error, GuestError::Trap(_)), "{error}"),
            }
        }
        // Their places are free once they are gone.
        let all = Arc::clone(&guest.instances).acquire_many_owned(guest.limits.instances).await;
        assert!(all.is_ok());
    }

    fn idle() -> Guest {
        let component = wat::parse_str(IDLE).unwrap();
        Guest::new(&component, KeyValueStore::memory(), [].into(), Limits::default()).unwrap()
    }

    #[tokio::test]
    async fn what_an_event_leaves_is_cleared_in_a_lull_and_takes_no_place_until_then() {
        let guest = idle();
        guest.renew_in_a_lull();
        assert_eq!((guest.ready().len(), guest.left().len()), (1, 0), "none was ready");
        guest.leave(spent(&guest).await);
        assert_eq!((guest.ready().len(), guest.left().len()), (1, 1));
        assert_eq!(guest.instances().in_use, 0);
        guest.renew_in_a_lull();
        assert_eq!((guest.ready().len(), guest.left().len()), (2, 0));
        guest.renew_in_a_lull();
        assert_eq!((guest.ready().len(), guest.left().len()), (2, 0), "one was ready");
    }

    /// What it wrote may be as much as an instance can have. And the lists of others wait until it is gone.
    #[tokio::test]
    async fn what_a_reader_or_a_tick_leaves_or_who_made_a_long_list_is_cleared_on_a_thread_of_its_own() {
        let guest = idle();
        let reader = Arc::clone(&guest.readers).acquire_owned().await.unwrap();
        let turn = Arc::clone(&guest.long_lists).acquire_owned().await.unwrap();
        type Become = Box<dyn FnOnce(&mut Spent)>;
        let which: [Become; 3] = [
            Box::new(|spent| spent.whose = Whose::Readers(reader)),
            Box::new(|spent| spent.whose = Whose::Ticks),
            Box::new(|spent| spent.store.data_mut().offer.turn = Turn::Its(turn)),
        ];
        for make in which {
            guest.renew_in_a_lull();
            let mut spent = spent(&guest).await;
            make(&mut spent);
            guest.leave(spent);
            assert_eq!(guest.left().len(), 0);
        }
        let (readers, turn) = (guest.readers.acquire_many(guest.limits.readers), guest.long_lists.acquire());
        assert!(readers.await.is_ok() && turn.await.is_ok());
    }

    #[tokio::test]
    async fn what_a_guest_that_failed_or_a_tick_from_outside_leaves_waits_for_no_lull() {
        let traps = IDLE.replace("(param i32 i32))", "(param i32 i32) unreachable)");
        for (component, path, left) in [(IDLE, "/events", 1), (IDLE, "/tick", 0), (&traps, "/events", 0)] {
            let component = wat::parse_str(component).unwrap();
            let guest = Guest::new(&component, KeyValueStore::memory(), [].into(), Limits::default()).unwrap();
            guest.renew_in_a_lull();
            guest.renew(spent(&guest).await).await;
            let request = Request::builder().uri(path).header("host", "recipient").body(body("", true)).unwrap();
            assert!(guest.handle(request).await.is_err());
            assert_eq!(guest.left().len(), left, "{path}");
        }
    }

    /// A store in memory has no lulls: whoever came next waited for an instance to be made.
    #[tokio::test]
    async fn where_no_instance_is_ready_one_is_made_next() {
        let guest = idle();
        guest.leave(spent(&guest).await);
        assert_eq!(guest.left().len(), 0);
        // The one task that waits here.
        yield_now().await;
        assert_eq!(guest.ready().len(), 1);
    }
}
