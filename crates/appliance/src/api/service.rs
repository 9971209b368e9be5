//! The APIs without their connections: a request becomes an answer. The clock is an argument, so tests can set it.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use parking_lot::Mutex;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

use crate::occurrence::Millis;

use super::account::EmulatedSession;
use super::options::{ApiFaults, ApiOptions, MissingPermission};
use super::rate::RequestRate;
use super::report;
use super::reporting::ReportingContext;
use super::sessions::{ReportMoment, SessionRegister};
use super::tokens::{TokenRefusal, TokenRegister, basic_credentials, bearer_token};

/// The schema. `NAMESPACE` stands for the namespace.
const SCHEMA: &str = include_str!("reporting.xsd");

/// The most requests that are remembered.
const MOST_SERVED: usize = 100_000;

/// The vendor's APIs as an emulated appliance serves them. Clones share their state.
#[derive(Clone)]
pub struct ApplianceApi(Arc<ApiState>);

struct ApiState {
    options: ApiOptions,
    faults: Mutex<ApiFaults>,
    sessions: Arc<SessionRegister>,
    tokens: Mutex<TokenRegister>,
    rate: Mutex<RequestRate>,
    served: Mutex<VecDeque<ServedRequest>>,
    /// Of tokens: unpredictable.
    token_rng: Mutex<ChaCha8Rng>,
    /// Of failing requests: the same for the same seed.
    fail_rng: Mutex<ChaCha8Rng>,
    clock: Box<dyn Fn() -> Millis + Send + Sync>,
    begun: Millis,
}

/// A request that was served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedRequest {
    /// The machine's time.
    pub at: Millis,
    /// Method and path.
    pub request: String,
    /// The parameters of query and body.
    pub parameters: Vec<(String, String)>,
    /// The status of the answer. `None` if the connection was closed without one, or within the body.
    pub status: Option<StatusCode>,
}

/// How a request is answered.
#[derive(Debug)]
pub enum ApiAnswer {
    /// With this answer.
    Whole(Response<Bytes>),
    /// With this answer, but the connection is closed within the body.
    Cut(Response<Bytes>),
    /// The connection is closed without an answer.
    Nothing,
}

impl ApplianceApi {
    /// An API for these sessions, by the machine's clock.
    pub fn new(options: ApiOptions, sessions: Arc<SessionRegister>) -> Self {
        Self::with_clock(options, sessions, || Utc::now().timestamp_millis())
    }

    /// An API with another clock: milliseconds since 1970. The appliance's own clock differs from it by
    /// [`ApiFaults::clock_skew`].
    pub fn with_clock(
        options: ApiOptions,
        sessions: Arc<SessionRegister>,
        clock: impl Fn() -> Millis + Send + Sync + 'static,
    ) -> Self {
        let begun = clock();
        Self(Arc::new(ApiState {
            faults: Mutex::new(options.faults.clone()),
            tokens: Mutex::new(TokenRegister::new(options.token_lifetime)),
            rate: Mutex::default(),
            served: Mutex::default(),
            token_rng: Mutex::new(ChaCha8Rng::from_rng(&mut rand::rng())),
            fail_rng: Mutex::new(ChaCha8Rng::seed_from_u64(options.seed)),
            clock: Box::new(clock),
            options,
            sessions,
            begun,
        }))
    }

    /// The sessions of the appliance.
    pub fn sessions(&self) -> &SessionRegister {
        &self.0.sessions
    }

    /// Adds a session. Its start and its end are known at once when they have passed by the appliance's clock.
    pub fn add(&self, session: EmulatedSession) {
        let skew = self.faults().clock_skew;
        let known = |seconds: u64| Millis::try_from(seconds).unwrap_or_default().saturating_sub(skew) * 1_000;
        let (start, end) = (known(session.started), known(session.ended.unwrap_or_default()));
        self.0.sessions.add(session, start, end);
    }

    /// The faults at this moment.
    pub fn faults(&self) -> ApiFaults {
        self.0.faults.lock().clone()
    }

    /// Changes the faults.
    pub fn change_faults(&self, change: impl FnOnce(&mut ApiFaults)) {
        change(&mut self.0.faults.lock());
    }

