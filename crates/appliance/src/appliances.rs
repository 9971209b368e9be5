//! Tries the entries of the setting `appliances` before it is used: asks each appliance for a token, and for the
//! sessions that ended in the last hour.

use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::Utc;
use outbound_events::appliance_api::{ApiError, Appliance, ApplianceClient};
use outbound_events::event::Timestamp;
use reqwest::Url;
use rustls::pki_types::CertificateDer;

use crate::trial::TrialPlatform;

/// The time for which ended sessions are listed, in seconds.
const HOUR: u64 = 60 * 60;

/// The answers of an appliance that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApplianceTrial {
    /// The number of sessions that ended in the last hour.
    pub ended: usize,
    /// By how many seconds the appliance's clock is ahead of this machine's; negative if it is behind.
    pub clock_ahead: i64,
}

impl ApplianceTrial {
    /// The longest difference between the clocks that is not mentioned, in seconds.
    const TOLERANCE: u64 = 60;

    /// The difference between the clocks in words, if it is more than a minute.
    pub fn clock_difference(&self) -> Option<String> {
        let seconds = self.clock_ahead.unsigned_abs();
        let direction = if self.clock_ahead > 0 { "ahead of" } else { "behind" };
        let difference = humantime::format_duration(Duration::from_secs(seconds));
        (seconds > Self::TOLERANCE).then(|| format!("its clock is {difference} {direction} this machine's"))
    }
}

/// Asks an appliance as a check of the host does. The inner error says what the appliance lacks, without secrets.
///
/// Trusts `authorities` besides this machine's. Like the host, uses the proxies of the environment, except for loopback
/// addresses.
pub async fn ask(
    appliance: &Appliance,
    authorities: &[CertificateDer<'static>],
) -> Result<Result<ApplianceTrial, ApiError>> {
    let origin = Url::parse(appliance.url.origin()).context("the URL is not valid")?;
    let platform = TrialPlatform::new(origin, authorities)?;
    Ok(list_last_hour(&platform, appliance).await)
}

async fn list_last_hour(platform: &TrialPlatform, appliance: &Appliance) -> Result<ApplianceTrial, ApiError> {
    let mut client = ApplianceClient::connect(platform, appliance).await?;
    let appliance_now = client.appliance_now()?;
    let clock_ahead = seconds(appliance_now).saturating_sub(Utc::now().timestamp());
    let hour_ago = Timestamp::from_seconds(appliance_now.seconds().saturating_sub(HOUR)).unwrap_or_default();
    let ended = client.list_ended(hour_ago, HOUR).await?.len();
    Ok(ApplianceTrial { ended, clock_ahead })
}

fn seconds(time: Timestamp) -> i64 {
    i64::try_from(time.seconds()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::ApplianceTrial;

    #[test]
    fn a_clock_difference_is_mentioned_from_a_minute_on() {
        let words = |clock_ahead| ApplianceTrial { ended: 0, clock_ahead }.clock_difference();
        assert_eq!((words(0), words(60), words(-60)), (None, None, None));
        assert_eq!(words(61).unwrap(), "its clock is 1m 1s ahead of this machine's");
        assert_eq!(words(-3_600).unwrap(), "its clock is 1h behind this machine's");
    }
}
