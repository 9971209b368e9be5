//! How many connections there can be, and which connection is closed when there are more.
//!
//! An appliance sends one event at a time and waits as long as it takes; an unauthenticated client can open any number
//! of connections. These rules do not share slots fairly among unauthenticated clients. They let an appliance through:
//!
//! - A connection is **known** once a request on it showed a valid token, and stays known. It is never closed to make
//!   room, and does not count for its address. Only a client with a token can have one.
//! - A new connection always gets a slot while an unknown connection holds one: an unknown connection is closed. So an
//!   appliance that connects while unauthenticated clients hold all slots gets in, shows its token, and is known.
//! - **The connection to close** belongs to the address with the most unknown connections, so an address with one keeps
//!   it as long as another has two. Among those, idle connections come first: between requests, in the handshake, or in
//!   the head of a request; the longest idle first. Then connections with a request in progress, the oldest first. Last
//!   come connections younger than `GRACE`, which is time for a handshake and a token. So slow and silent clients make
//!   room for new ones, never the reverse.
//! - The **limit per address** counts unknown connections older than `GRACE` and is enforced every second. A new client
//!   is never refused for older connections of the same address: it can be an appliance behind the same NAT.
//! - If known connections hold all slots, a new connection waits in the kernel's queue until one ends. Then
//!   `--max-connections` is too low, and the log says so.
//!
//! An IPv6 address counts as its /64, which is what one subscriber has. If ingest is open, there are no tokens and no
//! known connections; the other rules hold.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::http::address::PerAddress;
use crate::http::slots::{SlotHolder, Slots};
use crate::rate_limited_log::RateLimitedLog;

/// The interval between two checks of the limit per address.
const ENFORCE_EVERY: Duration = Duration::from_secs(1);

/// The slots of all connections.
#[derive(Debug)]
pub(crate) struct Connections {
    most: usize,
    per_address: Option<PerAddress>,
    slots: Mutex<Slots>,
    freed: Notify,
    full: RateLimitedLog,
    too_many: RateLimitedLog,
}

impl Connections {
    /// At most `most` connections, and at most `per_address` unknown connections of one address.
    pub fn new(most: Option<NonZeroU32>, per_address: Option<PerAddress>) -> Self {
        let most = most.map_or(usize::MAX, |most| most.get() as usize);
        Self {
            most,
            per_address,
            slots: Mutex::default(),
            freed: Notify::new(),
            full: RateLimitedLog::default(),
            too_many: RateLimitedLog::default(),
        }
    }

    fn has_room(&self) -> bool {
        let slots = self.slots.lock();
        slots.holders.len() < self.most || slots.holders.values().any(|holder| !holder.known)
    }

    /// Waits until a new connection would get a slot.
    pub async fn room(&self) {
        while !self.has_room() {
            self.full.say(|_| {
                tracing::warn!(
                    "authenticated clients hold all {} connections, and a new one waits; increase --max-connections",
                    self.most
                );
            });
            self.freed.notified().await;
        }
    }

    /// Gives a slot to a new connection. If there are too many, another connection is asked to close.
    ///
    /// `proxy`: the address is a trusted proxy, which stands for many clients.
    pub fn enter(self: &Arc<Self>, address: IpAddr, proxy: bool) -> ConnectionSlot {
        let limited = !proxy && self.per_address.is_some_and(|limit| limit.limits(address));
        let holder = SlotHolder::new((!proxy).then(|| address.into()), limited, Instant::now());
        let close = Arc::clone(&holder.close);
        let (number, evicted) = self.slots.lock().enter(holder, self.most, Instant::now());
        if evicted {
            self.too_many.say(|unsaid| {
                tracing::warn!(
                    unsaid,
                    "all {} connections are in use: one of an unauthenticated client was closed for a new one",
                    self.most
                );
            });
        }
        ConnectionSlot { number, close, connections: Arc::clone(self) }
    }

    /// Closes connections of addresses above the limit, every second. Never returns.
    pub async fn enforce(&self) {
        let Some(limit) = self.per_address else { return };
        loop {
            sleep(ENFORCE_EVERY).await;
            let closed = self.slots.lock().enforce(limit.most.get() as usize, Instant::now());
            if closed > 0 {
                tracing::warn!(
                    connections = closed,
                    "closed connections: an address can hold {} without a token (--max-connections-per-address)",
                    limit.most
                );
            }
        }
    }
}

/// The slot of a connection, until this is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    number: u64,
    close: Arc<Notify>,
    connections: Arc<Connections>,
}

impl ConnectionSlot {
    /// A request began on the connection, with or without a valid token.
    pub fn request_began(&self, shows_a_token: bool) {
        self.change(|holder| {
            holder.idle = None;
            holder.known |= shows_a_token;
        });
    }

    /// The request was answered.
    pub fn request_ended(&self) {
        self.change(|holder| holder.idle = Some(Instant::now()));
    }

    /// Waits until the connection must close, at once and whatever it is doing.
    pub async fn must_close(&self) {
        self.close.notified().await;
    }

    fn change(&self, change: impl FnOnce(&mut SlotHolder)) {
        // A connection that was asked to close can still be serving a request.
        if let Some(holder) = self.connections.slots.lock().holders.get_mut(&self.number) {
            change(holder);
        }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.connections.slots.lock().holders.remove(&self.number);
        self.connections.freed.notify_one();
    }
}
