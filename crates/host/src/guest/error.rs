//! Why a guest gave no response.

use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;

/// Why a guest gave no response.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// No instance became free in time.
    #[error("no instance was free in time")]
    Busy,
    /// As many read as may at once, and none of them was done in time.
    #[error("too many read at once, and none was done in time")]
    Readers,
    /// The request cannot be given to a guest: its `Host` is no text, say.
    #[error("the request cannot be handed on: {0:#}")]
    Request(wasmtime::Error),
    /// It trapped: it panicked, or wanted too much memory.
    #[error("the component failed: {0:#}")]
    Trap(wasmtime::Error),
    /// It computed or waited for too long.
    #[error("the component took too long and was stopped")]
    Slow,
    /// It ended without an answer.
    #[error("the component gave no response")]
    Silent,
    /// It gave a response that has no end.
    #[error("the component's response broke off: {0}")]
    BrokenOff(Error),
    /// It answered with an error instead of a response.
    #[error("the component gave an error: {0:?}")]
    Error(ErrorCode),
}
