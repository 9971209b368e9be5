//! The receiving end of forwarding, for tests and for trials: takes what comes, verifies who signed it, and misbehaves on demand.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, Webhook};
use tokio::net::TcpListener;

/// The most bytes that a body may have.
const MOST_BODY: usize = 1 << 20;

/// What it answers instead of 200, and for how long.
#[derive(Clone, Debug, Default)]
pub struct Misbehaviour {
    /// The status. Without it, 200.
    pub status: Option<StatusCode>,
    /// What `Retry-After` says, in seconds.
    pub retry_after: Option<u64>,
    /// How long an answer takes.
    pub delay: Duration,
    /// For how long from the beginning. Without it, for ever.
    pub time: Option<Duration>,
}

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

/// A receiving end. Cheap to clone.
#[derive(Clone)]
pub struct Receiver(Arc<Inner>);

struct Inner {
    secrets: Vec<String>,
    misbehaviour: Mutex<(Misbehaviour, Instant)>,
    seen: Mutex<HashSet<String>>,
    take: Box<dyn Fn(Received) + Send + Sync>,
}

/// A secret is not `whsec_` and base64.
#[derive(Debug, thiserror::Error)]
#[error("a secret is not whsec_ and base64")]
pub struct NoSecret;

impl Receiver {
    /// One that verifies with these secrets, and hands each request to `take` before it answers.
    pub fn new(
        secrets: Vec<String>,
        misbehaviour: Misbehaviour,
        take: impl Fn(Received) + Send + Sync + 'static,
    ) -> Result<Self, NoSecret> {
        if secrets.iter().any(|secret| Webhook::new(secret).is_err()) {
            return Err(NoSecret);
        }
        let misbehaviour = Mutex::new((misbehaviour, Instant::now()));
        Ok(Self(Arc::new(Inner { secrets, misbehaviour, seen: Mutex::default(), take: Box::new(take) })))
    }

    /// Behaves like this from now on.
    pub fn behave(&self, misbehaviour: Misbehaviour) {
        *self.0.misbehaviour.lock() = (misbehaviour, Instant::now());
    }

    /// Serves until it is dropped.
    pub async fn serve(self, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            let receiver = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let receiver = receiver.clone();
                    async move { Ok::<_, Infallible>(receiver.answer(request).await) }
                });
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Empty<Bytes>> {
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, MOST_BODY).collect().await else {
            return response(StatusCode::PAYLOAD_TOO_LARGE, None);
        };
        let body = body.to_bytes();
        let behaviour = self.behaviour();
        // To sleep for no time takes a millisecond.
        if !behaviour.delay.is_zero() {
            tokio::time::sleep(behaviour.delay).await;
        }
        let status = behaviour.status.unwrap_or(StatusCode::OK);
        let mut received = Received {
            signature: self.signature(&head.headers, &body),
            method: head.method,
            uri: head.uri,
            headers: head.headers,
            body,
            again: false,
            status,
        };
        if let Some(id) = received.id().map(str::to_owned) {
            let mut seen = self.0.seen.lock();
            received.again = if status.is_success() { !seen.insert(id) } else { seen.contains(&id) };
        }
        (self.0.take)(received);
        response(status, behaviour.retry_after)
    }

    /// As it is to behave now.
    fn behaviour(&self) -> Misbehaviour {
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

fn response(status: StatusCode, retry_after: Option<u64>) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
