//! Compaction on request.

use http::Response;
use http::request::Parts;

use super::query::Query;
use super::responses::json;
use crate::archive::compaction::{self, Bound};
use crate::forward::backlogs::Backlogs;
use crate::platform::Platform;
use crate::service::answer::Service;
use crate::service::problem::Refusal;

impl<P: Platform> Service<'_, P> {
    pub(super) async fn pack(&self, head: &Parts, log: &mut Vec<String>) -> Result<Response<Vec<u8>>, Refusal> {
        Query::parse(head, &[])?;
        let settings = self.settings()?;
        let mut pending = Backlogs::new(&settings.destinations);
        let report = compaction::compact(self.platform, &settings.packing, &mut pending, &Bound::default()).await?;
        log.extend(pending.take_log());
        self.forget_removed(&report).await;
        // The answer already lists them; no log line is needed.
        self.report(report.clock_faults.clone()).await;
        Ok(json(&report))
    }
}
