//! Accepts connections, answers requests over HTTP/1.1, and stops gracefully.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use wasmtime_wasi_http::WasiBody;

use crate::guest::Guest;
use crate::guest::ticks;
pub use crate::http::address::PerAddress;
use crate::http::body::{self, BodyError, ReadAhead};
use crate::http::client_address::Proxies;
use crate::http::connections::{ConnectionSlot, Connections};
use crate::http::draining::{DrainingStream, KeptOpen};
use crate::http::failure::{RequestFailure, check_head};
use crate::http::health;
use crate::http::threads::Threads;
use crate::http::tls::Tls;
use crate::http::unauthenticated::Unauthenticated;
use crate::metrics::figures::{Limit, Metrics};
use crate::rate_limited_log::RateLimitedLog;

/// How long a connection can stay without a request, or with an incomplete head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// The most bytes in the head of a request; a longer head is answered 431. An incomplete head is kept until
/// [`HEAD_TIMEOUT`], and any client can send one on each of its connections.
///
/// With the other limits, this bounds the memory that a connection can occupy:
///
/// | what | limit |
/// |---|---|
/// | a head | 32 KiB in a buffer that grows by doubling; 100 headers (hyper's default, also 431) |
/// | one read, including pipelined requests | 32 KiB in that buffer |
/// | trailers of a chunked body | 32 KiB, 100 of them; chunk extensions are skipped, at most 16 KiB of them |
/// | one write | 32 KiB and one part of an answer; the next request waits until it is sent |
/// | a TLS handshake | 64 KiB (rustls) until the handshake's timeout, then 18 KiB for an incomplete record |
/// | a body | [`crate::http::body`] |
/// | an answer | [`crate::guest::answer`] |
const HEAD_BYTES: usize = 32 << 10;

/// How long accepted requests can take once the host is stopping.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

/// How long delivery runs and compaction can take after that.
const AFTER_ANSWERS_TIMEOUT: Duration = Duration::from_secs(12);

/// Options of the server. Default: http, without limits.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Serves https only, with this certificate. Its files are reloaded when they change.
    pub tls: Option<Tls>,
    /// The proxies whose `X-Forwarded-For` is trusted. Limits per address do not apply to them.
    pub proxies: Proxies,
    /// The most connections. Unauthenticated ones are closed to make room for new ones.
    pub max_connections: Option<NonZeroU32>,
    /// The most unauthenticated connections of one address.
    pub max_connections_per_address: Option<PerAddress>,
    /// The most requests per second of one address without a valid token.
    pub unauthenticated_requests_per_second: Option<PerAddress>,
    /// Counts requests and connections.
    pub metrics: Option<Metrics>,
}

