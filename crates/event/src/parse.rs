//! Form bytes -> variables -> [`OutboundEvent`]. Finds every problem, not just the first.
//!
//! The encoding is the browser's form encoding (`application/x-www-form-urlencoded`). Decoders are lenient: they keep a
//! broken escape and replace invalid UTF-8. Either would change a value unnoticed. So each pair is checked before
//! `serde_urlencoded` decodes it.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode;
use serde::{Deserialize, Serialize};

use crate::event::{
    Conference, EventKind, EventName, Lsid, Member, MemberRole, OutboundEvent, Timestamp, Variables, Version, add_value,
};

/// The most values that one event may have: a variable with two values counts twice.
pub const MAX_VARIABLES: usize = 256;

/// The most bytes that the name or a value of a variable may have, decoded.
pub const MAX_VARIABLE_BYTES: usize = 16 * 1024;

/// Parses a form and checks it as an event.
///
/// `form` is the body of the POST: pairs joined by `&`, percent-encoded, `+` for a space. The guide ("HTTP recipients")
/// says which variables it has. The error lists every problem.
pub fn parse(form: &[u8]) -> Result<OutboundEvent, Problems> {
    Form::decode(without_line_end(form))?.into_event()
}

/// Checks variables that are already decoded, such as those of a stored record, by the rules of [`parse`].
pub fn check(variables: impl IntoIterator<Item = (String, String)>) -> Result<OutboundEvent, Problems> {
    let mut form = Form::default();
    for (name, value) in variables {
        form.give(canonical(name.into()), value.into());
    }
    form.into_event()
}

/// One problem of a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The variable at fault, its name cut to 64 characters. Absent when it is the body as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
    /// What is wrong with it. Never repeats the value.
    pub reason: String,
}

impl Problem {
    /// A problem with the body as a whole.
    pub fn of_body(reason: impl Into<String>) -> Self {
        Self { variable: None, reason: reason.into() }
    }

