//! Options of the emulated APIs: the account, the namespace, and faults. Faults can be changed while the API serves.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

/// What does not change while the API serves. Without `Debug`: it has the client secret.
#[derive(Clone)]
pub struct ApiOptions {
    /// The client id of the only API account.
    pub client_id: String,
    /// The client secret.
    pub client_secret: String,
    /// How long a token is valid.
    pub token_lifetime: Duration,
    /// The namespace of all answers in XML.
    pub namespace: ReportNamespace,
    /// The seed of failing requests.
    pub seed: u64,
    /// The faults at the start.
    pub faults: ApiFaults,
}

impl ApiOptions {
    /// The client id for trying things out.
    pub const CLIENT_ID: &'static str = "recipient";
    /// The client secret for trying things out.
    pub const CLIENT_SECRET: &'static str = "only-for-trying";
    /// How long a token of an appliance is valid: an hour.
    pub const TOKEN_LIFETIME: Duration = Duration::from_secs(3_600);
}

impl Default for ApiOptions {
    /// An appliance's, with credentials for trying things out, and without faults.
    fn default() -> Self {
        Self {
            client_id: Self::CLIENT_ID.to_owned(),
            client_secret: Self::CLIENT_SECRET.to_owned(),
            token_lifetime: Self::TOKEN_LIFETIME,
            namespace: ReportNamespace::default(),
            seed: 1,
            faults: ApiFaults::default(),
        }
    }
}

/// The namespaces that appliances use, by product and age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReportNamespace {
    /// Remote Support.
    #[default]
    BeyondTrust,
    /// Remote Support before its name changed.
    Bomgar,
    /// Privileged Remote Access.
    Pra,
}

impl ReportNamespace {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::BeyondTrust, Self::Bomgar, Self::Pra];

    /// The namespace.
    pub fn uri(self) -> &'static str {
        match self {
            Self::BeyondTrust => "https://www.beyondtrust.com/namespaces/API/reporting",
            Self::Bomgar => "http://www.bomgar.com/namespaces/API/reporting",
            Self::Pra => "http://www.beyondtrust.com/sra/namespaces/API/reporting",
        }
    }
}

/// How the appliance answers if its account lacks "Allow Access to Support Session Reports and Recordings". The
/// vendor's public pages do not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingPermission {
    /// Status 200 with an `<error>`, as all other errors of this API.
    Error,
    /// Status 403.
    Forbidden,
}

/// How the API differs from one that answers at once and knows everything.
#[derive(Clone, Debug)]
pub struct ApiFaults {
    /// How long after a session's end its report and the listings do not show it as ended.
    pub lag: Duration,
    /// The most requests a second; beyond it, 429. 0: no limit.
    pub requests_per_second: u32,
    /// The wait before each answer.
    pub delay: Duration,
    /// The account lacks its permission.
    pub missing_permission: Option<MissingPermission>,
    /// How many seconds the appliance's clock is fast; negative if it is slow. Applies to `Date` and to what is "now".
    pub clock_skew: i64,
    /// Closes every connection without an answer.
    pub is_down: bool,
    /// The same, from and to these times since the start.
    pub downtime: Option<Range<Duration>>,
    /// The share of requests that fail, from 0 to 1: 503, no answer, half of the XML, or half of the body.
    pub fail_share: f64,
    /// The lsids that listings leave out.
    pub unlisted: BTreeSet<String>,
    /// The lsids that every listing names although there is no such session.
    pub invented: BTreeSet<String>,
}

impl ApiFaults {
    /// Seconds from a session's end to its report on an appliance, by what integrations wait.
    pub const LAG: Duration = Duration::from_secs(10);
    /// The rate limit of an appliance.
    pub const REQUESTS_PER_SECOND: u32 = 20;
}

impl Default for ApiFaults {
    /// None: no lag and no rate limit either.
    fn default() -> Self {
        Self {
            lag: Duration::ZERO,
            requests_per_second: 0,
            delay: Duration::ZERO,
            missing_permission: None,
            clock_skew: 0,
            is_down: false,
            downtime: None,
            fail_share: 0.0,
            unlisted: BTreeSet::new(),
            invented: BTreeSet::new(),
        }
    }
}
