//! How keys spell their parts. Each part has one spelling.

use std::borrow::Cow;
use std::fmt;

use crate::event::{EventName, Lsid, Timestamp};

/// The text is not a key of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key of this kind")]
pub struct NotAKey;

/// A time as keys spell it.
pub fn timestamp(time: Timestamp) -> String {
    let mut digits = [b'0'; 12];
    let mut rest = time.seconds();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    str::from_utf8(&digits).unwrap_or_default().to_owned()
}

/// Parses a key's time.
pub fn read_timestamp(text: &str) -> Result<Timestamp, NotAKey> {
    Timestamp::parse(text).ok().filter(|time| timestamp(*time) == text).ok_or(NotAKey)
}

/// An lsid as keys spell it: `[A-Za-z0-9-]` unchanged, any other byte as `_` and two hexadecimal digits.
pub fn lsid(lsid: &Lsid) -> Cow<'_, str> {
    // The common case.
    if lsid.as_str().bytes().all(Lsid::is_plain_in_keys) {
        return lsid.as_str().into();
    }
    let written =
        |byte: u8| if Lsid::is_plain_in_keys(byte) { char::from(byte).into() } else { format!("_{byte:02x}") };
    lsid.as_str().bytes().map(written).collect()
}

/// Parses a key's lsid.
pub fn read_lsid(text: &str) -> Result<Lsid, NotAKey> {
    let read = decode_lsid(text)?.ok_or(NotAKey)?;
    if lsid(&read) == text { Ok(read) } else { Err(NotAKey) }
}

/// Rejects a second spelling of a key: nothing here wrote it.
pub(super) fn canonical<K: fmt::Display>(key: &str, read: K) -> Result<K, NotAKey> {
    if read.to_string() == key { Ok(read) } else { Err(NotAKey) }
}

/// The spelling of "no lsid".
pub(super) const NO_LSID: &str = "_";

pub(super) fn decode_lsid(text: &str) -> Result<Option<Lsid>, NotAKey> {
    if text == NO_LSID {
        return Ok(None);
    }
    let mut parts = text.split('_');
    let mut lsid = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (hex, kept) = part.split_at_checked(2).ok_or(NotAKey)?;
        lsid.push(u8::from_str_radix(hex, 16).map_err(|_| NotAKey)?.into());
        lsid.push_str(kept);
    }
    Lsid::parse(&lsid).map(Some).map_err(|_| NotAKey)
}

/// The guide's seven and reports have short names. Any other event is spelled as this prefix and its name.
pub(super) const UNRECOGNISED: &str = "x-";

pub(super) fn read_event(text: &str) -> Result<EventName, NotAKey> {
    match text.strip_prefix(UNRECOGNISED) {
        Some(name) => EventName::parse(name).map_err(|_| NotAKey),
        None => {
            let mut known = EventName::GUIDE.into_iter().chain([EventName::Report]);
            known.find(|known| short(known) == Some(text)).ok_or(NotAKey)
        }
    }
}

pub(super) fn short(event: &EventName) -> Option<&'static str> {
    Some(match event {
        EventName::Begin => "begin",
        EventName::End => "end",
        EventName::OwnerChanged => "owner",
        EventName::MemberAdded => "added",
        EventName::MemberDeparted => "departed",
        EventName::CustomerExitSurveyCompleted => "customer-survey",
        EventName::RepExitSurveyCompleted => "rep-survey",
        EventName::Report => "report",
        EventName::Unrecognised(_) => return None,
    })
}
