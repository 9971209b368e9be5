//! The component in wasmtime: a fresh instance per request, its limits and its imports.
//!
//! | file | what lives there |
//! |---|---|
//! | `component` | [`Guest`]: the compiled component and its instances |
//! | `request` | the life of a request: a permit, an instance, its answer, and the work after it |
//! | `pool` | instances, some of them made ahead of their requests |
//! | `engine` | wasmtime: its configuration, the imports of the component, and the clock that interrupts guests |
//! | `state` | the data of one instance: WASI's contexts |
//! | `limits` | [`Limits`]: time, memory and number of instances; [`Used`]: what one instance used |
//! | `error` | [`GuestError`]: why there is no response |
//! | `answer` | the body of an answer, buffered before the client reads it |
//! | `offer` | the store and the settings, behind Spin's and WASI's interfaces |
//! | `outgoing/` | requests of the component to the origins of destinations |
//! | `tick_state` | state shared by ticks and the guest: token, notifications, the last report |
//! | `ticks` | calls `/tick` regularly, also without events |
//! | `log` | logs the output of an instance |

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
pub use self::outgoing::{
    Authorities, AuthorityError, GetError, OutgoingError, OutgoingOptions, ProxyError, ProxyRules, get,
};
