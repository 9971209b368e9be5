//! Log records of OpenTelemetry, read by OpenTelemetry's own definitions, and compared with the stored records.

use std::process::Command;

use serde_json::{Value, json};

use super::recipient::root;

/// The log records of these bodies of requests.
pub fn log_records<'b>(bodies: impl IntoIterator<Item = &'b [u8]>) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let files = bodies.into_iter().enumerate().map(|(number, body)| {
        let file = folder.path().join(number.to_string());
        std::fs::write(&file, body).unwrap();
        file
    });
    let files: Vec<_> = files.collect();
    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/otlp_reader.py");
    let output = Command::new(root().join("target/python/bin/python")).arg(reader).args(files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The id of the event of a log record.
pub fn id_of(log_record: &Value) -> &str {
    log_record["attributes"]["cloudevents.event_id"].as_str().unwrap()
}

/// Checks that a log record says what the stored record of the same id says.
pub fn agrees(log_record: &Value, stored: &Value) {
    let attributes = &log_record["attributes"];
    let seconds = stored["data"]["timestamp"].as_u64().unwrap();
    assert_eq!(log_record["time"].as_u64(), Some(seconds * 1_000_000_000), "{stored}");
    let recorded = chrono::DateTime::parse_from_rfc3339(stored["recordedtime"].as_str().unwrap()).unwrap();
    assert_eq!(log_record["observed"].as_i64(), recorded.timestamp_nanos_opt());
    assert_eq!((&log_record["severity"], &attributes["event.name"]), (&json!(9), &stored["type"]));
    let resource = json!({ "service.name": "beyondtrust-remote-support", "service.instance.id": "hq" });
    assert_eq!(log_record["resource"], resource);
    assert_eq!(attributes["session.id"], stored["subject"]);
    let member = &stored["data"]["member"];
    if member.is_object() {
        assert_eq!(attributes["user.full_name"], member["name"]);
        assert_eq!(attributes["user.roles"], json!([member["type"]]));
        assert_eq!(attributes.get("user.name"), member.get("username"));
    }
    for (name, value) in stored["data"]["variables"].as_object().into_iter().flatten() {
        assert_eq!(attributes[format!("beyondtrust.variable.{name}")], *value);
    }
}
