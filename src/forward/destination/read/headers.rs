//! The field `headers`.

use http::{HeaderName, HeaderValue, header};
use serde_json::Value;

use super::Fields;
use crate::forward::destination::Headers;

impl Fields<'_> {
    pub(super) fn headers(&mut self) -> Headers {
        let mut headers = Vec::new();
        match self.object.get("headers") {
            None => {}
            Some(Value::Object(object)) => {
                for (name, value) in object {
                    match parse_header(name, value) {
                        Ok((known, _)) if headers.iter().any(|(other, _)| *other == known) => {
                            self.fault(&format!("headers.{name}"), "is given twice, in different spellings");
                        }
                        Ok(header) => headers.push(header),
                        Err(reason) => self.fault(&format!("headers.{name}"), reason),
                    }
                }
            }
            Some(_) => self.fault("headers", "is not an object of names and values"),
        }
        Headers(headers)
    }
}

/// Headers that the request sets by itself.
const OWN_HEADERS: [HeaderName; 5] =
    [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::TE, header::TRAILER, header::EXPECT];

/// Headers that hosts of `wasi:http` accept from no component: `DEFAULT_FORBIDDEN_HEADERS` of wasmtime-wasi-http 48
/// (`src/lib.rs`), which Spin and our host use unchanged. A request with one of them can never be sent.
const FORBIDDEN_HEADERS: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::HOST,
    HeaderName::from_static("http2-settings"),
];

fn parse_header(name: &str, value: &Value) -> Result<(HeaderName, HeaderValue), &'static str> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "is not a valid header name")?;
    if OWN_HEADERS.contains(&name) || FORBIDDEN_HEADERS.contains(&name) || name.as_str().starts_with("webhook-") {
        return Err("is set by the request itself or by the platform that sends it; remove it");
    }
    // White space around a value is not part of it (RFC 9110, 5.5).
    let value = value.as_str().and_then(|value| HeaderValue::from_str(value.trim_matches([' ', '\t'])).ok());
    let mut value = value.ok_or("is not a valid header value")?;
    value.set_sensitive(true);
    Ok((name, value))
}
