//! The appliance's own APIs: what the appliance reports of its sessions, beyond the events that it announces.
//!
//! | what | file |
//! |---|---|
//! | the setting `appliances` | `setting.rs` |
//! | reconciliation: a check of one site | `check.rs` |
//! | when a check is due; running those that are | `due.rs`, `run.rs` |
//! | the state of each site's checks, for readers | `status.rs` |
//! | a client of one appliance: its token, the list of ended sessions, their reports | `client.rs` |
//! | one request and its answer: limits, and the meaning of each status | `exchange.rs` |
//! | the errors, each with a stable name | `error.rs` |
//! | XML that arrives in parts, and what is refused of it | `xml.rs`, `xml_text.rs` |
//! | the answer that lists sessions | `listing.rs` |
//! | the answer with the reports of sessions; one session of it | `report.rs`, `session.rs` |
//! | what a session's log says: files, notes, chat, systems | `session_event.rs` |
//!
//! Nothing of an appliance is trusted: an answer can be of any size and form, and may never end. What is not wanted is
//! not kept. Secrets and tokens are never shown, and a token is never stored.

/// The paths of the APIs. A host that allows a component's requests needs no others.
pub const PATHS: [&str; 2] = [TOKEN_PATH, REPORTING_PATH];

/// The path of tokens ("Authenticate to the Remote Support API").
pub(crate) const TOKEN_PATH: &str = "/oauth2/token";

/// The path of reports ("Reporting API").
pub(crate) const REPORTING_PATH: &str = "/api/reporting";

/// The most bytes of an answer.
pub const MAX_ANSWER_BYTES: usize = 16 << 20;

mod check;
mod client;
mod due;
mod error;
mod run;
mod setting;
pub mod status;

pub use check::CheckOutcome;
pub use client::{ApplianceClient, FetchedSessions, ReportedSession, UnreadableSession};
pub use error::{Answer, ApiError};
pub use run::Checks;
pub use setting::{Appliance, ApplianceFault, ClientSecret, Include};
