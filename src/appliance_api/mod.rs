//! The appliance's own APIs: what the appliance reports of its sessions, beyond the events that it announces.
//!
//! | what | file |
//! |---|---|
//! | the setting `appliances` | `setting.rs` |
//! | reconciliation: a check of one site; storing its reports | `check.rs`, `store_reports.rs` |
//! | when a check is due; running those that are | `due.rs`, `run.rs` |
//! | the state of each site's checks, for readers | `status.rs` |
//! | a client of one appliance: its token, the list of ended sessions, their reports | `client.rs` |
//! | one request and its answer: limits, and the meaning of each status | `exchange.rs` |
//! | the errors, each with a stable name | `error.rs` |
//! | XML that arrives in parts, and what is refused of it | `xml.rs`, `xml_text.rs` |
//! | the root of an answer: what was asked for, or an error | `document.rs` |
//! | the answer that lists sessions | `listing.rs` |
//! | the answer with reports: the place of each element | `report.rs` |
//! | one session of it; its log: files, notes, chat, systems | `session.rs`, `session_event.rs` |
//! | their fields; texts and lists that keep a limited amount | `field.rs`, `bounded.rs` |
//! | the sessions of an answer, for the caller | `fetched.rs` |
//!
//! Nothing of an appliance is trusted: an answer can be of any size and form, and may never end. What is not wanted is
//! not kept. Secrets and tokens are never shown, and a token is never stored.

mod bounded;
mod check;
mod client;
mod document;
mod due;
mod error;
mod exchange;
mod fetched;
mod field;
mod listing;
mod report;
mod run;
mod session;
mod session_event;
mod setting;
pub mod status;
mod store_reports;
mod xml;
mod xml_text;

pub use check::CheckOutcome;
pub use client::{ApplianceClient, PATHS};
pub use error::{AnswerExcerpt, ApiError, MAX_ANSWER_BYTES};
pub use fetched::{FetchedSessions, ReportedSession, UnreadableSession};
pub use run::Checks;
pub use setting::{Appliance, ApplianceFault, Include};
