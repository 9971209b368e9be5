//! The records of one session -> its timeline: how it stands, who was there when, who owned it. And what the keys alone
//! tell of many sessions.
//!
//! An appliance sends events in order, but a store gives them back in any, some may be missing, and times have one second's
//! resolution. So events are put in order here: by time, and at the same time by what must come first.

use std::collections::HashMap;

use serde::Serialize;

use crate::event::{Conference, Event, EventName, Kind, Member, Role, Timestamp};
use crate::keys::KeyParts;

/// How a session stands, as far as its events tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It has begun and not ended.
    Open,
    /// It has begun and ended.
    Ended,
    /// Its begin is not there: it was before our time, was deleted, or is yet to come.
    Incomplete,
}

impl State {
    /// Reads `open`, `ended` or `incomplete`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "open" => Ok(Self::Open),
            "ended" => Ok(Self::Ended),
            "incomplete" => Ok(Self::Incomplete),
            _ => Err("is none of open, ended and incomplete"),
        }
    }

    fn of(begun: bool, ended: bool) -> Self {
        match (begun, ended) {
            (true, false) => Self::Open,
            (true, true) => Self::Ended,
            (false, _) => Self::Incomplete,
        }
    }
}

/// What happened in one session. Times are RFC 3339 in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// How it stands.
    pub state: State,
    /// When it began.
    pub start: Option<String>,
    /// When it ended.
    pub end: Option<String>,
    /// From begin to end, where both are known.
    pub duration_seconds: Option<u64>,
    /// Who owned it, one after the other. The last is the owner now.
    pub owners: Vec<Owner>,
    /// Who took part, in the order in which they came. One who came again is there again.
    pub participants: Vec<Participant>,
    /// The external keys that it had, one after the other. The last is the key now.
    pub external_keys: Vec<ExternalKey>,
    /// The surveys that were completed.
    pub surveys: Vec<Survey>,
    /// Events that the guide does not know.
    pub other_events: Vec<OtherEvent>,
}

/// A representative or team that owned a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Owner {
    /// Who.
    #[serde(flatten)]
    pub conference: Conference,
    /// From when.
    pub since: String,
}

/// Someone who took part in a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Participant {
    /// Who.
    #[serde(flatten)]
    pub member: Member,
    /// When they came; absent if only their going is known.
    pub joined: Option<String>,
    /// When they went; absent if they are still there, or it is not known.
    pub left: Option<String>,
}

/// An external key that a session had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExternalKey {
    /// The key.
    pub external_key: String,
    /// The time of the first event that had it.
    pub since: String,
}

/// A survey that was completed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Survey {
    /// By whom.
    pub by: Role,
    /// When.
    pub completed: String,
}

/// An event that the guide does not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OtherEvent {
    /// Its name.
    pub event: String,
    /// Its time.
    pub time: String,
}

/// What must come first of what happened in the same second.
fn rank(event: &EventName) -> u8 {
    match event {
        EventName::Begin => 0,
        EventName::OwnerChanged => 1,
        EventName::MemberAdded => 2,
        EventName::MemberDeparted => 3,
        EventName::Unrecognised(_) => 4,
        EventName::End => 5,
        EventName::CustomerExitSurveyCompleted => 6,
        EventName::RepExitSurveyCompleted => 7,
    }
}

/// What puts the events of a session in the order in which they must have happened. Of equal ones the id decides.
pub fn order(event: &Event) -> (Timestamp, u8) {
    (event.timestamp(), rank(&event.kind().name()))
}

