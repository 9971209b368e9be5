//! Sockets, TLS and HTTP/1.1: what stands between a sender and the guest.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use wasmtime_wasi_http::WasiBody;

use crate::guest::Guest;
use crate::guest::ticks;
pub use crate::http::address::PerAddress;
use crate::http::body::{self, Ahead, Unread};
use crate::http::client_address::Proxies;
use crate::http::connections::{Connections, Place};
use crate::http::draining::Draining;
use crate::http::failure::{Failure, as_it_should_be};
use crate::http::health;
use crate::http::threads::Threads;
use crate::http::tls::Tls;
use crate::http::unauthenticated::Unauthenticated;
use crate::metrics::figures::{Limit, Metrics};
use crate::rate_limited_log::RateLimitedLog;

/// How long a connection is kept that sends no request, or sends its head slowly.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// How many bytes the head of a request may have; a longer one is answered 431. A head that never ends is kept until
/// [`HEAD_TIMEOUT`], and any client may send one on each of its connections.
///
/// Together with what else has a limit, this bounds what a connection can make the host keep:
///
/// | what | limit |
/// |---|---|
/// | a head | 32 KiB in a buffer that grows by doubling; 100 headers (hyper's default, also 431) |
/// | what is read at once, with requests that the client sends before it has its answer | 32 KiB in that buffer |
/// | trailers of a body in chunks | 32 KiB, 100 of them; chunk extensions are skipped, at most 16 KiB of them |
/// | what is written at once | 32 KiB and one part of an answer; the next request waits until that has left |
/// | a TLS handshake | 64 KiB (rustls) until the handshake's timeout, then 18 KiB for a record that is not whole |
/// | a body | [`crate::http::body`] |
/// | an answer | [`crate::guest::answer`] |
const HEAD_BYTES: usize = 32 << 10;

/// How long those who were accepted may take to finish once the host is told to stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

/// How long what goes on after answers may take then.
const ROUND_TIMEOUT: Duration = Duration::from_secs(12);

/// How it serves, beside what. By default: http, for anyone, without limits.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Speaks https with this, and nothing else. Its files are read again when they change.
    pub tls: Option<Tls>,
    /// The proxies whose word is taken for where requests come from. No limit for an address is for them.
    pub proxies: Proxies,
    /// How many connections there may be. Those on which no valid token was shown make room for who comes.
    pub max_connections: Option<NonZeroU32>,
    /// How many connections an address may have on which no valid token was shown.
    pub max_connections_per_address: Option<PerAddress>,
    /// How many requests without a valid token an address may send in a second.
    pub stranger_requests_per_second: Option<PerAddress>,
    /// Where requests and connections are counted.
    pub metrics: Option<Metrics>,
}

