//! Indexes of figures: what statistics need of each session of each pack.
//!
//! The section of a pack is the length of a JSON list of names (four bytes, big-endian), the list, and 45 bytes for
//! each session, sorted. Numbers are big-endian:
//!
//! | bytes | content |
//! |---|---|
//! | 8 | the hash of the session: [`Id::short`] of [`Id::of_session`] |
//! | 5 each | first event, begin, first representative joined, end: Unix seconds plus 1, or 0 if not known |
//! | 7 each | the last representative that owned it, and the last team: since when, as above, and the number of the name from 1, or 0 |
//! | 2 | owner changes to a representative; 65,535 if not known |
//! | 1 | the sum of 1 (the customer's survey), 2 (the representative's), 4 (answered), 8 and 16 (begin and end by the appliance's report) |

use std::collections::HashMap;

use super::header::{Section, sections};
use crate::event::{Lsid, Timestamp};
use crate::identity::{Id, Site};
use crate::keys::PackKey;
use crate::session::Summary;

const ROW_BYTES: usize = 45;
const UNKNOWN: u16 = u16::MAX;
const SURVEYS: u8 = 3;
const ANSWERED: u8 = 4;
const BEGIN_REPORTED: u8 = 8;
const END_REPORTED: u8 = 16;

/// Names, each with a number.
#[derive(Debug, Default)]
pub struct Names {
    numbers: HashMap<String, u32>,
    names: Vec<String>,
}

impl Names {
    /// The number of a name.
    pub fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.numbers.insert(name.to_owned(), number);
        self.names.push(name.to_owned());
        number
    }

    /// The name with this number.
    pub fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", String::as_str)
    }
}

/// An owner: since when, and the number of the name.
pub type FiguresOwner = Option<(Timestamp, u32)>;

/// What statistics need of a session, or of the part of it that one pack has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionFigures {
    /// [`Id::short`] of [`Id::of_session`].
    pub session: u64,
    /// The number of its site, for whoever reads rows of several sites. An index does not store it.
    pub site: u32,
    /// The time of its first event.
    pub first: Timestamp,
    /// When it began.
    pub begun: Option<Timestamp>,
    /// When the first representative joined.
    pub joined: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The last representative that owned it.
    pub representative: FiguresOwner,
    /// The last team that owned it.
    pub team: FiguresOwner,
    /// The number of owner changes to a representative. `None` if not known.
    pub representative_owners: Option<u16>,
    /// The completed surveys, as [`Summary::surveys`].
    pub surveys: u8,
    /// Whether a representative is known to have been in it.
    pub is_answered: bool,
    /// Whether the begin is that of the appliance's report.
    pub is_begin_reported: bool,
    /// Whether the end is that of the appliance's report.
    pub is_end_reported: bool,
}

/// [`SessionFigures::session`] of a session.
pub fn figures_hash(site: &Site, lsid: &Lsid) -> u64 {
    Id::of_session(site, lsid).short()
}

impl SessionFigures {
    /// Those of a summary. The appliance's report knows better than the events.
    pub fn new(site: &Site, summary: &Summary, names: &mut Names) -> Self {
        let reported = summary.reported.as_ref();
        let report_start = reported.and_then(|reported| reported.start);
        // A name of the report is the last word.
        let last = Timestamp::from_seconds(Timestamp::MAX).unwrap_or_default();
        let of_report = |name: Option<&String>| name.map(|name| (last, name.clone()));
        let of_event = |owner: Option<(Timestamp, &str)>| owner.map(|(since, name)| (since, name.to_owned()));
        let mut owner = |owner: Option<(Timestamp, String)>| owner.map(|(since, name)| (since, names.number(&name)));
        let representative = of_report(reported.and_then(|reported| reported.representative.as_ref()));
        let team = of_report(reported.and_then(|reported| reported.team.as_ref()));
        Self {
            session: figures_hash(site, &summary.lsid),
            site: 0,
            first: summary.first,
            begun: report_start.or(summary.begun),
            joined: summary.representative_joined,
            ended: reported.map(|reported| reported.end).or(summary.ended),
            representative: owner(representative.or_else(|| of_event(summary.representative()))),
            team: owner(team.or_else(|| of_event(summary.team()))),
            representative_owners: summary
                .representative_owners
                .as_ref()
                .map(|owners| u16::try_from(owners.len()).unwrap_or(UNKNOWN - 1).min(UNKNOWN - 1)),
            surveys: u8::try_from(summary.surveys).unwrap_or_default() & SURVEYS,
            is_answered: summary.is_answered(),
            is_begin_reported: report_start.is_some(),
            is_end_reported: reported.is_some(),
        }
    }

    /// Sorts by session. Merges runs that are sorted already, as the rows of a pack are.
    pub fn sort(rows: &mut [Self]) {
        rows.sort_by_key(|row| row.session);
    }

