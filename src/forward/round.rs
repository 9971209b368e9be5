//! The round: a destination is sent what it is owed, oldest first, one request at a time; then what was refused and is to go once
//! more; then replays.
//!
//! A round to each destination runs beside those to others, so that one that hangs holds up nobody else. That two rounds to one
//! destination do not run at once is a rule with a lease behind it, and nothing is lost where it fails: two that do send twice. No
//! platform can compare and set; so who takes the lease writes its name, waits a moment, and looks whether it is still there. A round
//! is bounded, and who begins it does not matter: it goes on where the last one ended, since what is sent is written down.

use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::{Either, join_all, select};
use http::{Request, Response};

use super::destination::{Destination, Push, Way};
use super::format;
use super::outcome::{self, Outcome, TIMEOUT};
use super::owed::{self, Owing, Receipt};
use super::standing::{self, Failing, LEASE, MOST_REFUSED, Refused, Standing};
use crate::archive::events::{Cursor, Wanted};
use crate::archive::pack::Entry;
use crate::archive::{self, Listing, View, events};
use crate::clock_faults::{self, ClockFault, Kind};
use crate::deadline::Deadline;
use crate::event::Timestamp;
use crate::http_client::{Deliver, NotSent};
use crate::identity::Id;
use crate::keys::{ForwardKey, Forwards, KeyParts};
use crate::platform::Platform;
use crate::session::{self, Timeline};
use crate::store::{Store, StoreError};

/// After which a round begins nothing new. With a request's time-out it ends within the 30 seconds that platforms give.
const TIME: Duration = Duration::from_secs(10);

/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(1);

/// How long who takes the lease waits to see whether it is its own.
const SETTLE: Duration = Duration::from_millis(40);

/// How long a round waits for more before it looks again for what is owed: what comes together is then written down together.
const GATHER: Duration = Duration::from_millis(100);

/// How many records are read at a time.
const AT_A_TIME: usize = 64;

/// The most that are: those of one second are put in order together.
const MOST_AT_A_TIME: usize = 1_024;

/// How many events are sent before it is written down. As many are sent twice if the process dies.
const UNWRITTEN: usize = 64;

/// For how long at most it is not.
const UNWRITTEN_TIME: Duration = Duration::from_millis(200);

