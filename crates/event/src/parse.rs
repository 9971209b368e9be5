//! Form bytes -> variables -> [`Event`]. Finds every problem, not just the first.
//!
//! The encoding is the browser's form encoding (`application/x-www-form-urlencoded`). Decoders are lenient: a broken
//! escape stays as it is, invalid UTF-8 becomes a replacement character. Here either would be a changed value that
//! nobody notices, so each pair is checked before `serde_urlencoded` decodes it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use percent_encoding::percent_decode;
use serde::{Deserialize, Serialize};

use crate::event::{Conference, Event, EventName, Kind, Lsid, Member, Role, Timestamp, Version};

/// The most variables that one event may have.
pub const MAX_VARIABLES: usize = 256;

/// The most bytes that the name or the value of a variable may have, decoded.
pub const MAX_VARIABLE_BYTES: usize = 16 * 1024;

/// Reads a form and checks it as an event.
///
/// `form` is the body of the POST: pairs joined by `&`, percent-encoded, `+` for a space. What it should hold stands
/// in the guide, "HTTP recipients". The error lists everything that is wrong with it.
pub fn parse(form: &[u8]) -> Result<Event, Problems> {
    Form::decode(form)?.into_event()
}

/// Checks variables that are already decoded, such as those of a stored record, each by the rules of [`parse`].
pub fn check(variables: impl IntoIterator<Item = (String, String)>) -> Result<Event, Problems> {
    let mut form = Form::default();
    for (name, value) in variables {
        form.give(canonical(name.into()), value.into());
    }
    form.into_event()
}

/// One thing that is wrong with a body.
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
    pub fn of(variable: &str, reason: impl Into<String>) -> Self {
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

/// Everything that is wrong with a body: one problem at least.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not a valid event: {}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("; "))]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems, in the order in which they were found.
    pub fn list(&self) -> &[Problem] {
        &self.0
    }

    /// The same problems and one more.
    #[must_use]
    pub fn and(mut self, problem: Problem) -> Self {
        self.0.push(problem);
        self
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// The variables of a form, not yet an event, and what is wrong with them so far.
#[derive(Default)]
struct Form<'f> {
    /// In no order: they are few, and most are looked for once.
    given: Vec<(Cow<'f, str>, Cow<'f, str>)>,
    /// Names whose problem is already listed: that they cannot be used must not be taken for their absence.
    faulty: Vec<Cow<'f, str>>,
    /// How many have a name that cannot be read.
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
        if let Some(pair) = plain(pair) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            return self.give(canonical(name.into()), value.into());
        }
        let (name, value) = halves(pair);
        if let Err(fault) = plain(name).map_or_else(|| decodable(name), |_| Ok(())) {
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
        match self.given.iter().find(|(given, _)| *given == name) {
            _ if self.faulty.contains(&name) => {}
            Some((_, first)) if *first != value => self.fault(name, "is given twice with different values"),
            // The same again counts once.
            Some(_) => {}
            None => self.given.push((name, value)),
        }
    }

    fn fault(&mut self, name: Cow<'f, str>, reason: &str) {
        if self.faulty.contains(&name) {
            return;
        }
        self.problems.push(Problem::of(&name, reason));
        self.given.retain(|(given, _)| *given != name);
        self.faulty.push(name);
    }

    fn into_event(mut self) -> Result<Event, Problems> {
        match self.event() {
            Some(event) if self.problems.is_empty() => Ok(event),
            _ => Err(Problems(self.problems)),
        }
    }

    /// Takes out what makes an event; what is left are its further variables. `None` if there is any problem.
    fn event(&mut self) -> Option<Event> {
        let name = self.required("event", EventName::parse);
        let version = self.required("version", Version::parse);
        let timestamp = self.required("timestamp", Timestamp::parse);
        // Whether an lsid must be there depends on the event, which may itself be missing.
        let lsid = match name {
            Some(EventName::Unrecognised(_)) | None => self.optional("lsid", Lsid::parse),
            Some(_) => self.required("lsid", Lsid::parse),
        };
        let external_key = self.optional("external_key", external_key).flatten();
        let kind = self.kind(name?);
        let mut variables = BTreeMap::new();
        // Not collected: that would sort them first, with a sort of its own.
        variables.extend(self.given.drain(..).map(|(name, value)| (name.into_owned(), value.into_owned())));
        Some(Event { version: version?, timestamp: timestamp?, lsid, external_key, kind: kind?, variables })
    }

    fn kind(&mut self, name: EventName) -> Option<Kind> {
        Some(match name {
            EventName::Begin => Kind::Begin,
            EventName::End => Kind::End,
            EventName::OwnerChanged => Kind::OwnerChanged(self.conference()?),
            EventName::MemberAdded => Kind::MemberAdded(self.member()?),
            EventName::MemberDeparted => Kind::MemberDeparted(self.member()?),
            EventName::CustomerExitSurveyCompleted => Kind::CustomerExitSurveyCompleted,
            EventName::RepExitSurveyCompleted => Kind::RepExitSurveyCompleted,
            EventName::Unrecognised(name) => Kind::Unrecognised(name),
        })
    }

    fn conference(&mut self) -> Option<Conference> {
        let id = self.required("conference_id", Conference::split_id);
        let name = self.required("conference_name", text);
        let (kind, id) = id?;
        Some(Conference { kind, id, name: name? })
    }

    fn member(&mut self) -> Option<Member> {
        let role = self.required("type", Role::parse);
        let name = self.required("name", text);
        let user_id = self.optional("user_id", text);
        let username = self.optional("username", text);
        Some(Member { role: role?, name: name?, user_id, username })
    }

    fn required<T>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, &'static str>) -> Option<T> {
        if !self.given.iter().any(|(given, _)| given == name) && !self.faulty.iter().any(|faulty| faulty == name) {
            self.problems.push(Problem::of(name, "is missing"));
        }
        self.optional(name, read)
    }

    fn optional<T>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, &'static str>) -> Option<T> {
        let at = self.given.iter().position(|(given, _)| given == name)?;
        let (_, value) = self.given.swap_remove(at);
        read(&value).map_err(|reason| self.problems.push(Problem::of(name, reason))).ok()
    }
}

/// The rule of `external_key`: anything, up to 1,024 characters. An empty one is none.
fn external_key(value: &str) -> Result<Option<String>, &'static str> {
    match value.chars().nth(1024) {
        Some(_) => Err("is more than 1024 characters long"),
        None => Ok(Some(value.to_owned()).filter(|key| !key.is_empty())),
    }
}

/// The rule of a variable that may hold any text.
fn text(value: &str) -> Result<String, &'static str> {
    Ok(value.to_owned())
}

/// The guide's print shows `Isid`; appliances send `lsid`. All spellings are one variable.
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

/// What stands for itself, as most do.
fn plain(encoded: &[u8]) -> Option<&str> {
    if encoded.iter().any(|byte| matches!(byte, b'%' | b'+')) { None } else { str::from_utf8(encoded).ok() }
}

/// Whether decoding keeps every byte: the checks that the decoder does not make.
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
    // Text decodes to text, and the one pair of an empty slice is the empty one: there is no error to report.
    serde_urlencoded::from_bytes::<Vec<_>>(pair).ok().and_then(|mut pairs| pairs.pop()).unwrap_or_default()
}