    /// A problem with one variable.
    pub fn of_variable(variable: &str, reason: impl Into<String>) -> Self {
        Self { variable: Some(variable.chars().take(64).collect()), reason: reason.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.variable {
            Some(variable) => write!(f, "{variable:?} {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// Every problem of a body: at least one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not a valid event: {}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("; "))]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems, in the order in which they were found.
    pub fn list(&self) -> &[Problem] {
        &self.0
    }

    /// The same problems behind one that explains them.
    #[must_use]
    pub fn behind(mut self, cause: Problem) -> Self {
        self.0.insert(0, cause);
        self
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// The variables of a form that is not yet an event, and its problems so far.
#[derive(Default)]
struct Form<'f> {
    /// Each name with each of its values, in the order in which they were sent. Not a map: they are few, and most are
    /// looked for once.
    given: Vec<(Cow<'f, str>, Cow<'f, str>)>,
    /// Names with a listed problem. They are unusable, but not missing.
    faulty: Vec<Cow<'f, str>>,
    /// How many pairs have a name that cannot be decoded.
    nameless: usize,
    problems: Vec<Problem>,
}

impl<'f> Form<'f> {
    fn decode(form: &'f [u8]) -> Result<Self, Problems> {
        let pairs = form.split(|&b| b == b'&').filter(|pair| !pair.is_empty());
        let mut decoded = Self { given: Vec::with_capacity(16), ..Self::default() };
        for (pair, position) in pairs.zip(1..) {
            decoded.add(pair, position);
            // One problem, and no more work: a body of nothing but pairs must not become ten thousand.
            if decoded.given.len() + decoded.faulty.len() + decoded.nameless > MAX_VARIABLES {
                return Err(Problem::of_body(format!("has more than {MAX_VARIABLES} variables")).into());
            }
        }
        Ok(decoded)
    }

    fn add(&mut self, pair: &'f [u8], position: usize) {
        if let Some(pair) = unencoded(pair) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            return self.give(canonical(name.into()), value.into());
        }
        let (name, value) = halves(pair);
        if let Err(fault) = unencoded(name).map_or_else(|| decodable(name), |_| Ok(())) {
            self.nameless += 1;
            return self.problems.push(Problem::of_body(format!("variable {position} has a name that {fault}")));
        }
        if let Err(fault) = decodable(value) {
            let (name, _) = decode(name);
            return self.fault(canonical(name.into()), fault);
        }
        let (name, value) = decode(pair);
        self.give(canonical(name.into()), value.into());
    }

    fn give(&mut self, name: Cow<'f, str>, value: Cow<'f, str>) {
        if name.len() > MAX_VARIABLE_BYTES || value.len() > MAX_VARIABLE_BYTES {
            return self.fault(name, "is more than 16384 bytes long");
        }
        // A repeat counts once.
        let is_repeat = self.given.iter().any(|(given, first)| *given == name && *first == value);
        if !is_repeat && !self.faulty.contains(&name) {
            self.given.push((name, value));
        }
    }

    fn fault(&mut self, name: Cow<'f, str>, reason: &str) {
        if self.faulty.contains(&name) {
            return;
        }
        self.problems.push(Problem::of_variable(&name, reason));
        self.given.retain(|(given, _)| *given != name);
        self.faulty.push(name);
    }

    fn into_event(mut self) -> Result<OutboundEvent, Problems> {
        match self.event() {
            Some(event) if self.problems.is_empty() => Ok(event),
            _ => Err(Problems(self.problems)),
        }
    }

    /// Takes out the variables of the guide; the rest are the event's further variables. `None` if there is a problem.
    fn event(&mut self) -> Option<OutboundEvent> {
        let name = self.required("event", EventName::parse);
        let version = self.required("version", Version::parse);
        let timestamp = self.required("timestamp", Timestamp::parse);
        // Whether an lsid is required depends on the event, which can itself be missing.
        let lsid = match name {
            Some(EventName::Unrecognised(_)) | None => self.optional("lsid", lsid_or_none).flatten(),
            Some(_) => self.required("lsid", Lsid::parse),
        };
        let external_key = self.optional("external_key", external_key).flatten();
        let kind = self.kind(name?);
        let mut variables = Variables::new();
        for (name, value) in self.given.drain(..) {
            add_value(&mut variables, name.into_owned(), value.into_owned());
        }
        Some(OutboundEvent { version: version?, timestamp: timestamp?, lsid, external_key, kind: kind?, variables })
    }

    fn kind(&mut self, name: EventName) -> Option<EventKind> {
        Some(match name {
            EventName::Begin => EventKind::Begin,
            EventName::End => EventKind::End,
            EventName::OwnerChanged => EventKind::OwnerChanged(self.conference()?),
            EventName::MemberAdded => EventKind::MemberAdded(self.member()?),
            EventName::MemberDeparted => EventKind::MemberDeparted(self.member()?),
            EventName::CustomerExitSurveyCompleted => EventKind::CustomerExitSurveyCompleted,
            EventName::RepExitSurveyCompleted => EventKind::RepExitSurveyCompleted,
            // No form has this name: `EventName::parse` never gives it.
            EventName::Report => return None,
            EventName::Unrecognised(name) => EventKind::Unrecognised(name),
        })
    }

    fn conference(&mut self) -> Option<Conference> {
        let id = self.required("conference_id", Conference::split_id);
        let name = self.required("conference_name", any_text);
        let (kind, id) = id?;
        Some(Conference { kind, id, name: name? })
    }

    fn member(&mut self) -> Option<Member> {
        let role = self.required("type", MemberRole::parse);
        // Beside `name`, `display_name` is a variable like any other.
        let is_displayed = !self.mentions("name") && self.mentions("display_name");
        let name = self.required(if is_displayed { "display_name" } else { "name" }, any_text);
        let user_id = self.optional("user_id", any_text);
        let username = self.optional("username", any_text);
        Some(Member { role: role?, name: name?, user_id, username })
    }

    fn required<T>(&mut self, name: &'static str, read: impl Fn(&str) -> Result<T, &'static str>) -> Option<T> {
        if !self.mentions(name) {
            self.problems.push(Problem::of_variable(name, "is missing"));
        }
        self.optional(name, read)
    }

    /// Takes out a variable of the guide, which has one value.
    fn optional<T>(&mut self, name: &'static str, read: impl Fn(&str) -> Result<T, &'static str>) -> Option<T> {
        let at = self.given.iter().position(|(given, _)| given == name)?;
        // Not `swap_remove`: the values of other variables stay in their order.
        let (_, value) = self.given.remove(at);
        if self.given.iter().skip(at).any(|(given, _)| given == name) {
            self.fault(name.into(), "is given twice with different values");
            return None;
        }
        read(&value).map_err(|reason| self.problems.push(Problem::of_variable(name, reason))).ok()
    }

    fn mentions(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| given == name) || self.faulty.iter().any(|faulty| faulty == name)
    }
}

/// The body without the line end that senders add when they read it from a file. Form encoders write CR and LF as
/// `%0D` and `%0A`, so this cuts nothing off a value.
fn without_line_end(mut form: &[u8]) -> &[u8] {
    while let [rest @ .., b'\r' | b'\n'] = form {
        form = rest;
    }
    form
}

/// The rule of `lsid` where the event does not need one.
fn lsid_or_none(value: &str) -> Result<Option<Lsid>, &'static str> {
    if value.is_empty() { Ok(None) } else { Lsid::parse(value).map(Some) }
}

/// The rule of `external_key`: any text of up to 1,024 characters. An empty one means none.
fn external_key(value: &str) -> Result<Option<String>, &'static str> {
    match value.chars().nth(1024) {
        Some(_) => Err("is more than 1024 characters long"),
        None => Ok(Some(value.to_owned()).filter(|key| !key.is_empty())),
    }
}

/// The rule of a variable that can hold any text.
fn any_text(value: &str) -> Result<String, &'static str> {
    Ok(value.to_owned())
}

