//! The settings that are JSON arrays of objects, `destinations` and `appliances`: what reading them has in common.

use serde_json::Value;

use crate::event::Timestamp;

/// Parses the array. `items` names its items in the error, which completes a sentence that begins with the setting's
/// name, and repeats nothing of the text: it can be a secret.
pub(crate) fn parse_array(text: &str, items: &str) -> Result<Vec<Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Array(all)) => Ok(all),
        Ok(_) => Err(format!("is not an array of {items}")),
        Err(error) => Err(format!("is not valid JSON: line {}, column {}", error.line(), error.column())),
    }
}

/// Parses a time in RFC 3339.
pub(crate) fn parse_time(text: &str) -> Result<Timestamp, &'static str> {
    const RULE: &str = "is not a time such as 2026-01-31T12:00:00Z";
    let time = chrono::DateTime::parse_from_rfc3339(text).map_err(|_| RULE)?;
    u64::try_from(time.timestamp()).ok().and_then(Timestamp::from_seconds).ok_or(RULE)
}
