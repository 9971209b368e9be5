//! A destination without a socket: says what it is told to say, keeps what it gets, and waits by moving the clock.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::{Request, Response};
use outbound_events::http_client::{Deliver, NotSent};

/// What a destination says to a request.
#[derive(Clone, Debug)]
pub enum Says {
    /// A status.
    Status(u16),
    /// A status, and `Retry-After`.
    Later(u16, &'static str),
    /// Nothing: there is no connection.
    NoConnection,
    /// Nothing, ever.
    Hangs,
}

/// The ways out, and the time.
pub struct Ways {
    /// The wall clock.
    pub time: Cell<DateTime<Utc>>,
    /// The monotonic clock.
    pub passed: Cell<Duration>,
    /// What is said next; 200 once it is empty.
    pub says: RefCell<VecDeque<Says>>,
    /// What it says whenever `says` is empty.
    pub always: RefCell<Says>,
    pub got: RefCell<Vec<Request<Vec<u8>>>>,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            time: Cell::new(super::platform::now()),
            passed: Cell::default(),
            says: RefCell::default(),
            always: RefCell::new(Says::Status(200)),
            got: RefCell::default(),
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

    /// The wall clock is set.
    pub fn step(&self, by: TimeDelta) {
        self.time.set(self.time.get() + by);
    }

    pub fn say(&self, says: impl IntoIterator<Item = Says>) {
        self.says.borrow_mut().extend(says);
    }

    /// The ids of what came, in order.
    pub fn ids(&self) -> Vec<String> {
        let header = |request: &Request<Vec<u8>>| request.headers()["webhook-id"].to_str().unwrap().to_owned();
        self.got.borrow().iter().map(header).collect()
    }

    /// The ids of what came since it was asked last.
    pub fn take_ids(&self) -> Vec<String> {
        let ids = self.ids();
        self.got.borrow_mut().clear();
        ids
    }
}

impl Deliver for Ways {
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<()>, NotSent> {
        self.got.borrow_mut().push(request);
        self.pass_time(Duration::from_millis(1));
        let says = self.says.borrow_mut().pop_front().unwrap_or_else(|| self.always.borrow().clone());
        let (status, retry_after) = match says {
            Says::Status(status) => (status, None),
            Says::Later(status, when) => (status, Some(when)),
            Says::NoConnection => return Err(NotSent("nobody is there".to_owned())),
            Says::Hangs => std::future::pending().await,
        };
        let mut response = Response::builder().status(status);
        if let Some(when) = retry_after {
            response = response.header("retry-after", when);
        }
        Ok(response.body(()).unwrap())
    }

    async fn wait(&self, time: Duration) {
        self.pass_time(time);
    }
}
