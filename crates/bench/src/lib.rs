//! Measures the recipient against alternatives, and kills it under load: `cargo xtask bench`.
//!
//! | what | file |
//! |---|---|
//! | the compared recipients, each a process of its own | [`contender`] |
//! | one of them: the native library behind hyper, to measure the cost of wasm | [`native`] |
//! | two others: a component that only stores the body, and a minimal recipient in Flask | `bare/`, `flask/` |
//! | the cost of durable storage alone: append and fdatasync | [`floor`] |
//! | the events for all contenders, and stores with many events | [`event`], [`filled`] |
//! | connections that send as fast as they are answered | [`load`] |
//! | rounds in which the contenders take turns, and their statistics | [`rounds`] |
//! | forwarding: its cost for a sender, the time to delivery, the rate of a backlog | [`forwarding`] |
//! | each resource, read from stores of each size | [`reading`] |
//! | many concurrent readers, while an appliance sends | [`crowded`] |
//! | a backlog, drained by `appliance send` | [`backlog`] |
//! | the cost of one event, one instance and one start | [`cost`] |
//! | what an event demands: pages of memory ([`pages`]), calls to the host ([`host_calls`]), bytes; Linux only | [`demand`] |
//! | a host that is killed a hundred times, and a ledger of its answers | [`kills`] |
//! | one complete run | [`run`] |
//! | the tables and the targets | [`report`] |
//! | the program: arguments and commands | `main.rs` |
//!
//! Compare figures of one run only: contenders take turns, so that a disturbance affects all of them.
#![forbid(unsafe_code)]

pub mod backlog;
pub mod contender;
pub mod cost;
pub mod crowded;
#[cfg(target_os = "linux")]
pub mod demand;
pub mod event;
pub mod filled;
pub mod floor;
pub mod forwarding;
#[cfg(target_os = "linux")]
pub mod host_calls;
pub mod kills;
pub mod load;
pub mod native;
#[cfg(target_os = "linux")]
pub mod pages;
pub mod reading;
pub mod report;
pub mod rounds;
pub mod run;
