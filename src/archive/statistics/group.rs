//! Groups of sessions, and the figures of a group.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::quantiles::{Quantiles, TimeQuantiles};
use super::zone::Zone;
use crate::archive::index::{Names, SessionFigures};
use crate::event::Timestamp;
use crate::session::Summary;

/// The most sessions of an answer with exact quantiles. Beyond that, a quantile is off by at most 0.4 %.
pub const MOST_EXACT: usize = 100_000;

/// What sessions are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// The day of their begin: `2026-10-19`.
    Day,
    /// Its hour: `2026-10-19T14`.
    Hour,
    /// The day of the week and the hour: `mon-09`.
    WeekdayHour,
    /// The last representative that owned them.
    Representative,
    /// The last team that owned them.
    Team,
    /// The site.
    Site,
}

impl GroupBy {
    /// Parses the parameter `by`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "day" => Ok(Self::Day),
            "hour" => Ok(Self::Hour),
            "weekday-hour" => Ok(Self::WeekdayHour),
            "representative" => Ok(Self::Representative),
            "team" => Ok(Self::Team),
            "site" => Ok(Self::Site),
            _ => Err("is not day, hour, weekday-hour, representative, team or site"),
        }
    }
}

/// A group, in the order of an answer: sessions without a name come last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum GroupKey {
    Number(i64),
    Name(String),
    Nameless,
}

/// The figures of a group of sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupFigures {
    /// The group. `None` for sessions without a representative or a team.
    pub group: Option<String>,
    /// Sessions whose begin is known.
    pub sessions: u64,
    /// Of these, those that ended.
    pub ended: u64,
    /// Of these, those without a representative.
    pub never_answered: u64,
    /// From the begin until the first representative joined.
    pub waiting_seconds: Option<TimeQuantiles>,
    /// From the begin to the end.
    pub length_seconds: Option<TimeQuantiles>,
    /// Changes of the owner to another representative than the first.
    pub transfers: u64,
    /// Different representatives who owned sessions last.
    pub representatives: usize,
    /// Completed exit surveys.
    pub surveys: SurveyCounts,
    /// What is left out, since it is not known.
    pub unknown: UnknownCounts,
}

/// Completed exit surveys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SurveyCounts {
    /// Of customers.
    pub customer: u64,
    /// Of representatives.
    pub representative: u64,
}

/// Sessions of which something is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UnknownCounts {
    /// Sessions without a begin, by their first event. Nothing else of the group counts them.
    pub begin: u64,
    /// Answered sessions of which the first representative's joining is missing, or is before the begin.
    pub waiting: u64,
    /// Ended sessions whose end is before their begin.
    pub length: u64,
    /// Sessions of which a part was packed by a version that did not keep owner changes.
    pub transfers: u64,
}

struct Group {
    sessions: u64,
    ended: u64,
    never_answered: u64,
    waiting: Quantiles,
    length: Quantiles,
    transfers: u64,
    representatives: BTreeSet<u32>,
    surveys: SurveyCounts,
    unknown: UnknownCounts,
}

impl Group {
    fn new(is_exact: bool) -> Self {
        Self {
            sessions: 0,
            ended: 0,
            never_answered: 0,
            waiting: Quantiles::new(is_exact),
            length: Quantiles::new(is_exact),
            transfers: 0,
            representatives: BTreeSet::new(),
            surveys: SurveyCounts::default(),
            unknown: UnknownCounts::default(),
        }
    }

    /// Keeps no more than a sketch of times from now on.
    fn sketch(&mut self) {
        self.waiting.sketch();
        self.length.sketch();
    }

