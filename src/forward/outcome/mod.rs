//! What became of a request, and when the next one goes.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{Response, StatusCode, header};

use super::destination::{Push, Secrets};
use crate::http_client::{HttpClient, NotSent};

/// What a destination said to a request, or that it said nothing.
pub type Answer<C> = Result<Response<<C as HttpClient>::Body>, NotSent>;

/// What became of a request to a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 2xx: it has the event.
    Delivered {
        /// What the answer's body says, if it has one.
        answer: Option<String>,
    },
    /// It does not want this event: the next one goes.
    Refused(String),
    /// 410: it wants no event any more.
    Gone,
    /// It may want it later: nothing overtakes.
    Failed(Failure),
}

/// Why a destination fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In words.
    pub reason: String,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether this is an answer that may be about the event: not 408, 425 or 429, which are about the time.
    pub is_answer: bool,
}

impl Failure {
    /// Whether another event may be taken where this one was not.
    pub fn may_be_of_the_event(&self) -> bool {
        self.is_answer && self.retry_after.is_none()
    }
}

/// How long a request may take.
pub const TIMEOUT: Duration = Duration::from_secs(15);

/// How long to wait after the first failure, the second …; after those, the last again and again.
const WAITS: [u64; 6] = [5, 30, 120, 600, 1_800, 3_600];

/// The longest that `Retry-After` is obeyed.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// How long to wait after so many failures, the first being 1.
pub fn wait(failures: u32, retry_after: Option<Duration>) -> Duration {
    let index = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX).min(WAITS.len() - 1);
    let asked = retry_after.map(|asked| asked.clamp(Duration::from_secs(1), LONGEST_WAIT));
    asked.unwrap_or(Duration::from_secs(WAITS.get(index).copied().unwrap_or(3_600)))
}

impl Outcome {
    /// What an answer means, or that there was none.
    #[expect(clippy::unused_async, unused_variables, reason = "bodies are not read yet")]
    pub async fn of<C: HttpClient>(
        client: &C,
        answer: Answer<C>,
        push: &Push,
        secrets: &Secrets,
        now: DateTime<Utc>,
    ) -> Self {
        let response = match answer {
            Ok(response) => response,
            Err(error) => {
                return Self::Failed(Failure { reason: error.to_string(), retry_after: None, is_answer: false });
            }
        };
        let status = response.status();
        let reason = format!("it answered {status}");
        match status {
            status if status.is_success() => Self::Delivered { answer: None },
            StatusCode::GONE => Self::Gone,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Self::Failed(Failure { reason, retry_after: retry_after(&response, now), is_answer: false })
            }
            status if status.is_redirection() || status.is_client_error() => Self::Refused(reason),
            _ => Self::Failed(Failure { reason, retry_after: retry_after(&response, now), is_answer: true }),
        }
    }
}

/// `Retry-After` in seconds or as a date (RFC 9110).
fn retry_after<B>(response: &Response<B>, now: DateTime<Utc>) -> Option<Duration> {
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    Some(date.signed_duration_since(now).to_std().unwrap_or_default())
}
