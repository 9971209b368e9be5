//! What the receiver got, and who signed it.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use standardwebhooks::HEADER_WEBHOOK_ID;

/// What came, and how it was answered.
#[derive(Clone, Debug)]
pub struct Received {
    /// How it came.
    pub method: Method,
    /// Where to.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Who signed it.
    pub signature: Signature,
    /// Whether one of that id was answered 2xx before.
    pub again: bool,
    /// How it was answered.
    pub status: StatusCode,
}

/// Who signed a request (Standard Webhooks).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Who knows one of the secrets.
    Good,
    /// Nobody who does, or long ago.
    Bad,
    /// Nobody.
    Missing,
    /// There is no secret to verify with.
    Unchecked,
}

impl Signature {
    /// For the screen.
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
    /// The id of the event, as its header says.
    pub fn id(&self) -> Option<&str> {
        self.headers.get(HEADER_WEBHOOK_ID)?.to_str().ok()
    }
}
