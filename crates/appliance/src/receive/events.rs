//! The events of a request, in each format of a destination.

use serde_json::Value;

/// An event of a request, as far as its format shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceivedEvent {
    /// Its id. A form has none.
    pub id: Option<String>,
    /// Its name, such as `support_conference_begin`.
    pub name: Option<String>,
    /// Its session.
    pub lsid: Option<String>,
}

impl ReceivedEvent {
    /// The events of a body: a record or a list of them (CloudEvents), a record a line, objects for Splunk, logs of
    /// OpenTelemetry, or a form. Empty for anything else, such as what a template makes.
    pub fn of_body(body: &[u8]) -> Vec<Self> {
        let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(body).into_iter().collect();
        match values {
            Ok(values) => values.iter().flat_map(events_of).collect(),
            Err(_) => of_form(body).into_iter().collect(),
        }
    }
}

fn events_of(value: &Value) -> Vec<ReceivedEvent> {
    if let Value::Array(all) = value {
        return all.iter().flat_map(events_of).collect();
    }
    if let Some(resources) = value.get("resourceLogs").and_then(Value::as_array) {
        let scopes = resources.iter().flat_map(|resource| list(resource, "scopeLogs"));
        return scopes.flat_map(|scope| list(scope, "logRecords")).map(of_log_record).collect();
    }
    // Splunk's object has the record in a field.
    let record = value.get("event").filter(|event| event.is_object()).unwrap_or(value);
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let event = ReceivedEvent { id: text("/id"), name: text("/data/event"), lsid: text("/data/lsid") };
    if event == ReceivedEvent::default() { Vec::new() } else { vec![event] }
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn of_log_record(record: &Value) -> ReceivedEvent {
    let attribute = |key: &str| {
        let named = |attribute: &&Value| attribute.get("key").and_then(Value::as_str) == Some(key);
        let found = list(record, "attributes").iter().find(named)?;
        found.pointer("/value/stringValue").and_then(Value::as_str).map(str::to_owned)
    };
    let name = attribute("event.name").map(|name| name.trim_start_matches("com.beyondtrust.").to_owned());
    ReceivedEvent { id: attribute("cloudevents.event_id"), name, lsid: attribute("session.id") }
}

fn of_form(body: &[u8]) -> Option<ReceivedEvent> {
    let form: Vec<(String, String)> = serde_urlencoded::from_bytes(body).ok()?;
    let value = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let name = value("event")?;
    Some(ReceivedEvent { id: None, name: Some(name), lsid: value("lsid") })
}
