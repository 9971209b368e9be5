//! The records of one session -> its timeline: how it stands, who was there when, who owned it.

use serde::Serialize;

use super::state::SessionState;
use crate::event::{Conference, Event, Kind, Member, Role, Timestamp};

/// What happened in one session. Times are RFC 3339 in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// How it stands.
    pub state: SessionState,
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
    pub external_keys: Vec<SessionExternalKey>,
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
pub struct SessionExternalKey {
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

impl Timeline {
    /// The timeline of the events of one session, each once and in their [order](super::event_order), with when it was delivered, in Unix microseconds.
    pub fn new<'a>(events: impl IntoIterator<Item = (&'a Event, u64)>) -> Self {
        let (mut timeline, mut unmatched) = (Self::empty(), Vec::new());
        let (mut start, mut end) = (None, None);
        for (event, delivered) in events {
            match event.kind() {
                Kind::Begin => start = start.or(Some(event.timestamp())),
                Kind::End => end = Some(event.timestamp()),
                _ => {}
            }
            timeline.add(event, delivered, &mut unmatched);
        }
        timeline.state = SessionState::from_begin_and_end(start.is_some(), end.is_some());
        timeline.start = start.map(Timestamp::rfc3339);
        timeline.end = end.map(Timestamp::rfc3339);
        timeline.duration_seconds = start.zip(end).map(|(start, end)| end.seconds().saturating_sub(start.seconds()));
        timeline
    }

    fn empty() -> Self {
        Self {
            state: SessionState::Incomplete,
            start: None,
            end: None,
            duration_seconds: None,
            owners: Vec::new(),
            participants: Vec::new(),
            external_keys: Vec::new(),
            surveys: Vec::new(),
            other_events: Vec::new(),
        }
    }

    fn add(&mut self, event: &Event, delivered: u64, unmatched: &mut Vec<Departure>) {
        let time = event.timestamp().rfc3339();
        let current = self.external_keys.last().map(|last| last.external_key.as_str());
        if let Some(key) = event.external_key().filter(|key| current != Some(key)) {
            self.external_keys.push(SessionExternalKey { external_key: key.to_owned(), since: time.clone() });
        }
        match event.kind() {
            Kind::Begin | Kind::End => {}
            Kind::OwnerChanged(conference) => {
                self.owners.push(Owner { conference: conference.clone(), since: time });
            }
            Kind::MemberAdded(member) => self.joins(member, event.timestamp(), delivered, unmatched),
            Kind::MemberDeparted(member) => self.leaves(member, event.timestamp(), delivered, unmatched),
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

    /// A clock that stepped back may have put a departure before the joining: then both are of one participant.
    fn joins(&mut self, member: &Member, time: Timestamp, delivered: u64, unmatched: &mut Vec<Departure>) {
        let is_of_this = |departure: &Departure| {
            let participant = self.participants.get(departure.participant);
            departure.is_later(time, delivered) && participant.is_some_and(|other| is_same(&other.member, member))
        };
        let departed = unmatched.iter().position(is_of_this).map(|number| unmatched.remove(number).participant);
        let joined = Some(time.rfc3339());
        match departed.and_then(|number| self.participants.get_mut(number)) {
            Some(participant) => participant.joined = joined,
            None => self.participants.push(Participant { member: member.clone(), joined, left: None }),
        }
    }

    /// Whoever of that name came first goes first: nothing tells two of one name apart.
    fn leaves(&mut self, member: &Member, time: Timestamp, delivered: u64, unmatched: &mut Vec<Departure>) {
        let there = |participant: &&mut Participant| participant.left.is_none() && is_same(&participant.member, member);
        let left = Some(time.rfc3339());
        match self.participants.iter_mut().find(there) {
            Some(participant) => participant.left = left,
            None => {
                unmatched.push(Departure { participant: self.participants.len(), time, delivered });
                self.participants.push(Participant { member: member.clone(), joined: None, left });
            }
        }
    }
}

/// A departure of someone who is not known to have joined.
struct Departure {
    /// Number of the participant.
    participant: usize,
    time: Timestamp,
    delivered: u64,
}

impl Departure {
    /// Whether it may have been after a joining that is told after it: it was delivered later, whatever its time says, since the
    /// appliance's clock stepped back; or its time is the same, whenever it was delivered, since the recipient's did.
    fn is_later(&self, joined: Timestamp, delivered: u64) -> bool {
        self.time == joined || self.delivered > delivered
    }
}

/// A representative is known by the user id, whatever the display name is by now; anyone else by the name. An empty id is none.
fn is_same(one: &Member, other: &Member) -> bool {
    match (user_id(one), user_id(other)) {
        (Some(one_id), Some(other_id)) => one.role == other.role && one_id == other_id,
        _ => one.role == other.role && one.name == other.name,
    }
}

fn user_id(member: &Member) -> Option<&str> {
    member.user_id.as_deref().filter(|id| !id.is_empty())
}
