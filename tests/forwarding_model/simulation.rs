//! Simulated time, and the scheduler of actors. Sleeping actors wake in the order of their times; those of one
//! microsecond wake in random order.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use fastrand::Rng;

/// The time, which jumps from one wake-up to the next.
#[derive(Default)]
pub(super) struct Time {
    now: Cell<u64>,
    /// The wake-up time of the current actor.
    wake: Cell<u64>,
}

impl Time {
    pub(super) fn now(&self) -> u64 {
        self.now.get()
    }

    /// Sleeps for this many microseconds.
    pub(super) fn sleep(&self, time: u64) -> Sleep<'_> {
        Sleep { time: self, until: self.now().saturating_add(time) }
    }
}

/// Must be polled whenever its actor wakes, as `futures_util`'s `select` and `join_all` do.
pub(super) struct Sleep<'t> {
    time: &'t Time,
    until: u64,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<()> {
        if self.time.now() >= self.until {
            return Poll::Ready(());
        }
        self.time.wake.set(self.time.wake.get().min(self.until));
        Poll::Pending
    }
}

/// The work of an actor.
pub(super) type ModelActor<'w> = Pin<Box<dyn Future<Output = ()> + 'w>>;

/// An actor, and its replacement if it dies.
pub(super) struct ActorSlot<'w> {
    actor: ModelActor<'w>,
    again: Option<Box<dyn Fn() -> ModelActor<'w> + 'w>>,
    wake: u64,
    is_done: bool,
}

impl<'w> ActorSlot<'w> {
    /// An actor that never dies.
    pub(super) fn lasting(actor: ModelActor<'w>) -> Self {
        Self { actor, again: None, wake: 0, is_done: false }
    }

    /// An actor that can die at any call, and is replaced.
    pub(super) fn mortal(again: impl Fn() -> ModelActor<'w> + 'w) -> Self {
        Self { actor: again(), again: Some(Box::new(again)), wake: 0, is_done: false }
    }
}

/// The largest number of steps of one schedule. A run that never ends exceeds it.
const MOST_STEPS: usize = 2_000_000;

/// Runs all actors until `end`, or until they are done. An actor dies at a step with a chance of one in `deadly`; 0
/// means never. `between` is called now and then.
pub(super) fn act(
    time: &Time,
    roles: &mut [ActorSlot<'_>],
    end: u64,
    random: &mut Rng,
    deadly: u16,
    between: impl Fn(&mut Rng),
) {
    for _ in 0..MOST_STEPS {
        let next = roles.iter().enumerate().filter(|(_, role)| !role.is_done);
        let next = next.map(|(index, role)| (role.wake, random.u64(..), index)).min();
        let Some((wake, _, index)) = next.filter(|(wake, ..)| *wake <= end) else { return };
        time.now.set(time.now().max(wake));
        time.wake.set(u64::MAX);
        let role = &mut roles[index];
        role.is_done = role.actor.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        role.wake = time.wake.get();
        if let Some(again) = role.again.as_ref().filter(|_| !role.is_done && deadly > 0 && random.u16(..deadly) == 0) {
            role.actor = again();
            role.wake = time.now();
        }
        if random.u8(..100) == 0 {
            between(random);
        }
    }
    panic!("after {MOST_STEPS} steps it has not ended");
}
