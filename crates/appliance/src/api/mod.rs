//! The vendor's own APIs, as an appliance serves them: tokens and reports of its sessions. Written from the vendor's
//! pages, not from what this project's recipient expects.
//!
//! | what | file |
//! |---|---|
//! | options: the account, the namespace, faults | `options.rs` |
//! | a request becomes an answer: paths, authentication, failing requests | `service.rs` |
//! | connections: one request each | `serve.rs` |
//! | `POST /oauth2/token` | `tokens.rs` |
//! | the rate limit | `rate.rs` |
//! | the parameters of `/api/reporting` | `query.rs` |
//! | a checked query becomes a report | `reporting.rs` |
//! | the sessions, and when they are known | `sessions.rs` |
//! | the content of a report | `account.rs`; of a generated session: `generated.rs` |
//! | a report as XML | `report.rs`, with `xml.rs` |
//! | `GET /api/reporting.xsd` | `reporting.xsd` |
//!
//! [`ApplianceApi::start`] serves an API for tests. Its [`RunningApi`] adds sessions and changes faults.

mod account;
mod generated;
mod options;
mod query;
mod rate;
mod report;
mod reporting;
mod serve;
mod service;
mod sessions;
mod tokens;
mod xml;

pub use account::{DetailActor, EmulatedSession, ReportedCustomer, ReportedDetail, ReportedRepresentative};
pub use options::{ApiFaults, ApiOptions, MissingPermission, ReportNamespace};
pub use serve::{ApiStartError, RunningApi};
pub use service::{ApiAnswer, ApplianceApi, ServedRequest};
pub use sessions::{ReportMoment, ReportWindow, SessionRegister, WindowSide};
pub use tokens::{MOST_TOKENS, TokenRefusal, TokenRegister, basic_credentials, bearer_token};
