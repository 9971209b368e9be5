//! `SupportSession`: the reports of sessions.
//!
//! Each element has a place, which follows from its name and the place of its parent. Elements without one are
//! ignored with all that is inside them.

use std::collections::BTreeSet;

use super::bounded::BoundedText;
use super::fetched::{FetchedSessions, UnreadableSession};
use super::field::{attribute, texts_bytes};
use super::session::{FinishedSession, SessionDraft, add_answer, set_customer, set_representative};
use super::session_event::{EventDraft, set_file};
use super::setting::Include;
use super::xml::{XmlAttributes, XmlSink};
use crate::event::Lsid;
use crate::report::{ReportCustomer, ReportRepresentative, ReportSurvey};

/// The names that the root of reports may have.
pub(super) const REPORT_ROOTS: &[&str] = &["session_list"];

/// The most sessions of an answer that are listed as unreadable.
const MAX_UNREADABLE: usize = 100;

/// Collects the reports of an answer.
pub(super) struct Reports {
    include: Include,
    /// The sessions that were asked for and have not come. What was not asked for is ignored.
    asked: BTreeSet<Lsid>,
    pub(super) fetched: FetchedSessions,
    places: Vec<Place>,
    session: Option<Box<SessionDraft>>,
    customer: ReportCustomer,
    representative: ReportRepresentative,
    survey: ReportSurvey,
    event: Option<Box<EventDraft>>,
    file: (Option<String>, Option<u64>),
    /// The innermost element with text: its name, its name or time among the attributes, and its text.
    name: String,
    key: Option<String>,
    text: BoundedText,
}

/// The place of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Session,
    Customers,
    Customer,
    /// What the customer filled in.
    CustomerInfo,
    Representatives,
    Representative,
    Attributes,
    /// Surveys of customers or of representatives.
    Surveys(&'static str),
    Survey,
    Events,
    Event,
    /// A person of an event: text, or elements, or both.
    Person,
    Data,
    Files,
    /// A file of an event: text, or elements, or both.
    File,
    /// The description of a system.
    System,
    /// An element with text.
    Leaf,
    Ignored,
}

impl Place {
    /// The place of an element by its parent's place, `None` for the root, and its name.
    fn inside(parent: Option<Self>, name: &str) -> Self {
        match (parent, name) {
            (None, "session") => Self::Session,
            (None, _) => Self::Ignored,
            (Some(Self::Session), "customer_list") => Self::Customers,
            (Some(Self::Session), "rep_list") => Self::Representatives,
            (Some(Self::Session), "custom_attributes") => Self::Attributes,
            (Some(Self::Session), "cust_survey_list") => Self::Surveys("customer"),
            (Some(Self::Session), "rep_survey_list") => Self::Surveys("representative"),
            (Some(Self::Session), "session_details") => Self::Events,
            (Some(Self::Customers), "customer") => Self::Customer,
            (Some(Self::Customer), "info") => Self::CustomerInfo,
            (Some(Self::Representatives), "representative") => Self::Representative,
            (Some(Self::Surveys(_)), "cust_exit_survey" | "rep_exit_survey") => Self::Survey,
            (Some(Self::Events), "event") => Self::Event,
            (Some(Self::Event), "performed_by") => Self::Person,
            (Some(Self::Event), "destination") => Self::Ignored,
            (Some(Self::Event), "data") => Self::Data,
            (Some(Self::Event | Self::Data), "files") => Self::Files,
            (Some(Self::Event | Self::Data), "system_information") => Self::System,
            (Some(Self::Files), "file") => Self::File,
            // The titles of the columns.
            (Some(Self::System), "description") => Self::Ignored,
            (Some(Self::System), "category" | "data" | "row") => Self::System,
            (
                Some(
                    Self::Customers
                    | Self::Representatives
                    | Self::Surveys(_)
                    | Self::Events
                    | Self::Files
                    | Self::Leaf
                    | Self::Ignored,
                ),
                _,
            ) => Self::Ignored,
            (Some(_), _) => Self::Leaf,
        }
    }

    /// Whether its own text counts.
    fn has_text(self) -> bool {
        matches!(self, Self::Leaf | Self::Person | Self::File)
    }
}

