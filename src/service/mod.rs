//! Turns an `http::Request` into an `http::Response`, with the ports of the platform and without an SDK.
//!
//! | path | method | what it does |
//! |---|---|---|
//! | `/events/{site}`, `/events`, `/` | POST | receives an event (`ingest.rs`), and stores it once (`keep.rs`) |
//! | `/` | GET, HEAD | the page (`page.rs`, `page/`) |
//! | `/api/…` | GET, HEAD, POST, DELETE | sessions, events, destinations; for clients with a token (`api/`) |
//! | `/tick` | GET, POST | compaction if it is due, and a delivery run to each destination (`tick.rs`) |
//! | `/openapi.yaml` | GET, HEAD | the description of this API (`openapi.yaml`) |
//! | `/health` | GET, HEAD | whether the settings are valid and the store answers (`health.rs`) |
//!
//! `route.rs` maps paths to handlers, `answer.rs` has the shared types, `auth.rs` authenticates, `problem.rs` has all
//! refusals, and `follow_up.rs` does the work after an answer. `event_headers.rs` and `json.rs` make headers and
//! bodies.
//!
//! Checks run in the order path, method, token, type, length, body. The body of an unauthenticated client is read only
//! where ingest is open.

mod answer;
mod api;
mod auth;
mod event_headers;
mod follow_up;
mod health;
mod ingest;
mod json;
mod keep;
mod page;
mod problem;
mod route;
mod tick;

use http::{HeaderName, header};

pub use answer::{Answer, BrokenOff, FollowUp, Service};
pub use auth::shows_a_token;
pub use problem::Refusal;
pub use route::{is_for_readers, route_name};

/// The headers that the service reads. An adapter need pass on no others.
pub static HEADERS: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::AUTHORIZATION,
    header::ACCEPT,
];
