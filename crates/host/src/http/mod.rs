//! Sockets and HTTP: what stands between a client and the guest.
//!
//! | file | what lives there |
//! |---|---|
//! | [`server`] | accepts connections, answers requests, stops gracefully |
//! | `connections` | how many connections there may be: the policy, and a place for each |
//! | `places` | who holds a place, and which connection is closed when there are more |
//! | `address` | what counts as one address, and whether it is limited |
//! | `unauthenticated` | how many requests without a valid token an address may send in a second |
//! | `failure` | the answers that the host gives instead of its guest |
//! | [`client_address`] | the address that a request comes from, also behind a proxy |
//! | `body` | reads a request's body up to a limit, before an instance is taken |
//! | `health` | what the host adds to `/health`: whether its store takes writes |
//! | `draining` | a connection that still reads for a moment when it is closed |
//! | [`tls`] | the certificate and its key, read again when they change, and the handshake |
//! | `threads` | one thread per processor; each serves its own connections |

mod address;
mod body;
mod connections;
mod draining;
mod failure;
mod health;
mod places;
mod threads;
mod unauthenticated;

pub mod client_address;
pub mod server;
pub mod tls;
