//! A client of one appliance.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};

use super::document::{Document, NoContent};
use super::error::{AnswerExcerpt, ApiError};
use super::exchange::{self, Failure, Unread};
use super::fetched::{FetchedSessions, UnreadableSession};
use super::listing::{LISTING_ROOTS, SessionListing};
use super::report::{REPORT_ROOTS, Reports};
use super::setting::Appliance;
use super::xml::{XmlReader, XmlSink};
use super::xml_text::XmlError;
use crate::event::{Lsid, Timestamp};
use crate::excerpt;
use crate::gather::gather;
use crate::http_client::HttpClient as _;
use crate::oauth::{self, ClientCredentials, CredentialsPlace, MAX_TOKEN_ANSWER_BYTES, TokenAnswer, USER_AGENT};
use crate::platform::Platform;

/// The path of tokens ("Authenticate to the Remote Support API").
const TOKEN_PATH: &str = "/oauth2/token";

/// The path of reports ("Reporting API").
const REPORTING_PATH: &str = "/api/reporting";

/// The paths of the APIs. A host that allows a component's requests needs no others.
pub const PATHS: [&str; 2] = [TOKEN_PATH, REPORTING_PATH];

/// The shortest time between two requests: the appliance allows twenty a second, and others ask it, too.
const PACE: Duration = Duration::from_millis(100);

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// A client of one appliance, with a token that lives as long as it and is never stored or shown.
pub struct ApplianceClient<'a, P> {
    platform: &'a P,
    appliance: &'a Appliance,
    credentials: ClientCredentials,
    token: String,
    /// When the appliance sent its last answer, by its own clock.
    appliance_now: Option<Timestamp>,
    /// When the last request was sent, by the monotonic clock.
    last_request: Option<Duration>,
}

impl<P> fmt::Debug for ApplianceClient<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApplianceClient").field("appliance", self.appliance).finish_non_exhaustive()
    }
}

impl<'a, P: Platform> ApplianceClient<'a, P> {
    /// Gets a token.
    pub async fn connect(platform: &'a P, appliance: &'a Appliance) -> Result<Self, ApiError> {
        let credentials = ClientCredentials {
            token_url: appliance.url.with_path(TOKEN_PATH),
            client_id: appliance.client_id.clone(),
            client_secret: appliance.client_secret.clone(),
            scope: None,
            audience: None,
            place: CredentialsPlace::PlainHeader,
        };
        let token = String::new();
        let mut client = Self { platform, appliance, credentials, token, appliance_now: None, last_request: None };
        client.get_token().await?;
        Ok(client)
    }

    /// The appliance's clock at its last answer. It can be wrong by any amount, like any clock.
    pub fn appliance_now(&self) -> Result<Timestamp, ApiError> {
        self.appliance_now.ok_or(ApiError::NoDate)
    }

    /// The sessions that ended within `seconds` from `from`, in no order. After [`ApiError::TooLarge`], ask for a
    /// shorter time.
    pub async fn list_ended(&mut self, from: Timestamp, seconds: u64) -> Result<Vec<Lsid>, ApiError> {
        // The appliance takes 0 seconds for all the time until now.
        let (from, seconds) = (from.seconds().to_string(), seconds.max(1).to_string());
        let query =
            [("generate_report", "SupportSessionListing"), ("end_time", from.as_str()), ("duration", seconds.as_str())];
        let listing = Document::new(LISTING_ROOTS, SessionListing::default());
        match self.report(&query, listing).await? {
            Some(listing) if listing.is_too_large => Err(ApiError::TooLarge),
            Some(listing) => Ok(listing.lsids.into_iter().collect()),
            None => Ok(Vec::new()),
        }
    }

