//! `http::Request` -> `http::Response`, over the store's port. No SDK in sight.
//!
//! | path | method | what it does |
//! |---|---|---|
//! | `/events/{site}`, `/events`, `/` | POST | takes an event (`ingest.rs`), and stores it once (`keep.rs`) |
//! | `/` | GET, HEAD | the page (`page.rs`, `page/`) |
//! | `/api/…` | GET, HEAD, POST, DELETE | what came in, for who has a read or an admin token (`api/`) |
//! | `/tick` | GET, POST | does what is due: a pass, and a round to each destination (`tick.rs`) |
//! | `/openapi.yaml` | GET, HEAD | the description of all of this (`openapi.yaml`) |
//! | `/health` | GET, HEAD | tells whether the settings are in order and the store answers |
//!
//! Checks run in the order path, method, token, type, length, body: nothing is read for a stranger.

mod api;
mod auth;
mod event_headers;
mod ingest;
mod json;
mod keep;
mod page;
mod problem;
mod tick;

use futures_util::future::join;
use http::request::Parts;
use http::{HeaderName, Method, Response, StatusCode, header};
use serde::Serialize;

use crate::archive::compaction::{self, Bound, Due, Policy};
use crate::clock_faults::{self, ClockFault, ClockFaults};
use crate::forward::backlogs::Backlogs;
use crate::forward::destination::Destination;
use crate::forward::round::Rounds;
use crate::identity::{Id, Site};
use crate::platform::Platform;
use crate::settings::{Begin, Ingest, Settings, SettingsError, Variables};

pub use auth::shows_a_token;
pub use problem::Refusal;

use api::Resource;
use json::json_response;

/// The headers that are looked at: an adapter need hand on no others.
pub static HEADERS: [HeaderName; 5] =
    [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::AUTHORIZATION, header::ACCEPT];

/// What one request is answered with, and everything that the answer depends on besides the request.
pub struct Service<'a, P> {
    /// Where events are kept, what sends them on, and what tells the time.
    pub platform: &'a P,
    /// Where settings are read from.
    pub variables: &'a Variables<'a>,
}

/// A body that ended before its end: the connection broke, or the sender gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenOff;

/// A response, and what the operator should read about it.
#[derive(Debug)]
pub struct Answer {
    /// The response, its body whole.
    pub response: Response<Vec<u8>>,
    /// A line for the log. Holds no token, query or body.
    pub log: Option<String>,
    /// What [`Service::go_on`] is to be given, once the response is on its way.
    pub after: After,
}

/// What is left to do after an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "rounds and passes run after answers"]
pub struct After {
    /// A round to each destination.
    pub round: bool,
    /// A pass, if one is due.
    pub pass: bool,
    /// A clock that was seen to be wrong.
    pub clock_fault: Option<ClockFault>,
}

/// For one event in so many a pass may run after its answer. Ids are hashes: which events these are is chance.
const EVENTS_A_PASS: u64 = 48;

impl After {
    /// A round to each destination.
    fn round() -> Self {
        Self { round: true, ..Self::default() }
    }

    /// What is left to do after an event was stored.
    fn event(id: Id, clock_fault: Option<ClockFault>) -> Self {
        Self { round: true, pass: id.short().is_multiple_of(EVENTS_A_PASS), clock_fault }
    }

    /// Whether nothing is left to do.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Answer {
    fn new(response: Response<Vec<u8>>) -> Self {
        Self { response, log: None, after: After::default() }
    }
}

