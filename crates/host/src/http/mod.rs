//! Sockets and HTTP, between a client and the guest.
//!
//! | file | what lives there |
//! |---|---|
//! | [`server`] | accepts connections, answers requests, stops gracefully |
//! | `connections` | the limits on connections: the policy, and a slot for each connection |
//! | `slots` | the connections in the slots, and which one is closed when there are more |
//! | `address` | what counts as one address, and whether it is limited |
//! | `unauthenticated` | the limits on clients without a valid token: requests per second, and memory for their bodies (taken in `body`) |
//! | `failure` | the answers that the host gives instead of the guest |
//! | [`client_address`] | the address of the client, also behind a proxy |
//! | `body` | reads the body of a request up to a limit, before an instance is taken |
//! | `health` | the host's part of `/health`: whether its store accepts writes |
//! | `draining` | the stream of a connection, which drains unread input before it is closed |
//! | [`tls`] | the certificate and its key, reloaded when they change, and the handshake |
//! | `threads` | one thread per processor; each serves its own connections |

mod address;
mod body;
mod connections;
mod draining;
mod failure;
mod health;
mod slots;
mod threads;
mod unauthenticated;

pub mod client_address;
pub mod server;
pub mod tls;
