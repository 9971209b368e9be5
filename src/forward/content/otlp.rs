//! Events as logs of OpenTelemetry: OTLP/HTTP in JSON, `ExportLogsServiceRequest` (opentelemetry-proto,
//! `logs/v1/logs.proto`; 64-bit numbers are texts, as proto3's JSON has them).
//!
//! Attributes follow OpenTelemetry's semantic conventions where there are any. The others begin with `beyondtrust.`.
//!
//! | attribute | value |
//! |---|---|
//! | `event.name`, also the field `eventName` | the record's `type` |
//! | `cloudevents.event_id`, `…_source`, `…_type`, `…_subject` | the record's attributes |
//! | `session.id` | the lsid |
//! | `user.id`, `user.name`, `user.full_name`, `user.roles` | the member: `user_id`, `username`, `name`, `type` |
//! | `client.address`, `client.port` | of a report: the first customer's public address |
//! | `beyondtrust.site`, `….external_key`, `….owner.kind`, `….owner.id`, `….owner.name` | the site, the key, the new owner |
//! | `beyondtrust.variable.<name>` | every other variable |
//! | `beyondtrust.report.<field>` | of a report: its figures and names |

use serde::{Deserialize, Serialize};

use crate::forward::event_to_send::EventToSend;
use crate::record::{EventData, Record};

