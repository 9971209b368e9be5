//! A request and its answer without a socket, and the stores that the port's contract is held to.
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared by tests that each use a part"
)]

mod destination;
mod forms;
mod passes;
mod slow_disk;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use outbound_events::http_client::{Deliver, NoWayOut};
use outbound_events::platform::Platform;
use outbound_events::service::{BrokenOff, Service};
use outbound_events::settings::Variables;
use outbound_events::store::{Store, StoreError};

pub use destination::{Says, Ways};
pub use forms::{BEGIN, seven};
pub use passes::{pass, pass_if_due};
pub use slow_disk::SlowDisk;

pub const TOKEN: &str = "a-token-of-24-characters";
pub const OPEN: &[(&str, &str)] = &[("ingest_open", "true")];
pub const GUARDED: &[(&str, &str)] = &[("ingest_tokens", TOKEN)];

/// 2026-01-02T03:04:05.678Z, when every test happens.
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_323_045, 678_000_000).unwrap()
}

/// A platform put together from its parts. Its monotonic clock goes as the wall clock does, unless it is given one of its own.
pub struct Parts<'p, S, D, C> {
    pub store: &'p S,
    pub deliver: &'p D,
    pub clock: C,
    pub monotonic: Option<&'p dyn Fn() -> Duration>,
}

impl<S: Store, D: Deliver, C: Fn() -> DateTime<Utc>> Platform for Parts<'_, S, D, C> {
    type Store = S;
    type Deliver = D;

    fn store(&self) -> &S {
        self.store
    }

    fn deliver(&self) -> &D {
        self.deliver
    }

    fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    fn monotonic(&self) -> Duration {
        let by_wall = || ((self.clock)() - DateTime::UNIX_EPOCH).to_std().unwrap();
        self.monotonic.map_or_else(by_wall, |monotonic| monotonic())
    }
}

/// A platform that is a store and a clock.
pub fn by<S: Store, C: Fn() -> DateTime<Utc>>(store: &S, clock: C) -> Parts<'_, S, NoWayOut, C> {
    Parts { store, deliver: &NoWayOut, clock, monotonic: None }
}

/// A platform that is a store, at one time.
pub fn at<S: Store>(store: &S, now: DateTime<Utc>) -> Parts<'_, S, NoWayOut, impl Fn() -> DateTime<Utc>> {
    by(store, move || now)
}

/// A request that is yet to be answered.
pub struct Call {
    request: http::request::Builder,
    chunks: Vec<Result<Vec<u8>, BrokenOff>>,
    now: DateTime<Utc>,
    goes_on: bool,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
    pub log: Option<String>,
    /// How often the service asked for more of the body.
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

    /// At another time than every other.
    pub fn at(mut self, now: DateTime<Utc>) -> Self {
        self.now = now;
        self
    }

    /// Up to the answer, and nothing after it.
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

    /// The answer of a service that has a way out, and its time.
    pub fn answer_with(self, store: &impl Store, ways: &Ways, settings: &[(&str, &str)]) -> Reply {
        let monotonic = || ways.passed.get();
        let parts = Parts { store, deliver: ways, clock: || ways.now(), monotonic: Some(&monotonic) };
        pollster::block_on(self.answered(&parts, settings))
    }

    /// The answer, where work takes time.
    pub fn answer_by(self, store: &impl Store, clock: impl Fn() -> DateTime<Utc>, settings: &[(&str, &str)]) -> Reply {
        pollster::block_on(self.answered(&by(store, clock), settings))
    }

    /// The answer, unless the store keeps it waiting. Then the request is dropped.
    pub fn answer_now(self, store: &impl Store, settings: &[(&str, &str)]) -> Option<Reply> {
        let now = self.now;
        match pin!(self.answered(&at(store, now), settings)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(reply) => Some(reply),
            Poll::Pending => None,
        }
    }