    /// The reports of these sessions. After [`ApiError::TooLarge`], ask for fewer at once.
    pub async fn reports(&mut self, lsids: &[Lsid]) -> Result<FetchedSessions, ApiError> {
        let (unaskable, askable): (Vec<_>, Vec<_>) = lsids.iter().partition(|lsid| lsid.as_str().contains(','));
        let mut fetched = FetchedSessions::default();
        if !askable.is_empty() {
            let joined = askable.iter().map(|lsid| lsid.as_str()).collect::<Vec<_>>().join(",");
            let query = [("generate_report", "SupportSession"), ("lsids", joined.as_str())];
            let reports = Reports::new(self.appliance.include, gather(askable.into_iter().cloned()));
            let reports = self.report(&query, Document::new(REPORT_ROOTS, reports)).await?;
            fetched = reports.map(|reports| reports.fetched).unwrap_or_default();
        }
        fetched.unreadable.extend(unaskable.into_iter().map(|lsid| UnreadableSession {
            lsid: Some(lsid.clone()),
            reason: "has an id with a comma, so it cannot be asked for".to_owned(),
        }));
        Ok(fetched)
    }

    /// Asks for a report and reads it. `None` if nothing matches.
    async fn report<C: XmlSink>(
        &mut self,
        query: &[(&str, &str)],
        mut document: Document<C>,
    ) -> Result<Option<C>, ApiError> {
        let answer = self.ask(query).await?;
        self.read_xml(answer, &mut document).await?;
        match document.into_content() {
            Ok(content) => Ok(Some(content)),
            Err(NoContent::Said(text)) => self.judge(&text).map(|()| None),
            Err(NoContent::Another(root)) => {
                let root = self.shown(root.as_bytes()).0.unwrap_or_default();
                Err(ApiError::NotAnAppliance(format!("it answered with the XML element {root}")))
            }
        }
    }

