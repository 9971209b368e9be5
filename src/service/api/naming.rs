//! Whether a body that was set aside names a session, which is being erased: for sure, perhaps, or not.
//!
//! Such a body may be anything: a form, JSON, a form with JSON or a URL in it, UTF-16. It is read as it is and decoded, again and again
//! as long as there is something to decode. What a person must look at is told, not decided.

use percent_encoding::percent_decode_str;

use crate::event::Lsid;

/// How a body stands to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Naming {
    /// The session's id is not in it.
    Not,
    /// The id is in it, where it may be something else: a number, a word, a part of another id.
    Perhaps,
    /// The id is there by its name, or is one that is nothing else by chance.
    Named,
}

/// How often a text is decoded: an id may stand in a URL in a field of a form.
const DECODED: usize = 4;

impl Naming {
    /// Looks for a session's id in a body. Case does not matter where the id is not likely to be anything else.
    pub(super) fn in_body(body: &[u8], lsid: &Lsid) -> Self {
        readings(body).iter().map(|text| in_text(text, lsid.as_str())).max().unwrap_or(Self::Not)
    }
}

/// The body as text, and what it is when it is decoded.
fn readings(body: &[u8]) -> Vec<String> {
    let mut readings = vec![String::from_utf8_lossy(body).into_owned()];
    // UTF-16 of what ids are made of is ASCII with zeros in between.
    if body.contains(&0) {
        let without: Vec<u8> = body.iter().copied().filter(|byte| *byte != 0).collect();
        readings.push(String::from_utf8_lossy(&without).into_owned());
    }
    for first in readings.clone() {
        let mut text = first;
        for _ in 0..DECODED {
            let spaced = text.replace('+', " ");
            let decoded = percent_decode_str(&spaced).decode_utf8_lossy();
            if decoded == text {
                break;
            }
            text = decoded.into_owned();
            readings.push(text.clone());
        }
    }
    readings
}

fn in_text(text: &str, lsid: &str) -> Naming {
    let (folded, sought) = (text.to_ascii_lowercase(), lsid.to_ascii_lowercase());
    let rare = is_rare(lsid);
    let places = folded.match_indices(&sought).map(|(at, found)| {
        let (before, after) =
            (folded.get(..at).unwrap_or_default(), folded.get(at + found.len()..).unwrap_or_default());
        let whole = !before.ends_with(is_of_word) && !after.starts_with(is_of_word);
        let as_written = text.get(at..at + found.len()) == Some(lsid);
        if whole && (rare || (as_written && is_called_lsid(before))) {
            Naming::Named
        } else if whole || rare {
            Naming::Perhaps
        } else {
            Naming::Not
        }
    });
    places.max().unwrap_or(Naming::Not)
}

/// Whether what stands before a value is its name: `lsid=`, `"lsid": "`, `<lsid>`. The guide's print has `Isid`.
fn is_called_lsid(before: &str) -> bool {
    let name = before.trim_end_matches(|c: char| !is_of_word(c));
    let between = before.len() - name.len();
    let called = |known: &str| name.strip_suffix(known).is_some_and(|rest| !rest.ends_with(is_of_word));
    (1..=8).contains(&between) && (called("lsid") || called("isid"))
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

/// Whether a text is not likely to be a word or a number of something else.
fn is_rare(lsid: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| lsid.bytes().any(|b| kind(&b));
    lsid.len() >= 12 && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
}
