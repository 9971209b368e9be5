//! `appliance receive`: receives, verifies and prints forwarded events.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use appliance::config::Period;
use appliance::receive::{EmulatedReceiver, Framing, Misbehaviour, Received};
use bytes::Bytes;
use clap::Args;
use http::{HeaderValue, StatusCode};
use tokio::net::TcpListener;

use super::stop::stop_requested;

/// The largest `--body-bytes`.
const MOST_BODY_BYTES: u64 = 1 << 30;

#[derive(Args)]
pub struct ReceiveArguments {
    /// The address to listen on. Port 0 is any free port.
    #[arg(long, default_value = "127.0.0.1:4000")]
    listen: SocketAddr,
    /// The secret of signed requests: `whsec_…`. Repeatable, for rotation.
    #[arg(long = "secret", env = "DESTINATION_SECRET", hide_env_values = true)]
    secrets: Vec<String>,
    /// Also prints the body of each request.
    #[arg(long)]
    bodies: bool,
    #[command(flatten)]
    misbehaves: MisbehaviourArguments,
}

/// Options that replace the default answer, which is 200 without a body.
#[derive(Args)]
#[command(next_help_heading = "Misbehaviour")]
struct MisbehaviourArguments {
    /// The status of each answer. `--status 503` emulates a receiver that is down.
    #[arg(long, value_name = "STATUS")]
    status: Option<StatusCode>,
    /// Misbehaves only if the request's body contains this text, and answers 200 to all others.
    /// `--refuse-containing 'Jane\u0000Doe' --status 500` fails on one customer's name.
    #[arg(long, value_name = "TEXT", requires = "status")]
    refuse_containing: Option<String>,
    /// `Location`. `--status 308 --location https://new.example/in` emulates a receiver that has moved.
    #[arg(long, value_name = "URL")]
    location: Option<HeaderValue>,
    /// `Retry-After`, sent unchanged. `--status 503 --retry-after 30`, or `--retry-after 1.5`, or
    /// `--retry-after 'Saturday, 28-Nov-26 13:44:51 GMT'`.
    #[arg(long, value_name = "TEXT")]
    retry_after: Option<HeaderValue>,
    /// The body of each answer. `--status 400 --body '{"errors":["issue is locked"]}'`
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    /// The size of the body. `--body-bytes 10000000` sends more than a sender should read.
    #[arg(long, value_name = "N", conflicts_with = "body", value_parser = clap::value_parser!(u64).range(..=MOST_BODY_BYTES))]
    body_bytes: Option<u64>,
    /// The wait before each answer. `--delay 20s` is longer than the timeout of a sender.
    #[arg(long, value_name = "TIME")]
    delay: Option<Period>,
    #[command(flatten)]
    framing: FramingArguments,
    /// Closes a connection that is idle for this time. `--close-idle-after 5s` is Node's default.
    #[arg(long, value_name = "TIME")]
    close_idle_after: Option<Period>,
    /// Closes a connection without an answer when its second request arrives, the worst case of `--close-idle-after`.
    #[arg(long)]
    close_when_asked: bool,
    /// The time to misbehave. `--status 503 --for 10s` recovers after ten seconds. Default: until it is stopped.
    #[arg(long = "for", value_name = "TIME")]
    time: Option<Period>,
}

/// How answers are framed.
#[derive(Args)]
#[group(multiple = false)]
struct FramingArguments {
    /// Announces ten bytes of body, sends two, and keeps the connection open.
    #[arg(long)]
    hang_body: bool,
    /// Sends a chunked body that never ends, 20 KiB a second.
    #[arg(long)]
    chunked_without_end: bool,
    /// Answers with an event stream (text/event-stream) that never ends.
    #[arg(long)]
    event_stream: bool,
    /// Sends 100 Continue and 103 Early Hints before the answer.
    #[arg(long)]
    early_hints: bool,
    /// Answers in HTTP/1.0: the body ends with the connection.
    #[arg(long)]
    http10: bool,
    /// Resets the connection after the head of the answer.
    #[arg(long)]
    reset_after_head: bool,
}

impl FramingArguments {
    fn framing(&self) -> Framing {
        let given = [
            (self.hang_body, Framing::HangingBody),
            (self.chunked_without_end, Framing::EndlessChunks),
            (self.event_stream, Framing::EventStream),
            (self.early_hints, Framing::EarlyHints),
            (self.http10, Framing::Http10),
            (self.reset_after_head, Framing::ResetAfterHead),
        ];
        given.into_iter().find(|(is_given, _)| *is_given).map_or(Framing::Whole, |(_, framing)| framing)
    }
}

impl MisbehaviourArguments {
    fn misbehaviour(self) -> Misbehaviour {
        let filler = self.body_bytes.and_then(|bytes| usize::try_from(bytes).ok()).map(|bytes| "x".repeat(bytes));
        Misbehaviour {
            status: self.status,
            only_containing: self.refuse_containing,
            location: self.location,
            retry_after: self.retry_after,
            body: Bytes::from(self.body.or(filler).unwrap_or_default()),
            framing: self.framing.framing(),
            delay: self.delay.map_or(Duration::ZERO, |delay| delay.0),
            close_idle_after: self.close_idle_after.map(|time| time.0),
            close_when_asked: self.close_when_asked,
            time: self.time.map(|time| time.0),
        }
    }
}

pub async fn receive(arguments: ReceiveArguments) -> Result<bool> {
    let ReceiveArguments { listen, secrets, bodies, misbehaves } = arguments;
    let number = AtomicU64::new(0);
    let receiver = EmulatedReceiver::new(secrets, misbehaves.misbehaviour(), move |received| {
        println!("{:>6}  {}", number.fetch_add(1, Ordering::Relaxed) + 1, shown(&received));
        if bodies {
            println!("{}", String::from_utf8_lossy(&received.body));
        }
    })?;
    let stopped = stop_requested();
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}; choose another --listen"))?;
    println!("Listening on http://{}; Ctrl-C stops it", listener.local_addr()?);
    tokio::select! {
        () = receiver.serve(listener) => {}
        () = stopped => {}
    }
    Ok(true)
}

/// One line: the status, the event, its session and id, and the signature.
fn shown(received: &Received) -> String {
    let event: serde_json::Value = serde_json::from_slice(&received.body).unwrap_or_default();
    let form: Vec<(String, String)> = serde_urlencoded::from_bytes(&received.body).unwrap_or_default();
    let from_form = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let from_event = |name: &str| event.pointer(name).and_then(serde_json::Value::as_str);
    let name = from_event("/data/event").or(from_form("event")).unwrap_or("(no event)");
    let lsid = from_event("/data/lsid").or(from_form("lsid")).unwrap_or("-");
    let again = if received.again { ", again" } else { "" };
    let id = received.id().unwrap_or("-");
    format!("{} {name} {lsid} {id} {}{again}", received.status.as_u16(), received.signature.as_str())
}
