//! The fields of a report: what a text or an attribute becomes.

use super::bounded::BoundedText;
use super::xml::XmlAttributes;
use crate::event::Timestamp;

/// A time in Unix seconds. 1970 means that there is none.
pub(super) fn unix_time(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text.trim()).ok().filter(|time| *time != Timestamp::EPOCH)
}

/// Sets a text that is not set and not empty. Returns whether it is cut.
pub(super) fn fill(slot: &mut Option<String>, text: &BoundedText) -> bool {
    if slot.is_some() || text.trimmed().is_empty() {
        return false;
    }
    *slot = Some(text.trimmed().to_owned());
    text.is_cut
}

/// A number of decimal digits.
pub(super) fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The bytes of the texts of an item.
pub(super) fn texts_bytes<'t>(texts: impl IntoIterator<Item = &'t Option<String>>) -> usize {
    texts.into_iter().flatten().map(String::len).sum()
}

/// An attribute, cut like any text. `None` if it is missing or empty.
pub(super) fn attribute(attributes: &XmlAttributes<'_>, name: &str) -> Option<String> {
    let mut text = BoundedText::default();
    text.push(attributes.get(name)?);
    Some(text.trimmed().to_owned()).filter(|text| !text.is_empty())
}
