//! The component in wasmtime: one fresh instance per request, its limits, and what it may call.
//!
//! | file | what lives there |
//! |---|---|
//! | `component` | [`Guest`]: the component, ready to run, and how many instances it may have |
//! | `request` | the life of a request: a place, an instance, its answer, and what happens after it |
//! | `pool` | instances, some of them made ahead of their requests |
//! | `engine` | wasmtime: its configuration, what it offers to a component, and the clock that interrupts guests |
//! | `state` | what belongs to one instance: WASI's side of it |
//! | `limits` | [`Limits`]: time, memory and number of instances; [`Used`]: what one used |
//! | `error` | [`GuestError`]: why there is no response |
//! | `answer` | a response's body, taken from its instance before the client reads it |
//! | `offer` | the store and the settings, behind Spin's interfaces and behind WASI's |
//! | `outgoing/` | requests of the component: to the origins of destinations, and nowhere else |
//! | `tick_state` | what ticks and the guest share: token, notifications, the last report |
//! | `ticks` | has the component do what is due, also where no event comes |
//! | `log` | what an instance writes to standard error becomes log lines |

mod answer;
mod component;
mod engine;
mod error;
mod limits;
mod log;
mod offer;
mod outgoing;
mod pool;
mod request;
mod state;
mod tick_state;

pub(crate) mod ticks;

pub use self::component::Guest;
pub use self::error::GuestError;
pub use self::limits::{Limits, Used};
pub use self::outgoing::{Authorities, AuthorityError, OutgoingError, OutgoingOptions, ProxyError, ProxyRules};
