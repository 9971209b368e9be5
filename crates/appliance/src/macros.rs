//! The macros of the guide's emails ("Email recipients"): which there are, templates that hold them, what is wrong with
//! a template, and the text that comes of it.

use std::borrow::Cow;
use std::fmt;

use outbound_events::event::EventName;

/// The events that can send an email. The other four send none.
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

    /// The event that an HTTP recipient would get.
    pub fn event(self) -> EventName {
        match self {
            Self::SessionEnd => EventName::End,
            Self::CustomerExitSurvey => EventName::CustomerExitSurveyCompleted,
            Self::RepSurvey => EventName::RepExitSurveyCompleted,
        }
    }

    /// The email's event, if `event` can send one.
    pub fn of(event: &EventName) -> Option<Self> {
        Self::ALL.into_iter().find(|email| email.event() == *event)
    }
}

impl fmt::Display for EmailEvent {
    /// The guide's title.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.event().title())
    }
}

/// Where in an email a template stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailField {
    /// The subject: one line.
    Subject,
    /// The body.
    Body,
}

/// One of the guide's 18 macros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the catalogue says what each is")]
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

/// What the guide says of a macro.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacroEntry {
    /// Its name, without the signs around it.
    pub name: &'static str,
    /// What stands in its place.
    pub purpose: &'static str,
    /// The events whose emails may hold it.
    pub events: &'static [EmailEvent],
    /// The places that may hold it.
    pub places: &'static [EmailField],
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

    /// Its line in the guide's catalogue.
    #[rustfmt::skip]
    pub const fn entry(self) -> MacroEntry {
        const ANY: &[EmailEvent] = &EmailEvent::ALL;
        const END: &[EmailEvent] = &[EmailEvent::SessionEnd];
        const CUSTOMER: &[EmailEvent] = &[EmailEvent::CustomerExitSurvey];
        const REP: &[EmailEvent] = &[EmailEvent::RepSurvey];
        const BOTH: &[EmailField] = &[EmailField::Subject, EmailField::Body];
        const BODY: &[EmailField] = &[EmailField::Body];
        let (name, events, places, purpose) = match self {
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
            Self::SessionSummary => ("SESSION_SUMMARY", END, BODY, "who took part, from where, when and how long, and what files were touched"),
            Self::SessionNotes => ("SESSION_NOTES", END, BODY, "the notes taken during the session"),
            Self::SessionChat => ("SESSION_CHAT", END, BODY, "the whole chat"),
            Self::SystemInformation => ("SYSTEM_INFORMATION", END, BODY, "general information on the customer's system, if it was pulled as the session began"),
            Self::ScreenSharingRecording => ("SCREEN_SHARING_RECORDING", END, BODY, "the address of the screen sharing recordings"),
            Self::CommandShellRecording => ("COMMAND_SHELL_RECORDING", END, BODY, "the addresses of the command shell recordings"),
            Self::CustomerExitSurvey => ("CUSTOMER_EXIT_SURVEY", CUSTOMER, BODY, "the customer's exit survey: questions and answers"),
            Self::RepresentativeExitSurvey => ("REPRESENTATIVE_EXIT_SURVEY", REP, BODY, "the representative's survey: questions and answers"),
        };
        MacroEntry { name, purpose, events, places }
    }

    /// The macro whose name is nearest to `name`, in whatever case: one that has it as a part, or else the one that takes
    /// the fewest changes.
    fn nearest(name: &str) -> Option<Self> {
        let name = name.to_uppercase();
        let distance = |known: &'static str| (!known.contains(&name), strsim::osa_distance(known, &name));
        Self::ALL.into_iter().min_by_key(|known| distance(known.entry().name))
    }
}

impl fmt::Display for Macro {
    /// The macro as a template holds it: `%LSID%`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}%", self.entry().name)
    }
}

/// A place in a template: both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in that line.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Free text with macros in it. Every text is a template; [`check`] says what of it would not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailTemplate(Vec<(Position, TemplatePart)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum TemplatePart {
    /// As it is to stand in the email.
    Text(String),
    Macro(Macro),
    /// What looks like a macro and is none. It stands in the email as it is.
    Unknown(String),
    /// A macro's name after its first sign, without the second. It stands in the email as it is.
    Unclosed(Macro),
}

