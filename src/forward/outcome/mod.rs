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

use super::content;
use super::destination::{DestinationFormat, Push, Secrets};
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
    /// 2xx, but the answer says that the destination dropped some of the events. They must not be sent again.
    PartlyRejected {
        /// How many it dropped.
        rejected: u64,
        /// The answer, and its words.
        reason: String,
    },
    /// The destination rejects this event; the next one is sent.
    Refused(String),
    /// 410: the destination accepts no more events.
    Gone,
    /// The destination may accept the event later; no later event is sent before it.
    Failed(DeliveryFailure),
}

/// The failure of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFailure {
    /// The status of the answer, the advice if there is any, and the beginning of its body. Contains no secret.
    pub reason: String,
    /// The wait that the destination asks for.
    pub retry_after: Option<Duration>,
    /// Whether there was an answer that can be about the event. 408, 425 and 429 are about the time, not the event.
    pub is_answer: bool,
    /// Whether there was no access token, so that nothing was sent.
    pub is_of_token: bool,
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

/// An answer of OTLP is read to its end: it may say that something was dropped.
const OTLP_BODY: BodyLimit = BodyLimit { bytes: 64 * 1024, ..BODY };

/// The waits in seconds after the first failure, the second and so on; the last one repeats.
const WAITS: [u64; 6] = [5, 30, 120, 600, 1_800, 3_600];

/// The longest wait by `Retry-After`.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The wait after this many failures, counted from 1.
pub fn wait(failures: u32, retry_after: Option<Duration>) -> Duration {
    let index = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX).min(WAITS.len() - 1);
    let asked = retry_after.map(|asked| asked.clamp(Duration::from_secs(1), LONGEST_WAIT));
    asked.unwrap_or(Duration::from_secs(WAITS.get(index).copied().unwrap_or(3_600)))
}

/// A request that was sent.
#[derive(Clone, Copy, Debug)]
pub struct SentRequest<'r> {
    /// The requests of its destination.
    pub push: &'r Push,
    /// The secrets of its destination.
    pub secrets: &'r Secrets,
    /// Its access token, if it has one.
    pub token: Option<&'r str>,
    /// The number of its events.
    pub events: usize,
}

impl SentRequest<'_> {
    /// The outcome of an answer, or of a missing answer. Takes up to a second if the body does not end.
    pub async fn outcome<C: HttpClient>(
        &self,
        client: &C,
        answer: DestinationAnswer<C>,
        now: DateTime<Utc>,
    ) -> DeliveryOutcome {
        let (head, body) = match answer {
            Ok(response) => response.into_parts(),
            Err(NotSent(reason)) => {
                // The platform's message may contain the URL.
                let reason = self.shown(reason.as_bytes()).unwrap_or_default();
                return DeliveryOutcome::Failed(DeliveryFailure { reason, ..DeliveryFailure::default() });
            }
        };
        let limit = if self.is_otlp() { OTLP_BODY } else { BODY };
        let body = if may_be_shown(head.status) { read_at_most(client, body, limit).await } else { Vec::new() };
        let words = self.shown(&body);
        let advice = advice::for_answer(&head, self.push, self.secrets);
        let advice = advice.map(|advice| format!("; {advice}")).unwrap_or_default();
        // Words about several events can repeat the content of any of them: the error is forgotten with its event.
        let said = words.as_ref().filter(|_| self.events == 1).map(|words| format!(": {words}")).unwrap_or_default();
        let reason = format!("it answered {}{advice}{said}", status_text(head.status));
        match meaning(head.status) {
            Meaning::Delivered => self.accepted(&body, words),
            Meaning::Gone => DeliveryOutcome::Gone,
            Meaning::Refused => DeliveryOutcome::Refused(reason),
            Meaning::Failing { is_answer } => {
                let retry_after = retry_after::longest(&head.headers, now);
                DeliveryOutcome::Failed(DeliveryFailure { reason, retry_after, is_answer, is_of_token: false })
            }
        }
    }

    /// The outcome of an answer 2xx.
    fn accepted(&self, body: &[u8], words: Option<String>) -> DeliveryOutcome {
        match content::rejected_of_answer(body).filter(|_| self.is_otlp()) {
            Some((rejected, message)) => {
                let message = self.shown(message.as_bytes()).unwrap_or_default();
                let reason = format!("it accepted the request, but dropped {rejected} of {}: {message}", self.events);
                DeliveryOutcome::PartlyRejected { rejected, reason }
            }
            None => DeliveryOutcome::Delivered { answer: words },
        }
    }

    fn is_otlp(&self) -> bool {
        matches!(self.push.format, DestinationFormat::Otlp)
    }

    /// The beginning of a text without secrets, as one line.
    fn shown(&self, text: &[u8]) -> Option<String> {
        if text.is_empty() {
            return None;
        }
        excerpt::without_secrets(text, &self.push.secret_texts(self.secrets, self.token))
    }
}

/// A status in words, such as `503 Service Unavailable`.
pub(super) fn status_text(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(name) => format!("{} {name}", status.as_u16()),
        None => status.as_u16().to_string(),
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
