//! The service and its answers: the types that all files here share.

use http::Response;

use super::problem::Refusal;
use crate::clock_faults::ClockFault;
use crate::identity::Id;
use crate::platform::Platform;
use crate::settings::{SettingVariables, Settings};

/// The service for one request: the platform and the settings.
pub struct Service<'a, P> {
    /// The store, the HTTP client and the clocks.
    pub platform: &'a P,
    /// The settings, read on demand.
    pub variables: &'a SettingVariables<'a>,
}

/// A body that was cut off: the connection broke, or the sender gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenOff;

/// A response, its log lines and its follow-up work.
#[derive(Debug)]
pub struct Answer {
    /// The response with its whole body.
    pub response: Response<Vec<u8>>,
    /// Lines for the log. They contain no token, query or body.
    pub log: Option<String>,
    /// The work for [`Service::follow_up`], once the response is on its way.
    pub follow_up: FollowUp,
}

/// The work to do after an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "delivery runs and compaction follow answers"]
pub struct FollowUp {
    /// A delivery run to each destination.
    pub deliver: bool,
    /// Compaction, if it is due.
    pub compaction: bool,
    /// A clock that was seen to be wrong.
    pub clock_fault: Option<ClockFault>,
}

/// Compaction is considered after one event in this many. Ids are hashes, so the choice is random.
const EVENTS_PER_COMPACTION: u64 = 48;

impl FollowUp {
    /// A delivery run to each destination.
    pub(super) fn deliver() -> Self {
        Self { deliver: true, ..Self::default() }
    }

    /// The work to do after an event was stored.
    pub(super) fn event(id: Id, clock_fault: Option<ClockFault>) -> Self {
        Self { deliver: true, compaction: id.short().is_multiple_of(EVENTS_PER_COMPACTION), clock_fault }
    }

    /// Whether there is nothing to do.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Answer {
    pub(super) fn new(response: Response<Vec<u8>>) -> Self {
        Self { response, log: None, follow_up: FollowUp::default() }
    }

    /// Appends lines for the log.
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
