//! Sockets and HTTP/1.1: what stands between a sender and the guest.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep, timeout};
use wasmtime_wasi_http::WasiBody;

use crate::body::{self, Unread};
use crate::client::Proxies;
use crate::guest::{Guest, GuestError};
use crate::ticks;

/// How long a connection is kept that sends no request, or sends its head slowly.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// How long those who were accepted may take to finish once the host is told to stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

/// How long what goes on after answers may take then.
const ROUND_TIMEOUT: Duration = Duration::from_secs(12);

/// How it serves, beside what.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The proxies whose word is taken for where requests come from.
    pub proxies: Proxies,
}

/// Serves until `stop` is ready, then finishes what was accepted. An error if that took too long.
pub async fn serve(
    listener: TcpListener,
    guest: Guest,
    options: Options,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let options = Arc::new(options);
    let graceful = GracefulShutdown::new();
    let ticks = tokio::spawn(ticks::tick(guest.clone()));
    tokio::pin!(stop);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let watcher = graceful.watcher();
                    tokio::spawn(connection(stream, peer.ip(), guest.clone(), Arc::clone(&options), watcher));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: those in use will be given back.
                    tracing::error!("a connection was not accepted: {error}");
                    sleep(Duration::from_millis(50)).await;
                }
            },
            () = &mut stop => break,
        }
    }
    drop(listener);
    ticks.abort();
    tracing::info!(connections = graceful.count(), "stopping; what was accepted is finished first");
    timeout(SHUTDOWN_TIMEOUT, graceful.shutdown()).await.map_err(|_| {
        anyhow::anyhow!("some requests were not finished within {} seconds", SHUTDOWN_TIMEOUT.as_secs())
    })?;
    // A round that is cut short sends again what it had not written down.
    if !guest.finish(ROUND_TIMEOUT).await {
        tracing::warn!("a round to a destination was cut short: what it had just sent may be sent again");
    }
    Ok(())
}

async fn connection(stream: TcpStream, peer: IpAddr, guest: Guest, options: Arc<Options>, watcher: Watcher) {
    // The answer leaves at once, whatever the last one's acknowledgement does.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("TCP_NODELAY: {error}");
    }
    let service = service_fn(move |request| {
        let guest = guest.clone();
        let client = options.proxies.client(peer, request.headers());
        async move { Ok::<_, Infallible>(answer(&guest, client, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        // A sender that closes its half after the request still gets its answer.
        .half_close(true)
        .serve_connection(TokioIo::new(Lingering::new(stream)), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!("a connection ended early: {error}");
    }
}

/// Answers one request, and logs one line: no query, no token, no body.
async fn answer(guest: &Guest, client: IpAddr, request: Request<Incoming>) -> Response<WasiBody> {
    let started = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let response = match handle(guest, request).await {
        Ok(response) => response,
        Err(failure) => failure.response(),
    };
    if method == Method::POST && response.status().is_success() {
        guest.took();
    }
    tracing::info!(
        %client,
        %method,
        path = %shown(&path),
        status = response.status().as_u16(),
        event = text(response.headers(), "event-id"),
        result = text(response.headers(), "event-result"),
        // Of 128 bits it would be text in JSON.
        microseconds = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        "request"
    );
    response
}

/// The path for the log, as far as it is made of what the paths here are made of. A mistyped URL such as
/// `/events&outbound_event_token=…` has its token in the path.
fn shown(path: &str) -> &str {
    let odd = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-'));
    let plain = path.split(odd).next().unwrap_or_default();
    plain.get(..128).unwrap_or(plain)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

async fn handle(guest: &Guest, request: Request<Incoming>) -> Result<Response<WasiBody>, Failure> {
    let (mut head, incoming) = request.into_parts();
    // HTTP/1.0 knows no Host; a guest is always given one.
    if head.uri.authority().is_none() {
        head.headers.entry(header::HOST).or_insert(HeaderValue::from_static("localhost"));
    }
    let body = body::read(incoming, guest.limits.body).await?;
    Ok(guest.handle(Request::from_parts(head, body)).await?)
}

/// Why the host answers instead of its guest.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Body(#[from] Unread),
    #[error(transparent)]
    Guest(#[from] GuestError),
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::Body(Unread::Stalled | Unread::Slow) => StatusCode::REQUEST_TIMEOUT,
            Self::Body(Unread::BrokenOff(_)) | Self::Guest(GuestError::Request(_)) => StatusCode::BAD_REQUEST,
            Self::Guest(GuestError::Busy | GuestError::Slow) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Guest(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What the sender is told: what it can mend, or that it should try again. The rest is for the log.
    fn detail(&self) -> String {
        match self.status() {
            StatusCode::SERVICE_UNAVAILABLE => "the recipient is busy; send it again".to_owned(),
            StatusCode::INTERNAL_SERVER_ERROR => "the component failed; the recipient's log says how".to_owned(),
            _ => self.to_string(),
        }
    }

    /// RFC 9457, as the guest's own.
    fn response(&self) -> Response<WasiBody> {
        let status = self.status();
        if status.is_server_error() {
            tracing::error!("{self}");
        }
        let problem = serde_json::json!({
            "title": status.canonical_reason().unwrap_or_default(),
            "status": status.as_u16(),
            "detail": self.detail(),
        });
        let body = Full::new(Bytes::from(problem.to_string())).map_err(|never| match never {}).boxed_unsync();
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        if matches!(self, Self::Body(_)) {
            // What the sender still owes cannot be told from a next request.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// A connection that reads on for a moment when it is shut down.
///
/// A body that is refused without being read is still on its way. To close at once would reset the connection, and the
/// sender might never see why. So what it still sends is dropped, within bounds.
struct Lingering {
    stream: TcpStream,
    until: Option<Pin<Box<Sleep>>>,
    left: usize,
}

impl Lingering {
    const TIME: Duration = Duration::from_secs(2);
    const BYTES: usize = 4 << 20;

    fn new(stream: TcpStream) -> Self {
        Self { stream, until: None, left: Self::BYTES }
    }
}

impl AsyncRead for Lingering {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.until.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let until = this.until.get_or_insert_with(|| Box::pin(sleep(Self::TIME)));
        let mut dropped = [0; 16 * 1024];
        while this.left > 0 && until.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut dropped);
            match Pin::new(&mut this.stream).poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    this.left = this.left.saturating_sub(buffer.filled().len());
                }
                // The sender is done, or gone.
                Poll::Ready(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
