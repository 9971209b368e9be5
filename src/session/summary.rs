//! A session as lists show it and packs store it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::state::SessionState;
use crate::base64_array;
use crate::event::{Conference, EventKind, Lsid, MemberRole, OutboundEvent, Timestamp};
use crate::folding::fold;
use crate::gather::gather;
use crate::identity::Id;
use crate::report::ReportOutline;

/// A session as a list shows it. It can be made from a part of the session's events. Summaries of several parts join to
/// the summary of the whole, in any order, even if the parts overlap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The session.
    pub lsid: Lsid,
    /// The time of its first event.
    pub first: Timestamp,
    /// The time of its last event.
    pub last: Timestamp,
    /// Time of the first `begin` event, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Timestamp>,
    /// Time of the last `end` event, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<LastOwner>,
    /// The last owner that was a representative, and the last that was a team. Absent in packs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    representative: Option<LastOwner>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    team: Option<LastOwner>,
    /// The names of its customers, each with the time of the first event that has it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    customers: BTreeMap<String, Timestamp>,
    /// The names of its representatives, likewise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    representatives: BTreeMap<String, Timestamp>,
    /// The names of members in other roles, likewise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    others: BTreeMap<String, Timestamp>,
    /// Its external keys, likewise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    external_keys: BTreeMap<String, Timestamp>,
    /// Time at which the first representative joined, if one has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub representative_joined: Option<Timestamp>,
    /// [`Id::short`] of each owner change, so that each counts once if parts overlap. `None` if a part is in a pack of
    /// an earlier version: then owner changes, first representative and surveys are known only from the records.
    #[serde(default, with = "base64_array::optional", skip_serializing_if = "Option::is_none")]
    pub owner_changes: Option<BTreeSet<u64>>,
    /// [`Id::short`] of each owner change to a representative, likewise: the second is the first transfer.
    #[serde(default, with = "base64_array::optional", skip_serializing_if = "Option::is_none")]
    pub representative_owners: Option<BTreeSet<u64>>,
    /// The completed surveys: the sum of [`Summary::CUSTOMER_SURVEY`] and [`Summary::REPRESENTATIVE_SURVEY`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub surveys: u64,
    /// What the appliance's report says of it, if it is among its records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<ReportSummary>,
    /// First and last recording time of its events, in Unix milliseconds.
    pub recorded: (u64, u64),
    /// [`Id::short`] of each of its events.
    #[serde(with = "base64_array")]
    pub ids: BTreeSet<u64>,
}

/// What a summary keeps of the appliance's report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportSummary {
    /// When the session began, if the report says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// When it ended.
    pub end: Timestamp,
    /// The main representative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub representative: Option<String>,
    /// The team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Names of computers and companies, for searches.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    texts: BTreeSet<String>,
}

impl ReportSummary {
    /// The most people of each kind that it keeps: a report can have hundreds.
    const MOST: usize = 16;

    fn new(end: Timestamp, report: ReportOutline) -> Self {
        let customers = report.customers.into_iter().take(Self::MOST);
        let texts = customers.flat_map(|customer| [customer.hostname, customer.company]).flatten();
        let (representative, team) = (report.primary_representative, report.team);
        Self { start: report.start, end, representative, team, texts: gather(texts) }
    }

    fn of_earlier_version(self) -> Self {
        Self { representative: None, team: None, ..self }
    }

    /// Joins that of another report: the appliance can have corrected the first.
    fn join(&mut self, other: Self) {
        self.start = [self.start, other.start].into_iter().flatten().min();
        self.end = self.end.max(other.end);
        // In any order, the same.
        self.representative = self.representative.take().max(other.representative);
        self.team = self.team.take().max(other.team);
        self.texts.extend(other.texts);
    }
}

/// The last owner, with what is needed to compare it with other owners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LastOwner {
    conference: Conference,
    since: Timestamp,
    /// Recording time in Unix milliseconds; `micros` has the microseconds within it.
    recorded: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    micros: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl LastOwner {
    /// The last of two parts' owners. `subsets`: whether the first part has all events of the second, and the reverse.
    fn join(one: Option<Self>, other: Option<Self>, subsets: (bool, bool)) -> Option<Self> {
        match subsets {
            // A repeat that arrived after the first record was packed has a later recording time, and adds nothing.
            (true, false) => one,
            (false, true) => other,
            (same, _) => {
                let owners = one.into_iter().chain(other);
                let order = |one: &Self, another: &Self| one.order().cmp(&another.order());
                if same { owners.min_by(order) } else { owners.max_by(order) }
            }
        }
    }

    /// An appliance sends one event at a time: of owners of the same second, the one recorded last came last.
    fn order(&self) -> (Timestamp, u64, u64, [&str; 3]) {
        let Conference { kind, id, name } = &self.conference;
        (self.since, self.recorded, self.micros, [kind, id, name])
    }
}

