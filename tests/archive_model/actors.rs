//! The actors that post, compact, erase, remove and forward, call by call.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::task::{Context, Waker};

use super::given::{BOUND, SHORT, destinations, form, policy, site};
use super::seen::{ActorTurn, ActorView};
use super::world::ArchiveWorld;
use fastrand::Rng;
use outbound_events::archive::compaction::{compact, compact_if_due};
use outbound_events::archive::pack::RecordEntry;
use outbound_events::archive::removal::{erase, remove_before};
use outbound_events::event::{Lsid, Timestamp};
use outbound_events::forward::backlogs::Backlogs;
use outbound_events::forward::run::DeliveryRuns;
use outbound_events::service::Service;
use outbound_events::settings::SettingVariables;

/// Makes delivery runs, one after the other.
pub(super) fn forwarder<'w>(store: ActorView<'w>, times: usize) -> ArchiveActor<'w> {
    Box::pin(async move {
        let destinations = destinations();
        for _ in 0..times {
            let runs = DeliveryRuns { platform: &store, destinations: &destinations, max_requests_per_hour: None };
            runs.run().await;
            // Waits between attempts must end within the schedule.
            store.world.time.set(store.world.time.get() + 40_000);
            ActorTurn(store.world).await;
        }
    })
}

/// The answers.
#[derive(Default)]
pub(super) struct AnswerLedger {
    /// Events answered `stored`: key, recording time, and whether an actor that deletes was at work.
    pub(super) taken: Vec<(String, u64, bool)>,
}

/// An actor, as the future of its work.
pub(super) type ArchiveActor<'w> = Pin<Box<dyn Future<Output = ()> + 'w>>;

/// Posts events, one after the other, as an appliance does.
pub(super) fn sender<'w>(
    store: ActorView<'w>,
    ledger: &'w RefCell<AnswerLedger>,
    events: std::ops::Range<u64>,
    mut random: Rng,
    busy: &'w Cell<u64>,
) -> ArchiveActor<'w> {
    Box::pin(async move {
        for _ in 0..random.usize(4..16) {
            let mut body = Some(form(random.u64(events.clone())).into_bytes());
            let head = http::Request::post("/events/hq").body(()).unwrap().into_parts().0;
            let variable = |name: &str| Ok((name == "ingest_open").then(|| "true".to_owned()));
            let variables = SettingVariables::new(&variable);
            let service = Service { platform: &store, variables: &variables };
            let before = busy.get();
            let answer = service.handle(Ok(head), async || Ok(body.take())).await;
            assert_eq!(answer.response.status(), 200);
            let id = answer.response.headers()["event-id"].to_str().unwrap().to_owned();
            let stored = answer.response.headers()["event-result"] == "stored";
            let written = store.world.writes.borrow();
            let write = written.iter().rev().find(|(_, actor, key, _)| *actor == store.actor && key.ends_with(&id));
            let Some((_, _, key, value)) = write.filter(|_| stored) else { continue };
            let recorded = RecordEntry::under(key, value.clone().unwrap()).unwrap().recorded;
            let mut ledger = ledger.borrow_mut();
            // A repeat can be erased too while an actor deletes, or if reads are late.
            let open = store.world.kind.late > 0 || before > 0 || busy.get() > 0;
            ledger.taken.push((key.clone(), recorded, open));
        }
    })
}

/// Counts the actors at work that delete.
struct Busy<'w>(&'w Cell<u64>);

impl<'w> Busy<'w> {
    fn new(busy: &'w Cell<u64>) -> Self {
        busy.set(busy.get() + 1);
        Self(busy)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

pub(super) fn compactor<'w>(
    store: ActorView<'w>,
    times: usize,
    mut random: Rng,
    busy: &'w Cell<u64>,
) -> ArchiveActor<'w> {
    Box::pin(async move {
        let destinations = if store.world.forwards { destinations() } else { Vec::new() };
        for _ in 0..times {
            let _busy = Busy::new(busy);
            let bound = if random.bool() { BOUND } else { SHORT };
            // A late store does not always return a value right after its write: then the pass fails.
            if random.bool() {
                let _ = compact(&store, &policy(), &mut Backlogs::new(&destinations), &bound).await;
            } else {
                let _ = compact_if_due(&store, &policy(), &mut Backlogs::new(&destinations), &bound).await;
            }
        }
    })
}

pub(super) fn eraser<'w>(store: ActorView<'w>, session: String, busy: &'w Cell<u64>) -> ArchiveActor<'w> {
    Box::pin(async move {
        let _busy = Busy::new(busy);
        let lsid = Lsid::parse(&session).unwrap();
        let _ = erase(&store, &site(), &lsid, &BOUND).await;
    })
}

pub(super) fn pruner<'w>(store: ActorView<'w>, before: u64, busy: &'w Cell<u64>) -> ArchiveActor<'w> {
    Box::pin(async move {
        let _busy = Busy::new(busy);
        let before = Timestamp::from_seconds(before).unwrap();
        let _ = remove_before(&store, before, &BOUND).await;
    })
}

/// Lets an actor make one call. Returns whether it is done.
pub(super) fn turn(world: &ArchiveWorld, actor: &mut ArchiveActor) -> bool {
    world.time.set(world.time.get() + 1);
    world.turn.set(true);
    actor.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}
