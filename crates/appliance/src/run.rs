//! `appliance run`: an appliance that makes sessions until it is stopped, and delivers what happens in them as its
//! settings say.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::macros::{EmailEvent, render};
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use lettre::message::Mailbox;
use outbound_events::event::EventName;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::board::{Board, RecipientRow, UNTRIED};
use crate::config::{Config, EmailRecipientSettings, HttpRecipientSettings, SessionSettings, SmtpSettings};
use crate::email::{Email, EmailError, RefusedAddress, Relay, RelayError, refused_text};
use crate::http::{self, HttpError};
use crate::queue::{ComingStep, Lane, Millis, QueueError, QueuedItem, Queues, StartedSession};
use crate::retry::{AttemptFailure, DeliveryOutcome, RetryRules, deliver};
use crate::send::named;
use crate::session::SupportSession;
use crate::story::Story;
use crate::tls::{self, AuthorityError};

/// How often it looks at the clock: what is due, who is to be told, what has changed.
const TICK: Duration = Duration::from_millis(200);

/// The most sessions that start at one look.
const MAX_STARTS: usize = 1_000;

/// How emails to contacts are retried. The settings page has no fields for it.
const ALERT_RULES: RetryRules = RetryRules { interval: Duration::from_secs(60), duration: Duration::from_secs(86_400) };

