//! The round: a destination is sent what it is owed, oldest first, one request at a time; then what was refused and is to go once
//! more; then replays.
//!
//! A round to each destination runs beside those to others, so that one that hangs holds up nobody else. That two rounds to one
//! destination do not run at once is a rule with a lease behind it, and nothing is lost where it fails: two that do send twice. No
//! platform can compare and set; so who takes the lease writes its name, waits a moment, and looks whether it is still there. A round
//! is bounded, and who begins it does not matter: it goes on where the last one ended, since what is sent is written down.
//!
//! | what | file |
//! |---|---|
//! | the rounds to all destinations, and the loop of one round | `mod.rs` |
//! | taking, renewing and giving back the lease; the wait after a failure | `lease.rs` |
//! | sending one event, and recording its outcome | `send.rs` |
//! | sending refused events again, and replays | `again.rs` |

mod again;
mod lease;
mod send;

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;

use super::destination::{Destination, Push, Way};
use super::outcome::Failure;
use super::owed::{self, Owing, Receipt};
use super::standing::{self, Standing};
use crate::archive::Listing;
use crate::http_client::HttpClient;
use crate::identity::Id;
use crate::keys::KeyParts;
use crate::platform::Platform;
use crate::store::StoreError;

/// How long a round waits for more before it looks again for what is owed: what comes together is then written down together.
const GATHER: Duration = Duration::from_millis(100);

/// How many records are read at a time.
const AT_A_TIME: usize = 64;

/// The most that are: those of one second are put in order together.
const MOST_AT_A_TIME: usize = 1_024;

/// What rounds are made of.
#[derive(Debug)]
pub struct Rounds<'r, P> {
    /// Where events are kept, what sends, and what tells the time.
    pub platform: &'r P,
    /// Where to.
    pub destinations: &'r [Destination],
    /// How many requests an hour the platform allows, all destinations together.
    pub max_requests_per_hour: Option<u32>,
}

impl<P: Platform> Rounds<'_, P> {
    /// Runs a round to each destination that is not known to have one, or to fail, now. Gives lines for the log.
    pub async fn run(&self) -> Vec<String> {
        let sends = |destination: &&Destination| matches!(destination.way, Way::Push(_));
        let senders = u32::try_from(self.destinations.iter().filter(sends).count()).unwrap_or(u32::MAX);
        // Each has its share: so no two count together.
        let allowed = self.max_requests_per_hour.map_or(u32::MAX, |most| (most / senders.max(1)).max(1));
        let rounds = self.destinations.iter().filter_map(|destination| match &destination.way {
            Way::Push(push) => Some(self.round(destination, push, allowed)),
            Way::Pull => None,
        });
        join_all(rounds).await.into_iter().flatten().collect()
    }

    async fn round(&self, destination: &Destination, push: &Push, allowed: u32) -> Vec<String> {
        let mut round = Round {
            rounds: self,
            destination,
            push,
            allowed,
            began: self.platform.monotonic(),
            renewed: self.platform.monotonic(),
            written: self.platform.monotonic(),
            standing: Standing::default(),
            receipt: Receipt::new(destination.name.clone()),
            sent: false,
            refused: HashSet::new(),
            unreadable: HashSet::new(),
            log: Vec::new(),
        };
        if let Err(error) = round.run().await {
            round.note(&format!("a round broke off: {error}"));
        }
        round.log
    }
}

/// A round to one destination.
struct Round<'r, P> {
    rounds: &'r Rounds<'r, P>,
    destination: &'r Destination,
    push: &'r Push,
    /// How many requests an hour.
    allowed: u32,
    /// By the monotonic clock, like the next two.
    began: Duration,
    /// When the lease was written last.
    renewed: Duration,
    /// When the receipt was written last.
    written: Duration,
    standing: Standing,
    receipt: Receipt,
    /// Whether anything was sent.
    sent: bool,
    /// What it refuses, as far as that was listed or has just been seen.
    refused: HashSet<Id>,
    /// Events whose records could not be read.
    unreadable: HashSet<Id>,
    log: Vec<String>,
}