impl Reports {
    pub(super) fn new(include: Include, asked: BTreeSet<Lsid>) -> Self {
        Self {
            include,
            asked,
            fetched: FetchedSessions::default(),
            places: Vec::new(),
            session: None,
            customer: ReportCustomer::default(),
            representative: ReportRepresentative::default(),
            survey: ReportSurvey::default(),
            event: None,
            file: (None, None),
            name: String::new(),
            key: None,
            text: BoundedText::default(),
        }
    }

    /// Begins what an element stands for. Returns its place, or another if it is not wanted.
    fn begin(&mut self, place: Place, name: &str, attributes: &XmlAttributes<'_>) -> Place {
        match place {
            Place::Session if !self.begin_session(attributes) => return Place::Ignored,
            Place::Customer => self.customer = ReportCustomer::default(),
            Place::Representative => {
                self.representative = ReportRepresentative { id: attribute(attributes, "id"), ..Default::default() };
            }
            Place::Surveys(by) => self.survey.by = by.to_owned(),
            Place::Survey => self.survey.answers.clear(),
            Place::Event => {
                self.event = EventDraft::begin(attributes, self.include).map(Box::new);
                if self.event.is_none() {
                    return Place::Ignored;
                }
            }
            Place::File => self.begin_file(attributes),
            Place::System => self.begin_system(name, attributes),
            Place::Leaf => self.begin_leaf(name, attributes),
            _ => {}
        }
        if place.has_text() {
            self.text = BoundedText::default();
            if place == Place::Leaf {
                // Some values are attributes.
                self.text.push(attributes.get("value").unwrap_or_default());
            }
        }
        place
    }

    fn begin_session(&mut self, attributes: &XmlAttributes<'_>) -> bool {
        match attributes.get("lsid").map(Lsid::parse) {
            Some(Ok(lsid)) if self.asked.remove(&lsid) => {
                self.session = Some(Box::new(SessionDraft::new(lsid)));
                return true;
            }
            Some(Ok(_)) => {}
            Some(Err(reason)) => self.add_unreadable(None, format!("has an lsid that {reason}")),
            None => self.add_unreadable(None, "has no lsid".to_owned()),
        }
        false
    }

    fn begin_file(&mut self, attributes: &XmlAttributes<'_>) {
        self.file = (None, None);
        for name in ["name", "filename", "size", "filesize"] {
            let mut text = BoundedText::default();
            text.push(attributes.get(name).unwrap_or_default());
            let is_cut = set_file(&mut self.file, name, &text);
            self.note_cut(is_cut);
        }
    }

    fn begin_system(&mut self, name: &str, attributes: &XmlAttributes<'_>) {
        if let (Some(event), "category") = (&mut self.event, name) {
            event.add_line(None, attributes.get("name").unwrap_or_default());
        }
    }

    fn begin_leaf(&mut self, name: &str, attributes: &XmlAttributes<'_>) {
        name.clone_into(&mut self.name);
        let key = ["timestamp", "code_name", "name"].iter().find_map(|name| attribute(attributes, name));
        self.key = key;
    }

    fn add_unreadable(&mut self, lsid: Option<Lsid>, reason: String) {
        if self.fetched.unreadable.len() < MAX_UNREADABLE {
            self.fetched.unreadable.push(UnreadableSession { lsid, reason });
        }
    }

    fn note_cut(&mut self, is_cut: bool) {
        if let Some(session) = &mut self.session {
            session.note_cut(is_cut);
        }
    }

    /// Ends an element.
    fn end(&mut self, place: Place, parent: Option<Place>) {
        match place {
            Place::Leaf => self.end_leaf(parent),
            Place::Person | Place::File => self.take_own_text(place),
            _ => {}
        }
        match place {
            Place::Session => self.end_session(),
            Place::Customer | Place::Representative | Place::Survey => self.end_person(place),
            Place::Event => {
                if let (Some(session), Some(event)) = (&mut self.session, self.event.take()) {
                    event.finish(&mut session.events);
                }
            }
            Place::File => {
                let file = std::mem::take(&mut self.file);
                if let Some(event) = &mut self.event {
                    event.add_file(file);
                }
            }
            _ => {}
        }
    }

