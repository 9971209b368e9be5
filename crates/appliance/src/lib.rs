//! An emulated appliance: the sending end of outbound events, as the guide describes it.
//!
//! | what | file |
//! |---|---|
//! | a support session and all that happens in it, from a seed | [`session`], with the people in [`people`] |
//! | many sessions, their events in the order of time | [`agenda`] |
//! | what the guide's emails may hold: macros, templates, and what is wrong with a template | [`macros`] |
//! | what an email tells of a session | [`story`] |
//! | the rule of the queues: try, wait, try again, drop | [`retry`] |
//! | one attempt at an HTTP recipient | [`http`], with [`tls`] |
//! | an email, and one attempt at the SMTP server | [`email`] |
//! | `appliance send` and `appliance replay` | [`send`], [`replay`], with the bar of [`progress`] |
//! | `appliance run`: the settings page, the queues on disk, the appliance itself | [`config`], [`queue`], [`run`], with its table in [`board`] |
//! | `appliance receive`: the receiving end of forwarding | [`receive`] |
//! | `appliance check-destinations` | [`destinations`] |
//! | `appliance check-template` | [`macros`] |
//! | the program: its arguments, and each command with its output and exit code | `main.rs`, `commands/` |
//!
//! Events are made of the library's own types, so what is sent is what the recipient takes for an event.
#![forbid(unsafe_code)]

pub mod agenda;
pub mod board;
pub mod config;
pub mod destinations;
pub mod email;
pub mod http;
pub mod macros;
pub mod people;
pub mod progress;
pub mod queue;
pub mod receive;
pub mod replay;
pub mod retry;
pub mod run;
pub mod send;
pub mod session;
pub mod story;
pub mod tls;