/// What requests are counted in, where the platform allows only so many.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// After how much time that was waited for it a destination that fails is paused.
const MOST_FAILING: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// The most events of a session that a template is shown, and their bytes.
const MOST_OF_SESSION: (usize, usize) = (2_000, 4 << 20);

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
    Failing { reason: String, retry_after: Option<Duration> },
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

    fn deliver(&self) -> &'r P::Deliver {
        self.rounds.platform.deliver()
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

    /// Takes the lease, if nobody has it.
    async fn begin(&mut self) -> Result<bool, StoreError> {
        let (store, name) = (self.store(), &self.destination.name);
        self.standing = Standing::of(store, name).await?;
        let now = self.now();
        let rests = self.standing.rest.is_some_and(|rest| rest.holds(now));
        if rests || standing::paused(store, name).await?.is_some() {
            return Ok(false);
        }
        if self.standing.rest.is_some_and(|rest| rest.is_ahead(now)) {
            let fault = ClockFault::of_recipient(Kind::DeadlineAhead);
            self.log.extend(clock_faults::report(store, now, vec![fault]).await?);
        }
        if !self.standing.window.is_some_and(|hour| hour.holds(now)) {
            (self.standing.window, self.standing.requests) = (Some(Deadline::new(now, HOUR)), 0);
        }
        self.standing.owner = now.timestamp_nanos_opt().unwrap_or_default();
        self.renew().await?;
        self.deliver().wait(SETTLE).await;
        if self.is_overtaken().await? {
            return Ok(false);
        }
        let receipt = self.standing.receipt.as_ref().and_then(|id| id.parse().ok());
        self.receipt = Receipt::resumed(self.store(), self.destination.name.clone(), receipt).await?;
        Ok(true)
    }

    async fn renew(&mut self) -> Result<(), StoreError> {
        self.renewed = self.rounds.platform.monotonic();
        self.standing.rest = Some(Deadline::new(self.now(), LEASE));
        self.standing.write(self.store(), &self.destination.name).await
    }

    /// Whether the lease is somebody else's by now: this one was slow, and taken for dead, or an administrator has taken it away.
    async fn is_overtaken(&self) -> Result<bool, StoreError> {
        let standing = Standing::of(self.store(), &self.destination.name).await?;
        Ok(standing.owner != self.standing.owner)
    }

    /// Gives the lease back, or keeps everyone away until it is time to try again.
    async fn end(&mut self, end: End) -> Result<(), StoreError> {
        let (store, name, now) = (self.store(), &self.destination.name, self.now());
        if matches!(end, End::Overtaken) || self.is_overtaken().await? {
            return Ok(());
        }
        self.standing.rest = None;
        self.standing.receipt = self.receipt.id().map(|id| id.to_string());
        match end {
            End::Idle => self.standing.failing = None,
            End::Over | End::Paused | End::Overtaken => {
                if self.sent {
                    self.standing.failing = None;
                }
            }
            End::Allowance => {
                let end = self.standing.window.map_or(0, |hour| hour.end());
                let left = u64::try_from(end.saturating_sub(now.timestamp_millis())).unwrap_or(0);
                // No longer than an hour, whatever a clock that stepped back makes of it.
                self.standing.rest = Some(Deadline::new(now, Duration::from_millis(left).min(HOUR)));
            }
            End::Failing { reason, retry_after } => {
                let before = self.standing.failing.take().filter(|_| !self.sent);
                let mut failing = before.unwrap_or_else(|| Failing::new(now));
                let wait = outcome::wait(failing.failures.saturating_add(1), retry_after);
                failing.again(now, wait);
                self.standing.rest = Some(Deadline::new(now, wait));
                if failing.waited.is(MOST_FAILING) {
                    standing::pause(store, name, &format!("it has failed for three days: {reason}"), now).await?;
                }
                let words = format!("{reason}; failure {}, tried again in {} s", failing.failures, wait.as_secs());
                self.standing.failing = Some(failing);
                self.standing.error = Some(reason);
                self.note(&words);
            }
        }
        self.sent = false;
        self.standing.write(store, &self.destination.name).await
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
            self.deliver().wait(GATHER).await;
        }
    }

    /// Sends loose events, which have been put in order by their keys.
    async fn send_some(&mut self, keys: &[String]) -> Step {
        let mut entries = Vec::new();
        for key in keys {
            // Gone: it was erased, or another round has sent it and a pass has packed it.
            let Some(value) = self.store().get(key).await? else { continue };
            match Entry::under(key, value) {
                Ok(entry) => entries.push(entry),
                Err(reason) => {
                    self.note(&format!("{key} cannot be sent, and stays where it is: {reason}"));
                    self.unreadable.extend(id_of(key));
                }
            }
        }
        // As sessions are told.
        entries.sort_by_key(|entry| session::order(&entry.key, entry.delivered));
        for entry in entries {
            if let Some(end) = self.send(&entry).await? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    /// Sends an event, and has it on the receipt unless it has to be sent again.
    async fn send(&mut self, entry: &Entry) -> Step {
        let key = entry.key.to_string();
        let wanted = KeyParts::of(&key).is_some_and(|parts| self.destination.filter.wants(&parts));
        if !wanted || !self.destination.filter.wants_record(&entry.value) {
            self.receipt.add(entry.key.id);
            return Ok(None);
        }
        if self.since(self.began) >= TIME {
            return Ok(Some(End::Over));
        }
        if self.standing.requests >= self.allowed {
            return Ok(Some(End::Allowance));
        }
        if self.receipt.unwritten() >= UNWRITTEN || self.since(self.written) >= UNWRITTEN_TIME {
            self.keep().await?;
        }
        if self.since(self.renewed) >= RENEWAL {
            if self.is_overtaken().await? {
                // The other goes on with the receipt that this one went on with.
                self.receipt.part();
                return Ok(Some(End::Overtaken));
            }
            self.renew().await?;
        }
        let session = self.session(entry).await?;
        let request = format::request(self.push, &self.destination.secrets, entry, session.as_ref(), self.now());
        let outcome = match request {
            Ok(request) => {
                self.standing.requests += 1;
                let answer = self.answer(request).await?;
                Outcome::of(answer, self.now())
            }
            Err(reason) => Outcome::Refused(reason),
        };
        self.take(entry, outcome).await
    }

    /// Does what an outcome asks for.
    async fn take(&mut self, entry: &Entry, outcome: Outcome) -> Step {
        match outcome {
            Outcome::Sent => {
                self.sent = true;
                self.standing.succeeded = Some(self.now().timestamp_millis());
                self.receipt.add(entry.key.id);
                self.settle(entry.key.id).await?;
                Ok(None)
            }
            Outcome::Refused(reason) => self.refuse(entry, reason).await,
            Outcome::Gone => self.pause("it answered 410 Gone: it wants no more events").await,
            Outcome::Failed { reason, retry_after } => Ok(Some(End::Failing { reason, retry_after })),
        }
    }

    async fn refuse(&mut self, entry: &Entry, reason: String) -> Step {
        self.note(&format!("event {} was refused: {reason}", entry.key.id));
        let refused = Refused {
            id: entry.key.id.to_string(),
            time: entry.key.timestamp.rfc3339(),
            event: entry.key.event.as_str().to_owned(),
            refused: standing::rfc3339(self.now()),
            reason: reason.clone(),
        };
        let key = standing::key(&self.destination.name, Forwards::Refused(entry.key.id));
        self.store().set(&key, &serde_json::to_vec(&refused).unwrap_or_default()).await?;
        self.standing.error = Some(reason.clone());
        self.refused.insert(entry.key.id);
        if self.refused.len() >= MOST_REFUSED {
            return self.pause(&format!("it refused {MOST_REFUSED} events, the last since {reason}")).await;
        }
        Ok(None)
    }

    async fn pause(&mut self, reason: &str) -> Step {
        self.note(&format!("paused: {reason}"));
        standing::pause(self.store(), &self.destination.name, reason, self.now()).await?;
        Ok(Some(End::Paused))
    }

    /// What was refused and is sent by now is refused no longer. Written down first.
    async fn settle(&mut self, id: Id) -> Result<(), StoreError> {
        if self.refused.remove(&id) {
            self.keep().await?;
            let key = standing::key(&self.destination.name, Forwards::Refused(id));
            self.store().delete(&key).await?;
        }
        Ok(())
    }

    /// Waits for the answer to a request, and keeps the lease meanwhile.
    async fn answer(&mut self, request: Request<Vec<u8>>) -> Result<Result<Response<()>, NotSent>, StoreError> {
        let deliver = self.deliver();
        let began = self.rounds.platform.monotonic();
        let mut sending = pin!(deliver.send(request));
        loop {
            match select(sending.as_mut(), pin!(deliver.wait(RENEWAL))).await {
                Either::Left((answer, _)) => return Ok(answer),
                Either::Right(_) if self.since(began) >= TIMEOUT => {
                    return Ok(Err(NotSent(format!("it gave no answer within {} s", TIMEOUT.as_secs()))));
                }
                Either::Right(_) if !self.is_overtaken().await? => self.renew().await?,
                Either::Right(_) => {}
            }
        }
    }

    async fn keep(&mut self) -> Result<(), StoreError> {
        self.receipt.write(self.store(), self.now()).await?;
        self.written = self.rounds.platform.monotonic();
        Ok(())
    }

    /// What a template is shown of the session. Nothing if there is more of it than fits.
    async fn session(&self, entry: &Entry) -> Result<Option<Timeline>, StoreError> {
        let Some(lsid) = entry.key.lsid.as_ref().filter(|_| format::needs_session(self.push)) else { return Ok(None) };
        let (most, bytes) = MOST_OF_SESSION;
        let entries = archive::read(self.rounds.platform, async |view: &mut View<'_, P::Store>| {
            events::of_session(view, &entry.key.site, lsid, most, bytes).await
        });
        let Some(entries) = entries.await? else { return Ok(None) };
        let mut entries: Vec<_> = entries.iter().filter_map(|entry| Some((entry, entry.event().ok()?))).collect();
        entries.sort_by_key(|(entry, _)| session::order(&entry.key, entry.delivered));
        Ok(Some(Timeline::new(entries.iter().map(|(entry, event)| (event, entry.delivered)))))
    }

    /// Sends what was refused and is to go once more, and a part of a replay. Whether there was any.
    async fn send_again(&mut self, listing: &Listing) -> Result<(bool, Option<End>), StoreError> {
        let own: Vec<_> = listing.forwards.iter().filter(|key| key.destination == self.destination.name).collect();
        for key in &own {
            if let Forwards::Again(id) = key.what {
                let end = self.send_refused(key, id).await?;
                return Ok((true, end));
            }
        }
        for key in &own {
            if let Forwards::Replay(from, to) = key.what {
                let end = self.send_replay(key, from, to).await?;
                return Ok((true, end));
            }
        }
        Ok((false, None))
    }

    async fn send_refused(&mut self, key: &ForwardKey, id: Id) -> Step {
        let store = self.store();
        let found =
            archive::read(self.rounds.platform, async |view: &mut View<'_, P::Store>| events::one(view, id).await)
                .await?;
        let end = match found {
            Some(entry) => self.send(&entry).await?,
            // It was erased.
            None => {
                store.delete(&standing::key(&self.destination.name, Forwards::Refused(id))).await?;
                None
            }
        };
        // Where it failed it is to go once more as before.
        if !matches!(end, Some(End::Failing { .. } | End::Over | End::Allowance)) {
            store.delete(&key.to_string()).await?;
        }
        Ok(end)
    }

    /// Sends a page of what is stored of a time, and writes down how far it is.
    async fn send_replay(&mut self, key: &ForwardKey, from: Timestamp, to: Timestamp) -> Step {
        let store = self.store();
        let name = key.to_string();
        let Some(value) = store.get(&name).await? else { return Ok(None) };
        let after = str::from_utf8(&value).ok().and_then(|text| Cursor::parse(text).ok());
        let wanted = Wanted {
            site: None,
            event: None,
            from: Some(from),
            to: Some(to),
            after,
            limit: AT_A_TIME,
            max_bytes: 4 << 20,
        };
        let page = archive::read(self.rounds.platform, async |view: &mut View<'_, P::Store>| {
            events::list(view, &wanted).await
        })
        .await?;
        let mut last = None;
        for entry in page.events {
            if let Some(end) = self.send(&entry).await? {
                if let Some(last) = last {
                    self.keep().await?;
                    store.set(&name, String::as_bytes(&last)).await?;
                }
                return Ok(Some(end));
            }
            last = Some(entry.key.to_string());
        }
        self.keep().await?;
        match page.next {
            Some(next) => store.set(&name, next.to_string().as_bytes()).await?,
            None => store.delete(&name).await?,
        }
        Ok(None)
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
