//! `appliance run`: an appliance that generates sessions until it is stopped, and delivers their events and emails.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::macros::{EmailEvent, render};
use chrono::{SecondsFormat, Utc};
use outbound_events::event::EventName;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::alert::alert_email;
use crate::api::SessionRegister;
use crate::board::{Board, RecipientRow, UNTRIED};
use crate::config::{Config, EmailRecipientSettings, SessionSettings};
use crate::drops::{EventDrops, UnannouncedEvents};
use crate::email::{Email, EmailError, RefusedAddress, refused_text};
use crate::http;
use crate::outlet::{Outlet, OutletError};
use crate::queue::{ComingStep, Lane, Millis, QueueError, QueuedItem, Queues, StartedSession};
use crate::retry::{AttemptFailure, AttemptOutcome, RetryRules, deliver};
use crate::send::describe;
use crate::session::SupportSession;
use crate::story::Story;

/// How often due steps, alerts and the table are processed.
const TICK: Duration = Duration::from_millis(200);

/// The most sessions that start in one tick.
const MAX_STARTS: usize = 1_000;

/// Retry rules for alerts to email contacts. The settings page has no fields for them.
const ALERT_RULES: RetryRules = RetryRules { interval: Duration::from_secs(60), duration: Duration::from_secs(86_400) };

