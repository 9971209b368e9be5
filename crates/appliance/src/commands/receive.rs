//! `appliance receive`: what a recipient forwards is received, verified and printed.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use appliance::config::Period;
use appliance::receive::{Misbehaviour, Received, Receiver};
use clap::Args;
use http::StatusCode;
use tokio::net::TcpListener;

use super::stop::stop_requested;

#[derive(Args)]
pub struct Receive {
    /// The address to listen on. Port 0 takes any that is free.
    #[arg(long, default_value = "127.0.0.1:4000")]
    listen: SocketAddr,
    /// What requests are to be signed with: `whsec_…`. Several while one is being replaced.
    #[arg(long = "secret", env = "DESTINATION_SECRET", hide_env_values = true)]
    secrets: Vec<String>,
    /// What to answer instead of 200.
    #[arg(long)]
    status: Option<StatusCode>,
    /// The seconds that `Retry-After` is to say with it.
    #[arg(long)]
    retry_after: Option<u64>,
    /// How long to wait before each answer.
    #[arg(long)]
    delay: Option<Period>,
    /// For how long to misbehave. Without it, for ever.
    #[arg(long = "for", value_name = "TIME")]
    time: Option<Period>,
    /// Prints the body of each request, too.
    #[arg(long)]
    bodies: bool,
}

pub async fn receive(arguments: Receive) -> Result<bool> {
    let Receive { listen, secrets, status, retry_after, delay, time, bodies } = arguments;
    let misbehaviour = Misbehaviour {
        status,
        retry_after,
        delay: delay.map_or(Duration::ZERO, |delay| delay.0),
        time: time.map(|time| time.0),
    };
    let number = AtomicU64::new(0);
    let receiver = Receiver::new(secrets, misbehaviour, move |received| {
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
