//! The host's part of `/health`: whether its store accepts writes. The component only reads from the store, and a store
//! that is full, or whose files were moved, can still be read.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Map, Value};
use wasmtime_wasi_http::WasiBody;

use crate::store::{HostStoreError, KeyValueStore};

pub(crate) const PATH: &str = "/health";

/// The component's answer, or 503 if the store has a fault that the component does not see. A store that refuses writes
/// replaces an answer of 200; a fault of the store's files replaces any answer.
pub(crate) async fn answer(store: &KeyValueStore, response: Response<WasiBody>) -> Response<WasiBody> {
    match store.check().await {
        Err(error) if response.status() == StatusCode::OK || is_of_files(&error) => not_ready(response, &error).await,
        _ => response,
    }
}

fn is_of_files(error: &HostStoreError) -> bool {
    matches!(error, HostStoreError::Moved(_) | HostStoreError::Damaged(_))
}

/// The same body with `ready` and `detail` replaced. The full error goes to the log only.
async fn not_ready(response: Response<WasiBody>, error: &HostStoreError) -> Response<WasiBody> {
    tracing::error!("not ready: {error}");
    let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut health: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
    let detail = match error {
        HostStoreError::Full => "the store's disk is full; events are refused until there is room",
        HostStoreError::Moved(_) => {
            "the store's files were moved, deleted or replaced; put them back, then restart the recipient"
        }
        HostStoreError::Damaged(_) => "the store's file is damaged; keep it and see the recipient's log",
        _ => "the store accepts no writes; see the recipient's log",
    };
    health.insert("ready".to_owned(), Value::from(false));
    health.insert("detail".to_owned(), Value::from(detail));
    let body = Bytes::from(Value::from(health).to_string());
    let mut response = Response::new(Full::new(body).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}
