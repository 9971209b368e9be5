//! Responses of the API, and their size limit.

use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use mediatype::names::Q;
use mediatype::{MediaType, MediaTypeList, Name, ReadParams as _};
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

/// Whether a client asks for one of these media types.
pub(super) fn accepts(head: &Parts, top: Name<'_>, subtypes: &[&str]) -> bool {
    let accept = head.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    // `q=0` means not acceptable (RFC 9110, 12.4.2).
    let refused = |range: &MediaType<'_>| range.get_param(Q).is_some_and(|q| q.as_str().parse() == Ok(0.0));
    accept.flat_map(MediaTypeList::new).filter_map(Result::ok).any(|range| {
        let is_one = subtypes.iter().any(|subtype| range.subty.as_str().eq_ignore_ascii_case(subtype));
        range.ty == top && is_one && !refused(&range)
    })
}
