//! The headers of an answer that name a kept event and what became of it: 200s and problems have them.

use http::{HeaderName, HeaderValue};

use crate::identity::Id;

/// Carries the id of what was kept.
const EVENT_ID: HeaderName = HeaderName::from_static("event-id");

/// Carries what became of the event: `stored`, `duplicate` or `set-aside`.
const EVENT_RESULT: HeaderName = HeaderName::from_static("event-result");

/// The headers that tell what was kept and how.
pub(super) fn outcome(id: &Id, result: &'static str) -> [(HeaderName, HeaderValue); 2] {
    // 32 hexadecimal digits are always a header's value.
    let id = HeaderValue::try_from(id.text()).unwrap_or(HeaderValue::from_static(""));
    [(EVENT_ID, id), (EVENT_RESULT, HeaderValue::from_static(result))]
}
