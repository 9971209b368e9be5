//! How much there is.

use std::collections::BTreeSet;

use chrono::{DateTime, SecondsFormat};
use http::Response;
use http::request::Parts;
use serde::Serialize;

use super::query::Query;
use super::responses::json;
use crate::archive::{self, Unreadable, View, stats};
use crate::clock_faults::{self, ClockFaults};
use crate::forward::destination::Destination;
use crate::forward::status;
use crate::platform::Platform;
use crate::service::answer::Service;
use crate::service::auth;
use crate::service::problem::Refusal;
use crate::settings::Settings;

impl<P: Platform> Service<'_, P> {
    pub(super) async fn stats(&self, head: &Parts) -> Result<Response<Vec<u8>>, Refusal> {
        Query::read(head, &[])?;
        let settings = self.settings()?;
        let unwell = self.unwell(settings).await?;
        let clock_faults = clock_faults::current(self.platform.store(), self.platform.now()).await?;
        let stats = archive::read_view(self.platform, async |view: &mut View<'_, P::Store>| {
            let stats = stats::count_stored(view).await?;
            let mut sites = Vec::new();
            for (site, events) in stats.sites {
                let taken = stats::last_taken(view, &site, self.platform.now()).await?;
                sites.push(SiteStats { site: site.as_str().to_owned(), events, last_event: taken.and_then(rfc3339) });
            }
            let listing = &view.listing;
            Ok(Stats {
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
struct Stats {
    keys: usize,
    loose: usize,
    packs: usize,
    events: u64,
    sessions: usize,
    set_aside: usize,
    other: usize,
    key_budget: Option<usize>,
    /// The destinations that fail or are paused.
    unwell: Vec<Unwell>,
    /// Clocks that were seen to be wrong within a day.
    clock_faults: ClockFaults,
    /// Whether who asks may remove, try again and pack.
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
    /// When one was last taken. `null` where no record that can be read tells.
    last_event: Option<String>,
}

/// A time in Unix milliseconds.
fn rfc3339(millis: u64) -> Option<String> {
    let time = DateTime::from_timestamp_millis(i64::try_from(millis).ok()?)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}
