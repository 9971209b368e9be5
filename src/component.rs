//! The adapter for what all hosts have, which is `wasi:http`, with spin-sdk. Where the store and the settings are found, `spin.rs`
//! and `wasi.rs` know: one of them is built in. None of the three decides anything.
//!
//! It takes the request and the place for the response apart, not whole, so that the service can refuse a body without
//! reading it. Wasm only; moving to another SDK is a matter of this file and `spin.rs`.
#![allow(unsafe_code, reason = "the SDK's macro makes the component's export with it")]

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use chrono::Utc;
use futures_util::StreamExt as _;
use http::request::Parts;
use spin_executor::{CancelOnDropToken, push_waker_and_get_token};
use spin_sdk::http::{
    Fields, IncomingRequest, IncomingResponse, Method, OutgoingBody, OutgoingResponse, ResponseOutparam, SendError,
    send,
};
use spin_sdk::http_component;
use wasi::clocks::monotonic_clock;

use crate::forward::{Deliver, NotSent};
use crate::service::{BrokenOff, Service};
use crate::settings::Settings;
#[cfg(not(feature = "wasi"))]
use crate::spin::{HostStore, variable};
#[cfg(feature = "wasi")]
use crate::wasi::{HostStore, variable};

#[http_component]
async fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let head = head(&request);
    let mut body = pin!(request.into_body_stream());
    let settings = Settings::read(variable);
    // Without settings, the store is not asked for.
    let store = HostStore::named(settings.as_ref().map(|settings| settings.bucket.clone()).unwrap_or_default());
    let service = Service { store: &store, deliver: &HttpDeliver, settings, clock: Utc::now };
    let answer = service.handle(head, async || body.next().await.transpose().map_err(|_| BrokenOff)).await;
    if let Some(line) = answer.log {
        eprintln!("{line}");
    }
    if let Err(error) = respond(answer.response, out).await {
        eprintln!("the response was not sent: {error:#}");
    }
    // The sender has its answer; the platform lets the component go on.
    for line in service.go_on(answer.after).await {
        eprintln!("{line}");
    }
}

fn head(request: &IncomingRequest) -> Result<Parts, http::Error> {
    let method = match request.method() {
        Method::Get => "GET".to_owned(),
        Method::Head => "HEAD".to_owned(),
        Method::Post => "POST".to_owned(),
        Method::Put => "PUT".to_owned(),
        Method::Delete => "DELETE".to_owned(),
        Method::Connect => "CONNECT".to_owned(),
        Method::Options => "OPTIONS".to_owned(),
        Method::Trace => "TRACE".to_owned(),
        Method::Patch => "PATCH".to_owned(),
        Method::Other(name) => name,
    };
    let mut head = http::Request::builder().method(method.as_str()).uri(request.path_with_query().unwrap_or_default());
    for (name, value) in request.headers().entries() {
        head = head.header(name, value);
    }
    Ok(head.body(())?.into_parts().0)
}

/// jco wants every response's body taken before the response is set, also one that stays empty. Spin's hosts do not, and there each
/// call is a part of what an event costs.
const TAKES_EVERY_BODY: bool = cfg!(feature = "wasi");

/// An empty body is not sent at all: an empty second packet would cost what a full one does.
async fn respond(response: http::Response<Vec<u8>>, out: ResponseOutparam) -> anyhow::Result<()> {
    let (head, body) = response.into_parts();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    let outgoing = OutgoingResponse::new(Fields::from_list(&headers.collect::<Vec<_>>())?);
    outgoing.set_status_code(head.status.as_u16()).map_err(|()| anyhow::anyhow!("{} is no status", head.status))?;
    if body.is_empty() {
        let nothing = TAKES_EVERY_BODY.then(|| outgoing.body().ok()).flatten();
        out.set(outgoing);
        nothing.map_or(Ok(()), |nothing| OutgoingBody::finish(nothing, None))?;
    } else {
        out.set_with_body(outgoing, body).await?;
    }
    Ok(())
}

/// `wasi:http/outgoing-handler`, as far as the host lets it.
struct HttpDeliver;

impl Deliver for HttpDeliver {
    async fn send(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<()>, NotSent> {
        let incoming: IncomingResponse = send(request).await.map_err(|error| not_sent(&error))?;
        let mut response = http::Response::builder().status(incoming.status());
        for (name, value) in incoming.headers().entries() {
            response = response.header(name, value);
        }
        response.body(()).map_err(|error| NotSent(error.to_string()))
    }

    async fn wait(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let until = monotonic_clock::now().saturating_add(nanoseconds);
        let mut waiting: Option<CancelOnDropToken> = None;
        poll_fn(|context| {
            drop(waiting.take());
            if until <= monotonic_clock::now() {
                return Poll::Ready(());
            }
            let pollable = monotonic_clock::subscribe_instant(until);
            waiting = Some(push_waker_and_get_token(pollable, context.waker().clone()).into());
            Poll::Pending
        })
        .await;
    }
}

/// What the platform says of it, which names no URL.
fn not_sent(error: &SendError) -> NotSent {
    NotSent(match error {
        SendError::Http(code) => {
            format!("it could not be reached: {}", format!("{code:?}").trim_start_matches("ErrorCode::"))
        }
        SendError::Io(_) => "it closed the connection while the event was sent".to_owned(),
        SendError::RequestConversion(_) | SendError::ResponseConversion(_) => {
            "it is no request that can be sent".to_owned()
        }
    })
}
