//! What the log of a session says: files, notes, chat, and the systems of the customers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::bounded::{BoundedList, BoundedText};
use super::field::{attribute, fill, number, texts_bytes, unix_time};
use super::setting::Include;
use super::xml::XmlAttributes;
use crate::event::Timestamp;
use crate::report::{MAX_REPORT_TEXT_BYTES, ReportFile, ReportText};

/// What was kept of the log.
#[derive(Default)]
pub(super) struct SessionEvents {
    pub(super) files: BoundedList<ReportFile>,
    pub(super) notes: BoundedList<ReportText>,
    pub(super) chat: BoundedList<ReportText>,
    pub(super) system_information: BoundedList<ReportText>,
    /// Whether something was left out.
    pub(super) is_cut: bool,
}

/// What an event of the log is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    File,
    Note,
    Chat,
    SystemInformation,
}

impl Topic {
    /// By the words of the type, such as `File Upload`, `Chat Message`, `Session Note Added` and `System Information
    /// Retrieved`.
    fn of_type(event_type: &str) -> Option<Self> {
        let lower = event_type.to_ascii_lowercase();
        let words: Vec<_> = lower.split(|char: char| !char.is_ascii_alphanumeric()).collect();
        let has = |any: &[&str]| words.iter().any(|word| any.contains(word));
        if has(&["file", "files", "folder", "directory"]) {
            Some(Self::File)
        } else if has(&["note", "notes"]) {
            Some(Self::Note)
        } else if has(&["chat"]) {
            Some(Self::Chat)
        } else if has(&["system"]) && has(&["information", "info"]) {
            Some(Self::SystemInformation)
        } else {
            None
        }
    }

    /// Files are always kept: what left a computer is what an auditor asks for.
    fn is_wanted(self, include: Include) -> bool {
        match self {
            Self::File => true,
            Self::Note => include.notes,
            Self::Chat => include.chat,
            Self::SystemInformation => include.system_information,
        }
    }
}

/// An event of the log, while it is being read.
pub(super) struct EventDraft {
    topic: Topic,
    event_type: String,
    time: Option<Timestamp>,
    by: Option<String>,
    /// The text, or the text in base64 where XML cannot hold it.
    body: Option<String>,
    encoded_body: Option<String>,
    /// The name and the size of the file, if the event names one file.
    file: (Option<String>, Option<u64>),
    /// The files, if the event has a list of them.
    files: BoundedList<(Option<String>, Option<u64>)>,
    /// The lines of a system's description.
    lines: BoundedText,
    is_cut: bool,
}

impl EventDraft {
    /// An event that is wanted.
    pub(super) fn begin(attributes: &XmlAttributes<'_>, include: Include) -> Option<Self> {
        let event_type = attribute(attributes, "event_type")?;
        let topic = Topic::of_type(&event_type).filter(|topic| topic.is_wanted(include))?;
        Some(Self {
            topic,
            event_type,
            time: attributes.get("timestamp").and_then(unix_time),
            by: None,
            body: None,
            encoded_body: None,
            file: (None, None),
            files: BoundedList::default(),
            lines: BoundedText::default(),
            is_cut: false,
        })
    }

    /// Whether it describes a system.
    pub(super) fn has_lines(&self) -> bool {
        self.topic == Topic::SystemInformation
    }

    pub(super) fn set_by(&mut self, text: &BoundedText) {
        self.is_cut |= fill(&mut self.by, text);
    }

    /// Sets a field by its name: that of an element, or of a value among the event's data.
    pub(super) fn set(&mut self, name: &str, text: &BoundedText) {
        self.is_cut |= match name {
            "body" => fill(&mut self.body, text),
            "encoded_body" => fill(&mut self.encoded_body, text),
            _ => set_file(&mut self.file, name, text),
        };
    }

    pub(super) fn add_file(&mut self, file: (Option<String>, Option<u64>)) {
        let bytes = texts_bytes([&file.0]);
        self.is_cut |= file != (None, None) && !self.files.push(file, bytes);
    }

    /// Adds a line of a system's description: a heading, or a name with its value.
    pub(super) fn add_line(&mut self, name: Option<&str>, value: &str) {
        if value.is_empty() {
            return;
        }
        for part in [name.unwrap_or_default(), if name.is_some() { ": " } else { "" }, value, "\n"] {
            self.lines.push(part);
        }
    }

    /// Adds it to the log of its session.
    pub(super) fn finish(self, events: &mut SessionEvents) {
        events.is_cut |= self.is_cut;
        match self.topic {
            Topic::File => self.finish_files(events),
            Topic::Note => self.finish_text(|events| &mut events.notes, events),
            Topic::Chat => self.finish_text(|events| &mut events.chat, events),
            Topic::SystemInformation => self.finish_text(|events| &mut events.system_information, events),
        }
    }

    fn finish_files(mut self, events: &mut SessionEvents) {
        if self.files.items.is_empty() {
            self.files.items.push(std::mem::take(&mut self.file));
        }
        for (name, bytes) in std::mem::take(&mut self.files.items) {
            let file =
                ReportFile { time: self.time, action: self.event_type.clone(), by: self.by.clone(), name, bytes };
            let bytes = file.action.len().saturating_add(texts_bytes([&file.by, &file.name]));
            events.is_cut |= !events.files.push(file, bytes);
        }
    }

    fn finish_text(
        self,
        list: impl FnOnce(&mut SessionEvents) -> &mut BoundedList<ReportText>,
        events: &mut SessionEvents,
    ) {
        let mut text = BoundedText::default();
        match (&self.body, self.encoded_body.as_deref().map(decode)) {
            (_, Some(decoded)) => text.push(decoded.trim()),
            (Some(body), None) => text.push(body),
            (None, None) => text.push(self.lines.trimmed()),
        }
        if text.trimmed().is_empty() {
            return;
        }
        let is_cut = text.is_cut || self.lines.is_cut;
        let text = ReportText { time: self.time, by: self.by, text: text.trimmed().to_owned() };
        let bytes = text.text.len().saturating_add(texts_bytes([&text.by]));
        let fits = list(events).push(text, bytes);
        events.is_cut |= is_cut || !fits;
    }
}

/// Sets the name or the size of a file. Returns whether it is cut.
pub(super) fn set_file(file: &mut (Option<String>, Option<u64>), name: &str, text: &BoundedText) -> bool {
    match name {
        "filename" | "file_name" | "name" => return fill(&mut file.0, text),
        "filesize" | "file_size" | "size" => file.1 = file.1.or_else(|| number(text.trimmed())),
        _ => {}
    }
    false
}

/// Text in base64 (RFC 2045, 6.8), which can have lines. Text that is none is taken as it is.
fn decode(encoded: &str) -> String {
    let mut packed: Vec<u8> = encoded.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if encoded.len() >= MAX_REPORT_TEXT_BYTES {
        // It may be cut within a group of four.
        packed.truncate(packed.len() & !3);
    }
    match STANDARD.decode(packed) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => encoded.to_owned(),
    }
}
