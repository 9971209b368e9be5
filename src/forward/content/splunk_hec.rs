//! Events for Splunk's HTTP Event Collector: JSON objects one after the other, each with the record as `event`.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::forward::destination::SplunkFields;
use crate::forward::event_to_send::EventToSend;

/// The default source type.
const SOURCETYPE: &str = "beyondtrust:remote_support";

/// An event, in the fields that the collector knows ("Format events for HTTP Event Collector").
#[derive(Serialize)]
struct SplunkEvent<'e> {
    /// When it originated, in Unix seconds.
    time: u64,
    host: &'e str,
    source: String,
    sourcetype: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<&'e str>,
    event: &'e RawValue,
}

/// The body of a request to `/services/collector/event`.
pub(super) fn events(fields: &SplunkFields, events: &[EventToSend<'_>]) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    for EventToSend { entry, .. } in events {
        let record: &RawValue = serde_json::from_slice(&entry.value).map_err(|error| error.to_string())?;
        let site = entry.key.site.as_str();
        let event = SplunkEvent {
            time: entry.key.timestamp.seconds(),
            host: fields.host.as_deref().unwrap_or(site),
            source: ["/beyondtrust/", site].concat(),
            sourcetype: fields.sourcetype.as_deref().unwrap_or(SOURCETYPE),
            index: fields.index.as_deref(),
            event: record,
        };
        serde_json::to_writer(&mut body, &event).map_err(|error| error.to_string())?;
        body.push(b'\n');
    }
    Ok(body)
}