    /// Invalidates all tokens, as a new client secret does.
    pub fn revoke_tokens(&self) {
        self.0.tokens.lock().revoke_all();
    }

    /// The requests so far, oldest first; at most 100,000.
    pub fn served(&self) -> Vec<ServedRequest> {
        self.0.served.lock().iter().cloned().collect()
    }

    /// The appliance's time.
    pub fn now(&self) -> DateTime<Utc> {
        let millis = (self.0.clock)().saturating_add(self.faults().clock_skew.saturating_mul(1_000));
        DateTime::from_timestamp_millis(millis).unwrap_or_default()
    }

    /// Answers a request. The connection is to be closed after it.
    pub fn answer(&self, request: &Request<Bytes>) -> ApiAnswer {
        let at = (self.0.clock)();
        let parameters = parameters(request);
        let answer = self.fail(at, || self.route(request, &parameters, at));
        let status = match &answer {
            ApiAnswer::Whole(response) => Some(response.status()),
            ApiAnswer::Cut(_) | ApiAnswer::Nothing => None,
        };
        let request = format!("{} {}", request.method(), request.uri().path());
        let mut served = self.0.served.lock();
        if served.len() == MOST_SERVED {
            served.pop_front();
        }
        served.push_back(ServedRequest { at, request, parameters, status });
        answer
    }

    /// Answers, or fails as the faults say.
    fn fail(&self, at: Millis, answer: impl FnOnce() -> Response<Bytes>) -> ApiAnswer {
        let faults = self.faults();
        let since = std::time::Duration::from_millis((at - self.0.begun).max(0).unsigned_abs());
        if faults.is_down || faults.downtime.is_some_and(|downtime| downtime.contains(&since)) {
            return ApiAnswer::Nothing;
        }
        if !self.0.rate.lock().allows(at, faults.requests_per_second) {
            let mut refused = self.response(StatusCode::TOO_MANY_REQUESTS, "text/plain", "too many requests".into());
            refused.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            return ApiAnswer::Whole(refused);
        }
        let kind = {
            let mut rng = self.0.fail_rng.lock();
            (faults.fail_share > 0.0 && rng.random::<f64>() < faults.fail_share).then(|| rng.random_range(0..4))
        };
        match kind {
            None => ApiAnswer::Whole(answer()),
            Some(0) => {
                ApiAnswer::Whole(self.response(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "try again".into()))
            }
            Some(1) => ApiAnswer::Nothing,
            Some(2) => ApiAnswer::Cut(answer()),
            // Whole for HTTP, and half for who parses it.
            Some(_) => ApiAnswer::Whole(answer().map(|body| body.slice(..body.len() / 2))),
        }
    }

    fn route(&self, request: &Request<Bytes>, parameters: &[(String, String)], at: Millis) -> Response<Bytes> {
        match (request.uri().path(), request.method()) {
            ("/oauth2/token", &Method::POST) => self.token(request, at),
            ("/oauth2/token", _) => self.not_allowed("POST"),
            ("/api/reporting", &Method::GET | &Method::POST) => self.reporting(request, parameters, at),
            ("/api/reporting", _) => self.not_allowed("GET, POST"),
            ("/api/reporting.xsd", &Method::GET) => {
                let schema = SCHEMA.replace("NAMESPACE", self.0.options.namespace.uri());
                self.response(StatusCode::OK, "text/xml; charset=utf-8", schema)
            }
            ("/api/reporting.xsd", _) => self.not_allowed("GET"),
            _ => self.response(StatusCode::NOT_FOUND, "text/plain", "not found".into()),
        }
    }

