//! `--api` of `appliance send` and `appliance run`: the vendor's own APIs, and their faults.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use appliance::api::{
    ApiFaults, ApiOptions, ApplianceApi, MissingPermission, ReportNamespace, RunningApi, SessionRegister,
};
use appliance::drops::EventDrops;
use clap::builder::Resettable;
use clap::{Args, ValueEnum};

/// The appliance's own APIs.
#[derive(Args)]
#[command(next_help_heading = "The appliance's own APIs")]
pub struct ApiArguments {
    /// Serves the token and reporting APIs for the sessions on this address, over plain HTTP, until it is stopped. Port 0
    /// is any free port.
    #[arg(long, value_name = "ADDRESS")]
    api: Option<SocketAddr>,
    /// The client id of the API account.
    #[arg(long, value_name = "ID", requires = "api", default_value = ApiOptions::CLIENT_ID)]
    api_client_id: String,
    /// The client secret of the API account. Default: one for trying, which is printed.
    #[arg(long, value_name = "SECRET", env = "APPLIANCE_API_CLIENT_SECRET", hide_env_values = true)]
    api_client_secret: Option<String>,
    /// How long a token is valid.
    #[arg(long, value_name = "N", requires = "api", default_value_t = ApiOptions::TOKEN_LIFETIME.as_secs())]
    api_token_seconds: u64,
    /// The namespace of the answers: Remote Support, before its name changed, or Privileged Remote Access.
    #[arg(long, value_name = "NAME", requires = "api", default_value = "beyondtrust")]
    api_namespace: NamespaceName,
    /// The account lacks its permission. Answers an error with status 200, or with `=forbidden` 403.
    #[arg(long, value_name = "HOW", requires = "api", num_args = 0..=1, require_equals = true, default_missing_value = "error")]
    api_no_permission: Option<PermissionAnswer>,
    /// For this time after its end a session is reported as running. Seconds, or a time such as 1m.
    #[arg(long, value_name = "TIME", requires = "api", default_value = "10", value_parser = seconds)]
    api_lag: Duration,
    /// The most requests a second; beyond it, 429. 0 is no limit.
    #[arg(long, value_name = "N", requires = "api", default_value_t = ApiFaults::REQUESTS_PER_SECOND)]
    api_rate: u32,
    /// The wait before each answer.
    #[arg(long, value_name = "TIME", requires = "api", default_value = "0", value_parser = seconds)]
    api_delay: Duration,
    /// How many seconds the appliance's clock is fast; negative if it is slow. Applies to events, too.
    #[arg(long, value_name = "SECONDS", requires = "api", default_value_t = 0, allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-4_000_000_000..=4_000_000_000))]
    api_clock_skew: i64,
    /// Closes connections without an answer from and to these times after the start, such as 30s-2m.
    #[arg(long, value_name = "FROM-TO", requires = "api", value_parser = period_of_time)]
    api_down: Option<Range<Duration>>,
    /// The share of requests that fail, from 0 to 1: 503, no answer, half of the XML, or half of the body.
    #[arg(long, value_name = "SHARE", requires = "api", default_value = "0", value_parser = share)]
    api_fail: f64,
    /// Drops this share of the events, from 0 to 1, as an appliance does after the retry duration. The same seed drops
    /// the same events. Reports have their sessions all the same.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share, help_heading = Resettable::Reset)]
    drop_events: f64,
}

#[derive(Clone, Copy, ValueEnum)]
enum NamespaceName {
    Beyondtrust,
    Bomgar,
    Pra,
}

#[derive(Clone, Copy, ValueEnum)]
enum PermissionAnswer {
    Error,
    Forbidden,
}

impl ApiArguments {
    /// The events to drop.
    pub fn drops(&self) -> EventDrops {
        EventDrops::new(self.drop_events)
    }

    /// How many seconds the appliance's clock is fast.
    pub fn clock_skew(&self) -> i64 {
        self.api_clock_skew
    }

    /// Whether the APIs are served.
    pub fn is_served(&self) -> bool {
        self.api.is_some()
    }

    /// Serves the APIs if that is wanted, and prints how to use them. `seed` decides which requests fail.
    pub fn serve(&self, sessions: Arc<SessionRegister>, seed: u64) -> Result<Option<RunningApi>> {
        let Some(address) = self.api else { return Ok(None) };
        let options = ApiOptions {
            client_id: self.api_client_id.clone(),
            client_secret: self.api_client_secret.clone().unwrap_or_else(|| ApiOptions::CLIENT_SECRET.to_owned()),
            token_lifetime: Duration::from_secs(self.api_token_seconds),
            namespace: match self.api_namespace {
                NamespaceName::Beyondtrust => ReportNamespace::BeyondTrust,
                NamespaceName::Bomgar => ReportNamespace::Bomgar,
                NamespaceName::Pra => ReportNamespace::Pra,
            },
            seed,
            faults: ApiFaults {
                lag: self.api_lag,
                requests_per_second: self.api_rate,
                delay: self.api_delay,
                missing_permission: self.api_no_permission.map(|answer| match answer {
                    PermissionAnswer::Error => MissingPermission::Error,
                    PermissionAnswer::Forbidden => MissingPermission::Forbidden,
                }),
                clock_skew: self.api_clock_skew,
                downtime: self.api_down.clone(),
                fail_share: self.api_fail,
                ..ApiFaults::default()
            },
        };
        let api = ApplianceApi::new(options, sessions).serve(address).context("choose another --api")?;
        let secret = match self.api_client_secret {
            Some(_) => "the client secret as given".to_owned(),
            None => format!("client secret {:?}", ApiOptions::CLIENT_SECRET),
        };
        eprintln!("Serving the appliance's APIs on {}: client id {:?}, {secret}", api.url(), self.api_client_id);
        Ok(Some(api))
    }
}

/// Seconds such as `10`, or a time such as `500ms`.
fn seconds(text: &str) -> Result<Duration> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    match humantime::parse_duration(text) {
        Ok(time) if time <= Duration::from_secs(u32::MAX.into()) => Ok(time),
        _ => bail!("is neither a number of seconds nor a time, such as 10 or 500ms"),
    }
}

fn period_of_time(text: &str) -> Result<Range<Duration>> {
    let (from, to) = text.split_once('-').context("is not two times, such as 30s-2m")?;
    let (from, to) = (seconds(from)?, seconds(to)?);
    if from >= to {
        bail!("begins at its end or after it");
    }
    Ok(from..to)
}

fn share(text: &str) -> Result<f64> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => bail!("is not a number from 0 to 1"),
    }
}
