//! A request and its answer without a socket.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use chrono::{DateTime, Utc};
use outbound_events::platform::Platform;
use outbound_events::service::{BrokenOff, HEADERS, Service};
use outbound_events::settings::SettingVariables;
use outbound_events::store::Store;

use super::destination::Ways;
use super::platform::{TestPlatform, at, by, now};

/// A request.
pub struct Call {
    request: http::request::Builder,
    chunks: Vec<Result<Vec<u8>, BrokenOff>>,
    now: DateTime<Utc>,
    goes_on: bool,
}

/// The answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
    pub log: Option<String>,
    /// How often the service read a chunk of the body.
    pub chunks_asked: usize,
}

pub fn post(uri: &str) -> Call {
    call("POST", uri)
}

pub fn call(method: &str, uri: &str) -> Call {
    Call { request: http::Request::builder().method(method).uri(uri), chunks: Vec::new(), now: now(), goes_on: true }
}

impl Call {
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.request = self.request.header(name, value.as_ref());
        self
    }

    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.chunks.push(Ok(body.as_ref().to_vec()));
        self
    }

    /// Sets the time of the request.
    pub fn at(mut self, now: DateTime<Utc>) -> Self {
        self.now = now;
        self
    }

    /// The answer, without the work after it.
    pub fn answer_alone(mut self, store: &impl Store, settings: &[(&str, &str)]) -> Reply {
        self.goes_on = false;
        self.answer(store, settings)
    }

    pub fn broken_off(mut self) -> Self {
        self.chunks.push(Err(BrokenOff));
        self
    }

    pub fn answer(self, store: &impl Store, settings: &[(&str, &str)]) -> Reply {
        let now = self.now;
        pollster::block_on(self.answered(&at(store, now), settings))
    }

    /// The answer of a service with an HTTP client, whose clock it uses.
    pub fn answer_with(self, store: &impl Store, ways: &Ways, settings: &[(&str, &str)]) -> Reply {
        let monotonic = || ways.passed.get();
        let parts = TestPlatform::new(store, || ways.now()).http_client(ways).monotonic(&monotonic);
        pollster::block_on(self.answered(&parts, settings))
    }

    /// The answer of a service on this platform.
    pub async fn answer_from(self, platform: &impl Platform, settings: &[(&str, &str)]) -> Reply {
        self.answered(platform, settings).await
    }

    /// The answer, with a clock that moves.
    pub fn answer_by(self, store: &impl Store, clock: impl Fn() -> DateTime<Utc>, settings: &[(&str, &str)]) -> Reply {
        pollster::block_on(self.answered(&by(store, clock), settings))
    }

    /// The answer, or `None` if the store hangs: the request is then dropped.
    pub fn answer_now(self, store: &impl Store, settings: &[(&str, &str)]) -> Option<Reply> {
        let now = self.now;
        match pin!(self.answered(&at(store, now), settings)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(reply) => Some(reply),
            Poll::Pending => None,
        }
    }

    async fn answered(self, platform: &impl Platform, settings: &[(&str, &str)]) -> Reply {
        let variable = |name: &str| Ok(settings.iter().find(|(n, _)| *n == name).map(|(_, value)| value.to_string()));
        let variables = SettingVariables::new(&variable);
        let service = Service { platform, variables: &variables };
        let asked = Cell::new(0);
        let mut chunks = self.chunks.into_iter();
        let next = async || {
            asked.set(asked.get() + 1);
            chunks.next().transpose()
        };
        let answer = service.handle(self.request.body(()).map(passed_on), next).await;
        // Like the adapter: the response is on its way by then.
        let lines = if self.goes_on { service.follow_up(answer.follow_up).await } else { Vec::new() };
        let log = (!lines.is_empty()).then(|| lines.join("\n"));
        let (head, body) = answer.response.into_parts();
        Reply {
            status: head.status.as_u16(),
            headers: head.headers.iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect(),
            body: String::from_utf8(body).unwrap(),
            log: answer.log.or(log),
            chunks_asked: asked.get(),
        }
    }
}

/// A request's head with the headers that the adapter passes on.
fn passed_on(request: http::Request<()>) -> http::request::Parts {
    let mut head = request.into_parts().0;
    let all = std::mem::take(&mut head.headers);
    for name in &HEADERS {
        all.get_all(name).iter().for_each(|value| _ = head.headers.append(name, value.clone()));
    }
    head
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn result(&self) -> &str {
        self.header("event-result")
    }

    /// The variables with problems; `""` for the body as a whole.
    pub fn at_fault(&self) -> Vec<String> {
        let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        let problems = problem["problems"].as_array().cloned().unwrap_or_default();
        problems.iter().map(|p| p["variable"].as_str().unwrap_or_default().to_owned()).collect()
    }
}
