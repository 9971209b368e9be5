//! A running recipient, and a client that speaks HTTP/1.1 byte by byte.
//!
//! | File | What is in it |
//! |---|---|
//! | `connection.rs` | a client that speaks HTTP/1.1 byte by byte |
//! | `files.rs` | paths in this repository |
//! | `host.rs` | the command of our host, run by other programs and to its end |
//! | `mounts.rs` | file systems that only a test sees |
//! | `nats.rs` | NATS, the store of wasmCloud |
//! | `proxy.rs` | Caddy and nginx |
//! | `readers.rs` | systemd, docker and podman as readers of a settings file, and their rules |
//! | `receiver.rs` | a destination with TLS |
//! | `running.rs` | a running recipient: our host, Spin, or wasmCloud |
//! | `stored.rs` | the content of a store, read without the recipient |
//! | `trials.rs` | tests that run only if a program is installed |
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

/// The body of an event that is different for each number.
pub fn numbered(n: usize) -> String {
    format!(
        "event=support_conference_begin&version=1&timestamp={}&lsid=c69a8e10bea9428f816cfababe9815fe",
        1_700_000_000 + n
    )
}
