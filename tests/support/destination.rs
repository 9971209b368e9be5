//! A destination without a socket: it gives scripted answers, stores its requests, and waits by moving the clock.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::{Request, Response};
use outbound_events::http_client::{HttpClient, NotSent, ResponseBody};

/// A scripted answer to a request.
#[derive(Clone, Debug)]
pub enum Says {
    /// A status.
    Status(u16),
    /// A status, and `Retry-After`.
    Later(u16, &'static str),
    /// A status, headers and a body.
    Answer(ScriptedAnswer),
    /// No connection.
    NoConnection,
    /// No answer, for this reason.
    NotSent(&'static str),
    /// Never answers.
    Hangs,
}

/// An answer in detail: `ScriptedAnswer::new(400).header("retry-after", "5").body("no such issue")`.
#[derive(Clone, Debug)]
pub struct ScriptedAnswer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Given,
}

impl ScriptedAnswer {
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Given::default() }
    }

    /// Adds a header; a name can be repeated.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds a chunk of the body.
    pub fn body(mut self, chunk: impl AsRef<[u8]>) -> Self {
        self.body.chunks.push_back(chunk.as_ref().to_vec());
        self
    }

    /// Sets the end of the body.
    pub fn then(mut self, rest: Rest) -> Self {
        self.body.rest = rest;
        self
    }
}

impl From<ScriptedAnswer> for Says {
    fn from(answer: ScriptedAnswer) -> Self {
        Self::Answer(answer)
    }
}

/// The end of a body, after its chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rest {
    /// The body ends. A broken connection looks the same.
    #[default]
    Ends,
    /// No more data, and no end.
    Hangs,
    /// The same byte for ever.
    NeverEnds,
    /// A blank each time that this time has passed, for ever.
    Slow(Duration),
}

/// The body of an answer.
#[derive(Clone, Debug, Default)]
pub struct Given {
    chunks: VecDeque<Vec<u8>>,
    rest: Rest,
    /// The number of bytes read of this body and all others.
    taken: Rc<Cell<usize>>,
    /// The monotonic clock.
    passed: Rc<Cell<Duration>>,
}

impl From<&[u8]> for Given {
    /// A body in one chunk.
    fn from(body: &[u8]) -> Self {
        Self { chunks: [body.to_vec()].into(), ..Self::default() }
    }
}

impl ResponseBody for Given {
    async fn chunk(&mut self) -> Option<Vec<u8>> {
        let chunk = match self.rest {
            _ if !self.chunks.is_empty() => self.chunks.pop_front(),
            Rest::Ends => None,
            Rest::Hangs => std::future::pending().await,
            Rest::NeverEnds => Some(b"x".to_vec()),
            Rest::Slow(time) => {
                self.passed.set(self.passed.get() + time);
                Some(b" ".to_vec())
            }
        };
        self.taken.set(self.taken.get() + chunk.as_ref().map_or(0, Vec::len));
        chunk
    }
}

/// The HTTP client of a test, and its clocks.
pub struct Ways {
    /// The wall clock.
    pub time: Cell<DateTime<Utc>>,
    /// The monotonic clock.
    pub passed: Rc<Cell<Duration>>,
    /// The next answers; then `always`.
    pub says: RefCell<VecDeque<Says>>,
    /// The answer when `says` is empty.
    pub always: RefCell<Says>,
    pub got: RefCell<Vec<Request<Vec<u8>>>>,
    /// The number of bytes read of all answers' bodies.
    pub taken: Rc<Cell<usize>>,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            time: Cell::new(super::platform::now()),
            passed: Rc::default(),
            says: RefCell::default(),
            always: RefCell::new(Says::Status(200)),
            got: RefCell::default(),
            taken: Rc::default(),
        }
    }
}

impl Ways {
    pub fn now(&self) -> DateTime<Utc> {
        self.time.get()
    }

    pub fn pass_time(&self, time: Duration) {
        self.step(TimeDelta::from_std(time).unwrap());
        self.passed.set(self.passed.get() + time);
    }

    /// Sets the wall clock.
    pub fn step(&self, by: TimeDelta) {
        self.time.set(self.time.get() + by);
    }

    pub fn say(&self, says: impl IntoIterator<Item = impl Into<Says>>) {
        self.says.borrow_mut().extend(says.into_iter().map(Into::into));
    }

    /// The ids of the received events, in order.
    pub fn ids(&self) -> Vec<String> {
        let header = |request: &Request<Vec<u8>>| request.headers()["webhook-id"].to_str().unwrap().to_owned();
        self.got.borrow().iter().map(header).collect()
    }

    /// The ids of the events received since the last call.
    pub fn take_ids(&self) -> Vec<String> {
        let ids = self.ids();
        self.got.borrow_mut().clear();
        ids
    }
}

impl HttpClient for Ways {
    type Body = Given;

    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Given>, NotSent> {
        self.got.borrow_mut().push(request);
        self.pass_time(Duration::from_millis(1));
        let says = self.says.borrow_mut().pop_front().unwrap_or_else(|| self.always.borrow().clone());
        let answer = match says {
            Says::Status(status) => ScriptedAnswer::new(status),
            Says::Later(status, when) => ScriptedAnswer::new(status).header("retry-after", when),
            Says::Answer(answer) => answer,
            Says::NotSent(reason) => return Err(NotSent(reason.to_owned())),
            Says::NoConnection => return Err(NotSent("nobody is there".to_owned())),
            Says::Hangs => std::future::pending().await,
        };
        let mut response = Response::builder().status(answer.status);
        for (name, value) in answer.headers {
            response = response.header(name, value);
        }
        Ok(response.body(Given { taken: self.taken.clone(), passed: self.passed.clone(), ..answer.body }).unwrap())
    }

    async fn wait(&self, time: Duration) {
        self.pass_time(time);
    }
}
