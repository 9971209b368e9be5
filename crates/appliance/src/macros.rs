//! The macros of the guide's emails ("Email recipients"): the catalogue, templates, the faults of a template, and
//! rendering.

use std::borrow::Cow;
use std::fmt;

use outbound_events::event::EventName;

/// The three events that can send an email.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EmailEvent {
    /// "Support Session End"
    SessionEnd,
    /// "Customer Exit Survey is Completed"
    CustomerExitSurvey,
    /// "Representative Survey is Completed"
    RepSurvey,
}

impl EmailEvent {
    /// All three, in the guide's order.
    pub const ALL: [Self; 3] = [Self::SessionEnd, Self::CustomerExitSurvey, Self::RepSurvey];

    /// The name of the event.
    pub fn event_name(self) -> EventName {
        match self {
            Self::SessionEnd => EventName::End,
            Self::CustomerExitSurvey => EventName::CustomerExitSurveyCompleted,
            Self::RepSurvey => EventName::RepExitSurveyCompleted,
        }
    }

    /// `None` if `event` does not send emails.
    pub fn from_event_name(event: &EventName) -> Option<Self> {
        Self::ALL.into_iter().find(|email| email.event_name() == *event)
    }
}

impl fmt::Display for EmailEvent {
    /// The guide's title.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.event_name().title())
    }
}

/// The part of an email that a template is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailField {
    /// One line.
    Subject,
    /// Text of many lines.
    Body,
}

/// One of the guide's 18 macros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the catalogue describes each")]
pub enum Macro {
    ExternalKey,
    Lsid,
    Lseq,
    CustomerName,
    CustomerComputerName,
    PrimaryRepPrivateDisplayName,
    PrimaryRepPublicDisplayName,
    PrimaryRepUserName,
    StartTime,
    EndTime,
    SessionSummary,
    SessionNotes,
    SessionChat,
    SystemInformation,
    ScreenSharingRecording,
    CommandShellRecording,
    CustomerExitSurvey,
    RepresentativeExitSurvey,
}

/// A row of the guide's catalogue of macros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacroEntry {
    /// The name, without the percent signs.
    pub name: &'static str,
    /// What the macro stands for.
    pub purpose: &'static str,
    /// The events whose emails can contain it.
    pub events: &'static [EmailEvent],
    /// The fields that can contain it.
    pub fields: &'static [EmailField],
}

impl Macro {
    /// All of them, in the guide's order.
    pub const ALL: [Self; 18] = [
        Self::ExternalKey,
        Self::Lsid,
        Self::Lseq,
        Self::CustomerName,
        Self::CustomerComputerName,
        Self::PrimaryRepPrivateDisplayName,
        Self::PrimaryRepPublicDisplayName,
        Self::PrimaryRepUserName,
        Self::StartTime,
        Self::EndTime,
        Self::SessionSummary,
        Self::SessionNotes,
        Self::SessionChat,
        Self::SystemInformation,
        Self::ScreenSharingRecording,
        Self::CommandShellRecording,
        Self::CustomerExitSurvey,
        Self::RepresentativeExitSurvey,
    ];