    fn token(&self, request: &Request<Bytes>, at: Millis) -> Response<Bytes> {
        let options = &self.0.options;
        let credentials = authorization(request).and_then(basic_credentials);
        let is_account =
            credentials.is_some_and(|known| known == (options.client_id.clone(), options.client_secret.clone()));
        let grant = form(request).into_iter().find(|(name, _)| name == "grant_type").map(|(_, grant)| grant);
        let refusal = match grant.as_deref() {
            _ if !is_account => TokenRefusal::InvalidClient,
            None => TokenRefusal::InvalidRequest,
            Some("client_credentials") => {
                let token = self.0.tokens.lock().issue(&mut self.0.token_rng.lock(), at);
                return self.json(
                    StatusCode::OK,
                    &serde_json::json!({
                        "access_token": token,
                        "token_type": "Bearer",
                        "expires_in": options.token_lifetime.as_secs(),
                    }),
                );
            }
            Some(_) => TokenRefusal::UnsupportedGrantType,
        };
        self.refused(refusal.status(), "Basic realm=\"API\"", refusal.code(), &refusal.to_string())
    }

    fn reporting(&self, request: &Request<Bytes>, parameters: &[(String, String)], at: Millis) -> Response<Bytes> {
        let token = authorization(request).and_then(bearer_token);
        if !token.is_some_and(|token| self.0.tokens.lock().is_valid(token, at)) {
            let challenge = "Bearer realm=\"API\", error=\"invalid_token\"";
            return self.refused(StatusCode::UNAUTHORIZED, challenge, "invalid_token", "the token is not valid");
        }
        let faults = self.faults();
        let namespace = self.0.options.namespace;
        if faults.missing_permission == Some(MissingPermission::Forbidden) {
            return self.response(StatusCode::FORBIDDEN, "text/plain", "permission denied".into());
        }
        if content_type(request).starts_with("multipart/") {
            let text = "multipart requests are not supported";
            return self.response(StatusCode::UNSUPPORTED_MEDIA_TYPE, "text/plain", text.into());
        }
        let context = ReportingContext {
            sessions: &self.0.sessions,
            namespace,
            moment: ReportMoment { now: at, lag: faults.lag.as_millis().try_into().unwrap_or(Millis::MAX) },
            now: self.now().timestamp(),
            faults: &faults,
        };
        let report = context.report(parameters);
        let text = report.unwrap_or_else(|fault| report::error(&fault.to_string(), namespace));
        self.response(StatusCode::OK, "text/xml; charset=utf-8", text)
    }

    fn not_allowed(&self, allowed: &'static str) -> Response<Bytes> {
        let mut refused = self.response(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "method not allowed".into());
        refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
        refused
    }

    /// An error of OAuth. 401 has the challenge.
    fn refused(&self, status: StatusCode, challenge: &'static str, code: &str, words: &str) -> Response<Bytes> {
        let mut refused = self.json(status, &serde_json::json!({ "error": code, "error_description": words }));
        if status == StatusCode::UNAUTHORIZED {
            refused.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        refused
    }

    fn json(&self, status: StatusCode, value: &serde_json::Value) -> Response<Bytes> {
        let mut answer = self.response(status, "application/json", value.to_string());
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    }

    /// An answer with the headers of every answer: the appliance's time, and that the connection is closed.
    fn response(&self, status: StatusCode, content_type: &'static str, body: String) -> Response<Bytes> {
        let mut answer = Response::new(Bytes::from(body));
        *answer.status_mut() = status;
        let date = self.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        // Digits and letters only, which are a valid value.
        headers.insert(header::DATE, HeaderValue::try_from(date).unwrap_or(HeaderValue::from_static("")));
        answer
    }
}

fn authorization(request: &Request<Bytes>) -> Option<&str> {
    request.headers().get(header::AUTHORIZATION)?.to_str().ok()
}

fn content_type(request: &Request<Bytes>) -> String {
    let value = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().trim().to_ascii_lowercase()
}

/// The parameters of the body, if it is a form.
fn form(request: &Request<Bytes>) -> Vec<(String, String)> {
    if !content_type(request).starts_with("application/x-www-form-urlencoded") {
        return Vec::new();
    }
    serde_urlencoded::from_bytes(request.body()).unwrap_or_default()
}

/// The parameters of query and body.
fn parameters(request: &Request<Bytes>) -> Vec<(String, String)> {
    let query = serde_urlencoded::from_str(request.uri().query().unwrap_or_default());
    let mut all: Vec<(String, String)> = query.unwrap_or_default();
    all.extend(form(request));
    all
}
