//! A pass that is asked for.

use http::Response;
use http::request::Parts;

use super::{Query, json};
use crate::archive::compaction::{self, Bound};
use crate::platform::Platform;
use crate::service::{Refusal, Service};

impl<P: Platform> Service<'_, P> {
    pub(super) async fn pack(&self, head: &Parts) -> Result<Response<Vec<u8>>, Refusal> {
        Query::read(head, &[])?;
        let policy = &self.settings()?.packing;
        let report = compaction::pass(self.platform, policy, &Bound::default()).await?;
        // Who asked has them in the answer.
        self.report(report.clock_faults.clone()).await;
        Ok(json(&report))
    }
}
