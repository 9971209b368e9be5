//! Responses of the API, and their size limit.

use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::service::json::json_response;

/// The largest size of the values in one answer. A page ends before it exceeds this.
pub(super) const MAX_PAGE_BYTES: usize = 4 << 20;

pub(super) fn json(body: &impl Serialize) -> Response<Vec<u8>> {
    json_response(StatusCode::OK, "application/json", body)
}

pub(super) fn response(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if !content_type.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response.headers_mut().insert(header::CONTENT_LENGTH, length);
    }
    response
}
