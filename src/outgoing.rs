//! The adapter for outgoing requests: implements the library's port with `wasi:http/outgoing-handler` and spin-sdk.
//! It decides nothing. Wasm only.

use std::borrow::Cow;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use http::{StatusCode, header};
use spin_executor::{CancelOnDropToken, push_waker_and_get_token};
use spin_sdk::http::{ErrorCode, IncomingResponse, SendError, send};
use spin_sdk::wit::wasi::http0_2_0::types::IncomingBody;
use wasi::clocks::monotonic_clock;
use wasi::io::poll::Pollable;
use wasi::io::streams::InputStream;

use crate::http_client::{HttpClient, NotSent, ResponseBody};

/// The HTTP client of the component's host.
pub struct WasiHttpClient;

impl HttpClient for WasiHttpClient {
    type Body = IncomingChunks;

    async fn send(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<IncomingChunks>, NotSent> {
        let incoming: IncomingResponse = send(request).await.map_err(|error| not_sent(&error))?;
        let mut response = http::Response::builder().status(incoming.status());
        for (name, value) in incoming.headers().entries() {
            response = response.header(name, value);
        }
        let mut response = response.body(IncomingChunks::NONE).map_err(|error| NotSent(error.to_string()))?;
        if may_have_body(&response) {
            response.body_mut().response = Some(incoming);
        }
        Ok(response)
    }

    async fn wait(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let until = monotonic_clock::now().saturating_add(nanoseconds);
        let subscribe = || monotonic_clock::subscribe_instant(until);
        until_some(subscribe, || (until <= monotonic_clock::now()).then_some(())).await;
    }
}

/// Whether the response can have a body: asking for it costs calls to the host.
fn may_have_body<T>(response: &http::Response<T>) -> bool {
    let is_empty = response.headers().get(header::CONTENT_LENGTH).is_some_and(|length| length == "0");
    !is_empty && ![StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&response.status())
}

/// Asks until there is an answer; the host wakes the task between two attempts.
async fn until_some<T>(subscribe: impl Fn() -> Pollable, mut ask: impl FnMut() -> Option<T>) -> T {
    let mut waiting: Option<CancelOnDropToken> = None;
    poll_fn(|context| {
        drop(waiting.take());
        let answer = ask();
        if answer.is_none() {
            waiting = Some(push_waker_and_get_token(subscribe(), context.waker().clone()).into());
        }
        answer.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

/// The largest chunk of a body.
const CHUNK: u64 = 4 * 1024;

/// The chunks of a response's body, which is opened on first use.
pub struct IncomingChunks {
    /// The stream is a child of the body, and must be dropped first.
    open: Option<(InputStream, IncomingBody)>,
    /// Kept while the body is read: on some hosts the exchange ends with it. `None` if there is no body.
    response: Option<IncomingResponse>,
}

impl IncomingChunks {
    const NONE: Self = Self { open: None, response: None };

    fn opened(&mut self) -> Option<&InputStream> {
        if self.open.is_none() {
            let body = self.response.as_ref()?.consume().ok()?;
            self.open = Some((body.stream().ok()?, body));
        }
        self.open.as_ref().map(|(stream, _)| stream)
    }
}

impl ResponseBody for IncomingChunks {
    async fn chunk(&mut self) -> Option<Vec<u8>> {
        let stream = self.opened()?;
        let read = || match stream.read(CHUNK) {
            // There is no data yet.
            Ok(chunk) if chunk.is_empty() => None,
            Ok(chunk) => Some(Some(chunk)),
            // The body has ended, or the connection broke.
            Err(_) => Some(None),
        };
        until_some(|| stream.subscribe(), read).await
    }
}

/// The message for a request without an answer.
fn not_sent(error: &SendError) -> NotSent {
    NotSent(match error {
        SendError::Http(code) => format!("no answer: {}", words(code)),
        SendError::Io(_) => "no answer: it closed the connection while the request was sent".to_owned(),
        SendError::RequestConversion(_) => "this platform refuses this request".to_owned(),
        SendError::ResponseConversion(_) => "no answer: this platform cannot read it".to_owned(),
    })
}

/// The messages for the errors of `wasi:http`, with the names used there. The host's own message, if there is one, is
/// more precise.
fn words(code: &ErrorCode) -> Cow<'_, str> {
    use ErrorCode::*;
    let words = match code {
        InternalError(Some(text)) if !text.is_empty() => return text.into(),
        InternalError(_) => "this platform failed (internal-error)",
        DnsTimeout => "the name was not resolved in time (DNS-timeout)",
        DnsError(_) => "the name could not be resolved (DNS-error)",
        DestinationNotFound => "there is no server of that name (destination-not-found)",
        DestinationUnavailable => "it could not be reached (destination-unavailable)",
        DestinationIpProhibited => {
            "its address is not public: set private in its entry of the setting to allow it (destination-IP-prohibited)"
        }
        DestinationIpUnroutable => "there is no route to its address (destination-IP-unroutable)",
        ConnectionRefused => "the connection was refused (connection-refused)",
        ConnectionTerminated => "the connection was closed (connection-terminated)",
        ConnectionTimeout => "there was no connection in time (connection-timeout)",
        ConnectionReadTimeout => "no data arrived in time (connection-read-timeout)",
        ConnectionWriteTimeout => "the request was not accepted in time (connection-write-timeout)",
        ConnectionLimitReached => "this platform has too many connections (connection-limit-reached)",
        TlsProtocolError => "TLS failed (TLS-protocol-error)",
        TlsCertificateError => "its certificate is not trusted (TLS-certificate-error)",
        TlsAlertReceived(_) => "it closed the TLS connection with an alert (TLS-alert-received)",
        HttpRequestDenied => {
            "this platform does not allow requests to it: see allowed_outbound_hosts in spin.toml (HTTP-request-denied)"
        }
        HttpRequestLengthRequired => "the request has no length (HTTP-request-length-required)",
        HttpRequestBodySize(_) => "the request is too large for this platform (HTTP-request-body-size)",
        HttpRequestMethodInvalid => "this platform refuses the method (HTTP-request-method-invalid)",
        HttpRequestUriInvalid => "this platform refuses the URL (HTTP-request-URI-invalid)",
        HttpRequestUriTooLong => "the URL is too long (HTTP-request-URI-too-long)",
        HttpRequestHeaderSectionSize(_) | HttpRequestHeaderSize(_) => {
            "the headers are too large (HTTP-request-header-size)"
        }
        HttpRequestTrailerSectionSize(_) | HttpRequestTrailerSize(_) => {
            "the trailers are too large (HTTP-request-trailer-size)"
        }
        HttpResponseIncomplete => "the answer was cut off (HTTP-response-incomplete)",
        HttpResponseHeaderSectionSize(_) | HttpResponseHeaderSize(_) => {
            "the answer's headers are too large (HTTP-response-header-size)"
        }
        HttpResponseBodySize(_) => "the answer is too large (HTTP-response-body-size)",
        HttpResponseTrailerSectionSize(_) | HttpResponseTrailerSize(_) => {
            "the answer's trailers are too large (HTTP-response-trailer-size)"
        }
        HttpResponseTransferCoding(_) => "the answer's transfer coding is unknown (HTTP-response-transfer-coding)",
        HttpResponseContentCoding(_) => "the answer's content coding is unknown (HTTP-response-content-coding)",
        HttpResponseTimeout => "no answer arrived in time (HTTP-response-timeout)",
        HttpUpgradeFailed => "the protocol could not be changed (HTTP-upgrade-failed)",
        HttpProtocolError => "it does not speak HTTP (HTTP-protocol-error)",
        LoopDetected => "the request loops (loop-detected)",
        ConfigurationError => "this platform is set up wrongly (configuration-error)",
    };
    words.into()
}
