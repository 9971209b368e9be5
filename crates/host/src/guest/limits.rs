//! What instances may use, and what one used.

use std::time::Duration;

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
            // What both clouds give; and with a delivery run's ten seconds and its last request's fifteen there is room left.
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