    /// Joins another part of the same session. No event is in both parts.
    pub fn join(&mut self, other: &Self, names: &Names) {
        let earliest = |one: Option<Timestamp>, other: Option<Timestamp>| [one, other].into_iter().flatten().min();
        let last = |one: FiguresOwner, other: FiguresOwner| {
            one.into_iter().chain(other).max_by_key(|(since, name)| (*since, names.name(*name)))
        };
        // The report knows better.
        self.begun = match (self.is_begin_reported, other.is_begin_reported) {
            (true, false) => self.begun,
            (false, true) => other.begun,
            _ => earliest(self.begun, other.begun),
        };
        self.ended = match (self.is_end_reported, other.is_end_reported) {
            (true, false) => self.ended,
            (false, true) => other.ended,
            _ => self.ended.max(other.ended),
        };
        self.first = self.first.min(other.first);
        self.joined = earliest(self.joined, other.joined);
        self.representative = last(self.representative, other.representative);
        self.team = last(self.team, other.team);
        self.representative_owners = self
            .representative_owners
            .zip(other.representative_owners)
            .map(|(one, other)| one.saturating_add(other).min(UNKNOWN - 1));
        self.surveys |= other.surveys;
        self.is_answered |= other.is_answered;
        self.is_begin_reported |= other.is_begin_reported;
        self.is_end_reported |= other.is_end_reported;
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        let time = |time: Option<Timestamp>| time.map_or(0, |time| time.seconds() + 1).to_be_bytes();
        let put_time = |bytes: &mut Vec<u8>, at: Option<Timestamp>| bytes.extend(time(at).into_iter().skip(3));
        bytes.extend(self.session.to_be_bytes());
        for at in [Some(self.first), self.begun, self.joined, self.ended] {
            put_time(bytes, at);
        }
        for owner in [self.representative, self.team] {
            put_time(bytes, owner.map(|(since, _)| since));
            let number = owner.and_then(|(_, number)| u16::try_from(number + 1).ok()).unwrap_or(0);
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(self.representative_owners.unwrap_or(UNKNOWN).to_be_bytes());
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let reported = flag(self.is_begin_reported, BEGIN_REPORTED) | flag(self.is_end_reported, END_REPORTED);
        bytes.push(self.surveys | flag(self.is_answered, ANSWERED) | reported);
    }

    fn read(row: &[u8; ROW_BYTES], names: &[u32]) -> Self {
        let mut rest = row.as_slice();
        let mut take = |bytes: usize| {
            let (number, after) = rest.split_at_checked(bytes).unwrap_or((&[], &[]));
            rest = after;
            number.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
        };
        let time = |number: u64| number.checked_sub(1).and_then(Timestamp::from_seconds);
        let session = take(8);
        let [first, begun, joined, ended] = [(); 4].map(|()| time(take(5)));
        let [representative, team] = [(); 2].map(|()| {
            let (since, number) = (time(take(5)), take(2));
            let name = number.checked_sub(1).and_then(|number| names.get(usize::try_from(number).ok()?));
            since.zip(name.copied())
        });
        let owners = u16::try_from(take(2)).ok().filter(|owners| *owners != UNKNOWN);
        let flags = u8::try_from(take(1)).unwrap_or_default();
        Self {
            session,
            site: 0,
            first: first.unwrap_or_default(),
            begun,
            joined,
            ended,
            representative,
            team,
            representative_owners: owners,
            surveys: flags & SURVEYS,
            is_answered: flags & ANSWERED != 0,
            is_begin_reported: flags & BEGIN_REPORTED != 0,
            is_end_reported: flags & END_REPORTED != 0,
        }
    }
}

/// The section of a pack with these sessions.
pub(super) fn section(site: &Site, sessions: &[Summary]) -> Vec<u8> {
    let mut names = Names::default();
    let mut rows: Vec<_> = sessions.iter().map(|summary| SessionFigures::new(site, summary, &mut names)).collect();
    SessionFigures::sort(&mut rows);
    let names = serde_json::to_vec(&names.names).unwrap_or_default();
    let mut section = u32::try_from(names.len()).unwrap_or_default().to_be_bytes().to_vec();
    section.extend(names);
    rows.iter().for_each(|row| row.write(&mut section));
    section
}

/// An index of figures, or of what is open.
#[derive(Clone, Debug)]
pub struct FiguresIndex {
    packs: Vec<Section>,
    value: Vec<u8>,
}

impl FiguresIndex {
    /// Parses a value. `None` if it is not an index of figures, or if a later version wrote it.
    pub fn parse(value: Vec<u8>) -> Option<Self> {
        Some(Self { packs: sections(&value)?, value })
    }

    /// The packs that it covers.
    pub fn packs(&self) -> impl Iterator<Item = &PackKey> {
        self.packs.iter().map(|(key, ..)| key)
    }

    /// The figures of a pack's sessions. `None` if they cannot be read: then the pack's head says them.
    pub fn rows(&self, pack: &PackKey, names: &mut Names) -> Option<Vec<SessionFigures>> {
        let (.., range) = self.packs.iter().find(|(key, ..)| key == pack)?;
        let section = self.value.get(range.clone())?;
        let (length, rest) = section.split_first_chunk::<4>()?;
        let (list, rows) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        let list: Vec<String> = serde_json::from_slice(list).ok()?;
        let numbers: Vec<u32> = list.iter().map(|name| names.number(name)).collect();
        let (rows, left) = rows.as_chunks::<ROW_BYTES>();
        left.is_empty().then(|| rows.iter().map(|row| SessionFigures::read(row, &numbers)).collect())
    }
}
