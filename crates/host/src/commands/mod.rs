//! The commands of the program.
//!
//! | file | what lives there |
//! |---|---|
//! | `serve` | `serve`: serves the component over HTTP |
//! | `limits` | limits for unauthenticated clients, and on connections |
//! | `variables` | the settings, from a file, the environment and the command line |
//! | `signals` | signals that stop the host or reload the certificate |
//! | `health` | `health`: checks a running host |
//! | `store` | `store …`: works on store files |
//! | `progress` | the progress bar of `store …` |

pub mod health;
pub mod serve;
pub mod store;

mod limits;
mod progress;
mod signals;
mod variables;