/// Serves until `stop` is ready, then finishes accepted requests. An error if they take too long.
pub fn serve(
    listener: TcpListener,
    guest: Guest,
    options: Options,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Boxed<anyhow::Result<()>> {
    serve_boxed(listener, guest, options, Box::pin(stop))
}

/// A boxed future, so that programs that use this crate do not compile the server again.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

fn serve_boxed(listener: TcpListener, guest: Guest, options: Options, stop: Boxed<()>) -> Boxed<anyhow::Result<()>> {
    Box::pin(serve_until(stop, listener, guest, options))
}

async fn serve_until(mut stop: Boxed<()>, listener: TcpListener, guest: Guest, options: Options) -> anyhow::Result<()> {
    // Each connection holds a receiver until it has ended.
    let (stopping, _) = watch::channel(());
    let server = Arc::new(HttpServer::new(guest, options));
    let threads = Threads::start().context("no threads can be started")?;
    let background = tokio::spawn(Arc::clone(&server).run_background_tasks());
    loop {
        tokio::select! {
            accepted = server.accept(&listener) => {
                let started = accepted.and_then(|(stream, peer, slot)| {
                    let (server, stopped) = (Arc::clone(&server), stopping.subscribe());
                    threads.serve(stream, move |stream| server.connection(stream, peer, slot, stopped))
                });
                if let Err(error) = started {
                    // Probably out of file descriptors: open connections will return theirs.
                    tracing::error!("a connection was not accepted: {error}");
                    sleep(Duration::from_millis(50)).await;
                }
            }
            () = &mut stop => break,
        }
    }
    drop(listener);
    background.abort();
    tracing::info!(connections = stopping.receiver_count(), "stopping; accepted requests are finished first");
    stopping.send_replace(());
    let finished = timeout(SHUTDOWN_TIMEOUT, stopping.closed()).await;
    // An interrupted delivery run sends events again if their receipts were not stored.
    if !server.guest.finish(AFTER_ANSWERS_TIMEOUT).await {
        tracing::warn!("a delivery run was interrupted: its last events can be sent a second time");
        ticks::cut_short(&server.guest).await;
    }
    threads.end().await;
    finished
        .map_err(|_| anyhow::anyhow!("some requests were not finished within {} seconds", SHUTDOWN_TIMEOUT.as_secs()))
}

struct HttpServer {
    guest: Guest,
    options: Options,
    connections: Arc<Connections>,
    unauthenticated: Unauthenticated,
    tls_on_plain_port: RateLimitedLog,
    refused_heads: RateLimitedLog,
    no_room: RateLimitedLog,
}

/// Changes when the host is stopping.
type Stopped = watch::Receiver<()>;

impl HttpServer {
    fn new(guest: Guest, options: Options) -> Self {
        let connections = Connections::new(options.max_connections, options.max_connections_per_address);
        let unauthenticated = Unauthenticated::new(guest.settings(), options.unauthenticated_requests_per_second);
        Self {
            guest,
            options,
            connections: Arc::new(connections),
            unauthenticated,
            tls_on_plain_port: RateLimitedLog::default(),
            refused_heads: RateLimitedLog::default(),
            no_room: RateLimitedLog::default(),
        }
    }

    /// Ticks, limits, certificate renewal and the swap check. Never returns.
    async fn run_background_tasks(self: Arc<Self>) {
        let follow = async {
            if let Some(tls) = &self.options.tls {
                tls.follow().await;
            }
        };
        let swap = self.guest.limits.swap.watch();
        tokio::join!(ticks::tick(self.guest.clone()), self.connections.enforce(), follow, swap);
    }

    /// Accepts a connection. Waits for a slot only if authenticated clients hold all of them.
    async fn accept(&self, listener: &TcpListener) -> io::Result<(TcpStream, IpAddr, ConnectionSlot)> {
        let (stream, peer) = listener.accept().await?;
        let peer = peer.ip().to_canonical();
        self.connections.room().await;
        let slot = self.connections.enter(peer, self.options.proxies.trusts(peer));
        Ok((stream, peer, slot))
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, peer: IpAddr, slot: ConnectionSlot, stopped: Stopped) {
        let _open = self.options.metrics.as_ref().map(Metrics::connection);
        // An answer must not wait for the acknowledgement of the previous one.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("TCP_NODELAY: {error}");
        }
        tokio::select! {
            () = self.serve_stream(stream, peer, &slot, stopped) => {}
            () = slot.must_close() => self.limited(Limit::Connections),
        }
    }

    async fn serve_stream(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: IpAddr,
        slot: &ConnectionSlot,
        mut stopped: Stopped,
    ) {
        let Some(tls) = &self.options.tls else {
            let server = Arc::clone(self);
            let stream = DrainingStream::plain(stream, move || server.warn_of_tls(peer));
            return self.serve_http(stream, peer, slot, stopped).await;
        };
        let accepted = tokio::select! {
            accepted = tls.accept(stream, peer) => accepted,
            // A client in the handshake has not sent a request.
            _ = stopped.changed() => None,
        };
        if let Some(stream) = accepted {
            self.serve_http(stream, peer, slot, stopped).await;
        }
    }

    /// Serves requests, then drains the connection without the memory that they needed: while a crowd is refused, most
    /// connections are draining.
    async fn serve_http(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Send + Unpin,
        peer: IpAddr,
        slot: &ConnectionSlot,
        mut stopped: Stopped,
    ) {
        match self.serve_requests(&mut stream, peer, slot, &mut stopped).await {
            Err(error) if error.is_parse() => self.warn_of_head(peer, &error),
            Err(error) => tracing::debug!("a connection ended early: {error}"),
            Ok(()) => {}
        }
        if let Err(error) = stream.shutdown().await {
            tracing::debug!("a connection was not shut down: {error}");
        }
    }

    async fn serve_requests(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Send + Unpin),
        peer: IpAddr,
        slot: &ConnectionSlot,
        stopped: &mut Stopped,
    ) -> hyper::Result<()> {
        let service = service_fn(async |request| Ok::<_, Infallible>(self.answer(peer, slot, request).await));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_header_size(HEAD_BYTES)
            // Without this, the buffer grows to 400 KiB, and fast clients fill it.
            .max_buf_size(HEAD_BYTES)
            // A client that closes its half after the request still gets its answer.
            .half_close(true)
            .serve_connection(TokioIo::new(KeptOpen(stream)), service);
        let mut connection = pin!(connection);
        tokio::select! {
            ended = &mut connection => return ended,
            _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    }

    fn warn_of_head(&self, client: IpAddr, reason: &dyn std::error::Error) {
        self.refused_heads.say(|unsaid| tracing::warn!(%client, unsaid, "a request was refused unread: {reason}"));
    }

    fn warn_of_tls(&self, peer: IpAddr) {
        self.tls_on_plain_port.say(|unsaid| {
            tracing::warn!(
                client = %peer,
                unsaid,
                "a client sent https to the http port: change its URL to http:, or set --tls-cert and --tls-key"
            );
        });
    }

    fn warn_of_no_room(&self, client: IpAddr, failure: &RequestFailure) {
        if matches!(failure, RequestFailure::Body(BodyError::NoRoom)) {
            self.no_room.say(|unsaid| tracing::warn!(%client, unsaid, "503: {failure}"));
        }
    }

    fn limited(&self, limit: Limit) {
        if let Some(metrics) = &self.options.metrics {
            metrics.limited(limit);
        }
    }

    /// Answers a request and logs one line without query, token and body. Requests above the limit get no line: a
    /// client can send any number of them.
    async fn answer(&self, peer: IpAddr, slot: &ConnectionSlot, request: Request<Incoming>) -> Response<WasiBody> {
        let started = Instant::now();
        let client = self.options.proxies.client(peer, request.headers());
        let (head, body) = request.into_parts();
        if let Err(error) = check_head(&head) {
            self.warn_of_head(client, &error);
            return RequestFailure::from(error).response();
        }
        let shows_a_token = match self.unauthenticated.admit(&head, client) {
            Ok(shows_a_token) => shows_a_token,
            Err(too_many) => {
                self.limited(Limit::Requests);
                return RequestFailure::from(too_many).response();
            }
        };
        slot.request_began(shows_a_token);
        let method = head.method.clone();
        let path = head.uri.path().to_owned();
        let ahead = self.unauthenticated.ahead(shows_a_token);
        let response = match handle(&self.guest, head, body, ahead).await {
            Ok(response) => response,
            Err(failure) => {
                self.warn_of_no_room(client, &failure);
                failure.response()
            }
        };
        slot.request_ended();
        if method == Method::POST && response.status().is_success() {
            self.guest.ticks.event_stored();
        }
        let time = started.elapsed();
        if let Some(metrics) = &self.options.metrics {
            metrics.answered(&method, &path, &response, time);
        }
        tracing::info!(
            %client,
            %method,
            path = %loggable(&path),
            status = response.status().as_u16(),
            event = text(response.headers(), "event-id"),
            result = text(response.headers(), "event-result"),
            // The JSON log would write 128 bits as text.
            microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX),
            "request"
        );
        response
    }
}

/// The path for the log, up to the first character that no path here contains. A mistyped URL such as
/// `/events&outbound_event_token=…` has its token in the path.
fn loggable(path: &str) -> &str {
    let unexpected = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-'));
    let plain = path.split(unexpected).next().unwrap_or_default();
    plain.get(..128).unwrap_or(plain)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

async fn handle(
    guest: &Guest,
    mut head: Parts,
    body: Incoming,
    ahead: ReadAhead,
) -> Result<Response<WasiBody>, RequestFailure> {
    // HTTP/1.0 has no Host, but the guest requires one.
    if head.uri.authority().is_none() {
        head.headers.entry(header::HOST).or_insert(HeaderValue::from_static("localhost"));
    }
    let asks_for_health = head.uri.path() == health::PATH;
    let body = body::read_body(body, ahead, guest.limits.body).await?;
    let response = guest.handle(Request::from_parts(head, body)).await?;
    Ok(if asks_for_health { health::answer(&guest.store, response).await } else { response })
}