impl EmailTemplate {
    /// Reads a template. Names count in capitals only, as the guide prints them; a sign that begins no name is text.
    pub fn parse(text: &str) -> Self {
        let mut parts = TemplateParts::default();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            parts.text(before);
            let (part, length) = TemplatePart::after_sign(after);
            let (taken, left) = after.split_at_checked(length).unwrap_or((after, ""));
            parts.add(part, &format!("%{taken}"));
            rest = left;
        }
        parts.text(rest);
        Self(parts.list)
    }
}

impl TemplatePart {
    /// What the text after a `%` begins with, and how many of its bytes belong to it.
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
                // The sign belongs to the macro that follows.
                Some(_) => (Self::Unknown(format!("%{name}")), name.len()),
                None => (Self::Unknown(format!("%{name}%")), name.len() + 1),
            },
            (None, Some(known)) => (Self::Unclosed(known), known.entry().name.len()),
            _ => (Self::Text("%".to_owned()), 0),
        }
    }
}

/// The macro that the text after a `%` begins with, the sign after it included.
fn closed(after: &str) -> Option<Macro> {
    Macro::ALL
        .into_iter()
        .find(|known| after.strip_prefix(known.entry().name).is_some_and(|tail| tail.starts_with('%')))
}

/// The parts found so far, and where the next one begins.
struct TemplateParts {
    list: Vec<(Position, TemplatePart)>,
    at: Position,
}

impl Default for TemplateParts {
    fn default() -> Self {
        Self { list: Vec::new(), at: Position { line: 1, column: 1 } }
    }
}

impl TemplateParts {
    fn text(&mut self, text: &str) {
        self.add(TemplatePart::Text(text.to_owned()), text);
    }

    /// Adds a part that is written as `source`.
    fn add(&mut self, part: TemplatePart, source: &str) {
        self.list.push((self.at, part));
        for character in source.chars() {
            match character {
                '\n' => self.at = Position { line: self.at.line + 1, column: 1 },
                _ => self.at.column += 1,
            }
        }
    }
}

/// Something in a template that would not come out as it was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where it begins.
    pub at: Position,
    /// What is wrong.
    pub fault: TemplateFault,
}

/// What can be wrong in a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateFault {
    /// The appliance knows no such macro.
    #[error("{written} is no macro; the nearest is {nearest}")]
    Unknown {
        /// As it stands in the template.
        written: String,
        /// The known macro whose name is most like it.
        nearest: Macro,
    },
    /// The sign after the name is missing.
    #[error("%{name} has no % after it; the macro is {0}", name = .0.entry().name)]
    Unclosed(Macro),
    /// The macro exists, and not for this event.
    #[error("{found} is not available for \"{event}\", only for {others}", others = listed(.found.entry().events))]
    NotForEvent {
        /// The macro.
        found: Macro,
        /// The event of the email.
        event: EmailEvent,
    },
    /// The macro may stand in the body only.
    #[error("{0} may stand in the body only, not in the subject")]
    BodyOnly(Macro),
    /// A subject of more than one line.
    #[error("the subject has a line break; it is one line")]
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

/// Everything that is wrong with a template for the emails of `event`, in the order in which it stands there.
pub fn check(template: &EmailTemplate, event: EmailEvent, place: EmailField) -> Vec<Finding> {
    template.0.iter().flat_map(|(at, part)| part.findings(*at, event, place)).collect()
}

impl TemplatePart {
    fn findings(&self, at: Position, event: EmailEvent, place: EmailField) -> Vec<Finding> {
        match self {
            Self::Text(text) => match text.find(['\r', '\n']).filter(|_| place == EmailField::Subject) {
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
                let body_only = (!entry.places.contains(&place)).then_some(TemplateFault::BodyOnly(*found));
                not_for_event.into_iter().chain(body_only).map(|fault| Finding { at, fault }).collect()
            }
        }
    }
}

/// What the macros stand for in one email.
pub trait MacroValues {
    /// The text for a macro. `None`, as for an external key that was not assigned, leaves nothing in its place.
    fn value(&self, of: Macro) -> Option<Cow<'_, str>>;
}

/// The text of an email: what is no macro stands as it was written, byte for byte. A value is put in as it is, and never
/// read as a template.
pub fn render(template: &EmailTemplate, values: &impl MacroValues) -> String {
    let mut text = String::new();
    for (_, part) in &template.0 {
        match part {
            TemplatePart::Text(part) | TemplatePart::Unknown(part) => text.push_str(part),
            TemplatePart::Macro(of) => text.push_str(&values.value(*of).unwrap_or_default()),
            TemplatePart::Unclosed(known) => text.extend(["%", known.entry().name]),
        }
    }
    text
}
