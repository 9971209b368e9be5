//! Assertions about all accepted and all refused requests.

use crate::support::{Memory, Reply};

pub(super) const WITH_TOKEN: &str = "/events?outbound_event_token=a-token-of-24-characters";

/// Checks a refusal: the status is also in the body, and nothing is stored.
pub(super) fn assert_refused(what: &str, reply: &Reply, status: u16, store: &Memory) {
    assert_eq!(reply.status, status, "{what}: {reply:?}");
    assert_eq!(reply.header("content-type"), "application/problem+json", "{what}");
    let problem: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(problem["status"], status, "{what}");
    assert!(!problem["title"].as_str().unwrap().is_empty(), "{what}");
    assert!(!problem["detail"].as_str().unwrap().is_empty(), "{what}");
    assert_eq!(reply.header("content-length"), reply.body.len().to_string(), "{what}");
    assert!(store.keys().is_empty(), "{what} left {:?}", store.keys());
}

pub(super) fn assert_accepted(reply: &Reply, result: &str) {
    assert_eq!((reply.status, reply.result(), reply.body.as_str()), (200, result, ""), "{reply:?}");
    assert_eq!(reply.header("content-length"), "0");
    assert_eq!(reply.header("event-id").len(), 32);
}
