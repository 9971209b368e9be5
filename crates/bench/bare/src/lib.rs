//! A component that stores each body under a unique key without parsing it, and answers 200.
//!
//! The benchmark serves it in the same host as the recipient. The difference is the cost of parsing and checking an
//! event, of looking for a duplicate, and of storing a record, which is a few times longer than the body.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, reason = "the SDK's macro makes the component's export with it")]

use std::hash::{BuildHasher as _, RandomState};
use std::pin::pin;
use std::time::SystemTime;

use futures_util::TryStreamExt as _;
use spin_sdk::http::{Fields, IncomingRequest, OutgoingResponse, ResponseOutparam};
use spin_sdk::http_component;
use spin_sdk::key_value::Store;

#[http_component]
async fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let status = match keep(request).await {
        Ok(()) => 200,
        Err(error) => {
            eprintln!("{error:#}");
            503
        }
    };
    if let Ok(headers) = Fields::from_list(&[("content-length".to_owned(), b"0".to_vec())]) {
        let response = OutgoingResponse::new(headers);
        if response.set_status_code(status).is_ok() {
            out.set(response);
        }
    }
}

async fn keep(request: IncomingRequest) -> anyhow::Result<()> {
    let mut chunks = pin!(request.into_body_stream());
    let mut body = Vec::new();
    while let Some(chunk) = chunks.try_next().await? {
        body.extend_from_slice(&chunk);
    }
    Ok(Store::open_default()?.set(&key()?, &body)?)
}

/// A key ordered by time, like the recipient's. Random keys would make writes slower.
fn key() -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos();
    let other = RandomState::new().hash_one(now);
    Ok(format!("body.{now:020}.{other:016x}"))
}
