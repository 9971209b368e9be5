//! How many connections there may be, and who goes when there are more.
//!
//! An appliance sends one event at a time and waits for as long as it takes; a client without a token may open as many connections as
//! it can. Nothing here keeps order among unauthenticated clients; everything lets an appliance through them:
//!
//! - A connection is **known** once a request on it showed a valid token, and stays so. It is never closed for another's sake, and
//!   counts for no address. Only a client that has a token can make one.
//! - A new connection always gets a place, as long as one is held by an unknown connection: one of those is closed. An appliance that
//!   connects while unauthenticated clients hold all places is let in, shows its token, and is known.
//! - **The connection that is closed** is of the address that holds the most unknown connections, so that an address with one gives
//!   way to none with two. Of those, first the idle ones: between requests, or still at the handshake or in a request's head; the
//!   longest idle. Then those with a request under way, the oldest. Last, those that came within the last `GRACE`: that is time to
//!   shake hands and to show a token. So slow and silent clients give way to new ones, and never the other way round.
//! - The **limit for an address** counts unknown connections that are older than `GRACE`, and is enforced each second: a client is
//!   never turned away for those that came before from the same address, which may be an appliance behind the same NAT.
//! - Where all places are held by known connections, a new one waits in the kernel's queue until one ends. Then `--max-connections`
//!   is too low, and the log says so.
//!
//! An IPv6 address counts as its /64, which is what one subscriber has. Where ingest is open there are no tokens: nobody is known,
//! and the rest holds.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::http::address::PerAddress;
use crate::http::places::{Held, Holder};
use crate::rate_limited_log::RateLimitedLog;

/// How often it is looked whether an address has more than its limit.
const ENFORCE_EVERY: Duration = Duration::from_secs(1);

/// All places for connections.
#[derive(Debug)]
pub(crate) struct Connections {
    most: usize,
    per_address: Option<PerAddress>,
    held: Mutex<Held>,
    freed: Notify,
    full: RateLimitedLog,
    too_many: RateLimitedLog,
}

impl Connections {
    /// So many places, and so many of them for who is unknown and of one address.
    pub fn new(most: Option<NonZeroU32>, per_address: Option<PerAddress>) -> Self {
        let most = most.map_or(usize::MAX, |most| most.get() as usize);
        Self {
            most,
            per_address,
            held: Mutex::default(),
            freed: Notify::new(),
            full: RateLimitedLog::default(),
            too_many: RateLimitedLog::default(),
        }
    }

    /// Whether who comes now would get a place.
    pub fn has_room(&self) -> bool {
        let held = self.held.lock();
        held.places.len() < self.most || held.places.values().any(|holder| !holder.known)
    }

    /// Waits until who comes would get a place.
    pub async fn room(&self) {
        while !self.has_room() {
            self.full.say(|_| {
                tracing::warn!(
                    "all {} connections are held by senders with a token, and who comes now waits; --max-connections allows more",
                    self.most
                );
            });
            self.freed.notified().await;
        }
    }

    /// Gives a place to who comes. If that is one too many, somebody is asked to go.
    ///
    /// `proxy`: it is one that is trusted, and stands for many.
    pub fn enter(self: &Arc<Self>, address: IpAddr, proxy: bool) -> Place {
        let limited = !proxy && self.per_address.is_some_and(|limit| limit.limits(address));
        let holder = Holder::new((!proxy).then(|| address.into()), limited, Instant::now());
        let go = Arc::clone(&holder.go);
        let (number, gone) = self.held.lock().enter(holder, self.most, Instant::now());
        if gone {
            self.too_many.say(|unsaid| {
                tracing::warn!(unsaid, "all {} connections are taken: a stranger's made room for who came", self.most);
            });
        }
        Place { number, go, connections: Arc::clone(self) }
    }

    /// Has those go by whom an address has more than its limit, for ever.
    pub async fn enforce(&self) {
        let Some(limit) = self.per_address else { return };
        loop {
            sleep(ENFORCE_EVERY).await;
            let gone = self.held.lock().enforce(limit.most.get() as usize, Instant::now());
            if gone > 0 {
                tracing::warn!(
                    connections = gone,
                    "closed: an address may hold {} without ever showing a token",
                    limit.most
                );
            }
        }
    }
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    number: u64,
    go: Arc<Notify>,
    connections: Arc<Connections>,
}

impl Place {
    /// A request is under way, which shows a valid token or does not.
    pub fn begins(&self, shows_a_token: bool) {
        self.change(|holder| {
            holder.idle = None;
            holder.known |= shows_a_token;
        });
    }

    /// It was answered.
    pub fn ended(&self) {
        self.change(|holder| holder.idle = Some(Instant::now()));
    }

    /// Waits until it is asked to go. It does so at once, whatever it is at.
    pub async fn must_go(&self) {
        self.go.notified().await;
    }

    fn change(&self, change: impl FnOnce(&mut Holder)) {
        // One that was asked to go may still be at a request.
        if let Some(holder) = self.connections.held.lock().places.get_mut(&self.number) {
            change(holder);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.held.lock().places.remove(&self.number);
        self.connections.freed.notify_one();
    }
}
