//! Runs the checks that are due, those of different sites at once: an appliance that hangs delays no other.

use std::time::Duration;

use futures_util::future::join_all;

use super::check::{CheckOutcome, check_site};
use super::due::{due_in, ends_without_report};
use super::setting::Appliance;
use crate::archive::Listing;
use crate::archive::account::Account;
use crate::identity::Site;
use crate::platform::Platform;
use crate::store::{Store, StoreError};

/// The checks of all configured appliances.
#[derive(Clone, Copy, Debug)]
pub struct Checks<'c, P> {
    /// The store, the HTTP client and the clocks.
    pub platform: &'c P,
    /// The setting `appliances`.
    pub appliances: &'c [Appliance],
    /// The setting `retention_days`: what is older is not fetched.
    pub retention_days: Option<u32>,
}

impl<P: Platform> Checks<'_, P> {
    /// Runs the checks that are due. Without appliances, it makes no call. Returns log lines, also about errors of the
    /// store, and the number of reports that were stored.
    pub async fn run_due(&self) -> Result<CheckOutcome, StoreError> {
        if self.appliances.is_empty() {
            return Ok(CheckOutcome::default());
        }
        let listing = Listing::load(self.platform.store()).await?;
        self.delete_unconfigured(&listing).await?;
        let mut due = Vec::new();
        for (appliance, wait) in self.waits(&listing).await? {
            due.extend(wait.is_zero().then_some(appliance));
        }
        drop(listing);
        let checks = due.into_iter().map(|appliance| self.check(appliance));
        let mut all = CheckOutcome::default();
        for outcome in join_all(checks).await {
            all.stored += outcome.stored;
            all.log.extend(outcome.log);
        }
        Ok(all)
    }

    /// Checks a site now. `None` if no appliance is configured for it.
    pub async fn run_site(&self, site: &Site) -> Option<CheckOutcome> {
        let appliance = self.appliances.iter().find(|appliance| appliance.site == *site)?;
        Some(self.check(appliance).await)
    }

    /// The time until the first check is due. `None` without appliances.
    pub async fn next(&self) -> Result<Option<Duration>, StoreError> {
        if self.appliances.is_empty() {
            return Ok(None);
        }
        let listing = Listing::load(self.platform.store()).await?;
        Ok(self.waits(&listing).await?.into_iter().map(|(_, wait)| wait).min())
    }

    async fn check(&self, appliance: &Appliance) -> CheckOutcome {
        let outcome = check_site(self.platform, appliance, self.retention_days).await;
        outcome.unwrap_or_else(|error| CheckOutcome {
            stored: 0,
            log: vec![format!("appliance {}: the check was interrupted: {error}", appliance.site.as_str())],
        })
    }

    /// Each appliance with the time until its check is due.
    async fn waits(&self, listing: &Listing) -> Result<Vec<(&Appliance, Duration)>, StoreError> {
        let mut waits = Vec::new();
        for appliance in self.appliances {
            let account = Account::load(self.platform.store(), &appliance.site).await?;
            let ends = ends_without_report(listing, &appliance.site);
            waits.push((appliance, due_in(account.as_ref(), &ends, self.platform.now())));
        }
        Ok(waits)
    }

    /// Deletes the states of sites that are no longer configured: a marker must not wait for them.
    async fn delete_unconfigured(&self, listing: &Listing) -> Result<(), StoreError> {
        let is_configured = |site: &Site| self.appliances.iter().any(|appliance| appliance.site == *site);
        for key in listing.accounts.iter().filter(|key| !is_configured(&key.0)) {
            self.platform.store().delete(&key.to_string()).await?;
        }
        Ok(())
    }
}
