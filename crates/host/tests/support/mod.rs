//! A running recipient, and a sender that speaks HTTP/1.1 byte for byte.
//!
//! | File | What is in it |
//! |---|---|
//! | `connection.rs` | a sender that speaks HTTP/1.1 byte for byte |
//! | `files.rs` | where things are in this repository |
//! | `host.rs` | the command of our host, run by others and to its end |
//! | `mounts.rs` | file systems of the tests' own |
//! | `nats.rs` | NATS, which wasmCloud has its store in |
//! | `proxy.rs` | Caddy and nginx |
//! | `readers.rs` | systemd, docker and podman as readers of a file of settings, and their rules |
//! | `receiver.rs` | a destination that speaks TLS |
//! | `running.rs` | a recipient that runs: our host, Spin, or wasmCloud |
//! | `stored.rs` | what a store holds, read past the recipient |
//! | `trials.rs` | promises that can be tried only where something is installed |
//! | `wash.rs` | wasmCloud's `wash` |
//!
//! `mounts.rs`, `proxy.rs`, `readers.rs`, `receiver.rs` and `trials.rs` are modules of the tests that need them.
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "shared by tests that use a part"
)]

mod connection;
mod files;
mod host;
pub mod nats;
mod running;
mod stored;
pub mod wash;

pub use connection::{Connection, Response};
pub use files::{component, deploy, python, root, wasi_component, yaml};
pub use host::{children, host, is_root, run_by, store_of, succeeds, to_its_end};
pub use running::{Kind, Recipient, free_address};
pub use stored::{store_path, stored};

use std::io::{BufRead as _, Read, Write};

pub const TOKEN: &str = "a-token-of-24-characters";
pub const OPEN: &str = "ingest_open=true";
pub const GUARDED: &str = "ingest_tokens=a-token-of-24-characters";

/// The body of an event that no other number has.
pub fn numbered(n: usize) -> String {
    format!(
        "event=support_conference_begin&version=1&timestamp={}&lsid=c69a8e10bea9428f816cfababe9815fe",
        1_700_000_000 + n
    )
}
