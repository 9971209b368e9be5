//! `appliance send` and `appliance replay`: deliver a backlog of events and count the results.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use outbound_events::event::Lsid;
use outbound_events::parse::parse;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::drops::UnannouncedEvents;
use crate::http::{Accepted, HttpRecipient};
use crate::retry::{AttemptFailure, AttemptOutcome, RetryRules, deliver};

/// The results so far, counted by all senders together.
#[derive(Default)]
pub struct Tally {
    retries: AtomicU64,
    dropped: AtomicU64,
    /// The last failure of each failing queue, by its number.
    failing: Mutex<BTreeMap<usize, AttemptFailure>>,
    accepted: Mutex<AcceptedEvents>,
    /// Dropped on request, without an attempt.
    lost: AtomicU64,
    unannounced: UnannouncedEvents,
}

#[derive(Default)]
struct AcceptedEvents {
    took: Vec<Duration>,
    results: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn accepted(&self, queue: usize, accepted: Accepted) {
        self.failing.lock().remove(&queue);
        let mut all = self.accepted.lock();
        all.took.push(accepted.took);
        if let Some(result) = accepted.result {
            // Another recipient can send any text.
            let known = ["stored", "duplicate", "set-aside"].into_iter().find(|known| *known == result);
            *all.results.entry(known.unwrap_or("other")).or_default() += 1;
        }
    }

    fn failed(&self, queue: usize, failure: &AttemptFailure) -> Result<(), Infallible> {
        self.failing.lock().insert(queue, failure.clone());
        Ok(())
    }

    /// Counts an event that is dropped on request, without an attempt.
    pub fn lose(&self, form: &str) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.unannounced.add(form.as_bytes());
    }

    /// How many events have left their queue.
    pub fn done(&self) -> u64 {
        let dropped = self.dropped.load(Ordering::Relaxed) + self.lost.load(Ordering::Relaxed);
        self.accepted.lock().took.len() as u64 + dropped
    }

    /// The dropped events, by session.
    pub fn unannounced(&self) -> &UnannouncedEvents {
        &self.unannounced
    }

    /// The current failures in one line; empty if there are none.
    pub fn trouble(&self) -> String {
        let failing = self.failing.lock();
        match failing.values().next() {
            Some(failure) if failing.len() == 1 => format!("waiting: {failure}"),
            Some(failure) => format!("{} appliances waiting: {failure}", failing.len()),
            None => String::new(),
        }
    }

    /// The closing figures. `total` is `None` if it was not known, as for standard input.
    pub fn report(&self, total: Option<u64>, elapsed: Duration) -> SendReport {
        let accepted = self.accepted.lock();
        let mut took = accepted.took.clone();
        took.sort_unstable();
        let quantile = |share: f64| took.get((took.len() as f64 * share) as usize).or(took.last()).copied();
        let lost = self.lost.load(Ordering::Relaxed);
        let done = took.len() as u64 + self.dropped.load(Ordering::Relaxed) + lost;
        SendReport {
            events: total.unwrap_or(done),
            accepted: took.len() as u64,
            results: accepted.results.clone(),
            retries: self.retries.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            lost,
            median: quantile(0.5),
            p99: quantile(0.99),
            elapsed,
        }
    }
}

/// The closing figures.
#[derive(Debug)]
pub struct SendReport {
    /// The number of events to send.
    pub events: u64,
    /// The number answered 200.
    pub accepted: u64,
    /// The accepted events by the recipient's `Event-Result`: `stored`, `duplicate`, `set-aside`, `other`.
    pub results: BTreeMap<&'static str, u64>,
    /// The number of repeated attempts.
    pub retries: u64,
    /// The number of events that failed for too long.
    pub dropped: u64,
    /// The number of events that were dropped on request.
    pub lost: u64,
    /// From request to answer, for successful attempts.
    pub median: Option<Duration>,
    /// The 99th percentile of the same times.
    pub p99: Option<Duration>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

impl SendReport {
    /// Whether every event was answered 200, except for those that were dropped on request.
    pub fn all_accepted(&self) -> bool {
        self.accepted + self.lost == self.events
    }

