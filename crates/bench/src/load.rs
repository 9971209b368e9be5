//! Connections that send as fast as they are answered. Like an appliance, each sends its next event after the 200 of
//! the last.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::contender::{Contender, Numbers, READ_TOKEN};
use crate::event;

/// How events are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// On this number of connections, all kept alive.
    KeptAlive(usize),
    /// One event after the other, each on a new connection.
    Reconnecting,
}

impl Workload {
    fn connections(self) -> usize {
        if let Self::KeptAlive(connections) = self { connections } else { 1 }
    }
}

/// The measurements of one turn.
#[derive(Debug)]
pub struct Slice {
    /// The time of each event, from before its request, or before its connection, to its answer.
    pub took: Vec<Duration>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// The share of this time in which the sender was busy, if known.
    pub busy: Option<f64>,
    /// The recipient's processor time, if known.
    pub processor: Option<Duration>,
}

/// Sends new events for `time`. An error if an event is not answered 200, or is a duplicate.
pub async fn slice(contender: &Contender, work: Workload, time: Duration) -> Result<Slice> {
    let mut kept = Vec::new();
    for _ in 0..work.connections() {
        kept.push(Some(LoadConnection::open(contender.address()).await?).filter(|_| work != Workload::Reconnecting));
    }
    let (started, busy_before, processor_before) = (Instant::now(), busy(), contender.processor_time());
    let mut senders = JoinSet::new();
    for connection in kept {
        senders.spawn(send(contender.address(), contender.numbers(), connection, started + time));
    }
    let mut took = Vec::new();
    while let Some(sent) = senders.join_next().await {
        let sent = sent?.with_context(|| format!("{}; its log: {}", contender.name(), contender.log_tail()))?;
        took.extend(sent);
    }
    let elapsed = started.elapsed();
    let busy = busy().zip(busy_before).map(|(after, before)| (after - before).as_secs_f64() / elapsed.as_secs_f64());
    let processor =
        contender.processor_time().zip(processor_before).map(|(after, before)| after.saturating_sub(before));
    Ok(Slice { took, elapsed, busy, processor })
}

/// Sends until `end`, and returns the time of each event. Without `kept`, each event has a new connection.
async fn send(
    address: SocketAddr,
    numbers: Numbers,
    mut kept: Option<LoadConnection>,
    end: Instant,
) -> Result<Vec<Duration>> {
    let mut took = Vec::new();
    while Instant::now() < end {
        let form = event::form(numbers.next());
        let begun = Instant::now();
        let answer = match &mut kept {
            Some(connection) => connection.post(form).await?,
            None => LoadConnection::open(address).await?.post(form).await?,
        };
        took.push(begun.elapsed());
        if answer.status != StatusCode::OK || answer.result.as_ref().is_some_and(|result| result != "stored") {
            bail!("an event was answered {} {:?}", answer.status, answer.result);
        }
    }
    Ok(took)
}

/// The processor time of this thread. `None` if the kernel does not provide it.
fn busy() -> Option<Duration> {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(schedstat.split(' ').next()?.parse().ok()?))
}

/// The answer to an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventAnswer {
    /// The status.
    pub status: StatusCode,
    /// The header `Event-Result` of this project's recipient.
    pub result: Option<String>,
}

/// A connection to a contender, kept alive.
pub struct LoadConnection {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
}

impl LoadConnection {
    /// Opens a connection.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends with the sender. An earlier end is an error of the sender, too.
        tokio::spawn(connection);
        Ok(Self { sender, address })
    }

    /// Posts one event and reads the whole answer.
    pub async fn post(&mut self, form: String) -> Result<EventAnswer> {
        let request = Request::post("/events")
            .header(header::HOST, self.address.to_string())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form)))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let result =
            response.headers().get("event-result").map(|result| String::from_utf8_lossy(result.as_bytes()).into());
        let status = response.status();
        response.into_body().collect().await?;
        Ok(EventAnswer { status, result })
    }

    /// Gets a path with the read token, and returns the status and the body.
    pub async fn get(&mut self, path: &str) -> Result<(StatusCode, String)> {
        let request = Request::get(path)
            .header(header::HOST, self.address.to_string())
            .header(header::AUTHORIZATION, format!("Bearer {READ_TOKEN}"))
            .body(Full::default())?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}
