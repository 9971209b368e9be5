//! A small native host for the outbound-events component, or for any component with the same imports: `wasi:http` 0.2
//! in and out, a key-value store and settings (by Spin's or WASI's interfaces), and the WASI imports of
//! `wasm32-wasip1`.
//!
//! | folder or file | what lives there |
//! |---|---|
//! | `http` | sockets, TLS and HTTP: connections, limits for clients, bodies |
//! | [`guest`] | wasmtime: a fresh instance per request, its limits and its imports |
//! | [`store`] | the key-value store, durable in SQLite or in memory |
//! | [`metrics`] | Prometheus metrics |
//! | `measure` | measurements that the guest and the store make for the metrics |
//! | [`env_file`] | settings in a file that systemd, docker and podman read in the same way |
//! | [`log_queue`] | the log: a queue, and the thread that writes it to standard error |
//! | `pem_file` | PEM files as text editors save them: byte order marks, UTF-16 |
//! | `rate_limited_log` | log lines that a client could cause thousands of times |
//! | [`swap`] | whether memory can be swapped out, which decides how it is cleared |
//!
//! Each folder's `mod.rs` lists its files. `main.rs` and `commands` are the program `outbound-events-host`.
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

mod http;
mod measure;
mod pem_file;
mod rate_limited_log;

pub mod env_file;
pub mod guest;
pub mod log_queue;
pub mod metrics;
pub mod store;
pub mod swap;

pub use crate::http::{client_address as client, server, tls};
pub use crate::store::{backup, error, lock, port, snapshot};
