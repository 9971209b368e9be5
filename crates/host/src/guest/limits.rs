//! Limits of instances, and the measured use of one.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::swap::Swap;

/// Limits of a request, of an instance, and of all instances together.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long the body of a request can take, as far as it is read before an instance is taken. An appliance sends it
    /// at once.
    pub body: Duration,
    /// The most instances at once. Further requests wait.
    pub instances: u32,
    /// The most instances that serve readers and administrators; the others are for events.
    pub readers: u32,
    /// How long a request waits for an instance.
    pub wait: Duration,
    /// The memory of an instance, in bytes.
    pub memory_bytes: usize,
    /// How many bytes of its memory are cleared and kept for the next instance; the rest is given back to the kernel.
    pub kept_memory_bytes: usize,
    /// How long an instance can take for a request.
    pub time: Duration,
    /// How many requests an instance can serve, one after the other. If more than one, only events that were answered
    /// 200 are followed by another in the same instance.
    pub reuse_instances: NonZeroU32,
    /// Whether to measure what an instance uses, which makes it slower. The response's extensions then have [`Used`].
    pub measure: bool,
    /// Whether to write a file that tells `perf` where the component's functions are.
    pub perf_map: bool,
    /// Whether this process's memory can be swapped out: then clearing the memory of instances costs more.
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
            // What an event touches, and some more.
            kept_memory_bytes: 2 << 20,
            // The limit of both clouds. It leaves room for a delivery run (10 s) and its last request (15 s).
            time: Duration::from_secs(30),
            reuse_instances: NonZeroU32::MIN,
            measure: false,
            perf_map: false,
            swap: Swap::look(),
        }
    }
}

/// What an instance used for a request, if it ended together with its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// Instructions of this request, counted as wasmtime's fuel.
    pub fuel: u64,
    /// The peak of the instance's linear memory, in bytes.
    pub memory_bytes: usize,
    /// The bytes of keys, values and settings that this request moved between the instance and its host.
    pub moved_bytes: u64,
}
