//! The headers of an answer that name a kept event and the result. Answers 200 and problems have them.

use http::{HeaderName, HeaderValue};

use crate::identity::Id;

/// The id of the kept event or body.
const EVENT_ID: HeaderName = HeaderName::from_static("event-id");

/// The result: `stored`, `duplicate` or `set-aside`.
const EVENT_RESULT: HeaderName = HeaderName::from_static("event-result");

pub(super) fn outcome(id: &Id, result: &'static str) -> [(HeaderName, HeaderValue); 2] {
    // 32 hexadecimal digits are always a valid header value.
    let id = HeaderValue::try_from(id.text()).unwrap_or(HeaderValue::from_static(""));
    [(EVENT_ID, id), (EVENT_RESULT, HeaderValue::from_static(result))]
}
