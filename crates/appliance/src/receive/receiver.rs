//! The receiver: its secrets, the ids it has seen, and the handling of a request.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use parking_lot::Mutex;
use standardwebhooks::{HEADER_WEBHOOK_SIGNATURE, Webhook};

use super::access::ReceiverAccess;
use super::events::ReceivedEvent;
use super::misbehaviour::Misbehaviour;
use super::received::{Received, Signature};

/// The most bytes of a body.
const MAX_BODY_BYTES: usize = 1 << 20;

/// A receiver of forwarded events. Clones share their state.
#[derive(Clone)]
pub struct EmulatedReceiver(Arc<Inner>);

struct Inner {
    secrets: Vec<String>,
    access: ReceiverAccess,
    /// The behaviour, and when it was set.
    misbehaviour: Mutex<(Misbehaviour, Instant)>,
    seen: Mutex<HashSet<String>>,
    take: Box<dyn Fn(Received) + Send + Sync>,
}

/// A secret is not `whsec_` and base64.
#[derive(Debug, thiserror::Error)]
#[error("a secret is not whsec_ and base64")]
pub struct NoSecret;

impl EmulatedReceiver {
    /// Creates a receiver for anyone, which verifies with these secrets and calls `take` for each request, before it
    /// answers.
    pub fn new(
        secrets: Vec<String>,
        misbehaviour: Misbehaviour,
        take: impl Fn(Received) + Send + Sync + 'static,
    ) -> Result<Self, NoSecret> {
        Self::with_access(secrets, ReceiverAccess::Open, misbehaviour, take)
    }

    /// Creates a receiver that answers 401 to all others. Requests for tokens are answered as well, and not passed to
    /// `take`.
    pub fn with_access(
        secrets: Vec<String>,
        access: ReceiverAccess,
        misbehaviour: Misbehaviour,
        take: impl Fn(Received) + Send + Sync + 'static,
    ) -> Result<Self, NoSecret> {
        if secrets.iter().any(|secret| Webhook::new(secret).is_err()) {
            return Err(NoSecret);
        }
        let misbehaviour = Mutex::new((misbehaviour, Instant::now()));
        Ok(Self(Arc::new(Inner { secrets, access, misbehaviour, seen: Mutex::default(), take: Box::new(take) })))
    }

    /// Changes the behaviour.
    pub fn behave(&self, misbehaviour: Misbehaviour) {
        *self.0.misbehaviour.lock() = (misbehaviour, Instant::now());
    }

    /// Makes all access tokens invalid.
    pub fn revoke_tokens(&self) {
        self.0.access.revoke();
    }

    /// Handles a request, and returns how to answer it.
    pub(super) async fn handle(&self, request: Request<Incoming>) -> Misbehaviour {
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, MAX_BODY_BYTES).collect().await else {
            return Misbehaviour { status: Some(StatusCode::PAYLOAD_TOO_LARGE), ..Misbehaviour::default() };
        };
        let body = body.to_bytes();
        if let Some((status, body)) = self.0.access.token(&head.method, &head.uri, &head.headers, &body) {
            return Misbehaviour { status: Some(status), body: body.into(), ..Misbehaviour::default() };
        }
        let behaviour = if self.0.access.allows(&head.headers) {
            self.behaviour().for_body(&body)
        } else {
            Misbehaviour { status: Some(StatusCode::UNAUTHORIZED), ..Misbehaviour::default() }
        };
        // A sleep of zero takes a millisecond.
        if !behaviour.delay.is_zero() {
            tokio::time::sleep(behaviour.delay).await;
        }
        let status = behaviour.status();
        let mut received = Received {
            signature: self.signature(&head.headers, &body),
            method: head.method,
            uri: head.uri,
            headers: head.headers,
            events: ReceivedEvent::of_body(&body),
            body,
            again: false,
            status,
        };
        received.again = self.note(received.ids(), status.is_success());
        (self.0.take)(received);
        behaviour
    }

    /// Notes accepted ids. Returns whether one of them was accepted before.
    fn note<'i>(&self, ids: impl Iterator<Item = &'i str>, is_accepted: bool) -> bool {
        let mut seen = self.0.seen.lock();
        ids.fold(false, |again, id| {
            let is_known = if is_accepted { !seen.insert(id.to_owned()) } else { seen.contains(id) };
            again | is_known
        })
    }

    /// The behaviour now.
    pub(super) fn behaviour(&self) -> Misbehaviour {
        let (misbehaviour, since) = &*self.0.misbehaviour.lock();
        match misbehaviour.time {
            Some(time) if since.elapsed() >= time => Misbehaviour::default(),
            _ => misbehaviour.clone(),
        }
    }

    fn signature(&self, headers: &HeaderMap, body: &[u8]) -> Signature {
        if self.0.secrets.is_empty() {
            return Signature::Unchecked;
        }
        if !headers.contains_key(HEADER_WEBHOOK_SIGNATURE) {
            return Signature::Missing;
        }
        let good = |secret: &String| Webhook::new(secret).is_ok_and(|webhook| webhook.verify(body, headers).is_ok());
        if self.0.secrets.iter().any(good) { Signature::Good } else { Signature::Bad }
    }
}
