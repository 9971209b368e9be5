//! Measures the recipient against what people would pick instead, and against kills: `cargo xtask bench`.
//!
//! | what | file |
//! |---|---|
//! | the recipients that are compared, each a process of its own | [`contender`] |
//! | one of them: the library natively behind hyper, which is what wasm is measured against | [`native`] |
//! | two others: a component that only keeps the body; what one would write in an afternoon | `bare/`, `flask/` |
//! | what durable storage costs by itself: append and fdatasync | [`floor`] |
//! | the events that all are sent, and stores that hold many already | [`event`], [`filled`] |
//! | connections that send as fast as they are answered | [`load`] |
//! | rounds in which the contenders take turns, and what they come to | [`rounds`] |
//! | pushing on: what it costs who sends, how soon and how fast it delivers | [`forwarding`] |
//! | each resource, read from stores of each size | [`reading`] |
//! | many who read at once, while an appliance sends | [`crowded`] |
//! | a backlog, drained by `appliance send` | [`backlog`] |
//! | what one event, one instance and one start cost | [`cost`] |
//! | a host that is killed a hundred times, and a ledger of what it answered 200 | [`kills`] |
//! | one run of it all | [`run`] |
//! | the tables, and the targets | [`report`] |
//! | the program: its arguments and commands | `main.rs` |
//!
//! Figures are compared within one run only: contenders take turns, so that what disturbs one disturbs all.
#![forbid(unsafe_code)]

pub mod backlog;
pub mod contender;
pub mod cost;
pub mod crowded;
pub mod event;
pub mod filled;
pub mod floor;
pub mod forwarding;
pub mod kills;
pub mod load;
pub mod native;
pub mod reading;
pub mod report;
pub mod rounds;
pub mod run;
