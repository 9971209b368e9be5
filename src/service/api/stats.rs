//! How much there is.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use http::Response;
use http::request::Parts;
use serde::Serialize;

use super::{Query, json};
use crate::archive::{self, Unreadable, View, stats};
use crate::forward::destination::Destination;
use crate::forward::{Deliver, standing};
use crate::service::{Refusal, Service, auth};
use crate::settings::Settings;
use crate::store::Store;

impl<S: Store, D: Deliver, C: Fn() -> DateTime<Utc>> Service<'_, S, D, C> {
    pub(super) async fn stats(&self, head: &Parts) -> Result<Response<Vec<u8>>, Refusal> {
        Query::read(head, &[])?;
        let settings = self.settings()?;
        let unwell = self.unwell(settings).await?;
        let stats = archive::read(self.store, async |view: &mut View<'_, S>| {
            let stats = stats::stats(view).await?;
            let listing = &view.listing;
            let sites = stats.sites.into_iter().map(|(site, (events, last))| SiteStats {
                site: site.as_str().to_owned(),
                events,
                last_event: last.rfc3339(),
            });
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
                admin: auth::admin(head, settings).is_ok(),
                sites: sites.collect(),
                unreadable: view.unreadable.clone(),
            })
        });
        Ok(json(&stats.await?))
    }

    async fn unwell(&self, settings: &Settings) -> Result<Vec<Unwell>, Refusal> {
        let mut unwell = Vec::new();
        for Destination { name, .. } in &settings.destinations {
            let state = standing::state(self.store, name).await?;
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
    last_event: String,
}
