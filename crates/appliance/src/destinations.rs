//! Tries a file of destinations before it becomes a setting: sends the events of one invented session to each
//! destination.

use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::Utc;
use outbound_events::archive::pack::RecordEntry;
use outbound_events::forward::access_token;
use outbound_events::forward::destination::{Authentication, DeliveryMode, Destination, Push};
use outbound_events::forward::outcome::{DeliveryOutcome, SentRequest, TIMEOUT};
use outbound_events::forward::request::{self, EventToSend};
use outbound_events::http_client::{HttpClient as _, NotSent};
use outbound_events::identity::Site;
use outbound_events::keys::KeyParts;
use outbound_events::oauth::ClientCredentials;
use outbound_events::parse::parse;
use outbound_events::platform::Platform as _;
use outbound_events::record::Record;
use outbound_events::session::Timeline;
use reqwest::Url;
use rustls::pki_types::CertificateDer;

use crate::session::SupportSession;
use crate::trial::TrialPlatform;

/// A destination's answer to one event, or to a batch.
#[derive(Debug)]
pub struct TrialAnswer {
    /// The event's name, or the number of events.
    pub event: String,
    /// The status code, or why there was no answer or not all events were taken.
    pub status: Result<u16, String>,
}

impl TrialAnswer {
    /// Whether the destination accepted the event.
    pub fn is_accepted(&self) -> bool {
        matches!(self.status, Ok(200..=299))
    }
}

/// The events of one invented session of the site `trial`, which ends now.
pub fn trial_events() -> Result<Vec<RecordEntry>> {
    let now = Utc::now();
    let seed = now.timestamp().unsigned_abs();
    let session = SupportSession::generate(seed, 0);
    let began = seed.saturating_sub(session.ended_after());
    let site = Site::parse("trial").context("\"trial\" is not a valid site")?;
    let entry = |step: &crate::session::SessionStep| {
        let form = step.form(began + step.after, false);
        let event = parse(form.as_bytes()).map_err(|problems| anyhow::anyhow!("{problems}"))?;
        let (_, record) = Record::new(event, site.clone(), now);
        let value = record.to_json().map_err(|problems| anyhow::anyhow!("{problems}"))?;
        RecordEntry::parse(value).map_err(|reason| anyhow::anyhow!(reason))
    };
    session.steps.iter().map(entry).collect()
}

/// Sends the events that pass a destination's filters, as a delivery run would: one by one, or in batches. `None` for a
/// destination that pulls.
///
/// Trusts `authorities` besides this machine's. Like the host, uses the proxies of the environment, except for loopback
/// addresses.
pub async fn send(
    destination: &Destination,
    entries: &[RecordEntry],
    authorities: &[CertificateDer<'static>],
) -> Result<Option<Vec<TrialAnswer>>> {
    let DeliveryMode::Push(push) = &destination.mode else { return Ok(None) };
    let events: Vec<_> = entries.iter().filter_map(|entry| Some((entry.event().ok()?, entry.delivered))).collect();
    let timeline = Timeline::new(events.iter().map(|(event, delivered)| (event, *delivered)));
    let (mut wanted, mut answers) = (Vec::new(), Vec::new());
    for entry in entries {
        match is_wanted(destination, entry, &timeline) {
            Ok(true) => wanted.push(EventToSend { entry, session: Some(&timeline) }),
            Ok(false) => {}
            Err(reason) => answers.push(TrialAnswer { event: name(entry), status: Err(reason) }),
        }
    }
    // Messages show the origin only: the path can be a secret.
    let platform = TrialPlatform::new(origin(push.url.origin())?, authorities)?;
    let token = match &push.authentication {
        Authentication::OAuth2(credentials) if !wanted.is_empty() => match get_token(credentials, authorities).await? {
            Ok(token) => Some(token),
            Err(reason) => {
                answers.push(TrialAnswer { event: "(no event)".to_owned(), status: Err(reason) });
                return Ok(Some(answers));
            }
        },
        _ => None,
    };
    for batch in wanted.chunks(push.batch.map_or(1, |limits| limits.max_events)) {
        let status = answer(&platform, destination, push, batch, token.as_deref()).await;
        let event = match batch {
            [event] => name(event.entry),
            several => format!("({} events)", several.len()),
        };
        answers.push(TrialAnswer { event, status });
    }
    Ok(Some(answers))
}

fn name(entry: &RecordEntry) -> String {
    entry.key.event.as_str().to_owned()
}

fn origin(text: &str) -> Result<Url> {
    Url::parse(text).context("the URL is not valid")
}

fn is_wanted(destination: &Destination, entry: &RecordEntry, timeline: &Timeline) -> Result<bool, String> {
    let filter = &destination.filter;
    let key = entry.key.to_string();
    let is_named = KeyParts::split(&key).is_some_and(|parts| filter.wants(&parts));
    if !is_named || !filter.wants_record(&entry.value) {
        return Ok(false);
    }
    filter.when.as_ref().map_or(Ok(true), |condition| condition.is_true(entry, Some(timeline)))
}

/// Gets an access token. The inner error says why there is none.
async fn get_token(
    credentials: &ClientCredentials,
    authorities: &[CertificateDer<'static>],
) -> Result<Result<String, String>> {
    let platform = TrialPlatform::new(origin(credentials.token_url.origin())?, authorities)?;
    let request = credentials.request(true).context("auth.oauth2 does not make a valid request")?;
    let client = platform.http_client();
    let answer = within(access_token::TIMEOUT, client.send(request)).await;
    let token = access_token::read(client, credentials, answer, platform.now()).await;
    Ok(token.map_err(|failure| failure.reason))
}

async fn answer(
    platform: &TrialPlatform,
    destination: &Destination,
    push: &Push,
    events: &[EventToSend<'_>],
    token: Option<&str>,
) -> Result<u16, String> {
    let (secrets, client) = (&destination.secrets, platform.http_client());
    let request = request::request(push, secrets, events, token, platform.now())?;
    let answer = within(TIMEOUT, client.send(request)).await;
    let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
    let sent = SentRequest { push, secrets, token, events: events.len() };
    match (sent.outcome(client, answer, platform.now()).await, status) {
        (DeliveryOutcome::PartlyRejected { reason, .. }, _) => Err(reason),
        (DeliveryOutcome::Failed(failure), None) => Err(failure.reason),
        (_, Some(status)) => Ok(status),
        (_, None) => Err("it gave no answer".to_owned()),
    }
}

async fn within<A>(time: Duration, answer: impl Future<Output = Result<A, NotSent>>) -> Result<A, NotSent> {
    let too_late = |_| Err(NotSent(format!("it did not answer within {} s", time.as_secs())));
    tokio::time::timeout(time, answer).await.unwrap_or_else(too_late)
}
