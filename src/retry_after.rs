//! Parses `Retry-After`: seconds, or one of the three forms of a date (RFC 9110, 5.6.7 and 10.2.3).

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use http::{HeaderMap, header};

/// The longest valid wait of these headers.
pub(crate) fn longest(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let texts = headers.get_all(header::RETRY_AFTER).iter().filter_map(|value| value.to_str().ok());
    texts.filter_map(|text| parse_wait(text.trim(), now)).max()
}

fn parse_wait(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    seconds(text).or_else(|| {
        let date = httpdate::parse_http_date(text).ok()?;
        // A date in the past asks for no wait.
        Some(date.duration_since(SystemTime::from(now)).unwrap_or_default())
    })
}

/// A number of seconds. Some senders add a fraction, which the RFC does not allow: it is rounded up.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let up = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    // A number that overflows is a long time.
    Some(Duration::from_secs(whole.parse().unwrap_or(u64::MAX).saturating_add(up)))
}
