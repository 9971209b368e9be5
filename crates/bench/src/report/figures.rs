//! Everything that one run measured.

use crate::backlog::Drained;
use crate::cost::EventCost;
use crate::crowded::Crowded;
use crate::forwarding::Forwarding;
use crate::kills::Ledger;
use crate::reading::Read;
use crate::rounds::Series;

/// Everything that one run measured.
#[derive(Debug)]
pub struct Figures {
    /// One connection, kept alive. The floor is among them.
    pub serial: Vec<Series>,
    /// A connection an event.
    pub reconnecting: Vec<Series>,
    /// 32 connections.
    pub together: Vec<Series>,
    /// 256 connections.
    pub crowd: Vec<Series>,
    /// A host that packs, and one that does not: 32 connections.
    pub packing: Vec<Series>,
    /// The same on one connection.
    pub packing_serial: Vec<Series>,
    /// Pushing on to destinations.
    pub forwarding: Forwarding,
    /// The stores that were read from, the smallest first.
    pub sized: Vec<Sized>,
    /// What reading took on them.
    pub read: Vec<Read>,
    /// The most memory of the host on the largest of them, in bytes, after all that.
    pub reader_memory: Option<u64>,
    /// Loose events that passes packed, where that was measured.
    pub packed: Option<Packed>,
    /// Many who read at once, while an appliance sends.
    pub crowded: Crowded,
    /// 32 connections, on stores that held many events before. The first held none.
    pub filled: Vec<Series>,
    /// The backlogs that each contender took.
    pub backlog: Vec<(String, Vec<Drained>)>,
    /// The most memory of each contender's processes, in bytes, after all that.
    pub memory: Vec<(String, u64)>,
    /// Bytes of the core module and the component.
    pub sizes: [u64; 2],
    /// What an event passes through, in microseconds.
    pub steps: Vec<(&'static str, f64)>,
    /// Milliseconds from start to first 200: the component compiled before, and not.
    pub starts: [f64; 2],
    /// Each of the guide's seven events.
    pub events: Vec<EventCost>,
    /// The kills.
    pub kills: Ledger,
}

/// A store that was read from.
#[derive(Debug)]
pub struct Sized {
    /// How many events it held.
    pub events: u64,
    /// Under how many keys.
    pub keys: usize,
    /// In how many bytes of a file.
    pub bytes: u64,
}

/// Loose events that passes packed.
#[derive(Debug)]
pub struct Packed {
    /// How many there were.
    pub events: u64,
    /// How many keys were left.
    pub keys: usize,
    /// How long it took.
    pub seconds: f64,
}