/// Logs of one or more appliances: consecutive events of one site share a resource.
pub(super) fn logs(events: &[EventToSend<'_>]) -> Result<Vec<u8>, String> {
    let mut resource_logs: Vec<ResourceLogs> = Vec::new();
    let mut site_of_last = None;
    for event in events {
        let site = event.entry.key.site.as_str();
        if site_of_last != Some(site) {
            resource_logs.push(ResourceLogs::of_site(site));
            site_of_last = Some(site);
        }
        let record = log_record(event)?;
        let scope = resource_logs.last_mut().and_then(|of_site| of_site.scope_logs.first_mut());
        scope.ok_or("it has no scope")?.log_records.push(record);
    }
    serde_json::to_vec(&ExportLogsRequest { resource_logs }).map_err(|error| error.to_string())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExportLogsRequest {
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceLogs {
    resource: Resource,
    scope_logs: Vec<ScopeLogs>,
}

#[derive(Serialize)]
struct Resource {
    attributes: Vec<Attribute>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScopeLogs {
    scope: Scope,
    log_records: Vec<LogRecord>,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogRecord {
    time_unix_nano: String,
    observed_time_unix_nano: String,
    severity_number: u8,
    severity_text: &'static str,
    event_name: String,
    body: AnyValue,
    attributes: Vec<Attribute>,
}

#[derive(Serialize)]
struct Attribute {
    key: String,
    value: AnyValue,
}

#[derive(Serialize)]
enum AnyValue {
    #[serde(rename = "stringValue")]
    Text(String),
    #[serde(rename = "intValue")]
    Integer(String),
    #[serde(rename = "arrayValue")]
    List { values: Vec<AnyValue> },
}

impl ResourceLogs {
    fn of_site(site: &str) -> Self {
        let mut resource = Attributes::default();
        resource.text("service.name", "beyondtrust-remote-support");
        resource.text("service.instance.id", site);
        let scope = Scope { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") };
        let scope_logs = vec![ScopeLogs { scope, log_records: Vec::new() }];
        Self { resource: Resource { attributes: resource.0 }, scope_logs }
    }
}

/// `SEVERITY_NUMBER_INFO`: events tell what happened, and nothing of them is an error of a program.
const INFO: u8 = 9;

fn log_record(EventToSend { entry, .. }: &EventToSend<'_>) -> Result<LogRecord, String> {
    let record: Record = serde_json::from_slice(&entry.value).map_err(|error| error.to_string())?;
    let mut attributes = Attributes::default();
    attributes.text("event.name", &record.event_type);
    attributes.text("cloudevents.event_id", &record.id);
    attributes.text("cloudevents.event_source", &record.source);
    attributes.text("cloudevents.event_type", &record.event_type);
    attributes.some("cloudevents.event_subject", record.subject.as_deref());
    attributes.some("session.id", record.subject.as_deref());
    attributes.text("beyondtrust.site", entry.key.site.as_str());
    attributes.data(&record.data);
    if let Some(report) = &record.data.report {
        attributes.report(&serde_json::from_str(report.text()).map_err(|error| error.to_string())?);
    }
    Ok(LogRecord {
        time_unix_nano: format!("{}000000000", entry.key.timestamp.seconds()),
        observed_time_unix_nano: format!("{}000", entry.delivered),
        severity_number: INFO,
        severity_text: "INFO",
        event_name: record.event_type,
        body: AnyValue::Text(entry.key.event.title().to_owned()),
        attributes: attributes.0,
    })
}

#[derive(Default)]
struct Attributes(Vec<Attribute>);

impl Attributes {
    fn push(&mut self, key: impl Into<String>, value: AnyValue) {
        self.0.push(Attribute { key: key.into(), value });
    }

    fn text(&mut self, key: impl Into<String>, text: &str) {
        self.push(key, AnyValue::Text(text.to_owned()));
    }

    fn some(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    fn number(&mut self, key: &str, number: Option<u64>) {
        // `intValue` is signed.
        if let Some(number) = number.filter(|number| i64::try_from(*number).is_ok()) {
            self.push(key, AnyValue::Integer(number.to_string()));
        }
    }

    fn data(&mut self, data: &EventData) {
        self.some("beyondtrust.external_key", data.external_key.as_deref());
        if let Some(owner) = &data.conference {
            self.text("beyondtrust.owner.kind", &owner.kind);
            self.text("beyondtrust.owner.id", &owner.id);
            self.text("beyondtrust.owner.name", &owner.name);
        }
        if let Some(member) = &data.member {
            self.some("user.id", member.user_id.as_deref());
            self.some("user.name", member.username.as_deref());
            self.text("user.full_name", &member.name);
            let role = AnyValue::Text(member.role.as_str().to_owned());
            self.push("user.roles", AnyValue::List { values: vec![role] });
        }
        for (name, value) in &data.variables {
            let key = ["beyondtrust.variable.", name].concat();
            match value.values() {
                [only] => self.text(key, only),
                several => {
                    let values = several.iter().map(|value| AnyValue::Text(value.clone())).collect();
                    self.push(key, AnyValue::List { values });
                }
            }
        }
    }

    fn report(&mut self, report: &ReportFields) {
        if let Some(address) = report.customers.first().and_then(|customer| customer.public_address.as_deref()) {
            let (host, port) = host_and_port(address);
            self.text("client.address", host);
            self.number("client.port", port);
        }
        self.number("beyondtrust.report.duration_seconds", report.duration_seconds);
        self.number("beyondtrust.report.files_transferred", report.files_transferred);
        for (name, value) in [
            ("session_type", &report.session_type),
            ("public_site", &report.public_site),
            ("team", &report.team),
            ("primary_customer", &report.primary_customer),
            ("primary_representative", &report.primary_representative),
        ] {
            self.some(&["beyondtrust.report.", name].concat(), value.as_deref());
        }
    }
}

/// The fields of a report that become attributes.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ReportFields {
    duration_seconds: Option<u64>,
    files_transferred: Option<u64>,
    session_type: Option<String>,
    public_site: Option<String>,
    team: Option<String>,
    primary_customer: Option<String>,
    primary_representative: Option<String>,
    customers: Vec<CustomerAddress>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CustomerAddress {
    public_address: Option<String>,
}

/// The parts of an address with or without a port: `192.0.2.1:80`, `[2001:db8::1]:80`, `2001:db8::1`.
fn host_and_port(address: &str) -> (&str, Option<u64>) {
    let split = address.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    let (host, port) = match split.and_then(|(host, port)| Some((host, port.parse().ok()?))) {
        Some((host, port)) => (host, Some(port)),
        None => (address, None),
    };
    (host.trim_start_matches('[').trim_end_matches(']'), port)
}

/// The number of log records that an answer 200 says it rejected, and why (`ExportLogsPartialSuccess`). A request that
/// was accepted in part must not be sent again (OTLP 1.0, "Partial Success").
pub(in crate::forward) fn rejected_of_answer(body: &[u8]) -> Option<(u64, String)> {
    /// Proto3's JSON writes it as text, and takes a number.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum JsonInteger {
        Number(u64),
        Text(String),
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct PartialSuccess {
        rejected_log_records: Option<JsonInteger>,
        error_message: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ExportLogsAnswer {
        partial_success: Option<PartialSuccess>,
    }
    let partial = serde_json::from_slice::<ExportLogsAnswer>(body).ok()?.partial_success?;
    let rejected = match partial.rejected_log_records? {
        JsonInteger::Number(number) => number,
        JsonInteger::Text(text) => text.trim().parse().ok()?,
    };
    (rejected > 0).then(|| (rejected, partial.error_message.unwrap_or_default()))
}
