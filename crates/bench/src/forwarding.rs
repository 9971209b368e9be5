//! What forwarding costs the sender, how soon an event is delivered, and how fast a backlog is.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use appliance::receive::{EmulatedReceiver, Framing, Misbehaviour};
use bytes::Bytes;
use indicatif::ProgressBar;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::contender::{Contender, folder, store_path};
use crate::event;
use crate::filled;
use crate::load::{self, LoadConnection, Workload};
use crate::rounds::{Series, Subject, Turns, median, take_turns};

/// How long a destination that hangs takes for an answer: longer than a delivery run waits for it.
const HANGS: Duration = Duration::from_secs(600);

/// The idle time before each event whose delivery is timed.
const IDLE: Duration = Duration::from_millis(250);

/// The time limit for draining a backlog.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(120);

/// The results.
#[derive(Debug)]
pub struct ForwardingFigures {
    /// One connection: a host without a destination, and hosts with one that works, one that hangs, and one whose answers' bodies hang.
    pub serial: Vec<Series>,
    /// The median milliseconds from the 200 to the delivery on an idle host.
    pub delivered: f64,
    /// The number of pending events, and how many of them were delivered a second.
    pub backlog: (u64, f64),
    /// How many of as many events a destination took a second that answers each with a body of 1 KB.
    pub backlog_with_bodies: f64,
    /// How many of ten times as many events a destination took a second that gets them in batches of a hundred.
    pub backlog_in_batches: f64,
}

/// A destination on a thread of its own, with the first arrival of each event.
struct BenchDestination {
    address: SocketAddr,
    came: Arc<Mutex<HashMap<String, Instant>>>,
}

impl BenchDestination {
    fn open(misbehaviour: Misbehaviour) -> Result<Self> {
        let came: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
        let ledger = Arc::clone(&came);
        let take = move |received: appliance::receive::Received| {
            let (now, mut came) = (Instant::now(), ledger.lock());
            for id in received.ids() {
                came.entry(id.to_owned()).or_insert(now);
            }
        };
        let receiver = EmulatedReceiver::new(Vec::new(), misbehaviour, take)?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // The thread ends with the process.
        std::thread::Builder::new().name("destination".to_owned()).spawn(move || {
            runtime.block_on(async {
                if let Ok(listener) = TcpListener::from_std(listener) {
                    receiver.serve(listener).await;
                }
            });
        })?;
        Ok(Self { address, came })
    }

    fn destination(&self) -> String {
        format!(r#"[{{"name": "desk", "url": "http://{}/in"}}]"#, self.address)
    }

    /// One that gets batches of a hundred events.
    fn with_batches(&self) -> String {
        format!(r#"[{{"name": "desk", "url": "http://{}/in", "batch": {{"max_events": 100}}}}]"#, self.address)
    }

    fn count(&self) -> usize {
        self.came.lock().len()
    }

    fn time_of(&self, id: &str) -> Option<Instant> {
        self.came.lock().get(id).copied()
    }
}

/// Measures forwarding: `events` deliveries one by one, and a backlog of `backlog` pending events.
pub async fn measure(
    turns: Turns,
    warm_up: Duration,
    events: u32,
    backlog: u64,
    bar: &ProgressBar,
) -> Result<ForwardingFigures> {
    let works = BenchDestination::open(Misbehaviour::default())?;
    let hangs = BenchDestination::open(Misbehaviour { delay: HANGS, ..Misbehaviour::default() })?;
    let body_hangs = BenchDestination::open(Misbehaviour { framing: Framing::HangingBody, ..Misbehaviour::default() })?;
    let hosts = [
        Contender::start_with_destinations("", "no destination")?,
        Contender::start_with_destinations(&works.destination(), "a destination that works")?,
        Contender::start_with_destinations(&hangs.destination(), "a destination that hangs")?,
        Contender::start_with_destinations(&body_hangs.destination(), "a destination whose answers' bodies hang")?,
    ];
    for host in &hosts {
        load::slice(host, Workload::KeptAlive(1), warm_up).await?;
    }
    let subjects: Vec<_> = hosts.iter().map(Subject::Recipient).collect();
    let serial = take_turns(&subjects, Workload::KeptAlive(1), turns, bar).await?;
    drop(hosts);
    let body = Bytes::from_static(&[b'x'; 1_024]);
    Ok(ForwardingFigures {
        serial,
        delivered: delivered(events).await?,
        backlog: (backlog, drained(backlog, Misbehaviour::default(), BenchDestination::destination).await?),
        backlog_with_bodies: {
            let with_body = Misbehaviour { body, ..Misbehaviour::default() };
            drained(backlog, with_body, BenchDestination::destination).await?
        },
        backlog_in_batches: drained(10 * backlog, Misbehaviour::default(), BenchDestination::with_batches).await?,
    })
}

/// The median milliseconds from an event's 200 to its delivery on an idle host.
async fn delivered(events: u32) -> Result<f64> {
    let desk = BenchDestination::open(Misbehaviour::default())?;
    let host = Contender::start_with_destinations(&desk.destination(), "delivering")?;
    let mut connection = LoadConnection::open(host.address()).await?;
    let mut took = Vec::new();
    for _ in 0..events {
        sleep(IDLE).await;
        let number = host.numbers().next();
        let id = event::stored(number)?.0.id.to_string();
        connection.post(event::form(number)).await?;
        let answered = Instant::now();
        let came = wait_for(|| desk.time_of(&id)).await.context("an event was not delivered")?;
        // The delivery can be earlier than the sender reads the answer.
        took.push(came.saturating_duration_since(answered).as_secs_f64() * 1e3);
    }
    Ok(median(took))
}

/// How many of that many pending events are delivered a second.
async fn drained(
    events: u64,
    misbehaviour: Misbehaviour,
    setting: impl Fn(&BenchDestination) -> String,
) -> Result<f64> {
    let state = folder()?;
    filled::fill(&store_path(state.path()), events, |_| ())?;
    let desk = BenchDestination::open(misbehaviour)?;
    let _host = Contender::start_with_destinations_in(state, &setting(&desk), "draining")?;
    wait_for(|| (desk.count() > 0).then_some(())).await.context("nothing was delivered")?;
    let (began, before) = (Instant::now(), desk.count());
    let all = usize::try_from(events)?;
    wait_for(|| (desk.count() >= all).then_some(())).await.context("a backlog was not delivered")?;
    ensure!(before < all, "{before} events arrived before the measurement began");
    Ok((all - before) as f64 / began.elapsed().as_secs_f64())
}

async fn wait_for<T>(found: impl Fn() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    while began.elapsed() < DRAIN_TIMEOUT {
        if let Some(found) = found() {
            return Some(found);
        }
        sleep(Duration::from_millis(2)).await;
    }
    None
}
