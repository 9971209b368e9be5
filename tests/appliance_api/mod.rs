//! The appliance's own APIs.
//!
//! | file | what it tests |
//! |---|---|
//! | `settings.rs` | the setting `appliances` |
//! | `client.rs` | tokens, the list of ended sessions, each status and fault of an answer, limits |
//! | `reports.rs` | reports of every shape |
//! | `hostile.rs` | answers that are broken, or made to harm |
//! | `parts.rs` | the same result, however an answer is split |
//! | `harness.rs` | an appliance, and a client of it |

mod client;
mod harness;
mod hostile;
mod parts;
mod reports;
mod settings;
