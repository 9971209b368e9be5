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

use crate::contender::Contender;
use crate::event;

/// How events are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// On so many connections, each kept alive.
    KeptAlive(usize),
    /// One after the other, each on a connection of its own.
    Reconnecting,
}

/// What was measured in one go.
#[derive(Debug)]
pub struct Slice {
    /// From before the first byte of each request to its answer; for [`Work::Reconnecting`] from before the connection.
    pub took: Vec<Duration>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

/// Sends new events for `time`. An error if one of them is not answered 200.
pub async fn slice(contender: &Contender, work: Work, time: Duration) -> Result<Slice> {
    let connections = if let Work::KeptAlive(connections) = work { connections } else { 1 };
    let started = Instant::now();
    let mut senders = JoinSet::new();
    for _ in 0..connections {
        let (address, numbers) = (contender.address(), contender.numbers());
        senders.spawn(async move {
            let mut took = Vec::new();
            let mut connection = None;
            while started.elapsed() < time {
                let form = event::form(numbers.next());
                let begun = Instant::now();
                let mut sender = match connection.take() {
                    Some(sender) => sender,
                    None => Connection::to(address).await?,
                };
                let status = sender.post(form).await?;
                took.push(begun.elapsed());
                if status != StatusCode::OK {
                    bail!("an event was answered {status}");
                }
                connection = Some(sender).filter(|_| work != Work::Reconnecting);
            }
            Ok(took)
        });
    }
    let mut took = Vec::new();
    while let Some(sent) = senders.join_next().await {
        let sent = sent?.with_context(|| format!("{}; its log: {}", contender.name(), contender.log_tail()))?;
        took.extend(sent);
    }
    Ok(Slice { took, elapsed: started.elapsed() })
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
    pub async fn post(&mut self, form: String) -> Result<StatusCode> {
        let request = Request::post("/events")
            .header(header::HOST, self.address.to_string())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form)))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        response.into_body().collect().await?;
        Ok(status)
    }
}