/// Why an appliance cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each is the error that it holds")]
pub enum RunError {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Outlet(#[from] OutletError),
    #[error(transparent)]
    Email(#[from] EmailError),
    #[error("a task of the appliance ended unexpectedly")]
    Ended(#[from] tokio::task::JoinError),
}

/// A running appliance.
pub struct RunningAppliance {
    config: Config,
    queues: Queues,
    /// One for each served queue, notified when an item is queued.
    wake: BTreeMap<Lane, Notify>,
    /// The result of each queue's last attempt: `OK`, or the failure.
    status: Mutex<BTreeMap<Lane, String>>,
    board: Mutex<Board>,
    /// The started sessions, for reports.
    sessions: Arc<SessionRegister>,
    chaos: RunChaos,
    unannounced: UnannouncedEvents,
}

/// How the appliance differs from one that works.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunChaos {
    /// The events to drop.
    pub drops: EventDrops,
    /// How many seconds the appliance's clock is fast. Applies to sessions that start from now on.
    pub clock_skew: i64,
}

impl RunningAppliance {
    /// Creates an appliance that is not running yet.
    pub fn new(config: Config, queues: Queues, chaos: RunChaos) -> Result<Self, RunError> {
        let http = config.http.iter().filter(|r| r.enabled).map(|recipient| Lane::http(&recipient.name));
        let email = config.email.iter().filter(|r| r.enabled).map(|recipient| Lane::email(&recipient.name));
        let alerts = config.smtp.iter().map(|_| Lane::alerts());
        let wake = http.chain(email).chain(alerts).map(|lane| (lane, Notify::new())).collect();
        let sessions = Arc::<SessionRegister>::default();
        queues.started()?.into_iter().for_each(|occurrence| sessions.add_generated(occurrence));
        let (status, board, unannounced) = (Mutex::default(), Mutex::default(), UnannouncedEvents::default());
        Ok(Self { config, queues, wake, status, board, sessions, chaos, unannounced })
    }

    /// The sessions that have started, also in earlier runs.
    pub fn sessions(&self) -> Arc<SessionRegister> {
        Arc::clone(&self.sessions)
    }

    /// The seed of the sessions; 0 if none are generated.
    pub fn seed(&self) -> u64 {
        self.config.sessions.map_or(0, |sessions| sessions.seed)
    }

    /// The events that were dropped in this run.
    pub fn unannounced(&self) -> &UnannouncedEvents {
        &self.unannounced
    }

    /// Runs until an error. Failures of recipients are not errors.
    pub async fn run(self: Arc<Self>) -> Result<(), RunError> {
        let mut tasks = JoinSet::new();
        for recipient in self.config.http.iter().filter(|recipient| recipient.enabled) {
            let outlet = Outlet::http(recipient)?;
            tasks.spawn(Arc::clone(&self).serve(Lane::http(&recipient.name), recipient.rules, outlet));
        }
        if let Some(smtp) = &self.config.smtp {
            let email = self.config.email.iter().filter(|recipient| recipient.enabled);
            let lanes = email.map(|recipient| (Lane::email(&recipient.name), recipient.rules));
            for (lane, rules) in lanes.chain([(Lane::alerts(), ALERT_RULES)]) {
                tasks.spawn(Arc::clone(&self).serve(lane, rules, Outlet::smtp(smtp)?));
            }
        }
        let appliance = Arc::clone(&self);
        tasks.spawn(async move { appliance.keep_time().await });
        match tasks.join_next().await {
            Some(ended) => ended?,
            None => Ok(()),
        }
    }

    /// Stops redrawing the table. Later output appears below it.
    pub fn close_board(&self) {
        self.board.lock().close();
    }

    /// The number of queued events and emails, and the number for recipients that are disabled or removed.
    pub fn remaining(&self) -> Result<(u64, u64), RunError> {
        let (served, others): (Vec<_>, Vec<_>) =
            self.queues.lengths()?.into_iter().partition(|(lane, _)| self.wake.contains_key(lane));
        let sum = |lengths: Vec<(Lane, u64)>| lengths.into_iter().map(|(_, length)| length).sum();
        Ok((sum(served), sum(others)))
    }

    /// Delivers the items of a queue in order, one at a time, and waits for more.
    async fn serve(self: Arc<Self>, lane: Lane, rules: RetryRules, outlet: Outlet) -> Result<(), RunError> {
        let lane = &lane;
        if let Outlet::Smtp(relay) = &outlet {
            // So that the table shows a status before the first email.
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
                AttemptOutcome::Accepted(refused) => {
                    self.queues.accepted(lane, &item)?;
                    self.report_accepted(lane, &refused);
                }
                AttemptOutcome::Dropped(failure) => self.drop_item(lane, &item, &failure)?,
            }
        }
    }

    fn drop_item(&self, lane: &Lane, item: &QueuedItem, failure: &AttemptFailure) -> Result<(), RunError> {
        let is_event = lane.as_str().starts_with("http/");
        let what = if is_event { describe(&item.bytes) } else { "an email".to_owned() };
        if is_event {
            self.unannounced.add(&item.bytes);
        }
        self.log(&format!("{}: dropped {what}: {failure}", lane.as_str()));
        Ok(self.queues.dropped(item)?)
    }

    /// Counts and logs an event that is dropped on request, for all recipients.
    fn lose(&self, items: &[(Lane, Vec<u8>)]) {
        let Some((_, form)) = items.first() else { return };
        self.unannounced.add(form);
        self.log(&format!("dropped {}: --drop-events", describe(form)));
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
        self.board.lock().log(&format!("{time} {text}"));
    }

    /// Runs the tasks of each tick.
    async fn keep_time(&self) -> Result<(), RunError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next_start = Instant::now();
        loop {
            tick.tick().await;
            if let Some(sessions) = self.config.sessions {
                next_start = self.start_sessions(sessions, next_start)?;
            }
            self.run_due_steps().await?;
            self.queue_alerts()?;
            let rows = self.rows()?;
            self.board.lock().show(&rows);
        }
    }

    /// Starts the sessions that are due, and returns the time of the next start. Catches up on late starts, up to
    /// [`MAX_STARTS`] in one tick, so that a busy machine also does its other work.
    fn start_sessions(&self, sessions: SessionSettings, mut next_start: Instant) -> Result<Instant, RunError> {
        let first = self.queues.next_session(sessions.seed)?;
        let mut started = Vec::new();
        for number in (first..).take(MAX_STARTS) {
            if next_start > Instant::now() {
                break;
            }
            started.push(start(sessions, number, self.chaos.clock_skew));
            next_start += sessions.every;
        }
        self.queues.start(sessions.seed, &started)?;
        started.iter().for_each(|session| self.sessions.add_generated(session.occurrence(sessions.seed)));
        Ok(if started.len() == MAX_STARTS { Instant::now() } else { next_start })
    }

