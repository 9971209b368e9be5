//! What became of a request, and when the next one goes.
//!
//! The status line decides. Of a body a little is read for its words alone: it may never end.
//!
//! | file | what lives there |
//! |---|---|
//! | `mod.rs` | what each answer means, and the waits between attempts |
//! | `advice.rs` | what an administrator has to change where the destination is set up wrongly |
//! | `excerpt.rs` | the beginning of a body as one line of text, without what is secret |
//! | `retry_after.rs` | reading `Retry-After` |

mod advice;
mod excerpt;
mod retry_after;

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{Response, StatusCode};

use super::destination::{Push, Secrets};
use crate::http_client::{BodyLimit, HttpClient, NotSent, read_at_most};

/// What a destination said to a request, or that it said nothing.
pub type DestinationAnswer<C> = Result<Response<<C as HttpClient>::Body>, NotSent>;

/// What became of a request to a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
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
    Failed(DeliveryFailure),
}

/// Why a destination fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryFailure {
    /// What it answered, what to change if that is known, and the beginning of the answer's body. Holds no secret.
    pub reason: String,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether this is an answer that may be about the event: not 408, 425 or 429, which are about the time.
    pub is_answer: bool,
}

impl DeliveryFailure {
    /// Whether another event may be taken where this one was not.
    pub fn may_be_of_the_event(&self) -> bool {
        self.is_answer && self.retry_after.is_none()
    }
}

/// How long a request may take, up to the head of its answer.
pub const TIMEOUT: Duration = Duration::from_secs(15);

/// How much of an answer's body is read.
const BODY: BodyLimit = BodyLimit { bytes: 4 * 1024, time: Duration::from_secs(1) };

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

impl DeliveryOutcome {
    /// What an answer of a destination means, or that there was none. Takes as long as a second where the body does not end.
    pub async fn from_answer<C: HttpClient>(
        client: &C,
        answer: DestinationAnswer<C>,
        push: &Push,
        secrets: &Secrets,
        now: DateTime<Utc>,
    ) -> Self {
        let (head, body) = match answer {
            Ok(response) => response.into_parts(),
            Err(NotSent(reason)) => {
                // A platform's own words may name the URL.
                let reason = excerpt::without_secrets(reason.as_bytes(), push, secrets).unwrap_or_default();
                return Self::Failed(DeliveryFailure { reason, retry_after: None, is_answer: false });
            }
        };
        let words = if may_be_shown(head.status) {
            excerpt::without_secrets(&read_at_most(client, body, BODY).await, push, secrets)
        } else {
            None
        };
        let status = match head.status.canonical_reason() {
            Some(name) => format!("{} {name}", head.status.as_u16()),
            None => head.status.as_u16().to_string(),
        };
        let advice = advice::for_answer(&head, push, secrets).map(|advice| format!("; {advice}")).unwrap_or_default();
        let said = words.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
        let reason = format!("it answered {status}{advice}{said}");
        match meaning(head.status) {
            Meaning::Delivered => Self::Delivered { answer: words },
            Meaning::Gone => Self::Gone,
            Meaning::Refused => Self::Refused(reason),
            Meaning::Failing { is_answer } => {
                let retry_after = retry_after::longest(&head.headers, now);
                Self::Failed(DeliveryFailure { reason, retry_after, is_answer })
            }
        }
    }
}

/// What a status line means.
enum Meaning {
    Delivered,
    Gone,
    Refused,
    Failing { is_answer: bool },
}

fn meaning(status: StatusCode) -> Meaning {
    match status {
        status if status.is_success() => Meaning::Delivered,
        StatusCode::GONE => Meaning::Gone,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Meaning::Failing { is_answer: false }
        }
        // The destination is set up wrongly, not the event.
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED => Meaning::Failing { is_answer: true },
        status if status.is_client_error() => Meaning::Refused,
        // 3xx, 5xx, and what is no final status at all.
        _ => Meaning::Failing { is_answer: true },
    }
}

/// Whether a body's words are shown. That of a redirect repeats the whole of `Location`, which may be all that one needs to write there.
fn may_be_shown(status: StatusCode) -> bool {
    !status.is_redirection()
}
