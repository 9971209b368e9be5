//! A received request and its signature.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use standardwebhooks::HEADER_WEBHOOK_ID;

use super::events::ReceivedEvent;

/// A received request and the status of its answer.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its events, as far as the format shows them.
    pub events: Vec<ReceivedEvent>,
    /// Its body.
    pub body: Bytes,
    /// The result of verifying its signature.
    pub signature: Signature,
    /// Whether one of its events was answered 2xx before.
    pub again: bool,
    /// The status of the answer.
    pub status: StatusCode,
}

/// The result of verifying a signature (Standard Webhooks).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Signed with one of the secrets.
    Good,
    /// Signed with another secret, or too long ago.
    Bad,
    /// Not signed.
    Missing,
    /// The receiver has no secret to verify with.
    Unchecked,
}

impl Signature {
    /// As `appliance receive` prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "signed",
            Self::Bad => "BAD SIGNATURE",
            Self::Missing => "NOT SIGNED",
            Self::Unchecked => "signature not checked",
        }
    }
}

impl Received {
    /// The ids of its events: from its body, or of a single event from the header `webhook-id`.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let several = self.events.len() > 1;
        let from_body = self.events.iter().filter(move |_| several).filter_map(|event| event.id.as_deref());
        from_body.chain(self.id().filter(|_| !several))
    }

    /// The message's id, from the header `webhook-id`: that of its event, unless it has several.
    pub fn id(&self) -> Option<&str> {
        self.headers.get(HEADER_WEBHOOK_ID)?.to_str().ok()
    }
}
