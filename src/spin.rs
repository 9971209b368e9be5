//! The adapter: the library's ports, implemented with spin-sdk. It decides nothing.
//!
//! It takes the request and the place for the response apart, not whole, so that the service can refuse a body without
//! reading it. Wasm only; moving to another SDK is a matter of this file.
#![allow(unsafe_code, reason = "the SDK's macro makes the component's export with it")]

use std::cell::OnceCell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use chrono::Utc;
use futures_util::StreamExt as _;
use http::request::Parts;
use spin_executor::{CancelOnDropToken, push_waker_and_get_token};
use spin_sdk::http::{
    Fields, IncomingRequest, IncomingResponse, Method, OutgoingResponse, ResponseOutparam, SendError, send,
};
use spin_sdk::{http_component, key_value, variables};
use wasi::clocks::monotonic_clock;

use crate::forward::{Deliver, NotSent};
use crate::service::{BrokenOff, Service};
use crate::settings::Settings;
use crate::store::{Store, StoreError};

#[http_component]
async fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let head = head(&request);
    let mut body = pin!(request.into_body_stream());
    let store = SpinStore::default();
    let service = Service { store: &store, deliver: &SpinDeliver, settings: Settings::read(variable), clock: Utc::now };
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

/// An empty body is not sent at all: an empty second packet would cost what a full one does.
async fn respond(response: http::Response<Vec<u8>>, out: ResponseOutparam) -> anyhow::Result<()> {
    let (head, body) = response.into_parts();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    let outgoing = OutgoingResponse::new(Fields::from_list(&headers.collect::<Vec<_>>())?);
    outgoing.set_status_code(head.status.as_u16()).map_err(|()| anyhow::anyhow!("{} is no status", head.status))?;
    if body.is_empty() {
        out.set(outgoing);
    } else {
        out.set_with_body(outgoing, body).await?;
    }
    Ok(())
}

fn variable(name: &str) -> Result<Option<String>, String> {
    use variables::Error;
    match variables::get(name) {
        Ok(value) => Ok(Some(value)),
        Err(Error::Undefined(_)) => Ok(None),
        Err(Error::InvalidName(reason) | Error::Provider(reason) | Error::Other(reason)) => Err(reason),
    }
}

/// `wasi:http/outgoing-handler`, as far as `allowed_outbound_hosts` lets it.
struct SpinDeliver;

impl Deliver for SpinDeliver {
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

/// The store `default`, opened when it is first asked for: who is refused costs no store.
#[derive(Default)]
struct SpinStore(OnceCell<key_value::Store>);

impl SpinStore {
    fn open(&self) -> Result<&key_value::Store, StoreError> {
        if let Some(open) = self.0.get() {
            return Ok(open);
        }
        let opened = key_value::Store::open_default()?;
        Ok(self.0.get_or_init(|| opened))
    }
}

impl Store for SpinStore {
    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.open()?.exists(key)?)
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.open()?.get(key)?)
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        Ok(self.open()?.set(key, value)?)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        Ok(self.open()?.delete(key)?)
    }

    async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.open()?.get_keys()?)
    }
}

impl From<key_value::Error> for StoreError {
    fn from(error: key_value::Error) -> Self {
        Self(match error {
            key_value::Error::Other(reason) => reason,
            key_value::Error::NoSuchStore => "this platform has no store named default".to_owned(),
            key_value::Error::AccessDenied => "the component may not use the store default (spin.toml)".to_owned(),
            key_value::Error::StoreTableFull => "too many stores are open".to_owned(),
        })
    }
}
