//! Every answer to every kind of request.
//!
//! | File | What is in it |
//! |---|---|
//! | `bodies.rs` | bodies that are empty, too large, broken off, in chunks or encoded |
//! | `harness.rs` | what every accepted and every refused request has in common |
//! | `routes.rs` | paths, sites and methods |
//! | `settings.rs` | settings that are missing or wrong, and `/health` |
//! | `stored.rs` | events that are stored, repeated or set aside |
//! | `tokens.rs` | requests with and without a token |

mod bodies;
mod harness;
mod routes;
mod settings;
mod stored;
mod tokens;