    fn add(&mut self, session: &SessionFigures) {
        let Some(begun) = session.begun else {
            self.unknown.begin += 1;
            return;
        };
        let since_begin = |time: Timestamp| time.seconds().checked_sub(begun.seconds());
        self.sessions += 1;
        if session.is_answered {
            match session.joined.and_then(since_begin) {
                Some(seconds) => self.waiting.add(seconds),
                None => self.unknown.waiting += 1,
            }
        }
        if let Some(ended) = session.ended {
            self.ended += 1;
            self.never_answered += u64::from(!session.is_answered);
            match since_begin(ended) {
                Some(seconds) => self.length.add(seconds),
                None => self.unknown.length += 1,
            }
        }
        match session.representative_owners {
            Some(owners) => self.transfers += u64::from(owners.saturating_sub(1)),
            None => self.unknown.transfers += 1,
        }
        self.representatives.extend(session.representative.map(|(_, name)| name));
        let has = |survey: u64| u64::from(u64::from(session.surveys) & survey != 0);
        self.surveys.customer += has(Summary::CUSTOMER_SURVEY);
        self.surveys.representative += has(Summary::REPRESENTATIVE_SURVEY);
    }
}

/// Groups under way.
pub(super) struct Groups<'a> {
    by: GroupBy,
    zone: &'a Zone,
    sessions: usize,
    groups: BTreeMap<GroupKey, Group>,
}

impl<'a> Groups<'a> {
    pub(super) fn new(by: GroupBy, zone: &'a Zone) -> Self {
        Self { by, zone, sessions: 0, groups: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, session: &SessionFigures, site: &str, names: &Names) {
        let local = self.zone.local(session.begun.unwrap_or(session.first));
        let name = |owner: Option<(Timestamp, u32)>| match owner {
            Some((_, number)) => GroupKey::Name(names.name(number).to_owned()),
            None => GroupKey::Nameless,
        };
        let key = match self.by {
            GroupBy::Day => GroupKey::Number(local.day),
            GroupBy::Hour => GroupKey::Number(local.day * 24 + i64::from(local.hour)),
            GroupBy::WeekdayHour => GroupKey::Number(i64::from(local.weekday()) * 24 + i64::from(local.hour)),
            GroupBy::Representative => name(session.representative),
            GroupBy::Team => name(session.team),
            GroupBy::Site => GroupKey::Name(site.to_owned()),
        };
        self.sessions += 1;
        if self.sessions == MOST_EXACT + 1 {
            self.groups.values_mut().for_each(Group::sketch);
        }
        let is_exact = self.sessions <= MOST_EXACT;
        self.groups.entry(key).or_insert_with(|| Group::new(is_exact)).add(session);
    }

    /// The figures of all groups, in order.
    pub(super) fn figures(self) -> Vec<GroupFigures> {
        let by = self.by;
        let figures = |(key, mut group): (GroupKey, Group)| GroupFigures {
            group: group_text(by, key),
            sessions: group.sessions,
            ended: group.ended,
            never_answered: group.never_answered,
            waiting_seconds: group.waiting.quantiles(),
            length_seconds: group.length.quantiles(),
            transfers: group.transfers,
            representatives: group.representatives.len(),
            surveys: group.surveys,
            unknown: group.unknown,
        };
        self.groups.into_iter().map(figures).collect()
    }
}

fn group_text(by: GroupBy, key: GroupKey) -> Option<String> {
    const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let number = match key {
        GroupKey::Nameless => return None,
        GroupKey::Name(name) => return Some(name),
        GroupKey::Number(number) => number,
    };
    let day = |days: i64| {
        let midnight = Timestamp::from_seconds(u64::try_from(days * 86_400).ok()?)?;
        midnight.rfc3339().get(.."2026-10-19".len()).map(str::to_owned)
    };
    let (hours, hour) = (number.div_euclid(24), number.rem_euclid(24));
    match by {
        GroupBy::Day => day(number),
        GroupBy::Hour => Some(format!("{}T{hour:02}", day(hours)?)),
        _ => Some(format!("{}-{hour:02}", WEEKDAYS.get(usize::try_from(hours).ok()?)?)),
    }
}
