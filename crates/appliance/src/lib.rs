//! An emulated appliance: the sending end of outbound events, as BeyondTrust's guide describes it.
//!
//! | what | file |
//! |---|---|
//! | a support session and its events, generated from a seed | [`session`], with the people in [`people`] |
//! | a session in time: the times of its events, and when they are known | [`occurrence`] |
//! | many sessions, their events ordered by time | [`agenda`] |
//! | what is said, noted and collected in a session | [`content`] |
//! | the guide's emails: macros, templates, and the faults of a template | [`macros`] |
//! | the values of the macros for one session | [`story`] |
//! | the retry rule of the queues: try, wait, try again, drop | [`retry`] |
//! | one attempt at an HTTP recipient | [`http`], with [`tls`] |
//! | an email, and one attempt at the SMTP server | [`email`] |
//! | `appliance send` and `appliance replay` | [`send`], [`replay`], with a progress bar in [`progress`] |
//! | `appliance run`: the settings file, the queues on disk, the appliance | [`config`], [`queue`], [`run`], [`outlet`], [`alert`], with a table in [`board`] |
//! | dropped events, and which sessions were never announced completely | [`drops`] |
//! | `--api`: tokens and reports, as the vendor's own APIs give them | [`api`] |
//! | `appliance receive`: the receiving end of forwarding | [`receive`] |
//! | `appliance check-destinations` | [`destinations`] |
//! | `appliance check-template` | [`macros`] |
//! | the program: arguments, and each command with its output and exit code | `main.rs`, `commands/` |
//!
//! Events are built from the library's own types, so that the recipient accepts them.
#![forbid(unsafe_code)]

pub mod agenda;
pub mod alert;
pub mod api;
pub mod board;
pub mod config;
pub mod content;
pub mod destinations;
pub mod drops;
pub mod email;
pub mod http;
pub mod macros;
pub mod occurrence;
pub mod outlet;
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
