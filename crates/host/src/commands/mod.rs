//! The commands of the program.
//!
//! | file | what lives there |
//! |---|---|
//! | `serve` | `serve`: the component over HTTP |
//! | `limits` | what unauthenticated clients may have, and how many connections there is room for |
//! | `variables` | the settings, from a file, the environment and the command line |
//! | `signals` | to stop, and to read the certificate again |
//! | `health` | `health`: asks a host that runs how it is |
//! | `store` | `store …`: works on store files |
//! | `progress` | the progress bar of those |

pub mod health;
pub mod serve;
pub mod store;

mod limits;
mod progress;
mod signals;
mod variables;
