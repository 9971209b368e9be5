//! The records of one session -> its timeline: how it stands, who was there when, who owned it. And its [`Summary`], which is
//! what lists tell of it.
//!
//! An appliance sends events in order, but a store gives them back in any, some may be missing, and times have one second's
//! resolution. So events are put in order here: by time, at the same time by when they were delivered, and where that does not tell by what
//! must come first.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::archive::gather;
use crate::event::{Conference, Event, EventName, Kind, Lsid, Member, Role, Timestamp};
use crate::identity::Id;
use crate::keys::EventKey;

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

/// What must come first of what happened in the same second and was delivered at once.
pub(crate) fn rank(event: &EventName) -> u8 {
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

/// What puts the events of a session in the order in which they must have happened: their time, when they were delivered (in Unix
/// microseconds), since an appliance sends one after the other, their kind, and their id.
pub fn order(key: &EventKey, delivered: u64) -> (Timestamp, u64, u8, Id) {
    (key.timestamp, delivered, rank(&key.event), key.id)
}

impl Timeline {
    /// The timeline of the events of one session, each once and in their [`order`], with when it was delivered, in Unix microseconds.
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
        timeline.state = State::of(start.is_some(), end.is_some());
        timeline.start = start.map(Timestamp::rfc3339);
        timeline.end = end.map(Timestamp::rfc3339);
        timeline.duration_seconds = start.zip(end).map(|(start, end)| end.seconds().saturating_sub(start.seconds()));
        timeline
    }

    fn empty() -> Self {
        Self {
            state: State::Incomplete,
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
            self.external_keys.push(ExternalKey { external_key: key.to_owned(), since: time.clone() });
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

/// What a list tells of a session. It can be made of a part of the session's events; those of several parts join, in any
/// order and however they overlap, to what the whole would have given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The session.
    pub lsid: Lsid,
    /// The time of its first event.
    pub first: Timestamp,
    /// The time of its last event.
    pub last: Timestamp,
    /// When it began, if that is known: the first time if it is said to have begun twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Timestamp>,
    /// When it ended, if that is known: the last time if it is said to have ended twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Who owned it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<LastOwner>,
    /// The names of its customers, each with the time when it is first there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    customers: BTreeMap<String, Timestamp>,
    /// The names of its representatives, likewise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    representatives: BTreeMap<String, Timestamp>,
    /// Its external keys, likewise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    external_keys: BTreeMap<String, Timestamp>,
    /// When its first representative joined, if one has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub representative_joined: Option<Timestamp>,
    /// [`Id::short`] of each change of its owner: of parts that overlap, each counts once. `None` where a part of it stands in a pack of an
    /// earlier version; then this, its first representative and its surveys are not known without its records.
    #[serde(default, with = "optional_short_ids", skip_serializing_if = "Option::is_none")]
    pub owner_changes: Option<BTreeSet<u64>>,
    /// Who completed a survey: the sum of [`Summary::CUSTOMER_SURVEY`] and [`Summary::REPRESENTATIVE_SURVEY`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub surveys: u64,
    /// Whether the appliance's report of it is among its records.
    #[serde(default, skip_serializing_if = "is_false")]
    pub has_report: bool,
    /// When the first and the last of its events to be recorded were, in Unix milliseconds.
    pub recorded: (u64, u64),
    /// [`Id::short`] of each of its events.
    #[serde(with = "short_ids")]
    pub ids: BTreeSet<u64>,
}

/// An owner, and what tells that none came later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LastOwner {
    conference: Conference,
    since: Timestamp,
    /// In Unix milliseconds, and microseconds beside them.
    recorded: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    micros: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl LastOwner {
    /// The sender is serial: of one second's owners, the one that was recorded last came last.
    fn order(&self) -> (Timestamp, u64, u64, [&str; 3]) {
        let Conference { kind, id, name } = &self.conference;
        (self.since, self.recorded, self.micros, [kind, id, name])
    }
}

impl Summary {
    /// In [`Summary::surveys`]: the customer's.
    pub const CUSTOMER_SURVEY: u64 = 1;
    /// In [`Summary::surveys`]: the representative's.
    pub const REPRESENTATIVE_SURVEY: u64 = 2;

    /// What one event tells of its session, or `None` if it belongs to none. `delivered` is when it was recorded, in Unix
    /// microseconds.
    pub fn of(event: &Event, delivered: u64, id: Id) -> Option<Self> {
        let (lsid, time) = (event.lsid()?.clone(), event.timestamp());
        let (recorded, micros) = (delivered / 1000, delivered % 1000);
        let mut summary = Self {
            lsid,
            first: time,
            last: time,
            begun: None,
            ended: None,
            owner: None,
            customers: BTreeMap::new(),
            representatives: BTreeMap::new(),
            external_keys: gather(event.external_key().map(|key| (key.to_owned(), time))),
            representative_joined: None,
            owner_changes: Some(BTreeSet::new()),
            surveys: 0,
            has_report: false,
            recorded: (recorded, recorded),
            ids: gather([id.short()]),
        };
        match event.kind() {
            Kind::Begin => summary.begun = Some(time),
            Kind::End => summary.ended = Some(time),
            Kind::OwnerChanged(conference) => {
                summary.owner_changes = Some(gather([id.short()]));
                summary.owner = Some(LastOwner { conference: conference.clone(), since: time, recorded, micros });
            }
            Kind::MemberAdded(member) | Kind::MemberDeparted(member) => {
                let names = match member.role {
                    Role::Customer => &mut summary.customers,
                    Role::Representative => &mut summary.representatives,
                };
                names.insert(member.name.clone(), time);
                if member.role == Role::Representative && matches!(event.kind(), Kind::MemberAdded(_)) {
                    summary.representative_joined = Some(time);
                }
            }
            Kind::CustomerExitSurveyCompleted => summary.surveys = Self::CUSTOMER_SURVEY,
            Kind::RepExitSurveyCompleted => summary.surveys = Self::REPRESENTATIVE_SURVEY,
            Kind::Unrecognised(_) => {}
        }
        Some(summary)
    }

    /// Adds what another part of the same session tells.
    pub fn join(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.begun = [self.begun, other.begun].into_iter().flatten().min();
        self.ended = self.ended.max(other.ended);
        self.owner = match (other.ids.is_subset(&self.ids), self.ids.is_subset(&other.ids)) {
            // A repeat that came after its first was packed is recorded later, and tells nothing new.
            (true, false) => self.owner.take(),
            (false, true) => other.owner,
            (same, _) => {
                let owners = self.owner.take().into_iter().chain(other.owner);
                let order = |one: &LastOwner, another: &LastOwner| one.order().cmp(&another.order());
                if same { owners.min_by(order) } else { owners.max_by(order) }
            }
        };
        earliest(&mut self.customers, other.customers);
        earliest(&mut self.representatives, other.representatives);
        earliest(&mut self.external_keys, other.external_keys);
        self.representative_joined =
            [self.representative_joined, other.representative_joined].into_iter().flatten().min();
        self.owner_changes = self.owner_changes.take().zip(other.owner_changes).map(|(mut changes, more)| {
            changes.extend(more);
            changes
        });
        self.surveys |= other.surveys;
        self.has_report |= other.has_report;
        self.recorded = (self.recorded.0.min(other.recorded.0), self.recorded.1.max(other.recorded.1));
        self.ids.extend(other.ids);
    }

    /// The same without what an earlier version did not tell.
    pub fn of_earlier_version(self) -> Self {
        Self { representative_joined: None, owner_changes: None, surveys: 0, has_report: false, ..self }
    }

    /// How it stands.
    pub fn state(&self) -> State {
        State::of(self.begun.is_some(), self.ended.is_some())
    }

    /// From begin to end in seconds, where both are known.
    pub fn duration_seconds(&self) -> Option<u64> {
        let (begun, ended) = self.begun.zip(self.ended)?;
        Some(ended.seconds().saturating_sub(begun.seconds()))
    }

    /// Who owned it last.
    pub fn owner(&self) -> Option<&Conference> {
        self.owner.as_ref().map(|owner| &owner.conference)
    }

    /// Its customers, in the order in which they came.
    pub fn customers(&self) -> Vec<&str> {
        in_order(&self.customers)
    }

    /// Its external keys, in the order in which it had them.
    pub fn external_keys(&self) -> Vec<&str> {
        in_order(&self.external_keys)
    }

    /// Whether it had that external key at some time.
    pub fn had_external_key(&self, key: &str) -> bool {
        self.external_keys.contains_key(key)
    }

    /// Whether a text is a part of its lsid, of an external key or of someone's name. `folded` is in lower case, and what it
    /// is looked for in is compared so.
    pub fn speaks_of(&self, folded: &str) -> bool {
        let names = [&self.customers, &self.representatives, &self.external_keys].into_iter().flat_map(BTreeMap::keys);
        let mut texts = names.map(String::as_str).chain([self.lsid.as_str()]);
        texts.any(|text| text.to_lowercase().contains(folded))
    }
}

fn earliest(names: &mut BTreeMap<String, Timestamp>, others: BTreeMap<String, Timestamp>) {
    for (name, time) in others {
        names.entry(name).and_modify(|known| *known = time.min(*known)).or_insert(time);
    }
}

fn in_order(names: &BTreeMap<String, Timestamp>) -> Vec<&str> {
    let mut names: Vec<_> = names.iter().map(|(name, time)| (time, name.as_str())).collect();
    names.sort_unstable();
    names.into_iter().map(|(_, name)| name).collect()
}

/// Short ids in base64, eight bytes each: in decimal they would take a third of a pack.
pub(crate) mod short_ids {
    use std::collections::BTreeSet;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(ids: &BTreeSet<u64>, to: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_be_bytes()).collect();
        to.serialize_str(&STANDARD_NO_PAD.encode(bytes))
    }

    pub(crate) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<BTreeSet<u64>, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        let bytes = STANDARD_NO_PAD.decode(text.as_bytes()).map_err(D::Error::custom)?;
        let (ids, rest) = bytes.as_chunks();
        match rest {
            [] => Ok(crate::archive::gather(ids.iter().map(|id| u64::from_be_bytes(*id)))),
            _ => Err(D::Error::custom("ids are eight bytes each")),
        }
    }
}

/// The same where there may be none.
mod optional_short_ids {
    use std::collections::BTreeSet;

    use serde::{Deserializer, Serializer};

    use super::short_ids;

    pub(super) fn serialize<S: Serializer>(ids: &Option<BTreeSet<u64>>, to: S) -> Result<S::Ok, S::Error> {
        match ids {
            Some(ids) => short_ids::serialize(ids, to),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Option<BTreeSet<u64>>, D::Error> {
        short_ids::deserialize(from).map(Some)
    }
}