/// What stops an appliance, or keeps it from starting.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each is the error that it holds")]
pub enum RunError {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("{0}")]
    Recipient(String, #[source] HttpError),
    #[error(transparent)]
    Tls(#[from] AuthorityError),
    #[error(transparent)]
    Relay(#[from] RelayError),
    #[error(transparent)]
    Email(#[from] EmailError),
    #[error("a part of the appliance ended unexpectedly")]
    Ended(#[from] tokio::task::JoinError),
}

/// Where a queue's items leave the appliance.
enum Outlet {
    Http(http::HttpRecipient),
    Smtp(Relay),
}

impl Outlet {
    /// Makes one attempt. Returns the addresses that an SMTP server refused while it took the email for others.
    async fn attempt(&self, item: &Bytes) -> Result<Vec<RefusedAddress>, AttemptFailure> {
        match self {
            Self::Http(recipient) => recipient.post(item.clone()).await.map(|_| Vec::new()),
            Self::Smtp(relay) => {
                let email: Email = serde_json::from_slice(item)
                    .map_err(|error| AttemptFailure::new(format!("what is queued is no email: {error}")))?;
                relay.send(&email).await
            }
        }
    }
}

/// A running appliance.
pub struct Appliance {
    config: Config,
    queues: Queues,
    /// Woken when something was queued.
    wake: BTreeMap<Lane, Notify>,
    /// What each queue's last attempt came to: OK, or the failure in words.
    status: Mutex<BTreeMap<Lane, String>>,
    /// Where all of it is shown.
    board: Mutex<Board>,
}

impl Appliance {
    /// An appliance with these settings, and the queues that are on disk.
    pub fn new(config: Config, queues: Queues) -> Self {
        let http = config.http.iter().filter(|r| r.enabled).map(|recipient| Lane::http(&recipient.name));
        let email = config.email.iter().filter(|r| r.enabled).map(|recipient| Lane::email(&recipient.name));
        let alerts = config.smtp.iter().map(|_| Lane::alerts());
        let wake = http.chain(email).chain(alerts).map(|lane| (lane, Notify::new())).collect();
        Self { config, queues, wake, status: Mutex::default(), board: Mutex::default() }
    }

    /// Runs until something fails that is not a recipient.
    pub async fn run(self: Arc<Self>) -> Result<(), RunError> {
        let mut parts = JoinSet::new();
        for recipient in self.config.http.iter().filter(|recipient| recipient.enabled) {
            let outlet = Outlet::Http(client(recipient)?);
            parts.spawn(Arc::clone(&self).serve(Lane::http(&recipient.name), recipient.rules, outlet));
        }
        if let Some(smtp) = &self.config.smtp {
            let email = self.config.email.iter().filter(|recipient| recipient.enabled);
            let lanes = email.map(|recipient| (Lane::email(&recipient.name), recipient.rules));
            for (lane, rules) in lanes.chain([(Lane::alerts(), ALERT_RULES)]) {
                parts.spawn(Arc::clone(&self).serve(lane, rules, Outlet::Smtp(relay(smtp)?)));
            }
        }
        let appliance = Arc::clone(&self);
        parts.spawn(async move { appliance.keep_time().await });
        match parts.join_next().await {
            Some(ended) => ended?,
            None => Ok(()),
        }
    }

    /// Shows nothing more: what the screen has stays, and other words come below it.
    pub fn close_board(&self) {
        self.board.lock().close();
    }

    /// How many events and emails are queued, and how many more for recipients that are disabled or no longer there.
    pub fn remaining(&self) -> Result<(u64, u64), RunError> {
        let (served, others): (Vec<_>, Vec<_>) =
            self.queues.lengths()?.into_iter().partition(|(lane, _)| self.wake.contains_key(lane));
        let sum = |lengths: Vec<(Lane, u64)>| lengths.into_iter().map(|(_, length)| length).sum();
        Ok((sum(served), sum(others)))
    }

    /// Delivers what is in a queue and what comes into it, first in, first out, one at a time.
    async fn serve(self: Arc<Self>, lane: Lane, rules: RetryRules, outlet: Outlet) -> Result<(), RunError> {
        let lane = &lane;
        if let Outlet::Smtp(relay) = &outlet {
            // The page's Current status is there before the first email.
            self.set_status(lane, relay.reach().await.err().map_or("OK".to_owned(), |failure| failure.to_string()));
        }
        loop {
            let Some(item) = self.queues.first(lane)? else {
                if let Some(wake) = self.wake.get(lane) {
                    wake.notified().await;
                }
                continue;
            };
            let failing_for = item.failing_since.map(|since| elapsed(since, now()));
            let failed = |failure: &AttemptFailure| {
                self.set_status(lane, failure.to_string());
                self.queues.failed(lane, &item, now())
            };
            match deliver(rules, failing_for, || outlet.attempt(&item.bytes), failed).await? {
                DeliveryOutcome::Accepted(refused) => {
                    self.queues.accepted(lane, &item)?;
                    self.report_accepted(lane, &refused);
                }
                DeliveryOutcome::Dropped(failure) => self.drop_item(lane, &item, &failure)?,
            }
        }
    }

    fn drop_item(&self, lane: &Lane, item: &QueuedItem, failure: &AttemptFailure) -> Result<(), RunError> {
        let what = if lane.as_str().starts_with("http/") { named(&item.bytes) } else { "an email".to_owned() };
        self.log(&format!("{}: dropped {what}: {failure}", lane.as_str()));
        Ok(self.queues.dropped(item)?)
    }

    /// Logs refused addresses when they change, not once for each email.
    fn report_accepted(&self, lane: &Lane, refused: &[RefusedAddress]) {
        let status = match refused {
            [] => "OK".to_owned(),
            _ => AttemptFailure::new(format!("OK, but {}", refused_text(refused))).to_string(),
        };
        if self.set_status(lane, status.clone()).as_ref() == Some(&status) {
            return;
        }
        for refused in refused {
            self.log(&format!("{}: sent an email, but {refused}", lane.as_str()));
        }
    }

    /// Sets the status of a queue, and returns the one before.
    fn set_status(&self, lane: &Lane, status: String) -> Option<String> {
        self.status.lock().insert(lane.clone(), status)
    }

    /// Prints a line with the time on standard error.
    fn log(&self, text: &str) {
        let time = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
        self.board.lock().say(&format!("{time} {text}"));
    }

    /// Everything that is a matter of time.
    async fn keep_time(&self) -> Result<(), RunError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next_start = Instant::now();
        loop {
            tick.tick().await;
            if let Some(sessions) = self.config.sessions {
                next_start = self.start_sessions(sessions, next_start)?;
            }
            self.let_happen().await?;
            self.tell_contacts()?;
            let rows = self.rows()?;
            self.board.lock().show(&rows);
        }
    }

    /// Starts the sessions whose time has come, and says when the next is to start. What a busy machine is late by is made up
    /// for, up to a limit: it would never come to anything else.
    fn start_sessions(&self, sessions: SessionSettings, mut next_start: Instant) -> Result<Instant, RunError> {
        let first = self.queues.next_session(sessions.seed)?;
        let mut started = Vec::new();
        for number in (first..).take(MAX_STARTS) {
            if next_start > Instant::now() {
                break;
            }
            started.push(start(sessions, number));
            next_start += sessions.every;
        }
        self.queues.start(sessions.seed, &started)?;
        Ok(if started.len() == MAX_STARTS { Instant::now() } else { next_start })
    }

    /// What is due happens: it is queued for each recipient that has chosen it.
    async fn let_happen(&self) -> Result<(), RunError> {
        loop {
            let due = self.queues.due(now())?;
            if due.is_empty() {
                return Ok(());
            }
            // Between two of many, it may be time to stop.
            tokio::task::yield_now().await;
            let mut items = Vec::new();
            for coming in &due {
                items.extend(self.items(coming)?);
            }
            self.queues.happened(&due, &items)?;
            for lane in items.iter().map(|(lane, _)| lane) {
                self.wake(lane);
            }
        }
    }

    fn wake(&self, lane: &Lane) {
        if let Some(wake) = self.wake.get(lane) {
            wake.notify_one();
        }
    }

    fn items(&self, coming: &ComingStep) -> Result<Vec<(Lane, Vec<u8>)>, RunError> {
        let session = SupportSession::make(coming.seed, coming.session);
        let Some(step) = session.steps.get(coming.step as usize) else {
            self.board.lock().say(&format!(
                "the queues hold a step of session {} that this version does not make; it is left out",
                session.lsid
            ));
            return Ok(Vec::new());
        };
        let event = &step.event;
        let http = self.config.http.iter().filter(|recipient| recipient.enabled && recipient.events.contains(event));
        let mut items: Vec<_> = http
            .map(|recipient| {
                let form = step.form(coming.started + step.after, recipient.custom_fields);
                (Lane::http(&recipient.name), form.into_bytes())
            })
            .collect();
        let story = Story {
            session: &session,
            started: coming.started,
            ended: coming.started + session.ended_after(),
            external_key: step.external_key(),
        };
        for recipient in self.config.email.iter().filter(|recipient| sends(recipient, event)) {
            let Some(smtp) = &self.config.smtp else { continue };
            let (subject, body) = (render(&recipient.subject, &story), render(&recipient.body, &story));
            let email = Email::new(&smtp.from, &recipient.addresses, &subject, &body)?;
            items.push((Lane::email(&recipient.name), json(&email)?));
        }
        Ok(items)
    }

    /// The contact of each recipient that has failed for long enough is told, once until it recovers.
    fn tell_contacts(&self) -> Result<(), RunError> {
        let lengths = self.queues.lengths()?;
        for failing in self.queues.failing()? {
            let recipient = self.config.http.iter().find(|recipient| Lane::http(&recipient.name) == failing.lane);
            let Some((recipient, alert)) = recipient.and_then(|r| Some((r, r.alert.as_ref()?))) else { continue };
            let Some(smtp) = &self.config.smtp else { continue };
            // Since it was last stopped, it may have recovered: what counts is an attempt of this run.
            let Some(status) = self.status.lock().get(&failing.lane).cloned() else { continue };
            if !alert.is_due(elapsed(failing.since, now())) {
                continue;
            }
            let queued = lengths.get(&failing.lane).copied().unwrap_or_default();
            let email = alert_email(&smtp.from, &alert.contact, recipient, failing.since, queued, &status)?;
            self.queues.tell(&failing.lane, &json(&email)?)?;
            self.wake(&Lane::alerts());
        }
        Ok(())
    }

    /// The rows of the settings page's table.
    fn rows(&self) -> Result<Vec<RecipientRow>, RunError> {
        let lengths = self.queues.lengths()?;
        let statuses = self.status.lock();
        let row = |name: &str, to: String, enabled: bool, lane: &Lane| {
            let status = if enabled { statuses.get(lane).map_or(UNTRIED, String::as_str) } else { "Disabled" };
            let queued = lengths.get(lane).copied().unwrap_or_default();
            RecipientRow { name: name.to_owned(), to, status: status.to_owned(), queued }
        };
        let http = self.config.http.iter().map(|recipient| {
            row(&recipient.name, http::shown(&recipient.url), recipient.enabled, &Lane::http(&recipient.name))
        });
        let email = self.config.email.iter().map(|recipient| {
            let addresses: Vec<_> = recipient.addresses.iter().map(|address| address.email.to_string()).collect();
            row(&recipient.name, addresses.join(", "), recipient.enabled, &Lane::email(&recipient.name))
        });
        let contacts = self.config.http.iter().any(|recipient| recipient.alert.is_some());
        let alerts = contacts.then(|| row("email contacts", String::new(), true, &Lane::alerts()));
        Ok(http.chain(email).chain(alerts).collect())
    }
}

/// Its last step is due when it ends at this speed; its timestamps keep the time of life, and so begin in the past.
fn start(sessions: SessionSettings, number: u64) -> StartedSession {
    let session = SupportSession::make(sessions.seed, number);
    let now = now();
    let sooner = |seconds: u64| (seconds as f64 * 1000.0 / sessions.speed) as Millis;
    let length = session.steps.last().map_or(0, |step| step.after);
    let started = now + sooner(length) - length as Millis * 1000;
    let due = session.steps.iter().map(|step| now + sooner(step.after)).collect();
    StartedSession { number, started: started.unsigned_abs() / 1000, due }
}

fn sends(recipient: &EmailRecipientSettings, event: &EventName) -> bool {
    recipient.enabled && EmailEvent::of(event).is_some_and(|event| recipient.events.contains(&event))
}

fn json(email: &Email) -> Result<Vec<u8>, RunError> {
    Ok(serde_json::to_vec(email).map_err(EmailError::from)?)
}

fn client(recipient: &HttpRecipientSettings) -> Result<http::HttpRecipient, RunError> {
    let tls = tls::config(&recipient.url, &recipient.authorities)?;
    http::HttpRecipient::new(recipient.url.clone(), tls, recipient.timeout)
        .map_err(|error| RunError::Recipient(recipient.name.clone(), error))
}

fn relay(smtp: &SmtpSettings) -> Result<Relay, RelayError> {
    Relay::new(&smtp.host, smtp.port, smtp.encryption.clone(), smtp.credentials.clone(), smtp.timeout)
}

fn alert_email(
    from: &Mailbox,
    to: &Mailbox,
    recipient: &HttpRecipientSettings,
    since: Millis,
    queued: u64,
    status: &str,
) -> Result<Email, EmailError> {
    let since = DateTime::from_timestamp_millis(since).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true);
    let subject = format!("Outbound events: {} has been failing since {since}", recipient.name);
    let body = format!(
        "The HTTP recipient {} has not taken an event since {since}.\n\nURL: {}\nStatus: {status}\nQueued events: {queued}\n\nEvents that fail for {} are dropped.\n",
        recipient.name,
        http::shown(&recipient.url),
        humantime::format_duration(recipient.rules.duration),
    );
    Email::new(from, std::slice::from_ref(to), &subject, &body)
}

fn now() -> Millis {
    Utc::now().timestamp_millis()
}

/// From one time to another; nothing if the clock was set back.
fn elapsed(from: Millis, to: Millis) -> Duration {
    Duration::from_millis(to.saturating_sub(from).try_into().unwrap_or_default())
}

/// Reads the settings and opens their queues. Says on standard error what it found.
pub fn open(path: &Path) -> anyhow::Result<Appliance> {
    let config = Config::read(path)?;
    let opened = Queues::open(&config.queue)?;
    if let Some(aside) = opened.set_aside {
        eprintln!(
            "{} was damaged: it is now {}, and new queues are begun. What it held is not sent.",
            config.queue.display(),
            aside.display()
        );
    }
    let appliance = Appliance::new(config, opened.queues);
    appliance.queues.forget_failing_but(&appliance.wake.keys().collect::<Vec<_>>())?;
    for (lane, length) in appliance.queues.lengths()?.iter().filter(|(lane, _)| !appliance.wake.contains_key(lane)) {
        eprintln!("{length} are queued for {}, which is disabled or no longer there: they are kept", lane.as_str());
    }
    Ok(appliance)
}