impl<P: Platform> Service<'_, P> {
    /// Answers a request.
    ///
    /// `head` is the request without its body, or why it could not be read as one. `chunk` gives the next part of the
    /// body and `None` at its end; it is called only once the body is wanted, and no more once it is refused.
    pub async fn handle(
        &self,
        head: Result<Parts, http::Error>,
        chunk: impl AsyncFnMut() -> Result<Option<Vec<u8>>, BrokenOff>,
    ) -> Answer {
        self.route(head, chunk)
            .await
            .unwrap_or_else(|refusal| Answer { log: refusal.log(), ..Answer::new(refusal.response()) })
    }

    /// Does what is left to do after an answer, once the response is on its way: who sent the event does not wait for it. Bounded,
    /// and harmless if it breaks off. Gives lines for the log.
    pub async fn go_on(&self, after: After) -> Vec<String> {
        let went_on = match after {
            After { pass: true, .. } => self.rounds_now_and_pass().await,
            After { round: true, .. } => self.rounds_now().await,
            After { .. } => Ok(Vec::new()),
        };
        // The event is stored, whatever is wrong with what else there is to do.
        let mut lines = went_on.unwrap_or_else(|wrong| vec![wrong.to_string()]);
        lines.extend(self.report(Vec::from_iter(after.clock_fault)).await);
        lines
    }

    /// Lines for the log about clocks that were seen to be wrong.
    pub(in crate::service) async fn report(&self, faults: ClockFaults) -> Vec<String> {
        let lines = clock_faults::report(self.platform.store(), self.platform.now(), faults).await;
        lines.unwrap_or_else(|error| vec![format!("a clock is wrong, and that could not be written down: {error}")])
    }

    async fn rounds_now_and_pass(&self) -> Result<Vec<String>, SettingsError> {
        let destinations = self.variables.destinations()?;
        let policy = self.variables.packing()?;
        // What hangs holds up no pass.
        let (rounds, (_, packing)) = join(self.rounds_now(), self.pass_if_due(&policy, &destinations)).await;
        Ok(rounds?.into_iter().chain(packing).collect())
    }

    /// What a pass did if one was due, and lines for the log if something is wrong.
    async fn pass_if_due(&self, policy: &Policy, destinations: &[Destination]) -> (Due, Vec<String>) {
        match compaction::pass_if_due(self.platform, policy, &mut Backlogs::new(destinations), &Bound::default()).await
        {
            Ok(due) => {
                let unreadable = due.report.as_ref().and_then(|report| report.unreadable.first());
                let line = unreadable.map(|one| format!("packing left {} where it is: {}", one.key, one.reason));
                let clocks = self.report(due.clock_faults.clone()).await;
                (due, line.into_iter().chain(clocks).collect())
            }
            Err(error) => (Due::default(), vec![format!("packing broke off: {error}")]),
        }
    }

    /// Rounds, unless somebody who ticks sees to them, or there is nobody to send to: most need no more settings than these.
    async fn rounds_now(&self) -> Result<Vec<String>, SettingsError> {
        if self.variables.rounds()? == Begin::OnTicks || self.variables.destinations()?.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.rounds(self.variables.all()?).await)
    }

    async fn rounds(&self, settings: &Settings) -> Vec<String> {
        let rounds = Rounds {
            platform: self.platform,
            destinations: &settings.destinations,
            max_requests_per_hour: settings.max_requests_per_hour,
        };
        rounds.run().await
    }

    async fn route(
        &self,
        head: Result<Parts, http::Error>,
        chunk: impl AsyncFnMut() -> Result<Option<Vec<u8>>, BrokenOff>,
    ) -> Result<Answer, Refusal> {
        let head = head.map_err(|_| Refusal::Unreadable)?;
        match (Route::of(head.uri.path())?, &head.method) {
            (Route::Ingest(site), &Method::POST) => self.ingest(site, &head, chunk).await,
            (Route::Front, &Method::POST) => self.ingest(Site::default(), &head, chunk).await,
            (Route::Front, &Method::GET | &Method::HEAD) => Ok(Answer::new(page::page())),
            (Route::OpenApi, &Method::GET | &Method::HEAD) => Ok(Answer::new(page::openapi())),
            (Route::Ingest(_), _) => Err(Refusal::Method { allow: "POST" }),
            (Route::Front, _) => Err(Refusal::Method { allow: "GET, HEAD, POST" }),
            (Route::Api(resource), _) => self.api(resource, &head, chunk).await,
            (Route::Tick, &Method::GET | &Method::POST) => self.tick(&head).await,
            (Route::Tick, _) => Err(Refusal::Method { allow: "GET, POST" }),
            (Route::Health, &Method::GET | &Method::HEAD) => Ok(self.health().await),
            (Route::Health | Route::OpenApi, _) => Err(Refusal::Method { allow: "GET, HEAD" }),
        }
    }

    fn settings(&self) -> Result<&Settings, Refusal> {
        Ok(self.variables.all()?)
    }

    /// 200 if the settings are in order and the store answers. Otherwise the status that an event would get, and why. Whether
    /// the store has room left is not known before it is asked to write. Clocks that are wrong are told of, and keep nothing from being
    /// taken.
    async fn health(&self) -> Answer {
        let ingest = self.variables.all().ok().map(|settings| settings.ingest.as_str());
        let (refusal, detail) = match self.readiness().await {
            Ok(faults) => (None, wrong_clocks(faults)),
            Err(refusal) => {
                let detail = refusal.to_string();
                (Some(refusal), Some(detail))
            }
        };
        let status = refusal.as_ref().map_or(StatusCode::OK, Refusal::status);
        let health = Health { ready: refusal.is_none(), ingest, detail };
        let mut response = json_response(status, "application/json", &health);
        response.headers_mut().extend(refusal.iter().flat_map(Refusal::headers));
        Answer { log: refusal.and_then(|refusal| refusal.log()), ..Answer::new(response) }
    }

    /// What was seen of clocks; an error if it is known that the next event cannot be taken.
    async fn readiness(&self) -> Result<ClockFaults, Refusal> {
        if self.settings()?.ingest == Ingest::Shut {
            return Err(Refusal::Shut);
        }
        Ok(clock_faults::current(self.platform.store(), self.platform.now()).await?)
    }
}