    async fn answered(self, platform: &impl Platform, settings: &[(&str, &str)]) -> Reply {
        let variable = |name: &str| Ok(settings.iter().find(|(n, _)| *n == name).map(|(_, value)| value.to_string()));
        let variables = Variables::new(&variable);
        let service = Service { platform, variables: &variables };
        let asked = Cell::new(0);
        let mut chunks = self.chunks.into_iter();
        let next = async || {
            asked.set(asked.get() + 1);
            chunks.next().transpose()
        };
        let answer = service.handle(self.request.body(()).map(|r| r.into_parts().0), next).await;
        // As the adapter does: the response is on its way by then.
        let lines = if self.goes_on { service.go_on(answer.after).await } else { Vec::new() };
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

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn result(&self) -> &str {
        self.header("event-result")
    }

    /// The variables that the problem is about, `""` for the body as a whole.
    pub fn at_fault(&self) -> Vec<String> {
        let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        let problems = problem["problems"].as_array().cloned().unwrap_or_default();
        problems.iter().map(|p| p["variable"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// The store that keeps what it is given, and counts what it is asked.
#[derive(Default)]
pub struct Memory {
    pub values: RefCell<BTreeMap<String, Vec<u8>>>,
    pub calls: RefCell<Vec<&'static str>>,
}

impl Memory {
    pub fn keys(&self) -> Vec<String> {
        self.values.borrow().keys().cloned().collect()
    }

    pub fn json(&self, key: &str) -> serde_json::Value {
        serde_json::from_slice(&self.values.borrow()[key]).unwrap()
    }

    /// The one value that there is.
    pub fn only(&self) -> serde_json::Value {
        let keys = self.keys();
        assert_eq!(keys.len(), 1, "{keys:?}");
        self.json(&keys[0])
    }
}

impl Store for Memory {
    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        self.calls.borrow_mut().push("exists");
        Ok(self.values.borrow().contains_key(key))
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.calls.borrow_mut().push("get");
        Ok(self.values.borrow().get(key).cloned())
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.calls.borrow_mut().push("set");
        self.values.borrow_mut().insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.calls.borrow_mut().push("delete");
        self.values.borrow_mut().remove(key);
        Ok(())
    }

    async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        self.calls.borrow_mut().push("get_keys");
        Ok(self.keys())
    }
}

/// What can become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done, and the store says so.
    Refused,
    /// It is done, and the store says that it failed.
    AnswerLost,
    /// Nothing is done, and no answer comes.
    Hangs,
    /// It is done, and no answer comes.
    HangsWhenDone,
}

/// A store whose call number `at`, counted from 0, does not succeed; every other does.
pub struct Failing {
    pub inner: Memory,
    fault: Fault,
    at: usize,
    calls: Cell<usize>,
}

impl Failing {
    pub fn new(values: BTreeMap<String, Vec<u8>>, fault: Fault, at: usize) -> Self {
        let inner = Memory { values: RefCell::new(values), calls: RefCell::default() };
        Self { inner, fault, at, calls: Cell::new(0) }
    }

    /// How often it was called.
    pub fn calls(&self) -> usize {
        self.calls.get()
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let number = self.calls.replace(self.calls.get() + 1);
        if number != self.at {
            return call.await;
        }
        if matches!(self.fault, Fault::AnswerLost | Fault::HangsWhenDone) {
            call.await?;
        }
        match self.fault {
            Fault::Refused | Fault::AnswerLost => Err(StoreError::Other("the disk is on fire".to_owned())),
            Fault::Hangs | Fault::HangsWhenDone => std::future::pending().await,
        }
    }
}

impl Store for Failing {
    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        self.call(self.inner.exists(key)).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.call(self.inner.get(key)).await
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.call(self.inner.set(key, value)).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.call(self.inner.delete(key)).await
    }

    async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        self.call(self.inner.get_keys()).await
    }
}

/// A store that takes what every platform takes and not a byte more: 1,024 keys (Fermyon Cloud) of 255 portable bytes
/// (Cosmos DB, Fermyon Cloud), values of 400,000 bytes (DynamoDB).
#[derive(Default)]
pub struct Limited(pub Memory);

impl Store for Limited {
    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        self.0.exists(key).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key).await
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let portable = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        assert!(key.len() <= 255 && key.bytes().all(portable), "{key} is not portable");
        assert!(value.len() <= 400_000, "{} bytes under {key}", value.len());
        if !self.0.exists(key).await? && self.0.values.borrow().len() >= 1024 {
            return Err(StoreError::Full("the limit of 1024 keys is reached".to_owned()));
        }
        self.0.set(key, value).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.0.delete(key).await
    }

    async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        self.0.get_keys().await
    }
}
