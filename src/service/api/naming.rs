//! Whether a body that was set aside names a session that is being erased: surely, perhaps, or not.
//!
//! Such a body can be anything: a form, JSON, a form with JSON or a URL in it, UTF-16. It is searched as it is, and
//! again after each decoding. Doubtful cases are reported for a person to decide.

use percent_encoding::percent_decode_str;

use crate::event::Lsid;

/// The relation of a body to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Naming {
    /// The body does not contain the session's id.
    Not,
    /// The body contains the id, but possibly as a number, a word or a part of another id.
    Perhaps,
    /// The body contains the id next to its name, or the id is too rare to be a coincidence.
    Named,
}

/// How often a text is decoded: an id can be in a URL in a field of a form.
const DECODED: usize = 4;

impl Naming {
    /// Searches a body for a session's id. Ignores case if the id is rare.
    pub(super) fn in_body(body: &[u8], lsid: &Lsid) -> Self {
        readings(body).iter().map(|text| in_text(text, lsid.as_str())).max().unwrap_or(Self::Not)
    }
}

/// The body as text, and each of its decodings.
fn readings(body: &[u8]) -> Vec<String> {
    let mut readings = vec![String::from_utf8_lossy(body).into_owned()];
    // In UTF-16 the characters of ids are ASCII with zero bytes between.
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

/// Whether the text before a value is the name of an id: `lsid=`, `"lsid": "`, `<lsid>`. The guide prints `Isid`.
fn is_called_lsid(before: &str) -> bool {
    let name = before.trim_end_matches(|c: char| !is_of_word(c));
    let between = before.len() - name.len();
    let called = |known: &str| name.strip_suffix(known).is_some_and(|rest| !rest.ends_with(is_of_word));
    (1..=8).contains(&between) && (called("lsid") || called("isid"))
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

/// Whether an id is unlikely to be a word or another number.
fn is_rare(lsid: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| lsid.bytes().any(|b| kind(&b));
    lsid.len() >= 12 && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
}
