//! Events from a file of JSON lines: one event a line, as its variables or as the record of one.

use outbound_events::record::Record;
use serde::Deserialize;
use serde_json::Value;

/// Why a line is no event.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It is no JSON object.
    #[error("is no JSON object: {0}")]
    NoObject(String),
    /// A CloudEvents envelope whose data are not an event's.
    #[error("is a CloudEvent, and not one that a recipient has stored: {0}")]
    NoRecord(String),
    /// A variable whose value a form cannot hold.
    #[error("has {0:?}, whose value is neither text nor a whole number, nor an array of these")]
    Value(String),
}

/// The body of the POST for one line: `{"event":"support_conference_begin","lsid":…}`, every value text, a whole number,
/// or an array of these; or a record as the recipient stores and exports it. The recipient says what is wrong with the
/// event itself.
pub fn form(line: &str) -> Result<String, LineError> {
    let object: serde_json::Map<String, Value> =
        serde_json::from_str(line).map_err(|error| LineError::NoObject(error.to_string()))?;
    let form = if object.contains_key("specversion") {
        let record = Record::deserialize(Value::Object(object));
        serde_urlencoded::to_string(record.map_err(|error| LineError::NoRecord(error.to_string()))?.data.form())
    } else {
        serde_urlencoded::to_string(object.into_iter().map(variables).collect::<Result<Vec<_>, _>>()?.concat())
    };
    // Text under text: there is nothing that could not be encoded.
    Ok(form.unwrap_or_default())
}

/// One pair a value: an array repeats the variable.
fn variables((name, value): (String, Value)) -> Result<Vec<(String, String)>, LineError> {
    let values = if let Value::Array(values) = value { values } else { vec![value] };
    let pair = |value| match value {
        Value::String(text) => Ok((name.clone(), text)),
        Value::Number(number) if number.is_i64() || number.is_u64() => Ok((name.clone(), number.to_string())),
        _ => Err(LineError::Value(name.clone())),
    };
    values.into_iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use outbound_events::identity::Site;
    use outbound_events::parse::parse;
    use outbound_events::record::Record;

    use super::{LineError, form};

    #[test]
    fn a_line_is_variables_or_a_record() {
        let expected = "event=support_conference_begin&lsid=x+%26&timestamp=1700000000&version=1";
        let line = r#"{"version":"1","event":"support_conference_begin","timestamp":1700000000,"lsid":"x &"}"#;
        assert_eq!(form(line).unwrap(), expected);
        let body = "event=support_conference_begin&external_key=INC-1&lsid=x&timestamp=1700000000&version=1";
        let event = parse(body.as_bytes()).unwrap();
        let (_, record) = Record::new(event, Site::default(), chrono::DateTime::UNIX_EPOCH);
        assert_eq!(form(&String::from_utf8(record.to_json().unwrap()).unwrap()).unwrap(), body);
    }

    #[test]
    fn an_array_repeats_the_variable() {
        let form_of = |line: &str| form(line).unwrap();
        assert_eq!(form_of(r#"{"tags[]":["vip",2,"eu"],"a":[]}"#), "tags%5B%5D=vip&tags%5B%5D=2&tags%5B%5D=eu");
        let body = "event=e&tags=vip&tags=eu&timestamp=1&version=1";
        let event = parse(body.as_bytes()).unwrap();
        let (_, record) = Record::new(event, Site::default(), chrono::DateTime::UNIX_EPOCH);
        assert_eq!(form_of(&String::from_utf8(record.to_json().unwrap()).unwrap()), body);
    }

    #[test]
    fn what_a_form_cannot_hold_is_named() {
        for line in [r#"{"lsid":null}"#, r#"{"lsid":1.5}"#, r#"{"lsid":["x",[]]}"#, r#"{"lsid":true}"#] {
            assert_eq!(form(line), Err(LineError::Value("lsid".to_owned())), "{line}");
        }
        for line in ["", "[]", "event=x", r#"{"event":"x""#] {
            assert!(matches!(form(line), Err(LineError::NoObject(_))), "{line}");
        }
        assert!(matches!(form(r#"{"specversion":"1.0","data":{}}"#), Err(LineError::NoRecord(_))));
    }
}
