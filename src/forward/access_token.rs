//! The access token of a delivery run, for destinations with OAuth 2.0. A run that needs one gets it before its first
//! request, and again if the destination rejects it. It ends with the run, and is never stored.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::budget::OutOf;
use super::destination::url_texts;
use super::outcome::{DeliveryFailure, DestinationAnswer, LONGEST_WAIT, status_text};
use super::run::{DeliveryRun, RunResult, Stop};
use crate::excerpt;
use crate::http_client::{BodyLimit, HttpClient, NotSent, read_at_most};
use crate::oauth::{self, ClientCredentials, MAX_TOKEN_ANSWER_BYTES, TokenAnswer};
use crate::platform::Platform;
use crate::retry_after;

/// The time for an answer. With the time of a run and that of a request, a run stays within 30 seconds.
pub const TIMEOUT: Duration = Duration::from_secs(5);

const BODY: BodyLimit = BodyLimit { bytes: MAX_TOKEN_ANSWER_BYTES, time: Duration::from_secs(1) };

impl<P: Platform> DeliveryRun<'_, P> {
    /// Gets a token. A failure is the destination's, and about no event. The request counts like any other.
    pub(super) async fn get_token(
        &mut self,
        credentials: &ClientCredentials,
    ) -> RunResult<Result<(), DeliveryFailure>> {
        // A token alone delivers nothing.
        if !self.has_requests(2) {
            return Err(Stop::OutOf(OutOf::Requests));
        }
        self.lease.state.requests += 1;
        let Some(request) = credentials.request(std::mem::take(&mut self.needs_fresh_token)) else {
            return Ok(Err(failure(credentials, "auth.oauth2 does not make a valid request")));
        };
        let answer = self.answer(request, TIMEOUT).await?;
        let token = read(self.platform.http_client(), credentials, answer, self.platform.now()).await;
        Ok(token.map(|token| self.token = Some(token)))
    }
}

fn failure(credentials: &ClientCredentials, what: &str) -> DeliveryFailure {
    let reason = format!("no access token from {}: {what}", credentials.token_url.origin());
    DeliveryFailure { reason, is_of_token: true, ..DeliveryFailure::default() }
}

/// Reads the token of an answer to [`ClientCredentials::request`]. The error says what to change if that is known.
pub async fn read<C: HttpClient>(
    client: &C,
    credentials: &ClientCredentials,
    answer: DestinationAnswer<C>,
    now: DateTime<Utc>,
) -> Result<String, DeliveryFailure> {
    let mut hidden = Vec::from(credentials.secret_texts());
    url_texts(&credentials.token_url, &mut hidden);
    let hidden = excerpt::hidden(hidden);
    let shown = |text: &[u8]| excerpt::without_secrets(text, &hidden);
    let (head, body) = match answer {
        Ok(answer) => answer.into_parts(),
        Err(NotSent(reason)) => return Err(failure(credentials, &shown(reason.as_bytes()).unwrap_or_default())),
    };
    let body = read_at_most(client, body, BODY).await;
    let status = status_text(head.status);
    if head.status.is_success() {
        return TokenAnswer::parse(&body).map(|answer| answer.access_token).ok_or_else(|| {
            failure(credentials, &format!("it answered {status} without one; correct auth.oauth2.token_url"))
        });
    }
    let advice = if oauth::refuses_credentials(head.status, &body) {
        "; correct auth.oauth2.client_id and client_secret"
    } else if head.status.is_redirection() || head.status.is_client_error() {
        "; correct auth.oauth2"
    } else {
        ""
    };
    let said = if head.status.is_redirection() { None } else { shown(&body) };
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    let retry_after = retry_after::longest(&head.headers, now).map(|wait| wait.min(LONGEST_WAIT));
    Err(DeliveryFailure { retry_after, ..failure(credentials, &format!("it answered {status}{advice}{said}")) })
}