    /// The macro's row in the guide's catalogue.
    #[rustfmt::skip]
    pub const fn entry(self) -> MacroEntry {
        const ANY: &[EmailEvent] = &EmailEvent::ALL;
        const END: &[EmailEvent] = &[EmailEvent::SessionEnd];
        const CUSTOMER: &[EmailEvent] = &[EmailEvent::CustomerExitSurvey];
        const REP: &[EmailEvent] = &[EmailEvent::RepSurvey];
        const BOTH: &[EmailField] = &[EmailField::Subject, EmailField::Body];
        const BODY: &[EmailField] = &[EmailField::Body];
        let (name, events, fields, purpose) = match self {
            Self::ExternalKey => ("SESSION.CUSTOM.EXTERNAL_KEY", ANY, BOTH, "the session's external key, if it has one"),
            Self::Lsid => ("LSID", ANY, BOTH, "the logging session id"),
            Self::Lseq => ("LSEQ", ANY, BOTH, "the sequential logging number of the session"),
            Self::CustomerName => ("CUSTOMER_NAME", END, BOTH, "the customer's name"),
            Self::CustomerComputerName => ("CUSTOMER_COMPUTER-NAME", END, BOTH, "the name of the customer's computer"),
            Self::PrimaryRepPrivateDisplayName => ("PRIMARY_REP_PRIVATE_DISPLAY_NAME", END, BOTH, "the primary representative's private display name"),
            Self::PrimaryRepPublicDisplayName => ("PRIMARY_REP_PUBLIC_DISPLAY_NAME", END, BOTH, "the primary representative's public display name"),
            Self::PrimaryRepUserName => ("PRIMARY_REP_USER_NAME", END, BOTH, "the primary representative's user name"),
            Self::StartTime => ("START_TIME", END, BOTH, "when the session started"),
            Self::EndTime => ("END_TIME", END, BOTH, "when the session ended"),
            Self::SessionSummary => ("SESSION_SUMMARY", END, BODY, "participants, addresses, times, duration and touched files"),
            Self::SessionNotes => ("SESSION_NOTES", END, BODY, "the notes taken during the session"),
            Self::SessionChat => ("SESSION_CHAT", END, BODY, "the whole chat"),
            Self::SystemInformation => ("SYSTEM_INFORMATION", END, BODY, "general information on the customer's system, if it was collected at the start of the session"),
            Self::ScreenSharingRecording => ("SCREEN_SHARING_RECORDING", END, BODY, "the address of the screen sharing recordings"),
            Self::CommandShellRecording => ("COMMAND_SHELL_RECORDING", END, BODY, "the addresses of the command shell recordings"),
            Self::CustomerExitSurvey => ("CUSTOMER_EXIT_SURVEY", CUSTOMER, BODY, "the customer's exit survey: questions and answers"),
            Self::RepresentativeExitSurvey => ("REPRESENTATIVE_EXIT_SURVEY", REP, BODY, "the representative's survey: questions and answers"),
        };
        MacroEntry { name, purpose, events, fields }
    }

    /// The macro whose name is nearest to `name`, ignoring case: one that contains it, or else the one with the
    /// smallest edit distance.
    fn nearest(name: &str) -> Option<Self> {
        let name = name.to_uppercase();
        let distance = |known: &'static str| (!known.contains(&name), strsim::osa_distance(known, &name));
        Self::ALL.into_iter().min_by_key(|known| distance(known.entry().name))
    }
}

impl fmt::Display for Macro {
    /// As in a template: `%LSID%`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}%", self.entry().name)
    }
}

/// A position in a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Free text with macros. Every text is a template; [`check`] finds what would not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailTemplate(Vec<(Position, TemplatePart)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum TemplatePart {
    Text(String),
    Macro(Macro),
    /// Looks like a macro and is not one. The email contains it unchanged.
    Unknown(String),
    /// A macro without the second percent sign. The email contains it unchanged.
    Unclosed(Macro),
}

impl EmailTemplate {
    /// Parses a template. Only names in capitals are macros, as in the guide. A percent sign before anything else is
    /// text.
    pub fn parse(text: &str) -> Self {
        let mut parts = TemplateParts::default();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            parts.text(before);
            let (part, length) = TemplatePart::after_sign(after);
            let (consumed, remaining) = after.split_at_checked(length).unwrap_or((after, ""));
            parts.add(part, &format!("%{consumed}"));
            rest = remaining;
        }
        parts.text(rest);
        Self(parts.list)
    }
}

impl TemplatePart {
    /// The part at the start of the text after a `%`, and its length in bytes.
    fn after_sign(after: &str) -> (Self, usize) {
        if let Some(known) = closed(after) {
            return (Self::Macro(known), known.entry().name.len() + 1);
        }
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let (name, tail) =
            after.split_at_checked(after.find(|c| !named(c)).unwrap_or(after.len())).unwrap_or((after, ""));
        let unclosed = Macro::ALL.into_iter().find(|known| known.entry().name == name.trim_end_matches(['.', '-']));
        match (tail.strip_prefix('%'), unclosed) {
            (Some(more), _) if name.starts_with(|c: char| c.is_ascii_alphabetic()) => match closed(more) {
                // The percent sign belongs to the next macro.
                Some(_) => (Self::Unknown(format!("%{name}")), name.len()),
                None => (Self::Unknown(format!("%{name}%")), name.len() + 1),
            },
            (None, Some(known)) => (Self::Unclosed(known), known.entry().name.len()),
            _ => (Self::Text("%".to_owned()), 0),
        }
    }
}

/// The macro at the start of the text after a `%`, if its closing `%` follows.
fn closed(after: &str) -> Option<Macro> {
    Macro::ALL
        .into_iter()
        .find(|known| after.strip_prefix(known.entry().name).is_some_and(|tail| tail.starts_with('%')))
}