/// Serves until `stop` is ready, then finishes what was accepted. An error if that took too long.
pub fn serve(
    listener: TcpListener,
    guest: Guest,
    options: Options,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Boxed<anyhow::Result<()>> {
    serve_boxed(listener, guest, options, Box::pin(stop))
}

/// What needs not be compiled again with each program that uses it.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

fn serve_boxed(listener: TcpListener, guest: Guest, options: Options, stop: Boxed<()>) -> Boxed<anyhow::Result<()>> {
    Box::pin(serve_until(stop, listener, guest, options))
}

async fn serve_until(mut stop: Boxed<()>, listener: TcpListener, guest: Guest, options: Options) -> anyhow::Result<()> {
    let (stopping, stopped) = watch::channel(());
    let server = Arc::new(Server::new(guest, options, stopped));
    let graceful = GracefulShutdown::new();
    let threads = Threads::start().context("no threads can be started")?;
    let beside = tokio::spawn(Arc::clone(&server).see_to_the_rest());
    loop {
        tokio::select! {
            accepted = server.accept(&listener) => {
                let given = accepted.and_then(|(stream, peer, place)| {
                    let (server, watcher) = (Arc::clone(&server), graceful.watcher());
                    threads.give(stream, move |stream| server.connection(stream, peer, place, watcher))
                });
                if let Err(error) = given {
                    // Out of file descriptors, most likely: those in use will be given back.
                    tracing::error!("a connection was not accepted: {error}");
                    sleep(Duration::from_millis(50)).await;
                }
            }
            () = &mut stop => break,
        }
    }
    drop((listener, stopping));
    beside.abort();
    tracing::info!(connections = graceful.count(), "stopping; what was accepted is finished first");
    let finished = timeout(SHUTDOWN_TIMEOUT, graceful.shutdown()).await;
    // A delivery run that is cut short sends again what it had not written down.
    if !server.guest.finish(ROUND_TIMEOUT).await {
        tracing::warn!("a delivery run was cut short: what it had just sent may be sent again");
        ticks::cut_short(&server.guest).await;
    }
    threads.end().await;
    finished
        .map_err(|_| anyhow::anyhow!("some requests were not finished within {} seconds", SHUTDOWN_TIMEOUT.as_secs()))
}

/// What all connections share.
struct Server {
    guest: Guest,
    options: Options,
    connections: Arc<Connections>,
    unauthenticated: Unauthenticated,
    no_http: RateLimitedLog,
    odd: RateLimitedLog,
    no_room: RateLimitedLog,
    /// Its other end is dropped when the host is told to stop.
    stopped: watch::Receiver<()>,
}

impl Server {
    fn new(guest: Guest, options: Options, stopped: watch::Receiver<()>) -> Self {
        let connections = Connections::new(options.max_connections, options.max_connections_per_address);
        let unauthenticated = Unauthenticated::new(guest.settings(), options.stranger_requests_per_second);
        Self {
            guest,
            options,
            connections: Arc::new(connections),
            unauthenticated,
            no_http: RateLimitedLog::default(),
            odd: RateLimitedLog::default(),
            no_room: RateLimitedLog::default(),
            stopped,
        }
    }

    /// What is done beside serving, for ever.
    async fn see_to_the_rest(self: Arc<Self>) {
        let follow = async {
            if let Some(tls) = &self.options.tls {
                tls.follow().await;
            }
        };
        let swap = self.guest.limits.swap.watch();
        tokio::join!(ticks::tick(self.guest.clone()), self.connections.enforce(), follow, swap);
    }

    /// Who comes, with a place: at once, while an unauthenticated client holds one.
    async fn accept(&self, listener: &TcpListener) -> io::Result<(TcpStream, IpAddr, Place)> {
        let (stream, peer) = listener.accept().await?;
        let peer = peer.ip().to_canonical();
        self.connections.room().await;
        let place = self.connections.enter(peer, self.options.proxies.trusts(peer));
        Ok((stream, peer, place))
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, peer: IpAddr, place: Place, watcher: Watcher) {
        let _open = self.options.metrics.as_ref().map(Metrics::connection);
        // The answer leaves at once, whatever the last one's acknowledgement does.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("TCP_NODELAY: {error}");
        }
        tokio::select! {
            () = self.converse(stream, peer, &place, watcher) => {}
            () = place.must_go() => self.limited(Limit::Connections),
        }
    }

    async fn converse(self: &Arc<Self>, stream: TcpStream, peer: IpAddr, place: &Place, watcher: Watcher) {
        let Some(tls) = &self.options.tls else {
            let server = Arc::clone(self);
            let stream = Draining::plain(stream, move || server.hears_tls(peer));
            return self.speak(stream, peer, place, watcher).await;
        };
        let mut stopped = self.stopped.clone();
        let shaken = tokio::select! {
            shaken = tls.accept(stream, peer) => shaken,
            // Who has not shaken hands has asked for nothing.
            _ = stopped.changed() => None,
        };
        if let Some(stream) = shaken {
            self.speak(stream, peer, place, watcher).await;
        }
    }

    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        peer: IpAddr,
        place: &Place,
        watcher: Watcher,
    ) {
        let service = service_fn(async |request| Ok::<_, Infallible>(self.answer(peer, place, request).await));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_header_size(HEAD_BYTES)
            // The head's limit alone leaves a buffer of 400 KiB, which fast senders fill.
            .max_buf_size(HEAD_BYTES)
            // A sender that closes its half after the request still gets its answer.
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service);
        match watcher.watch(connection).await {
            Err(error) if error.is_parse() => self.odd(peer, &error),
            Err(error) => tracing::debug!("a connection ended early: {error}"),
            Ok(()) => {}
        }
    }

    /// Says that what came was no request, or one that cannot be taken for sure. There may be very many of them.
    fn odd(&self, client: IpAddr, reason: &dyn std::error::Error) {
        self.odd.say(|unsaid| tracing::warn!(%client, unsaid, "a request was refused unread: {reason}"));
    }

    fn hears_tls(&self, peer: IpAddr) {
        self.no_http.say(|unsaid| {
            tracing::warn!(
                client = %peer,
                unsaid,
                "a sender speaks https, and this is http: its URL must begin with http:, or this needs --tls-cert and --tls-key"
            );
        });
    }

    fn warn_of_no_room(&self, client: IpAddr, failure: &Failure) {
        if matches!(failure, Failure::Body(Unread::NoRoom)) {
            self.no_room.say(|unsaid| tracing::warn!(%client, unsaid, "503: {failure}"));
        }
    }

    fn limited(&self, limit: Limit) {
        if let Some(metrics) = &self.options.metrics {
            metrics.limited(limit);
        }
    }

    /// Answers one request, and logs one line: no query, no token, no body. What is one too many is not logged here: there may be
    /// very many of them.
    async fn answer(&self, peer: IpAddr, place: &Place, request: Request<Incoming>) -> Response<WasiBody> {
        let started = Instant::now();
        let client = self.options.proxies.client(peer, request.headers());
        let (head, body) = request.into_parts();
        if let Err(odd) = as_it_should_be(&head) {
            self.odd(client, &odd);
            return Failure::from(odd).response();
        }
        let shows_a_token = match self.unauthenticated.admit(&head, client) {
            Ok(shows_a_token) => shows_a_token,
            Err(too_many) => {
                self.limited(Limit::Requests);
                return Failure::from(too_many).response();
            }
        };
        place.begins(shows_a_token);
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
        place.ended();
        if method == Method::POST && response.status().is_success() {
            self.guest.ticks.took();
        }
        let time = started.elapsed();
        if let Some(metrics) = &self.options.metrics {
            metrics.answered(&method, &path, &response, time);
        }
        tracing::info!(
            %client,
            %method,
            path = %shown(&path),
            status = response.status().as_u16(),
            event = text(response.headers(), "event-id"),
            result = text(response.headers(), "event-result"),
            // Of 128 bits it would be text in JSON.
            microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX),
            "request"
        );
        response
    }
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

async fn handle(guest: &Guest, mut head: Parts, body: Incoming, ahead: Ahead) -> Result<Response<WasiBody>, Failure> {
    // HTTP/1.0 knows no Host; a guest is always given one.
    if head.uri.authority().is_none() {
        head.headers.entry(header::HOST).or_insert(HeaderValue::from_static("localhost"));
    }
    let asks_for_health = head.uri.path() == health::PATH;
    let body = body::read(body, ahead, guest.limits.body).await?;
    let response = guest.handle(Request::from_parts(head, body)).await?;
    Ok(if asks_for_health { health::answer(&guest.store, response).await } else { response })
}
