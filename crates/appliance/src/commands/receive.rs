//! `appliance receive`: what a recipient forwards is received, verified and printed.

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

/// The most bytes of a body that is made up.
const MOST_BODY_BYTES: u64 = 1 << 30;

#[derive(Args)]
pub struct ReceiveArguments {
    /// The address to listen on. Port 0 takes any free port.
    #[arg(long, default_value = "127.0.0.1:4000")]
    listen: SocketAddr,
    /// The secret that requests must be signed with: `whsec_…`. Several while one is being replaced.
    #[arg(long = "secret", env = "DESTINATION_SECRET", hide_env_values = true)]
    secrets: Vec<String>,
    /// Prints the body of each request, too.
    #[arg(long)]
    bodies: bool,
    #[command(flatten)]
    misbehaves: MisbehaviourArguments,
}

/// What to do other than to answer each request with 200 and no body.
#[derive(Args)]
#[command(next_help_heading = "Misbehaviour")]
struct MisbehaviourArguments {
    /// The status to answer with. `--status 503` says that the receiver is down.
    #[arg(long, value_name = "STATUS")]
    status: Option<StatusCode>,
    /// Only requests whose body contains this text get `--status` and the other misbehaviour; all others get 200.
    /// `--refuse-containing 'Jane\u0000Doe' --status 500` fails on one customer's name.
    #[arg(long, value_name = "TEXT", requires = "status")]
    refuse_containing: Option<String>,
    /// `Location`. `--status 308 --location https://new.example/in` says that the receiver has moved.
    #[arg(long, value_name = "URL")]
    location: Option<HeaderValue>,
    /// `Retry-After`, sent as it is given. `--status 503 --retry-after 30`, and as well `--retry-after 1.5` or
    /// `--retry-after 'Saturday, 28-Nov-26 13:44:51 GMT'`.
    #[arg(long, value_name = "TEXT")]
    retry_after: Option<HeaderValue>,
    /// The body of each answer. `--status 400 --body '{"errors":["issue is locked"]}'`
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    /// A body of so many bytes. `--body-bytes 10000000` sends more than a sender should read.
    #[arg(long, value_name = "N", conflicts_with = "body", value_parser = clap::value_parser!(u64).range(..=MOST_BODY_BYTES))]
    body_bytes: Option<u64>,
    /// How long to wait before each answer. `--delay 20s` is longer than a sender waits.
    #[arg(long, value_name = "TIME")]
    delay: Option<Period>,
    #[command(flatten)]
    framing: FramingArguments,
    /// Closes a connection that was idle for so long. `--close-idle-after 5s` is what Node does.
    #[arg(long, value_name = "TIME")]
    close_idle_after: Option<Period>,
    /// Closes a connection without an answer as its second request comes: the worst moment for `--close-idle-after`.
    #[arg(long)]
    close_when_asked: bool,
    /// For how long to misbehave. `--status 503 --for 10s` recovers after ten seconds. Without it, for ever.
    #[arg(long = "for", value_name = "TIME")]
    time: Option<Period>,
}

/// How answers are put on the connection.
#[derive(Args)]
#[group(multiple = false)]
struct FramingArguments {
    /// Promises ten bytes of body, sends two, and keeps the connection. `--hang-body`, also with `--status 400`.
    #[arg(long)]
    hang_body: bool,
    /// Sends a chunked body that never ends, 20 KiB a second. `--chunked-without-end`
    #[arg(long)]
    chunked_without_end: bool,
    /// Answers with an event stream (text/event-stream) that never ends. `--event-stream`
    #[arg(long)]
    event_stream: bool,
    /// Sends 100 Continue and 103 Early Hints before the answer. `--early-hints`
    #[arg(long)]
    early_hints: bool,
    /// Answers in HTTP/1.0: the body ends with the connection. `--http10 --body ok`
    #[arg(long)]
    http10: bool,
    /// Resets the connection after the head of the answer. `--reset-after-head`
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
        let made_up = self.body_bytes.and_then(|bytes| usize::try_from(bytes).ok()).map(|bytes| "x".repeat(bytes));
        Misbehaviour {
            status: self.status,
            only_containing: self.refuse_containing,
            location: self.location,
            retry_after: self.retry_after,
            body: Bytes::from(self.body.or(made_up).unwrap_or_default()),
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
    let listener = TcpListener::bind(listen).await.with_context(|| format!("{listen} cannot be listened on"))?;
    println!("Listening on http://{}; Ctrl-C stops it", listener.local_addr()?);
    tokio::select! {
        () = receiver.serve(listener) => {}
        () = stop_requested() => {}
    }
    Ok(true)
}

/// One line: what came, of which session, who signed it, and how it was answered.
fn shown(received: &Received) -> String {
    let event: serde_json::Value = serde_json::from_slice(&received.body).unwrap_or_default();
    let form: Vec<(String, String)> = serde_urlencoded::from_bytes(&received.body).unwrap_or_default();
    let of_form = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let of_event = |name: &str| event.pointer(name).and_then(serde_json::Value::as_str);
    let name = of_event("/data/event").or(of_form("event")).unwrap_or("(no event)");
    let lsid = of_event("/data/lsid").or(of_form("lsid")).unwrap_or("-");
    let again = if received.again { ", again" } else { "" };
    let id = received.id().unwrap_or("-");
    format!("{} {name} {lsid} {id} {}{again}", received.status.as_u16(), received.signature.as_str())
}
