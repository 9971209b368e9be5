//! Sockets and HTTP: what stands between a client and the guest.
//!
//! | file | what lives there |
//! |---|---|
//! | [`server`] | accepts connections, answers requests, stops gracefully |
//! | `connections` | how many connections there may be, and which one is closed when there are more |
//! | `unauthenticated` | how many requests without a valid token an address may send in a second |
//! | [`client`] | the address that a request comes from, also behind a proxy |
//! | `body` | reads a request's body up to a limit, before an instance is taken |
//! | `health` | what the host adds to `/health`: whether its store takes writes |
//! | `draining` | a connection that still reads for a moment when it is closed |
//! | [`tls`] | the certificate and its key, read again when they change, and the handshake |
//! | `threads` | one thread per processor; each serves its own connections |

mod body;
mod connections;
mod draining;
mod health;
mod threads;
mod unauthenticated;

pub mod client;
pub mod server;
pub mod tls;