    /// Sends a request to the Reporting API, with a new token if the appliance refuses the one before.
    async fn ask(&mut self, query: &[(&str, &str)]) -> Result<Unread<P>, ApiError> {
        let answer = self.send(self.request(query)).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return self.check_status(answer).await;
        }
        drop(answer);
        self.get_token().await?;
        let answer = self.send(self.request(query)).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return self.check_status(answer).await;
        }
        // It has just accepted the credentials.
        Err(ApiError::NoPermission(self.failure(answer).await.answer()))
    }

    async fn check_status(&self, answer: Unread<P>) -> Result<Unread<P>, ApiError> {
        if exchange::is_html(answer.headers()) && answer.status().is_success() {
            return Err(ApiError::NotAnAppliance("it answered with a page for people".to_owned()));
        }
        if answer.status() == StatusCode::OK {
            return Ok(answer);
        }
        Err(self.failure(answer).await.into_error(self.now()))
    }

    async fn get_token(&mut self) -> Result<(), ApiError> {
        let request = self.credentials.request(false);
        let answer = self.send(request).await?;
        if [StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED].contains(&answer.status()) {
            let failure = self.failure(answer).await;
            return Err(if oauth::refuses_credentials(failure.status(), failure.body()) {
                ApiError::WrongSecret(failure.answer())
            } else {
                failure.into_error(self.now())
            });
        }
        let answer = self.check_status(answer).await?;
        self.token = self.read_token(answer).await?;
        Ok(())
    }

    async fn read_token(&self, answer: Unread<P>) -> Result<String, ApiError> {
        let not_a_token =
            || ApiError::NotAnAppliance("it answered a request for a token with something else".to_owned());
        let mut body = Vec::new();
        let mut take = |part: &[u8]| {
            body.extend_from_slice(part);
            if body.len() <= MAX_TOKEN_ANSWER_BYTES { Ok(()) } else { Err(not_a_token()) }
        };
        exchange::read(self.platform, answer, &mut take).await?;
        TokenAnswer::parse(&body).map(|answer| answer.access_token).ok_or_else(not_a_token)
    }

    /// Sends a request, not faster than the pace.
    async fn send(&mut self, request: Option<Request<Vec<u8>>>) -> Result<Unread<P>, ApiError> {
        if let Some(last) = self.last_request {
            let rest = PACE.saturating_sub(self.platform.elapsed(last));
            if !rest.is_zero() {
                self.platform.http_client().wait(rest).await;
            }
        }
        self.last_request = Some(self.platform.monotonic());
        let request = request.ok_or_else(|| ApiError::Failing("the request is not valid".to_owned()))?;
        let answer = exchange::send(self.platform, request, &self.secrets()).await?;
        self.appliance_now = date(answer.headers()).or(self.appliance_now);
        Ok(answer)
    }

    /// A request to the Reporting API: a form, as its examples are.
    fn request(&self, query: &[(&str, &str)]) -> Option<Request<Vec<u8>>> {
        let mut authorization = HeaderValue::try_from(["Bearer ", &self.token].concat()).ok()?;
        authorization.set_sensitive(true);
        let body = serde_urlencoded::to_string(query).ok()?;
        let request = Request::post([self.appliance.url.origin(), REPORTING_PATH].concat())
            .header(header::AUTHORIZATION, authorization)
            .header(header::CONTENT_TYPE, FORM)
            .header(header::CONTENT_LENGTH, body.len())
            .header(header::USER_AGENT, USER_AGENT);
        request.body(body.into_bytes()).ok()
    }

    /// Reads an answer of the Reporting API as it arrives.
    async fn read_xml(&self, answer: Unread<P>, sink: &mut dyn XmlSink) -> Result<(), ApiError> {
        let (mut xml, mut begin, mut fault) = (XmlReader::default(), Vec::new(), None);
        let mut read = |part: &[u8]| {
            begin.extend(part.iter().take(BEGIN.saturating_sub(begin.len())));
            if fault.is_none() {
                fault = xml.push(part, sink).err();
            }
            // After a fault, only the beginning is of interest.
            match &fault {
                Some(fault) if begin.len() >= BEGIN => Err(self.unreadable(fault, &begin)),
                _ => Ok(()),
            }
        };
        exchange::read(self.platform, answer, &mut read).await?;
        let fault = fault.or_else(|| xml.finish(sink).err());
        fault.map_or(Ok(()), |fault| Err(self.unreadable(&fault, &begin)))
    }

    fn unreadable(&self, fault: &XmlError, begin: &[u8]) -> ApiError {
        let begin = String::from_utf8_lossy(begin).trim_start().to_ascii_lowercase();
        if begin.starts_with("<!doctype html") || begin.starts_with("<html") {
            return ApiError::NotAnAppliance("it answered with a page for people".to_owned());
        }
        // A fault can name an encoding, which is any text.
        ApiError::Unreadable(
            excerpt::without_secrets(fault.to_string().as_bytes(), &self.secrets()).unwrap_or_default(),
        )
    }

    /// What an error of the Reporting API means. Nothing that matches is none.
    fn judge(&self, said: &str) -> Result<(), ApiError> {
        let lower = said.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let answer = self.shown(said.as_bytes());
        if has(&["permission", "denied", "not allowed", "authorized", "forbidden"]) {
            return Err(ApiError::NoPermission(answer));
        }
        // Not whatever is not found: an account or a report that is not found would look like a time without sessions.
        if has(&["criteria"]) || (lower.starts_with("no ") && has(&["match"])) {
            return Ok(());
        }
        Err(ApiError::Failing(format!("it answered with an error{answer}")))
    }

    /// The appliance's time if it is known, or ours.
    fn now(&self) -> DateTime<Utc> {
        let own = self.appliance_now.and_then(|now| i64::try_from(now.seconds()).ok());
        own.and_then(|seconds| DateTime::from_timestamp(seconds, 0)).unwrap_or_else(|| self.platform.now())
    }

    async fn failure(&self, answer: Unread<P>) -> Failure {
        Failure::read(self.platform, answer, &self.secrets()).await
    }

    fn shown(&self, text: &[u8]) -> AnswerExcerpt {
        AnswerExcerpt(excerpt::without_secrets(text, &self.secrets()))
    }

    /// What an answer may repeat and nobody may see, the longest first.
    fn secrets(&self) -> Vec<String> {
        let mut secrets = vec![self.token.clone()];
        secrets.extend(self.credentials.secret_texts());
        excerpt::hidden(secrets)
    }
}

/// How much of an answer tells a page for people, which is not XML.
const BEGIN: usize = 64;

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(header::DATE)?.to_str().ok()?;
    let time = httpdate::parse_http_date(text.trim()).ok()?;
    Timestamp::from_seconds(time.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs())
}
