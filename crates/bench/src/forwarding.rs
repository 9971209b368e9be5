//! What pushing on costs who sends, how soon an event is delivered, and how fast a backlog is.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use appliance::receive::{Misbehaviour, EmulatedReceiver};
use indicatif::ProgressBar;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::contender::{Contender, folder, store_path};
use crate::event;
use crate::filled;
use crate::load::{self, Connection, Work};
use crate::rounds::{Series, Subject, Turns, median, take_turns};

/// How long a destination that hangs takes for an answer: longer than anyone waits for it.
const HANGS: Duration = Duration::from_secs(600);

/// How long nothing is sent before an event is, to see how soon it is delivered.
const IDLE: Duration = Duration::from_millis(250);

/// How long a backlog may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What was measured.
#[derive(Debug)]
pub struct Forwarding {
    /// One connection: a host without a destination, one with a destination that works, one with one that hangs.
    pub serial: Vec<Series>,
    /// Milliseconds from the 200 to the delivery, nothing else going on: the median.
    pub delivered: f64,
    /// How many pending events there were, and how many of them were delivered a second.
    pub backlog: (u64, f64),
}

/// A destination on a thread of its own, and when each event came first.
struct Desk {
    address: SocketAddr,
    came: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Desk {
    fn open(delay: Duration) -> Result<Self> {
        let came: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
        let ledger = Arc::clone(&came);
        let take = move |received: appliance::receive::Received| {
            if let Some(id) = received.id() {
                ledger.lock().entry(id.to_owned()).or_insert_with(Instant::now);
            }
        };
        let receiver = EmulatedReceiver::new(Vec::new(), Misbehaviour { delay, ..Misbehaviour::default() }, take)?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // It ends with the process.
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

    fn count(&self) -> usize {
        self.came.lock().len()
    }

    fn time_of(&self, id: &str) -> Option<Instant> {
        self.came.lock().get(id).copied()
    }
}

/// Measures all of it. `events` are looked at one by one, `backlog` are pending.
pub async fn measure(
    turns: Turns,
    warm_up: Duration,
    events: u32,
    backlog: u64,
    bar: &ProgressBar,
) -> Result<Forwarding> {
    let (works, hangs) = (Desk::open(Duration::ZERO)?, Desk::open(HANGS)?);
    let hosts = [
        Contender::start_to("", "no destination")?,
        Contender::start_to(&works.destination(), "a destination that works")?,
        Contender::start_to(&hangs.destination(), "a destination that hangs")?,
    ];
    for host in &hosts {
        load::slice(host, Work::KeptAlive(1), warm_up).await?;
    }
    let subjects: Vec<_> = hosts.iter().map(Subject::Recipient).collect();
    let serial = take_turns(&subjects, Work::KeptAlive(1), turns, bar).await?;
    drop(hosts);
    Ok(Forwarding { serial, delivered: delivered(events).await?, backlog: (backlog, drained(backlog).await?) })
}

/// Milliseconds from the 200 of an event to its delivery, while nothing else goes on.
async fn delivered(events: u32) -> Result<f64> {
    let desk = Desk::open(Duration::ZERO)?;
    let host = Contender::start_to(&desk.destination(), "delivering")?;
    let mut connection = Connection::to(host.address()).await?;
    let mut took = Vec::new();
    for _ in 0..events {
        sleep(IDLE).await;
        let number = host.numbers().next();
        let id = event::stored(number)?.0.id.to_string();
        connection.post(event::form(number)).await?;
        let answered = Instant::now();
        let came = wait_for(|| desk.time_of(&id)).await.context("an event was not delivered")?;
        // It may be there before its sender has read the answer.
        took.push(came.saturating_duration_since(answered).as_secs_f64() * 1e3);
    }
    Ok(median(took))
}

/// How many of that many pending events are delivered a second.
async fn drained(events: u64) -> Result<f64> {
    let state = folder()?;
    filled::fill(&store_path(state.path()), events, |_| ())?;
    let desk = Desk::open(Duration::ZERO)?;
    let _host = Contender::start_to_in(state, &desk.destination(), "draining")?;
    wait_for(|| (desk.count() > 0).then_some(())).await.context("nothing was delivered")?;
    let (began, before) = (Instant::now(), desk.count());
    let all = usize::try_from(events)?;
    wait_for(|| (desk.count() >= all).then_some(())).await.context("a backlog was not delivered")?;
    ensure!(before < all, "{before} events were there at once");
    Ok((all - before) as f64 / began.elapsed().as_secs_f64())
}

async fn wait_for<T>(found: impl Fn() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(found) = found() {
            return Some(found);
        }
        sleep(Duration::from_millis(2)).await;
    }
    None
}
