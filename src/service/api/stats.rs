//! Statistics of the store.

use std::collections::BTreeSet;

use chrono::{DateTime, SecondsFormat};
use http::Response;
use http::request::Parts;
use serde::Serialize;

use super::query::Query;
use super::responses::json;
use crate::archive::account::Account;
use crate::archive::unannounced::count_unannounced;
use crate::archive::{self, ReadError, Unreadable, View, stats};
use crate::clock_faults::{self, ClockFaults};
use crate::event::Timestamp;
use crate::forward::destination::Destination;
use crate::forward::status;
use crate::identity::Site;
use crate::platform::Platform;
use crate::service::answer::Service;
use crate::service::auth;
use crate::service::problem::Refusal;
use crate::settings::Settings;

impl<P: Platform> Service<'_, P> {
    pub(super) async fn stats(&self, head: &Parts) -> Result<Response<Vec<u8>>, Refusal> {
        Query::parse(head, &[])?;
        let settings = self.settings()?;
        let unwell = self.unwell(settings).await?;
        let clock_faults = clock_faults::current(self.platform.store(), self.platform.now()).await?;
        let stats = archive::read_view(self.platform, async |view: &mut View<'_, P::Store>| {
            let mut stats = stats::count_stored(view).await?;
            let mut sites = Vec::new();
            let accounts = Account::load_all(self.platform.store(), &view.listing).await?;
            accounts.iter().for_each(|(site, _)| stats.count(site, 0));
            for (site, events) in stats.sites {
                let account = accounts.iter().find(|(other, _)| *other == site).map(|(_, account)| account);
                sites.push(self.site_stats(view, &site, events, account).await?);
            }
            let listing = &view.listing;
            Ok(StatsResponse {
                keys: listing.keys,
                loose: listing.loose.len(),
                packs: listing.packs.len(),
                events: stats.events,
                sessions: stats.sessions,
                set_aside: listing.set_aside.len(),
                other: listing.others,
                key_budget: settings.packing.key_budget,
                unwell: unwell.clone(),
                clock_faults: clock_faults.clone(),
                admin: auth::admin(head, settings).is_ok(),
                sites,
                unreadable: view.unreadable.clone(),
            })
        });
        Ok(json(&stats.await?))
    }

    async fn site_stats(
        &self,
        view: &mut View<'_, P::Store>,
        site: &Site,
        events: u64,
        account: Option<&Account>,
    ) -> Result<SiteStats, ReadError> {
        let taken = stats::last_taken(view, site, self.platform.now()).await?;
        let missed = match account.and_then(Account::missed_before) {
            Some(before) => Some(count_unannounced(view, site, before).await?),
            None => None,
        };
        Ok(SiteStats {
            site: site.as_str().to_owned(),
            events,
            last_event: taken.and_then(rfc3339),
            complete_through: account.and_then(Account::complete_through).map(Timestamp::rfc3339),
            missed,
        })
    }

    async fn unwell(&self, settings: &Settings) -> Result<Vec<Unwell>, Refusal> {
        let mut unwell = Vec::new();
        for Destination { name, .. } in &settings.destinations {
            let state = status::state(self.platform.store(), name).await?;
            if state != "working" {
                unwell.push(Unwell { name: name.to_string(), state });
            }
        }
        Ok(unwell)
    }
}

#[derive(Serialize)]
struct StatsResponse {
    keys: usize,
    loose: usize,
    packs: usize,
    events: u64,
    sessions: usize,
    set_aside: usize,
    other: usize,
    key_budget: Option<usize>,
    unwell: Vec<Unwell>,
    /// The clock faults of the last day.
    clock_faults: ClockFaults,
    /// Whether the client's token is also an admin token.
    admin: bool,
    sites: Vec<SiteStats>,
    unreadable: BTreeSet<Unreadable>,
}

#[derive(Clone, Serialize)]
struct Unwell {
    name: String,
    state: &'static str,
}

#[derive(Serialize)]
struct SiteStats {
    site: String,
    events: u64,
    /// When the last event was received; `null` if no readable record says so.
    last_event: Option<String>,
    /// Every session that ended before this time is here; `null` if no appliance was asked.
    complete_through: Option<String>,
    /// The number of sessions that were never announced; `null` if the site announces none, or no appliance was asked.
    missed: Option<usize>,
}

/// Formats a time in Unix milliseconds.
fn rfc3339(millis: u64) -> Option<String> {
    let time = DateTime::from_timestamp_millis(i64::try_from(millis).ok()?)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}