    /// The figures as a table.
    pub fn table(&self) -> String {
        let milliseconds =
            |time: Option<Duration>| time.map_or("-".to_owned(), |t| format!("{:.2} ms", t.as_secs_f64() * 1e3));
        let rate = self.accepted as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        let mut columns = vec![("events", self.events.to_string()), ("accepted", self.accepted.to_string())];
        columns.extend(self.results.iter().map(|(result, count)| (*result, count.to_string())));
        columns.extend([
            ("retries", self.retries.to_string()),
            ("dropped", (self.dropped + self.lost).to_string()),
            ("median", milliseconds(self.median)),
            ("p99", milliseconds(self.p99)),
            ("events/s", format!("{rate:.0}")),
        ]);
        let (names, values): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        Table::new().load_style(UTF8_HORIZONTAL_ONLY).set_header(names).add_row(values).to_string()
    }
}

/// Delivers the events of one appliance, one at a time.
pub struct EventSender {
    /// The number of the appliance, from 0.
    pub number: usize,
    /// The recipient of its events.
    pub recipient: HttpRecipient,
    /// The retry rules.
    pub rules: RetryRules,
    /// The rate limit that all senders share.
    pub pace: Option<Arc<SendPace>>,
    /// The counters that all senders share.
    pub tally: Arc<Tally>,
}

impl EventSender {
    /// Delivers one event. Returns when it is accepted or dropped.
    pub async fn deliver(&self, form: String) {
        if let Some(pace) = &self.pace {
            pace.wait().await;
        }
        let (tally, number, form) = (&self.tally, self.number, Bytes::from(form));
        let mut first = true;
        let attempt = || {
            if !std::mem::take(&mut first) {
                tally.retries.fetch_add(1, Ordering::Relaxed);
            }
            self.recipient.post(form.clone())
        };
        let Ok(outcome) = deliver(self.rules, None, attempt, |failure| tally.failed(number, failure)).await;
        match outcome {
            AttemptOutcome::Accepted(accepted) => tally.accepted(number, accepted),
            AttemptOutcome::Dropped(failure) => {
                tally.dropped.fetch_add(1, Ordering::Relaxed);
                tally.unannounced.add(&form);
                eprintln!("dropped {}: {failure}", describe(&form));
            }
        }
    }
}

/// An event's name, session and time for a log line.
pub fn describe(form: &[u8]) -> String {
    match parse(form) {
        Ok(event) => format!(
            "{} of session {} at {}",
            event.kind().name().as_str(),
            event.lsid().map_or("-", Lsid::as_str),
            event.timestamp().rfc3339()
        ),
        Err(_) => "an invalid event".to_owned(),
    }
}

/// A rate limit that several senders share.
pub struct SendPace {
    period: Duration,
    /// When the next event can be sent.
    next: Mutex<Instant>,
}

impl SendPace {
    /// The most lateness that is made up for: enough for timers, whose resolution is a millisecond, and too little for
    /// a burst after an outage.
    const CATCH_UP: Duration = Duration::from_millis(10);

    /// At most `rate` events a second; `rate` is positive.
    pub fn new(rate: f64) -> Self {
        Self { period: Duration::from_secs_f64(1.0 / rate), next: Mutex::new(Instant::now()) }
    }

    async fn wait(&self) {
        let slot = {
            let mut next = self.next.lock();
            let now = Instant::now();
            let slot = next.max(now.checked_sub(Self::CATCH_UP).unwrap_or(now));
            *next = slot + self.period;
            slot
        };
        tokio::time::sleep_until(slot).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::SendPace;

    /// The clock moves only by waiting.
    #[tokio::test(start_paused = true)]
    async fn the_rate_is_kept() {
        let (started, pace) = (Instant::now(), SendPace::new(20.0));
        for _ in 0..9 {
            pace.wait().await;
        }
        assert_eq!(started.elapsed(), Duration::from_millis(8 * 50));
        // No burst after an outage.
        tokio::time::sleep(Duration::from_secs(60)).await;
        let recovered = Instant::now();
        for _ in 0..9 {
            pace.wait().await;
        }
        assert!(recovered.elapsed() >= Duration::from_millis(8 * 50 - 10), "{:?}", recovered.elapsed());
    }
}