/// The guide prints `Isid`; appliances send `lsid`. All spellings are one variable.
fn canonical(name: Cow<'_, str>) -> Cow<'_, str> {
    match &*name {
        "Isid" | "isid" => "lsid".into(),
        _ => name,
    }
}

/// A pair's name and value, still encoded. A pair without `=` has an empty value.
fn halves(pair: &[u8]) -> (&[u8], &[u8]) {
    let mut halves = pair.splitn(2, |&b| b == b'=');
    (halves.next().unwrap_or_default(), halves.next().unwrap_or_default())
}

/// The text, if none of it is encoded. That is the common case, and needs no copy.
fn unencoded(encoded: &[u8]) -> Option<&str> {
    if encoded.iter().any(|byte| matches!(byte, b'%' | b'+')) { None } else { str::from_utf8(encoded).ok() }
}

/// Makes the checks that the decoder does not make: whether decoding keeps every byte.
fn decodable(encoded: &[u8]) -> Result<(), &'static str> {
    let whole = |after: &[u8]| after.get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    if !encoded.split(|&b| b == b'%').skip(1).all(whole) {
        return Err("has a % that is not followed by two hexadecimal digits");
    }
    match percent_decode(encoded).decode_utf8() {
        Ok(_) => Ok(()),
        Err(_) => Err("is not UTF-8 once decoded"),
    }
}

/// Decodes one pair that is [`decodable`].
fn decode(pair: &[u8]) -> (String, String) {
    // Text decodes to text, and an empty slice to an empty pair: there is no error to report.
    serde_urlencoded::from_bytes::<Vec<_>>(pair).ok().and_then(|mut pairs| pairs.pop()).unwrap_or_default()
}
