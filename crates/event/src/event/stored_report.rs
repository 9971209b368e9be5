//! The appliance's report of a session, as a record holds it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Timestamp;

/// The appliance's report of a session, and when it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredReport {
    /// When it was fetched, by the recipient's clock. Of several reports of a session, the last one fetched counts.
    pub fetched: Timestamp,
    /// The report.
    pub json: ReportJson,
}

/// A report as JSON. Its content is `report.rs` of the library: this crate is for the path of a POST, which has none.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReportJson(Box<RawValue>);

impl ReportJson {
    /// Writes a report as JSON.
    pub fn of(report: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(report).map(Self)
    }

    /// The JSON, as it is stored.
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for ReportJson {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for ReportJson {}
