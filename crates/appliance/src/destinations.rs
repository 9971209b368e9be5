//! A file of destinations, tried before it becomes a setting: what is wrong with it, and what each destination says to the events of
//! one invented session.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::Utc;
use outbound_events::archive::pack::RecordEntry;
use outbound_events::forward::destination::{Destination, Push, Way};
use outbound_events::forward::request;
use outbound_events::identity::Site;
use outbound_events::keys::KeyParts;
use outbound_events::parse::parse;
use outbound_events::record::Record;
use outbound_events::session::Timeline;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use rustls::pki_types::CertificateDer;

use crate::session::Session;
use crate::{http, tls};

/// How long an answer may take: as long as a round waits for it.
const TIMEOUT: Duration = Duration::from_secs(15);

/// What a destination said to an event.
#[derive(Debug)]
pub struct Said {
    /// The event's name.
    pub event: String,
    /// Its answer, or why there was none.
    pub answer: Result<u16, String>,
}

impl Said {
    /// Whether it took the event.
    pub fn is_taken(&self) -> bool {
        matches!(self.answer, Ok(200..=299))
    }
}

/// The events of one invented session of the site `trial`, which has just been.
pub fn trial() -> Result<Vec<RecordEntry>> {
    let now = Utc::now();
    let seed = now.timestamp().unsigned_abs();
    let session = Session::make(seed, 0);
    let began = seed.saturating_sub(session.ended_after());
    let site = Site::parse("trial").context("a site's name")?;
    let entry = |step: &crate::session::Step| {
        let form = step.form(began + step.after, false);
        let event = parse(form.as_bytes()).map_err(|problems| anyhow::anyhow!("{problems}"))?;
        let (_, record) = Record::new(event, site.clone(), now);
        let value = record.to_json().map_err(|problems| anyhow::anyhow!("{problems}"))?;
        RecordEntry::parse(value).map_err(|reason| anyhow::anyhow!(reason))
    };
    session.steps.iter().map(entry).collect()
}

/// Sends those of the events that a destination wants, as a round would. `None` if it pulls. Trusts `authorities` and this machine's.
/// Uses the proxies of the environment, as the host does: not for loopback addresses.
pub async fn send(
    destination: &Destination,
    entries: &[RecordEntry],
    authorities: &[CertificateDer<'static>],
) -> Result<Option<Vec<Said>>> {
    let Way::Push(push) = &destination.way else { return Ok(None) };
    // All that may be shown of it.
    let origin = Url::parse(push.url.origin()).context("its URL is none")?;
    let client = Client::builder()
        .redirect(Policy::none())
        .timeout(TIMEOUT)
        .tls_backend_preconfigured(tls::config_beside(&origin, authorities)?);
    let client = if is_loopback(&origin) { client.no_proxy() } else { client }.build()?;
    let events: Vec<_> = entries.iter().filter_map(|entry| Some((entry.event().ok()?, entry.delivered))).collect();
    let timeline = Timeline::new(events.iter().map(|(event, delivered)| (event, *delivered)));
    let mut said = Vec::new();
    for entry in entries {
        let key = entry.key.to_string();
        let external_key = entry.event().ok().and_then(|event| event.external_key().map(str::to_owned));
        let wanted = KeyParts::of(&key).is_some_and(|parts| destination.filter.wants(&parts));
        if wanted && destination.filter.wants_with(external_key.as_deref()) {
            let answer = answer(&client, &origin, destination, push, entry, &timeline).await;
            said.push(Said { event: entry.key.event.as_str().to_owned(), answer });
        }
    }
    Ok(Some(said))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
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
    let request = reqwest::Request::try_from(request).map_err(|error| error.without_url().to_string())?;
    let response = client.execute(request).await;
    response.map(|response| response.status().as_u16()).map_err(|error| http::unanswered(&error, origin))
}
