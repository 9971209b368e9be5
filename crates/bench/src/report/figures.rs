//! The results of one run.

use crate::backlog::Drained;
use crate::cost::EventCost;
use crate::crowded::CrowdedFigures;
use crate::forwarding::ForwardingFigures;
use crate::kills::KillLedger;
use crate::reading::Read;
use crate::rounds::Series;

/// The results of one run.
#[derive(Debug)]
pub struct BenchFigures {
    /// One connection, kept alive, including the floor.
    pub serial: Vec<Series>,
    /// A new connection for each event.
    pub reconnecting: Vec<Series>,
    /// 32 connections.
    pub together: Vec<Series>,
    /// 256 connections.
    pub crowd: Vec<Series>,
    /// A host with compaction and a host without: 32 connections.
    pub packing: Vec<Series>,
    /// The same on one connection.
    pub packing_serial: Vec<Series>,
    /// Forwarding to destinations.
    pub forwarding: ForwardingFigures,
    /// The stores for reading, the smallest first.
    pub sized: Vec<SizedStore>,
    /// The times of reading from them.
    pub read: Vec<Read>,
    /// The peak memory in bytes of the host on the largest of them.
    pub reader_memory: Option<u64>,
    /// Compaction of loose events, if measured.
    pub packed: Option<PackedStore>,
    /// Many concurrent readers, while an appliance sends.
    pub crowded: CrowdedFigures,
    /// 32 connections on an empty store, and on stores with many events.
    pub filled: Vec<Series>,
    /// The drained backlogs of each contender.
    pub backlog: Vec<(String, Vec<Drained>)>,
    /// The peak memory in bytes of each contender's processes.
    pub memory: Vec<(String, u64)>,
    /// The bytes of the core module and the component.
    pub sizes: [u64; 2],
    /// The steps of an event in microseconds.
    pub steps: Vec<(&'static str, f64)>,
    /// The milliseconds from start to first 200, with a compiled component and without.
    pub starts: [f64; 2],
    /// The cost of each of the guide's seven events.
    pub events: Vec<EventCost>,
    /// The kills.
    pub kills: KillLedger,
}

/// The size of a store.
#[derive(Debug)]
pub struct SizedStore {
    /// The number of events.
    pub events: u64,
    /// The number of keys.
    pub keys: usize,
    /// The size of the file in bytes.
    pub bytes: u64,
}

/// A store whose loose events were packed.
#[derive(Debug)]
pub struct PackedStore {
    /// The number of events.
    pub events: u64,
    /// The number of keys after compaction.
    pub keys: usize,
    /// The duration of compaction.
    pub seconds: f64,
}