/// The parts found so far, and the position of the next one.
struct TemplateParts {
    list: Vec<(Position, TemplatePart)>,
    next: Position,
}

impl Default for TemplateParts {
    fn default() -> Self {
        Self { list: Vec::new(), next: Position { line: 1, column: 1 } }
    }
}

impl TemplateParts {
    fn text(&mut self, text: &str) {
        self.add(TemplatePart::Text(text.to_owned()), text);
    }

    /// Adds a part that the template writes as `source`.
    fn add(&mut self, part: TemplatePart, source: &str) {
        self.list.push((self.next, part));
        for character in source.chars() {
            match character {
                '\n' => self.next = Position { line: self.next.line + 1, column: 1 },
                _ => self.next.column += 1,
            }
        }
    }
}

/// A fault and its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The start of the faulty text.
    pub at: Position,
    /// The fault.
    pub fault: TemplateFault,
}

/// What can be wrong in a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateFault {
    /// There is no such macro.
    #[error("{written} is not a macro; the nearest is {nearest}")]
    Unknown {
        /// As in the template.
        written: String,
        /// The macro with the most similar name.
        nearest: Macro,
    },
    /// The second percent sign is missing.
    #[error("%{name} lacks the % at its end; write {0}", name = .0.entry().name)]
    Unclosed(Macro),
    /// The macro is not available for this event.
    #[error("{found} is not available for \"{event}\", only for {others}", others = listed(.found.entry().events))]
    NotForEvent {
        /// The macro.
        found: Macro,
        /// The event of the email.
        event: EmailEvent,
    },
    /// The macro is not available in a subject.
    #[error("{0} works in the body only, not in the subject")]
    BodyOnly(Macro),
    /// A subject must be one line.
    #[error("the subject has a line break; make it one line")]
    LineBreak,
}

fn listed(events: &[EmailEvent]) -> String {
    events.iter().map(|event| format!("\"{event}\"")).collect::<Vec<_>>().join(" and ")
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.fault)
    }
}

/// All faults of a template for the emails of `event`, ordered by position.
pub fn check(template: &EmailTemplate, event: EmailEvent, field: EmailField) -> Vec<Finding> {
    template.0.iter().flat_map(|(at, part)| part.findings(*at, event, field)).collect()
}

impl TemplatePart {
    fn findings(&self, at: Position, event: EmailEvent, field: EmailField) -> Vec<Finding> {
        match self {
            Self::Text(text) => match text.find(['\r', '\n']).filter(|_| field == EmailField::Subject) {
                Some(end) => {
                    let before = text.char_indices().take_while(|(index, _)| *index < end).count();
                    vec![Finding { at: Position { column: at.column + before, ..at }, fault: TemplateFault::LineBreak }]
                }
                None => Vec::new(),
            },
            Self::Unknown(written) => Macro::nearest(written.trim_matches('%'))
                .map(|nearest| Finding { at, fault: TemplateFault::Unknown { written: written.clone(), nearest } })
                .into_iter()
                .collect(),
            Self::Unclosed(known) => vec![Finding { at, fault: TemplateFault::Unclosed(*known) }],
            Self::Macro(found) => {
                let entry = found.entry();
                let for_event = entry.events.contains(&event);
                let not_for_event = (!for_event).then_some(TemplateFault::NotForEvent { found: *found, event });
                let body_only = (!entry.fields.contains(&field)).then_some(TemplateFault::BodyOnly(*found));
                not_for_event.into_iter().chain(body_only).map(|fault| Finding { at, fault }).collect()
            }
        }
    }
}

/// The values of the macros in one email.
pub trait MacroValues {
    /// The text for a macro. `None` (for example, no external key) renders as nothing.
    fn value(&self, of_macro: Macro) -> Option<Cow<'_, str>>;
}

/// Replaces the macros by their values and keeps everything else byte for byte. A value is never parsed as a template.
pub fn render(template: &EmailTemplate, values: &impl MacroValues) -> String {
    let mut text = String::new();
    for (_, part) in &template.0 {
        match part {
            TemplatePart::Text(part) | TemplatePart::Unknown(part) => text.push_str(part),
            TemplatePart::Macro(known) => text.push_str(&values.value(*known).unwrap_or_default()),
            TemplatePart::Unclosed(known) => text.extend(["%", known.entry().name]),
        }
    }
    text
}
