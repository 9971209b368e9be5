//! The actors that announce, check, compact and remove, call by call.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use super::world::{AccountTurn, AccountView, AccountWorld};
use crate::support::{appliances, compact, compact_if_due};
use fastrand::Rng;
use outbound_events::appliance_api::Checks;
use outbound_events::archive::compaction::{Bound, Policy};
use outbound_events::archive::removal::{erase, remove_before};
use outbound_events::event::{Lsid, Timestamp};
use outbound_events::identity::Site;
use outbound_events::service::Service;
use outbound_events::settings::SettingVariables;

/// An actor, as the future of its work.
pub(super) type AccountActor<'w> = Pin<Box<dyn Future<Output = ()> + 'w>>;

/// Lets an actor make one call. Returns whether it is done.
pub(super) fn turn(world: &AccountWorld, actor: &mut AccountActor) -> bool {
    world.pass(1);
    world.turn.set(true);
    actor.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

pub(super) fn site() -> Site {
    Site::parse("hq").unwrap()
}

/// Few records stay loose, so that much is packed.
pub(super) const POLICY: Policy = Policy::packs(3);
const BOUND: Bound = Bound { events: 6, loose: 8, time: Duration::from_secs(60) };

/// Delivers events in the order of their delivery, each when it is due. It never gives up an event.
pub(super) fn announcer<'w>(view: AccountView<'w>, delivered: &'w Cell<usize>) -> AccountActor<'w> {
    Box::pin(async move {
        let world = view.world;
        let mut events: Vec<_> = world
            .sessions
            .iter()
            .flat_map(|session| session.events().into_iter().map(|(event, at, due)| (due, event, at, &session.lsid)))
            .collect();
        events.sort_unstable();
        while let Some((due, event, _, lsid)) = events.get(delivered.get()) {
            while world.time.get() < *due {
                AccountTurn(world).await;
            }
            let time = world.labels.borrow()[&((*lsid).clone(), *event)];
            post(&view, event, lsid, time).await;
            world.arrived.borrow_mut().insert((*lsid).clone(), world.time.get());
            delivered.set(delivered.get() + 1);
        }
    })
}

async fn post(view: &AccountView<'_>, event: &str, lsid: &str, time: i64) {
    let form = format!("event=support_conference_{event}&version=1&timestamp={time}&lsid={lsid}");
    let mut body = Some(form.into_bytes());
    let head = http::Request::post("/events/hq").body(()).unwrap().into_parts().0;
    let variable = |name: &str| Ok((name == "ingest_open").then(|| "true".to_owned()));
    let variables = SettingVariables::new(&variable);
    // Noted before the write as well: an erasing that runs meanwhile may or may not find it.
    view.world.arrived.borrow_mut().insert(lsid.to_owned(), view.world.time.get());
    let service = Service { platform: view, variables: &variables };
    let answer = service.handle(Ok(head), async || Ok(body.take())).await;
    assert_eq!(answer.response.status(), 200);
}

/// Runs the checks that are due, again and again.
pub(super) fn checker(view: AccountView<'_>, times: usize) -> AccountActor<'_> {
    Box::pin(async move {
        let appliances = appliances(None);
        for _ in 0..times {
            let _ = Checks { platform: &view, appliances: &appliances, retention_days: None }.run_due().await;
            AccountTurn(view.world).await;
        }
    })
}

pub(super) fn compactor(view: AccountView<'_>, mut random: Rng) -> AccountActor<'_> {
    Box::pin(async move {
        for _ in 0..3 {
            if random.bool() {
                let _ = compact(&view, &POLICY, &BOUND).await;
            } else {
                let _ = compact_if_due(&view, &POLICY, &BOUND).await;
            }
        }
    })
}

/// What was removed.
#[derive(Default)]
pub(super) struct Removals {
    /// The sessions of which something was found and erased, with the time at which the erasing began.
    pub(super) erased: Vec<(String, i64)>,
    /// The sessions that an erasing that died may have erased.
    pub(super) perhaps: BTreeSet<String>,
    /// The times before which everything was removed.
    pub(super) cutoffs: Vec<i64>,
}

pub(super) fn eraser<'w>(
    view: AccountView<'w>,
    lsid: String,
    removals: &'w std::cell::RefCell<Removals>,
) -> AccountActor<'w> {
    Box::pin(async move {
        let began = view.world.time.get();
        removals.borrow_mut().perhaps.insert(lsid.clone());
        let outcome = erase(&view, &site(), &Lsid::parse(&lsid).unwrap(), &BOUND).await;
        removals.borrow_mut().perhaps.remove(&lsid);
        if matches!(outcome, Ok(Some(_))) {
            removals.borrow_mut().erased.push((lsid, began));
        }
    })
}

pub(super) fn pruner<'w>(
    view: AccountView<'w>,
    before: i64,
    removals: &'w std::cell::RefCell<Removals>,
) -> AccountActor<'w> {
    Box::pin(async move {
        removals.borrow_mut().cutoffs.push(before);
        let before = Timestamp::from_seconds(before.unsigned_abs()).unwrap();
        let _ = remove_before(&view, before, &BOUND).await;
    })
}
