//! Every answer to every kind of request.
//!
//! | file | what it tests |
//! |---|---|
//! | `bodies.rs` | bodies that are empty, too large, cut off, in chunks or encoded |
//! | `harness.rs` | assertions about all accepted and all refused requests |
//! | `routes.rs` | paths, sites and methods |
//! | `settings.rs` | settings that are missing or invalid, and `/health` |
//! | `stored.rs` | events that are stored, repeated or set aside |
//! | `tokens.rs` | requests with and without a token |

mod bodies;
mod harness;
mod routes;
mod settings;
mod stored;
mod tokens;
