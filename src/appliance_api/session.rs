//! One session of an answer, while it is being read.

use std::collections::BTreeMap;

use super::bounded::{BoundedList, BoundedText};
use super::fetched::{ReportedSession, UnreadableSession};
use super::field::{fill, number, unix_time};
use super::session_event::SessionEvents;
use crate::event::{Lsid, Timestamp};
use crate::json_setting::parse_time;
use crate::report::{ReportCustomer, ReportRepresentative, ReportSurvey, SessionReport};

/// The most characters of an external key, as for events.
const MAX_EXTERNAL_KEY_CHARACTERS: usize = 1_024;

/// What was read of a session.
pub(super) struct SessionDraft {
    lsid: Lsid,
    external_key: Option<String>,
    end: Time,
    /// The report; its end and its lists are filled in at the end.
    report: SessionReport,
    pub(super) customers: BoundedList<ReportCustomer>,
    pub(super) representatives: BoundedList<ReportRepresentative>,
    pub(super) surveys: BoundedList<ReportSurvey>,
    pub(super) events: SessionEvents,
}

/// A time of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Time {
    Missing,
    Invalid,
    Valid(Timestamp),
}

/// What becomes of a session.
pub(super) enum FinishedSession {
    Reported(Box<ReportedSession>),
    NotReady(Lsid),
    Unreadable(UnreadableSession),
}

impl SessionDraft {
    pub(super) fn new(lsid: Lsid) -> Self {
        Self {
            lsid,
            external_key: None,
            end: Time::Missing,
            report: SessionReport::ended(Timestamp::EPOCH),
            customers: BoundedList::default(),
            representatives: BoundedList::default(),
            surveys: BoundedList::default(),
            events: SessionEvents::default(),
        }
    }

    /// Marks the report: something of the session was left out.
    pub(super) fn note_cut(&mut self, is_cut: bool) {
        self.report.truncated |= is_cut;
    }

    /// Sets a field of the session itself.
    pub(super) fn set(&mut self, name: &str, time: Option<&str>, text: &BoundedText) {
        let report = &mut self.report;
        let slot = match name {
            "session_type" => &mut report.session_type,
            "lseq" => &mut report.sequence_number,
            "public_site" => &mut report.public_site,
            "primary_team" => &mut report.team,
            "primary_customer" => &mut report.primary_customer,
            "primary_rep" => &mut report.primary_representative,
            "external_key" => return self.set_external_key(text),
            "session_chat_view_url" => return set_link(&mut report.links.chat, text),
            "session_chat_download_url" => return set_link(&mut report.links.chat_download, text),
            "session_recording_view_url" => return set_link(&mut report.links.recording, text),
            "session_recording_download_url" => return set_link(&mut report.links.recording_download, text),
            "file_transfer_count" => return report.files_transferred = number(text.trimmed()),
            "file_move_count" => return report.files_moved = number(text.trimmed()),
            "file_delete_count" => return report.files_deleted = number(text.trimmed()),
            "duration" => return report.duration_seconds = duration_seconds(text.trimmed()),
            "start_time" => return report.start = Time::read(time, text).valid(),
            "end_time" => return self.end = Time::read(time, text),
            _ => return,
        };
        report.truncated |= fill(slot, text);
    }

    fn set_external_key(&mut self, text: &BoundedText) {
        let key: String = text.trimmed().chars().take(MAX_EXTERNAL_KEY_CHARACTERS).collect();
        self.note_cut(text.is_cut || key.len() < text.trimmed().len());
        self.external_key = (!key.is_empty()).then_some(key);
    }

    /// Sets a custom attribute.
    pub(super) fn set_attribute(&mut self, code_name: String, text: &BoundedText) {
        let (value, is_cut) = (text.trimmed(), text.is_cut);
        let attributes = &mut self.report.custom_attributes;
        if code_name.is_empty() || value.is_empty() {
            return;
        }
        let fits = attributes.len() < MAX_ATTRIBUTES;
        if fits {
            attributes.insert(code_name, value.to_owned());
        }
        self.note_cut(is_cut || !fits);
    }

