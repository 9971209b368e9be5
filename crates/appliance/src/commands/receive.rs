//! `appliance receive`: receives, verifies and prints forwarded events.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use appliance::config::Period;
use appliance::receive::{
    EmulatedReceiver, Framing, Misbehaviour, Received, ReceivedEvent, ReceiverAccess, TOKEN_PATH,
};
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
    access: AccessArguments,
    #[command(flatten)]
    misbehaves: MisbehaviourArguments,
}

/// Who may send. All others are answered 401.
#[derive(Args)]
#[command(next_help_heading = "Access")]
struct AccessArguments {
    /// Requires this user name and password (`auth.basic`).
    #[arg(long, value_name = "USER:PASSWORD", group = "access")]
    basic: Option<String>,
    /// Requires this token (`auth.bearer`).
    #[arg(long, value_name = "TOKEN", group = "access")]
    bearer: Option<String>,
    /// Requires an access token, and issues them at `/oauth2/token` to this client (`auth.oauth2`).
    #[arg(long, value_name = "CLIENT_ID:SECRET", group = "access", value_parser = parse_client)]
    oauth2: Option<(String, String)>,
    /// How long an access token is valid.
    #[arg(long, value_name = "TIME", requires = "oauth2", default_value = "1h")]
    token_lifetime: Period,
}

fn parse_client(text: &str) -> Result<(String, String), &'static str> {
    let (id, secret) = text.split_once(':').ok_or("is not CLIENT_ID:SECRET")?;
    Ok((id.to_owned(), secret.to_owned()))
}

impl AccessArguments {
    fn access(&self) -> ReceiverAccess {
        match (&self.basic, &self.bearer, &self.oauth2) {
            (Some(credentials), ..) => ReceiverAccess::basic(credentials),
            (_, Some(token), _) => ReceiverAccess::bearer(token),
            (.., Some((id, secret))) => ReceiverAccess::oauth2(id, secret, self.token_lifetime.0),
            (None, None, None) => ReceiverAccess::Open,
        }
    }
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
    let ReceiveArguments { listen, secrets, bodies, access, misbehaves } = arguments;
    let number = AtomicU64::new(0);
    let has_endpoint = access.oauth2.is_some();
    let (access, misbehaviour) = (access.access(), misbehaves.misbehaviour());
    let receiver = EmulatedReceiver::with_access(secrets, access, misbehaviour, move |received| {
        println!("{:>6}  {}", number.fetch_add(1, Ordering::Relaxed) + 1, shown(&received));
        if bodies {
            println!("{}", String::from_utf8_lossy(&received.body));
        }
    })?;
    let stopped = stop_requested();
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}; choose another --listen"))?;
    let address = listener.local_addr()?;
    println!("Listening on http://{address}; Ctrl-C stops it");
    if has_endpoint {
        println!("Access tokens: http://{address}{TOKEN_PATH}");
    }
    tokio::select! {
        () = receiver.serve(listener) => {}
        () = stopped => {}
    }
    Ok(true)
}

/// One line: the status, the event, its session and id, and the signature. A request with several events has a line
/// more for each.
fn shown(received: &Received) -> String {
    let again = if received.again { ", again" } else { "" };
    let (status, id) = (received.status.as_u16(), received.id().unwrap_or("-"));
    let signature = received.signature.as_str();
    match received.events.as_slice() {
        [] => format!("{status} (no event) - {id} {signature}{again}"),
        [event] => format!("{status} {} {id} {signature}{again}", named(event)),
        several => {
            let lines = several.iter().map(|event| {
                let id = event.id.as_deref().unwrap_or("-");
                format!("\n        - {} {id}", named(event))
            });
            format!("{status} {} events {id} {signature}{again}{}", several.len(), lines.collect::<String>())
        }
    }
}

fn named(event: &ReceivedEvent) -> String {
    let (name, lsid) = (event.name.as_deref().unwrap_or("(no event)"), event.lsid.as_deref().unwrap_or("-"));
    format!("{name} {lsid}")
}
