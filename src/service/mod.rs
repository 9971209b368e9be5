//! `http::Request` -> `http::Response`, over the store's port. No SDK in sight.
//!
//! | path | method | what it does |
//! |---|---|---|
//! | `/events/{site}`, `/events`, `/` | POST | takes an event (`ingest.rs`), and stores it once (`keep.rs`) |
//! | `/` | GET, HEAD | the page (`page.rs`, `page/`) |
//! | `/api/…` | GET, HEAD, POST, DELETE | what came in, for clients with a read or an admin token; `pending` and `sent` of a destination, for clients with its secret (`api/`) |
//! | `/tick` | GET, POST | does what is due: a pass, and a delivery run to each destination (`tick.rs`) |
//! | `/openapi.yaml` | GET, HEAD | the description of all of this (`openapi.yaml`) |
//! | `/health` | GET, HEAD | tells whether the settings are in order and the store answers (`health.rs`) |
//!
//! `route.rs` knows who answers where, `answer.rs` has the types that all of it shares, `auth.rs` decides from the head who sends,
//! `problem.rs` has everything that can be wrong with a request, and `follow_up.rs` does what is left to do after an answer.
//! `event_headers.rs` and `json.rs` make headers and bodies.
//!
//! Checks run in the order path, method, token, type, length, body. The body of an unauthenticated client is read only where ingest is
//! open.

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

/// The headers that are looked at: an adapter need hand on no others.
pub static HEADERS: [HeaderName; 5] =
    [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::AUTHORIZATION, header::ACCEPT];
