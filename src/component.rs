//! The adapter for what all hosts have in common, which is `wasi:http`, with spin-sdk: incoming requests here,
//! outgoing ones in `outgoing.rs`. `spin.rs` and `wasi.rs` adapt the store and the settings; one of them is compiled
//! in. None of the four decides anything.
//!
//! It takes the request and the response apart, not whole, so that the service can refuse a body without reading it.
//! Wasm only. To move to another SDK, change this file, `outgoing.rs` and `spin.rs`.
#![allow(unsafe_code, reason = "the SDK's macro makes the component's export with it")]

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::request::Parts;
use spin_sdk::http::{Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam};
use spin_sdk::http_component;
use wasi::clocks::{monotonic_clock, wall_clock};
use wasi::io::streams::StreamError;
use wasi::random::random::get_random_u64;

use crate::outgoing::WasiHttpClient;
use crate::platform::Platform;
use crate::service::{self, BrokenOff, Service};
use crate::settings::SettingVariables;
#[cfg(not(feature = "wasi"))]
use crate::spin::{HostStore, variable};
#[cfg(feature = "wasi")]
use crate::wasi::{HostStore, variable};

#[http_component]
async fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let variables = SettingVariables::new(&variable);
    let platform = HostPlatform { store: HostStore::new(&variables) };
    let service = Service { platform: &platform, variables: &variables };
    let mut chunk = chunks(&request);
    let answer = service.handle(head(&request), async || chunk()).await;
    if let Some(line) = answer.log {
        eprintln!("{line}");
    }
    if let Err(error) = respond(answer.response, out).await {
        eprintln!("the response was not sent: {error:#}");
    }
    // The sender has its answer. The platform lets the component continue.
    for line in service.follow_up(answer.follow_up).await {
        eprintln!("{line}");
    }
}

/// The component's host, as a platform.
struct HostPlatform<'a> {
    store: HostStore<'a>,
}

impl<'a> Platform for HostPlatform<'a> {
    type Store = HostStore<'a>;
    type HttpClient = WasiHttpClient;

    fn store(&self) -> &HostStore<'a> {
        &self.store
    }

    fn http_client(&self) -> &WasiHttpClient {
        &WasiHttpClient
    }

    /// Asks WASI itself. The standard library asks through the adapter for `wasm32-wasip1`, which then allocates 64 KiB
    /// for its state.
    fn now(&self) -> DateTime<Utc> {
        let wall_clock::Datetime { seconds, nanoseconds } = wall_clock::now();
        i64::try_from(seconds)
            .ok()
            .and_then(|seconds| DateTime::from_timestamp(seconds, nanoseconds))
            .unwrap_or_default()
    }

    fn random(&self) -> u64 {
        get_random_u64()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(monotonic_clock::now())
    }
}

fn head(request: &IncomingRequest) -> Result<Parts, http::Error> {
    let method = match request.method() {
        Method::Get => http::Method::GET,
        Method::Head => http::Method::HEAD,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Delete => http::Method::DELETE,
        Method::Connect => http::Method::CONNECT,
        Method::Options => http::Method::OPTIONS,
        Method::Trace => http::Method::TRACE,
        Method::Patch => http::Method::PATCH,
        Method::Other(name) => http::Method::from_bytes(name.as_bytes())?,
    };
    let (mut head, ()) = http::Request::new(()).into_parts();
    head.method = method;
    let mut path = request.path_with_query().unwrap_or_default();
    // An empty path means `/` (RFC 9110, 4.2.3).
    if path.is_empty() || path.starts_with('?') {
        path.insert(0, '/');
    }
    head.uri = path.try_into()?;
    for (name, value) in request.headers().entries() {
        if let Some(read) = service::HEADERS.iter().find(|read| read.as_str().eq_ignore_ascii_case(&name)) {
            head.headers.append(read, value.try_into()?);
        }
    }
    Ok(head)
}

/// The largest chunk of a body: more than most events have.
const CHUNK: u64 = 16 * 1024;

/// The chunks of a request's body. The body is opened on first use, so a refused body costs no stream. Blocks for
/// each chunk, since there is nothing else to do.
fn chunks(request: &IncomingRequest) -> impl FnMut() -> Result<Option<Vec<u8>>, BrokenOff> {
    let mut open = None;
    move || {
        if open.is_none() {
            let body = request.consume().map_err(|()| BrokenOff)?;
            // The stream is a child of the body, and must be dropped first.
            open = Some((body.stream().map_err(|()| BrokenOff)?, body));
        }
        let Some((stream, _)) = &open else { return Ok(None) };
        match stream.blocking_read(CHUNK) {
            Ok(chunk) => Ok(Some(chunk)),
            Err(StreamError::Closed) => Ok(None),
            Err(StreamError::LastOperationFailed(_)) => Err(BrokenOff),
        }
    }
}

/// jco requires that every response's body is taken before the response is set, even an empty one. Spin's hosts do
/// not, and each call adds to the cost of an event.
const TAKES_EVERY_BODY: bool = cfg!(feature = "wasi");

/// Sends the response. An empty body is not sent at all: an empty second packet costs as much as a full one.
async fn respond(response: http::Response<Vec<u8>>, out: ResponseOutparam) -> anyhow::Result<()> {
    let (head, body) = response.into_parts();
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    let outgoing = OutgoingResponse::new(Fields::from_list(&headers.collect::<Vec<_>>())?);
    // 200 is the default.
    if head.status != http::StatusCode::OK {
        outgoing
            .set_status_code(head.status.as_u16())
            .map_err(|()| anyhow::anyhow!("{} is not a valid status", head.status))?;
    }
    if body.is_empty() {
        let nothing = TAKES_EVERY_BODY.then(|| outgoing.body().ok()).flatten();
        out.set(outgoing);
        nothing.map_or(Ok(()), |nothing| OutgoingBody::finish(nothing, None))?;
    } else {
        out.set_with_body(outgoing, body).await?;
    }
    Ok(())
}
