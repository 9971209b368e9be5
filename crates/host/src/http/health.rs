//! What the host adds to `/health`: whether its store takes writes. The component asks the store for a value, and a store that is
//! full, or whose files were moved, still has those.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Map, Value};
use wasmtime_wasi_http::WasiBody;

use crate::store::{KeyValueStore, StoreError};

/// The path that this is about.
pub(crate) const PATH: &str = "/health";

/// The component's answer, unless that is that it is ready and the next event would be refused all the same, or the store's files are
/// wrong, of which it knows nothing. The first is so while a commit has failed and what is tried since then fails too.
pub(crate) async fn answer(store: &KeyValueStore, response: Response<WasiBody>) -> Response<WasiBody> {
    match store.check().await {
        Err(error) if response.status() == StatusCode::OK || is_of_files(&error) => not_ready(response, &error).await,
        _ => response,
    }
}

fn is_of_files(error: &StoreError) -> bool {
    matches!(error, StoreError::Moved(_) | StoreError::Damaged(_))
}

/// The same body, but for what it says of the store. What else is wrong with it is for the log.
async fn not_ready(response: Response<WasiBody>, error: &StoreError) -> Response<WasiBody> {
    tracing::error!("not ready: {error}");
    let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut health: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
    let detail = match error {
        StoreError::Full => "the store's disk is full; events are refused until there is room",
        StoreError::Moved(_) => {
            "the store's files were moved, deleted or replaced; put them back, or start the recipient again"
        }
        StoreError::Damaged(_) => "the store's file is damaged; keep it, and see the recipient's log for what to do",
        _ => "the store takes no writes; the recipient's log says why",
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
