//! Serves the web page and the description of the API.

use std::io::Read as _;

use flate2::bufread::GzDecoder;
use http::{HeaderName, HeaderValue, Response, header};

/// One document with its script and style inside. `build.rs` makes it of `src/page/`.
const PAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/page.html.gz"));

/// Allows the script and the style of the page by their hashes, and requests to its own origin.
const POLICY: &str = include_str!(concat!(env!("OUT_DIR"), "/page.csp"));

/// OpenAPI 3.1.
const OPENAPI: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.yaml.gz"));

pub(super) fn page() -> Response<Vec<u8>> {
    let mut response = text(unpacked(PAGE), "text/html; charset=utf-8");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    response
}

pub(super) fn openapi() -> Response<Vec<u8>> {
    text(unpacked(OPENAPI), "application/yaml")
}

/// `build.rs` packed the text with the same library, so unpacking cannot fail.
fn unpacked(gzip: &[u8]) -> String {
    let mut text = String::new();
    let _ = GzDecoder::new(gzip).read_to_string(&mut text);
    text
}

fn text(body: String, content_type: &'static str) -> Response<Vec<u8>> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(body.into_bytes());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