impl Timeline {
    /// The timeline of the events of one session, each once and in their [`order`].
    pub fn new<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut timeline = Self {
            state: State::Incomplete,
            start: None,
            end: None,
            duration_seconds: None,
            owners: Vec::new(),
            participants: Vec::new(),
            external_keys: Vec::new(),
            surveys: Vec::new(),
            other_events: Vec::new(),
        };
        let (mut start, mut end) = (None, None);
        for event in events {
            match event.kind() {
                Kind::Begin => start = start.or(Some(event.timestamp())),
                Kind::End => end = Some(event.timestamp()),
                _ => {}
            }
            timeline.add(event);
        }
        timeline.state = State::of(start.is_some(), end.is_some());
        timeline.start = start.map(Timestamp::rfc3339);
        timeline.end = end.map(Timestamp::rfc3339);
        timeline.duration_seconds = start.zip(end).map(|(start, end)| end.seconds().saturating_sub(start.seconds()));
        timeline
    }

    fn add(&mut self, event: &Event) {
        let time = event.timestamp().rfc3339();
        let current = self.external_keys.last().map(|last| last.external_key.as_str());
        if let Some(key) = event.external_key().filter(|key| current != Some(key)) {
            self.external_keys.push(ExternalKey { external_key: key.to_owned(), since: time.clone() });
        }
        match event.kind() {
            Kind::Begin | Kind::End => {}
            Kind::OwnerChanged(conference) => {
                self.owners.push(Owner { conference: conference.clone(), since: time });
            }
            Kind::MemberAdded(member) => {
                self.participants.push(Participant { member: member.clone(), joined: Some(time), left: None });
            }
            Kind::MemberDeparted(member) => self.leaves(member, time),
            Kind::CustomerExitSurveyCompleted => {
                self.surveys.push(Survey { by: Role::Customer, completed: time });
            }
            Kind::RepExitSurveyCompleted => {
                self.surveys.push(Survey { by: Role::Representative, completed: time });
            }
            Kind::Unrecognised(name) => {
                self.other_events.push(OtherEvent { event: name.as_str().to_owned(), time });
            }
        }
    }

    /// Whoever of that name came first goes first: nothing tells two of one name apart.
    fn leaves(&mut self, member: &Member, time: String) {
        let there = |participant: &&mut Participant| participant.left.is_none() && is_same(&participant.member, member);
        match self.participants.iter_mut().find(there) {
            Some(participant) => participant.left = Some(time),
            None => self.participants.push(Participant { member: member.clone(), joined: None, left: Some(time) }),
        }
    }
}

/// A representative is known by the user id, whatever the display name is by now; anyone else by the name.
fn is_same(one: &Member, other: &Member) -> bool {
    match (&one.user_id, &other.user_id) {
        (Some(one_id), Some(other_id)) => one.role == other.role && one_id == other_id,
        _ => one.role == other.role && one.name == other.name,
    }
}

/// What the keys tell of a session: no value is read for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary<'k> {
    /// The site, as keys have it.
    pub site: &'k str,
    /// The lsid, as keys have it.
    pub lsid: &'k str,
    /// The time of its first event: 12 digits of Unix seconds.
    pub first: &'k str,
    /// The time of its last event, likewise.
    pub last: &'k str,
    /// How many events there are.
    pub events: u64,
    begun: bool,
    ended: bool,
}

impl<'k> Summary<'k> {
    /// The memory that one of many takes while they are listed, in bytes.
    pub const COST: usize = 400;

    /// The sessions that these keys belong to, newest first, or `None` if there are more than `most`. Keys without an lsid
    /// belong to none.
    pub fn list(keys: impl IntoIterator<Item = KeyParts<'k>>, most: usize) -> Option<Vec<Self>> {
        let mut sessions: HashMap<(&str, &str), Self> = HashMap::new();
        for key in keys.into_iter().filter(|key| key.has_lsid()) {
            let session = sessions.entry((key.site, key.lsid)).or_insert_with(|| Self::of(&key));
            session.add(&key);
            if sessions.len() > most {
                return None;
            }
        }
        let mut sessions: Vec<_> = sessions.into_values().collect();
        sessions.sort_unstable_by_key(Self::place);
        Some(sessions)
    }

    fn of(key: &KeyParts<'k>) -> Self {
        let time = key.timestamp;
        Self { site: key.site, lsid: key.lsid, first: time, last: time, events: 0, begun: false, ended: false }
    }

    fn add(&mut self, key: &KeyParts<'k>) {
        self.events += 1;
        self.first = self.first.min(key.timestamp);
        self.last = self.last.max(key.timestamp);
        self.begun |= key.is(&EventName::Begin);
        self.ended |= key.is(&EventName::End);
    }

    /// Where it stands in the list.
    pub fn place(&self) -> (std::cmp::Reverse<&'k str>, &'k str, &'k str) {
        (std::cmp::Reverse(self.first), self.site, self.lsid)
    }

    /// How it stands.
    pub fn state(&self) -> State {
        State::of(self.begun, self.ended)
    }
}