    /// Queues the due steps for each recipient that has selected their events.
    async fn run_due_steps(&self) -> Result<(), RunError> {
        loop {
            let due = self.queues.due(now())?;
            if due.is_empty() {
                return Ok(());
            }
            // So that a stop request is seen between two batches.
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
        let session = SupportSession::generate(coming.seed, coming.session);
        let Some(step) = session.steps.get(coming.step as usize) else {
            self.board.lock().log(&format!(
                "the queues hold a step of session {} that this version does not generate; it is skipped",
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
        if self.chaos.drops.drops(coming.seed, coming.session, coming.step as usize) {
            self.lose(&items);
            items.clear();
        }
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

    /// Alerts the contacts of recipients that have failed for long enough, once until they recover.
    fn queue_alerts(&self) -> Result<(), RunError> {
        let lengths = self.queues.lengths()?;
        for failing in self.queues.failing()? {
            let recipient = self.config.http.iter().find(|recipient| Lane::http(&recipient.name) == failing.lane);
            let Some((recipient, alert)) = recipient.and_then(|r| Some((r, r.alert.as_ref()?))) else { continue };
            let Some(smtp) = &self.config.smtp else { continue };
            // Wait for an attempt of this run: the recipient can have recovered while the appliance was stopped.
            let Some(status) = self.status.lock().get(&failing.lane).cloned() else { continue };
            if !alert.is_due(elapsed(failing.since, now())) {
                continue;
            }
            let queued = lengths.get(&failing.lane).copied().unwrap_or_default();
            let email = alert_email(&smtp.from, &alert.contact, recipient, failing.since, queued, &status)?;
            self.queues.queue_alert(&failing.lane, &json(&email)?)?;
            self.wake(&Lane::alerts());
        }
        Ok(())
    }

    /// The rows of the table.
    fn rows(&self) -> Result<Vec<RecipientRow>, RunError> {
        let lengths = self.queues.lengths()?;
        let statuses = self.status.lock();
        let row = |name: &str, address: String, enabled: bool, lane: &Lane| {
            let status = if enabled { statuses.get(lane).map_or(UNTRIED, String::as_str) } else { "Disabled" };
            let queued = lengths.get(lane).copied().unwrap_or_default();
            RecipientRow { name: name.to_owned(), address, status: status.to_owned(), queued }
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

/// Plans a session. Its steps are due at the speed of the settings. Its timestamps have the length of a real session
/// and end when its last step is due, so they begin in the past.
fn start(sessions: SessionSettings, number: u64, clock_skew: i64) -> StartedSession {
    let session = SupportSession::generate(sessions.seed, number);
    let now = now();
    let sooner = |seconds: u64| (seconds as f64 * 1000.0 / sessions.speed) as Millis;
    let length = session.length();
    let started = now + sooner(length) + clock_skew.saturating_sub(length as Millis).saturating_mul(1000);
    let due = session.steps.iter().map(|step| now + sooner(step.after)).collect();
    StartedSession { number, started: started.unsigned_abs() / 1000, due }
}

fn sends(recipient: &EmailRecipientSettings, event: &EventName) -> bool {
    recipient.enabled && EmailEvent::from_event_name(event).is_some_and(|event| recipient.events.contains(&event))
}

fn json(email: &Email) -> Result<Vec<u8>, RunError> {
    Ok(serde_json::to_vec(email).map_err(EmailError::from)?)
}

fn now() -> Millis {
    Utc::now().timestamp_millis()
}

/// The time between two readings; zero if the clock was set back.
fn elapsed(from: Millis, to: Millis) -> Duration {
    Duration::from_millis(to.saturating_sub(from).try_into().unwrap_or_default())
}

/// Loads the settings and opens their queues. Reports damage and orphaned queues on standard error.
pub fn open(path: &Path, chaos: RunChaos) -> anyhow::Result<RunningAppliance> {
    let config = Config::load(path)?;
    let opened = Queues::open(&config.queue)?;
    if let Some(renamed) = opened.renamed {
        eprintln!(
            "{} was damaged and is now {}; its events and emails are not sent, and the queues start empty",
            config.queue.display(),
            renamed.display()
        );
    }
    let appliance = RunningAppliance::new(config, opened.queues, chaos)?;
    appliance.queues.forget_failing_except(&appliance.wake.keys().collect::<Vec<_>>())?;
    for (lane, length) in appliance.queues.lengths()?.iter().filter(|(lane, _)| !appliance.wake.contains_key(lane)) {
        eprintln!("{length} are queued for {}, which is disabled or removed; they are kept", lane.as_str());
    }
    Ok(appliance)
}
