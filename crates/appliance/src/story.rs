//! The content of an email about a session: a value for each of the guide's macros.

use std::borrow::Cow;

use crate::macros::{Macro, MacroValues};
use outbound_events::event::Timestamp;

use crate::content::{CUSTOMER_SURVEY, ChatSpeaker, REPRESENTATIVE_SURVEY, survey_text};
use crate::session::SupportSession;

/// A session with the times that its emails name.
pub struct Story<'a> {
    /// The session.
    pub session: &'a SupportSession,
    /// When it started, in Unix seconds.
    pub started: u64,
    /// When it ended, in Unix seconds.
    pub ended: u64,
    /// The external key at the time of the event.
    pub external_key: Option<&'a str>,
}

impl MacroValues for Story<'_> {
    fn value(&self, of_macro: Macro) -> Option<Cow<'_, str>> {
        let primary = self.session.primary.as_ref();
        let recording = |kind: &str| self.session.recording_url(kind);
        Some(match of_macro {
            Macro::ExternalKey => self.external_key?.into(),
            Macro::Lsid => self.session.lsid.as_str().into(),
            Macro::Lseq => (self.session.number + 1).to_string().into(),
            Macro::CustomerName => self.session.customer.as_str().into(),
            Macro::CustomerComputerName => self.session.computer.as_str().into(),
            Macro::PrimaryRepPrivateDisplayName => primary?.private_name.as_str().into(),
            Macro::PrimaryRepPublicDisplayName => primary?.public_name.as_str().into(),
            Macro::PrimaryRepUserName => primary?.username.as_str().into(),
            Macro::StartTime => time(self.started).into(),
            Macro::EndTime => time(self.ended).into(),
            Macro::SessionSummary => self.summary().into(),
            Macro::SessionNotes => self.session.notes().into(),
            Macro::SessionChat => self.chat().into(),
            Macro::SystemInformation => self.system().into(),
            Macro::ScreenSharingRecording => recording("screen").into(),
            Macro::CommandShellRecording => format!("{}\n{}", recording("shell/1"), recording("shell/2")).into(),
            Macro::CustomerExitSurvey => survey_text(&CUSTOMER_SURVEY).into(),
            Macro::RepresentativeExitSurvey => survey_text(&REPRESENTATIVE_SURVEY).into(),
        })
    }
}

impl Story<'_> {
    fn summary(&self) -> String {
        let [transferred, renamed, deleted] = self.session.files;
        let [public_ip, private_ip] = self.session.customer_addresses();
        let representative = match &self.session.primary {
            Some(primary) => format!("{} ({})", primary.private_name, primary.id),
            None => "none".to_owned(),
        };
        format!(
            "Representative: {representative}\nCustomer: {} ({public_ip}, {private_ip})\nStart: {}\nEnd: {}\nDuration: {}\nFiles transferred: {transferred}, renamed: {renamed}, deleted: {deleted}",
            self.session.customer,
            time(self.started),
            time(self.ended),
            humantime::format_duration(std::time::Duration::from_secs(self.ended.saturating_sub(self.started))),
        )
    }

    fn chat(&self) -> String {
        let representative = self.session.primary.as_ref().map_or("", |primary| primary.public_name.as_str());
        let line = |(speaker, text): (ChatSpeaker, &str)| match speaker {
            ChatSpeaker::Customer => format!("{}: {text}", self.session.customer),
            ChatSpeaker::Representative => format!("{representative}: {text}"),
        };
        self.session.chat().into_iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn system(&self) -> String {
        let line = |(name, value)| format!("{name}: {value}");
        self.session.system_information().map(line).join("\n")
    }
}

fn time(seconds: u64) -> String {
    Timestamp::from_seconds(seconds).map(Timestamp::rfc3339).unwrap_or_default()
}
