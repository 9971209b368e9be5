//! A pass that is asked for.

use chrono::{DateTime, Utc};
use http::Response;
use http::request::Parts;

use super::{Query, json};
use crate::archive::packing::{self, Bound};
use crate::forward::Deliver;
use crate::service::{Refusal, Service};
use crate::store::Store;

impl<S: Store, D: Deliver, C: Fn() -> DateTime<Utc>> Service<'_, S, D, C> {
    pub(super) async fn pack(&self, head: &Parts) -> Result<Response<Vec<u8>>, Refusal> {
        Query::read(head, &[])?;
        let policy = &self.settings()?.packing;
        Ok(json(&packing::pass(self.store, policy, &Bound::default(), &self.clock).await?))
    }
}
