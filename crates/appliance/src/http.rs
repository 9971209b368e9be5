//! One attempt at an HTTP recipient. Status 200 is success and nothing else is (guide, "HTTP Recipients").

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use rustls::ClientConfig;
use tokio::time::Instant;

use crate::retry::AttemptFailure;

/// The most bytes of an answer that are read: for its words, and so that the connection can be used again.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// How long the body of a 200 is waited for, so that its connection can be used again.
const GRACE: Duration = Duration::from_millis(100);

/// Why a recipient cannot be made of what was given.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The text is no URL.
    #[error("is no URL: {0}; a recipient's is https://host/path or http://host/path")]
    Url(String),
    /// It is one, and not of HTTP.
    #[error("begins with {0}:; a recipient's URL begins with https: or http:")]
    Scheme(String),
    /// The client could not be made.
    #[error("no HTTP client can be made")]
    Client(#[from] reqwest::Error),
}

/// Reads a recipient's URL.
pub fn url(text: &str) -> Result<Url, HttpError> {
    let url = Url::parse(text).map_err(|error| HttpError::Url(error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(HttpError::Scheme(other.to_owned())),
    }
}

/// A URL as it may be shown: its query and its password may be secrets.
pub fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(url.query().map(|_| "…"));
    // These fail for URLs without a host, and http has none such.
    let _ = shown.set_password(None);
    let _ = shown.set_username("");
    shown.as_str().replace("%E2%80%A6", "…")
}

/// The password and the values of the query, decoded and as they stand in the URL.
fn secrets(url: &Url) -> Vec<String> {
    let decoded = url.query_pairs().map(|(_, value)| value.into_owned());
    let encoded =
        url.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value);
    let all = decoded.chain(encoded.chain(url.password()).map(str::to_owned));
    // Shorter ones are no secrets, and would take half of the words with them.
    all.filter(|secret| secret.len() >= 4).collect()
}

/// Where events are posted to, over a connection of its own that is kept alive.
pub struct HttpRecipient {
    client: Client,
    url: Url,
    timeout: Duration,
    /// What must not be shown of the recipient's own words: a recipient may repeat its URL.
    secrets: Vec<String>,
}

/// A 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The answer's `Event-Result`, where there is one: what this project's own recipient made of the event.
    pub result: Option<String>,
    /// From the request to the answer.
    pub took: Duration,
}

impl HttpRecipient {
    /// A recipient that is given `timeout` for each answer. Proxies of the environment are not used: an appliance has none.
    pub fn new(url: Url, tls: ClientConfig, timeout: Duration) -> Result<Self, HttpError> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(1)
            .user_agent(concat!("appliance/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let secrets = secrets(&url);
        Ok(Self { client, url, timeout, secrets })
    }

    /// Posts one event.
    pub async fn post(&self, form: Bytes) -> Result<Accepted, AttemptFailure> {
        let started = Instant::now();
        let request = self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = tokio::time::timeout(self.timeout, request.body(form).send()).await;
        let answer =
            answer.map_err(|_| self.late())?.map_err(|error| AttemptFailure::new(unanswered(&error, &self.url)))?;
        let (status, took, result) = (answer.status(), started.elapsed(), header(&answer, "event-result"));
        // The status decides. A body that never ends changes nothing, and costs the next event no more than this.
        let patience = if status == StatusCode::OK { GRACE } else { self.timeout.saturating_sub(took) };
        let words = tokio::time::timeout(patience, words(answer)).await.unwrap_or_default();
        match status {
            StatusCode::OK => Ok(Accepted { result, took }),
            _ => Err(AttemptFailure::new(format!("HTTP {status} {}", self.without_secrets(words)))),
        }
    }

    fn without_secrets(&self, words: String) -> String {
        self.secrets.iter().fold(words, |words, secret| words.replace(secret, "…"))
    }

    fn late(&self) -> AttemptFailure {
        AttemptFailure::new(format!("no answer within {}", humantime::format_duration(self.timeout)))
    }
}

/// Why a request had no answer.
pub fn unanswered(error: &reqwest::Error, url: &Url) -> String {
    let cause = another_protocol(error, url).unwrap_or_else(|| AttemptFailure::cause(error));
    if error.is_connect() { format!("cannot connect: {cause}") } else { format!("no answer: {cause}") }
}

/// Two ends that speak past each other hear noise, and who reads of noise does not think of the URL.
fn another_protocol(error: &reqwest::Error, url: &Url) -> Option<String> {
    let (spoken, other, scheme) = match url.scheme() {
        "https" if has_cause(error, is_no_tls) => ("TLS", "plain HTTP", "http"),
        "http" if has_cause(error, is_no_http) => ("HTTP", "TLS", "https"),
        _ => return None,
    };
    let mut url = url.clone();
    // From one of the two to the other, which cannot fail.
    let _ = url.set_scheme(scheme);
    Some(format!("the other end does not speak {spoken}; if it speaks {other}, use {}", shown(&url)))
}

/// Whether it is one of an error and its causes.
fn has_cause(error: &reqwest::Error, is_it: fn(&(dyn Error + 'static)) -> bool) -> bool {
    std::iter::successors(Some(error as &(dyn Error + 'static)), |error| (**error).source()).any(is_it)
}

/// What an error of input and output holds is not among its causes, and may be another such error.
fn is_no_tls(mut error: &(dyn Error + 'static)) -> bool {
    while let Some(held) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        error = held;
    }
    matches!(error.downcast_ref(), Some(rustls::Error::InvalidMessage(_)))
}

fn is_no_http(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref().is_some_and(hyper::Error::is_parse)
}

fn header(answer: &Response, name: &str) -> Option<String> {
    Some(answer.headers().get(name)?.to_str().ok()?.to_owned())
}

/// What the answer says: where it goes, or the beginning of its body. That it breaks off changes nothing: the status
/// counts.
async fn words(mut answer: Response) -> String {
    let location = header(&answer, "location").filter(|_| answer.status().is_redirection());
    let url = answer.url().clone();
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER_BYTES {
            break;
        }
    }
    let body = String::from_utf8_lossy(&body);
    match location {
        Some(location) => format!("to {}", url.join(&location).map_or(location, |url| shown(&url))),
        None => problem_detail(&body).unwrap_or_else(|| body.into_owned()),
    }
}

/// The `detail` of a problem (RFC 9457), which says what to do.
fn problem_detail(body: &str) -> Option<String> {
    let problem: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(problem.get("detail").or_else(|| problem.get("title"))?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{shown, url};

    #[test]
    fn no_secret_of_a_url_is_shown() {
        let shown = shown(&url("https://user:secret@host/events/hq?outbound_event_token=secret").unwrap());
        assert_eq!(shown, "https://host/events/hq?…");
    }

    #[test]
    fn a_recipients_url_is_one_of_http() {
        for (text, fault) in [
            (
                "127.0.0.1:3000/events",
                "is no URL: relative URL without a base; a recipient's is https://host/path or http://host/path",
            ),
            ("ftp://host/", "begins with ftp:; a recipient's URL begins with https: or http:"),
            ("localhost:3000/events", "begins with localhost:; a recipient's URL begins with https: or http:"),
        ] {
            assert_eq!(url(text).unwrap_err().to_string(), fault);
        }
    }
}
