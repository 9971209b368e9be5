//! Connections that send as fast as they are answered, each its next event only after the last one's 200, as an appliance.

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
pub enum Work {
    /// On so many connections, each kept alive.
    KeptAlive(usize),
    /// One after the other, each on a connection of its own.
    Reconnecting,
}

impl Work {
    fn connections(self) -> usize {
        if let Self::KeptAlive(connections) = self { connections } else { 1 }
    }
}

/// What was measured in one go.
#[derive(Debug)]
pub struct Slice {
    /// From before the first byte of each request to its answer; for [`Work::Reconnecting`] from before the connection.
    pub took: Vec<Duration>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// The share of this time that the sender was busy, where that is known.
    pub busy: Option<f64>,
    /// How long the recipient was on a processor meanwhile, where that is known.
    pub processor: Option<Duration>,
}

/// Sends new events for `time`. An error if one of them is not answered 200, or was there before.
pub async fn slice(contender: &Contender, work: Work, time: Duration) -> Result<Slice> {
    let mut kept = Vec::new();
    for _ in 0..work.connections() {
        kept.push(Some(Connection::to(contender.address()).await?).filter(|_| work != Work::Reconnecting));
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

/// Sends until `end`, and gives what each event took. Without a connection that is kept, each event has its own.
async fn send(
    address: SocketAddr,
    numbers: Numbers,
    mut kept: Option<Connection>,
    end: Instant,
) -> Result<Vec<Duration>> {
    let mut took = Vec::new();
    while Instant::now() < end {
        let form = event::form(numbers.next());
        let begun = Instant::now();
        let answer = match &mut kept {
            Some(connection) => connection.post(form).await?,
            None => Connection::to(address).await?.post(form).await?,
        };
        took.push(begun.elapsed());
        if answer.status != StatusCode::OK || answer.result.as_ref().is_some_and(|result| result != "stored") {
            bail!("an event was answered {} {:?}", answer.status, answer.result);
        }
    }
    Ok(took)
}

/// How long this thread has run. `None` where the kernel does not tell.
fn busy() -> Option<Duration> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(told.split(' ').next()?.parse().ok()?))
}

/// What an event was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// `Event-Result`, which this project's recipient gives.
    pub result: Option<String>,
}

/// A connection that is kept alive.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
}

impl Connection {
    /// Connects.
    pub async fn to(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends with the sender; what ends it earlier is the sender's error too.
        tokio::spawn(connection);
        Ok(Self { sender, address })
    }

    /// Posts one event, and reads the whole answer.
    pub async fn post(&mut self, form: String) -> Result<Answer> {
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
        Ok(Answer { status, result })
    }

    /// Asks for what who has the read token may see, and gives the status and the body.
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
