//! Tries a file of destinations before it becomes a setting: sends the events of one invented session to each
//! destination.

use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::Utc;
use outbound_events::archive::pack::RecordEntry;
use outbound_events::forward::destination::{DeliveryMode, Destination, Push};
use outbound_events::forward::request;
use outbound_events::identity::Site;
use outbound_events::keys::KeyParts;
use outbound_events::parse::parse;
use outbound_events::record::Record;
use outbound_events::session::Timeline;
use reqwest::{Client, Url};
use rustls::pki_types::CertificateDer;

use crate::session::SupportSession;
use crate::{http, trial};

/// The time for an answer, as in a delivery run.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A destination's answer to one event.
#[derive(Debug)]
pub struct TrialAnswer {
    /// The event's name.
    pub event: String,
    /// The status code, or why there was no answer.
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

/// Sends the events that pass a destination's filters, as a delivery run would. `None` for a destination that pulls.
///
/// Trusts `authorities` besides this machine's. Like the host, uses the proxies of the environment, except for loopback
/// addresses.
pub async fn send(
    destination: &Destination,
    entries: &[RecordEntry],
    authorities: &[CertificateDer<'static>],
) -> Result<Option<Vec<TrialAnswer>>> {
    let DeliveryMode::Push(push) = &destination.mode else { return Ok(None) };
    // Messages show the origin only: the path can be a secret.
    let origin = Url::parse(push.url.origin()).context("the URL is not valid")?;
    let client = trial::client(&origin, authorities)?;
    let events: Vec<_> = entries.iter().filter_map(|entry| Some((entry.event().ok()?, entry.delivered))).collect();
    let timeline = Timeline::new(events.iter().map(|(event, delivered)| (event, *delivered)));
    let mut answers = Vec::new();
    for entry in entries {
        let key = entry.key.to_string();
        let external_key = entry.event().ok().and_then(|event| event.external_key().map(str::to_owned));
        let wanted = KeyParts::split(&key).is_some_and(|parts| destination.filter.wants(&parts));
        if wanted && destination.filter.wants_with(external_key.as_deref()) {
            let status = answer(&client, &origin, destination, push, entry, &timeline).await;
            answers.push(TrialAnswer { event: entry.key.event.as_str().to_owned(), status });
        }
    }
    Ok(Some(answers))
}

async fn answer(
    client: &Client,
    origin: &Url,
    destination: &Destination,
    push: &Push,
    entry: &RecordEntry,
    timeline: &Timeline,
) -> Result<u16, String> {
    let request = request::request(push, &destination.secrets, entry, Some(timeline), Utc::now())?;
    let mut request = reqwest::Request::try_from(request).map_err(|error| error.without_url().to_string())?;
    *request.timeout_mut() = Some(TIMEOUT);
    let response = client.execute(request).await;
    response.map(|response| response.status().as_u16()).map_err(|error| http::unanswered(&error, origin))
}
