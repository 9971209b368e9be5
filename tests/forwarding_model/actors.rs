//! The actors: they receive events, begin delivery runs, and administer.

use super::given::{DAY, DESTINATIONS, HOUR, MINUTE, SECOND, setting};
use super::seen::{SimulatedPlatform, Who};
use super::simulation::ModelActor;
use super::world::ForwardingWorld;
use crate::support::TOKEN;
use fastrand::Rng;
use futures_util::future::join;
use outbound_events::forward::run::DeliveryRuns;
use outbound_events::service::Service;
use outbound_events::settings::SettingVariables;
use serde_json::Value;

/// The number of the administrator's machine.
const OFFICE: usize = 2;

/// A run to each destination.
pub(super) async fn run_once(world: &ForwardingWorld, machine: usize) {
    join(run_to(world, 0, machine), run_to(world, 1, machine)).await;
}

async fn run_to(world: &ForwardingWorld, destination: usize, machine: usize) {
    let run = world.next_run();
    let platform = SimulatedPlatform { world, who: Who::Run(run, destination), machine };
    let began = world.time.now();
    let destinations = &world.destinations[destination..=destination];
    let log = DeliveryRuns { platform: &platform, destinations, max_requests_per_hour: None }.run().await;
    let moment = world.moment(run, destination, machine);
    world.history.borrow_mut().ends(moment, world.time.now() - began, &log, &world.events);
}

/// Begins runs repeatedly: often on the second, as every machine does, and mostly when something is due.
pub(super) fn ticker(world: &ForwardingWorld, machine: usize, mut random: Rng) -> ModelActor<'_> {
    Box::pin(async move {
        // A process that died restarts at once, or after a while.
        let down = if random.bool() { random.u64(..4) * SECOND } else { random.u64(..HOUR) };
        world.time.sleep(down).await;
        loop {
            run_once(world, machine).await;
            let now = world.time.now();
            let due = (0..2).filter_map(|number| world.rests_until(number)).filter(|due| *due > now).min();
            let next = match random.u8(..4) {
                0 => now + random.u64(..2 * SECOND),
                1 => now + random.u64(..MINUTE),
                _ => due.unwrap_or(now + random.u64(..HOUR)).min(now + DAY) + random.u64(..SECOND),
            };
            let next = if random.bool() { next.next_multiple_of(SECOND) } else { next };
            world.time.sleep(next - now).await;
        }
    })
}

/// Receives new events, some not in the order of their times. Sometimes begins runs on the same machine.
pub(super) fn taker(world: &ForwardingWorld, numbers: Vec<usize>, time: u64, mut random: Rng) -> ModelActor<'_> {
    Box::pin(async move {
        let each = time / (numbers.len() as u64 + 1);
        for number in numbers {
            world.time.sleep(random.u64(..=2 * each)).await;
            world.takes(&world.events[number]);
            if random.u8(..3) == 0 {
                run_once(world, 0).await;
            }
        }
    })
}

/// Sends an administrator's request to the service.
pub(super) async fn asks(world: &ForwardingWorld, method: &str, path: &str) -> (u16, Value) {
    let platform = SimulatedPlatform { world, who: Who::Administrator, machine: OFFICE };
    let request = http::Request::builder().method(method).uri(path).header("authorization", format!("Bearer {TOKEN}"));
    let head = request.body(()).unwrap().into_parts().0;
    let destinations = setting(&world.scenario);
    let variable = |name: &str| {
        Ok(match name {
            "destinations" => Some(destinations.clone()),
            "read_tokens" | "admin_tokens" | "ingest_tokens" => Some(TOKEN.to_owned()),
            _ => None,
        })
    };
    let variables = SettingVariables::new(&variable);
    let service = Service { platform: &platform, variables: &variables };
    let response = service.handle(Ok(head), async || Ok(None)).await.response;
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default())
}

/// Skips the first pending event of a destination.
pub(super) async fn skip(world: &ForwardingWorld, destination: usize) {
    may_skip(world, destination);
    asks(world, "POST", &format!("/api/destinations/{}/skip", DESTINATIONS[destination])).await;
    may_skip(world, destination);
}

fn may_skip(world: &ForwardingWorld, destination: usize) {
    let first = world.pending(destination).first().map(|event| event.id.clone());
    world.history.borrow_mut().skipped.extend(first.map(|id| (destination, id)));
}

/// Retries a refused event.
pub(super) async fn retry(world: &ForwardingWorld, destination: usize, id: &str) {
    let name = DESTINATIONS[destination];
    asks(world, "POST", &format!("/api/destinations/{name}/refused/{id}/retry")).await;
}

/// An administrator who gives random commands.
pub(super) fn administrator(world: &ForwardingWorld, time: u64, mut random: Rng) -> ModelActor<'_> {
    Box::pin(async move {
        for _ in 0..random.usize(1..8) {
            world.time.sleep(random.u64(..time / 4)).await;
            let destination = random.usize(..2);
            let at = format!("/api/destinations/{}", DESTINATIONS[destination]);
            match random.u8(..5) {
                0 => {
                    asks(world, "POST", &format!("{at}/pause")).await;
                    world.time.sleep(random.u64(..time / 8)).await;
                    asks(world, "POST", &format!("{at}/resume")).await;
                }
                1 => _ = asks(world, "POST", &format!("{at}/resume")).await,
                2 => skip(world, destination).await,
                3 => {
                    let event = random.choice(&world.events).unwrap();
                    retry(world, destination, &event.id).await;
                }
                _ => {
                    let replay = "replay?from=2025-12-01T00:00:00Z&to=2026-12-01T00:00:00Z";
                    asks(world, "POST", &format!("{at}/{replay}")).await;
                }
            }
        }
    })
}
