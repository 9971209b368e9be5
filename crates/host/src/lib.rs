//! A small native host for the outbound-events component, or any that asks for no more: `wasi:http` 0.2 in and out, a key-value
//! store and settings behind it, as Spin or as WASI names them, and the little of WASI that a component of `wasm32-wasip1` needs.
//!
//! | file | what lives there |
//! |---|---|
//! | [`server`] | sockets and HTTP: reads a body before it takes an instance, times out, shuts down gracefully |
//! | [`tls`] | a certificate and its key, read again when they change, and the handshake |
//! | [`guest`] | wasmtime: a fresh instance a request, its limits, and what it may call |
//! | `offer` | the store and the settings, behind Spin's interfaces and behind WASI's |
//! | [`client`] | where a request comes from, also behind a proxy |
//! | [`metrics`] | what is counted and measured, for Prometheus |
//! | [`store`] | the key-value store, durable in SQLite or in memory |
//! | [`port`] | the same behind the library's port, for what needs no component |
//! | [`lock`] | one host a store's file |
//! | [`snapshot`] | a store's file as it is at one moment, to be looked at |
//! | [`mod@backup`] | a copy of it, made while the host runs |
//! | `outgoing` | the way out: to the origins of destinations, and nowhere else |
//! | `ticks` | has the component do what is due, also where no event comes |
//! | `private` | files that are their owner's alone |
//! | `sqlite` | the store in SQLite: who reads, who lists, who watches the files |
//! | `writer` | the thread that writes: one commit for all writes that wait |
//! | `layout` | where a store's file keeps what, and what stands beside it |
//! | `opened_files` | whether the store's paths still lead to the files that were opened |
//! | `condition` | what is wrong with the files, for all who use them |
//! | `reserve` | room on the disk that is kept for removal |
//! | [`error`] | what can be wrong with a store, and how errors are told |
//! | [`swap`] | whether memory can be swapped out, which decides how it is cleared |
//! | `threads` | who serves a connection: a thread for each processor |
//! | `connections` | how many there may be, and who goes when there are more |
//! | `strangers` | what who has no token may ask for in a second |
//! | `lingering` | a connection that lets a sender finish |
//! | `seldom` | log lines that a stranger could have written by the thousand |
//! | `body` | a body that is read up to a limit, and what is left of it |
//! | `answer` | the body of an answer, kept for a client that reads slowly |
//! | `health` | what the host adds to `/health`: whether its store takes writes |
//! | `log` | a guest's lines on standard error become log lines |
//! | [`log_queue`] | the log: a queue, and the thread that writes it to standard error |
//!
//! To embed it, see `examples/embed.rs`:
//!
//! ```no_run
//! # async fn embed() -> anyhow::Result<()> {
//! use outbound_events_host::{guest::Guest, guest::Limits, server, store::KeyValueStore};
//!
//! let store = KeyValueStore::sqlite("events.db")?;
//! let component = std::fs::read("target/outbound-events.component.wasm")?;
//! let guest = Guest::new(&component, store, [("ingest_open".into(), "true".into())].into(), Limits::default())?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! server::serve(listener, guest, server::Options::default(), std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod answer;
mod body;
mod condition;
mod connections;
mod health;
mod layout;
mod lingering;
mod log;
mod offer;
mod opened_files;
mod outgoing;
mod private;
mod reserve;
mod seldom;
mod sqlite;
mod strangers;
pub mod swap;
mod threads;
mod ticks;
mod writer;

pub mod backup;
pub mod client;
pub mod error;
pub mod guest;
pub mod lock;
pub mod log_queue;
pub mod metrics;
pub mod port;
pub mod server;
pub mod snapshot;
pub mod store;
pub mod tls;