/// Why a round ends.
enum End {
    /// Nothing is owed.
    Idle,
    /// Its time is over.
    Over,
    /// No more requests are allowed in this hour.
    Allowance,
    /// Somebody else has taken the lease.
    Overtaken,
    /// The destination is paused.
    Paused,
    /// It fails.
    Failing(Failure),
}

/// What becomes of the round after an event.
type Step = Result<Option<End>, StoreError>;

impl<'r, P: Platform> Round<'r, P> {
    fn now(&self) -> DateTime<Utc> {
        self.rounds.platform.now()
    }

    fn since(&self, then: Duration) -> Duration {
        self.rounds.platform.elapsed(then)
    }

    fn store(&self) -> &'r P::Store {
        self.rounds.platform.store()
    }

    fn http_client(&self) -> &'r P::HttpClient {
        self.rounds.platform.http_client()
    }

    fn note(&mut self, words: &str) {
        self.log.push(format!("destination {}: {words}", self.destination.name));
    }

    async fn run(&mut self) -> Result<(), StoreError> {
        while self.begin().await? {
            let ended = self.work().await;
            // What was sent is written down also where the round breaks off.
            let kept = self.keep().await;
            let end = match ended.and_then(|end| kept.map(|()| end)) {
                Ok(end) => end,
                Err(error) => {
                    self.standing.rest = None;
                    self.standing.write(self.store(), &self.destination.name).await?;
                    return Err(error);
                }
            };
            let is_idle = matches!(end, End::Idle);
            self.end(end).await?;
            // What came after the last look, and whose own round found this one under way.
            if !is_idle || self.owed().await?.1.is_empty() {
                break;
            }
        }
        Ok(())
    }

    async fn owed(&self) -> Result<(Listing, Vec<String>), StoreError> {
        let listing = Listing::of(self.store()).await?;
        let owing = Owing::of(self.store(), self.destination, &listing).await?;
        let mut keys = owing.keys(&listing);
        keys.retain(|key| !id_of(key).is_some_and(|id| self.unreadable.contains(&id)));
        Ok((listing, keys))
    }

    async fn work(&mut self) -> Result<End, StoreError> {
        loop {
            let (listing, keys) = self.owed().await?;
            self.refused = standing::refused_ids(&self.destination.name, &listing).collect();
            let mut rest = keys.as_slice();
            while !rest.is_empty() {
                let (some, others) = rest.split_at_checked(seconds(rest)).unwrap_or((rest, &[]));
                rest = others;
                if let Some(end) = self.send_some(some).await? {
                    return Ok(end);
                }
            }
            if keys.is_empty() {
                let (did, end) = self.send_again(&listing).await?;
                match end {
                    Some(end) => return Ok(end),
                    None if !did => return Ok(End::Idle),
                    None => {}
                }
            }
            self.keep().await?;
            owed::tidy(self.store(), &listing, self.now()).await?;
            self.http_client().wait(GATHER).await;
        }
    }
}

/// The id of the event that a key is of.
fn id_of(key: &str) -> Option<Id> {
    KeyParts::of(key)?.id.parse().ok()
}

/// How many of the first keys are read together: none of a second is left for later, unless there are very many.
fn seconds(keys: &[String]) -> usize {
    let time = |key: &String| KeyParts::of(key).map(|parts| parts.timestamp.to_owned());
    let last = keys.get(AT_A_TIME - 1).and_then(time);
    match last {
        None => keys.len(),
        Some(last) => {
            let more = keys.iter().skip(AT_A_TIME).take_while(|key| time(key).as_ref() == Some(&last)).count();
            (AT_A_TIME + more).min(MOST_AT_A_TIME)
        }
    }
}
