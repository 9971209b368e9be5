//! The component in wasmtime: one fresh instance per request, its limits, and what it may call.
//!
//! | file | what lives there |
//! |---|---|
//! | `component` | [`Guest`]: the component, its instances and a request's way through one |
//! | `answer` | a response's body, taken from its instance before the client reads it |
//! | `offer` | the store and the settings, behind Spin's interfaces and behind WASI's |
//! | `outgoing` | requests of the component: to the origins of destinations, and nowhere else |
//! | `ticks` | has the component do what is due, also where no event comes |
//! | `log` | what an instance writes to standard error becomes log lines |

mod answer;
mod component;
mod log;
mod offer;
mod outgoing;

pub(crate) mod ticks;

pub use self::component::{Guest, GuestError, Limits, Used};
