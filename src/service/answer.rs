//! The service, and what it answers: the types that all files here share.

use http::Response;

use super::problem::Refusal;
use crate::clock_faults::ClockFault;
use crate::identity::Id;
use crate::platform::Platform;
use crate::settings::{Settings, Variables};

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
    /// What [`Service::follow_up`] is to be given, once the response is on its way.
    pub follow_up: FollowUp,
}

/// What is left to do after an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "delivery runs and passes follow answers"]
pub struct FollowUp {
    /// A delivery run to each destination.
    pub deliver: bool,
    /// A pass, if one is due.
    pub compaction: bool,
    /// A clock that was seen to be wrong.
    pub clock_fault: Option<ClockFault>,
}

/// For one event in so many a pass may run after its answer. Ids are hashes: which events these are is chance.
const EVENTS_A_PASS: u64 = 48;

impl FollowUp {
    /// A delivery run to each destination.
    pub(super) fn deliver() -> Self {
        Self { deliver: true, ..Self::default() }
    }

    /// What is left to do after an event was stored.
    pub(super) fn event(id: Id, clock_fault: Option<ClockFault>) -> Self {
        Self { deliver: true, compaction: id.short().is_multiple_of(EVENTS_A_PASS), clock_fault }
    }

    /// Whether nothing is left to do.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Answer {
    pub(super) fn new(response: Response<Vec<u8>>) -> Self {
        Self { response, log: None, follow_up: FollowUp::default() }
    }

    /// With lines for the log.
    pub(super) fn with_log(mut self, lines: Vec<String>) -> Self {
        let lines: Vec<_> = self.log.into_iter().chain(lines).collect();
        self.log = (!lines.is_empty()).then(|| lines.join("\n"));
        self
    }
}

impl<P: Platform> Service<'_, P> {
    pub(super) fn settings(&self) -> Result<&Settings, Refusal> {
        Ok(self.variables.settings()?)
    }
}
