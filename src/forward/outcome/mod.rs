//! The outcome of a request, and the wait before the next attempt.
//!
//! The status line decides. Only a little of the body is read, for the error message: a body may never end.
//!
//! | file | what lives there |
//! |---|---|
//! | `mod.rs` | the meaning of each answer, and the waits between attempts |
//! | `advice.rs` | advice where the destination is set up wrongly |

mod advice;

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{Response, StatusCode};

use super::destination::{Push, Secrets};
use crate::excerpt;
use crate::http_client::{BodyLimit, HttpClient, NotSent, read_at_most};
use crate::retry_after;

/// The answer of a destination, or why there is none.
pub type DestinationAnswer<C> = Result<Response<<C as HttpClient>::Body>, NotSent>;

/// The outcome of a request to a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// 2xx: the destination accepted the event.
    Delivered {
        /// The beginning of the answer's body, if it has one.
        answer: Option<String>,
    },
    /// The destination rejects this event; the next one is sent.
    Refused(String),
    /// 410: the destination accepts no more events.
    Gone,
    /// The destination may accept the event later; no later event is sent before it.
    Failed(DeliveryFailure),
}

/// The failure of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryFailure {
    /// The status of the answer, the advice if there is any, and the beginning of its body. Contains no secret.
    pub reason: String,
    /// The wait that the destination asks for.
    pub retry_after: Option<Duration>,
    /// Whether there was an answer that can be about the event. 408, 425 and 429 are about the time, not the event.
    pub is_answer: bool,
}

impl DeliveryFailure {
    /// Whether the destination might accept another event.
    pub fn may_be_of_the_event(&self) -> bool {
        self.is_answer && self.retry_after.is_none()
    }
}

/// The timeout of a request, up to the head of its answer.
pub const TIMEOUT: Duration = Duration::from_secs(15);

const BODY: BodyLimit = BodyLimit { bytes: 4 * 1024, time: Duration::from_secs(1) };

/// The waits in seconds after the first failure, the second and so on; the last one repeats.
const WAITS: [u64; 6] = [5, 30, 120, 600, 1_800, 3_600];

/// The longest wait by `Retry-After`.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The wait after this many failures, counted from 1.
pub fn wait(failures: u32, retry_after: Option<Duration>) -> Duration {
    let index = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX).min(WAITS.len() - 1);
    let asked = retry_after.map(|asked| asked.clamp(Duration::from_secs(1), LONGEST_WAIT));
    asked.unwrap_or(Duration::from_secs(WAITS.get(index).copied().unwrap_or(3_600)))
}

impl DeliveryOutcome {
    /// The outcome of an answer, or of a missing answer. Takes up to a second if the body does not end.
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
                // The platform's message may contain the URL.
                let reason =
                    excerpt::without_secrets(reason.as_bytes(), &push.secret_texts(secrets)).unwrap_or_default();
                return Self::Failed(DeliveryFailure { reason, retry_after: None, is_answer: false });
            }
        };
        let words = if may_be_shown(head.status) {
            excerpt::without_secrets(&read_at_most(client, body, BODY).await, &push.secret_texts(secrets))
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
        // The destination is set up wrongly; the event is not at fault.
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED => Meaning::Failing { is_answer: true },
        status if status.is_client_error() => Meaning::Refused,
        // 3xx, 5xx, and statuses that are not final.
        _ => Meaning::Failing { is_answer: true },
    }
}

/// Whether the body can be shown. That of a redirect repeats the whole `Location`, whose path may be secret.
fn may_be_shown(status: StatusCode) -> bool {
    !status.is_redirection()
}