impl Summary {
    /// The bit of the customer's survey in [`Summary::surveys`].
    pub const CUSTOMER_SURVEY: u64 = 1;
    /// The bit of the representative's survey in [`Summary::surveys`].
    pub const REPRESENTATIVE_SURVEY: u64 = 2;

    /// The summary of one event. `None` if it belongs to no session. `delivered` is its recording time in Unix
    /// microseconds.
    pub fn from_event(event: &OutboundEvent, delivered: u64, id: Id) -> Option<Self> {
        let (lsid, time) = (event.lsid()?.clone(), event.timestamp());
        let (recorded, micros) = (delivered / 1000, delivered % 1000);
        let mut summary = Self {
            lsid,
            first: time,
            last: time,
            begun: None,
            ended: None,
            owner: None,
            representative: None,
            team: None,
            customers: BTreeMap::new(),
            representatives: BTreeMap::new(),
            others: BTreeMap::new(),
            external_keys: gather(event.external_key().map(|key| (key.to_owned(), time))),
            representative_joined: None,
            owner_changes: Some(BTreeSet::new()),
            representative_owners: Some(BTreeSet::new()),
            surveys: 0,
            reported: None,
            recorded: (recorded, recorded),
            ids: gather([id.short()]),
        };
        match event.kind() {
            EventKind::Begin => summary.begun = Some(time),
            EventKind::End => summary.ended = Some(time),
            EventKind::OwnerChanged(conference) => {
                summary.owner_changes = Some(gather([id.short()]));
                let owner = LastOwner { conference: conference.clone(), since: time, recorded, micros };
                match conference.kind.as_str() {
                    "rep" => {
                        summary.representative_owners = Some(gather([id.short()]));
                        summary.representative = Some(owner.clone());
                    }
                    "team" => summary.team = Some(owner.clone()),
                    _ => {}
                }
                summary.owner = Some(owner);
            }
            EventKind::MemberAdded(member) | EventKind::MemberDeparted(member) => {
                let names = match member.role {
                    MemberRole::Customer => &mut summary.customers,
                    MemberRole::Representative => &mut summary.representatives,
                    MemberRole::Other(_) => &mut summary.others,
                };
                names.insert(member.name.clone(), time);
                if member.role == MemberRole::Representative && matches!(event.kind(), EventKind::MemberAdded(_)) {
                    summary.representative_joined = Some(time);
                }
            }
            EventKind::CustomerExitSurveyCompleted => summary.surveys = Self::CUSTOMER_SURVEY,
            EventKind::RepExitSurveyCompleted => summary.surveys = Self::REPRESENTATIVE_SURVEY,
            EventKind::Report(report) => summary.add_report(time, ReportOutline::read(&report.json)),
            EventKind::Unrecognised(_) => {}
        }
        Some(summary)
    }

    /// Joins the summary of another part of the same session.
    pub fn join(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.begun = [self.begun, other.begun].into_iter().flatten().min();
        self.ended = self.ended.max(other.ended);
        let subsets = (other.ids.is_subset(&self.ids), self.ids.is_subset(&other.ids));
        self.owner = LastOwner::join(self.owner.take(), other.owner, subsets);
        self.representative = LastOwner::join(self.representative.take(), other.representative, subsets);
        self.team = LastOwner::join(self.team.take(), other.team, subsets);
        earliest(&mut self.customers, other.customers);
        earliest(&mut self.representatives, other.representatives);
        earliest(&mut self.others, other.others);
        earliest(&mut self.external_keys, other.external_keys);
        self.representative_joined =
            [self.representative_joined, other.representative_joined].into_iter().flatten().min();
        self.owner_changes = union_if_known(self.owner_changes.take(), other.owner_changes);
        self.representative_owners = union_if_known(self.representative_owners.take(), other.representative_owners);
        self.surveys |= other.surveys;
        self.reported = match (self.reported.take(), other.reported) {
            (Some(mut reported), Some(other)) => {
                reported.join(other);
                Some(reported)
            }
            (one, other) => one.or(other),
        };
        self.recorded = (self.recorded.0.min(other.recorded.0), self.recorded.1.max(other.recorded.1));
        self.ids.extend(other.ids);
    }

    /// The summary as the version that wrote `written` would have written it, without newer fields.
    pub fn of_version_of(self, written: &Self) -> Self {
        let mut earlier = self;
        if written.representative_owners.is_none() {
            (earlier.representative_owners, earlier.representative, earlier.team) = (None, None, None);
            earlier.reported = earlier.reported.map(ReportSummary::of_earlier_version);
        }
        if written.owner_changes.is_none() {
            (earlier.representative_joined, earlier.owner_changes) = (None, None);
            (earlier.surveys, earlier.reported) = (0, None);
        }
        earlier
    }

