//! A time as RFC 3339 in UTC, for serde's `with`.

use chrono::DateTime;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

use crate::event::Timestamp;

/// Writes the time, in seconds.
pub fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.rfc3339())
}

/// Reads a time with any offset. An error before 1970 and after the year 9999.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    let time = DateTime::parse_from_rfc3339(&text).map_err(D::Error::custom)?;
    let seconds = u64::try_from(time.timestamp()).ok().and_then(Timestamp::from_seconds);
    seconds.ok_or_else(|| D::Error::custom("a time before 1970 or after the year 9999"))
}

/// The same for a time that can be absent.
pub mod optional {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::event::Timestamp;

    #[derive(Deserialize)]
    struct Present(#[serde(with = "super")] Timestamp);

    /// Writes the time, or null.
    pub fn serialize<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a time, or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<Present>::deserialize(deserializer)?.map(|Present(time)| time))
    }
}
