//! One attempt at an HTTP recipient. Only status 200 is success (guide, "HTTP Recipients").

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use rustls::ClientConfig;
use tokio::time::Instant;

use crate::retry::AttemptFailure;

/// The most bytes of a body that are read: for the error text, and to reuse the connection.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// How long the body of a 200 is read, to reuse the connection.
const GRACE: Duration = Duration::from_millis(100);

/// Why an HTTP recipient cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The text is not a URL.
    #[error("is not a valid URL: {0}; use https://host/path or http://host/path")]
    Url(String),
    /// The scheme is not HTTP.
    #[error("begins with {0}:; use https: or http:")]
    Scheme(String),
    /// The client cannot be built.
    #[error("the HTTP client cannot be built")]
    Client(#[from] reqwest::Error),
}

/// Parses a recipient's URL.
pub fn parse_url(text: &str) -> Result<Url, HttpError> {
    let url = Url::parse(text).map_err(|error| HttpError::Url(error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(HttpError::Scheme(other.to_owned())),
    }
}

/// A URL without its query and its password, which can be secrets.
pub fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(url.query().map(|_| "…"));
    // These fail only for URLs without a host, which HTTP does not have.
    let _ = shown.set_password(None);
    let _ = shown.set_username("");
    shown.as_str().replace("%E2%80%A6", "…")
}

/// The password and the values of the query, both decoded and as written.
fn secrets(url: &Url) -> Vec<String> {
    let decoded = url.query_pairs().map(|(_, value)| value.into_owned());
    let encoded =
        url.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value);
    let all = decoded.chain(encoded.chain(url.password()).map(str::to_owned));
    // Shorter values are not secrets, and replacing them would garble the text.
    all.filter(|secret| secret.len() >= 4).collect()
}

/// Posts events to one URL, over a connection of its own that is kept alive.
pub struct HttpRecipient {
    client: Client,
    url: Url,
    timeout: Duration,
    /// Removed from the recipient's answers, which can repeat the URL.
    secrets: Vec<String>,
}

/// A 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The header `Event-Result`, which this project's recipient sends.
    pub result: Option<String>,
    /// From the request to the answer.
    pub took: Duration,
}

impl HttpRecipient {
    /// A recipient with `timeout` for each answer. Ignores proxies of the environment: an appliance has none.
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
        // The status decides. A body that never ends must not delay the next event any longer.
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

/// Says why a request had no answer.
pub fn unanswered(error: &reqwest::Error, url: &Url) -> String {
    let cause = another_protocol(error, url).unwrap_or_else(|| AttemptFailure::root_cause(error));
    if error.is_connect() { format!("cannot connect: {cause}") } else { format!("no answer: {cause}") }
}

/// Explains a mismatch of HTTP and HTTPS: the plain error ("corrupt message") does not point to the URL.
fn another_protocol(error: &reqwest::Error, url: &Url) -> Option<String> {
    let (spoken, other, scheme) = match url.scheme() {
        "https" if has_cause(error, is_not_tls) => ("TLS", "plain HTTP", "http"),
        "http" if has_cause(error, is_not_http) => ("HTTP", "TLS", "https"),
        _ => return None,
    };
    let mut url = url.clone();
    // Cannot fail between these two schemes.
    let _ = url.set_scheme(scheme);
    Some(format!("the other end does not speak {spoken}; if it speaks {other}, use {}", shown(&url)))
}

/// Whether `matches` holds for an error or one of its causes.
fn has_cause(error: &reqwest::Error, matches: fn(&(dyn Error + 'static)) -> bool) -> bool {
    std::iter::successors(Some(error as &(dyn Error + 'static)), |error| (**error).source()).any(matches)
}

/// `source()` skips the error inside an `io::Error`, which can be another `io::Error`.
fn is_not_tls(mut error: &(dyn Error + 'static)) -> bool {
    while let Some(held) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        error = held;
    }
    matches!(error.downcast_ref(), Some(rustls::Error::InvalidMessage(_)))
}

fn is_not_http(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref().is_some_and(hyper::Error::is_parse)
}

fn header(answer: &Response, name: &str) -> Option<String> {
    Some(answer.headers().get(name)?.to_str().ok()?.to_owned())
}

/// The text of an answer for an error message: the target of a redirect, or the beginning of the body. A body that
/// breaks off is no error here: the status decides.
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

/// The `detail` of a problem document (RFC 9457).
fn problem_detail(body: &str) -> Option<String> {
    let problem: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(problem.get("detail").or_else(|| problem.get("title"))?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{parse_url, shown};

    #[test]
    fn no_secret_of_a_url_is_shown() {
        let shown = shown(&parse_url("https://user:secret@host/events/hq?outbound_event_token=secret").unwrap());
        assert_eq!(shown, "https://host/events/hq?…");
    }

    #[test]
    fn only_urls_of_http_are_accepted() {
        for (text, fault) in [
            (
                "127.0.0.1:3000/events",
                "is not a valid URL: relative URL without a base; use https://host/path or http://host/path",
            ),
            ("ftp://host/", "begins with ftp:; use https: or http:"),
            ("localhost:3000/events", "begins with localhost:; use https: or http:"),
        ] {
            assert_eq!(parse_url(text).unwrap_err().to_string(), fault);
        }
    }
}
