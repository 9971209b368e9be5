//! What a browser or a program reads to find its way: the page, and the description of the API.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::bufread::GzDecoder;
use http::{HeaderName, HeaderValue, Response, header};
use sha2::{Digest, Sha256};

/// The page: one file with its script and style inside, and nothing from anywhere else.
const PAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/page.html.gz"));

/// The API, described in OpenAPI 3.1.
const OPENAPI: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.yaml.gz"));

/// The page. It runs its own script and style, which are known by their hashes, and talks to its own origin alone.
pub(super) fn page() -> Response<Vec<u8>> {
    let page = unpacked(PAGE);
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(&page, "script"),
        hash(&page, "style"),
    );
    let mut response = text(page, "text/html; charset=utf-8");
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    response
}

/// The description.
pub(super) fn openapi() -> Response<Vec<u8>> {
    text(unpacked(OPENAPI), "application/yaml")
}

/// What a policy knows the page's one element of that name by.
fn hash(page: &str, element: &str) -> String {
    let inside =
        page.split_once(&format!("<{element}>")).and_then(|(_, rest)| rest.split_once(&format!("</{element}>")));
    let digest = Sha256::digest(inside.map(|(inside, _)| inside).unwrap_or_default());
    format!("sha256-{}", STANDARD.encode(digest))
}

/// A text that was made smaller at build time (`build.rs`), by the same library: it can be read.
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
