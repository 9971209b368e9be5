//! `/api`: what came in is read, tried again and removed, by who has a read token.
//!
//! | File | What is in it |
//! |---|---|
//! | `bad_input.rs` | wrong parameters, and stored values that cannot be read |
//! | `harness.rs` | requests with a token, and a store with a few sessions |
//! | `lists.rs` | lists, sessions, events and statistics |
//! | `paths.rs` | the page, the description of the API, and the names of paths |
//! | `permissions.rs` | each request needs its token |
//! | `removal.rs` | erasing sessions, removing by age, and bodies that were set aside |

mod bad_input;
mod harness;
mod lists;
mod paths;
mod permissions;
mod removal;