    /// Uses the text of an element that can have elements besides it.
    fn take_own_text(&mut self, place: Place) {
        let text = std::mem::take(&mut self.text);
        match (place, &mut self.event) {
            (Place::Person, Some(event)) => event.set_by(&text),
            (Place::File, _) => {
                let is_cut = set_file(&mut self.file, "name", &text);
                self.note_cut(is_cut);
            }
            _ => {}
        }
    }

    fn end_leaf(&mut self, parent: Option<Place>) {
        let (text, key) = (std::mem::take(&mut self.text), self.key.take());
        let (Some(session), Some(parent)) = (&mut self.session, parent) else { return };
        let name = self.name.as_str();
        let is_cut = match (parent, &mut self.event) {
            (Place::Session, _) => {
                session.set(name, key.as_deref(), &text);
                false
            }
            (Place::Customer | Place::CustomerInfo, _) => set_customer(&mut self.customer, name, &text),
            (Place::Representative, _) => set_representative(&mut self.representative, name, &text),
            (Place::Attributes, _) => {
                session.set_attribute(key.unwrap_or_default(), &text);
                false
            }
            (Place::Survey, _) => add_answer(&mut self.survey.answers, key.unwrap_or_default(), &text),
            (Place::File, _) => set_file(&mut self.file, name, &text),
            (_, Some(event)) => {
                end_event_leaf(event, parent, name, key.as_deref(), &text);
                false
            }
            _ => false,
        };
        session.note_cut(is_cut);
    }

    fn end_person(&mut self, place: Place) {
        let Some(session) = &mut self.session else { return };
        let fits = match place {
            Place::Customer => {
                let customer = std::mem::take(&mut self.customer);
                let bytes = customer_bytes(&customer);
                session.customers.push(customer, bytes)
            }
            Place::Representative => {
                let person = std::mem::take(&mut self.representative);
                let bytes = representative_bytes(&person);
                session.representatives.push(person, bytes)
            }
            _ if self.survey.answers.is_empty() => true,
            _ => {
                let bytes = self.survey.answers.iter().map(|(question, answer)| question.len() + answer.len()).sum();
                session.surveys.push(self.survey.clone(), bytes)
            }
        };
        session.note_cut(!fits);
    }

    fn end_session(&mut self) {
        match self.session.take().map(|session| session.finish()) {
            Some(FinishedSession::Reported(session)) => self.fetched.sessions.push(*session),
            Some(FinishedSession::NotReady(lsid)) => self.fetched.not_ready.push(lsid),
            Some(FinishedSession::Unreadable(session)) => self.add_unreadable(session.lsid, session.reason),
            None => {}
        }
    }
}

fn end_event_leaf(event: &mut EventDraft, parent: Place, name: &str, key: Option<&str>, text: &BoundedText) {
    match parent {
        Place::Person if ["display_name", "username"].contains(&name) => event.set_by(text),
        Place::Person => {}
        Place::System => event.add_line(Some(key.unwrap_or(name)), text.trimmed()),
        Place::Data if event.has_lines() => event.add_line(Some(key.unwrap_or(name)), text.trimmed()),
        Place::Data => event.set(key.unwrap_or(name), text),
        _ => event.set(name, text),
    }
}

fn customer_bytes(customer: &ReportCustomer) -> usize {
    let ReportCustomer { name, public_address, private_address, hostname, os, company, issue, details } = customer;
    texts_bytes([name, public_address, private_address, hostname, os, company, issue, details])
}

fn representative_bytes(person: &ReportRepresentative) -> usize {
    let ReportRepresentative { id, name, username, public_address, private_address, hostname, os, .. } = person;
    texts_bytes([id, name, username, public_address, private_address, hostname, os])
}

impl XmlSink for Reports {
    fn open(&mut self, name: &str, attributes: &XmlAttributes<'_>) {
        let parent = self.places.last().copied();
        if let Some(parent @ (Place::Person | Place::File)) = parent {
            self.take_own_text(parent);
        }
        let place = self.begin(Place::inside(parent, name), name, attributes);
        self.places.push(place);
    }

    fn text(&mut self, part: &str) {
        if self.places.last().is_some_and(|place| place.has_text()) {
            self.text.push(part);
        }
    }

    fn close(&mut self) {
        let Some(place) = self.places.pop() else { return };
        let parent = self.places.last().copied();
        self.end(place, parent);
    }
}
