//! Makes the timeline of a session from its events: state, participants, owners, surveys.

use serde::Serialize;

use super::state::SessionState;
use crate::event::{Conference, EventKind, Member, MemberRole, OutboundEvent, StoredReport, Timestamp};
use crate::report::ReportOutline;

/// The timeline of one session. Times are RFC 3339 in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// The session's state.
    pub state: SessionState,
    /// Time of the first `begin` event, or else the begin in the report.
    pub start: Option<String>,
    /// Time of the last `end` event, or else the end in the report.
    pub end: Option<String>,
    /// Seconds from begin to end, if both are known.
    pub duration_seconds: Option<u64>,
    /// Whether the session's end was announced, or there is no report that says that it ended.
    pub announced: bool,
    /// The owners, one after the other. The last is the current one.
    pub owners: Vec<Owner>,
    /// The participants, in the order in which they joined. A participant who joins again is listed again.
    pub participants: Vec<Participant>,
    /// The external keys, one after the other. The last is the current one.
    pub external_keys: Vec<SessionExternalKey>,
    /// The completed surveys.
    pub surveys: Vec<Survey>,
    /// Events that the vendor's guide does not list.
    pub other_events: Vec<OtherEvent>,
}

/// A representative or team that owned a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Owner {
    /// The representative or team.
    #[serde(flatten)]
    pub conference: Conference,
    /// Time of the owner change.
    pub since: String,
}

/// A participant of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Participant {
    /// The customer or representative.
    #[serde(flatten)]
    pub member: Member,
    /// Time of joining. `None` if only the departure is known.
    pub joined: Option<String>,
    /// Time of departure. `None` if the participant is still there, or the departure is not known.
    pub left: Option<String>,
}

/// An external key that a session had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionExternalKey {
    /// The external key.
    pub external_key: String,
    /// Time of the first event that has it.
    pub since: String,
}

/// A completed survey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Survey {
    /// The side that completed it.
    pub by: MemberRole,
    /// Time of completion.
    pub completed: String,
}

/// An event that the vendor's guide does not list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OtherEvent {
    /// Its name.
    pub event: String,
    /// Its time.
    pub time: String,
}

impl Timeline {
    /// Makes the timeline from the events of one session. Each event is given once, in [order](super::event_order),
    /// with its delivery in Unix microseconds.
    pub fn new<'a>(events: impl IntoIterator<Item = (&'a OutboundEvent, u64)>) -> Self {
        let (mut timeline, mut unmatched) = (Self::empty(), Vec::new());
        let (mut start, mut end, mut last_report) = (None, None, None::<(&StoredReport, Timestamp)>);
        for (event, delivered) in events {
            match event.kind() {
                EventKind::Begin => start = start.or(Some(event.timestamp())),
                EventKind::End => end = Some(event.timestamp()),
                EventKind::Report(report) if last_report.is_none_or(|(last, _)| last.fetched <= report.fetched) => {
                    last_report = Some((report, event.timestamp()));
                }
                _ => {}
            }
            timeline.add(event, delivered, &mut unmatched);
        }
        let is_reported = last_report.is_some();
        timeline.state = SessionState::from_begin_and_end(start.is_some() || is_reported, end.is_some() || is_reported);
        timeline.announced = end.is_some() || !is_reported;
        let start = start.or_else(|| ReportOutline::read(&last_report?.0.json).start);
        let end = end.or_else(|| Some(last_report?.1));
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
            announced: true,
            owners: Vec::new(),
            participants: Vec::new(),
            external_keys: Vec::new(),
            surveys: Vec::new(),
            other_events: Vec::new(),
        }
    }

    fn add(&mut self, event: &OutboundEvent, delivered: u64, unmatched: &mut Vec<Departure>) {
        let time = event.timestamp().rfc3339();
        let current = self.external_keys.last().map(|last| last.external_key.as_str());
        if let Some(key) = event.external_key().filter(|key| current != Some(key)) {
            self.external_keys.push(SessionExternalKey { external_key: key.to_owned(), since: time.clone() });
        }
        match event.kind() {
            EventKind::Begin | EventKind::End | EventKind::Report(_) => {}
            EventKind::OwnerChanged(conference) => {
                self.owners.push(Owner { conference: conference.clone(), since: time });
            }
            EventKind::MemberAdded(member) => self.joins(member, event.timestamp(), delivered, unmatched),
            EventKind::MemberDeparted(member) => self.leaves(member, event.timestamp(), delivered, unmatched),
            EventKind::CustomerExitSurveyCompleted => {
                self.surveys.push(Survey { by: MemberRole::Customer, completed: time });
            }
            EventKind::RepExitSurveyCompleted => {
                self.surveys.push(Survey { by: MemberRole::Representative, completed: time });
            }
            EventKind::Unrecognised(name) => {
                self.other_events.push(OtherEvent { event: name.as_str().to_owned(), time });
            }
        }
    }

    /// A clock that stepped back can have put a departure before its joining: then both belong to one participant.
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

    /// Of two participants with one name, the departure counts for the one who joined first: nothing distinguishes
    /// them.
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

/// A departure without a known joining.
struct Departure {
    /// Position of the participant.
    participant: usize,
    time: Timestamp,
    delivered: u64,
}

impl Departure {
    /// Whether it can have happened after a joining that the order puts behind it. Either it was delivered later, and
    /// the appliance's clock stepped back; or both have the same time, and the recipient's clock stepped back.
    fn is_later(&self, joined: Timestamp, delivered: u64) -> bool {
        self.time == joined || self.delivered > delivered
    }
}

/// The user id identifies a representative, even if the display name has changed. The name identifies anyone else. An
/// empty id counts as none.
fn is_same(one: &Member, other: &Member) -> bool {
    match (user_id(one), user_id(other)) {
        (Some(one_id), Some(other_id)) => one.role == other.role && one_id == other_id,
        _ => one.role == other.role && one.name == other.name,
    }
}

fn user_id(member: &Member) -> Option<&str> {
    member.user_id.as_deref().filter(|id| !id.is_empty())
}