    pub(super) fn finish(self) -> FinishedSession {
        let Self { lsid, external_key, end, mut report, customers, representatives, surveys, events } = self;
        match end {
            Time::Missing => return FinishedSession::NotReady(lsid),
            Time::Invalid => {
                let reason = "has an end_time that is not a time".to_owned();
                return FinishedSession::Unreadable(UnreadableSession { lsid: Some(lsid), reason });
            }
            Time::Valid(end) => report.end = end,
        }
        report.customers = customers.items;
        report.representatives = representatives.items;
        report.surveys = surveys.items;
        report.files = events.files.items;
        report.notes = events.notes.items;
        report.chat = events.chat.items;
        report.system_information = events.system_information.items;
        report.truncated |= events.is_cut;
        FinishedSession::Reported(Box::new(ReportedSession { lsid, external_key, report }))
    }
}

/// The most custom attributes, and the most answers of a survey.
const MAX_ATTRIBUTES: usize = 200;

impl Time {
    /// From Unix seconds in an attribute, or else from the text in RFC 3339.
    fn read(seconds: Option<&str>, text: &BoundedText) -> Self {
        let seconds = seconds.unwrap_or_default().trim();
        let parsed = match (seconds, text.trimmed()) {
            // A session that has not ended.
            ("" | "0", "") => return Self::Missing,
            ("", text) => parse_time(text).ok(),
            (seconds, _) => unix_time(seconds),
        };
        parsed.map_or(Self::Invalid, Self::Valid)
    }

    fn valid(self) -> Option<Timestamp> {
        match self {
            Self::Valid(time) => Some(time),
            Self::Missing | Self::Invalid => None,
        }
    }
}

/// Seconds from `hours:minutes:seconds` or from a number.
fn duration_seconds(text: &str) -> Option<u64> {
    text.split(':').try_fold(0_u64, |total, part| total.checked_mul(60)?.checked_add(number(part)?))
}

/// Only links of the web: a page would offer any other to click.
fn set_link(slot: &mut Option<String>, text: &BoundedText) {
    let link = text.trimmed();
    let (scheme, rest) = link.split_once("://").unwrap_or_default();
    let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    let is_link = is_web && !rest.is_empty() && !link.contains(|char: char| char.is_control() || char.is_whitespace());
    if is_link && !text.is_cut {
        *slot = Some(link.to_owned());
    }
}

/// Sets a field of a customer. Returns whether it is cut.
pub(super) fn set_customer(customer: &mut ReportCustomer, name: &str, text: &BoundedText) -> bool {
    let slot = match name {
        "username" | "name" => &mut customer.name,
        "public_ip" => &mut customer.public_address,
        "private_ip" => &mut customer.private_address,
        "hostname" => &mut customer.hostname,
        "os" => &mut customer.os,
        "company" => &mut customer.company,
        "issue" => &mut customer.issue,
        "details" => &mut customer.details,
        _ => return false,
    };
    fill(slot, text)
}

/// Sets a field of a representative. Returns whether it is cut.
pub(super) fn set_representative(person: &mut ReportRepresentative, name: &str, text: &BoundedText) -> bool {
    let slot = match name {
        "display_name" | "public_display_name" => &mut person.name,
        "username" => &mut person.username,
        "public_ip" => &mut person.public_address,
        "private_ip" => &mut person.private_address,
        "hostname" => &mut person.hostname,
        "os" => &mut person.os,
        "seconds_involved" => {
            person.seconds_involved = number(text.trimmed());
            return false;
        }
        "session_owner" => {
            person.owner = ["1", "true"].contains(&text.trimmed());
            return false;
        }
        _ => return false,
    };
    fill(slot, text)
}

/// Adds an answer of a survey. A question with several answers has them all. Returns whether something is cut.
pub(super) fn add_answer(answers: &mut BTreeMap<String, String>, question: String, answer: &BoundedText) -> bool {
    let text = answer.trimmed();
    if question.is_empty() || text.is_empty() {
        return false;
    }
    if answers.len() >= MAX_ATTRIBUTES {
        return true;
    }
    let mut all = BoundedText::default();
    if let Some(earlier) = answers.get(&question) {
        all.push(earlier);
        all.push(", ");
    }
    all.push(text);
    answers.insert(question, all.trimmed().to_owned());
    all.is_cut || answer.is_cut
}
