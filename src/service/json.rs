//! Responses with a JSON body.

use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

/// A response with a JSON body. With `Content-Length`, head and body leave in one piece.
pub(super) fn json_response(
    status: StatusCode,
    content_type: &'static str,
    body: &impl Serialize,
) -> Response<Vec<u8>> {
    let body = serde_json::to_vec(body).unwrap_or_default();
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    response
}