/// What was seen of clocks, without sites: whoever asks for `/health` has no token.
fn wrong_clocks(faults: ClockFaults) -> Option<String> {
    let mut texts = Vec::new();
    for text in faults.iter().map(|fault| fault.detail) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    (!texts.is_empty()).then(|| format!("clock: {}", texts.join(". ")))
}

/// The body of `GET /health`.
#[derive(Serialize)]
struct Health {
    ready: bool,
    /// `open`, `guarded` or `shut`; unknown where a setting does not parse.
    ingest: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Where a path leads.
enum Route {
    /// The page, and events of the site `default`.
    Front,
    Ingest(Site),
    Api(Resource),
    OpenApi,
    Health,
    Tick,
}

impl Route {
    fn of(path: &str) -> Result<Self, Refusal> {
        match path {
            "/" => Ok(Self::Front),
            "/events" => Ok(Self::Ingest(Site::default())),
            "/openapi.yaml" => Ok(Self::OpenApi),
            "/health" => Ok(Self::Health),
            "/tick" => Ok(Self::Tick),
            _ => match (path.strip_prefix("/events/"), path.strip_prefix("/api/")) {
                (Some(site), _) => Site::parse(site).map(Self::Ingest).ok_or(Refusal::Site),
                (_, Some(path)) => Resource::of(path).map(Self::Api),
                _ => Err(Refusal::Path),
            },
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Front => "/",
            // Both spellings of it.
            Self::Ingest(_) => "/events/{site}",
            Self::Api(resource) => resource.name(),
            Self::OpenApi => "/openapi.yaml",
            Self::Health => "/health",
            Self::Tick => "/tick",
        }
    }
}

/// What a path leads to, by its name in `openapi.yaml`, and the site whose events are taken there: for who counts requests, since paths
/// are without end and these names are few. `None` where nothing is.
pub fn named(path: &str) -> Option<(&'static str, Option<Site>)> {
    let route = Route::of(path).ok()?;
    let name = route.name();
    let site = match route {
        Route::Ingest(site) => Some(site),
        Route::Front => Some(Site::default()),
        _ => None,
    };
    Some((name, site))
}

/// Whether a path is one of those that readers and administrators ask for, who may need to list all keys: for who keeps room for events.
pub fn is_for_readers(path: &str) -> bool {
    matches!(Route::of(path), Ok(Route::Api(_)))
}