    fn add_report(&mut self, end: Timestamp, report: ReportOutline) {
        let customers = report.customers.iter().filter_map(|customer| customer.name.clone());
        self.customers.extend(customers.take(ReportSummary::MOST).map(|name| (name, end)));
        let representatives = report.representatives.iter().filter_map(|person| person.name.clone());
        self.representatives.extend(representatives.take(ReportSummary::MOST).map(|name| (name, end)));
        self.reported = Some(ReportSummary::new(end, report));
    }

    /// The session's state.
    pub fn state(&self) -> SessionState {
        let is_reported = self.reported.is_some();
        SessionState::from_begin_and_end(self.begun.is_some() || is_reported, self.ended.is_some() || is_reported)
    }

    /// When it began, according to its `begin` event or else to its report.
    pub fn start(&self) -> Option<Timestamp> {
        self.begun.or_else(|| self.reported.as_ref()?.start)
    }

    /// When it ended, according to its `end` event or else to its report.
    pub fn end(&self) -> Option<Timestamp> {
        self.ended.or_else(|| Some(self.reported.as_ref()?.end))
    }

    /// Seconds from begin to end, if both are known.
    pub fn duration_seconds(&self) -> Option<u64> {
        let (start, end) = self.start().zip(self.end())?;
        Some(end.seconds().saturating_sub(start.seconds()))
    }

    /// Seconds from the begin until the first representative joined, if both are known, and in this order.
    pub fn waiting_seconds(&self) -> Option<u64> {
        let (start, joined) = self.start().zip(self.representative_joined)?;
        joined.seconds().checked_sub(start.seconds())
    }

    /// The number of changes of the owner to another representative than the first. `None` if not known.
    pub fn transfers(&self) -> Option<usize> {
        self.representative_owners.as_ref().map(|owners| owners.len().saturating_sub(1))
    }

    /// Whether the appliance has a report of it and never announced its end: the `end` event was lost, or is late.
    pub fn is_unannounced(&self) -> bool {
        self.reported.is_some() && self.ended.is_none()
    }

    /// The last owner.
    pub fn owner(&self) -> Option<&Conference> {
        self.owner.as_ref().map(|owner| &owner.conference)
    }

    /// The name of the last representative that owned it: as the report says, or else by the events.
    pub fn last_representative(&self) -> Option<&str> {
        let reported = self.reported.as_ref().and_then(|reported| reported.representative.as_deref());
        reported.or_else(|| Some(self.representative()?.1))
    }

    /// The name of the last team that owned it, likewise.
    pub fn last_team(&self) -> Option<&str> {
        let reported = self.reported.as_ref().and_then(|reported| reported.team.as_deref());
        reported.or_else(|| Some(self.team()?.1))
    }

    /// The last owner that was a team: since when, and the name.
    pub fn team(&self) -> Option<(Timestamp, &str)> {
        self.team.as_ref().map(|team| (team.since, team.conference.name.as_str()))
    }

    /// The last owner that was a representative: since when, and the name.
    pub fn representative(&self) -> Option<(Timestamp, &str)> {
        // Packs of earlier versions have only the last owner.
        let owner = || self.owner.as_ref().filter(|owner| owner.conference.kind == "rep");
        let owner = self.representative.as_ref().or_else(owner)?;
        Some((owner.since, owner.conference.name.as_str()))
    }

    /// Whether a representative is known to have been in it.
    pub fn is_answered(&self) -> bool {
        self.representative_joined.is_some() || !self.representatives.is_empty()
    }

    /// The names of its customers, in the order in which they joined.
    pub fn customers(&self) -> Vec<&str> {
        in_order(&self.customers)
    }

    /// Its external keys, in the order of their first events.
    pub fn external_keys(&self) -> Vec<&str> {
        in_order(&self.external_keys)
    }

    /// Whether it had that external key at some time.
    pub fn had_external_key(&self, key: &str) -> bool {
        self.external_keys.contains_key(key)
    }

    /// Whether the lsid, an external key, a participant's name, or a computer or company in the report contains a text.
    /// `folded` is the text after [`fold`].
    pub fn contains_text(&self, folded: &str) -> bool {
        let names = [&self.customers, &self.representatives, &self.others, &self.external_keys]
            .into_iter()
            .flat_map(BTreeMap::keys);
        let reported = self.reported.iter().flat_map(|reported| &reported.texts);
        let mut texts = names.chain(reported).map(String::as_str).chain([self.lsid.as_str()]);
        texts.any(|text| fold(text).contains(folded))
    }
}

/// The union of two parts' sets. Unknown for a part means unknown for the whole.
fn union_if_known(one: Option<BTreeSet<u64>>, other: Option<BTreeSet<u64>>) -> Option<BTreeSet<u64>> {
    one.zip(other).map(|(mut union, more)| {
        union.extend(more);
        union
    })
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
