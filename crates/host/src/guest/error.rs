//! Errors of a guest.

use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;

/// Why a guest gave no response.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// No instance became free in time.
    #[error("no instance was free in time")]
    Busy,
    /// The limit of concurrent read requests is reached, and none of them ended in time.
    #[error("too many read requests at once, and none ended in time")]
    Readers,
    /// The request cannot be converted for a guest, for example because its `Host` is not ASCII.
    #[error("the request cannot be given to the component: {0:#}")]
    Request(wasmtime::Error),
    /// The guest trapped: it panicked, or needed too much memory.
    #[error("the component failed: {0:#}")]
    Trap(wasmtime::Error),
    /// The guest computed or waited for too long.
    #[error("the component took too long and was stopped")]
    Slow,
    /// The guest ended without a response.
    #[error("the component gave no response")]
    Silent,
    /// The guest's response has no end.
    #[error("the component's response broke off: {0}")]
    BrokenOff(Error),
    /// The guest returned an error instead of a response.
    #[error("the component returned an error: {0:?}")]
    Error(ErrorCode),
}
